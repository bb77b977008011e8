//! The stand-in for model checking: drops garbage at the first moment the law allows.
//!
//! The bookkeeping lies in a plain `std` mutex that the model checker does not see. What it does
//! see is one atomic on which pin, defer and unpin each do a read-modify-write: it gives exactly
//! the happens-before edges a real epoch gives (unpin before the drop, defer before a later pin)
//! and nothing more. In particular a reader that pinned before a publication gets no edge from it,
//! so a missing Release or Acquire in the table is not hidden.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::sync::{AtomicU64, Ordering};

#[cfg(caskade_loom)]
use loom::lazy_static;
#[cfg(caskade_shuttle)]
use shuttle::lazy_static;

#[derive(Default)]
struct Book {
    active: BTreeSet<u64>,
    garbage: Vec<(u64, Box<dyn FnOnce() + Send>)>,
}

struct Epoch {
    clock: AtomicU64,
    book: Mutex<Book>,
}

lazy_static! {
    static ref EPOCH: Epoch = Epoch { clock: AtomicU64::new(1), book: Mutex::default() };
}

impl Epoch {
    /// A fresh number, greater than all before, synchronised with all before.
    fn tick(&self) -> u64 {
        // AcqRel: an unpin (Release) is seen by whoever then finds garbage due (Acquire).
        self.clock.fetch_add(1, Ordering::AcqRel)
    }

    fn book<R>(&self, act: impl FnOnce(&mut Book) -> R) -> R {
        act(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs everything retired before the oldest active pin.
    fn collect(&self) {
        let due: Vec<_> = self.book(|book| {
            let oldest = book.active.first().copied().unwrap_or(u64::MAX);
            book.garbage.extract_if(.., |(retired, _)| *retired < oldest).collect()
        });
        for (_, drop) in due {
            drop();
        }
    }
}

pub(crate) struct Guard {
    number: u64,
}

pub(crate) fn pin() -> Guard {
    let number = EPOCH.tick();
    EPOCH.book(|book| book.active.insert(number));
    Guard { number }
}

impl Guard {
    /// No thread's number.
    pub(crate) fn thread(&self) -> usize {
        usize::MAX
    }

    pub(crate) fn refresh(&mut self) {
        *self = pin();
    }
}

pub(crate) fn defer(drop: impl FnOnce() + Send + 'static) {
    let number = EPOCH.tick();
    EPOCH.book(|book| book.garbage.push((number, Box::new(drop))));
    EPOCH.collect();
}

pub(crate) fn advance() {
    EPOCH.collect();
}

impl Drop for Guard {
    fn drop(&mut self) {
        EPOCH.tick();
        EPOCH.book(|book| book.active.remove(&self.number));
        EPOCH.collect();
    }
}
