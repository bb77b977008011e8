//! Small numbers for threads, each the thread's own while it lives.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::LazyLock;

use parking_lot::Mutex;

/// Numbers given back by threads that ended, and the first that was never given out.
#[derive(Default)]
struct Free {
    returned: BinaryHeap<Reverse<usize>>,
    fresh: usize,
}

static FREE: LazyLock<Mutex<Free>> = LazyLock::new(Mutex::default);

/// A thread's number, given back when the thread ends. The lowest free one, so that numbers stay
/// small in a program whose threads come and go.
pub(super) struct ThreadSlot(usize);

impl ThreadSlot {
    pub(super) fn claim() -> Self {
        let mut free = FREE.lock();
        Self(free.returned.pop().map_or_else(
            || {
                free.fresh += 1;
                free.fresh - 1
            },
            |Reverse(index)| index,
        ))
    }

    #[inline]
    pub(super) fn index(&self) -> usize {
        self.0
    }
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        FREE.lock().returned.push(Reverse(self.0));
    }
}
