//! [`Usage`]: what an entry remembers for whoever decides who is evicted.
//!
//! ```text
//!  queue_and_mark   15 .. 14 | 13 ......... 0
//!                    queue   |  mark
//! ```

use crate::sync::{AtomicU8, AtomicU16, Ordering};

/// Uses beyond this many are not counted.
pub(crate) const MOST_USES: u8 = 4;

/// The bits of a mark.
const MARK: u16 = (1 << 14) - 1;

/// Where the policy keeps an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Queue {
    /// In no queue: it has not arrived yet, has left, or is pinned.
    None = 0,
    /// Newcomers on trial.
    Small = 1 << 14,
    /// Those who have proved their worth.
    Main = 2 << 14,
}

/// Lies in the entry itself, in four bytes: readers count uses here, the policy keeps the entry's
/// queue and mark.
#[derive(Debug)]
pub(crate) struct Usage {
    uses: AtomicU8,
    queue_and_mark: AtomicU16,
}

impl Usage {
    #[inline]
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

    /// The same for whoever writes to the node anyway: with a store more and a branch less, which nobody
    /// can foretell.
    #[inline(always)]
    pub(crate) fn touch_beside_write(&self) {
        // Relaxed: as in `touch`.
        let uses = self.uses.load(Ordering::Relaxed);
        self.uses.store((uses + 1).min(MOST_USES), Ordering::Relaxed);
    }

    /// Goes on where the entry's former node has left off.
    #[inline]
    pub(crate) fn take_over(&self, old: &Self) {
        // Relaxed: the node that holds `self` is not published yet, and whatever `old` counts
        // meanwhile is no loss.
        self.uses.store(old.uses.load(Ordering::Relaxed), Ordering::Relaxed);
        let queue_and_mark = old.queue_and_mark.load(Ordering::Relaxed);
        self.queue_and_mark.store(queue_and_mark, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn uses(&self) -> u8 {
        // Relaxed: a hint; nothing is read on the strength of it.
        self.uses.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_uses(&self, uses: u8) {
        // Relaxed: a reader's use that comes at the same moment may be lost, or undo this. Both
        // only shift by a little when the entry goes.
        self.uses.store(uses, Ordering::Relaxed);
    }

    /// Sets the uses to zero; does not disturb readers if they are.
    #[inline]
    pub(crate) fn forget_uses(&self) {
        if self.uses() > 0 {
            self.set_uses(0);
        }
    }

    #[inline]
    pub(crate) fn queue(&self) -> Queue {
        // Relaxed, here and below: read and written under the stripe lock only.
        match self.queue_and_mark.load(Ordering::Relaxed) & !MARK {
            small if small == Queue::Small as u16 => Queue::Small,
            main if main == Queue::Main as u16 => Queue::Main,
            _ => Queue::None,
        }
    }

    /// Whether the entry is in `queue` under the mark that `stamp` makes.
    #[inline]
    pub(crate) fn is_in(&self, queue: Queue, stamp: u32) -> bool {
        self.queue_and_mark.load(Ordering::Relaxed) == join(queue, mark(stamp))
    }

    #[inline]
    pub(crate) fn mark(&self) -> u16 {
        self.queue_and_mark.load(Ordering::Relaxed) & MARK
    }

    #[inline]
    pub(crate) fn set_queue(&self, queue: Queue, stamp: u32) {
        self.queue_and_mark.store(join(queue, mark(stamp)), Ordering::Relaxed);
    }
}

/// The low bits of a stamp, which an entry keeps of the one in its slot.
#[inline]
pub(crate) fn mark(stamp: u32) -> u16 {
    stamp as u16 & MARK
}

#[inline]
fn join(queue: Queue, mark: u16) -> u16 {
    queue as u16 | mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_counted_up_to_four() {
        let usage = Usage::new();
        let seen = [0; 6].map(|_| {
            usage.touch();
            usage.uses()
        });
        assert_eq!(seen, [1, 2, 3, 4, 4, 4]);
        usage.set_uses(0);
        let seen = [0; 6].map(|_| {
            usage.touch_beside_write();
            usage.uses()
        });
        assert_eq!(seen, [1, 2, 3, 4, 4, 4]);
    }

    #[test]
    fn queue_and_mark_do_not_run_into_each_other() {
        let usage = Usage::new();
        assert_eq!(usage.queue(), Queue::None);
        for queue in [Queue::Main, Queue::Small, Queue::None] {
            for mark in [0, 1, 0x3fff, 0x4000, 0x4001, 0xffff, u32::MAX] {
                usage.set_queue(queue, mark);
                assert_eq!(usage.queue(), queue);
                assert!(usage.is_in(queue, mark) && usage.is_in(queue, mark & 0x3fff));
                assert!(!usage.is_in(queue, mark ^ 1) && !usage.is_in(queue, mark ^ 0x2000));
            }
        }
        usage.set_queue(Queue::Small, 7);
        assert!(!usage.is_in(Queue::Main, 7) && !usage.is_in(Queue::None, 7));
    }

    #[test]
    fn a_new_node_takes_over_everything() {
        let (old, new) = (Usage::new(), Usage::new());
        old.touch();
        old.touch();
        old.set_queue(Queue::Main, 77);
        new.take_over(&old);
        assert_eq!(new.uses(), 2);
        assert!(new.is_in(Queue::Main, 77));
        assert_eq!(size_of::<Usage>(), 4);
    }
}
