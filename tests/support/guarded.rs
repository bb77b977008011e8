//! Runs something that might deadlock, on a thread of its own.
//!
//! Deliberately leaves a stuck thread behind: the test has failed then and the process ends.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The result of `act`; panics if it takes so long that it must be stuck, or if it panics.
pub(crate) fn guarded<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        let outcome = act();
        let _ = done.send(());
        outcome
    });
    match result.recv_timeout(Duration::from_secs(30)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("stuck"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        }
    }
}
