//! Writes of a [`Cache`]: unconditional, conditional, touching, and updates with a closure.

use std::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use crate::store::Condition;
use crate::{
    Cache, Cas, Expiry, Put, Refusal, Retried, Retry, RetryError, Update, Updated, Versioned,
    WriteError,
};

/// Writes. Each takes the lock of the key's stripe for a moment, never blocks readers, takes
/// effect at one instant between call and return, and is serialised with every other write of the
/// same key, whatever method it came through.
///
/// A key locked by [`get_and_lock`](Self::get_and_lock) refuses them all with [`Refusal::Locked`],
/// except those that are given the lock's token as their stamp.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// Stores `value` under `key`, whether or not there is an entry, and returns its stamp.
    ///
    /// The entry gets the cache's default expiry.
    ///
    /// # Errors
    ///
    /// Key and value come back through [`WriteError::into_rejected`].
    ///
    /// * [`Refusal::Locked`]: the key is locked.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key does; the entry is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", "old")?;
    /// cache.insert("k", "new")?;
    /// assert_eq!(cache.get("k"), Some("new"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn insert(&self, key: K, value: V) -> Result<Cas, WriteError<(K, V)>> {
        self.store.put(key, value, Condition::Always, Expiry::Default)
    }

    /// [`insert`](Self::insert) with an expiry.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Panics
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// cache.insert_with("token", 7, Expiry::After(Duration::from_secs(60)))?; // for a minute
    /// assert_eq!(cache.get("token"), Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert_with(&self, key: K, value: V, expiry: Expiry) -> Result<Cas, WriteError<(K, V)>> {
        self.store.put(key, value, Condition::Always, expiry)
    }

    /// Stores `value` only if there is no entry for `key`.
    ///
    /// # Errors
    ///
    /// Key and value come back through [`WriteError::into_rejected`].
    ///
    /// * [`Refusal::Exists`]: there is an entry, locked or not.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// assert!(cache.add("leader", 1).is_ok());
    /// assert!(cache.add("leader", 2).is_err()); // of several, one succeeds
    /// ```
    pub fn add(&self, key: K, value: V) -> Result<Cas, WriteError<(K, V)>> {
        self.store.put(key, value, Condition::Absent, Expiry::Default)
    }

    /// Stores `value` under `condition` and with `expiry`, in one step: the full form of
    /// [`insert`](Self::insert), [`add`](Self::add), [`replace`](Self::replace) and
    /// [`compare_and_swap`](Self::compare_and_swap).
    ///
    /// # Errors
    ///
    /// Key and value come back through [`WriteError::into_rejected`].
    ///
    /// * [`Refusal::Absent`]: the condition needs an entry and there is none.
    /// * [`Refusal::Exists`]: the condition needs that there is none.
    /// * [`Refusal::Changed`]: the entry carries another stamp than the condition names.
    /// * [`Refusal::Locked`]: the key is locked and the condition does not name the lock's token.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Put};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// let cas = cache.put("k", 1, Put::new().if_absent().expires_after(Duration::from_secs(9)))?;
    /// cache.put("k", 2, Put::new().if_unchanged(cas).keep_expiry())?;
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put(&self, key: K, value: V, put: Put) -> Result<Cas, WriteError<(K, V)>> {
        self.store.put(key, value, put.condition, put.expiry)
    }

    /// Stores `value` only if there is an entry for `key`.
    ///
    /// The key is cloned for the new allocation, unless `V` is a number, which changes in place.
    ///
    /// # Errors
    ///
    /// The value comes back through [`WriteError::into_rejected`].
    ///
    /// * [`Refusal::Absent`]: there is no entry.
    /// * [`Refusal::Locked`]: the key is locked.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// Only if `Hash`, `Eq` or `Clone` of the key does; the entry is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// assert!(cache.replace("k", 1).is_err());
    /// cache.insert("k", 0)?;
    /// cache.replace("k", 1)?;
    /// assert_eq!(cache.get("k"), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace<Q>(&self, key: &Q, value: V) -> Result<Cas, WriteError<V>>
    where
        K: Clone,
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.store.put_borrowed(key, value, Condition::Present, Expiry::Default)
    }

    /// Stores `value` only if nobody has written `key` since `seen` was handed out.
    ///
    /// This is the second half of an optimistic update: [`get_with_cas`](Self::get_with_cas)
    /// returns a value with its stamp, the caller computes, and this call stores the result if the
    /// stamp still stands. On success the entry carries a fresh stamp, which is returned.
    ///
    /// A key locked by [`get_and_lock`](Self::get_and_lock) accepts only the lock's token; storing
    /// with it also unlocks the key. A token whose lock has lapsed is still accepted as long as
    /// nobody has written or locked the entry since.
    ///
    /// The entry gets the cache's default expiry. The key is cloned for the new allocation, unless
    /// `V` is a number, which changes in place.
    ///
    /// # Concurrency
    ///
    /// Of several calls with the same stamp, exactly one succeeds.
    ///
    /// # Errors
    ///
    /// The value comes back through [`WriteError::into_rejected`].
    ///
    /// * [`Refusal::Absent`]: there is no entry: it was removed, has expired, or never was.
    /// * [`Refusal::Changed`]: the entry carries another stamp, which the error names.
    /// * [`Refusal::Locked`]: the key is locked and `seen` is not the lock's token.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// Only if `Hash`, `Eq` or `Clone` of the key does; the entry is then as it was.
    ///
    /// # Examples
    ///
    /// Raising a score without losing a rival's update:
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let scores = Cache::new();
    /// scores.insert("ada", 1)?;
    ///
    /// let score = scores.get_with_cas("ada").ok_or("ada is gone")?;
    /// let seen = score.cas().ok_or("ada is locked")?;
    /// scores.compare_and_swap("ada", seen, *score + 1)?;
    /// assert!(scores.compare_and_swap("ada", seen, 9).is_err()); // `seen` is spent
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_and_swap<Q>(&self, key: &Q, seen: Cas, value: V) -> Result<Cas, WriteError<V>>
    where
        K: Clone,
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.compare_and_swap_with(key, seen, value, Expiry::Default)
    }

    /// [`compare_and_swap`](Self::compare_and_swap) with an expiry.
    ///
    /// # Errors
    ///
    /// As [`compare_and_swap`](Self::compare_and_swap).
    ///
    /// # Panics
    ///
    /// As [`compare_and_swap`](Self::compare_and_swap).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    ///
    /// let cache = Cache::new();
    /// let seen = cache.insert("k", 1)?;
    /// cache.compare_and_swap_with("k", seen, 2, Expiry::Keep)?; // the old deadline holds
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_and_swap_with<Q>(
        &self,
        key: &Q,
        seen: Cas,
        value: V,
        expiry: Expiry,
    ) -> Result<Cas, WriteError<V>>
    where
        K: Clone,
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.store.put_borrowed(key, value, Condition::Unchanged(seen), expiry)
    }

    /// Removes the entry and returns its value; `None` if there is none.
    ///
    /// # Errors
    ///
    /// * [`Refusal::Locked`]: the key is locked.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key, which leaves the entry as it was, or `Clone` of the
    /// value does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// assert_eq!(cache.remove("k")?, Some(1));
    /// assert_eq!(cache.remove("k")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove<Q>(&self, key: &Q) -> Result<Option<V>, WriteError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        present(self.store.remove(key, Condition::Present, V::clone))
    }

    /// [`remove`](Self::remove) without the value: whether there was an entry.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key does; the entry is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::sync::Mutex;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", Mutex::new(1))?; // a value that cannot be cloned
    /// assert!(cache.discard("k")?);
    /// assert!(!cache.discard("k")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discard<Q>(&self, key: &Q) -> Result<bool, WriteError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        present(self.store.remove(key, Condition::Present, |_| ())).map(|gone| gone.is_some())
    }

    /// Removes the entry only if it still carries the stamp `seen`, and returns its value.
    ///
    /// `seen` may be the token of a lock on the key, as in
    /// [`compare_and_swap`](Self::compare_and_swap).
    ///
    /// # Errors
    ///
    /// * [`Refusal::Absent`]: there is no entry.
    /// * [`Refusal::Changed`]: the entry carries another stamp, which the error names.
    /// * [`Refusal::Locked`]: the key is locked and `seen` is not the lock's token.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// As [`remove`](Self::remove).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// let seen = cache.insert("k", 1)?;
    /// cache.insert("k", 2)?;
    /// assert!(cache.compare_and_remove("k", seen).is_err());
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_and_remove<Q>(&self, key: &Q, seen: Cas) -> Result<V, WriteError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        self.store.remove(key, Condition::Unchanged(seen), V::clone).map_err(bare)
    }

    /// [`compare_and_remove`](Self::compare_and_remove) without the value.
    ///
    /// # Errors
    ///
    /// As [`compare_and_remove`](Self::compare_and_remove).
    ///
    /// # Panics
    ///
    /// As [`discard`](Self::discard).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// let seen = cache.insert("k", 1)?;
    /// cache.compare_and_discard("k", seen)?;
    /// assert!(cache.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_and_discard<Q>(&self, key: &Q, seen: Cas) -> Result<(), WriteError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.store.remove(key, Condition::Unchanged(seen), |_| ()).map_err(bare)
    }

    /// Gives the entry a new deadline.
    ///
    /// The entry gets a new stamp if its deadline really changes, and keeps the one it has if not;
    /// the stamp it then has is returned.
    ///
    /// # Errors
    ///
    /// * [`Refusal::Absent`]: there is no entry.
    /// * [`Refusal::Locked`]: the key is locked.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// let stored = cache.insert("k", 1)?;
    /// assert_eq!(cache.touch("k", Expiry::Never)?, stored); // it had none
    /// assert_ne!(cache.touch("k", Expiry::After(Duration::from_secs(9)))?, stored);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn touch<Q>(&self, key: &Q, expiry: Expiry) -> Result<Cas, WriteError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let touched = self.store.touch(key, Condition::Present, expiry, |_| ());
        touched.map(|((), cas)| cas).map_err(bare)
    }

    /// [`touch`](Self::touch) only if the entry still carries the stamp `seen`.
    ///
    /// `seen` may be the token of a lock on the key, which is then unlocked, as by any conditional
    /// write.
    ///
    /// # Errors
    ///
    /// As [`touch`](Self::touch), and [`Refusal::Changed`] if the entry carries another stamp.
    ///
    /// # Panics
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    ///
    /// let cache = Cache::new();
    /// let seen = cache.insert("k", 1)?;
    /// cache.insert("k", 2)?;
    /// assert!(cache.compare_and_touch("k", seen, Expiry::Never).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_and_touch<Q>(
        &self,
        key: &Q,
        seen: Cas,
        expiry: Expiry,
    ) -> Result<Cas, WriteError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let touched = self.store.touch(key, Condition::Unchanged(seen), expiry, |_| ());
        touched.map(|((), cas)| cas).map_err(bare)
    }

    /// [`touch`](Self::touch) that returns the value as well; `None` if there is no entry.
    ///
    /// # Errors
    ///
    /// * [`Refusal::Locked`]: the key is locked.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// As [`remove`](Self::remove).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    /// use std::time::Duration;
    ///
    /// let sessions = Cache::new();
    /// sessions.insert("s1", "ada")?;
    /// let user = sessions.get_and_touch("s1", Expiry::After(Duration::from_secs(1800)))?;
    /// assert_eq!(user.map(|user| *user), Some("ada"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_and_touch<Q>(
        &self,
        key: &Q,
        expiry: Expiry,
    ) -> Result<Option<Versioned<V>>, WriteError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        let touched = present(self.store.touch(key, Condition::Present, expiry, V::clone))?;
        Ok(touched.map(|(value, cas)| Versioned::new(value, Some(cas))))
    }

    /// Lets `change` decide, under the key's stripe lock, what becomes of the entry.
    ///
    /// No other write of the key, by whatever method, can come between what `change` sees and what
    /// it decides; it runs at most once. It sees the value by reference, so a panic in it cannot
    /// leave the value half changed.
    ///
    /// Writes of other keys of the same stripe wait meanwhile: keep it short. For anything that takes time
    /// there is [`fetch_update`](Self::fetch_update).
    ///
    /// Inside `change` the cache can be read. Every write of any cache is refused there with
    /// [`Refusal::Reentrant`], because it might wait for a lock that this thread holds.
    ///
    /// # Errors
    ///
    /// The key comes back through [`WriteError::into_rejected`]. Where `change` was not called:
    ///
    /// * [`Refusal::Locked`]: the key is locked.
    /// * [`Refusal::Reentrant`]: called from inside an update closure.
    ///
    /// `change` was called, and nothing came of it:
    ///
    /// * [`Refusal::TooHeavy`], [`Refusal::Full`]: what it wants stored does not fit.
    /// * [`Refusal::Changed`], [`Refusal::Absent`]: in a cache bounded by weight, other stripes had to
    ///   give room for it, and meanwhile somebody else has written the key or removed it.
    ///
    /// # Panics
    ///
    /// Only if `change`, or `Hash` or `Eq` of the key does; the entry is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Update};
    ///
    /// let stock = Cache::new();
    /// stock.insert("bolts", 2)?;
    /// let mut taken = false;
    /// stock.update("bolts", |left| match left {
    ///     Some(&left) if left > 0 => {
    ///         taken = true;
    ///         Update::Put(left - 1)
    ///     }
    ///     _ => Update::Keep,
    /// })?;
    /// assert!(taken);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update(
        &self,
        key: K,
        change: impl FnOnce(Option<&V>) -> Update<V>,
    ) -> Result<Updated, WriteError<K>> {
        self.store.update(key, change)
    }

    /// Lets `change` decide, outside all locks, what becomes of the entry, and tries again if
    /// another write comes between.
    ///
    /// This is the loop around [`get_with_cas`](Self::get_with_cas) and
    /// [`compare_and_swap`](Self::compare_and_swap), with what is easily forgotten: the attempts
    /// are bounded, the pauses between them grow and are jittered, a missing key is handled by the
    /// same closure, and [`Retry::then_lock`] makes a hot key's losers take turns.
    ///
    /// `change` runs once for every attempt, under an epoch pin: what is removed meanwhile is
    /// dropped after it returns. While the key is locked by somebody else it is not called: such an
    /// attempt is lost beforehand.
    ///
    /// # Concurrency
    ///
    /// Puts the thread to sleep between attempts, and while it waits for a lock that
    /// [`Retry::then_lock`] asks for. It holds nothing meanwhile.
    ///
    /// # Errors
    ///
    /// [`RetryError`], with the key, after the last attempt; [`RetryError::last`] says what stood
    /// in the way. [`Refusal::Reentrant`] is not tried again.
    ///
    /// # Panics
    ///
    /// Only if `change`, or `Hash` or `Eq` of the key does; the entry is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Retry, Update};
    ///
    /// let words = Cache::new();
    /// for word in ["to", "be", "or", "not", "to", "be"] {
    ///     words.fetch_update(word, Retry::default(), |count: Option<&u32>| {
    ///         Update::Put(count.map_or(1, |count| count + 1))
    ///     })?;
    /// }
    /// assert_eq!(words.get("be"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fetch_update(
        &self,
        key: K,
        retry: Retry,
        change: impl FnMut(Option<&V>) -> Update<V>,
    ) -> Result<Retried, RetryError<K>> {
        retry.run(self, key, change)
    }
}

fn bare(refusal: Refusal) -> WriteError {
    WriteError::new(refusal, ())
}

/// For operations to which an absent entry is a result, not an error.
fn present<T>(result: Result<T, Refusal>) -> Result<Option<T>, WriteError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Refusal::Absent) => Ok(None),
        Err(refusal) => Err(bare(refusal)),
    }
}
