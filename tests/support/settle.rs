//! Waits until everything that was removed has been dropped.
//!
//! Deliberately asks the collector a bounded number of times: other tests of the process may be
//! pinned for a moment, but none of them for ever.

use caskade::Cache;

/// Whether `done` becomes true while the collector is asked to reclaim what it can.
pub(crate) fn settles(done: impl Fn() -> bool) -> bool {
    // The collector is the process's, so any cache will do.
    let any = Cache::<u8, u8>::builder().stripes(1).build().expect("valid");
    for _ in 0..10_000 {
        any.reclaim();
        if done() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}
