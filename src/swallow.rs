//! Keeps the panics of foreign code where they belong.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs foreign code whose panic must not surface in whatever thread happens to run it: the drop
/// of a value that was removed long ago, the waker of somebody else's task.
///
/// The panic's payload is forgotten, because dropping it is foreign code as well.
pub(crate) fn swallow_panic(act: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(act)) {
        mem::forget(payload);
    }
}
