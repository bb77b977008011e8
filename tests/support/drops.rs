//! Keys and values that count how often they are made and dropped.
//!
//! Deliberately counts per [`Register`] and not globally, so that tests may run side by side.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

/// Makes [`Counted`] things and knows how many of them are left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Register(Arc<Counts>);

impl Register {
    /// A counted thing with the number `number`.
    pub(crate) fn make(&self, number: u64) -> Counted {
        self.0.made.fetch_add(1, Ordering::SeqCst);
        Counted { number, armed: Box::new(number), counts: Arc::clone(&self.0) }
    }

    /// How many of the things made, clones included, have not been dropped.
    pub(crate) fn alive(&self) -> usize {
        let dropped = self.0.dropped.load(Ordering::SeqCst);
        self.0.made.load(Ordering::SeqCst).checked_sub(dropped).expect("nothing is dropped twice")
    }
}

/// A key or value whose clones and drops are counted. Equal and hashed by its number.
#[derive(Debug)]
pub(crate) struct Counted {
    number: u64,
    /// Heap memory of its own, so that a sanitizer notices a second drop.
    armed: Box<u64>,
    counts: Arc<Counts>,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Register(Arc::clone(&self.counts)).make(self.number)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        assert_eq!(*self.armed, self.number, "dropped twice or torn");
        *self.armed = !self.number;
        self.counts.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl Borrow<u64> for Counted {
    fn borrow(&self) -> &u64 {
        &self.number
    }
}
