//! Where those wait who want what somebody else is loading.
//!
//! The leader of a load has a flight, and so has everybody who waits for it; the stripe knows it as
//! long as the load is under way. It ends by landing, with a value for all, or by failing, and then
//! each of the waiters looks again: one of them becomes the next leader.

use std::sync::Arc;
use std::task::Waker;

use crate::sync::{Mutex, ThreadId, thread_id};
use crate::time::wake_all;

pub(crate) struct Flight<V>(Mutex<Course<V>>);

enum Course<V> {
    UnderWay {
        waiters: Vec<Option<Waker>>,
        /// The thread that runs the loader at this moment.
        run_by: Option<ThreadId>,
    },
    Landed(Arc<V>),
    Failed,
}

/// What a waiter finds.
pub(crate) enum Progress<V> {
    UnderWay,
    /// The caller itself is running the loader, further up its stack: it would wait for ever.
    OwnLoad,
    Landed(Arc<V>),
    Failed,
}

impl<V> Flight<V> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Course::UnderWay { waiters: Vec::new(), run_by: None }))
    }

    /// The loader runs on this thread from now on, or not any more.
    pub(crate) fn runs_here(&self, here: bool) {
        if let Course::UnderWay { run_by, .. } = &mut *self.0.lock() {
            *run_by = here.then(thread_id);
        }
    }

    /// Whether nobody loads any more. The stripe knows a flight that is over only if it ended inside an
    /// update closure, where the stripe could not be told.
    pub(super) fn is_over(&self) -> bool {
        !matches!(&*self.0.lock(), Course::UnderWay { .. })
    }

    /// How the load stands; `waker` is woken when that changes. `place` is the waiter's own.
    pub(crate) fn progress(&self, place: &mut Option<usize>, waker: &Waker) -> Progress<V> {
        let mut spent = Some(waker.clone()); // To clone or drop one is foreign code.
        match &mut *self.0.lock() {
            Course::Landed(value) => Progress::Landed(Arc::clone(value)),
            Course::Failed => Progress::Failed,
            Course::UnderWay { run_by, .. } if *run_by == Some(thread_id()) => Progress::OwnLoad,
            Course::UnderWay { waiters, .. } => {
                let place = *place.get_or_insert_with(|| {
                    waiters.push(None);
                    waiters.len() - 1
                });
                std::mem::swap(&mut waiters[place], &mut spent);
                Progress::UnderWay
            }
        }
    }

    /// The waiter does not wait any more.
    pub(crate) fn leave(&self, place: Option<usize>) {
        let mut spent = None;
        if let (Some(place), Course::UnderWay { waiters, .. }) = (place, &mut *self.0.lock()) {
            spent = waiters[place].take();
        }
        drop(spent);
    }

    /// Ends the load, with a value for those who wait or without one.
    pub(crate) fn end(&self, value: Option<V>) {
        let end = value.map_or(Course::Failed, |value| Course::Landed(Arc::new(value)));
        let course = std::mem::replace(&mut *self.0.lock(), end);
        if let Course::UnderWay { waiters, .. } = course {
            wake_all(waiters.into_iter().flatten().collect());
        }
    }
}
