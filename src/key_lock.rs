//! [`KeyLock`]: a held key lock, in the hand of its holder.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::time::{Duration, Instant};

use crate::store::Claimed;
use crate::time::Tick;
use crate::{Cache, Cas, Expiry, UnlockError, WriteError};

/// The lock on one key, with the value it had when it was locked.
///
/// Dropping it unlocks the key. It is a token and not a guard: it holds no lock inside the cache,
/// it is `Send`, and when its time is up the key is open whether or not it still exists. Dropped
/// inside an update closure, where no write is allowed, it leaves the key locked until then.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let accounts = Cache::new();
/// accounts.insert("ada", 100)?;
///
/// let account = accounts.get_and_lock("ada")?;
/// let rest = account.value() - 30;
/// account.write(rest)?;
/// assert_eq!(accounts.get("ada"), Some(70));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the lock unlocks the key"]
pub struct KeyLock<K, V, S = ahash::RandomState>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    cache: Cache<K, V, S>,
    key: K,
    hash: u64,
    value: V,
    token: Cas,
    deadline: Tick,
    /// Whether dropping this unlocks the key.
    armed: bool,
}

impl<K, V, S> KeyLock<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    pub(crate) fn new(cache: Cache<K, V, S>, claimed: Claimed<K, V>) -> Self {
        let Claimed { hash, token, deadline, key, value } = claimed;
        Self { cache, key, hash, value, token, deadline, armed: true }
    }

    /// The locked key.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert(String::from("ada"), 1)?;
    /// let held = cache.get_and_lock("ada")?; // found by a borrowed form, holds the key itself
    /// assert_eq!(held.key(), "ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The value the entry had when it was locked, and has as long as the lock holds.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", vec![1, 2])?;
    /// let held = cache.get_and_lock("k")?;
    /// let mut longer = held.value().clone();
    /// longer.push(3);
    /// held.write(longer)?;
    /// assert_eq!(cache.get("k"), Some(vec![1, 2, 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn value(&self) -> &V {
        &self.value
    }

    /// The lock's token, which the writes that take a stamp accept. It is not the entry's version.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let held = cache.get_and_lock("k")?;
    /// cache.compare_and_swap_with("k", held.cas(), 2, Expiry::Never)?; // unlocks, as any write does
    /// assert_eq!(cache.lock_remaining("k"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cas(&self) -> Cas {
        self.token
    }

    /// The instant of the cache's clock at which the lock opens by itself, unless it is renewed.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Clock, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// cache.insert("k", 1)?;
    /// let held = cache.get_and_lock("k")?;
    /// assert_eq!(held.deadline(), clock.now() + Duration::from_secs(15));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.cache.store().time().instant(self.deadline)
    }

    /// How long the lock holds from now on; zero if its time is up.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// cache.insert("k", 1)?;
    /// let held = cache.get_and_lock("k")?;
    /// assert_eq!(held.remaining(), Duration::from_secs(15));
    /// clock.advance(Duration::from_secs(16));
    /// assert_eq!(held.remaining(), Duration::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.since(self.cache.store().time().now())
    }

    /// Lets the lock hold for `time` from now on; zero stands for the cache's default. That may be
    /// less than it had left.
    ///
    /// # Errors
    ///
    /// As [`Cache::renew_lock`]. A lock that has lapsed cannot be renewed.
    ///
    /// # Panics
    ///
    /// Only if `Hash` or `Eq` of the key does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let mut held = cache.get_and_lock_for("k", Duration::from_secs(1))?;
    /// held.renew(Duration::from_secs(10))?;
    /// assert!(held.remaining() > Duration::from_secs(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn renew(&mut self, time: Duration) -> Result<(), UnlockError> {
        self.deadline = self.cache.store().renew(&self.key, self.token, time)?;
        Ok(())
    }

    /// Stores `value`, with the cache's default expiry, and unlocks the key.
    ///
    /// # Errors
    ///
    /// As [`Cache::compare_and_swap`]. The write is refused if the lock has lapsed and somebody has
    /// written or locked the key since.
    ///
    /// # Panics
    ///
    /// Only if `Hash`, `Eq` or `Clone` of the key does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// cache.get_and_lock("k")?.write(2)?;
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(self, value: V) -> Result<Cas, WriteError<V>>
    where
        K: Clone,
    {
        self.write_with(value, Expiry::Default)
    }

    /// [`write`](Self::write) with an expiry.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry};
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// cache.get_and_lock("k")?.write_with(2, Expiry::Keep)?; // lives on as long as it would have
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_with(mut self, value: V, expiry: Expiry) -> Result<Cas, WriteError<V>>
    where
        K: Clone,
    {
        let written = self.cache.compare_and_swap_with(&self.key, self.token, value, expiry);
        self.armed = written.is_err();
        written
    }

    /// Removes the entry, and the lock with it.
    ///
    /// # Errors
    ///
    /// As [`Cache::compare_and_remove`].
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
    /// cache.get_and_lock("k")?.remove()?;
    /// assert_eq!(cache.get("k"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(mut self) -> Result<(), WriteError> {
        let removed = self.cache.compare_and_discard(&self.key, self.token);
        self.armed = removed.is_err();
        removed
    }

    /// Unlocks the key and says whether the lock was still held, which dropping it does not.
    ///
    /// # Errors
    ///
    /// As [`Cache::unlock`].
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
    /// cache.get_and_lock("k")?.unlock()?;
    /// cache.insert("k", 2)?;
    ///
    /// let held = cache.get_and_lock("k")?;
    /// cache.clear(); // takes the entry and its lock
    /// assert!(held.unlock().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unlock(mut self) -> Result<(), UnlockError> {
        self.armed = false;
        if self.cache.store().unlock_token(self.hash, self.token) {
            return Ok(());
        }
        // The lock is not held any more; the key tells why.
        self.cache.unlock(&self.key, self.token)
    }

    /// Takes the lock apart: the key stays locked, and whoever has the token can unlock it.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let token = cache.get_and_lock("k")?.into_cas();
    /// assert!(cache.insert("k", 2).is_err());
    /// cache.compare_and_swap("k", token, 2)?;
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "without its token the key stays locked until the lock lapses"]
    pub fn into_cas(mut self) -> Cas {
        self.armed = false;
        self.token
    }
}

impl<K, V, S> Drop for KeyLock<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    fn drop(&mut self) {
        if self.armed {
            // The lock may have lapsed, or the entry be gone: then there is nothing to unlock.
            self.cache.store().unlock_token(self.hash, self.token);
        }
    }
}

impl<K, V, S> fmt::Debug for KeyLock<K, V, S>
where
    K: Hash + Eq + fmt::Debug + Send + Sync + 'static,
    V: fmt::Debug + Send + Sync + 'static,
    S: BuildHasher,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLock")
            .field("key", &self.key)
            .field("value", &self.value)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
