//! moka, the synchronous cache.

use std::sync::atomic::{AtomicUsize, Ordering};

use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;

use crate::keys::fixed_hasher;
use crate::{Limited, NumberSubject, Payload, Subject};

/// [`moka::sync::Cache`].
#[derive(Debug)]
pub struct Moka<V: Payload>(Cache<u64, V, ahash::RandomState>);

impl<V: Payload> Moka<V> {
    /// An empty cache with room for twice the entries.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let builder = Cache::builder().max_capacity(entries as u64 * 2);
        Self(builder.build_with_hasher(ahash::RandomState::new()))
    }

    /// An empty cache with a limit.
    #[must_use]
    pub fn limited(capacity: usize) -> Self {
        let builder = Cache::builder().max_capacity(capacity as u64);
        Self(builder.build_with_hasher(fixed_hasher()))
    }
}

impl<V: Payload> Subject<V> for Moka<V> {
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

    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

/// `entry_count` knows nothing of the writes that wait to be applied, so the entries are counted.
impl<V: Payload> Limited<V> for Moka<V> {
    fn resident(&self) -> usize {
        self.0.iter().count()
    }

    fn counts_by_walking(&self) -> bool {
        true
    }
}

/// [`moka::sync::Cache`], kept to a limit: left alone it holds more, and has the hits of a larger
/// cache.
///
/// It applies what waits before every eighth insert, and the eight have room of their own. To apply
/// every insert at once would keep it to its limit as well, but it would refuse most new keys before
/// they could be asked for again, and lose some points.
///
/// Several threads could make it exceed the limit.
#[derive(Debug)]
pub struct TidyMoka<V: Payload> {
    cache: Moka<V>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

impl<V: Payload> TidyMoka<V> {
    /// An empty cache with a limit.
    #[must_use]
    pub fn limited(capacity: usize) -> Self {
        let most_waiting = (capacity / 16).clamp(1, 8);
        let cache = Moka::limited(capacity.saturating_sub(most_waiting));
        Self { cache, waiting: AtomicUsize::new(0), most_waiting }
    }
}

impl<V: Payload> Subject<V> for TidyMoka<V> {
    fn get(&self, key: u64) -> Option<V> {
        self.cache.get(key)
    }

    fn insert(&self, key: u64, value: V) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most_waiting {
            self.cache.settle();
            self.waiting.store(1, Ordering::Relaxed);
        }
        self.cache.insert(key, value);
    }

    fn remove(&self, key: u64) -> bool {
        self.cache.remove(key)
    }

    fn settle(&self) {
        self.cache.settle();
    }
}

impl<V: Payload> Limited<V> for TidyMoka<V> {
    fn resident(&self) -> usize {
        self.cache.resident()
    }

    fn counts_by_walking(&self) -> bool {
        true
    }
}

impl NumberSubject for Moka<u64> {
    #[inline]
    fn increment(&self, key: u64) {
        self.0.entry(key).and_upsert_with(|entry| entry.map_or(0, |entry| entry.into_value()) + 1);
    }

    /// By value, for want of a stamp.
    #[inline]
    fn optimistic_add(&self, key: u64) -> u64 {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let seen = self.get(key).expect("the counter exists");
            let done = self.0.entry(key).and_compute_with(|entry| match entry {
                Some(entry) if *entry.value() == seen => Op::Put(seen + 1),
                _ => Op::Nop,
            });
            if matches!(done, CompResult::ReplacedWith(_)) {
                return attempts;
            }
        }
    }
}
