//! [`Put`]: condition and expiry of a write.

use std::time::{Duration, Instant};

use crate::store::Condition;
use crate::{Cas, Expiry};

/// How [`Cache::put`](crate::Cache::put) stores: under which condition, and for how long.
///
/// The default is no condition and the cache's default expiry. Of several conditions, and of
/// several expiries, the last one given counts.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Put};
/// use std::time::Duration;
///
/// const SHORT_LIVED: Put = Put::new().if_absent().expires_after(Duration::from_secs(5));
///
/// let cache = Cache::new();
/// cache.put("k", 1, SHORT_LIVED)?;
/// assert!(cache.put("k", 2, SHORT_LIVED).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Put {
    pub(crate) condition: Condition,
    pub(crate) expiry: Expiry,
}

impl Put {
    /// No condition, default expiry.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Put};
    ///
    /// let cache = Cache::new();
    /// cache.put("k", 1, Put::new())?; // the same as `insert`
    /// assert_eq!(cache.get("k"), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn new() -> Self {
        Self { condition: Condition::Always, expiry: Expiry::Default }
    }

    /// Only if there is no entry; [`Refusal::Exists`](crate::Refusal::Exists) if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Put};
    ///
    /// let cache = Cache::new();
    /// cache.put("leader", 1, Put::new().if_absent())?;
    /// assert!(cache.put("leader", 2, Put::new().if_absent()).is_err());
    /// assert_eq!(cache.get("leader"), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn if_absent(mut self) -> Self {
        self.condition = Condition::Absent;
        self
    }

    /// Only if there is an entry; [`Refusal::Absent`](crate::Refusal::Absent) if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Put, Refusal};
    ///
    /// let cache = Cache::new();
    /// let refused = cache.put("k", 1, Put::new().if_present()).unwrap_err();
    /// assert_eq!(refused.refusal(), Refusal::Absent); // somebody has removed it: do not bring it back
    /// ```
    pub const fn if_present(mut self) -> Self {
        self.condition = Condition::Present;
        self
    }

    /// Only if the entry carries the stamp `seen`, or was locked with the token `seen` and has not
    /// been written or locked since.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Put};
    ///
    /// let cache = Cache::new();
    /// let seen = cache.insert("k", 1)?;
    /// cache.put("k", 2, Put::new().if_unchanged(seen))?;
    /// assert!(cache.put("k", 3, Put::new().if_unchanged(seen)).is_err()); // `seen` is spent
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn if_unchanged(mut self, seen: Cas) -> Self {
        self.condition = Condition::Unchanged(seen);
        self
    }

    /// With this expiry.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry, Put};
    ///
    /// fn store(cache: &Cache<String, u32>, expiry: Expiry) -> bool {
    ///     cache.put(String::from("k"), 1, Put::new().if_absent().expiry(expiry)).is_ok()
    /// }
    ///
    /// assert!(store(&Cache::new(), Expiry::Never));
    /// ```
    pub const fn expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = expiry;
        self
    }

    /// With the deadline the entry has already; the cache's default expiry if there is no entry.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, ManualClock, Put};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// cache.put("k", 1, Put::new().expires_after(Duration::from_secs(60)))?;
    /// cache.put("k", 2, Put::new().keep_expiry())?; // a new value, no new lease of life
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(cache.get("k"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn keep_expiry(self) -> Self {
        self.expiry(Expiry::Keep)
    }

    /// Without expiry, even if the cache has a time to live.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, ManualClock, Put};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let hour = Duration::from_secs(3600);
    /// let cache = Cache::builder().clock(clock.clone()).time_to_live(hour).build()?;
    /// cache.put("settings", 1, Put::new().never_expires())?;
    /// clock.advance(100 * hour);
    /// assert_eq!(cache.get("settings"), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn never_expires(self) -> Self {
        self.expiry(Expiry::Never)
    }

    /// Expiring this long after the write; zero is at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, ManualClock, Put};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// cache.put("code", 1234, Put::new().expires_after(Duration::from_secs(30)))?;
    /// clock.advance(Duration::from_secs(30));
    /// assert_eq!(cache.get("code"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn expires_after(self, life: Duration) -> Self {
        self.expiry(Expiry::After(life))
    }

    /// Expiring at this instant of the cache's clock; one that has passed is at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Clock, ManualClock, Put};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// let closing = clock.now() + Duration::from_secs(60);
    /// cache.put("a", 1, Put::new().expires_at(closing))?;
    /// clock.advance(Duration::from_secs(30));
    /// cache.put("b", 2, Put::new().expires_at(closing))?; // both end together
    /// clock.advance(Duration::from_secs(30));
    /// assert_eq!((cache.get("a"), cache.get("b")), (None, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn expires_at(self, instant: Instant) -> Self {
        self.expiry(Expiry::At(instant))
    }
}
