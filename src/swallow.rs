//! Keeps the panics of foreign code where they belong.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sync::MODELLED;

/// Runs foreign code whose panic must not surface in whatever thread happens to run it: the drop
/// of a value that was removed long ago, the waker of somebody else's task.
///
/// The panic's payload is forgotten, because dropping it is foreign code as well.
///
/// Under a model checker nothing is swallowed: there the panic is the checker's, which has seen
/// that memory is dropped while somebody may read it.
pub(crate) fn swallow_panic(act: impl FnOnce()) {
    if MODELLED {
        return act();
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(act)) {
        mem::forget(payload);
    }
}
