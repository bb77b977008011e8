//! `fetch_update`: how often it tries, when it locks, and what it makes of each decision.
//!
//! What panics in its closure do is in `panics.rs`; that it loses no update among many threads is
//! in `stress.rs`.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::configs::for_each_config;
use crate::support::guarded::guarded;
use caskade::{Cache, Clock, Expiry, ManualClock, Refusal, Retry, Update, Updated};

const SECOND: Duration = Duration::from_secs(1);
const K: &str = "k";

/// No pauses: the tests lose on purpose.
fn at_most(attempts: u32) -> Retry {
    Retry::attempts(attempts).pauses(Duration::ZERO, Duration::ZERO)
}

fn cache() -> (Cache<&'static str, u64>, ManualClock) {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().expect("valid");
    (cache, clock)
}

#[test]
fn an_update_without_rivals_takes_one_attempt() {
    for_each_config::<&str, String>(
        |builder| builder,
        |cache| {
            let mut calls = 0;
            let mut append = |old: Option<&String>| {
                calls += 1;
                Update::Put(old.map_or(String::from("a"), |old| format!("{old}b")))
            };
            let first = cache.fetch_update(K, at_most(1), &mut append).unwrap();
            assert_eq!(first.cas(), cache.get_with_cas(K).unwrap().cas());
            let second = cache.fetch_update(K, at_most(1), &mut append).unwrap();
            assert!(matches!(*second, Updated::Stored(_)) && *first != *second);
            assert_eq!((cache.get(K), calls), (Some(String::from("ab")), 2));
        },
    );
}

#[test]
fn every_decision_is_carried_out_on_an_entry_and_on_none() {
    let (cache, clock) = cache();
    let decide =
        |decision: Update<u64>| cache.fetch_update(K, at_most(1), |_| decision).unwrap().updated();
    assert_eq!(decide(Update::Keep), Updated::Kept(None));
    assert_eq!(decide(Update::Remove), Updated::Kept(None));
    assert!(matches!(decide(Update::Put(1)), Updated::Stored(_)));
    let current = cache.get_with_cas(K).unwrap().cas();
    assert_eq!(decide(Update::Keep), Updated::Kept(current));
    assert!(matches!(decide(Update::PutWith(2, Expiry::After(SECOND))), Updated::Stored(_)));
    assert_eq!(cache.get(K), Some(2));
    assert_eq!(decide(Update::Remove), Updated::Removed);
    assert_eq!(cache.get(K), None);
    assert!(matches!(decide(Update::PutWith(3, Expiry::After(SECOND))), Updated::Stored(_)));
    clock.advance(SECOND);
    let seen = cache.fetch_update(K, at_most(1), |old| {
        assert_eq!(old, None, "what has expired is not shown");
        Update::Keep
    });
    assert_eq!(*seen.unwrap(), Updated::Kept(None));
}

/// A clock that moves on whenever it is looked at, so that a lock lapses between attempts.
struct Lapsing(ManualClock);

impl Clock for Lapsing {
    fn now(&self) -> Instant {
        self.0.advance(SECOND / 4);
        self.0.now()
    }
}

/// Loses every attempt to `rival`; the error's attempts, last refusal, and the number of calls.
fn loses(retry: Retry, rival: impl Fn(&Cache<&'static str, u64>, u64)) -> (u32, Refusal, u64) {
    let (cache, _) = cache();
    cache.insert(K, 0).expect("free");
    let mut calls = 0;
    let lost = cache.fetch_update(K, retry, |_| {
        calls += 1;
        rival(&cache, calls);
        Update::Put(1000)
    });
    let error = lost.expect_err("the rival wins every time");
    assert_ne!(cache.get(K), Some(1000));
    let (attempts, last) = (error.attempts(), error.last());
    assert_eq!(error.to_string(), format!("gave up after {attempts} attempts: {last}"));
    assert_eq!(error.into_key(), K);
    (attempts, last, calls)
}

#[test]
fn the_attempts_are_bounded() {
    let rival = |cache: &Cache<&'static str, u64>, call: u64| {
        cache.insert(K, call).expect("free");
    };
    for (retry, expected) in [
        (at_most(0), 1),
        (at_most(1), 1),
        (at_most(2), 2),
        (at_most(7), 7),
        (Retry::default().pauses(Duration::ZERO, Duration::ZERO), 10),
        (Retry::attempts(3).pauses(Duration::from_nanos(1), Duration::from_nanos(100)), 3),
    ] {
        let (attempts, last, calls) = loses(retry, rival);
        assert_eq!((attempts, calls), (expected, u64::from(expected)));
        assert!(matches!(last, Refusal::Changed { .. }), "{last:?}");
    }
}

#[test]
fn losing_to_a_removal_is_absent_and_to_an_insertion_exists() {
    let (_, last, _) = loses(at_most(1), |cache, _| assert!(cache.discard(&K).expect("free")));
    assert_eq!(last, Refusal::Absent);
    let (_, last, calls) = loses(at_most(2), |cache, call| match call {
        1 => assert!(cache.discard(&K).expect("free")),
        _ => assert!(cache.insert(K, 5).is_ok()),
    });
    assert!(matches!(last, Refusal::Exists { current: Some(_) }), "{last:?}");
    assert_eq!(calls, 2);
}

#[test]
fn a_removal_loses_like_any_other_decision() {
    let (cache, _) = cache();
    cache.insert(K, 0).unwrap();
    let mut calls = 0;
    let removed = cache.fetch_update(K, at_most(3), |_| {
        calls += 1;
        if calls < 3 {
            cache.insert(K, calls).unwrap();
        }
        Update::Remove
    });
    let removed = removed.unwrap();
    assert_eq!((*removed, removed.attempts()), (Updated::Removed, 3));
    assert_eq!((calls, cache.get(K)), (3, None));
}

#[test]
fn each_attempt_sees_the_rivals_value() {
    let (cache, _) = cache();
    cache.insert(K, 0).unwrap();
    let mut seen = Vec::new();
    cache
        .fetch_update(K, at_most(4), |old| {
            seen.push(old.copied());
            match seen.len() {
                1 => assert!(cache.insert(K, 10).is_ok()),
                2 => assert_eq!(cache.remove(K).unwrap(), Some(10)),
                3 => assert!(cache.insert(K, 30).is_ok()),
                _ => {}
            }
            Update::Put(99)
        })
        .unwrap();
    assert_eq!(seen, [Some(0), Some(10), None, Some(30)]);
    assert_eq!(cache.get(K), Some(99));
}

#[test]
fn a_key_locked_by_somebody_else_is_lost_without_asking() {
    let (cache, _) = cache();
    cache.insert(K, 1).unwrap();
    let held = cache.get_and_lock(K).unwrap();
    let error = cache.fetch_update(K, at_most(3), |_| unreachable!("it is locked")).unwrap_err();
    assert_eq!((error.attempts(), error.last()), (3, Refusal::Locked { remaining: 15 * SECOND }));
    assert_eq!(cache.stats().locks_refused, 3);
    drop(held);
    cache.fetch_update(K, at_most(1), |_| Update::Put(2)).unwrap();
}

#[test]
fn attempts_are_told_where_the_closure_was_not_asked() {
    let clock = Lapsing(ManualClock::new());
    let cache = Cache::builder().clock(clock).build().unwrap();
    cache.insert(K, 1).unwrap();
    let _held = cache.get_and_lock_for(K, 2 * SECOND).unwrap().into_cas();
    let mut calls = 0;
    let stored = cache.fetch_update(K, at_most(10), |_| {
        calls += 1;
        Update::Put(2)
    });
    assert_eq!(calls, 1);
    let attempts = stored.unwrap().attempts();
    assert!(attempts > 1, "the lock was in the way at first");
    assert_eq!(cache.stats().locks_refused, u64::from(attempts - 1));
}

#[test]
fn the_key_comes_back() {
    let cache = Cache::new();
    cache.insert(String::from("k"), 1).unwrap();
    let held = cache.get_and_lock("k").unwrap();
    let key = String::from("k");
    let address = key.as_ptr();
    let key = cache.fetch_update(key, at_most(2), |_| Update::Put(2)).unwrap_err().into_key();
    assert_eq!((key.as_str(), key.as_ptr()), ("k", address));
    drop(held);
    let key = String::from("k");
    let error = cache.fetch_update(key, at_most(3), |_| {
        cache.insert(String::from("k"), 5).unwrap();
        Update::Put(2)
    });
    assert_eq!(error.unwrap_err().into_key(), "k");
}

#[test]
fn losers_take_the_lock_and_win() {
    guarded(|| {
        for losses in [0, 1, 3] {
            let (cache, _) = cache();
            cache.insert(K, 0).unwrap();
            let mut calls = 0;
            let retry = at_most(10).then_lock(losses);
            let stored = cache.fetch_update(K, retry, |old| {
                calls += 1;
                match cache.insert(K, 100) {
                    Ok(_) => assert!(calls <= losses, "not locked yet"),
                    Err(refused) => {
                        assert!(matches!(refused.refusal(), Refusal::Locked { .. }));
                        assert_eq!(cache.get_with_cas(K).unwrap().cas(), None);
                    }
                }
                Update::Put(old.copied().unwrap() + 1)
            });
            let stored = stored.unwrap();
            assert_eq!(stored.cas(), cache.get_with_cas(K).unwrap().cas());
            assert_eq!((stored.attempts(), calls), (losses + 1, losses + 1));
            assert_eq!(cache.lock_remaining(K), None);
        }
    });
}

#[test]
fn every_decision_under_the_lock_opens_it() {
    guarded(|| {
        let retry = at_most(1).then_lock(0);
        for decision in
            [Update::Put(2), Update::PutWith(2, Expiry::Never), Update::Keep, Update::Remove]
        {
            let (cache, _) = cache();
            cache.insert(K, 1).unwrap();
            cache.fetch_update(K, retry, |_| decision).unwrap();
            assert_eq!(cache.lock_remaining(K), None);
            assert_eq!(cache.get(K).is_none(), decision == Update::Remove);
            cache.insert(K, 3).unwrap();
        }
    });
}

#[test]
fn keeping_under_the_lock_tells_the_stamp() {
    let (cache, _) = cache();
    let cas = cache.insert(K, 1).unwrap();
    let kept = cache.fetch_update(K, at_most(1).then_lock(0), |_| Update::Keep).unwrap();
    assert_eq!(*kept, Updated::Kept(Some(cas)));
}

#[test]
fn there_is_nothing_to_lock_where_the_key_is_absent() {
    guarded(|| {
        let (cache, _) = cache();
        let retry = at_most(2).then_lock(0);
        let stored = cache.fetch_update(K, retry, |old| {
            assert_eq!(old, None);
            Update::Put(1)
        });
        assert!(matches!(*stored.unwrap(), Updated::Stored(_)));
        assert_eq!((cache.get(K), cache.lock_remaining(K)), (Some(1), None));
    });
}

#[test]
fn a_lock_that_lapses_under_a_slow_closure_protects_nobody_and_loses_nothing() {
    guarded(|| {
        let (cache, clock) = cache();
        cache.insert(K, 0).unwrap();
        let mut calls = 0;
        cache
            .fetch_update(K, at_most(3).then_lock(0), |old| {
                calls += 1;
                if calls == 1 {
                    clock.advance(15 * SECOND);
                    cache.insert(K, 50).unwrap();
                }
                Update::Put(old.unwrap() + 1)
            })
            .unwrap();
        assert_eq!((cache.get(K), calls), (Some(51), 2));
    });
}

#[test]
fn an_escalated_update_waits_for_the_holder() {
    guarded(|| {
        let cache = Cache::new();
        cache.insert(K, 1).unwrap();
        let held = cache.get_and_lock(K).unwrap();
        let (begun, has_begun) = mpsc::channel();
        let updating = thread::spawn({
            let cache = cache.clone();
            move || {
                begun.send(()).expect("the test waits");
                let retry = at_most(1).then_lock(0);
                cache.fetch_update(K, retry, |old| Update::Put(old.unwrap_or(&0) * 10)).map(|_| ())
            }
        });
        has_begun.recv().unwrap();
        held.write(7).unwrap();
        assert!(updating.join().unwrap().is_ok());
        assert_eq!(cache.get(K), Some(70));
    });
}

#[test]
fn many_threads_that_take_turns_need_few_attempts() {
    const THREADS: usize = 8;
    const ROUNDS: u64 = 200;
    guarded(|| {
        let cache = Cache::<&str, String>::new();
        cache.insert(K, String::from("0")).unwrap();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let next = |old: Option<&String>| {
                            let old: u64 = old.and_then(|old| old.parse().ok()).expect("a number");
                            Update::Put((old + 1).to_string())
                        };
                        cache.fetch_update(K, Retry::attempts(1000).then_lock(2), next).unwrap();
                    }
                });
            }
        });
        assert_eq!(cache.get(K), Some((THREADS as u64 * ROUNDS).to_string()));
    });
}

/// Nobody else's write can make it lighter.
#[test]
fn what_is_too_heavy_is_not_tried_again() {
    let weigh = |_: &&str, value: &u32| *value;
    let cache = Cache::builder().max_weight(10, weigh).build().unwrap();
    cache.insert("k", 1).unwrap();
    let error = cache.fetch_update("k", Retry::attempts(10), |_| Update::Put(11)).unwrap_err();
    assert_eq!((error.attempts(), error.last()), (1, Refusal::TooHeavy { weight: 11, max: 10 }));
}
