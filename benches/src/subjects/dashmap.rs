//! dashmap: one lock for each shard, readers included.

use crate::{NumberSubject, Payload, Subject};

/// [`dashmap::DashMap`].
#[derive(Debug)]
pub struct DashMap<V: Payload>(dashmap::DashMap<u64, V, ahash::RandomState>);

impl<V: Payload> DashMap<V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self(dashmap::DashMap::with_hasher(ahash::RandomState::new()))
    }
}

impl<V: Payload> Default for DashMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Payload> Subject<V> for DashMap<V> {
    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key).map(|value| value.clone())
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

impl NumberSubject for DashMap<u64> {
    #[inline]
    fn increment(&self, key: u64) {
        *self.0.get_mut(&key).expect("the counter exists") += 1;
    }

    /// By value, for want of a stamp.
    #[inline]
    fn optimistic_add(&self, key: u64) -> u64 {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let seen = self.get(key).expect("the counter exists");
            let mut count = self.0.get_mut(&key).expect("the counter exists");
            if *count == seen {
                *count = seen + 1;
                return attempts;
            }
        }
    }
}
