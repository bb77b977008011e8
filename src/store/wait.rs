//! Waiting for a key lock: in order of arrival, up to a deadline, woken by unlock or lapse.
//!
//! A waiter is a waker in its stripe's queue. Whoever ends a lock wakes the first waiter of that
//! key ([`Waiters::turn`]); if nobody does, the clock wakes the waiters when the lock lapses. A
//! newcomer that waits lines up behind those who came earlier; one that does not wait may be lucky.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use equivalent::Equivalent;

use crate::epoch;
use crate::error::{LockError, Refusal};
use crate::raw::BlankLock;
use crate::time::Tick;

use super::Store;
use super::key_lock::Locked;

/// The waiters of a stripe. There are hardly ever any, so they take one word.
#[derive(Default)]
pub(super) struct Waiters(Option<Box<Line>>);

/// Few wait at any time, so one queue for all keys of the stripe is enough.
#[derive(Default)]
struct Line {
    queue: VecDeque<Waiter>,
    last_number: u64,
    /// Whom to wake once the stripe lock is released.
    due: Vec<Waker>,
}

struct Waiter {
    hash: u64,
    number: u64,
    until: Tick,
    waker: Waker,
}

impl Waiters {
    /// The lock of `hash` has ended: its first waiter may try.
    pub(super) fn turn(&mut self, hash: u64) {
        let Some(line) = &mut self.0 else { return };
        if let Some(first) = line.queue.iter().find(|waiter| waiter.hash == hash) {
            line.due.push(first.waker.clone());
        }
    }

    /// All locks have ended.
    pub(super) fn turn_all(&mut self) {
        let Some(line) = &mut self.0 else { return };
        line.due.extend(line.queue.iter().map(|waiter| waiter.waker.clone()));
    }

    /// Takes out whom to wake. The line goes with the last waiter.
    #[inline]
    pub(super) fn take_due(&mut self) -> Option<Vec<Waker>> {
        let line = self.0.as_mut()?;
        let due = std::mem::take(&mut line.due);
        if line.queue.is_empty() {
            self.0 = None;
        }
        Some(due)
    }

    /// Whether somebody who is still waiting at `now` came before waiter `number`.
    fn has_earlier(&self, hash: u64, number: Option<u64>, now: Tick) -> bool {
        let Some(line) = &self.0 else { return false };
        let before = |waiter: &&Waiter| number.is_none_or(|number| waiter.number < number);
        line.queue.iter().filter(before).any(|waiter| waiter.hash == hash && waiter.until > now)
    }

    /// Lines up, or renews the waker of one who has.
    fn line_up(&mut self, hash: u64, number: Option<u64>, until: Tick, waker: &Waker) -> u64 {
        let line = self.0.get_or_insert_default();
        if let Some(waiter) = line.queue.iter_mut().find(|waiter| Some(waiter.number) == number) {
            waiter.waker.clone_from(waker);
            return waiter.number;
        }
        line.last_number += 1;
        let number = line.last_number;
        line.queue.push_back(Waiter { hash, number, until, waker: waker.clone() });
        number
    }

    fn leave(&mut self, number: Option<u64>) {
        if let Some(line) = &mut self.0 {
            line.queue.retain(|waiter| Some(waiter.number) != number);
        }
    }
}

/// A wait for a key lock, which `claim` turns into what the caller wants.
///
/// Dropping it leaves the queue and lets the next in line try.
pub(crate) struct LockWait<'k, K, V, S, Q: ?Sized, C>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
    Q: Hash + Equivalent<K>,
{
    store: Arc<Store<K, V, S>>,
    key: &'k Q,
    hash: u64,
    lock_time: Result<Duration, Duration>,
    until: Tick,
    number: Option<u64>,
    claim: C,
}

/// What one attempt came to.
enum Attempt<T> {
    Done(T),
    /// Nothing will change before this tick unless somebody wakes the waiter.
    WaitUntil(Tick),
}

impl<'k, K, V, S, Q: ?Sized, C> LockWait<'k, K, V, S, Q, C>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
    Q: Hash + Equivalent<K>,
{
    pub(crate) fn new(
        store: Arc<Store<K, V, S>>,
        key: &'k Q,
        lock_time: Duration,
        patience: Duration,
        claim: C,
    ) -> Self {
        let hash = store.hash(key);
        let lock_time = store.lock_time(lock_time);
        let until = store.time().now().saturating_add(patience);
        Self { store, key, hash, lock_time, until, number: None, claim }
    }

    /// Waits.
    pub(crate) fn run<T>(mut self) -> impl Future<Output = Result<T, LockError>>
    where
        C: FnMut(&Store<K, V, S>, &'k Q, Locked<'_, K, V>) -> T,
    {
        poll_fn(move |context| match self.attempt(context.waker()) {
            Attempt::Done(result) => Poll::Ready(result),
            Attempt::WaitUntil(tick) => {
                self.store.time().wake_at(tick, context.waker());
                Poll::Pending
            }
        })
    }

    fn attempt<T>(&mut self, waker: &Waker) -> Attempt<Result<T, LockError>>
    where
        C: FnMut(&Store<K, V, S>, &'k Q, Locked<'_, K, V>) -> T,
    {
        let time = match self.lock_time {
            Ok(time) => time,
            Err(max) => return Attempt::Done(Err(LockError::TooLong { max })),
        };
        let (store, key, hash, until) = (&self.store, self.key, self.hash, self.until);
        let number = &mut self.number;
        let blank = BlankLock::new();
        let guard = epoch::pin();
        let tried = store.locked(hash, |held, now| {
            let free = store.lockable(held, hash, key, now);
            let again = match free {
                Ok(at) if !held.waiters.has_earlier(hash, *number, now.get()) => {
                    held.waiters.leave(number.take());
                    return Attempt::Done(Ok(store.lock_at(held, at, time, blank, now, &guard)));
                }
                Ok(_) => {
                    // Those who came earlier go first; make sure that they know.
                    held.waiters.turn(hash);
                    until
                }
                Err(Refusal::Locked { remaining }) => now.get().saturating_add(remaining),
                Err(refusal) => {
                    held.waiters.leave(number.take());
                    held.waiters.turn(hash);
                    return Attempt::Done(Err(LockError::from(refusal)));
                }
            };
            if now.get() >= until {
                held.waiters.leave(number.take());
                let remaining = again.since(now.get());
                return Attempt::Done(Err(LockError::Locked { remaining }));
            }
            *number = Some(held.waiters.line_up(hash, *number, until, waker));
            Attempt::WaitUntil(again.min(until))
        });
        match tried {
            Ok(Attempt::Done(Ok(locked))) => Attempt::Done(Ok((self.claim)(store, key, locked))),
            Ok(Attempt::Done(Err(error))) => Attempt::Done(Err(error)),
            Ok(Attempt::WaitUntil(tick)) => Attempt::WaitUntil(tick),
            Err(refusal) => Attempt::Done(Err(LockError::from(refusal))),
        }
    }
}

impl<K, V, S, Q: ?Sized, C> Drop for LockWait<'_, K, V, S, Q, C>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
    Q: Hash + Equivalent<K>,
{
    fn drop(&mut self) {
        let Some(number) = self.number.take() else { return };
        // Refused only inside an update closure; the queue forgets the waiter at its deadline.
        let _ = self.store.locked(self.hash, |held, _| {
            held.waiters.leave(Some(number));
            // It may have been woken in vain: pass the turn on. A waiter woken too early finds the
            // key locked and goes on waiting.
            held.waiters.turn(self.hash);
        });
    }
}

/// Runs a future on this thread, which sleeps until it is woken.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
