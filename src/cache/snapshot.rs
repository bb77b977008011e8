//! Writing a cache down and restoring it.

use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use crate::snapshot::Entry;
use crate::{Cache, Refusal, RestoreError, Restored, Snapshot, epoch};

const OUTSIDE: &str = "snapshot is not called from inside an update closure";

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// Clones of all entries, each with its version stamp and what is left of its life. Needs the
    /// feature `serde`.
    ///
    /// An entry whose key is locked is included with the stamp it had before it was locked; the lock
    /// is not. Expired entries are not included.
    ///
    /// # Concurrency
    ///
    /// Weakly consistent, as [`iter`](Self::iter): there is no single instant at which the cache was
    /// in this state, but each entry was. Takes the stripe lock for a moment for each entry that has
    /// a deadline or a lock, and no lock for the others.
    ///
    /// # Panics
    ///
    /// If `Hash`, `Eq` or `Clone` of a key or `Clone` of a value does. If it is called from inside an
    /// update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// cache.insert_with("k", 1, Expiry::After(Duration::from_secs(60)))?;
    /// clock.advance(Duration::from_secs(20));
    /// let snapshot = cache.snapshot();
    /// clock.advance(Duration::from_secs(3600));
    /// assert_eq!(cache.get("k"), None);
    ///
    /// cache.restore(snapshot)?;
    /// clock.advance(Duration::from_secs(39)); // of the 40 seconds that were left
    /// assert_eq!(cache.get("k"), Some(1));
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(cache.get("k"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<K, V>
    where
        K: Clone,
        V: Clone,
    {
        let store = self.store();
        let mut entries = Vec::with_capacity(self.len());
        for index in 0..store.stripe_count() {
            let guard = epoch::pin();
            let first = entries.len();
            let kept = store.kept_in(index, &guard);
            for kept in kept.expect(OUTSIDE) {
                let kept = kept.expect(OUTSIDE);
                let (key, value) = (kept.key.clone(), V::clone(&kept.value));
                entries.push(Entry { key, value, stamp: kept.stamp, life: kept.life });
            }
            // The walk may meet an entry twice that has moved; of two states the newer one counts,
            // because it comes last.
            let stripe: &mut [Entry<K, V>] = &mut entries[first..];
            stripe.sort_by_key(|entry| entry.stamp);
        }
        entries.dedup_by_key(|entry| entry.stamp);
        Snapshot::new(entries)
    }

    /// Stores the entries of `snapshot` with the stamps they had. Needs the feature `serde`.
    ///
    /// What is left of an entry's life counts from now, by this cache's clock. A [`Cas`](crate::Cas)
    /// that was read before the snapshot is good for a
    /// [`compare_and_swap`](Self::compare_and_swap) again, if the entry has not been written between
    /// that reading and the snapshot; no stamp of the snapshot is ever given to another version. A
    /// snapshot of this very cache takes its entries back to the state they had.
    ///
    /// Entries that the cache already has are overwritten if the snapshot has their keys, and stay if
    /// it has not: call [`clear`](Self::clear) first to be rid of them. If a key is there several
    /// times, the last one counts. A bounded cache keeps its bound and evicts as always.
    ///
    /// # Concurrency
    ///
    /// Each entry is restored by a write of its own.
    ///
    /// # Errors
    ///
    /// Before anything is restored; the snapshot is dropped.
    ///
    /// * [`RestoreError::Format`]: it was written by another version of this crate.
    /// * [`RestoreError::Stamp`], [`RestoreError::SameStamp`]: it was not written by this crate.
    /// * [`RestoreError::Reentrant`]: called from inside an update closure.
    ///
    /// An entry that cannot be stored is left out and counted in [`Restored`].
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of a key, the weigher, or `Drop` of an entry that is left out does; the
    /// entries before it are then restored.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// let first = cache.insert("k", 1)?;
    /// let snapshot = cache.snapshot();
    /// let second = cache.insert("k", 2)?;
    /// cache.restore(snapshot)?;
    /// assert!(cache.compare_and_swap("k", second, 3).is_err()); // there was never a second
    /// cache.compare_and_swap("k", first, 3)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(&self, snapshot: Snapshot<K, V>) -> Result<Restored, RestoreError> {
        let (entries, largest) = snapshot.checked()?;
        self.store().adopt_stamps(largest).map_err(|_| RestoreError::Reentrant)?;
        let mut restored = Restored::default();
        for Entry { key, value, stamp, life } in entries {
            if life == Some(Duration::ZERO) {
                restored.expired += 1;
                continue;
            }
            match self.store().restore(key, value, stamp, life) {
                Ok(()) => restored.stored += 1,
                Err(Refusal::TooHeavy { .. }) => restored.too_heavy += 1,
                Err(_) => restored.locked += 1,
            }
        }
        Ok(restored)
    }
}
