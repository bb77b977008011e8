//! `retain`: what it removes, what it leaves, and who may interfere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::configs::for_each_config;
use caskade::{Cache, Cause, Expiry, ManualClock, Update};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_is_rejected_goes_and_is_counted() {
    for_each_config(
        |builder| builder,
        |cache| {
            for key in 0..300u64 {
                cache.insert(key, key.to_string()).unwrap();
            }
            assert_eq!(cache.retain(|_, _| true), 0);
            assert_eq!(cache.len(), 300);
            let removed = cache.retain(|key, value| {
                assert_eq!(key.to_string(), *value);
                key % 3 == 0
            });
            assert_eq!((removed, cache.len()), (200, 100));
            assert!((0..300).all(|key| cache.contains_key(&key) == (key % 3 == 0)));
            cache.validate();
            assert_eq!(cache.retain(|_, _| false), 100);
            assert!(cache.is_empty());
        },
    );
}

#[test]
fn each_entry_of_a_cache_at_rest_is_judged_once() {
    let cache = Cache::new();
    for key in 0..5000 {
        cache.insert(key, 0).unwrap();
    }
    let mut judged = vec![0; 5000];
    // So many removals shrink tables in the middle of the walk.
    cache.retain(|key, _| {
        judged[*key] += 1;
        key % 100 == 0
    });
    assert!(judged.iter().all(|times| *times == 1));
    cache.validate();
}

#[test]
fn locked_entries_stay_and_lapsed_ones_do_not() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().unwrap();
    for key in 0..3 {
        cache.insert(key, key).unwrap();
    }
    let held = cache.get_and_lock_for(&1, SECOND).unwrap();
    assert_eq!(cache.retain(|_, _| false), 2);
    assert_eq!(cache.get(&1), Some(1));
    assert_eq!(cache.stats().locks_refused, 0, "nobody was refused anything");
    clock.advance(SECOND);
    assert_eq!(cache.retain(|_, _| false), 1);
    assert!(cache.compare_and_swap(&1, held.cas(), 5).is_err());
}

#[test]
fn expired_entries_are_neither_judged_nor_counted() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().unwrap();
    cache.insert_with(1, 1, Expiry::After(SECOND)).unwrap();
    cache.insert(2, 2).unwrap();
    clock.advance(SECOND);
    assert_eq!(cache.retain(|key, _| *key != 2 && panic!("{key} is not there")), 1);
    // One that expires while it is judged is not removed by us either.
    cache.insert_with(3, 3, Expiry::After(SECOND)).unwrap();
    let removed = cache.retain(|_, _| {
        clock.advance(SECOND);
        false
    });
    assert_eq!((removed, cache.get(&3)), (0, None));
}

#[test]
fn what_was_written_meanwhile_is_judged_again() {
    for_each_config(
        |builder| builder,
        |cache| {
            for key in 0..20u64 {
                cache.insert(key, 0u64).unwrap();
            }
            // The first look at each rejects, but somebody writes before it can be removed.
            let removed = cache.retain(|key, value| {
                if *value == 0 {
                    cache.insert(*key, key % 2 + 1).unwrap();
                    return false;
                }
                *value == 2
            });
            assert_eq!((removed, cache.len()), (10, 10));
            assert!((0..20).all(|key| cache.get(&key) == (key % 2 == 1).then_some(2)));
        },
    );
}

#[test]
fn what_was_removed_or_replaced_meanwhile_is_not_ours() {
    let cache = Cache::new();
    cache.insert(1, String::from("a")).unwrap();
    let removed = cache.retain(|key, _| {
        assert!(cache.discard(key).unwrap());
        false
    });
    assert_eq!(removed, 0);
    cache.insert(1, String::from("a")).unwrap();
    let removed = cache.retain(|key, value| {
        if value == "a" {
            cache.discard(key).unwrap();
            cache.insert(*key, String::from("b")).unwrap();
        }
        value == "b"
    });
    assert_eq!((removed, cache.get(&1).as_deref()), (0, Some("b")));
}

#[test]
fn a_touch_counts_as_a_write() {
    let cache = Cache::new();
    cache.insert(1, 1).unwrap();
    let mut looks = 0;
    let removed = cache.retain(|key, _| {
        looks += 1;
        if looks == 1 {
            cache.touch(key, Expiry::After(SECOND)).unwrap();
        }
        looks > 1
    });
    assert_eq!((removed, looks, cache.len()), (0, 2, 1));
}

#[test]
fn a_panic_in_the_closure_leaves_the_cache_sound() {
    let cache = Cache::builder().max_entries(500).stripes(1).build().unwrap();
    for key in 0..100 {
        cache.insert_with(key, key.to_string(), Expiry::After(100 * SECOND)).unwrap();
    }
    let mut looks = 0;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        cache.retain(|_, _| {
            looks += 1;
            assert!(looks <= 40, "on purpose");
            false
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(cache.len(), 60);
    cache.validate();
    cache.insert(100, String::from("again")).unwrap();
    assert_eq!(cache.retain(|_, value| value == "again"), 60);
    cache.validate();
}

#[test]
fn the_listener_is_told_that_they_were_removed() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&log);
    let cache = Cache::builder()
        .removal_listener(move |removal| {
            lines.lock().unwrap().push((*removal.key(), *removal.value(), removal.cause()));
        })
        .build()
        .unwrap();
    for key in 0..4 {
        cache.insert(key, key * 10).unwrap();
    }
    assert_eq!(cache.retain(|key, _| key % 2 == 0), 2);
    let mut log = log.lock().unwrap();
    log.sort_by_key(|line| line.0);
    assert_eq!(*log, [(1, 10, Cause::Removed), (3, 30, Cause::Removed)]);
}

#[test]
fn a_weighted_cache_gets_its_room_back() {
    let cache = Cache::builder().max_weight(1000, |_, w: &u32| *w).stripes(1).build().unwrap();
    for key in 0..20 {
        cache.insert_with(key, 40, Expiry::After(SECOND)).unwrap();
    }
    let removed = cache.retain(|key, _| *key >= 15);
    assert_eq!(cache.stats().weight, 40 * cache.len() as u64);
    assert_eq!(removed, 15);
    cache.validate();
}

#[test]
fn inside_an_update_it_is_refused_even_if_nothing_is_there() {
    let cache: Cache<u32, u32> = Cache::new();
    let inside = catch_unwind(AssertUnwindSafe(|| {
        cache.update(1, |_| {
            cache.retain(|_, _| true);
            Update::Keep
        })
    }));
    assert!(inside.is_err());
    assert_eq!(cache.retain(|_, _| true), 0);
}

/// No acknowledged write is undone: a number that is only ever raised past the threshold stays.
#[test]
fn writes_of_other_threads_are_not_lost() {
    let cache = Cache::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..200u64 {
                for key in 0..50u64 {
                    cache.insert(key, 0).unwrap();
                    cache.insert(key, round + 1).unwrap(); // from here on nobody may remove it
                    assert_eq!(cache.remove(&key).unwrap(), Some(round + 1));
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            cache.retain(|_, value| *value > 0);
        }
    });
    cache.validate();
}
