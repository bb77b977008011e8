//! Counters of a [`Cache`].

use std::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use crate::store::Step;
use crate::{Cache, Counter, CounterError, Expiry, Versioned, WriteError};

/// Counters: entries with an integer as value, which change in place and without an allocation.
///
/// Each step is one atomic operation, serialised with every other write of the key. Lock-free
/// readers always see a value together with its own stamp. A step keeps the entry's expiry.
///
/// Errors are those of [`CounterError`]: `Absent` where the counter must exist, `Locked` while
/// somebody holds the key's lock, `OutOfRange` from the checked forms, and `Reentrant` inside an
/// update closure. The forms that take a key refuse with a [`WriteError`], which gives it back. In
/// each case the counter is as it was.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Counter,
    S: BuildHasher,
{
    /// Adds `delta` to a counter and returns its new value. Past the type's greatest value it
    /// starts again at the least, as memcached's counters do.
    ///
    /// # Errors
    ///
    /// [`CounterError::Absent`], [`CounterError::Locked`], [`CounterError::Reentrant`].
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key does; the counter is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("visits", u64::MAX)?;
    /// assert_eq!(*cache.increment("visits", 2)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn increment<Q>(&self, key: &Q, delta: V) -> Result<Versioned<V>, CounterError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.step(key, V::wrapping_up, delta)
    }

    /// Takes `delta` from a counter and returns its new value. It stops at the type's least value,
    /// which is zero for unsigned counters.
    ///
    /// # Errors
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Panics
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("left", 3u32)?;
    /// assert_eq!(*cache.decrement("left", 2)?, 1);
    /// assert_eq!(*cache.decrement("left", 2)?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn decrement<Q>(&self, key: &Q, delta: V) -> Result<Versioned<V>, CounterError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.step(key, V::saturating_down, delta)
    }

    /// [`increment`](Self::increment) that is refused where it would wrap.
    ///
    /// # Errors
    ///
    /// As [`increment`](Self::increment), and [`CounterError::OutOfRange`].
    ///
    /// # Panics
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, CounterError};
    ///
    /// let cache = Cache::new();
    /// cache.insert("n", 250u8)?;
    /// assert_eq!(cache.checked_increment("n", 6).unwrap_err(), CounterError::OutOfRange);
    /// assert_eq!(cache.get("n"), Some(250));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checked_increment<Q>(&self, key: &Q, delta: V) -> Result<Versioned<V>, CounterError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.step(key, V::checked_up, delta)
    }

    /// [`decrement`](Self::decrement) that is refused where it would have to stop.
    ///
    /// # Errors
    ///
    /// As [`increment`](Self::increment), and [`CounterError::OutOfRange`].
    ///
    /// # Panics
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Examples
    ///
    /// Taking from stock only what is there:
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let stock = Cache::new();
    /// stock.insert("bolts", 3u32)?;
    /// assert!(stock.checked_decrement("bolts", 4).is_err());
    /// assert_eq!(*stock.checked_decrement("bolts", 3)?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checked_decrement<Q>(&self, key: &Q, delta: V) -> Result<Versioned<V>, CounterError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.step(key, V::checked_down, delta)
    }

    /// [`increment`](Self::increment) of a counter that may not exist yet.
    ///
    /// A counter that does not exist is created with the value `initial`, to which `delta` is not
    /// added, and with `expiry`. One that exists keeps its expiry: a counter that counts within a
    /// window of time needs no more than this call.
    ///
    /// # Errors
    ///
    /// [`Refusal::Locked`](crate::Refusal::Locked), [`Refusal::Reentrant`](crate::Refusal::Reentrant),
    /// with the key.
    ///
    /// # Panics
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Examples
    ///
    /// At most 100 requests a minute:
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    /// use std::time::Duration;
    ///
    /// let requests = Cache::new();
    /// let minute = Expiry::After(Duration::from_secs(60));
    /// let count = requests.increment_or_insert("client 7", 1u32, 1, minute)?;
    /// assert!(*count <= 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn increment_or_insert(
        &self,
        key: K,
        delta: V,
        initial: V,
        expiry: Expiry,
    ) -> Result<Versioned<V>, WriteError<K>> {
        self.step_or_insert(key, V::wrapping_up, delta, initial, expiry)
    }

    /// [`decrement`](Self::decrement) of a counter that may not exist yet; see
    /// [`increment_or_insert`](Self::increment_or_insert).
    ///
    /// # Errors
    ///
    /// [`Refusal::Locked`](crate::Refusal::Locked), [`Refusal::Reentrant`](crate::Refusal::Reentrant),
    /// with the key.
    ///
    /// # Panics
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    ///
    /// let quota = Cache::new();
    /// assert_eq!(*quota.decrement_or_insert("ada", 1u32, 9, Expiry::Default)?, 9);
    /// assert_eq!(*quota.decrement_or_insert("ada", 1u32, 9, Expiry::Default)?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decrement_or_insert(
        &self,
        key: K,
        delta: V,
        initial: V,
        expiry: Expiry,
    ) -> Result<Versioned<V>, WriteError<K>> {
        self.step_or_insert(key, V::saturating_down, delta, initial, expiry)
    }

    #[inline]
    fn step<Q>(&self, key: &Q, step: Step<V>, delta: V) -> Result<Versioned<V>, CounterError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.store.count(key, step, delta).map(|(value, cas)| Versioned::new(value, Some(cas)))
    }

    fn step_or_insert(
        &self,
        key: K,
        step: Step<V>,
        delta: V,
        initial: V,
        expiry: Expiry,
    ) -> Result<Versioned<V>, WriteError<K>> {
        let counted = self.store.count_or_insert(key, step, delta, initial, expiry);
        counted.map(|(value, cas)| Versioned::new(value, Some(cas)))
    }
}
