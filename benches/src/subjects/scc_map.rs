//! scc's `HashMap`: readers take a lock that they share.

use crate::{NumberSubject, Payload, Subject};

/// [`scc::HashMap`].
#[derive(Debug)]
pub struct SccMap<V: Payload>(scc::HashMap<u64, V, ahash::RandomState>);

impl<V: Payload> SccMap<V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self(scc::HashMap::with_hasher(ahash::RandomState::new()))
    }
}

impl<V: Payload> Default for SccMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Payload> Subject<V> for SccMap<V> {
    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.read_sync(&key, |_, value| value.clone())
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.upsert_sync(key, value);
    }

    #[inline]
    fn remove(&self, key: u64) -> bool {
        self.0.remove_sync(&key).is_some()
    }
}

impl NumberSubject for SccMap<u64> {
    #[inline]
    fn increment(&self, key: u64) {
        self.0.update_sync(&key, |_, count| *count += 1).expect("the counter exists");
    }

    /// By value, for want of a stamp.
    #[inline]
    fn optimistic_add(&self, key: u64) -> u64 {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let seen = self.get(key).expect("the counter exists");
            let swap = |_: &u64, count: &mut u64| {
                let same = *count == seen;
                *count = if same { seen + 1 } else { *count };
                same
            };
            if self.0.update_sync(&key, swap) == Some(true) {
                return attempts;
            }
        }
    }
}
