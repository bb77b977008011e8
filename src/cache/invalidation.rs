//! Invalidation: what the database has changed goes, and what was read before does not come back.

use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use equivalent::Equivalent;

use crate::{Cache, Fence, Transaction};

const REENTRANT: &str = "nothing is invalidated from inside an update closure";

/// Invalidation. To be called after the database has committed; what was read before and comes late is
/// then refused, whoever brings it: a [`fill`](Self::fill), a fill measured against a
/// [`mark`](Self::mark) or a loader. A key lock does not protect an entry from invalidation.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// Makes `key` absent and says whether there was an entry.
    ///
    /// Unlike [`remove`](Self::remove) it cannot be refused: a locked entry goes as well.
    ///
    /// # Concurrency
    ///
    /// Fills that began before this returns are refused, whether or not there was an entry. Whoever
    /// waits for a load that began before gets its value, but it is not stored; whoever comes after
    /// this returns starts a new one.
    ///
    /// # Panics
    ///
    /// If it is called from inside an update closure, or if `Hash` or `Eq` of the key does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// assert!(cache.invalidate("k"));
    /// assert!(!cache.invalidate("k"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn invalidate<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.store.invalidate(key).expect(REENTRANT)
    }

    /// [`invalidate`](Self::invalidate) for each of `keys`. Returns how many entries there were.
    ///
    /// # Concurrency
    ///
    /// Key by key.
    ///
    /// # Panics
    ///
    /// As [`invalidate`](Self::invalidate); the keys before are then invalidated.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// assert_eq!(cache.invalidate_many(["a", "b"]), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn invalidate_many<'k, Q>(&self, keys: impl IntoIterator<Item = &'k Q>) -> usize
    where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
    {
        keys.into_iter().map(|key| usize::from(self.invalidate(key))).sum()
    }

    /// Makes every key absent: [`clear`](Self::clear) by another name.
    ///
    /// # Concurrency
    ///
    /// Takes time by the number of stripes, not of entries. Fills that began before it was called are
    /// refused.
    ///
    /// # Panics
    ///
    /// If it is called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Lookup};
    ///
    /// let cache = Cache::new();
    /// let Lookup::Miss(token) = cache.lookup("k") else { unreachable!("nobody has stored it") };
    /// cache.invalidate_all();
    /// assert!(cache.fill(token, "k", 1).is_err());
    /// ```
    pub fn invalidate_all(&self) {
        self.clear();
    }

    /// Makes the entries absent that `is_due` chooses, locked ones included. Returns how many they
    /// were.
    ///
    /// # Concurrency
    ///
    /// As [`retain`](Self::retain). All fills that began before it was called are refused, because
    /// nobody knows what `is_due` would say of them.
    ///
    /// # Panics
    ///
    /// As [`retain`](Self::retain).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("user/1", 1)?;
    /// cache.insert("page/1", 2)?;
    /// assert_eq!(cache.invalidate_if(|key, _| key.starts_with("user/")), 1);
    /// assert_eq!(cache.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn invalidate_if(&self, is_due: impl FnMut(&K, &V) -> bool) -> usize {
        self.store.invalidate_if(is_due).expect(REENTRANT)
    }

    /// Makes the entry of `key` stale and says whether there was one: it is served for the
    /// [grace time](crate::CacheBuilder::grace) at most, while somebody refreshes it.
    ///
    /// In a cache without grace time, and if it is locked, it goes at once. A [`touch`](Self::touch)
    /// says that the value is good, and makes it fresh again.
    ///
    /// # Concurrency
    ///
    /// As [`invalidate`](Self::invalidate): fills that began before this returns are refused. The entry
    /// gets a new stamp, so a [`compare_and_swap`](Self::compare_and_swap) with the one before is
    /// refused as well.
    ///
    /// # Panics
    ///
    /// As [`invalidate`](Self::invalidate).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Lookup};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::builder().grace(Duration::from_secs(10)).build()?;
    /// cache.insert("k", "old")?;
    /// cache.mark_stale("k");
    /// let Lookup::Stale(old, Some(token)) = cache.lookup("k") else { unreachable!("it is stale") };
    /// assert_eq!(*old, "old"); // which everybody else gets meanwhile
    /// cache.fill(token, "k", "new")?;
    /// assert!(matches!(cache.lookup("k"), Lookup::Hit(value) if *value == "new"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mark_stale<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.store.mark_stale(key).expect(REENTRANT)
    }

    /// Begins to collect invalidations that belong to a database transaction; see [`Transaction`].
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// let mut changes = cache.transaction();
    /// changes.invalidate("a");
    /// // The database commits here.
    /// changes.commit();
    /// assert_eq!(cache.get("a"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transaction(&self) -> Transaction<K, V, S> {
        Transaction::new(self.clone())
    }

    /// Makes `keys` absent and keeps what readers bring from being stored, until the fence is released
    /// or dropped, but for `at_most` as long, by the cache's clock.
    ///
    /// For those who may not show the old value for the moment between the database's commit and the
    /// invalidation: put the fence up before the commit, and release it after. Meanwhile everybody
    /// reads the keys from the database. Loads of a fenced key are made by each caller for itself.
    ///
    /// Writes that say what the value is ([`insert`](Self::insert) and the like) are let through.
    ///
    /// # Concurrency
    ///
    /// Key by key. Several fences may stand around a key; it is free when the last of them goes.
    ///
    /// # Panics
    ///
    /// As [`invalidate`](Self::invalidate); no fence stands then.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", "old")?;
    /// let fence = cache.fence(["k"], Duration::from_secs(5));
    /// // The database commits here.
    /// assert_eq!(cache.get_or_load(&"k", |_| "read"), "read");
    /// assert_eq!(cache.get("k"), None); // it was not stored
    /// assert!(fence.release());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fence<'k, Q>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        at_most: Duration,
    ) -> Fence<K, V, S>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
    {
        let until = self.store.time().now().saturating_add(at_most);
        let mut fence = Fence::new(self.clone());
        for key in keys {
            fence.add([self.store.fence(key, until).expect(REENTRANT)]);
        }
        fence
    }

    /// [`fence`](Self::fence) around all keys.
    ///
    /// # Panics
    ///
    /// If it is called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", "old")?;
    /// let fence = cache.fence_all(Duration::from_secs(5));
    /// assert!(cache.is_empty());
    /// assert!(fence.release());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fence_all(&self, at_most: Duration) -> Fence<K, V, S> {
        let until = self.store.time().now().saturating_add(at_most);
        let mut fence = Fence::new(self.clone());
        fence.add(self.store.fence_all(until).expect(REENTRANT));
        fence
    }
}
