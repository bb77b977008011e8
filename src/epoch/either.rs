//! Our own epoch where the kernel lends its hand, and `crossbeam-epoch` where it does not.

use super::{asymmetric, barrier, crossbeam};

/// A pinned thread. While it lives, nothing that could be reached when it was made is dropped.
pub(crate) struct Guard(Either);

enum Either {
    Asymmetric(asymmetric::Guard),
    Crossbeam(crossbeam::Guard),
}

/// Pins the calling thread. Nested pins are cheap.
#[inline(always)]
pub(crate) fn pin() -> Guard {
    match asymmetric::try_pin() {
        Some(guard) => Guard(Either::Asymmetric(guard)),
        None => by_crossbeam(),
    }
}

#[cold]
fn by_crossbeam() -> Guard {
    Guard(Either::Crossbeam(crossbeam::pin()))
}

impl Guard {
    /// The pinned thread's number: small, and its own for as long as it lives. `None` for a thread
    /// that is ending.
    #[inline(always)]
    pub(crate) fn thread(&self) -> Option<usize> {
        match &self.0 {
            Either::Asymmetric(guard) => guard.thread(),
            Either::Crossbeam(guard) => guard.thread(),
        }
    }

    /// Lets go of everything reached so far and pins again at once.
    pub(crate) fn refresh(&mut self) {
        match &mut self.0 {
            Either::Asymmetric(guard) => guard.refresh(),
            Either::Crossbeam(guard) => guard.refresh(),
        }
    }
}

/// Runs `drop` once no thread that is pinned now is pinned any more, on whatever thread.
pub(crate) fn defer(drop: impl FnOnce() + Send + 'static) {
    if barrier::is_available() { asymmetric::defer(drop) } else { crossbeam::defer(drop) }
}

/// Goes a step towards running what is due.
pub(crate) fn advance() {
    if barrier::is_available() { asymmetric::advance() } else { crossbeam::advance() }
}
