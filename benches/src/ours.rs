//! How a caskade with a limit is built, in one place for all benchmarks.

use caskade::Cache;

use crate::keys::fixed_hasher;

/// What the tables call it.
pub const NAME: &str = "caskade";

/// An empty cache that holds no more than `capacity` entries.
///
/// # Panics
///
/// If the settings are refused.
#[must_use]
pub fn build<V: Send + Sync + 'static>(capacity: usize) -> Cache<u64, V> {
    let builder = Cache::builder().hasher(fixed_hasher()).max_entries(capacity as u64);
    builder.build().expect("the settings are valid")
}
