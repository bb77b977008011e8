//! `crossbeam-epoch` with a collector of our own: another crate's long pins cannot hold our garbage,
//! and our users' `Drop` code does not run inside their pins.

use crossbeam_epoch::{Collector, LocalHandle};

use crate::sync::{Ordering, fence};

#[cfg(not(crossbeam_loom))]
mod statics {
    use super::*;
    use std::sync::LazyLock;

    pub(super) static COLLECTOR: LazyLock<Collector> = LazyLock::new(Collector::new);
}

#[cfg(crossbeam_loom)]
mod statics {
    use super::*;

    loom::lazy_static! {
        pub(super) static ref COLLECTOR: Collector = Collector::new();
    }
}

use statics::COLLECTOR;

crate::sync::thread_local! {
    static LOCAL: LocalHandle = COLLECTOR.register();
}

/// A pinned thread. While it lives, nothing that could be reached when it was made is dropped.
pub(crate) struct Guard(crossbeam_epoch::Guard);

/// Pins the calling thread. Nested pins are cheap and only the outermost may run other threads'
/// deferred drops; so nobody may pin for the first time while holding a stripe lock.
pub(crate) fn pin() -> Guard {
    let handle = LOCAL.try_with(LocalHandle::pin);
    // The thread may be ending and its handle gone already: then one for this pin.
    Guard(handle.unwrap_or_else(|_| COLLECTOR.register().pin()))
}

impl Guard {
    /// No thread's number. Only models ask.
    #[cfg(caskade_loom)]
    pub(crate) fn thread(&self) -> usize {
        usize::MAX
    }

    /// Lets go of everything reached so far and pins again at once.
    pub(crate) fn refresh(&mut self) {
        self.0.repin();
        // As in a pin, and for its reason: what is read from here on must not have been read
        // before the new epoch was announced. `repin` only stores the epoch.
        fence(Ordering::SeqCst);
    }
}

/// Runs `drop` once no thread that is pinned now is pinned any more, on whatever thread.
pub(crate) fn defer(drop: impl FnOnce() + Send + 'static) {
    let guard = pin();
    guard.0.defer(drop);
    // This thread may never come back: let others learn of it.
    guard.0.flush();
}

/// Goes a step towards running what is due.
pub(crate) fn advance() {
    pin().0.flush();
}
