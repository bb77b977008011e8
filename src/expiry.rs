//! [`Expiry`]: how long a written entry lives.

use std::time::{Duration, Instant};

/// When an entry expires.
///
/// From its deadline on, an entry is absent for every caller. The deadline itself is included: an
/// entry that lives for one second is gone when the clock shows one second later. A life counts from
/// a reading of the clock during the call that writes. Times have nanosecond precision and count by the cache's [`Clock`](crate::Clock); a deadline more than 146
/// years after the cache was built counts as never.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Expiry, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let cache = Cache::builder().clock(clock.clone()).build()?;
/// let half_hour = Expiry::After(Duration::from_secs(1800));
/// cache.insert_with("session", "ada", half_hour)?;
/// clock.advance(Duration::from_secs(1799));
/// cache.touch("session", half_hour)?; // used again: half an hour from now
/// clock.advance(Duration::from_secs(1799));
/// assert_eq!(cache.get("session"), Some("ada"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// The cache's time to live, counted from the write; never, if the cache has none.
    #[default]
    Default,
    /// The deadline the entry has already; like `Default` if the write creates it.
    Keep,
    /// The entry does not expire.
    Never,
    /// This long after the write. Zero is at once.
    After(Duration),
    /// At this instant of the cache's clock. An instant that has passed is at once.
    At(Instant),
}
