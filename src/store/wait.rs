//! Waiting for a key lock: in order of arrival, up to a deadline, woken by unlock or lapse.
//!
//! A waiter is a waker in its stripe's queue. Whoever ends a lock wakes the first waiter of that
//! key ([`Waiters::turn`]); if nobody does, the clock wakes the waiters when the lock lapses. A
//! newcomer that waits lines up behind those who came earlier; one that does not wait may be lucky.
//!
//! Whoever ends a lock knows the key's hash and no more, so the waiters know it too. Of two keys with
//! the same 64 bits each has a queue of its own: the waiters tell them apart by a second hash.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use equivalent::Equivalent;

use crate::epoch;
use crate::error::{LockError, Reentrant, Refusal};
use crate::raw::BlankLock;
use crate::swallow::swallow_panic;
use crate::sync::Tally;
use crate::time::{Tick, TimeSource, wake_all};

use super::key_lock::{Locked, Request};
use super::{Now, Store};

/// The waiters of a stripe. There are hardly ever any, so they take one word.
#[derive(Default)]
pub(super) struct Waiters(Option<Box<Line>>);

/// Few wait at any time, so one queue for all keys of the stripe is enough.
#[derive(Default)]
struct Line {
    queue: VecDeque<Waiter>,
    leaving: Leaving,
}

impl Line {
    /// Wakes the first waiter of each key that has this hash. Those whose patience is over leave the
    /// queue: they have no claim, and may never be polled again.
    fn turn(&mut self, hash: u64, now: Tick) {
        let wake = &mut self.leaving.wake;
        self.queue.retain_mut(|waiter| {
            let waits = waiter.until > now;
            if !waits {
                wake.extend(waiter.waker.take());
            }
            waits
        });
        let mut served = Vec::new();
        for waiter in self.queue.iter_mut().filter(|waiter| waiter.id.hash == hash) {
            if !served.contains(&waiter.id) {
                served.push(waiter.id);
                wake.extend(waiter.waker.take());
            }
        }
    }
}

/// How the waiters know their key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId {
    /// The one that the table uses.
    pub(super) hash: u64,
    /// By another hasher, for keys that the first one cannot tell apart.
    second: u64,
}

impl KeyId {
    pub(super) fn new<Q: Hash + ?Sized>(hash: u64, key: &Q) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Self { hash, second: hasher.finish() }
    }
}

struct Waiter {
    id: KeyId,
    /// A stamp of the stripe: rising, and never given to another waiter, however late this one
    /// comes to leave.
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
            swallow_panic(|| drop(waker));
        }
    }
}

impl Waiters {
    /// The lock of a key with this hash has ended: its first waiter may try. So does the first waiter
    /// of any other key with this hash, in vain.
    pub(super) fn turn(&mut self, hash: u64, now: &mut Now<'_>) {
        if let Some(line) = &mut self.0 {
            line.turn(hash, now.get());
        }
    }

    /// All locks have ended.
    pub(super) fn turn_all(&mut self) {
        let Some(line) = &mut self.0 else { return };
        for waiter in &mut line.queue {
            line.leaving.wake.extend(waiter.waker.take());
        }
    }

    #[inline(always)]
    pub(super) fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Takes out the wakers that must leave the stripe lock. The line goes with the last waiter.
    pub(super) fn take_leaving(&mut self) -> Option<Leaving> {
        let line = self.0.as_mut()?;
        let leaving = std::mem::take(&mut line.leaving);
        if line.queue.is_empty() {
            self.0 = None;
        }
        Some(leaving)
    }

    /// When the patience of somebody ends who came before waiter `number` and waits at `now`.
    fn earlier_until(&self, id: KeyId, number: Option<u64>, now: Tick) -> Option<Tick> {
        let before = |waiter: &&Waiter| number.is_none_or(|number| waiter.number < number);
        let waits = |waiter: &&Waiter| waiter.id == id && waiter.until > now;
        let line = self.0.as_ref()?;
        line.queue.iter().filter(before).filter(waits).map(|waiter| waiter.until).min()
    }

    /// Lines up under `number`, or brings a new waker.
    fn line_up(&mut self, id: KeyId, number: u64, until: Tick, waker: Waker) {
        let line = self.0.get_or_insert_default();
        if let Some(waiter) = line.queue.iter_mut().find(|waiter| waiter.number == number) {
            line.leaving.spent.extend(waiter.waker.replace(waker));
        } else {
            line.queue.push_back(Waiter { id, number, until, waker: Some(waker) });
        }
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
    id: KeyId,
    lock_time: Result<Duration, Duration>,
    until: Tick,
    number: Option<u64>,
    alarms: Alarms,
    claim: C,
}

/// The alarm that a waiter has set last, and for when.
#[derive(Default)]
pub(super) struct Alarms(Option<(Tick, Arc<Alarm>)>);

impl Alarms {
    /// Asks the clock to wake `waker`, unless it has been asked and has not done so yet: a future
    /// may be polled any number of times before its alarm goes off.
    pub(super) fn set(&mut self, time: &TimeSource, at: Tick, waker: &Waker) {
        let waits = |(when, alarm): &(Tick, Arc<Alarm>)| {
            *when == at && alarm.rung.get() == 0 && alarm.waker.will_wake(waker)
        };
        if !self.0.as_ref().is_some_and(waits) {
            let alarm = Arc::new(Alarm { waker: waker.clone(), rung: Tally::default() });
            time.wake_at(at, &Waker::from(Arc::clone(&alarm)));
            self.0 = Some((at, alarm));
        }
    }
}

/// A waker that remembers whether it was used. Whoever was woken by it looks only after that.
struct Alarm {
    waker: Waker,
    rung: Tally,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.set(1);
        self.waker.wake_by_ref();
    }
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
        let id = KeyId::new(store.hash(key), key);
        let lock_time = store.lock_time(lock_time);
        let until = store.time().now().saturating_add(patience);
        Self { store, key, id, lock_time, until, number: None, alarms: Alarms::default(), claim }
    }

    /// Waits.
    pub(crate) fn run<T>(mut self) -> impl Future<Output = Result<T, LockError>>
    where
        C: FnMut(&Store<K, V, S>, &'k Q, Locked<'_, K, V>) -> T,
    {
        poll_fn(move |context| match self.attempt(context.waker()) {
            Attempt::Done(result) => Poll::Ready(result),
            Attempt::WaitUntil(tick) => {
                self.alarms.set(self.store.time(), tick, context.waker());
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
        let (store, key, id, until) = (&self.store, self.key, self.id, self.until);
        let hash = id.hash;
        let number = &mut self.number;
        let guard = epoch::pin();
        let request = Request { time, blank: BlankLock::new(), guard: &guard };
        let mut waker = Some(waker.clone());
        let tried = store.locked(hash, |held, now| {
            let free = store.lockable(held, hash, key, now);
            let earlier = held.waiters.earlier_until(id, *number, now.get());
            let again = match (free, earlier) {
                (Ok(at), None) => {
                    held.waiters.leave(number.take());
                    let locked = store.lock_at(held, hash, at, request, now);
                    return Ok(Attempt::Done(locked));
                }
                // Those who came earlier go first; they were woken when the lock ended.
                (Ok(_), Some(earlier)) => earlier,
                (Err(Refusal::Locked { remaining }), earlier) => {
                    let lapse = now.get().saturating_add(remaining);
                    earlier.map_or(lapse, |earlier| earlier.min(lapse))
                }
                (Err(refusal), _) => {
                    held.waiters.leave(number.take());
                    held.waiters.turn(hash, now);
                    return Err(LockError::from(refusal));
                }
            };
            if now.get() >= until {
                held.waiters.leave(number.take());
                held.waiters.turn(hash, now);
                held.tally.rare.locks_refused += 1;
                return Err(free.map_or_else(LockError::from, |_| {
                    // Free, but promised to those who came earlier.
                    LockError::Locked { remaining: Duration::ZERO }
                }));
            }
            if let Some(waker) = waker.take() {
                let place = *number.get_or_insert_with(|| held.next_stamp());
                held.waiters.line_up(id, place, until, waker);
            }
            Ok(Attempt::WaitUntil(again.min(until)))
        });
        match tried {
            Ok(Attempt::Done(locked)) => Attempt::Done(Ok((self.claim)(store, key, locked))),
            Ok(Attempt::WaitUntil(tick)) => Attempt::WaitUntil(tick),
            Err(error) => Attempt::Done(Err(error)),
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
        let _ = self.store.locked(self.id.hash, |held, now| {
            held.waiters.leave(Some(number));
            // It may have been woken in vain: pass the turn on. A waiter woken too early finds the
            // key locked and goes on waiting.
            held.waiters.turn(self.id.hash, now);
            Ok::<_, Reentrant>(())
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
