//! [`Transaction`]: invalidations that wait for a commit.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use crate::swallow::swallow_panic;
use crate::{Cache, Fence};

/// Invalidations that belong to a database transaction and wait for its outcome.
///
/// Committed, they take effect; rolled back, they are forgotten. One that is dropped undecided (an
/// early return, a panic) takes effect: an entry invalidated in vain is read anew, one that stays by
/// mistake is wrong.
///
/// [`Cache::transaction`] begins one. Commit it after the database has committed: before that, others
/// can read the old state again and store it.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// # fn commit() -> Result<(), std::fmt::Error> { Ok(()) }
/// let cache = Cache::new();
/// cache.insert("a", 1)?;
/// cache.insert("b", 2)?;
///
/// let mut changes = cache.transaction();
/// changes.invalidate("a"); // beside each statement that changes `a`
/// assert_eq!(cache.get("a"), Some(1)); // still what the database says
/// commit()?;
/// changes.commit();
/// assert_eq!((cache.get("a"), cache.get("b")), (None, Some(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a transaction that is dropped takes effect at once"]
pub struct Transaction<K, V, S = ahash::RandomState>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    cache: Cache<K, V, S>,
    keys: Vec<K>,
    all: bool,
}

impl<K, V, S> Transaction<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    pub(crate) fn new(cache: Cache<K, V, S>) -> Self {
        Self { cache, keys: Vec::new(), all: false }
    }

    /// Remembers to invalidate `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::<String, u32>::new();
    /// let mut changes = cache.transaction();
    /// changes.invalidate(String::from("a"));
    /// changes.commit();
    /// ```
    pub fn invalidate(&mut self, key: K) {
        if !self.all {
            self.keys.push(key);
        }
    }

    /// Remembers to invalidate everything.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// let mut changes = cache.transaction();
    /// changes.invalidate_all(); // a whole table was written, say
    /// changes.commit();
    /// assert!(cache.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn invalidate_all(&mut self) {
        self.all = true;
        self.keys.clear();
    }

    /// Puts a [`Fence`] around what was remembered, for `at_most` as long. For those who may not show
    /// the old values even for the moment between the database's commit and the invalidation.
    ///
    /// # Panics
    ///
    /// As [`Cache::fence`].
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// cache.insert("a", 1)?;
    /// let mut changes = cache.transaction();
    /// changes.invalidate("a");
    /// let fence = changes.fence(Duration::from_secs(5));
    /// // The database commits here.
    /// changes.commit();
    /// assert!(fence.release());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fence(&self, at_most: Duration) -> Fence<K, V, S> {
        if self.all { self.cache.fence_all(at_most) } else { self.cache.fence(&self.keys, at_most) }
    }

    /// Invalidates what was remembered. The database has committed.
    ///
    /// # Panics
    ///
    /// If it is called from inside an update closure, or if `Hash` or `Eq` of a key panics.
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
    /// changes.commit();
    /// assert_eq!(cache.get("a"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit(mut self) {
        self.apply();
    }

    /// Forgets what was remembered. The database has rolled back.
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
    /// changes.rollback();
    /// assert_eq!(cache.get("a"), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rollback(mut self) {
        self.keys.clear();
        self.all = false;
    }

    fn apply(&mut self) {
        if std::mem::take(&mut self.all) {
            self.cache.invalidate_all();
        }
        // One by one, so that the others are left if a key's `Hash` or `Eq` panics.
        while let Some(key) = self.keys.pop() {
            self.cache.invalidate(&key);
        }
    }
}

impl<K, V, S> Drop for Transaction<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    fn drop(&mut self) {
        let rest = Rest(self);
        if !std::thread::panicking() {
            rest.0.apply();
        }
    }
}

/// What is left when a key's `Hash` or `Eq` has panicked. Invalidated all the same when this drops.
struct Rest<'t, K, V, S>(&'t mut Transaction<K, V, S>)
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher;

impl<K, V, S> Drop for Rest<'_, K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    fn drop(&mut self) {
        while self.0.all || !self.0.keys.is_empty() {
            swallow_panic(|| self.0.apply());
        }
    }
}

impl<K, V, S> fmt::Debug for Transaction<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("keys", &self.keys.len())
            .field("all", &self.all)
            .finish_non_exhaustive()
    }
}
