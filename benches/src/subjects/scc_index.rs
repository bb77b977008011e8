//! scc's `HashIndex`: lock-free reads of values that never change in place.

use scc::hash_index::Entry;

use crate::subject::GUARDED;
use crate::{NumberSubject, Payload, Subject};

/// [`scc::HashIndex`], read with `peek`.
#[derive(Debug)]
pub struct SccIndex<V: Payload>(scc::HashIndex<u64, V, ahash::RandomState>);

impl<V: Payload> SccIndex<V> {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self(scc::HashIndex::with_hasher(ahash::RandomState::new()))
    }
}

impl<V: Payload> Default for SccIndex<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Payload> Subject<V> for SccIndex<V> {
    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.peek_with(&key, |_, value| value.clone())
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        match self.0.entry_sync(key) {
            Entry::Occupied(mut entry) => entry.update(value),
            Entry::Vacant(entry) => {
                entry.insert_entry(value);
            }
        }
    }

    #[inline]
    fn remove(&self, key: u64) -> bool {
        self.0.remove_sync(&key)
    }
}

impl NumberSubject for SccIndex<u64> {
    #[inline]
    fn increment(&self, key: u64) {
        let Entry::Occupied(mut entry) = self.0.entry_sync(key) else {
            panic!("the counter exists")
        };
        let next = *entry.get() + 1;
        entry.update(next);
    }

    /// By value, for want of a stamp. A reader may find nothing while another thread updates the
    /// entry; that counts as a lost attempt.
    #[inline]
    fn optimistic_add(&self, key: u64) -> u64 {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Some(seen) = self.get(key) else { continue };
            let Entry::Occupied(mut entry) = self.0.entry_sync(key) else {
                panic!("the counter exists")
            };
            if *entry.get() == seen {
                entry.update(seen + 1);
                return attempts;
            }
        }
    }

    fn read_guarded(&self, keys: &[u64]) -> Option<u64> {
        let mut sum = 0u64;
        for keys in keys.chunks(GUARDED) {
            let guard = scc::Guard::new();
            for key in keys {
                sum = sum.wrapping_add(self.0.peek(key, &guard).map_or(0, |value| *value));
            }
        }
        Some(sum)
    }
}
