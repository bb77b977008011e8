//! [`Cache`]: the handle, its reads, and what concerns the cache as a whole.
//!
//! Writes, key locks and counters have files of their own below `cache/`.

mod bulk;
mod counters;
mod fills;
mod invalidation;
mod load_many;
mod loading;
mod locks;
#[cfg(feature = "serde")]
mod snapshot;
mod writes;

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use equivalent::Equivalent;

use crate::builder::CacheBuilder;
use crate::error::BuildError;
use crate::store::Store;
use crate::{Iter, Reread, Session, Stats, Versioned, epoch};

/// A concurrent key-value cache with a version stamp on every entry.
///
/// A `Cache` is a handle: clones of it are cheap and share the same entries, and the entries go
/// when the last handle does. All methods take `&self` and may be called from any thread.
///
/// Keys need `Hash` and `Eq`, and keys and values must be `Send + Sync + 'static`, because readers
/// see them in place and memory may be reclaimed by another thread later. Reads that return a value
/// clone it; [`read`](Self::read) and [`pin`](Self::pin) do without.
///
/// Numbers of up to 64 bits, `bool` and `char` as values are kept in the entry as a machine word
/// and change in place; any other value is stored in a new allocation when it is overwritten.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// cache.insert("visits", 41)?;
///
/// let visits = cache.get_with_cas("visits").ok_or("gone")?;
/// let seen = visits.cas().ok_or("locked")?;
/// cache.compare_and_swap("visits", seen, *visits + 1)?; // fails if someone was faster
/// assert_eq!(cache.get("visits"), Some(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cache<K, V, S = ahash::RandomState> {
    store: Arc<Store<K, V, S>>,
}

impl<K, V> Cache<K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// A cache with all settings at their defaults.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache: Cache<String, Vec<u8>> = Cache::new();
    /// assert!(cache.is_empty());
    /// ```
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the default settings are valid")]
    pub fn new() -> Self {
        Self::builder().build().expect("the default settings are valid")
    }

    /// Starts building a cache; see [`CacheBuilder`] for the settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache: Cache<u32, String> = Cache::builder().stripes(8).build()?;
    /// assert!(cache.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn builder() -> CacheBuilder<K, V> {
        CacheBuilder::new()
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn from_store(store: Arc<Store<K, V, S>>) -> Self {
        Self { store }
    }

    pub(crate) fn store(&self) -> &Arc<Store<K, V, S>> {
        &self.store
    }

    /// How many entries there are.
    ///
    /// # Concurrency
    ///
    /// Counts stripe by stripe without stopping writers: exact while nobody writes. Entries that
    /// have expired count until somebody notices.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// cache.insert("b", 2)?;
    /// assert_eq!(cache.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there are no entries; see [`len`](Self::len).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// assert!(Cache::<u64, u64>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all entries, locked ones included.
    ///
    /// # Concurrency
    ///
    /// Clears stripe by stripe: an entry that is inserted meanwhile may stay. Each stripe's lock is
    /// held for a moment that does not depend on how much is in it; the entries are dropped later,
    /// outside all locks.
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
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// cache.clear();
    /// assert_eq!(cache.get("a"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&self) {
        self.store.clear().expect("clear is not called from inside an update closure");
    }

    /// Drops what was removed and can no longer be read.
    ///
    /// Values leave memory a little after they leave the cache: when no reader can see them any
    /// more, and in batches. A cache in use does this by itself. Call this where values should go
    /// now, as far as other threads' sessions allow it.
    ///
    /// # Panics
    ///
    /// If it is called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::sync::Arc;
    ///
    /// let cache = Cache::new();
    /// let value = Arc::new(1);
    /// cache.insert("a", value.clone())?;
    /// cache.clear();
    /// while Arc::strong_count(&value) > 1 {
    ///     cache.reclaim(); // in vain as long as another thread might still look at it
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reclaim(&self) {
        self.store.reclaim().expect("reclaim is not called from inside an update closure");
    }

    /// Changes the bound of a bounded cache to `max`, in the unit in which it was built. Without
    /// effect on a cache without bound.
    ///
    /// If the bound becomes smaller, entries are evicted before this returns.
    ///
    /// # Errors
    ///
    /// [`BuildError::Bound`] if `max` is zero.
    ///
    /// # Panics
    ///
    /// If called from inside an update closure or a key's `Eq`.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::builder().max_entries(1000).build()?;
    /// for n in 0..1000 {
    ///     cache.insert(n, n)?;
    /// }
    /// cache.set_bound(10)?;
    /// assert!(cache.len() <= 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_bound(&self, max: u64) -> Result<(), BuildError> {
        if max == 0 {
            return Err(BuildError::Bound);
        }
        self.store.set_bound(max).expect("set_bound is not called from inside an update closure");
        Ok(())
    }

    /// Removes all entries that have expired and returns how many they were.
    ///
    /// Nobody needs to call this for the sake of correctness: an expired entry is absent. Writers
    /// remove a few expired entries each; this is for a cache that nobody writes to any more.
    ///
    /// # Concurrency
    ///
    /// Goes stripe by stripe, and never holds a stripe's lock for long.
    ///
    /// # Panics
    ///
    /// If called from inside an update closure or a key's `Eq`.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// cache.insert_with("k", 1, Expiry::After(Duration::from_secs(1)))?;
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(cache.len(), 1); // its memory, not its presence
    /// assert_eq!(cache.expire_due(), 1);
    /// assert_eq!(cache.len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expire_due(&self) -> u64 {
        self.store.expire_all().expect("expire_due is not called from inside an update closure")
    }

    /// What happened in the cache so far.
    ///
    /// # Concurrency
    ///
    /// Takes each stripe's lock for a moment.
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
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// cache.get("a");
    /// cache.get("b");
    /// let stats = cache.stats();
    /// assert_eq!((stats.hits, stats.misses, stats.entries), (1, 1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store.stats().expect("stats is not called from inside an update closure")
    }

    /// Recounts the table's invariants from its nodes and panics if one does not hold: for tests,
    /// which end with it.
    #[doc(hidden)]
    pub fn validate(&self) {
        self.store.validate();
    }

    /// Opens a session: many reads under one pin, returning references.
    ///
    /// # Concurrency
    ///
    /// Takes no lock. What is removed while the session lives is dropped after it ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", vec![1, 2, 3])?;
    /// let session = cache.pin();
    /// assert_eq!(session.get("k").map(|value| value.len()), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pin(&self) -> Session<'_, K, V, S> {
        Session::new(&self.store)
    }

    /// Clones of all entries.
    ///
    /// # Concurrency
    ///
    /// Takes no lock and is weakly consistent: an entry that is there all the while appears
    /// exactly once, one that comes, goes or changes meanwhile may appear or not, in its old state
    /// or its new; one that goes and comes back may appear in both. Reads one stripe at a time and
    /// holds no pin while the caller has control.
    ///
    /// # Panics
    ///
    /// The iterator's `next` does if `Clone` of a key or a value does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// cache.insert("b", 2)?;
    /// let sum: i32 = cache.iter().map(|(_, value)| *value).sum();
    /// assert_eq!(sum, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, K, V>
    where
        K: Clone,
        V: Clone,
    {
        let mut stripes = 0..self.store.stripe_count();
        Iter::new(move || {
            let guard = epoch::pin();
            let entries = self.store.walk_stripe(stripes.next()?, &guard);
            let clone = |(key, found): (&K, crate::store::Found<'_, V>)| {
                (key.clone(), Versioned::new(V::clone(&found.value), found.cas))
            };
            Some(entries.map(clone).collect())
        })
    }
}

/// Reads. None of them takes a lock, waits for a writer or writes to memory that others read; the
/// one exception is a reader that finds an entry expired or a lock lapsed, which makes that real
/// under the stripe lock.
impl<K, V, S> Cache<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// The value of `key`.
    ///
    /// # Concurrency
    ///
    /// Takes no lock. Returns the value the entry had at one instant between call and return, and
    /// everything its writer did before the write is visible to the caller. A locked key can be
    /// read like any other.
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key or `Clone` of the value does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert(String::from("k"), 1)?;
    /// assert_eq!(cache.get("k"), Some(1)); // a borrowed form of the key will do
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        let guard = epoch::pin();
        self.store.get(key, &guard).map(|found| V::clone(&found.value))
    }

    /// Shows the value of `key` to `look` and returns what that returns.
    ///
    /// # Concurrency
    ///
    /// As [`get`](Self::get). `look` runs under an epoch pin and no lock, and may use the cache.
    ///
    /// # Panics
    ///
    /// Only if `look`, or `Hash` or `Eq` of the key does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", String::from("a long text"))?;
    /// assert_eq!(cache.read("k", |text| text.len()), Some(11));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn read<Q, R>(&self, key: &Q, look: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let guard = epoch::pin();
        self.store.get(key, &guard).map(|found| look(&found.value))
    }

    /// The value of `key` with its stamp: the first half of an optimistic update.
    ///
    /// While somebody holds the key's lock, the value comes without the stamp.
    ///
    /// # Concurrency
    ///
    /// As [`get`](Self::get); value and stamp belong to the same write.
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key or `Clone` of the value does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// let cas = cache.insert("k", 1)?;
    /// let seen = cache.get_with_cas("k").ok_or("gone")?;
    /// assert_eq!((*seen, seen.cas()), (1, Some(cas)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get_with_cas<Q>(&self, key: &Q) -> Option<Versioned<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        let guard = epoch::pin();
        let found = self.store.get(key, &guard)?;
        Some(Versioned::new(V::clone(&found.value), found.cas))
    }

    /// The value of `key` unless it still carries the stamp `seen`, in which case nothing is cloned.
    ///
    /// # Concurrency
    ///
    /// As [`get`](Self::get). A lock does not change the stamp, so a locked entry that nobody has
    /// written is unchanged.
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key or `Clone` of the value does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Reread};
    ///
    /// let cache = Cache::new();
    /// let seen = cache.insert("k", 1)?;
    /// assert_eq!(cache.get_if_changed("k", seen), Reread::Unchanged);
    /// cache.insert("k", 2)?;
    /// assert!(matches!(cache.get_if_changed("k", seen), Reread::Changed(v) if *v == 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_if_changed<Q>(&self, key: &Q, seen: crate::Cas) -> Reread<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        let guard = epoch::pin();
        match self.store.get(key, &guard) {
            None => Reread::Absent,
            Some(found) if found.stamp() == seen.to_u64() => Reread::Unchanged,
            Some(found) => Reread::Changed(Versioned::new(V::clone(&found.value), found.cas)),
        }
    }

    /// The values of many keys, in their order.
    ///
    /// The keys' memory is prefetched in groups; see [`Session::visit_many`], which does the same
    /// without cloning or allocating.
    ///
    /// # Concurrency
    ///
    /// Each look-up is an operation of its own; the batch is not atomic.
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of a key or `Clone` of a value does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// cache.insert("c", 3)?;
    /// assert_eq!(cache.get_many(&["a", "b", "c"]), [Some(1), None, Some(3)]);
    ///
    /// // Borrowed forms of the keys will do, here of `String`.
    /// let cache = Cache::new();
    /// cache.insert(String::from("a"), 1)?;
    /// assert_eq!(cache.get_many(["a", "b"]), [Some(1), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_many<'k, Q>(&self, keys: impl IntoIterator<Item = &'k Q>) -> Vec<Option<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
        V: Clone,
    {
        let keys = keys.into_iter();
        let mut values = Vec::with_capacity(keys.size_hint().0);
        self.pin().visit_many(keys, |_, found| {
            values.push(found.map(|value| V::clone(&value)));
        });
        values
    }

    /// Whether there is an entry for `key`.
    ///
    /// # Concurrency
    ///
    /// As [`get`](Self::get).
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// assert!(cache.contains_key("k"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.read(key, |_| ()).is_some()
    }
}

impl<K, V, S> Clone for Cache<K, V, S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store) }
    }
}

impl<K, V> Default for Cache<K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V, S> fmt::Debug for Cache<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("len", &self.len()).finish_non_exhaustive()
    }
}
