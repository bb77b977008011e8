//! Notices a thread that calls back into a cache while it holds a stripe lock.
//!
//! User code that runs under a stripe lock (`Eq` of keys, the closure of `update`) may read, but a
//! write would wait for a lock that the same thread may hold, or hold one while waiting for
//! another. Every write asks here first and is refused instead.

use std::cell::Cell;

use crate::error::Refusal;

crate::sync::thread_local! {
    static HOLDING: Cell<bool> = Cell::new(false);
}

/// Proof that the thread held no stripe lock and may take one. The mark goes when this is dropped.
pub(super) struct Entered(());

/// Marks the thread as a lock holder unless it is one.
#[inline]
pub(super) fn enter() -> Result<Entered, Refusal> {
    if HOLDING.with(|holding| holding.replace(true)) {
        return Err(Refusal::Reentrant);
    }
    Ok(Entered(()))
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        HOLDING.with(|holding| holding.set(false));
    }
}
