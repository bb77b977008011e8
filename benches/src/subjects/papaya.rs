//! papaya.

use std::cell::Cell;

use papaya::{Compute, HashMap, Operation};

use crate::subject::GUARDED;
use crate::{NumberSubject, Payload, Subject};

/// [`papaya::HashMap`], pinned for every operation unless said otherwise.
#[derive(Debug)]
pub struct Papaya<V: Payload>(HashMap<u64, V, ahash::RandomState>);

impl<V: Payload> Papaya<V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self(HashMap::with_hasher(ahash::RandomState::new()))
    }
}

impl<V: Payload> Default for Papaya<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Payload> Subject<V> for Papaya<V> {
    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.pin().get(&key).cloned()
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.pin().insert(key, value);
    }

    #[inline]
    fn remove(&self, key: u64) -> bool {
        self.0.pin().remove(&key).is_some()
    }
}

impl NumberSubject for Papaya<u64> {
    #[inline]
    fn increment(&self, key: u64) {
        self.0.pin().update(key, |count| count + 1).expect("the counter exists");
    }

    /// `compute` is such a loop; its closure is called once for each attempt.
    #[inline]
    fn optimistic_add(&self, key: u64) -> u64 {
        let attempts = Cell::new(0);
        let map = self.0.pin();
        let done = map.compute(key, |entry| {
            attempts.set(attempts.get() + 1);
            match entry {
                Some((_, count)) => Operation::Insert(count + 1),
                None => Operation::Abort(()),
            }
        });
        assert!(matches!(done, Compute::Updated { .. }), "the counter exists");
        attempts.get()
    }

    fn read_guarded(&self, keys: &[u64]) -> Option<u64> {
        let mut sum = 0u64;
        for keys in keys.chunks(GUARDED) {
            let map = self.0.pin();
            for key in keys {
                sum = sum.wrapping_add(map.get(key).map_or(0, |value| *value));
            }
        }
        Some(sum)
    }
}
