//! Calls back into a cache from where user code runs under a stripe lock: the closure of `update`
//! and `Eq` of keys. Writes are refused with `Reentrant`, reads work, nothing deadlocks.
//!
//! `clear`, `reclaim`, `stats` and `lock_remaining` have no error to return and panic instead.

use std::cell::RefCell;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::support::guarded::guarded;
use caskade::{
    Cache, Cas, CounterError, Expiry, LockError, ManualClock, Put, Refusal, Reread, Retry,
    UnlockError, Update, Updated, WriteError,
};

const SECOND: Duration = Duration::from_secs(1);

/// A refused write by its refusal, so that all operations can be listed in one table.
fn write<T, E>(result: Result<T, WriteError<E>>) -> bool {
    matches!(result, Err(error) if error.refusal() == Refusal::Reentrant)
}

fn counter<T>(result: Result<T, CounterError>) -> bool {
    matches!(result, Err(CounterError::Reentrant))
}

fn lock<T>(result: Result<T, LockError>) -> bool {
    matches!(result, Err(LockError::Reentrant))
}

fn unlock<T>(result: Result<T, UnlockError>) -> bool {
    matches!(result, Err(UnlockError::Reentrant))
}

fn locks_later(cache: &Cache<u64, u64>, key: u64) -> bool {
    let mut future = pin!(cache.get_and_lock_async(&key, Duration::ZERO, SECOND));
    let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    matches!(poll, Poll::Ready(Err(LockError::Reentrant)))
}

fn panics(act: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

/// What an operation returns does not matter where it should have panicked.
fn ignore<T>(_: T) {}

type Try = fn(&Cache<u64, u64>, u64, Cas) -> bool;

/// Each operation that takes a stripe lock, and whether it was refused as it should be.
const OPERATIONS: &[(&str, Try)] = &[
    ("insert", |c, k, _| write(c.insert(k, 9))),
    ("insert_with", |c, k, _| write(c.insert_with(k, 9, Expiry::Never))),
    ("add", |c, k, _| write(c.add(k, 9))),
    ("put", |c, k, _| write(c.put(k, 9, Put::new()))),
    ("replace", |c, k, _| write(c.replace(&k, 9))),
    ("compare_and_swap", |c, k, s| write(c.compare_and_swap(&k, s, 9))),
    ("compare_and_swap_with", |c, k, s| write(c.compare_and_swap_with(&k, s, 9, Expiry::Keep))),
    ("remove", |c, k, _| write(c.remove(&k))),
    ("discard", |c, k, _| write(c.discard(&k))),
    ("compare_and_remove", |c, k, s| write(c.compare_and_remove(&k, s))),
    ("compare_and_discard", |c, k, s| write(c.compare_and_discard(&k, s))),
    ("touch", |c, k, _| write(c.touch(&k, Expiry::Never))),
    ("compare_and_touch", |c, k, s| write(c.compare_and_touch(&k, s, Expiry::Never))),
    ("get_and_touch", |c, k, _| write(c.get_and_touch(&k, Expiry::Never))),
    ("update", |c, k, _| write(c.update(k, |_| Update::Put(9)))),
    ("increment", |c, k, _| counter(c.increment(&k, 1))),
    ("decrement", |c, k, _| counter(c.decrement(&k, 1))),
    ("checked_increment", |c, k, _| counter(c.checked_increment(&k, 1))),
    ("checked_decrement", |c, k, _| counter(c.checked_decrement(&k, 1))),
    ("increment_or_insert", |c, k, _| write(c.increment_or_insert(k, 1, 1, Expiry::Never))),
    ("decrement_or_insert", |c, k, _| write(c.decrement_or_insert(k, 1, 1, Expiry::Never))),
    ("get_and_lock", |c, k, _| lock(c.get_and_lock(&k))),
    ("get_and_lock_for", |c, k, _| lock(c.get_and_lock_for(&k, SECOND))),
    ("get_and_lock_within", |c, k, _| lock(c.get_and_lock_within(&k, SECOND, SECOND))),
    ("get_and_lock_async", |c, k, _| locks_later(c, k)),
    ("unlock", |c, k, s| unlock(c.unlock(&k, s))),
    ("renew_lock", |c, k, s| unlock(c.renew_lock(&k, s, SECOND))),
    ("fetch_update", |c, k, _| {
        let error = c.fetch_update(k, Retry::default(), |_| Update::Put(9)).err();
        error.is_some_and(|error| error.last() == Refusal::Reentrant && error.attempts() == 1)
    }),
    ("fetch_update under lock", |c, k, _| {
        let retry = Retry::attempts(3).then_lock(0);
        let error = c.fetch_update(k, retry, |_| Update::Put(9)).err();
        error.is_some_and(|error| error.last() == Refusal::Reentrant && error.attempts() == 1)
    }),
    ("clear", |c, _, _| panics(|| c.clear())),
    ("reclaim", |c, _, _| panics(|| c.reclaim())),
    ("stats", |c, _, _| panics(|| ignore(c.stats()))),
    ("lock_remaining", |c, k, _| panics(|| ignore(c.lock_remaining(&k)))),
];

fn cache() -> Cache<u64, u64> {
    let cache = Cache::builder().stripes(2).build().expect("valid");
    for key in 0..10 {
        cache.insert(key, key).expect("free");
    }
    cache
}

/// The operations on `target` that were not refused inside an update of key 1 of `cache`.
fn let_through(cache: &Cache<u64, u64>, target: &Cache<u64, u64>, key: u64) -> Vec<&'static str> {
    let seen = target.get_with_cas(&key).and_then(|v| v.cas());
    let seen = seen.unwrap_or_else(|| Cas::try_from(5).expect("valid"));
    let mut wrong = Vec::new();
    let updated = cache.update(1, |_| {
        let refused = |&(_, operation): &&(&str, Try)| !operation(target, key, seen);
        wrong.extend(OPERATIONS.iter().filter(refused).map(|(name, _)| *name));
        Update::Keep
    });
    assert!(matches!(updated, Ok(Updated::Kept(Some(_)))), "the update itself goes ahead");
    wrong
}

#[test]
fn every_write_inside_an_update_is_refused_whatever_its_key_or_cache() {
    guarded(|| {
        let (cache, other) = (cache(), cache());
        let before: Vec<_> = (0..10).map(|key| cache.get_with_cas(&key)).collect();
        for key in [1, 2, 3, 4, 99] {
            assert_eq!(let_through(&cache, &cache, key), [""; 0]);
            assert_eq!(let_through(&cache, &other, key), [""; 0]);
        }
        let after: Vec<_> = (0..10).map(|key| cache.get_with_cas(&key)).collect();
        assert_eq!(before, after);
        assert_eq!((cache.len(), other.len()), (10, 10));
    });
}

#[test]
fn the_same_operations_work_once_the_update_is_over() {
    guarded(|| {
        let cache = cache();
        assert_eq!(let_through(&cache, &cache, 1), [""; 0]);
        let seen = cache.get_with_cas(&1).unwrap().cas().unwrap();
        let refused = |&&(_, operation): &&(&str, Try)| operation(&cache, 1, seen);
        let names: Vec<_> = OPERATIONS.iter().filter(refused).map(|(name, _)| *name).collect();
        assert_eq!(names, [""; 0]);
    });
}

#[test]
fn what_was_refused_comes_back() {
    guarded(|| {
        let cache = cache();
        let result = cache.update(1, |_| {
            assert_eq!(cache.insert(2, 20).unwrap_err().into_rejected(), (2, 20));
            assert_eq!(cache.replace(&2, 21).unwrap_err().into_rejected(), 21);
            assert_eq!(cache.update(3, |_| Update::Keep).unwrap_err().into_rejected(), 3);
            Update::Put(11)
        });
        assert!(matches!(result, Ok(Updated::Stored(_))));
        assert_eq!(cache.get(&1), Some(11));
    });
}

#[test]
fn reads_inside_an_update_work() {
    guarded(|| {
        let cache = cache();
        let seen = cache.get_with_cas(&2).unwrap().cas().unwrap();
        let result = cache.update(1, |old| {
            assert_eq!(old, Some(&1));
            assert_eq!(cache.get(&1), Some(1), "the update has not happened yet");
            assert_eq!(cache.get(&99), None);
            assert_eq!(cache.read(&3, |value| value + 1), Some(4));
            assert!(cache.contains_key(&4));
            assert_eq!(cache.get_if_changed(&2, seen), Reread::Unchanged);
            assert_eq!(cache.get_many(&[1, 99, 2]), [Some(1), None, Some(2)]);
            assert_eq!(cache.iter().count(), 10);
            assert_eq!(cache.len(), 10);
            let session = cache.pin();
            assert_eq!(session.get(&5).map(|value| *value), Some(5));
            assert_eq!(session.iter().count(), 10);
            Update::Put(10)
        });
        assert!(result.is_ok());
        assert_eq!(cache.get(&1), Some(10));
    });
}

#[test]
fn an_entry_that_expired_is_absent_inside_an_update_too() {
    guarded(|| {
        let clock = ManualClock::new();
        let cache = Cache::builder().stripes(1).clock(clock.clone()).build().unwrap();
        cache.insert(1, 1).unwrap();
        cache.insert_with(2, 2, Expiry::After(SECOND)).unwrap();
        clock.advance(SECOND);
        cache
            .update(1, |_| {
                assert_eq!(cache.get(&2), None);
                assert!(!cache.contains_key(&2));
                assert_eq!(cache.pin().get(&2).map(|value| *value), None);
                assert_eq!(cache.iter().count(), 1);
                Update::Keep
            })
            .unwrap();
        assert_eq!(cache.stats().expired, 0, "nobody was in a place to make it real");
        assert_eq!(cache.get(&2), None);
        assert_eq!(cache.stats().expired, 1);
    });
}

#[test]
fn an_entry_that_expires_while_its_update_runs_is_updated() {
    guarded(|| {
        let clock = ManualClock::new();
        let cache = Cache::builder().stripes(1).clock(clock.clone()).build().unwrap();
        cache.insert_with(1, 1, Expiry::After(SECOND)).unwrap();
        cache
            .update(1, |_| {
                clock.advance(SECOND);
                Update::Put(2)
            })
            .unwrap();
        assert_eq!(cache.get(&1), Some(2));
    });
}

#[test]
fn the_stamp_of_a_lapsed_lock_stays_hidden_inside_an_update() {
    guarded(|| {
        let clock = ManualClock::new();
        let cache = Cache::builder().stripes(1).clock(clock.clone()).build().unwrap();
        cache.insert(1, 1).unwrap();
        cache.insert(2, 2).unwrap();
        let _token = cache.get_and_lock(&2).unwrap().into_cas();
        clock.advance(15 * SECOND);
        cache
            .update(1, |_| {
                assert_eq!(cache.get_with_cas(&2).map(|v| (*v, v.cas())), Some((2, None)));
                Update::Keep
            })
            .unwrap();
        assert!(cache.get_with_cas(&2).unwrap().cas().is_some());
    });
}

#[test]
fn a_lock_dropped_inside_an_update_stays_until_it_lapses() {
    guarded(|| {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clone()).build().unwrap();
        cache.insert(1, 1).unwrap();
        cache.insert(2, 2).unwrap();
        let held = cache.get_and_lock(&2).unwrap();
        cache
            .update(1, move |_| {
                drop(held);
                Update::Keep
            })
            .unwrap();
        assert_eq!(cache.lock_remaining(&2), Some(15 * SECOND));
        clock.advance(15 * SECOND);
        cache.insert(2, 3).unwrap();
    });
}

#[test]
fn a_wait_given_up_inside_an_update_stands_in_nobodys_way_after_its_deadline() {
    guarded(|| {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clone()).build().unwrap();
        cache.insert(1, 1).unwrap();
        cache.insert(2, 2).unwrap();
        let held = cache.get_and_lock(&2).unwrap();
        let mut waiting = Box::pin(cache.get_and_lock_async(&2, Duration::ZERO, SECOND));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        cache
            .update(1, move |_| {
                drop(waiting);
                Update::Keep
            })
            .unwrap();
        drop(held);
        clock.advance(SECOND);
        assert!(cache.get_and_lock_within(&2, Duration::ZERO, Duration::ZERO).is_ok());
    });
}

#[test]
fn writes_inside_a_read_are_allowed() {
    guarded(|| {
        let cache = cache();
        cache.read(&1, |_| cache.insert(1, 5).unwrap()).unwrap();
        cache.pin().visit_many(&[1, 2], |key, _| {
            cache.insert(*key, 6).unwrap();
        });
        for (key, _) in cache.iter() {
            assert!(cache.discard(&key).unwrap());
        }
        assert!(cache.is_empty());
    });
}

#[test]
fn writes_inside_a_fetch_update_are_allowed() {
    guarded(|| {
        let cache = cache();
        for retry in [Retry::default(), Retry::default().then_lock(0)] {
            cache
                .fetch_update(1, retry, |_| {
                    cache.insert(2, 22).unwrap();
                    cache.increment(&3, 1).unwrap();
                    Update::Put(5)
                })
                .unwrap();
        }
        assert_eq!((cache.get(&1), cache.get(&2), cache.get(&3)), (Some(5), Some(22), Some(5)));
    });
}

// Eq.

type Meddling = Box<dyn Fn() -> Vec<&'static str>>;

thread_local! {
    /// What `Eq` of a [`Probe`] does, and what it found out.
    static MEDDLE: RefCell<Option<Meddling>> = RefCell::default();
    static FOUND: RefCell<Vec<Vec<&'static str>>> = RefCell::default();
}

#[derive(Clone, Debug)]
struct Probe(u64);

impl Hash for Probe {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for Probe {
    fn eq(&self, other: &Self) -> bool {
        // Taken out meanwhile, so that it does not run inside itself.
        if let Some(meddle) = MEDDLE.take() {
            let found = meddle();
            FOUND.with_borrow_mut(|all| all.push(found));
            MEDDLE.set(Some(meddle));
        }
        self.0 == other.0
    }
}

impl Eq for Probe {}

#[test]
fn every_write_inside_eq_is_refused_while_the_stripe_lock_is_held() {
    guarded(|| {
        let probes = Cache::builder().stripes(1).build().unwrap();
        probes.insert(Probe(1), 1u64).unwrap();
        let target = cache();
        let seen = target.get_with_cas(&1).unwrap().cas().unwrap();
        MEDDLE.set(Some(Box::new(move || {
            let refused = |&&(_, operation): &&(&str, Try)| !operation(&target, 1, seen);
            OPERATIONS.iter().filter(refused).map(|(name, _)| *name).collect()
        })));
        probes.insert(Probe(1), 2).unwrap();
        probes.increment(&Probe(1), 2).unwrap();
        probes.update(Probe(1), |_| Update::Put(7)).unwrap();
        assert_eq!(probes.remove(&Probe(1)).unwrap(), Some(7));
        MEDDLE.set(None);
        let found = FOUND.take();
        assert_eq!(found.len(), 4, "one comparison for each write");
        assert!(found.iter().all(Vec::is_empty), "let through: {found:?}");
    });
}

#[test]
fn reads_and_writes_inside_eq_of_a_read_are_allowed() {
    guarded(|| {
        let probes = Cache::builder().stripes(1).build().unwrap();
        probes.insert(Probe(1), 1u64).unwrap();
        let again = probes.clone();
        MEDDLE.set(Some(Box::new(move || {
            assert_eq!(again.get(&Probe(1)), Some(1));
            again.insert(Probe(2), 2).unwrap();
            vec!["done"]
        })));
        assert_eq!(probes.get(&Probe(1)), Some(1));
        MEDDLE.set(None);
        assert_eq!(FOUND.take(), [["done"]]);
        assert_eq!(probes.get(&Probe(2)), Some(2));
    });
}

#[test]
fn reads_of_the_same_stripe_inside_eq_under_the_lock_work() {
    guarded(|| {
        let probes = Cache::builder().stripes(1).build().unwrap();
        probes.insert(Probe(1), 1u64).unwrap();
        let again = probes.clone();
        MEDDLE.set(Some(Box::new(move || {
            assert_eq!(again.get(&Probe(1)), Some(1));
            vec![]
        })));
        probes.insert(Probe(1), 2).unwrap();
        MEDDLE.set(None);
        assert_eq!(FOUND.take().len(), 1);
    });
}

#[test]
fn a_panic_in_an_update_lets_the_thread_write_again() {
    guarded(|| {
        let cache = cache();
        let update = || cache.update(1, |_| std::panic::resume_unwind(Box::new(())));
        assert!(panics(|| ignore(update())));
        cache.insert(1, 5).unwrap();
    });
}

#[test]
fn a_value_too_heavy_for_an_update_is_dropped_outside_the_lock() {
    struct Caller(Cache<u64, u64>);
    impl Drop for Caller {
        fn drop(&mut self) {
            ignore(self.0.insert(1, 1));
        }
    }
    guarded(|| {
        let other = Cache::new();
        let heavy = |_: &u64, _: &Caller| 11;
        let cache = Cache::builder().max_weight(10, heavy).build().unwrap();
        let refused = cache.update(1, |_| Update::Put(Caller(other.clone()))).unwrap_err();
        assert!(matches!(refused.refusal(), Refusal::TooHeavy { .. }));
        assert_eq!(other.get(&1), Some(1));
    });
}
