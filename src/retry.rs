//! [`Retry`]: how often and how patiently an optimistic update is tried.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use crate::store::{Condition, LockWait, Locked, Store, block_on};
use crate::time::pause;
use crate::{Cache, Cas, Expiry, Refusal, Retried, RetryError, Update, Updated, epoch};

/// How [`fetch_update`](Cache::fetch_update) deals with losing.
///
/// After the n-th loss it pauses for a random time between zero and the first pause doubled n - 1
/// times, at most the longest pause. The default is ten attempts, with pauses from 10 microseconds
/// up to 10 milliseconds, and no key lock.
///
/// Pauses put the thread to sleep in real time, whatever the cache's [`Clock`](crate::Clock) shows.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Retry, Update};
/// use std::time::Duration;
///
/// const PATIENT: Retry =
///     Retry::attempts(50).pauses(Duration::from_micros(50), Duration::from_millis(20)).then_lock(5);
///
/// let cache = Cache::new();
/// cache.fetch_update("k", PATIENT, |seen| Update::Put(seen.map_or(1, |n| n + 1)))?;
/// assert_eq!(cache.get("k"), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Retry {
    attempts: u32,
    first_pause: Duration,
    longest_pause: Duration,
    lock_after: Option<u32>,
}

impl Retry {
    /// At most this many attempts, with the default pauses; zero counts as one.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Retry, Update};
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let held = cache.get_and_lock("k")?; // makes every attempt of others fail
    /// let error = cache.fetch_update("k", Retry::attempts(3), |_| Update::Put(2)).unwrap_err();
    /// assert_eq!(error.attempts(), 3);
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn attempts(count: u32) -> Self {
        Self {
            attempts: if count == 0 { 1 } else { count },
            first_pause: Duration::from_micros(10),
            longest_pause: Duration::from_millis(10),
            lock_after: None,
        }
    }

    /// The pause after the first loss, which doubles with each further one, and its upper limit.
    /// Zero for either means no pauses. Default: 10 microseconds and 10 milliseconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Retry, Update};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// // Rivals that are quick themselves are best met again at once.
    /// let eager = Retry::attempts(1000).pauses(Duration::ZERO, Duration::ZERO);
    /// cache.fetch_update("k", eager, |seen| Update::Put(seen.map_or(1, |n| n * 2)))?;
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.longest_pause = longest;
        self
    }

    /// Takes the key's lock for every attempt after this many losses, waiting for its turn. Zero
    /// locks from the first attempt on; as many losses as there are attempts, never. Default: never.
    ///
    /// Where many threads update one key, optimism means that all but one work in vain. With the
    /// lock they take turns, and each needs one more attempt.
    ///
    /// The lock is taken for the cache's default lock time and waited for as long as its maximum. If
    /// it cannot be had, because there is no entry or the wait was in vain, the attempt is made
    /// without.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Retry, Update};
    ///
    /// let cache = Cache::new();
    /// cache.insert("hot", 0)?;
    /// let turns = Retry::attempts(20).then_lock(2);
    /// std::thread::scope(|scope| {
    ///     for _ in 0..4 {
    ///         scope.spawn(|| {
    ///             for _ in 0..100 {
    ///                 let raise = |n: Option<&u32>| Update::Put(n.map_or(1, |n| n + 1));
    ///                 cache.fetch_update("hot", turns, raise).expect("two losses, then its turn");
    ///             }
    ///         });
    ///     }
    /// });
    /// assert_eq!(cache.get("hot"), Some(400));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn then_lock(mut self, losses: u32) -> Self {
        self.lock_after = Some(losses);
        self
    }

    pub(crate) fn run<K, V, S>(
        self,
        cache: &Cache<K, V, S>,
        key: K,
        mut change: impl FnMut(Option<&V>) -> Update<V>,
    ) -> Result<Retried, RetryError<K>>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
        S: BuildHasher,
    {
        let store = &**cache.store();
        let mut key = key;
        let mut losses = 0;
        loop {
            let is_hot = self.lock_after.is_some_and(|after| losses >= after);
            let lock = if is_hot { escalate(cache, &key) } else { None };
            let token = lock.as_ref().map(|lock| lock.token);
            let refusal = match attempt(store, key, token, &mut change) {
                Ok(updated) => return Ok(Retried::new(updated, losses + 1)),
                Err((refusal, unused)) => {
                    key = unused;
                    refusal
                }
            };
            drop(lock); // nobody else waits while this one pauses
            losses += 1;
            // These two come again however often one asks.
            let is_final = matches!(refusal, Refusal::Reentrant | Refusal::TooHeavy { .. });
            if losses >= self.attempts || is_final {
                return Err(RetryError::new(losses, refusal, key));
            }
            pause(self.pause_after(losses));
        }
    }

    fn pause_after(&self, losses: u32) -> Duration {
        let doubled = 2u32.saturating_pow(losses - 1);
        self.first_pause.saturating_mul(doubled).min(self.longest_pause)
    }
}

/// A key lock that a retry took. Dropping it unlocks, by a panic of user code as well; after a
/// write with its token there is nothing left to unlock.
struct Escalation<'s, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    store: &'s Store<K, V, S>,
    hash: u64,
    token: Cas,
}

impl<K, V, S> Drop for Escalation<'_, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    fn drop(&mut self) {
        self.store.unlock_token(self.hash, self.token);
    }
}

/// Waits for the key's lock and takes it. Without an entry there is nothing to lock, and
/// without luck the attempt goes ahead as an optimistic one.
fn escalate<'c, K, V, S>(cache: &'c Cache<K, V, S>, key: &K) -> Option<Escalation<'c, K, V, S>>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    let patience = cache.store().settings().max_lock_time;
    let lock = |_: &Store<K, V, S>, _: &K, locked: Locked<'_, K, V>| (locked.hash, locked.token);
    let wait = LockWait::new(Arc::clone(cache.store()), key, Duration::ZERO, patience, lock);
    let (hash, token) = block_on(wait.run()).ok()?;
    Some(Escalation { store: cache.store(), hash, token })
}

/// One attempt: look, ask `change`, write what it says if nobody has written meanwhile. With a
/// token, the caller holds the key's lock, which this ends.
fn attempt<K, V, S>(
    store: &Store<K, V, S>,
    key: K,
    token: Option<Cas>,
    change: &mut impl FnMut(Option<&V>) -> Update<V>,
) -> Result<Updated, (Refusal, K)>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    let guard = epoch::pin();
    let found = store.get(&key, &guard);
    let seen = match &found {
        Some(found) => match token.or(found.cas) {
            Some(seen) => Some(seen),
            None => return Err((store.refuse_locked(&key), key)),
        },
        None => None,
    };
    let (value, expiry) = match change(found.as_ref().map(|found| &*found.value)) {
        Update::Put(value) => (value, Expiry::Default),
        Update::PutWith(value, expiry) => (value, expiry),
        Update::Keep => {
            // Under a lock of our own the stamp is hidden from others, not from us.
            let hidden = found.as_ref().filter(|_| token.is_some());
            let own = hidden.and_then(|found| Cas::from_stamp(found.stamp()));
            return Ok(Updated::Kept(own.or(found.and_then(|found| found.cas))));
        }
        Update::Remove => {
            // Also if there is nothing to remove: fills from before are refused.
            let condition = seen.map_or(Condition::Absent, Condition::Unchanged);
            return match store.remove(&key, condition, |_| ()) {
                Ok(()) => Ok(Updated::Removed),
                Err(Refusal::Absent) if seen.is_none() => Ok(Updated::Kept(None)),
                Err(refusal) => Err((refusal, key)),
            };
        }
    };
    let condition = seen.map_or(Condition::Absent, Condition::Unchanged);
    match store.put(key, value, condition, expiry) {
        Ok(cas) => Ok(Updated::Stored(cas)),
        Err(error) => Err((error.refusal(), error.into_rejected().0)),
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::attempts(10)
    }
}
