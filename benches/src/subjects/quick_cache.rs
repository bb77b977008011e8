//! quick_cache.

use quick_cache::sync::{Cache, DefaultLifecycle, EntryAction, EntryResult};
use quick_cache::{OptionsBuilder, UnitWeighter};

use crate::{NumberSubject, Payload, Subject};

type Inner<V> = Cache<u64, V, UnitWeighter, ahash::RandomState>;

/// [`quick_cache::sync::Cache`] with room for twice the entries, so that no shard evicts.
///
/// It derives the number of its shards from the expected number of entries and makes room for
/// them at once, so it is the one subject that is told its size.
#[derive(Debug)]
pub struct QuickCache<V: Payload>(Inner<V>);

impl<V: Payload> QuickCache<V> {
    /// An empty cache for this many entries.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(entries as u64 * 2)
            .build()
            .expect("the options are complete");
        let hasher = ahash::RandomState::new();
        Self(Cache::with_options(options, UnitWeighter, hasher, DefaultLifecycle::default()))
    }
}

impl<V: Payload> Subject<V> for QuickCache<V> {
    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key)
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.insert(key, value);
    }

    #[inline]
    fn remove(&self, key: u64) -> bool {
        self.0.remove(&key).is_some()
    }
}

impl NumberSubject for QuickCache<u64> {
    #[inline]
    fn increment(&self, key: u64) {
        let done = self.0.entry(&key, None, |_, count| {
            *count += 1;
            EntryAction::Retain(())
        });
        assert!(matches!(done, EntryResult::Retained(())), "the counter exists");
    }

    /// By value, for want of a stamp.
    #[inline]
    fn optimistic_add(&self, key: u64) -> u64 {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let seen = self.get(key).expect("the counter exists");
            let done = self.0.entry(&key, None, |_, count| {
                let same = *count == seen;
                *count = if same { seen + 1 } else { *count };
                EntryAction::Retain(same)
            });
            if matches!(done, EntryResult::Retained(true)) {
                return attempts;
            }
        }
    }
}
