//! Cache-aside by hand: look-ups that hand out tokens, and fills that take them.

use std::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use crate::store::{Condition, LookedUp, Since};
use crate::{Cache, Cas, Expiry, FillToken, Lookup, Mark, Refusal, Versioned, WriteError, epoch};

/// Cache-aside by hand: look up, read from the database what is absent, store it. Between the second
/// and the third step somebody may change the database and invalidate the key, and then the third
/// would store what is out of date. These methods notice.
///
/// [`get_or_load`](Self::get_or_load) and its relatives do all three steps, and load each key once
/// where many want it at the same time.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// The value of `key` or the right to store it.
    ///
    /// # Concurrency
    ///
    /// A hit takes no lock. A miss takes the lock of the key's stripe for a moment; of several callers
    /// that miss, each gets a token, and the first fill wins. A stale value's token goes to one of
    /// them, and to nobody else until it is used or the [load time](crate::CacheBuilder::load_time) is
    /// over.
    ///
    /// Called from inside an update closure, a miss comes with a token that lets nothing in, and a stale
    /// value with none.
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key or `Clone` of the value does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Lookup};
    ///
    /// let cache = Cache::new();
    /// let Lookup::Miss(token) = cache.lookup("k") else { unreachable!("nobody has stored it") };
    /// let row = "old"; // what the database says
    /// cache.invalidate("k"); // somebody changes the row
    /// assert!(cache.fill(token, "k", row).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup<Q>(&self, key: &Q) -> Lookup<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        let guard = epoch::pin();
        let versioned =
            |found: crate::store::Found<'_, V>| Versioned::new(V::clone(&found.value), found.cas);
        match self.store.look_up(key, &guard) {
            LookedUp::Hit(found) => Lookup::Hit(versioned(found)),
            LookedUp::Stale(found, since) => {
                Lookup::Stale(versioned(found), since.map(FillToken::new))
            }
            LookedUp::Miss(since) => Lookup::Miss(FillToken::new(since)),
        }
    }

    /// Stores what was read after `token` was handed out, if nothing has happened to the key since.
    ///
    /// The entry gets the cache's default expiry.
    ///
    /// # Errors
    ///
    /// Key and value come back through [`WriteError::into_rejected`]. Whoever read the value may use
    /// it; only for others it is out of date.
    ///
    /// * [`Refusal::Exists`]: somebody has stored or touched the entry since.
    /// * [`Refusal::Invalidated`]: the key was invalidated or removed since, or written and then
    ///   evicted or expired. Now and then also if that happened to another key of the same stripe.
    /// * [`Refusal::Fenced`]: a [fence](Self::fence) stands around the key.
    /// * [`Refusal::Locked`]: the stale entry is locked.
    /// * [`Refusal::TooHeavy`]: the value weighs more than the cache may hold.
    /// * [`Refusal::WrongToken`]: the token was handed out for another key, or by a cache that hashes
    ///   differently.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key does; the entry is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Lookup, Refusal};
    ///
    /// let cache = Cache::new();
    /// let Lookup::Miss(token) = cache.lookup("k") else { unreachable!("nobody has stored it") };
    /// cache.fill(token, "k", String::from("value"))?;
    /// assert!(matches!(cache.lookup("k"), Lookup::Hit(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fill(&self, token: FillToken, key: K, value: V) -> Result<Cas, WriteError<(K, V)>> {
        self.fill_with(token, key, value, Expiry::Default)
    }

    /// [`fill`](Self::fill) with an expiry.
    ///
    /// # Errors
    ///
    /// As [`fill`](Self::fill).
    ///
    /// # Panics
    ///
    /// As [`fill`](Self::fill).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry, Lookup};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// if let Lookup::Miss(token) = cache.lookup("k") {
    ///     let _ = cache.fill_with(token, "k", 1, Expiry::After(Duration::from_secs(5)));
    /// }
    /// assert_eq!(cache.get("k"), Some(1));
    /// ```
    pub fn fill_with(
        &self,
        token: FillToken,
        key: K,
        value: V,
        expiry: Expiry,
    ) -> Result<Cas, WriteError<(K, V)>> {
        let since = token.since();
        if self.store.hash(&key) != since.hash {
            return Err(WriteError::new(Refusal::WrongToken, (key, value)));
        }
        self.fill_from(since, key, value, expiry)
    }

    /// Marks the present moment, for fills of whatever is read from a database snapshot that begins
    /// after this returns.
    ///
    /// A token handed out at the miss would not do: the snapshot is older than the miss, and an
    /// invalidation between the two would go unnoticed.
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
    /// let mark = cache.mark();
    /// let snapshot = [("a", 1), ("b", 2)]; // of the database
    /// for (key, value) in snapshot {
    ///     let _ = cache.fill_since(&mark, key, value);
    /// }
    /// assert_eq!(cache.len(), 2);
    /// ```
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark::new(self.store.mark().expect("mark is not called from inside an update closure"))
    }

    /// Stores what was read in a snapshot that began after `mark`, if nothing has happened to the key
    /// since. An entry that was there already, and has not been written since, is replaced.
    ///
    /// # Errors
    ///
    /// As [`fill`](Self::fill); [`Refusal::Invalidated`] also if the mark is of another cache.
    ///
    /// # Panics
    ///
    /// As [`fill`](Self::fill).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Refusal};
    ///
    /// let cache = Cache::new();
    /// let mark = cache.mark();
    /// let (old, new) = (1, 2);
    /// cache.insert("k", new)?; // the snapshot does not know of it
    /// let refused = cache.fill_since(&mark, "k", old).unwrap_err();
    /// assert!(matches!(refused.refusal(), Refusal::Exists { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fill_since(&self, mark: &Mark, key: K, value: V) -> Result<Cas, WriteError<(K, V)>> {
        self.fill_since_with(mark, key, value, Expiry::Default)
    }

    /// [`fill_since`](Self::fill_since) with an expiry.
    ///
    /// # Errors
    ///
    /// As [`fill_since`](Self::fill_since).
    ///
    /// # Panics
    ///
    /// As [`fill`](Self::fill).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// let mark = cache.mark();
    /// cache.fill_since_with(&mark, "k", 1, Expiry::After(Duration::from_secs(5)))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fill_since_with(
        &self,
        mark: &Mark,
        key: K,
        value: V,
        expiry: Expiry,
    ) -> Result<Cas, WriteError<(K, V)>> {
        let since = self.store.since_mark(mark.stamps(), self.store.hash(&key));
        self.fill_from(since, key, value, expiry)
    }

    fn fill_from(
        &self,
        since: Since,
        key: K,
        value: V,
        expiry: Expiry,
    ) -> Result<Cas, WriteError<(K, V)>> {
        self.store.put(key, value, Condition::Since(since), expiry)
    }
}
