//! `drain`: entries are removed one by one, and each is yielded once.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::configs::for_each_config;
use caskade::{Cache, Cause, Expiry, ManualClock, Update};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn everything_is_yielded_once_and_gone() {
    for_each_config(
        |builder| builder,
        |cache| {
            let mut expected = BTreeMap::new();
            for key in 0..300u64 {
                let cas = cache.insert(key, key.to_string()).unwrap();
                expected.insert(key, (key.to_string(), cas));
            }
            let yielded: Vec<_> =
                cache.drain().map(|(key, v)| (key, (v.to_string(), v.cas().unwrap()))).collect();
            assert_eq!(yielded.len(), 300, "nothing twice");
            assert_eq!(yielded.into_iter().collect::<BTreeMap<_, _>>(), expected);
            assert!(cache.is_empty());
            cache.validate();
        },
    );
}

#[test]
fn what_is_not_yielded_stays() {
    for_each_config(
        |builder| builder,
        |cache| {
            for key in 0..300u64 {
                cache.insert(key, key).unwrap();
            }
            drop(cache.drain());
            assert_eq!(cache.len(), 300);
            let mut drain = cache.drain();
            for yielded in 1..=100 {
                let (key, _) = drain.next().unwrap();
                assert!(!cache.contains_key(&key));
                assert_eq!(cache.len(), 300 - yielded);
            }
            drop(drain);
            assert_eq!(cache.len(), 200);
        },
    );
}

#[test]
fn an_end_is_an_end() {
    let cache = Cache::new();
    cache.insert(1, 1).unwrap();
    let mut drain = cache.drain();
    assert!(drain.next().is_some());
    assert!(drain.next().is_none());
    cache.insert(2, 2).unwrap();
    assert!(drain.next().is_none());
}

#[test]
fn locked_and_expired_entries_are_skipped() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).stripes(1).build().unwrap();
    for key in 0..10 {
        cache.insert_with(key, key, Expiry::After(SECOND * (1 + key % 2))).unwrap();
    }
    let held = cache.get_and_lock(&3).unwrap();
    let mut drain = cache.drain();
    let (first, _) = drain.next().unwrap();
    clock.advance(SECOND);
    let mut yielded: Vec<_> = drain.map(|(key, _)| key).chain([first]).collect();
    yielded.sort_unstable();
    let mut expected: Vec<_> = [1, 5, 7, 9, first].into();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(yielded, expected);
    cache.unlock(&3, held.cas()).unwrap();
    assert_eq!(cache.drain().count(), 1);
}

#[test]
fn it_yields_the_last_state_and_leaves_what_others_remove() {
    let cache = Cache::builder().stripes(1).build().unwrap();
    for key in 0..20 {
        cache.insert(key, String::from("old")).unwrap();
    }
    let mut drain = cache.drain();
    let (first, _) = drain.next().unwrap();
    let others: Vec<_> = (0..20).filter(|key| *key != first).collect();
    for key in &others[..10] {
        assert!(cache.discard(key).unwrap());
    }
    for key in &others[10..] {
        cache.insert(*key, String::from("new")).unwrap();
    }
    let mut yielded: Vec<_> = drain.map(|(key, value)| (key, value.into_value())).collect();
    yielded.sort();
    let expected: Vec<_> = others[10..].iter().map(|key| (*key, String::from("new"))).collect();
    assert_eq!(yielded, expected);
}

#[test]
fn the_listener_is_told_of_each() {
    let causes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&causes);
    let cache = Cache::builder()
        .removal_listener(move |removal| seen.lock().unwrap().push(removal.cause()))
        .build()
        .unwrap();
    for key in 0..3 {
        cache.insert(key, key).unwrap();
    }
    assert_eq!(cache.drain().take(2).count(), 2);
    assert_eq!(*causes.lock().unwrap(), [Cause::Removed; 2]);
}

#[test]
fn a_panic_in_clone_costs_one_entry() {
    #[derive(Debug)]
    struct Fragile(u32);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert_ne!(self.0, 3, "on purpose");
            Self(self.0)
        }
    }
    let cache = Cache::builder().max_entries(100).build().unwrap();
    for key in 0..10 {
        cache.insert(key, Fragile(key)).unwrap();
    }
    let mut drain = cache.drain();
    let mut yielded = 0;
    loop {
        match catch_unwind(AssertUnwindSafe(|| drain.next())) {
            Ok(Some((key, _))) => {
                assert_ne!(key, 3);
                yielded += 1;
            }
            Ok(None) => break,
            Err(_) => cache.validate(),
        }
    }
    assert_eq!((yielded, cache.len()), (9, 0));
}

#[test]
fn inside_an_update_it_panics_and_changes_nothing() {
    let cache = Cache::new();
    cache.insert(1, 1).unwrap();
    let inside = catch_unwind(AssertUnwindSafe(|| {
        cache.update(2, |_| {
            let _ = cache.drain().next();
            Update::Keep
        })
    }));
    assert!(inside.is_err());
    assert_eq!(cache.get(&1), Some(1));
}

/// Every insertion of a number that was never there before comes out at one of the drains.
#[test]
fn nothing_is_lost_or_doubled_between_threads() {
    const EACH: u64 = 5000;
    let cache = Cache::new();
    let done = AtomicBool::new(false);
    let yielded = Mutex::new(Vec::new());
    let drain = || {
        let mut own = Vec::new();
        loop {
            let last = done.load(Ordering::Acquire);
            own.extend(cache.drain().map(|(_, value)| *value));
            if last {
                break;
            }
        }
        yielded.lock().unwrap().extend(own);
    };
    thread::scope(|scope| {
        let drains = [scope.spawn(drain), scope.spawn(drain)];
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..EACH {
                        let unique = writer * EACH + n;
                        // The key comes again and again; whoever finds it there waits.
                        while cache.add(unique % 97, unique).is_err() {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Release);
        drains.into_iter().for_each(|drain| drain.join().unwrap());
    });
    let mut yielded = yielded.into_inner().unwrap();
    yielded.sort_unstable();
    assert!(yielded.into_iter().eq(0..2 * EACH));
    cache.validate();
}
