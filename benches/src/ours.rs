//! How a caskade with a limit is built, in one place for all benchmarks.

use caskade::Cache;

use crate::keys::fixed_hasher;

/// Whether [`build`] heeds its argument. While it does not, goals are not judged and nobody checks
/// that caskade keeps to its limit.
pub const BOUNDED: bool = false;

/// What the tables call it.
pub const NAME: &str = if BOUNDED { "caskade" } else { "caskade (unbounded)" };

/// An empty cache that holds no more than `capacity` entries.
///
/// # Panics
///
/// If the settings are refused.
#[must_use]
pub fn build<V: Send + Sync + 'static>(capacity: usize) -> Cache<u64, V> {
    // To do when `max_entries` exists: call it here, and set `BOUNDED`.
    let _ = capacity;
    Cache::builder().hasher(fixed_hasher()).build().expect("the settings are valid")
}
