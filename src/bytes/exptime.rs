//! Expiry times as memcached counts them: in whole seconds of a clock that ticks once a second.

use crate::expiry::Expiry;
use crate::time::{Tick, TimeSource};

/// Expiry times up to this many seconds, which is 30 days, count from now; greater ones are Unix
/// times.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{RELATIVE_LIMIT, Store};
///
/// let store = Store::new();
/// assert_eq!(store.life(RELATIVE_LIMIT), Some(2_592_000));
/// assert_eq!(store.life(RELATIVE_LIMIT + 1), Some(0)); // a moment in 1970
/// ```
pub const RELATIVE_LIMIT: i64 = 60 * 60 * 24 * 30;

const SECOND: u64 = 1_000_000_000;

/// Tells the seconds since the store was made, and turns expiry times into deadlines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    /// The Unix time at which the store was made.
    pub(super) unix_start: i64,
}

impl Calendar {
    /// The present second, counted from the store's first.
    pub(super) fn second(time: &TimeSource) -> u32 {
        Self::second_of(time.now())
    }

    /// The second in which `tick` lies.
    pub(super) fn second_of(tick: Tick) -> u32 {
        u32::try_from((tick.raw() - 1) / SECOND).unwrap_or(u32::MAX)
    }

    /// The Unix time at `second`.
    pub(super) fn unix_time(self, second: u32) -> i64 {
        self.unix_start.saturating_add(i64::from(second))
    }

    /// The second at which something that is given `exptime` ends; `None` for never.
    pub(super) fn end(self, exptime: i64, now: u32) -> Option<u32> {
        let end = match exptime {
            0 => return None,
            ..0 => 0,
            1..=RELATIVE_LIMIT => i64::from(now) + exptime,
            _ => exptime.saturating_sub(self.unix_start).max(0),
        };
        Some(u32::try_from(end).unwrap_or(u32::MAX))
    }

    /// The deadline of an item that is given `exptime`.
    pub(super) fn expiry(self, exptime: i64, time: &TimeSource) -> Expiry {
        if exptime == 0 {
            return Expiry::Never;
        }
        match self.end(exptime, Self::second(time)) {
            None => Expiry::Never,
            Some(end) => Self::expiry_at(end, time),
        }
    }

    /// The deadline of an item that ends with the second `end`.
    pub(super) fn expiry_at(end: u32, time: &TimeSource) -> Expiry {
        let tick = Tick::from_raw(u64::from(end) * SECOND + 1);
        tick.map_or(Expiry::Never, |tick| Expiry::At(time.instant(tick)))
    }

    /// How many seconds are left at `now` until `expires`.
    pub(super) fn left(expires: Option<Tick>, now: u32) -> Option<u32> {
        expires.map(|at| Self::second_of(at).saturating_sub(now))
    }
}
