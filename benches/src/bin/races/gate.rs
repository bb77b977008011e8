//! What the races are steered with: [`Gate`]s, calls that run beside the race ([`call`]), and an
//! executor that polls when it is told to.
//!
//! Nothing sleeps. There are two waits with an end that decide something: [`Running::blocks`] finds out
//! that a call does not return by itself, and [`Running::finish`] that it never will. Both are generous,
//! and only those who do block or hang pay for them.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Who has not returned after this long is taken to wait for somebody.
const PROMPT: Duration = Duration::from_secs(1);

/// Long enough, as a rule, for a call to reach the point where it waits.
const MOMENT: Duration = Duration::from_millis(100);

/// Who has not returned after this long, with nobody to wait for, is taken to hang.
const PATIENCE: Duration = Duration::from_secs(3);

/// A gate that opens once, for threads and for futures.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<(bool, Vec<Waker>)>,
    opened: Condvar,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, (bool, Vec<Waker>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self) {
        let mut state = self.state();
        state.0 = true;
        let waiting = std::mem::take(&mut state.1);
        drop(state);
        self.opened.notify_all();
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn pass(&self) {
        let wait = self.opened.wait_while(self.state(), |state| !state.0);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    /// Passes the gate if it opens in time.
    pub(crate) fn pass_soon(&self) -> bool {
        let wait = self.opened.wait_timeout_while(self.state(), PATIENCE, |state| !state.0);
        wait.unwrap_or_else(PoisonError::into_inner).0.0
    }

    /// [`pass`](Self::pass) for futures.
    pub(crate) fn passage(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let gate = Arc::clone(self);
        std::future::poll_fn(move |context| {
            let mut state = gate.state();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(context.waker().clone());
            Poll::Pending
        })
    }
}

/// A call on a thread of its own. If it hangs, the thread is left behind.
#[derive(Debug)]
pub(crate) struct Running<T> {
    result: Receiver<thread::Result<T>>,
    early: Option<thread::Result<T>>,
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End<T> {
    Returned(T),
    Panicked,
    Hung,
}

impl<T> End<T> {
    /// Whether the call hung; it may not have panicked, which would be an error in the race itself.
    pub(crate) fn hangs(&self) -> bool {
        assert!(!matches!(self, Self::Panicked), "nothing in this race panics");
        matches!(self, Self::Hung)
    }
}

/// Runs `work` on a thread of its own.
pub(crate) fn call<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Running<T> {
    let (sender, result) = sync_channel(1);
    thread::spawn(move || {
        // Nobody listens any more if the call took too long.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    Running { result, early: None }
}

impl<T> Running<T> {
    /// Whether the call waits for something.
    pub(crate) fn blocks(&mut self) -> bool {
        !self.ends_within(PROMPT)
    }

    /// Gives the call time to begin waiting. Should it take longer, it only comes later to a race that
    /// ends in the same way.
    pub(crate) fn give_time(&mut self) {
        self.ends_within(MOMENT);
    }

    fn ends_within(&mut self, time: Duration) -> bool {
        if self.early.is_none() {
            self.early = self.result.recv_timeout(time).ok();
        }
        self.early.is_some()
    }

    /// Waits for the end of a call that has nothing to wait for.
    pub(crate) fn finish(self) -> End<T> {
        let result = self.early.or_else(|| self.result.recv_timeout(PATIENCE).ok());
        match result {
            Some(Ok(value)) => End::Returned(value),
            Some(Err(_)) => End::Panicked,
            None => End::Hung,
        }
    }
}

/// A future that is polled when the race says so, and not when it asks to be.
pub(crate) struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    wake: Arc<Wakes>,
}

impl<'a, T> Task<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self { future: Box::pin(future), wake: Arc::default() }
    }

    /// Polls once.
    pub(crate) fn poll(&mut self) -> Poll<T> {
        *self.wake.pending() = false;
        let waker = Waker::from(Arc::clone(&self.wake));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls, and again whenever the future asks for it; nothing if it stops asking.
    pub(crate) fn drive(&mut self) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Poll::Ready(value) = self.poll() {
                return Some(value);
            }
            if Instant::now() >= deadline || !self.wake.comes_until(deadline) {
                return None;
            }
        }
    }
}

/// Runs a future to its end on this thread, however long it takes.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut task = Task::new(future);
    loop {
        if let Poll::Ready(value) = task.poll() {
            return value;
        }
        task.wake.comes();
    }
}

#[derive(Debug, Default)]
struct Wakes {
    pending: Mutex<bool>,
    came: Condvar,
}

impl Wakes {
    fn pending(&self) -> MutexGuard<'_, bool> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn comes(&self) {
        let wait = self.came.wait_while(self.pending(), |pending| !*pending);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    fn comes_until(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = self.came.wait_timeout_while(self.pending(), left, |pending| !*pending);
        *wait.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        *self.pending() = true;
        self.came.notify_all();
    }
}
