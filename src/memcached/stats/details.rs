//! `stats detail`: what is counted by the prefixes of keys, if somebody wants it.

use std::collections::BTreeMap;
use std::fmt;

use crate::sync::{Mutex, Tally as Sum};

/// What ends a prefix.
const DELIMITER: u8 = b':';
/// Of so many prefixes counts are kept.
const MOST_PREFIXES: usize = 10_000;

/// Counts by prefix.
pub(in crate::memcached) struct Details {
    /// 1 while it counts. It does not matter who sees a change a little later.
    on: Sum,
    prefixes: Mutex<BTreeMap<Box<[u8]>, Counts>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(in crate::memcached) struct Counts {
    pub(in crate::memcached) gets: u64,
    pub(in crate::memcached) hits: u64,
    pub(in crate::memcached) sets: u64,
    pub(in crate::memcached) deletes: u64,
}

impl Details {
    pub(super) fn switch(&self, is_on: bool) {
        self.on.set(u64::from(is_on));
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.on.get() != 0
    }

    /// Counts what was done to `key`, if it has a prefix and anybody wants it.
    #[inline]
    pub(in crate::memcached) fn note(&self, key: &[u8], count: impl FnOnce(&mut Counts)) {
        if self.is_on() {
            self.note_prefix(key, count);
        }
    }

    #[cold]
    fn note_prefix(&self, key: &[u8], count: impl FnOnce(&mut Counts)) {
        let Some(end) = memchr::memchr(DELIMITER, key) else { return };
        let prefix = &key[..end];
        let mut prefixes = self.prefixes.lock();
        if let Some(counts) = prefixes.get_mut(prefix) {
            return count(counts);
        }
        if prefixes.len() < MOST_PREFIXES {
            count(prefixes.entry(prefix.into()).or_default());
        }
    }

    /// Forgets what was counted.
    pub(super) fn clear(&self) {
        self.prefixes.lock().clear();
    }

    /// Everything that was counted, in the order of the prefixes.
    pub(super) fn all(&self) -> Vec<(Box<[u8]>, Counts)> {
        self.prefixes.lock().iter().map(|(prefix, counts)| (prefix.clone(), *counts)).collect()
    }
}

impl Default for Details {
    fn default() -> Self {
        Self { on: Sum::default(), prefixes: Mutex::new(BTreeMap::new()) }
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Details").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}
