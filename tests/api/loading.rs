//! Loaders: one load of a key at a time, and what becomes of those who wait.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use caskade::{BuildError, Cache, Expiry, Loaded, ManualClock, Update};

use crate::support::guarded::guarded;
use crate::support::polling::Polled;
use crate::support::settle::settles;

const SECOND: Duration = Duration::from_secs(1);

/// A future that is pending until it is told its value, and never wakes anybody.
fn told<T>(receiver: &mpsc::Receiver<T>) -> impl Future<Output = T> + '_ {
    std::future::poll_fn(|_| match receiver.try_recv() {
        Ok(value) => std::task::Poll::Ready(value),
        Err(_) => std::task::Poll::Pending,
    })
}

#[test]
fn a_load_is_stored_and_not_repeated() {
    let cache: Cache<String, usize> = Cache::new();
    assert_eq!(cache.get_or_load("four", |text| text.len()), 4);
    assert_eq!(cache.get_or_load("four", |_| unreachable!()), 4);
    assert_eq!(cache.get("four"), Some(4));
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.hits, stats.misses, stats.writes), (1, 2, 1, 1));
    cache.validate();
}

#[test]
fn a_failed_load_stores_nothing_and_the_next_one_loads() {
    let cache: Cache<u32, u32> = Cache::new();
    assert_eq!(cache.try_get_or_load(&1, |_| Err::<u32, _>("down")), Err("down"));
    assert_eq!(cache.get(&1), None);
    assert_eq!(cache.try_get_or_load(&1, |_| Ok::<_, &str>(1)), Ok(1));
    let panicked = catch_unwind(AssertUnwindSafe(|| cache.get_or_load(&2, |_| panic!("loader"))));
    assert!(panicked.is_err());
    assert_eq!(cache.get_or_load(&2, |_| 2), 2);
}

#[test]
fn the_loader_says_how_long_its_value_is_good_for() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).time_to_live(9 * SECOND).build().unwrap();
    let load = |key: &u32| {
        Ok::<_, Infallible>(match key {
            1 => Loaded::new(1),
            2 => Loaded::new(2).expires_after(SECOND),
            3 => Loaded::new(3).expiry(Expiry::Never),
            _ => Loaded::uncached(4),
        })
    };
    for key in 1..=4 {
        assert_eq!(cache.try_get_or_load(&key, load), Ok(key));
    }
    assert_eq!(cache.get_many(&[1, 2, 3, 4]), [Some(1), Some(2), Some(3), None]);
    clock.advance(SECOND);
    assert_eq!(cache.get_many(&[1, 2, 3]), [Some(1), None, Some(3)]);
    clock.advance(8 * SECOND);
    assert_eq!(cache.get_many(&[1, 2, 3]), [None, None, Some(3)]);
}

#[test]
fn many_threads_load_once() {
    guarded(|| {
        let cache: Cache<u32, u32> = Cache::new();
        let loads = AtomicUsize::new(0);
        let (arrived, arrivals) = mpsc::channel();
        thread::scope(|scope| {
            let (cache, loads) = (&cache, &loads);
            let leader = scope.spawn(move || {
                cache.get_or_load(&1, |_| {
                    // Not before all others wait; the statistics tell of their misses.
                    for _ in 0..7 {
                        arrivals.recv().unwrap();
                    }
                    while cache.stats().misses < 8 {
                        thread::yield_now();
                    }
                    loads.fetch_add(1, Ordering::SeqCst);
                    17
                })
            });
            while cache.stats().loads == 0 {
                thread::yield_now();
            }
            for _ in 0..7 {
                let arrived = arrived.clone();
                scope.spawn(move || {
                    arrived.send(()).unwrap();
                    let value = cache.get_or_load(&1, |_| {
                        loads.fetch_add(1, Ordering::SeqCst);
                        18
                    });
                    assert_eq!(value, 17);
                });
            }
            assert_eq!(leader.join().unwrap(), 17);
        });
        assert_eq!(loads.into_inner(), 1);
    });
}

#[test]
fn followers_of_a_failed_load_load_themselves() {
    let cache: Cache<u32, u32> = Cache::new();
    let (tell, told_by) = mpsc::channel();
    let mut leader = Polled::new(cache.try_get_or_load_async(&1, |_| told(&told_by)));
    let mut first = Polled::new(cache.try_get_or_load_async(&1, |_| ready(Err::<u32, _>("first"))));
    let mut second = Polled::new(cache.try_get_or_load_async(&1, |_| ready(Ok::<_, &str>(2))));
    assert!(leader.poll().is_none() && first.poll().is_none() && second.poll().is_none());
    tell.send(Err::<u32, _>("leader")).unwrap();
    assert_eq!(leader.poll(), Some(Err("leader")));
    assert_eq!((first.wakes(), second.wakes()), (1, 1));
    assert_eq!(first.poll(), Some(Err("first")), "each meets its own error");
    assert_eq!(second.poll(), Some(Ok(2)));
    assert_eq!(cache.get(&1), Some(2));
}

#[test]
fn a_dropped_leader_hands_over() {
    let cache: Cache<u32, u32> = Cache::new();
    let mut leader = Polled::new(cache.get_or_load_async(&1, |_| pending()));
    let mut follower = Polled::new(cache.get_or_load_async(&1, |_| ready(2)));
    assert!(leader.poll().is_none() && follower.poll().is_none());
    drop(leader);
    assert_eq!(follower.wakes(), 1);
    assert_eq!(follower.poll(), Some(2));
}

#[test]
fn a_leader_that_nobody_polls_holds_nobody_up_for_ever() {
    let clock = ManualClock::new();
    let cache: Cache<u32, u32> =
        Cache::builder().clock(clock.clone()).load_time(3 * SECOND).build().unwrap();
    let (tell, told_by) = mpsc::channel();
    let mut leader = Polled::new(cache.get_or_load_async(&1, |_| told(&told_by)));
    let mut follower = Polled::new(cache.get_or_load_async(&1, |_| ready(2)));
    let mut late = Polled::new(cache.get_or_load_async(&1, |_| ready(3)));
    assert!(leader.poll().is_none() && follower.poll().is_none());
    clock.advance(3 * SECOND - Duration::from_nanos(1));
    assert!(follower.poll().is_none());
    clock.advance(Duration::from_nanos(1));
    assert_eq!(follower.wakes(), 1);
    assert_eq!(follower.poll(), Some(2));
    assert_eq!(late.poll(), Some(2));
    tell.send(1).unwrap();
    assert_eq!(leader.poll(), Some(1), "its own value, but the other one is stored");
    assert_eq!(cache.get(&1), Some(2));
}

#[test]
fn who_comes_before_an_invalidation_and_who_comes_after() {
    let invalidations: &[fn(&Cache<u32, &'static str>)] = &[
        |c| _ = c.invalidate(&1),
        |c| c.invalidate_all(),
        |c| _ = c.invalidate_if(|_, _| false),
        |c| _ = c.remove(&1).unwrap(),
        |c| {
            c.insert(1, "written").unwrap();
            c.invalidate(&1);
        },
    ];
    for invalidate in invalidations {
        let cache = Cache::new();
        let (tell, told_by) = mpsc::channel();
        let mut leader = Polled::new(cache.get_or_load_async(&1, |_| told(&told_by)));
        let mut before = Polled::new(cache.get_or_load_async(&1, |_| ready("never run")));
        assert!(leader.poll().is_none() && before.poll().is_none());
        invalidate(&cache);
        let mut after = Polled::new(cache.get_or_load_async(&1, |_| ready("new")));
        assert_eq!(after.poll(), Some("new"));
        tell.send("old").unwrap();
        assert_eq!(leader.poll(), Some("old"));
        assert_eq!(before.poll(), Some("old"));
        assert_eq!(cache.get(&1), Some("new"));
    }
}

#[test]
fn a_loader_that_asks_for_its_own_key_gets_an_answer() {
    let cache: Cache<u32, u32> = Cache::new();
    let value = cache.get_or_load(&1, |_| cache.get_or_load(&1, |_| 20) + 1);
    assert_eq!((value, cache.get(&1)), (21, Some(21)));
    let value =
        cache.get_or_load(&2, |_| cache.get_or_load(&3, |_| cache.get_or_load(&2, |_| 5) + 1) + 1);
    assert_eq!((value, cache.get(&2), cache.get(&3)), (7, Some(7), Some(6)));
    let inner = async |_: &u32| cache.get_or_load_async(&4, |_| ready(5)).await + 1;
    assert_eq!(Polled::new(cache.get_or_load_async(&4, inner)).poll(), Some(6));
    let values = cache.get_many_or_load(&[5, 6], |missing| {
        let five = cache.get_or_load(&5, |_| 50);
        missing.iter().map(|&&key| (key, key + five)).collect::<Vec<_>>()
    });
    assert_eq!(values, [Some(55), Some(56)]);
}

#[test]
fn inside_an_update_a_load_is_not_stored() {
    let cache = Cache::new();
    cache.insert(1, 10).unwrap();
    cache
        .update(2, |_| {
            assert_eq!(cache.get_or_load(&1, |_| unreachable!("it is there")), 10);
            Update::Put(cache.get_or_load(&3, |_| 30))
        })
        .unwrap();
    assert_eq!(cache.get_many(&[1, 2, 3]), [Some(10), Some(30), None]);
}

#[test]
fn a_stale_value_is_refreshed_by_the_first_and_served_to_the_others() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).grace(10 * SECOND).build().unwrap();
    cache.insert_with(1, "old", Expiry::After(SECOND)).unwrap();
    clock.advance(SECOND);
    let (tell, told_by) = mpsc::channel();
    let mut refresh = Polled::new(cache.get_or_load_async(&1, |_| told(&told_by)));
    assert!(refresh.poll().is_none());
    let mut other = Polled::new(cache.get_or_load_async(&1, |_| ready("never run")));
    assert_eq!(other.poll(), Some("old"));
    assert_eq!(cache.get_or_load(&1, |_| unreachable!()), "old");
    tell.send("new").unwrap();
    assert_eq!(refresh.poll(), Some("new"));
    assert_eq!(cache.get(&1), Some("new"));

    cache.mark_stale(&1);
    assert_eq!(cache.try_get_or_load(&1, |_| Err::<&str, _>("down")), Err("down"));
    assert_eq!(cache.get(&1), Some("new"), "still there");
    assert_eq!(cache.get_or_load(&1, |_| "newest"), "newest");
}

#[test]
fn many_keys_are_loaded_together_and_each_once() {
    let cache: Cache<String, usize> = Cache::new();
    cache.insert("b".into(), 1).unwrap();
    let calls = Cell::new(0);
    let values = cache.get_many_or_load(["a", "b", "ccc", "a", "none"], |missing| {
        calls.set(calls.get() + 1);
        assert_eq!(missing, ["a", "ccc", "none"]);
        let found = missing.iter().filter(|key| **key != "none");
        let mut pairs: Vec<_> = found.map(|key| (String::from(*key), key.len())).collect();
        pairs.reverse();
        pairs.push((String::from("unasked"), 7));
        pairs
    });
    assert_eq!(values, [Some(1), Some(1), Some(3), Some(1), None]);
    assert_eq!(calls.get(), 1);
    assert_eq!(cache.get("unasked"), None);
    assert_eq!(cache.len(), 3);
}

#[test]
fn a_batch_waits_for_what_others_load() {
    let cache: Cache<u32, u32> = Cache::new();
    let (tell, told_by) = mpsc::channel();
    let mut single = Polled::new(cache.get_or_load_async(&2, |_| told(&told_by)));
    assert!(single.poll().is_none());
    let load = |missing: &[&u32]| {
        let keys: Vec<u32> = missing.iter().map(|&&key| key).collect();
        ready(Ok::<_, Infallible>(keys.into_iter().map(|key| (key, 10 * key))))
    };
    let mut batch = Polled::new(cache.try_get_many_or_load_async(&[1, 2, 3], load));
    assert_eq!(batch.poll(), None);
    assert_eq!(cache.get(&1), Some(10), "its own share has landed");
    tell.send(7).unwrap();
    assert_eq!(single.poll(), Some(7));
    assert_eq!(batch.poll(), Some(Ok(vec![Some(10), Some(7), Some(30)])));

    let mut single = Polled::new(cache.get_or_load_async(&4, |_| pending()));
    assert!(single.poll().is_none());
    let mut batch = Polled::new(cache.try_get_many_or_load_async(&[4, 5], load));
    assert_eq!(batch.poll(), None);
    drop(single);
    assert_eq!(batch.poll(), Some(Ok(vec![Some(40), Some(50)])), "in the other's place");
}

#[test]
fn a_batch_that_fails_stores_nothing() {
    let cache: Cache<u32, u32> = Cache::new();
    let failed = cache.try_get_many_or_load(&[1, 2], |_| Err::<Vec<(u32, u32)>, _>("down"));
    assert_eq!(failed, Err("down"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        cache.get_many_or_load(&[1, 2], |_| -> Vec<(u32, u32)> { panic!("loader") })
    }));
    assert!(panicked.is_err());
    let values = cache.get_many_or_load(&[1, 2], |_| [(1, 1), (2, 2)]);
    assert_eq!(values, [Some(1), Some(2)]);
}

#[test]
fn loads_leave_nothing_behind() {
    let cache: Cache<u32, Arc<()>> = Cache::new();
    let value = Arc::new(());
    let mut leader = Polled::new(cache.get_or_load_async(&1, |_| ready(Arc::clone(&value))));
    assert!(leader.poll().is_some());
    let mut follower = Polled::new(cache.get_or_load_async(&2, |_| pending()));
    assert!(follower.poll().is_none());
    drop((leader, follower));
    cache.clear();
    assert!(settles(|| {
        cache.reclaim();
        Arc::strong_count(&value) == 1
    }));
}

#[test]
fn a_load_time_of_zero_is_refused() {
    let builder = Cache::<u32, u32>::builder().load_time(Duration::ZERO);
    assert_eq!(builder.build().unwrap_err(), BuildError::LoadTime);
}
