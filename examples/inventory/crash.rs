//! The accident: a thread that dies with a key lock in its hand.
//!
//! Dropping a lock unlocks the key, also during a panic, so the thread gives its lock away first. It
//! is then as if a process had been killed: nobody is left who could unlock.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use caskade::{Clock, LockError, SystemClock};

use crate::orders::{Order, OrderBook, PartNumber};
use crate::strategies::{PATIENCE, Parts, Strategy};

/// What is known about the accident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) part: PartNumber,
    pub(crate) bay: u32,
    /// How many orders for the part had been filled until then.
    pub(crate) sequence: u32,
    pub(crate) locked: Instant,
    /// When the lock opens by itself; not a moment before.
    pub(crate) opens: Instant,
    /// What the thread said before it went.
    pub(crate) last_words: String,
}

/// The line of the order at which the accident happens: of the orders that go by key lock, and so
/// have to wait for the lock themselves, the middle one for the part ordered most. `None` if no
/// order goes by key lock.
pub(crate) fn place(book: &OrderBook) -> Option<u32> {
    let mut orders_for = BTreeMap::<_, u32>::new();
    for order in book.orders() {
        *orders_for.entry(&order.part).or_default() += 1;
    }
    let by_lock = || book.orders().filter(|order| Strategy::of(order) == Strategy::KeyLock);
    let wanted = by_lock().map(|order| &order.part).max_by_key(|&part| orders_for[part])?;
    let lines: Vec<_> =
        by_lock().filter(|order| order.part == *wanted).map(|order| order.line).collect();
    lines.get(lines.len() / 2).copied()
}

/// Starts a thread that locks the part of `order` and panics, and joins it.
pub(crate) fn cause(parts: &Parts, order: &Order, lock_time: Duration) -> Result<Crash, LockError> {
    let mut crash = None;
    let joined = thread::scope(|scope| {
        let doomed = || lock_and_die(parts, order, lock_time, &mut crash);
        scope.spawn(doomed).join()
    });
    match (joined, crash) {
        (Err(panic), Some(crash)) => Ok(Crash { last_words: last_words(&*panic), ..crash }),
        (Err(panic), None) => resume_unwind(panic), // another accident than the one intended
        (Ok(error), _) => Err(error),
    }
}

/// Returns only if the part cannot be locked.
fn lock_and_die(
    parts: &Parts,
    order: &Order,
    lock_time: Duration,
    crash: &mut Option<Crash>,
) -> LockError {
    let held = match parts.get_and_lock_within(&*order.part, lock_time, PATIENCE) {
        Ok(held) => held,
        Err(error) => return error,
    };
    // The clock is read first, so that `opens` is never later than the truth.
    let now = SystemClock.now();
    let opens = now + held.remaining();
    *crash = Some(Crash {
        part: order.part.clone(),
        bay: order.bay,
        sequence: held.value().sequence,
        locked: opens.checked_sub(lock_time).unwrap_or(now),
        opens,
        last_words: String::new(),
    });
    let _token = held.into_cas();
    // A panic without the message of the panic hook; the report tells it better.
    resume_unwind(Box::new("the mechanic dropped the tablet"))
}

fn last_words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    words.unwrap_or("something unprintable").into()
}
