//! [`Usage`]: what an entry remembers for whoever decides who is evicted.

use crate::sync::{AtomicU8, AtomicU16, Ordering};

/// Uses beyond this many are not counted.
const MOST_USES: u8 = 3;

/// Lies in the entry itself, in four bytes: readers count uses here, the policy keeps the entry's
/// queue and mark.
#[derive(Debug)]
pub(crate) struct Usage {
    uses: AtomicU8,
    queue_and_mark: AtomicU16,
}

impl Usage {
    pub(crate) fn new() -> Self {
        Self { uses: AtomicU8::new(0), queue_and_mark: AtomicU16::new(0) }
    }

    /// Counts a hit.
    #[inline(always)]
    pub(crate) fn touch(&self) {
        // Relaxed, and two instructions instead of one: a use that is lost among others is no harm.
        let uses = self.uses.load(Ordering::Relaxed);
        if uses < MOST_USES {
            self.uses.store(uses + 1, Ordering::Relaxed);
        }
    }

    /// Goes on where the entry's former node has left off.
    pub(crate) fn take_over(&self, old: &Self) {
        // Relaxed: the node that holds `self` is not published yet, and whatever `old` counts
        // meanwhile is no loss.
        self.uses.store(old.uses.load(Ordering::Relaxed), Ordering::Relaxed);
        let queue_and_mark = old.queue_and_mark.load(Ordering::Relaxed);
        self.queue_and_mark.store(queue_and_mark, Ordering::Relaxed);
    }
}
