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
    pub const fn new() -> Self {
        Self { condition: Condition::Always, expiry: Expiry::Default }
    }

    /// Only if there is no entry.
    pub const fn if_absent(mut self) -> Self {
        self.condition = Condition::Absent;
        self
    }

    /// Only if there is an entry.
    pub const fn if_present(mut self) -> Self {
        self.condition = Condition::Present;
        self
    }

    /// Only if the entry carries the stamp `seen`, or is locked with it.
    pub const fn if_unchanged(mut self, seen: Cas) -> Self {
        self.condition = Condition::Unchanged(seen);
        self
    }

    /// With this expiry.
    pub const fn expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = expiry;
        self
    }

    /// With the expiry the entry has already.
    pub const fn keep_expiry(self) -> Self {
        self.expiry(Expiry::Keep)
    }

    /// Without expiry.
    pub const fn never_expires(self) -> Self {
        self.expiry(Expiry::Never)
    }

    /// Expiring this long after the write.
    pub const fn expires_after(self, life: Duration) -> Self {
        self.expiry(Expiry::After(life))
    }

    /// Expiring at this instant of the cache's clock.
    pub const fn expires_at(self, instant: Instant) -> Self {
        self.expiry(Expiry::At(instant))
    }
}
