//! Key locks of a [`Cache`].

use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::{Duration, Instant};

use equivalent::Equivalent;

use crate::store::{LockWait, Locked, Store, block_on};
use crate::{Cache, Cas, KeyLock, LockError, UnlockError, epoch};

/// Key locks: exclusive write access to one entry, for a limited time.
///
/// Others read a locked entry as before, but without its stamp, and every write is refused unless
/// it is given the lock's token. A lock does not change the entry's version. It opens by itself
/// when its time is up, which is found out by a look at the clock, not by a timer; expiry of the
/// entry beats the lock.
///
/// A lock holds nothing inside the cache. Its holder may keep it across an `.await`, send it to
/// another thread, or lose it.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
{
    /// Locks the entry for the cache's default lock time.
    ///
    /// # Concurrency
    ///
    /// Takes the key's stripe lock for a moment. Of several calls, one succeeds.
    ///
    /// # Errors
    ///
    /// * [`LockError::Absent`]: there is no entry.
    /// * [`LockError::Locked`]: somebody holds the lock.
    /// * [`LockError::Reentrant`]: called from inside an update closure.
    ///
    /// # Panics
    ///
    /// Only if `Hash`, `Eq` or `Clone` of the key or `Clone` of the value does; the entry is then
    /// not locked.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    ///
    /// let held = cache.get_and_lock("k")?;
    /// assert!(cache.insert("k", 9).is_err()); // others may read, not write
    /// assert_eq!(cache.get("k"), Some(1));
    ///
    /// let next = held.value() + 1;
    /// held.write(next)?; // which unlocks; without it, dropping `held` would
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_and_lock<Q>(&self, key: &Q) -> Result<KeyLock<K, V, S>, LockError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.get_and_lock_for(key, Duration::ZERO)
    }

    /// Locks the entry for `time`, from one nanosecond to the cache's maximum; zero stands for the
    /// default.
    ///
    /// # Errors
    ///
    /// As [`get_and_lock`](Self::get_and_lock), and [`LockError::TooLong`] if `time` is over the
    /// maximum.
    ///
    /// # Panics
    ///
    /// As [`get_and_lock`](Self::get_and_lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, LockError};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let held = cache.get_and_lock_for("k", Duration::from_secs(2))?;
    /// assert!(held.remaining() <= Duration::from_secs(2));
    ///
    /// let error = cache.get_and_lock_for("k", Duration::from_secs(16)).unwrap_err();
    /// assert_eq!(error, LockError::TooLong { max: Duration::from_secs(15) });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_and_lock_for<Q>(
        &self,
        key: &Q,
        time: Duration,
    ) -> Result<KeyLock<K, V, S>, LockError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let guard = epoch::pin();
        let locked = self.store.lock(key, time, &guard)?;
        Ok(KeyLock::new(self.clone(), self.store.claim(locked)))
    }

    /// Locks the entry for `time`, waiting for as long as `patience` while others hold its lock.
    ///
    /// Those who wait get the lock in the order in which they came, though somebody who does not
    /// wait may be faster. `time` is as in [`get_and_lock_for`](Self::get_and_lock_for); `patience`
    /// counts by the cache's clock, and zero is one attempt.
    ///
    /// # Concurrency
    ///
    /// Blocks the thread, without holding anything. It is woken when the lock is released or
    /// lapses.
    ///
    /// # Errors
    ///
    /// As [`get_and_lock_for`](Self::get_and_lock_for); [`LockError::Locked`] if `patience` runs
    /// out, [`LockError::Absent`] also if the entry disappears meanwhile.
    ///
    /// # Panics
    ///
    /// As [`get_and_lock`](Self::get_and_lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let first = cache.get_and_lock("k")?;
    /// let patience = Duration::from_secs(10);
    /// std::thread::scope(|scope| {
    ///     let second = scope.spawn(|| {
    ///         let held = cache.get_and_lock_within("k", Duration::ZERO, patience).unwrap();
    ///         let next = held.value() * 10;
    ///         held.write(next).unwrap();
    ///     });
    ///     first.write(2).unwrap(); // which lets the second have it
    ///     second.join().unwrap();
    /// });
    /// assert_eq!(cache.get("k"), Some(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_and_lock_within<Q>(
        &self,
        key: &Q,
        time: Duration,
        patience: Duration,
    ) -> Result<KeyLock<K, V, S>, LockError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        block_on(self.get_and_lock_async(key, time, patience))
    }

    /// [`get_and_lock_within`](Self::get_and_lock_within) as a future.
    ///
    /// # Concurrency
    ///
    /// Needs no runtime. Dropping the future gives up its place in the queue.
    ///
    /// # Errors
    ///
    /// As [`get_and_lock_within`](Self::get_and_lock_within).
    ///
    /// # Panics
    ///
    /// As [`get_and_lock`](Self::get_and_lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::error::Error;
    /// use std::time::Duration;
    ///
    /// async fn double(cache: &Cache<String, u64>, key: &str) -> Result<(), Box<dyn Error>> {
    ///     let patience = Duration::from_secs(1);
    ///     let held = cache.get_and_lock_async(key, Duration::ZERO, patience).await?;
    ///     let twice = held.value() * 2;
    ///     held.write(twice)?;
    ///     Ok(())
    /// }
    ///
    /// # use std::task::{Context, Poll, Waker};
    /// let cache = Cache::new();
    /// cache.insert(String::from("k"), 21)?;
    /// # fn run<T>(future: impl Future<Output = T>) -> T {
    /// #     let mut future = std::pin::pin!(future);
    /// #     match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
    /// #         Poll::Ready(output) => output,
    /// #         Poll::Pending => panic!("nobody holds the lock"),
    /// #     }
    /// # }
    /// run(double(&cache, "k"))?; // on any executor
    /// assert_eq!(cache.get("k"), Some(42));
    /// # Ok::<(), Box<dyn Error>>(())
    /// ```
    pub fn get_and_lock_async<'k, Q>(
        &self,
        key: &'k Q,
        time: Duration,
        patience: Duration,
    ) -> impl Future<Output = Result<KeyLock<K, V, S>, LockError>> + use<'k, K, V, S, Q>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let cache = self.clone();
        let wait = LockWait::new(
            Arc::clone(&self.store),
            key,
            time,
            patience,
            move |store: &Store<K, V, S>, _: &Q, locked: Locked<'_, K, V>| {
                KeyLock::new(cache.clone(), store.claim(locked))
            },
        );
        wait.run()
    }
}

/// Key locks carried as a bare [`Cas`], for callers that pass it through a wire. The writes that
/// take a stamp accept the token too.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// Releases the lock whose token is `token`. The entry keeps the version it had.
    ///
    /// # Errors
    ///
    /// * [`UnlockError::Absent`]: there is no entry.
    /// * [`UnlockError::NotLocked`]: it is not locked: the lock was released or has lapsed.
    /// * [`UnlockError::WrongToken`]: it is locked with another token, and stays so.
    /// * [`UnlockError::Reentrant`]: called from inside an update closure.
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
    /// let version = cache.insert("k", 1)?;
    /// let token = cache.get_and_lock("k")?.into_cas();
    /// cache.unlock("k", token)?;
    /// assert_eq!(cache.get_with_cas("k").and_then(|v| v.cas()), Some(version));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unlock<Q>(&self, key: &Q, token: Cas) -> Result<(), UnlockError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.store.unlock(key, token)
    }

    /// Lets the lock whose token is `token` hold for `time` from now on, zero standing for the
    /// default, and returns the instant at which it then opens by itself. That may be earlier than
    /// before.
    ///
    /// # Errors
    ///
    /// As [`unlock`](Self::unlock), and [`UnlockError::TooLong`] if `time` is over the maximum.
    ///
    /// # Panics
    ///
    /// As [`unlock`](Self::unlock).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let token = cache.get_and_lock_for("k", Duration::from_secs(1))?.into_cas();
    /// cache.renew_lock("k", token, Duration::from_secs(10))?;
    /// assert!(cache.lock_remaining("k") > Some(Duration::from_secs(5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn renew_lock<Q>(&self, key: &Q, token: Cas, time: Duration) -> Result<Instant, UnlockError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.store.renew(key, token, time).map(|deadline| self.store.time().instant(deadline))
    }

    /// How long the key stays locked if nobody unlocks it; `None` if it is absent or not locked.
    ///
    /// # Concurrency
    ///
    /// Takes the key's stripe lock for a moment.
    ///
    /// # Panics
    ///
    /// If it is called from inside an update closure, or if `Hash` or `Eq` of the key panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// assert_eq!(cache.lock_remaining("k"), None);
    /// let held = cache.get_and_lock("k")?;
    /// assert!(cache.lock_remaining("k") > None); // up to 15 seconds
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_remaining<Q>(&self, key: &Q) -> Option<Duration>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let remaining = self.store.lock_remaining(key);
        remaining.expect("lock_remaining is not called from inside an update closure")
    }
}
