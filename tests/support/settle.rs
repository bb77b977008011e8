//! Waits until everything that was removed has been dropped.
//!
//! Deliberately patient: another thread of the process may be pinned and off its processor for a
//! while, but none for ever.

use std::time::Duration;

use caskade::{Cache, Clock, SystemClock};

/// Whether `done` becomes true while the collector is asked to reclaim what it can.
pub(crate) fn settles(mut done: impl FnMut() -> bool) -> bool {
    // The collector is the process's, so any cache will do.
    let any = Cache::<u8, u8>::builder().stripes(1).build().expect("valid");
    let end = SystemClock.now() + Duration::from_secs(20);
    while SystemClock.now() < end {
        any.reclaim();
        if done() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}
