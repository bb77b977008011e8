//! [`Session`]: many reads under one pin.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::ops::Deref;

use equivalent::Equivalent;

use crate::Cas;
use crate::epoch::{self, Guard};
use crate::store::{Found, Store, ValueRef};

/// A stretch of reads that share one pin.
///
/// Reads of a session hand out references instead of clones, and cost less than reads that stand
/// alone. Writers are never blocked by a session. What they remove, though, in this cache or
/// any other of the process, cannot be dropped while a session lives that was there before, so a
/// session should be short: a batch, not an afternoon. [`refresh`](Self::refresh) lets go of the
/// past without ending it. One that is forgotten, as by [`std::mem::forget`], never ends.
///
/// A session belongs to its thread. Its look-ups enter [`Stats`](crate::Stats) when it ends.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// cache.insert("a", String::from("one"))?;
/// cache.insert("b", String::from("two"))?;
///
/// let session = cache.pin();
/// let longest = ["a", "b", "c"].iter().filter_map(|key| session.get(key)).map(|v| v.len()).max();
/// assert_eq!(longest, Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session<'c, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    store: &'c Store<K, V, S>,
    guard: Guard,
    hits: Cell<u64>,
    misses: Cell<u64>,
    thread: PhantomData<*const ()>,
}

impl<'c, K, V, S> Session<'c, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn new(store: &'c Store<K, V, S>) -> Self {
        let (hits, misses) = (Cell::new(0), Cell::new(0));
        Self { store, guard: epoch::pin(), hits, misses, thread: PhantomData }
    }

    fn count(&self, found: bool) {
        let counter = if found { &self.hits } else { &self.misses };
        counter.set(counter.get() + 1);
    }

    /// Looks `key` up and returns a reference that lives as long as the session.
    ///
    /// # Concurrency
    ///
    /// As [`Cache::get`](crate::Cache::get). The reference shows the entry as it was at one
    /// instant within this call; later writes do not change what it shows.
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
    /// let cas = cache.insert(1, "one")?;
    /// let session = cache.pin();
    /// let found = session.get(&1).expect("just stored");
    /// assert_eq!((*found, found.cas()), ("one", Some(cas)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<Ref<'_, V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        S: BuildHasher,
    {
        let found = self.store.peek(self.store.hash(key), key, &self.guard);
        self.count(found.is_some());
        found.map(Ref::new)
    }

    /// Looks many keys up at once and shows each result, in order, to `visit`.
    ///
    /// The keys' memory is prefetched in groups, so that the waits for it overlap. For tables
    /// larger than the processor's caches this is several times faster than one look-up after the
    /// other.
    ///
    /// # Concurrency
    ///
    /// Each look-up is an operation of its own; the batch is not atomic.
    ///
    /// # Panics
    ///
    /// Only if `visit` or the keys' `Hash` or `Eq` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert(1, 10)?;
    /// cache.insert(2, 20)?;
    /// let mut sum = 0;
    /// cache.pin().visit_many(&[1, 2, 3], |_, found| sum += found.map_or(0, |value| *value));
    /// assert_eq!(sum, 30);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn visit_many<'s, 'k, Q>(
        &'s self,
        keys: impl IntoIterator<Item = &'k Q>,
        mut visit: impl FnMut(&'k Q, Option<Ref<'s, V>>),
    ) where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
        S: BuildHasher,
    {
        self.store.peek_many(keys, &self.guard, |key, found| {
            self.count(found.is_some());
            visit(key, found.map(Ref::new));
        });
    }

    /// Visits every entry; see [`Cache::iter`](crate::Cache::iter) for what that promises.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// let session = cache.pin();
    /// let entries: Vec<_> = session.iter().map(|(key, value)| (*key, *value)).collect();
    /// assert_eq!(entries, [("a", 1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> SessionIter<'_, K, V> {
        SessionIter { entries: Box::new(self.store.walk(&self.guard)) }
    }

    /// Lets go of everything read so far, so that it can be dropped, and starts afresh. Cheaper
    /// than ending the session and opening another.
    ///
    /// # Concurrency
    ///
    /// Has no effect while the thread has another session, of whichever cache: the oldest holds
    /// on to what there was when it began.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// let mut session = cache.pin();
    /// for _ in 0..1000 {
    ///     assert!(session.get("a").is_some());
    ///     session.refresh();
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh(&mut self) {
        self.guard.refresh();
    }
}

impl<K, V, S> Drop for Session<'_, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn drop(&mut self) {
        self.store.count_reads(&self.guard, self.hits.get(), self.misses.get());
    }
}

impl<K, V, S> fmt::Debug for Session<'_, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// A value read in a [`Session`], with its stamp. Dereferences to the value.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// cache.insert("k", String::from("a long text"))?;
/// let session = cache.pin();
/// let text = session.get("k").ok_or("gone")?;
/// cache.insert("k", String::from("short"))?;
/// assert_eq!(text.len(), 11); // shows what was read, though it has been replaced
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Ref<'s, V> {
    value: ValueRef<'s, V>,
    cas: Option<Cas>,
}

impl<'s, V: 'static> Ref<'s, V> {
    #[inline]
    pub(crate) fn new(found: Found<'s, V>) -> Self {
        Self { value: found.value, cas: found.cas }
    }

    /// The stamp, or `None` while somebody holds the key's lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let session = cache.pin();
    /// let seen = session.get("k").ok_or("gone")?;
    /// let cas = seen.cas().ok_or("locked")?;
    /// cache.compare_and_swap("k", cas, *seen + 1)?;
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cas(&self) -> Option<Cas> {
        self.cas
    }
}

impl<V: 'static> Deref for Ref<'_, V> {
    type Target = V;

    #[inline]
    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V: fmt::Debug + 'static> fmt::Debug for Ref<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ref").field("value", &**self).field("cas", &self.cas).finish()
    }
}

/// The entries of a cache, borrowed from a [`Session`].
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// cache.insert("ada", String::from("London"))?;
/// cache.insert("emmy", String::from("Erlangen"))?;
/// let session = cache.pin();
/// let longest = session.iter().max_by_key(|(_, city)| city.len()); // clones nothing
/// assert_eq!(longest.map(|(name, _)| *name), Some("emmy"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SessionIter<'s, K, V> {
    entries: Box<dyn Iterator<Item = (&'s K, Found<'s, V>)> + 's>,
}

impl<'s, K, V: 'static> Iterator for SessionIter<'s, K, V> {
    type Item = (&'s K, Ref<'s, V>);

    fn next(&mut self) -> Option<Self::Item> {
        self.entries.next().map(|(key, found)| (key, Ref::new(found)))
    }
}

impl<K, V> fmt::Debug for SessionIter<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionIter").finish_non_exhaustive()
    }
}

/// What the compiler forbids, each beside a twin that compiles.
///
/// A session stays on its thread:
///
/// ```
/// let cache = caskade::Cache::new();
/// cache.insert("k", 1).unwrap();
/// std::thread::scope(|scope| {
///     let cache = &cache;
///     scope.spawn(move || {
///         let session = cache.pin();
///         assert_eq!(session.get("k").map(|value| *value), Some(1));
///     });
/// });
/// ```
///
/// ```compile_fail,E0277
/// let cache = caskade::Cache::new();
/// cache.insert("k", 1).unwrap();
/// std::thread::scope(|scope| {
///     let cache = &cache;
///     let session = cache.pin();
///     scope.spawn(move || {
///         assert_eq!(session.get("k").map(|value| *value), Some(1));
///     });
/// });
/// ```
///
/// A reference is gone when its session lets go:
///
/// ```
/// let cache = caskade::Cache::new();
/// cache.insert("k", 1).unwrap();
/// let mut session = cache.pin();
/// let found = session.get("k").map(|value| *value);
/// session.refresh();
/// assert_eq!(found, Some(1));
/// ```
///
/// ```compile_fail,E0502
/// let cache = caskade::Cache::new();
/// cache.insert("k", 1).unwrap();
/// let mut session = cache.pin();
/// let found = session.get("k");
/// session.refresh();
/// assert_eq!(found.map(|value| *value), Some(1));
/// ```
#[cfg(doctest)]
mod forbidden {}
