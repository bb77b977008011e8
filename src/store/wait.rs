//! Waiting for a key lock: in order of arrival, up to a deadline, woken by unlock or lapse.
//!
//! A waiter is a waker in its stripe's queue. Whoever ends a lock wakes the waiters of that key
//! ([`Waiters::turn`]), of whom the first in line gets it; if nobody does, the clock wakes them when
//! the lock lapses. A newcomer that waits lines up behind those who came earlier; one that does not
//! wait may be lucky.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use equivalent::Equivalent;

use crate::epoch;
use crate::error::{LockError, Refusal};
use crate::raw::BlankLock;
use crate::time::{Tick, wake_all};

use super::Store;
use super::key_lock::Locked;

/// The waiters of a stripe. There are hardly ever any, so they take one word.
#[derive(Default)]
pub(super) struct Waiters(Option<Box<Line>>);

/// Few wait at any time, so one queue for all keys of the stripe is enough. Waiters of one key
/// are told apart from others by the key's hash.
#[derive(Default)]
struct Line {
    queue: VecDeque<Waiter>,
    last_number: u64,
    leaving: Leaving,
}

struct Waiter {
    hash: u64,
    number: u64,
    until: Tick,
    /// Taken out when the waiter is woken; it brings a new one when it is polled.
    waker: Option<Waker>,
}

/// Wakers on their way out of the stripe lock: to clone, wake or drop one is foreign code.
#[derive(Default)]
pub(super) struct Leaving {
    wake: Vec<Waker>,
    spent: Vec<Waker>,
}

impl Leaving {
    pub(super) fn go(self) {
        wake_all(self.wake);
        for waker in self.spent {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(waker)));
        }
    }
}

impl Waiters {
    /// The lock of `hash` has ended: whoever waits for it may try, the first in line first.
    pub(super) fn turn(&mut self, hash: u64) {
        let Some(line) = &mut self.0 else { return };
        for waiter in line.queue.iter_mut().filter(|waiter| waiter.hash == hash) {
            line.leaving.wake.extend(waiter.waker.take());
        }
    }

    /// All locks have ended.
    pub(super) fn turn_all(&mut self) {
        let Some(line) = &mut self.0 else { return };
        for waiter in &mut line.queue {
            line.leaving.wake.extend(waiter.waker.take());
        }
    }

    /// Takes out the wakers that must leave the stripe lock. The line goes with the last waiter.
    #[inline]
    pub(super) fn take_leaving(&mut self) -> Option<Leaving> {
        let line = self.0.as_mut()?;
        let leaving = std::mem::take(&mut line.leaving);
        if line.queue.is_empty() {
            self.0 = None;
        }
        Some(leaving)
    }

    /// When the patience of somebody ends who came before waiter `number` and waits at `now`.
    fn earlier_until(&self, hash: u64, number: Option<u64>, now: Tick) -> Option<Tick> {
        let before = |waiter: &&Waiter| number.is_none_or(|number| waiter.number < number);
        let waits = |waiter: &&Waiter| waiter.hash == hash && waiter.until > now;
        let line = self.0.as_ref()?;
        line.queue.iter().filter(before).filter(waits).map(|waiter| waiter.until).min()
    }

    /// Lines up, or brings a new waker.
    fn line_up(&mut self, hash: u64, number: Option<u64>, until: Tick, waker: Waker) -> u64 {
        let line = self.0.get_or_insert_default();
        if let Some(waiter) = line.queue.iter_mut().find(|waiter| Some(waiter.number) == number) {
            line.leaving.spent.extend(waiter.waker.replace(waker));
            return waiter.number;
        }
        line.last_number += 1;
        let number = line.last_number;
        line.queue.push_back(Waiter { hash, number, until, waker: Some(waker) });
        number
    }

    fn leave(&mut self, number: Option<u64>) {
        let Some(line) = &mut self.0 else { return };
        if let Some(place) = line.queue.iter().position(|waiter| Some(waiter.number) == number) {
            let waiter = line.queue.remove(place);
            line.leaving.spent.extend(waiter.and_then(|waiter| waiter.waker));
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
        let mut waker = Some(waker.clone());
        let guard = epoch::pin();
        let tried = store.locked(hash, |held, now| {
            let free = store.lockable(held, hash, key, now);
            let again = match free {
                Ok(at) => match held.waiters.earlier_until(hash, *number, now.get()) {
                    None => {
                        held.waiters.leave(number.take());
                        let locked = store.lock_at(held, hash, at, time, blank, now, &guard);
                        return Attempt::Done(Ok(locked));
                    }
                    Some(earlier) => {
                        // Those who came earlier go first; make sure that they know.
                        held.waiters.turn(hash);
                        earlier
                    }
                },
                Err(Refusal::Locked { remaining }) => now.get().saturating_add(remaining),
                Err(refusal) => {
                    held.waiters.leave(number.take());
                    held.waiters.turn(hash);
                    return Attempt::Done(Err(LockError::from(refusal)));
                }
            };
            if now.get() >= until {
                held.waiters.leave(number.take());
                held.waiters.turn(hash);
                held.tally.rare.locks_refused += 1;
                let remaining = again.since(now.get());
                return Attempt::Done(Err(LockError::Locked { remaining }));
            }
            if let Some(waker) = waker.take() {
                *number = Some(held.waiters.line_up(hash, *number, until, waker));
            }
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
