//! `crossbeam-epoch` with a collector of our own: another crate's long pins cannot hold our garbage,
//! and our users' `Drop` code does not run inside their pins.

use crossbeam_epoch::{Collector, LocalHandle};

use super::slots::ThreadSlot;
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

/// What each thread keeps: its place in the collector and its place among the threads.
struct Local {
    handle: LocalHandle,
    slot: ThreadSlot,
}

crate::sync::thread_local! {
    static LOCAL: Local = Local { handle: COLLECTOR.register(), slot: ThreadSlot::claim() };
}

/// A pinned thread. While it lives, nothing that could be reached when it was made is dropped.
pub(crate) struct Guard {
    inner: crossbeam_epoch::Guard,
    thread: Option<usize>,
}

/// Pins the calling thread. Nested pins are cheap and only the outermost may run other threads'
/// deferred drops; so nobody may pin for the first time while holding a stripe lock.
#[inline]
pub(crate) fn pin() -> Guard {
    LOCAL
        .try_with(|local| Guard { inner: local.handle.pin(), thread: Some(local.slot.index()) })
        // The thread is ending and its handle is gone already: a handle for this one pin.
        .unwrap_or_else(|_| Guard { inner: COLLECTOR.register().pin(), thread: None })
}

impl Guard {
    /// The pinned thread's number: small, and its own for as long as it lives. `None` for a thread
    /// that is ending.
    #[inline]
    pub(crate) fn thread(&self) -> Option<usize> {
        self.thread
    }

    /// Lets go of everything reached so far and pins again at once.
    pub(crate) fn refresh(&mut self) {
        self.inner.repin();
        // As in a pin, and for its reason: what is read from here on must not have been read
        // before the new epoch was announced. `repin` only stores the epoch.
        fence(Ordering::SeqCst);
    }
}

/// Runs `drop` once no thread that is pinned now is pinned any more, on whatever thread.
pub(crate) fn defer(drop: impl FnOnce() + Send + 'static) {
    let guard = pin();
    guard.inner.defer(drop);
    // This thread may never come back: let others learn of it.
    guard.inner.flush();
}

/// Goes a step towards running what is due.
pub(crate) fn advance() {
    pin().inner.flush();
}
