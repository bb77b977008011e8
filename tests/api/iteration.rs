//! Iteration: what it shows of a cache at rest, and what it promises of one that changes.
//!
//! Iteration during churn for a long time is in `stress.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::configs::for_each_config;
use caskade::Cache;

fn filled<S: std::hash::BuildHasher>(
    cache: &Cache<u64, String, S>,
    keys: u64,
) -> BTreeMap<u64, String> {
    let entries = (0..keys).map(|key| (key, format!("value {key}")));
    entries
        .inspect(|(key, value)| {
            cache.insert(*key, value.clone()).expect("free");
        })
        .collect()
}

#[test]
fn a_cache_at_rest_is_shown_exactly() {
    for_each_config(
        |builder| builder,
        |cache| {
            assert_eq!(cache.iter().count(), 0);
            let expected = filled(&cache, 300);
            let shown: Vec<_> = cache.iter().map(|(key, v)| (key, v.into_value())).collect();
            assert_eq!(shown.len(), 300, "nothing twice");
            assert_eq!(shown.into_iter().collect::<BTreeMap<_, _>>(), expected);
            let session = cache.pin();
            let shown: Vec<_> = session.iter().map(|(key, v)| (*key, v.clone())).collect();
            assert_eq!(shown.len(), 300);
            assert_eq!(shown.into_iter().collect::<BTreeMap<_, _>>(), expected);
        },
    );
}

#[test]
fn stamps_come_along_and_those_of_locked_entries_do_not() {
    let cache = Cache::new();
    let open = cache.insert(1, 10).unwrap();
    cache.insert(2, 20).unwrap();
    let held = cache.get_and_lock(&2).unwrap();
    let shown: HashMap<_, _> = cache.iter().map(|(key, v)| (key, (*v, v.cas()))).collect();
    assert_eq!(shown, HashMap::from([(1, (10, Some(open))), (2, (20, None))]));
    drop(held);
    assert!(cache.iter().all(|(_, v)| v.cas().is_some()));
}

#[test]
fn an_iterator_may_be_abandoned_or_kept_while_the_cache_changes() {
    for_each_config(
        |builder| builder,
        |cache| {
            filled(&cache, 100);
            let mut entries = cache.iter();
            let first = entries.next().unwrap();
            cache.clear();
            filled(&cache, 200);
            assert!(entries.count() <= 200);
            assert!(first.0 < 100);
            drop(cache.iter());
        },
    );
}

#[test]
fn removing_while_iterating_removes_all() {
    for_each_config(
        |builder| builder,
        |cache| {
            filled(&cache, 300);
            for (key, _) in cache.iter() {
                assert!(cache.discard(&key).unwrap());
            }
            assert!(cache.is_empty());
        },
    );
}

#[test]
fn a_session_shows_entries_that_go_while_it_looks_without_harm() {
    let cache = Cache::builder().stripes(1).build().unwrap();
    filled(&cache, 100);
    let session = cache.pin();
    let mut entries = session.iter();
    let (key, value) = entries.next().unwrap();
    cache.clear();
    cache.reclaim();
    filled(&cache, 1000);
    assert_eq!(*value, format!("value {key}"));
    // It goes on in the table it began with.
    assert_eq!(entries.map(|(key, value)| assert_eq!(*value, format!("value {key}"))).count(), 99);
}

/// Iterates again and again while `disturb` runs beside it, and expects the stable keys exactly
/// once each time.
fn stable_keys_appear_exactly_once(
    stripes: usize,
    disturb: impl Fn(&Cache<u64, String>, u64) + Sync,
) {
    const STABLE: u64 = 500;
    let cache = Cache::builder().stripes(stripes).build().expect("valid");
    let expected = filled(&cache, STABLE);
    let (start, done) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            for round in 0..30 {
                disturb(&cache, round);
            }
            done.store(true, Ordering::SeqCst);
        });
        start.wait();
        let mut last = false;
        while !last {
            last = done.load(Ordering::SeqCst);
            let mut seen = HashMap::new();
            for (key, value) in cache.iter().filter(|(key, _)| *key < STABLE) {
                assert_eq!(expected.get(&key), Some(value.value()));
                *seen.entry(key).or_insert(0) += 1;
            }
            assert_eq!(seen.len(), expected.len(), "a stable key was missed");
            assert!(seen.values().all(|&times| times == 1), "a stable key came twice");
            let session = cache.pin();
            let stable = session.iter().filter(|(key, _)| **key < STABLE);
            let mut keys: Vec<_> = stable.map(|(key, _)| *key).collect();
            keys.sort_unstable();
            assert!(keys.into_iter().eq(0..STABLE), "each stable key once in a session too");
        }
    });
}

#[test]
fn growth_hides_no_stable_key_and_shows_none_twice() {
    for stripes in [1, 16] {
        stable_keys_appear_exactly_once(stripes, |cache, round| {
            for key in 0..300 {
                cache.insert(1000 + 300 * round + key, String::from("new")).expect("free");
            }
        });
    }
}

#[test]
fn churn_hides_no_stable_key_and_shows_none_twice() {
    for stripes in [1, 16] {
        stable_keys_appear_exactly_once(stripes, |cache, _| {
            for key in 1000..1300 {
                cache.insert(key, String::from("new")).expect("free");
            }
            for key in 1000..1300 {
                cache.discard(&key).expect("free");
            }
        });
    }
}

#[test]
fn overwriting_hides_no_stable_key_and_shows_none_twice() {
    stable_keys_appear_exactly_once(4, |cache, _| {
        for key in 0..500 {
            cache.insert(key, format!("value {key}")).expect("free");
        }
    });
}
