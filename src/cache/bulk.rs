//! Operations on all entries at once.

use std::hash::{BuildHasher, Hash};

use crate::{Cache, Drain, StripeLoad, Versioned, epoch};

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// Removes the entries for which `keep` says false, and returns how many those were.
    ///
    /// A locked entry stays, whatever `keep` says of it.
    ///
    /// # Concurrency
    ///
    /// Weakly consistent, as [`iter`](Self::iter): what is inserted meanwhile may or may not be
    /// judged. `keep` runs under an epoch pin and no lock, and may use the cache. An entry is removed
    /// only in the very state in which it was rejected: if somebody has written it since, it is
    /// judged again. So `keep` should not itself write an entry and reject it, each time anew. Fills
    /// that began before the call are refused, because nobody knows what `keep` would say of them.
    ///
    /// # Panics
    ///
    /// If `keep`, or `Hash` or `Eq` of a key does; the cache is then sound and what was removed by
    /// then is gone. If it is called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// for n in 0..10 {
    ///     cache.insert(n, n * n)?;
    /// }
    /// let removed = cache.retain(|key, square| key % 2 == 0 || *square > 50);
    /// assert_eq!(removed, 4); // 1, 3, 5 and 7
    /// assert_eq!(cache.get(&9), Some(81));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> usize {
        self.store().retain(keep).expect("retain is not called from inside an update closure")
    }

    /// Removes entries and yields clones of them, one by one.
    ///
    /// An entry is removed when it is its turn to be yielded: if the iterator is dropped early, the
    /// others stay. Locked entries stay as well.
    ///
    /// # Concurrency
    ///
    /// However many threads drain and remove, an entry is yielded to one of them: to whoever removed
    /// it, in its last state and with the stamp of that state. What is inserted meanwhile may or may
    /// not be seen. Holds neither pin nor lock while the caller has control; keeps clones of one
    /// stripe's keys. Fills that began before the first call of `next` are refused.
    ///
    /// # Panics
    ///
    /// The iterator's `next` does if `Hash`, `Eq` or `Clone` of a key does, which leaves the entry as
    /// it was, or if `Clone` of a value does, whose entry is then gone; and if it is called from
    /// inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let jobs = Cache::new();
    /// for n in 0..5 {
    ///     jobs.insert(n, format!("job {n}"))?;
    /// }
    /// for (_, job) in jobs.drain().take(2) {
    ///     assert!(job.starts_with("job"));
    /// }
    /// assert_eq!(jobs.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain(&self) -> Drain<'_, K, V>
    where
        K: Clone,
        V: Clone,
    {
        let store = self.store();
        let mut stripes = 0..store.stripe_count();
        let mut keys = Vec::new().into_iter();
        let mut has_begun = false;
        Drain::new(move || {
            if !std::mem::replace(&mut has_begun, true) {
                store.refuse_fills().expect("drain is not used inside an update closure");
            }
            loop {
                for key in keys.by_ref() {
                    let taken = store.take(&key, V::clone);
                    let taken = taken.expect("drain is not used inside an update closure");
                    if let Some((value, cas)) = taken {
                        return Some((key, Versioned::new(value, Some(cas))));
                    }
                }
                let guard = epoch::pin();
                let present = store.walk_stripe(stripes.next()?, &guard);
                let found: Vec<K> = present.map(|(key, _)| key.clone()).collect();
                keys = found.into_iter();
            }
        })
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Gives back the memory that the present entries do not need.
    ///
    /// The tables shrink to the entries they hold, and what was removed and can no longer be read is
    /// dropped, as by [`reclaim`](Self::reclaim). A cache does this by itself, less strictly, when
    /// most of its entries have been removed. Worth calling before a long time with few writes; the
    /// next insertions make the tables grow again.
    ///
    /// # Concurrency
    ///
    /// Goes stripe by stripe. While a stripe's table is rebuilt its writers wait; readers do not.
    ///
    /// # Panics
    ///
    /// If it is called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::builder().initial_entries(100_000).build()?;
    /// cache.insert("k", 1)?;
    /// let slots = || cache.stripe_loads().iter().map(|load| load.slots).sum::<u64>();
    /// let before = slots();
    /// cache.shrink_to_fit();
    /// assert!(slots() < before / 10);
    /// assert_eq!(cache.get("k"), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shrink_to_fit(&self) {
        self.store().shrink().expect("shrink_to_fit is not called from inside an update closure");
    }

    /// What each stripe holds, in the order of the stripes.
    ///
    /// Tells whether the keys spread evenly: a stripe with many more entries than the others is the
    /// mark of a bad hasher, and in a bounded cache it evicts earlier than they do.
    ///
    /// # Concurrency
    ///
    /// Takes each stripe's lock for a moment. Each stripe's numbers belong together, those of
    /// different stripes need not.
    ///
    /// # Panics
    ///
    /// If it is called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::builder().stripes(4).build()?;
    /// for n in 0..1000 {
    ///     cache.insert(n, n)?;
    /// }
    /// let loads = cache.stripe_loads();
    /// assert_eq!(loads.len(), 4);
    /// assert_eq!(loads.iter().map(|load| load.entries).sum::<u64>(), 1000);
    /// assert!(loads.iter().all(|load| load.entries > 150));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stripe_loads(&self) -> Vec<StripeLoad> {
        self.store().loads().expect("stripe_loads is not called from inside an update closure")
    }
}
