//! Exact LRU, the yardstick of hit ratios.

use std::num::NonZero;
use std::sync::{Mutex, MutexGuard};

use lru::LruCache;

use crate::keys::fixed_hasher;
use crate::{Limited, Payload, Subject};

/// [`lru::LruCache`] in a lock.
#[derive(Debug)]
pub struct Lru<V: Payload>(Mutex<LruCache<u64, V, ahash::RandomState>>);

impl<V: Payload> Lru<V> {
    /// An empty cache with a limit, which is at least 1.
    #[must_use]
    pub fn limited(capacity: usize) -> Self {
        let capacity = NonZero::new(capacity).unwrap_or(NonZero::<usize>::MIN);
        Self(Mutex::new(LruCache::with_hasher(capacity, fixed_hasher())))
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<u64, V, ahash::RandomState>> {
        self.0.lock().expect("no thread panicked")
    }
}

impl<V: Payload> Subject<V> for Lru<V> {
    fn get(&self, key: u64) -> Option<V> {
        self.lock().get(&key).cloned()
    }

    fn insert(&self, key: u64, value: V) {
        self.lock().put(key, value);
    }

    fn remove(&self, key: u64) -> bool {
        self.lock().pop(&key).is_some()
    }
}

impl<V: Payload> Limited<V> for Lru<V> {
    fn resident(&self) -> usize {
        self.lock().len()
    }
}
