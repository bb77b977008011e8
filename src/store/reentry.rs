//! Notices a thread that calls back into a cache while it holds a stripe lock.
//!
//! User code that runs under a stripe lock (`Eq` of keys, the closure of `update`) may read, but a
//! write would wait for a lock that the same thread may hold, or hold one while waiting for
//! another. Every write asks here first and is refused instead.

use crate::error::Reentrant;
#[cfg(any(
    all(caskade_loom, caskade_epoch),
    not(any(target_arch = "x86_64", caskade_loom, caskade_shuttle))
))]
use crate::sync::{Ordering, fence};

crate::sync::thread_flag!(HOLDING);

/// Proof that the thread held no stripe lock and may take one. The mark goes when this is dropped.
pub(super) struct Entered(());

/// Marks the thread as a lock holder unless it is one.
#[inline]
pub(super) fn enter() -> Result<Entered, Reentrant> {
    if HOLDING.with(|holding| holding.replace(true)) {
        return Err(Reentrant);
    }
    Ok(Entered(()))
}

/// Whether the thread holds a stripe lock.
pub(super) fn is_holding() -> bool {
    HOLDING.with(std::cell::Cell::get)
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        HOLDING.with(|holding| holding.set(false));
        // What was written is visible before what the thread reads next [O11]. Otherwise two threads
        // that write a key each and then read the other's might both miss it: a pin has no fence.
        // On x86 the release of the lock is one.
        #[cfg(any(
            all(caskade_loom, caskade_epoch),
            not(any(target_arch = "x86_64", caskade_loom, caskade_shuttle))
        ))]
        fence(Ordering::SeqCst);
    }
}
