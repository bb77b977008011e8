//! Why an operation was refused. Errors that took a value give it back.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::Cas;

/// A write was refused; the entry is as it was, and what was to be written comes back.
///
/// `T` is what the operation had taken: the key and the value for operations that take both, the
/// value for those that borrow the key, `()` where nothing was given.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Refusal};
///
/// let cache = Cache::new();
/// cache.insert("k", String::from("old"))?;
/// let refused = cache.add("k", String::from("new")).unwrap_err();
/// assert!(matches!(refused.refusal(), Refusal::Exists { .. }));
/// assert_eq!(refused.into_rejected(), ("k", String::from("new")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WriteError<T = ()> {
    refusal: Refusal,
    rejected: T,
}

impl<T> WriteError<T> {
    pub(crate) fn new(refusal: Refusal, rejected: T) -> Self {
        Self { refusal, rejected }
    }

    /// Why the write was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Refusal};
    ///
    /// let cache = Cache::new();
    /// let seen = cache.insert("k", 1)?;
    /// let now = cache.insert("k", 2)?;
    /// let refused = cache.compare_and_swap("k", seen, 3).unwrap_err();
    /// assert_eq!(refused.refusal(), Refusal::Changed { current: now });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// What was to be written.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::<String, String>::new();
    /// let refused = cache.replace("k", String::from("new")).unwrap_err();
    /// assert_eq!(refused.rejected(), "new"); // for a message, say; the error keeps it
    /// ```
    #[must_use]
    pub fn rejected(&self) -> &T {
        &self.rejected
    }

    /// Gives back what was to be written.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// let long = vec![0; 1_000_000];
    /// if let Err(refused) = cache.replace("k", long) {
    ///     cache.insert("k", refused.into_rejected())?; // not made or cloned a second time
    /// }
    /// assert_eq!(cache.read("k", Vec::len), Some(1_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_rejected(self) -> T {
        self.rejected
    }
}

impl<T> fmt::Debug for WriteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteError").field("refusal", &self.refusal).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for WriteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl<T> Error for WriteError<T> {}

/// Why a write was refused.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Refusal};
///
/// let cache = Cache::new();
/// cache.insert("k", 1)?;
/// let held = cache.get_and_lock("k")?;
/// let advice = match cache.insert("k", 2).unwrap_err().refusal() {
///     Refusal::Locked { remaining } => format!("again in {} s", remaining.as_secs()),
///     other => other.to_string(),
/// };
/// assert!(advice.starts_with("again in")); // 14 s or so
/// # drop(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The operation needs an entry and there is none: it was removed, has expired, or never was.
    Absent,
    /// The operation needs the key to be absent and there is an entry.
    Exists {
        /// The stamp of that entry; `None` while it is locked.
        current: Option<Cas>,
    },
    /// The entry carries another stamp than the one given.
    Changed {
        /// The stamp it carries.
        current: Cas,
    },
    /// The key is locked, and the stamp given, if any, is not the lock's token.
    Locked {
        /// How long until the lock opens by itself.
        remaining: Duration,
    },
    /// The value weighs more than the whole cache may hold.
    TooHeavy {
        /// What it weighs.
        weight: u32,
        /// The bound of the cache.
        max: u64,
    },
    /// The cache is full, and built not to evict.
    Full,
    /// The key has been invalidated, removed, or written and evicted since the fill's token or mark
    /// was handed out; or a neighbour was whom the cache cannot tell from it.
    Invalidated,
    /// A fence stands around the key.
    Fenced {
        /// How long until it goes by itself.
        remaining: Duration,
    },
    /// The fill's token was handed out for another key.
    WrongToken,
    /// The call came from inside a closure or a comparison that runs under a stripe lock.
    Reentrant,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no such entry"),
            Self::Exists { .. } => f.write_str("the entry exists"),
            Self::Changed { .. } => f.write_str("the entry has changed"),
            Self::Locked { remaining } => write!(f, "the key is locked for {remaining:?}"),
            Self::TooHeavy { weight, max } => {
                write!(f, "a weight of {weight} is more than the cache may hold, which is {max}")
            }
            Self::Full => f.write_str("the cache is full"),
            Self::Invalidated => f.write_str("the key was invalidated after the value was read"),
            Self::Fenced { remaining } => write!(f, "the key is fenced for {remaining:?}"),
            Self::WrongToken => f.write_str("the token was handed out for another key"),
            Self::Reentrant => f.write_str(REENTRANT),
        }
    }
}

/// The call came from inside a closure or a comparison that runs under a stripe lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reentrant;

macro_rules! from_reentrant {
    ($($error:ty),*) => {$(
        impl From<Reentrant> for $error {
            fn from(_: Reentrant) -> Self {
                Self::Reentrant
            }
        }
    )*};
}

from_reentrant!(Refusal, LockError, UnlockError, CounterError);

impl From<Refusal> for LockError {
    /// For a key that cannot be locked.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Locked { remaining } => Self::Locked { remaining },
            Refusal::Reentrant => Self::Reentrant,
            Refusal::Absent
            | Refusal::Exists { .. }
            | Refusal::Changed { .. }
            | Refusal::TooHeavy { .. }
            | Refusal::Full
            | Refusal::Invalidated
            | Refusal::Fenced { .. }
            | Refusal::WrongToken => Self::Absent,
        }
    }
}

impl From<Refusal> for CounterError {
    /// For a counter that cannot be moved.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Locked { remaining } => Self::Locked { remaining },
            Refusal::Reentrant => Self::Reentrant,
            Refusal::Absent
            | Refusal::Exists { .. }
            | Refusal::Changed { .. }
            | Refusal::TooHeavy { .. }
            | Refusal::Full
            | Refusal::Invalidated
            | Refusal::Fenced { .. }
            | Refusal::WrongToken => Self::Absent,
        }
    }
}

const REENTRANT: &str = "called from inside an operation that holds a stripe lock";

/// Why a key could not be locked.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, LockError};
///
/// let cache = Cache::new();
/// assert_eq!(cache.get_and_lock("k").unwrap_err(), LockError::Absent);
/// cache.insert("k", 1)?;
/// let held = cache.get_and_lock("k")?;
/// assert!(matches!(cache.get_and_lock("k"), Err(LockError::Locked { .. })));
/// # drop(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockError {
    /// There is no entry to lock.
    Absent,
    /// Somebody holds the lock. The waiting forms say this when their time is up, also if all that
    /// is in the way is others who wait in front.
    Locked {
        /// How long until the lock opens by itself; zero if the key is free, but promised to
        /// somebody who waits in front.
        remaining: Duration,
    },
    /// The lock time asked for is longer than the cache allows.
    TooLong {
        /// The longest lock time of this cache.
        max: Duration,
    },
    /// The call came from inside a closure or a comparison that runs under a stripe lock.
    Reentrant,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no such entry"),
            Self::Locked { remaining } => write!(f, "the key is locked for {remaining:?}"),
            Self::TooLong { max } => write!(f, "the lock time is over the maximum of {max:?}"),
            Self::Reentrant => f.write_str(REENTRANT),
        }
    }
}

impl Error for LockError {}

/// Why a lock could not be released or renewed.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, ManualClock, UnlockError};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let cache = Cache::builder().clock(clock.clone()).build()?;
/// cache.insert("k", 1)?;
/// let held = cache.get_and_lock("k")?;
/// clock.advance(Duration::from_secs(15));
/// assert_eq!(held.unlock(), Err(UnlockError::NotLocked)); // the work took too long
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnlockError {
    /// There is no entry.
    Absent,
    /// The entry is not locked: the lock was released, has lapsed, or was never taken.
    NotLocked,
    /// The entry is locked with another token.
    WrongToken {
        /// How long until that lock opens by itself.
        remaining: Duration,
    },
    /// The lock time asked for is longer than the cache allows.
    TooLong {
        /// The longest lock time of this cache.
        max: Duration,
    },
    /// The call came from inside a closure or a comparison that runs under a stripe lock.
    Reentrant,
}

impl fmt::Display for UnlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no such entry"),
            Self::NotLocked => f.write_str("the key is not locked"),
            Self::WrongToken { remaining } => {
                write!(f, "the key is locked with another token for {remaining:?}")
            }
            Self::TooLong { max } => write!(f, "the lock time is over the maximum of {max:?}"),
            Self::Reentrant => f.write_str(REENTRANT),
        }
    }
}

impl Error for UnlockError {}

/// Why a counter did not move.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, CounterError};
///
/// let stock = Cache::new();
/// assert_eq!(stock.increment("bolts", 1u32).unwrap_err(), CounterError::Absent);
/// stock.insert("bolts", 2)?;
/// assert_eq!(stock.checked_decrement("bolts", 3).unwrap_err(), CounterError::OutOfRange);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CounterError {
    /// There is no such counter and no initial value was given.
    Absent,
    /// The key is locked.
    Locked {
        /// How long until the lock opens by itself.
        remaining: Duration,
    },
    /// A checked step would leave the range of the type.
    OutOfRange,
    /// The call came from inside a closure or a comparison that runs under a stripe lock.
    Reentrant,
}

impl fmt::Display for CounterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no such counter"),
            Self::Locked { remaining } => write!(f, "the key is locked for {remaining:?}"),
            Self::OutOfRange => f.write_str("the counter would leave the range of its type"),
            Self::Reentrant => f.write_str(REENTRANT),
        }
    }
}

impl Error for CounterError {}

/// [`fetch_update`](crate::Cache::fetch_update) gave up; the key comes back.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Retry, Update};
///
/// let cache = Cache::new();
/// cache.insert("k", 1)?;
/// let held = cache.get_and_lock("k")?;
/// let error = cache.fetch_update("k", Retry::attempts(2), |_| Update::Put(2)).unwrap_err();
/// assert!(error.to_string().starts_with("gave up after 2 attempts: the key is locked"));
/// # drop(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RetryError<K> {
    attempts: u32,
    last: Refusal,
    key: K,
}

impl<K> RetryError<K> {
    pub(crate) fn new(attempts: u32, last: Refusal, key: K) -> Self {
        Self { attempts, last, key }
    }

    /// How many attempts were made: all that were allowed, or fewer where another could not help.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Retry, Update};
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let held = cache.get_and_lock("k")?;
    /// let error = cache.fetch_update("k", Retry::attempts(2), |_| Update::Put(2)).unwrap_err();
    /// assert_eq!(error.attempts(), 2);
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Why the last attempt was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Refusal, Retry, Update};
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// let held = cache.get_and_lock("k")?;
    /// let error = cache.fetch_update("k", Retry::attempts(2), |_| Update::Put(2)).unwrap_err();
    /// assert!(matches!(error.last(), Refusal::Locked { .. })); // not a rival's write
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn last(&self) -> Refusal {
        self.last
    }

    /// Gives the key back.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Retry, Update};
    ///
    /// let cache = Cache::new();
    /// cache.insert(String::from("k"), 1)?;
    /// let held = cache.get_and_lock("k")?;
    /// let key = String::from("k");
    /// let error = cache.fetch_update(key, Retry::attempts(1), |_| Update::Put(2)).unwrap_err();
    /// assert_eq!(error.into_key(), "k"); // to try again later
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_key(self) -> K {
        self.key
    }
}

impl<K> fmt::Debug for RetryError<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryError")
            .field("attempts", &self.attempts)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl<K> fmt::Display for RetryError<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gave up after {} attempts: {}", self.attempts, self.last)
    }
}

impl<K> Error for RetryError<K> {}

/// Why a cache could not be built.
///
/// # Examples
///
/// ```
/// use caskade::{BuildError, Cache};
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let builder = Cache::<u32, u32>::builder().default_lock_time(minute); // over the maximum of 15 s
/// assert_eq!(builder.build().unwrap_err(), BuildError::LockTime);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The stripe count is zero or over 65 536.
    Stripes(usize),
    /// Room is asked for more entries than a cache can start with.
    InitialEntries(usize),
    /// A lock time is zero, or the default lock time is over the maximum.
    LockTime,
    /// The load time is zero.
    LoadTime,
    /// The cache is to hold nothing.
    Bound,
    /// The time to idle is zero, or cannot be counted.
    TimeToIdle,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stripes(count) => write!(f, "{count} stripes; 1 to 65536 are possible"),
            Self::InitialEntries(count) => {
                write!(f, "room for {count} entries; at most {} are possible", u32::MAX)
            }
            Self::LockTime => {
                f.write_str("lock times must be over zero, and the default at most the maximum")
            }
            Self::LoadTime => f.write_str("the load time must be over zero"),
            Self::Bound => f.write_str("a cache must be allowed to hold something"),
            Self::TimeToIdle => f.write_str("the time to idle must be over zero and countable"),
        }
    }
}

impl Error for BuildError {}
