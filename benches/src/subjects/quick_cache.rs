//! quick_cache.

use quick_cache::sync::{Cache, DefaultLifecycle, EntryAction, EntryResult};
use quick_cache::{OptionsBuilder, UnitWeighter};

use crate::keys::fixed_hasher;
use crate::{Limited, NumberSubject, Payload, Subject};

type Inner<V> = Cache<u64, V, UnitWeighter, ahash::RandomState>;

/// [`quick_cache::sync::Cache`].
#[derive(Debug)]
pub struct QuickCache<V: Payload>(Inner<V>);

impl<V: Payload> QuickCache<V> {
    /// An empty cache with room for twice the entries, so that no shard evicts.
    ///
    /// It derives the number of its shards from the expected number of entries and makes room for
    /// them at once, so it is the one subject that is told its size.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        Self::with(entries, entries as u64 * 2, ahash::RandomState::new())
    }

    /// An empty cache with a limit, and as many shards as it sees fit.
    #[must_use]
    pub fn limited(capacity: usize) -> Self {
        Self::with(capacity, capacity as u64, fixed_hasher())
    }

    fn with(entries: usize, capacity: u64, hasher: ahash::RandomState) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(capacity)
            .build()
            .expect("the options are complete");
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

impl<V: Payload> Limited<V> for QuickCache<V> {
    fn resident(&self) -> usize {
        self.0.len()
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
