//! Waiting for a key lock: who is woken, in which order, and when patience runs out.
//!
//! Futures are polled by hand and the clock is moved by hand. Only two tests wait in real time, for
//! a lock of some milliseconds, and they wait for the event itself.

use std::future::Future;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::polling::Polled;
use caskade::{Cache, Clock, Expiry, KeyLock, LockError, ManualClock, Refusal};

type Held = KeyLock<&'static str, u64>;
type Outcome = Result<Held, LockError>;

const K: &str = "k";
const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

fn locked_cache() -> (Cache<&'static str, u64>, ManualClock, Held) {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().expect("valid");
    cache.insert(K, 1).expect("free");
    cache.insert("other", 1).expect("free");
    let held = cache.get_and_lock(K).expect("free");
    (cache, clock, held)
}

/// A waiter that has lined up.
fn waiter(cache: &Cache<&'static str, u64>) -> Polled<impl Future<Output = Outcome> + use<>> {
    impatient(cache, PATIENCE)
}

fn impatient(
    cache: &Cache<&'static str, u64>,
    patience: Duration,
) -> Polled<impl Future<Output = Outcome> + use<>> {
    let mut waiter = Polled::new(cache.get_and_lock_async(K, Duration::ZERO, patience));
    assert!(waiter.poll().is_none(), "the key is locked");
    assert_eq!(waiter.wakes(), 0);
    waiter
}

#[test]
fn a_free_key_is_locked_at_once() {
    let (cache, _, held) = locked_cache();
    drop(held);
    let mut waiter = Polled::new(cache.get_and_lock_async(K, SECOND, PATIENCE));
    let held = waiter.poll().unwrap().unwrap();
    assert_eq!((held.value(), held.remaining()), (&1, SECOND));
    assert_eq!(waiter.wakes(), 0);
}

#[test]
fn unlocking_wakes_the_waiter() {
    let (cache, _, held) = locked_cache();
    let mut waiter = waiter(&cache);
    held.unlock().unwrap();
    assert_eq!(waiter.wakes(), 1);
    assert_eq!(waiter.poll().unwrap().unwrap().value(), &1);
}

#[test]
fn unlocking_by_token_wakes_the_waiter() {
    let (cache, _, held) = locked_cache();
    let mut waiter = waiter(&cache);
    cache.unlock(K, held.into_cas()).unwrap();
    assert_eq!(waiter.wakes(), 1);
    assert!(waiter.poll().unwrap().is_ok());
}

#[test]
fn a_write_with_the_token_wakes_the_waiter_which_sees_it() {
    let (cache, _, held) = locked_cache();
    let mut waiter = waiter(&cache);
    held.write(2).unwrap();
    assert_eq!(waiter.wakes(), 1);
    assert_eq!(waiter.poll().unwrap().unwrap().value(), &2);
}

#[test]
fn a_touch_with_the_token_wakes_the_waiter_even_if_it_changes_nothing() {
    let (cache, _, held) = locked_cache();
    let mut waiter = waiter(&cache);
    cache.compare_and_touch(K, held.into_cas(), Expiry::Keep).unwrap();
    assert_eq!(waiter.wakes(), 1);
    assert!(waiter.poll().unwrap().is_ok());
}

#[test]
fn a_removal_wakes_all_waiters_one_after_the_other() {
    let (cache, _, held) = locked_cache();
    let (mut first, mut second) = (waiter(&cache), waiter(&cache));
    held.remove().unwrap();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert_eq!(first.poll().unwrap().unwrap_err(), LockError::Absent);
    assert_eq!(second.wakes(), 1);
    assert_eq!(second.poll().unwrap().unwrap_err(), LockError::Absent);
}

#[test]
fn a_clear_wakes_all_waiters() {
    let (cache, _, held) = locked_cache();
    let (mut first, mut second) = (waiter(&cache), waiter(&cache));
    cache.clear();
    assert!(first.wakes() > 0 && second.wakes() > 0);
    assert_eq!(second.poll().unwrap().unwrap_err(), LockError::Absent);
    assert_eq!(first.poll().unwrap().unwrap_err(), LockError::Absent);
    drop(held);
}

#[test]
fn a_lapse_wakes_the_waiter_when_the_clock_passes_it() {
    let (cache, clock, held) = locked_cache();
    held.unlock().unwrap();
    let held = cache.get_and_lock_for(K, 5 * SECOND).unwrap();
    let mut waiter = waiter(&cache);
    clock.advance(5 * SECOND - Duration::from_nanos(1));
    assert_eq!(waiter.wakes(), 0);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(waiter.wakes(), 1);
    let next = waiter.poll().unwrap().unwrap();
    drop(held);
    assert_eq!(next.remaining(), 15 * SECOND);
}

#[test]
fn the_expiry_of_the_entry_ends_the_wait() {
    let (cache, clock, held) = locked_cache();
    held.write_with(2, Expiry::After(3 * SECOND)).unwrap();
    let held = cache.get_and_lock(K).unwrap();
    let mut waiter = waiter(&cache);
    clock.advance(3 * SECOND);
    cache.get(K); // somebody notices
    assert_eq!(waiter.wakes(), 1);
    assert_eq!(waiter.poll().unwrap().unwrap_err(), LockError::Absent);
    drop(held);
}

#[test]
fn patience_runs_out_at_its_deadline() {
    let (cache, clock, held) = locked_cache();
    let mut waiter = waiter(&cache);
    clock.advance(PATIENCE);
    assert_eq!(waiter.wakes(), 1);
    let error = waiter.poll().unwrap().unwrap_err();
    assert_eq!(error, LockError::Locked { remaining: 5 * SECOND });
    drop(held);
    let _again = cache.get_and_lock(K).unwrap();
}

#[test]
fn no_patience_is_no_wait() {
    let (cache, _, held) = locked_cache();
    let mut waiter = Polled::new(cache.get_and_lock_async(K, Duration::ZERO, Duration::ZERO));
    let error = waiter.poll().unwrap().unwrap_err();
    assert_eq!(error, LockError::Locked { remaining: 15 * SECOND });
    let error = cache.get_and_lock_within(K, SECOND, Duration::ZERO).unwrap_err();
    assert_eq!(error, LockError::Locked { remaining: 15 * SECOND });
    drop(held);
}

#[test]
fn a_poll_before_its_time_goes_on_waiting() {
    let (cache, clock, held) = locked_cache();
    let mut waiter = waiter(&cache);
    clock.advance(SECOND);
    for _ in 0..3 {
        assert!(waiter.poll().is_none());
    }
    held.unlock().unwrap();
    assert_eq!(waiter.wakes(), 1, "it stands in the queue once");
    assert!(waiter.poll().unwrap().is_ok());
}

#[test]
fn waiters_get_the_lock_in_the_order_in_which_they_came() {
    let (cache, _, mut held) = locked_cache();
    let mut waiters: Vec<_> = (0..4).map(|_| waiter(&cache)).collect();
    while !waiters.is_empty() {
        drop(held);
        for late in &mut waiters[1..] {
            assert!(late.poll().is_none(), "it is not its turn");
        }
        let mut first = waiters.remove(0);
        assert!(first.wakes() > 0);
        held = first.poll().unwrap().unwrap();
    }
    held.unlock().unwrap();
    let _again = cache.get_and_lock(K).unwrap();
}

#[test]
fn a_newcomer_that_waits_does_not_overtake() {
    let (cache, _, held) = locked_cache();
    let mut first = waiter(&cache);
    held.unlock().unwrap();
    let mut newcomer = Polled::new(cache.get_and_lock_async(K, Duration::ZERO, PATIENCE));
    assert!(newcomer.poll().is_none());
    let held = first.poll().unwrap().unwrap();
    held.unlock().unwrap();
    assert!(newcomer.wakes() > 0);
    assert!(newcomer.poll().unwrap().is_ok());
}

#[test]
fn a_caller_that_does_not_wait_may_overtake_and_the_waiter_goes_on_waiting() {
    let (cache, _, held) = locked_cache();
    let mut first = waiter(&cache);
    held.unlock().unwrap();
    let lucky = cache.get_and_lock(K).unwrap();
    assert!(first.poll().is_none());
    lucky.unlock().unwrap();
    assert_eq!(first.wakes(), 2);
    assert!(first.poll().unwrap().is_ok());
}

#[test]
fn a_dropped_waiter_passes_its_turn_on() {
    let (cache, _, held) = locked_cache();
    let (first, mut second) = (waiter(&cache), waiter(&cache));
    held.unlock().unwrap();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    drop(first);
    assert_eq!(second.wakes(), 1);
    assert!(second.poll().unwrap().is_ok());
}

#[test]
fn a_waiter_that_gave_up_stands_in_nobodys_way() {
    let (cache, _, held) = locked_cache();
    let first = waiter(&cache);
    let mut second = waiter(&cache);
    drop(first);
    held.unlock().unwrap();
    assert!(second.wakes() > 0);
    second.poll().unwrap().unwrap().unlock().unwrap();
    let _again = cache.get_and_lock(K).unwrap();
}

#[test]
fn a_waiter_that_was_never_polled_is_in_no_queue() {
    let (cache, _, held) = locked_cache();
    let unpolled = Polled::new(cache.get_and_lock_async(K, Duration::ZERO, PATIENCE));
    let mut second = waiter(&cache);
    held.unlock().unwrap();
    assert_eq!((unpolled.wakes(), second.wakes()), (0, 1));
    assert!(second.poll().unwrap().is_ok());
}

#[test]
fn a_lock_dropped_unused_with_its_future_passes_the_turn_on() {
    let (cache, _, held) = locked_cache();
    let (mut first, mut second) = (waiter(&cache), waiter(&cache));
    held.unlock().unwrap();
    drop(first.poll());
    assert_eq!(second.wakes(), 1);
    assert!(second.poll().unwrap().is_ok());
}

#[test]
fn a_waiter_out_of_patience_does_not_hold_up_those_behind_it() {
    let (cache, clock, held) = locked_cache();
    let first = impatient(&cache, 2 * SECOND);
    let mut second = waiter(&cache);
    clock.advance(2 * SECOND);
    held.unlock().unwrap();
    // The first is never polled again, and its time is up.
    assert!(second.poll().unwrap().is_ok());
    drop(first);
}

#[test]
fn a_waiter_behind_one_that_is_never_polled_again_is_woken_when_that_ones_time_is_up() {
    let (cache, clock, held) = locked_cache();
    let stuck = impatient(&cache, 2 * SECOND);
    let second = waiter(&cache);
    clock.advance(SECOND);
    held.unlock().unwrap();
    clock.advance(SECOND);
    assert!(second.wakes() > 0, "nobody with a claim is before it");
    drop(stuck);
}

#[test]
fn waiters_of_other_keys_are_left_alone() {
    let (cache, _, held) = locked_cache();
    let other = cache.get_and_lock("other").unwrap();
    let mut elsewhere = Polled::new(cache.get_and_lock_async("other", Duration::ZERO, PATIENCE));
    assert!(elsewhere.poll().is_none());
    held.unlock().unwrap();
    assert_eq!(elsewhere.wakes(), 0);
    drop(other);
    assert_eq!(elsewhere.wakes(), 1);
}

/// Makes all keys look alike to the table.
#[derive(Clone, Default)]
struct Zero;

impl Hasher for Zero {
    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        0
    }
}

#[test]
fn keys_with_the_same_hash_have_queues_of_their_own() {
    let hasher = BuildHasherDefault::<Zero>::default();
    let cache = Cache::builder().hasher(hasher).clock(ManualClock::new()).build().unwrap();
    cache.insert("a", 1).unwrap();
    cache.insert("b", 1).unwrap();
    let wait = |key| Polled::new(cache.get_and_lock_async(key, Duration::ZERO, PATIENCE));
    let held_a = cache.get_and_lock("a").unwrap();
    let (mut a_first, mut a_second) = (wait("a"), wait("a"));
    assert!(a_first.poll().is_none() && a_second.poll().is_none());

    let held_b = wait("b").poll().expect("nobody holds or waits for b").unwrap();
    let (mut b_first, mut b_second) = (wait("b"), wait("b"));
    assert!(b_first.poll().is_none() && b_second.poll().is_none());

    held_b.unlock().unwrap();
    assert_eq!((b_first.wakes(), b_second.wakes(), a_second.wakes()), (1, 0, 0));
    assert!(a_first.poll().is_none(), "woken or not, a is locked");
    let held_b = b_first.poll().expect("its turn").unwrap();

    let wakes = a_first.wakes();
    held_a.unlock().unwrap();
    assert_eq!((a_first.wakes(), a_second.wakes()), (wakes + 1, 0));
    assert!(b_second.poll().is_none(), "b is locked");
    assert!(wait("a").poll().is_none(), "a is promised");
    a_first.poll().expect("its turn").unwrap().unlock().unwrap();
    assert!(a_second.poll().expect("its turn").is_ok());
    drop(held_b);
    assert!(b_second.poll().expect("its turn").is_ok());
}

#[test]
fn absent_keys_and_lock_times_over_the_maximum_do_not_wait() {
    let (cache, _, _held) = locked_cache();
    let mut absent = Polled::new(cache.get_and_lock_async("none", Duration::ZERO, PATIENCE));
    assert_eq!(absent.poll().unwrap().unwrap_err(), LockError::Absent);
    let mut long = Polled::new(cache.get_and_lock_async(K, 16 * SECOND, PATIENCE));
    assert_eq!(long.poll().unwrap().unwrap_err(), LockError::TooLong { max: 15 * SECOND });
}

#[test]
fn a_waiter_keeps_the_cache_alive() {
    let (cache, _, held) = locked_cache();
    let mut waiter = waiter(&cache);
    drop(cache);
    drop(held);
    waiter.poll().unwrap().unwrap().write(5).unwrap();
}

/// A waker that uses the cache when it is woken and when it is dropped.
struct Meddler {
    cache: Cache<&'static str, u64>,
    log: mpsc::Sender<(&'static str, Result<(), Refusal>)>,
}

impl Meddler {
    fn write(&self, when: &'static str) {
        let result = self.cache.insert("other", 3).map(|_| ()).map_err(|error| error.refusal());
        let _ = self.log.send((when, result));
    }
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        self.write("wake");
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.write("drop");
    }
}

fn meddled() -> Vec<(&'static str, Result<(), Refusal>)> {
    let (cache, clock, held) = locked_cache();
    let (log, logged) = mpsc::channel();
    let mut future = Box::pin(cache.get_and_lock_async(K, Duration::ZERO, PATIENCE));
    let waker = Waker::from(Arc::new(Meddler { cache: cache.clone(), log }));
    let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    drop(waker);
    clock.advance(PATIENCE); // the clock's copy of the waker goes, the queue's stays
    held.unlock().expect("held");
    // A poll with another waker lets go of it.
    let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Ok(_))));
    drop((poll, future, cache));
    logged.try_iter().collect()
}

#[test]
fn a_waker_may_write_when_it_is_woken() {
    assert!(meddled().contains(&("wake", Ok(()))));
}

#[test]
fn a_waker_may_write_when_it_is_dropped() {
    // A waker often owns the task, and the task a KeyLock: what its drop cannot unlock stays locked.
    let drops: Vec<_> = meddled().into_iter().filter(|(when, _)| *when == "drop").collect();
    assert_eq!(drops, [("drop", Ok(()))]);
}

// In real time.

#[test]
fn a_blocked_thread_is_woken_by_unlock() {
    let (cache, _, held) = locked_cache();
    let (ready, is_ready) = mpsc::channel();
    let blocked = thread::spawn({
        let cache = cache.clone();
        move || {
            ready.send(()).expect("the test waits");
            cache.get_and_lock_within(K, Duration::ZERO, PATIENCE).map(|held| *held.value())
        }
    });
    is_ready.recv().unwrap();
    held.write(8).unwrap();
    assert_eq!(blocked.join().unwrap(), Ok(8));
}

#[test]
fn a_blocked_thread_is_woken_by_a_lapse_in_real_time() {
    let cache = Cache::new();
    cache.insert(K, 1).unwrap();
    let lost = cache.get_and_lock_for(K, Duration::from_millis(20)).unwrap().into_cas();
    let held = cache.get_and_lock_within(K, Duration::ZERO, 30 * SECOND).unwrap();
    assert_ne!(held.cas(), lost);
}

#[test]
fn a_blocked_thread_gives_up_in_real_time() {
    let cache = Cache::new();
    cache.insert(K, 1).unwrap();
    let held = cache.get_and_lock(K).unwrap();
    let error = cache.get_and_lock_within(K, Duration::ZERO, Duration::from_millis(20));
    assert!(matches!(error, Err(LockError::Locked { remaining }) if remaining > 10 * SECOND));
    drop(held);
}

#[test]
fn a_blocked_thread_is_woken_by_a_clock_moved_by_hand() {
    let (cache, clock, held) = locked_cache();
    let blocked = thread::spawn({
        let cache = cache.clone();
        move || cache.get_and_lock_within(K, Duration::ZERO, PATIENCE).map(|_| ())
    });
    // However early or late the thread comes, enough steps bring it past its patience or the lapse.
    while !blocked.is_finished() {
        clock.advance(SECOND);
        thread::yield_now();
    }
    assert!(matches!(blocked.join().unwrap(), Ok(()) | Err(LockError::Locked { .. })));
    drop(held);
}

#[test]
fn a_waiter_is_woken_when_a_released_clock_passes_the_lapse() {
    let (cache, clock, held) = locked_cache();
    held.unlock().unwrap();
    let _held = cache.get_and_lock_for(K, Duration::from_millis(20)).unwrap();
    let blocked = thread::spawn({
        let cache = cache.clone();
        move || cache.get_and_lock_within(K, Duration::ZERO, 30 * SECOND).map(|_| ())
    });
    clock.resume();
    assert_eq!(blocked.join().unwrap(), Ok(()));
}

/// A clock that wakes everybody at once, far too early, and counts how often it is asked.
#[derive(Clone)]
struct Hasty(ManualClock, Arc<AtomicUsize>);

impl Clock for Hasty {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn wake_at(&self, _: Instant, waker: &Waker) {
        self.1.fetch_add(1, Ordering::SeqCst);
        waker.wake_by_ref();
    }
}

#[test]
fn a_waiter_that_is_woken_too_early_sets_its_alarm_again() {
    let alarms = Arc::new(AtomicUsize::new(0));
    let clock = Hasty(ManualClock::new(), Arc::clone(&alarms));
    let cache = Cache::builder().clock(clock).build().unwrap();
    cache.insert(K, 1).unwrap();
    let held = cache.get_and_lock(K).unwrap();
    let mut waiter = Polled::new(cache.get_and_lock_async(K, Duration::ZERO, PATIENCE));
    for polls in 1..4 {
        assert!(waiter.poll().is_none());
        assert_eq!((waiter.wakes(), alarms.load(Ordering::SeqCst)), (polls, polls));
    }
    drop(held);
}
