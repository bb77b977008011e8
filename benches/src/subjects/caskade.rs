//! caskade.

use caskade::Cache;

use crate::subject::{BATCH, GUARDED};
use crate::{Limited, NumberSubject, Payload, Subject, ours};

/// [`caskade::Cache`] with its default settings.
#[derive(Debug)]
pub struct Caskade<V: Payload>(Cache<u64, V>);

impl<V: Payload> Caskade<V> {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self(Cache::new())
    }

    /// An empty cache that holds no more than this many entries.
    #[must_use]
    pub fn limited(capacity: usize) -> Self {
        Self(ours::build(capacity))
    }
}

impl<V: Payload> Default for Caskade<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Payload> Subject<V> for Caskade<V> {
    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key)
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.insert(key, value).expect("nobody locks a key");
    }

    #[inline]
    fn remove(&self, key: u64) -> bool {
        self.0.discard(&key).expect("nobody locks a key")
    }

    fn settle(&self) {
        self.0.reclaim();
    }
}

impl<V: Payload> Limited<V> for Caskade<V> {
    fn resident(&self) -> usize {
        self.0.len()
    }
}

impl NumberSubject for Caskade<u64> {
    #[inline]
    fn increment(&self, key: u64) {
        self.0.increment(&key, 1).expect("the counter exists");
    }

    #[inline]
    fn optimistic_add(&self, key: u64) -> u64 {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let seen = self.0.get_with_cas(&key).expect("the counter exists");
            let cas = seen.cas().expect("nobody locks a key");
            if self.0.compare_and_swap(&key, cas, *seen + 1).is_ok() {
                return attempts;
            }
        }
    }

    fn read_guarded(&self, keys: &[u64]) -> Option<u64> {
        let mut sum = 0u64;
        for keys in keys.chunks(GUARDED) {
            let session = self.0.pin();
            for key in keys {
                sum = sum.wrapping_add(session.get(key).map_or(0, |value| *value));
            }
        }
        Some(sum)
    }

    fn read_batched(&self, keys: &[u64]) -> Option<u64> {
        let mut sum = 0u64;
        for keys in keys.chunks(BATCH) {
            let session = self.0.pin();
            session.visit_many(keys, |_, found| {
                sum = sum.wrapping_add(found.map_or(0, |value| *value));
            });
        }
        Some(sum)
    }

    fn read_listed(&self, keys: &[u64]) -> Option<u64> {
        let mut sum = 0u64;
        for keys in keys.chunks(BATCH) {
            let found = self.0.get_many(keys);
            sum = found.iter().flatten().fold(sum, |sum, value| sum.wrapping_add(*value));
        }
        Some(sum)
    }
}
