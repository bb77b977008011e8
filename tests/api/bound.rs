//! Bounded caches: the bound holds at every instant, and who goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::guarded::guarded;
use caskade::{BuildError, Cache, Cause, Expiry, ManualClock, Refusal, Update};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn bytes_of_keys_values_and_headers_count() {
    let cache = Cache::<String, Vec<u8>>::builder().max_bytes(10_000).stripes(1).build().unwrap();
    cache.insert("k".repeat(10), vec![0; 100]).unwrap();
    let stats = cache.stats();
    assert_eq!(stats.weight, 10 + 100 + stats.entry_bytes + 46);
    let refused = cache.insert("k".repeat(10_000), Vec::new()).unwrap_err();
    assert!(matches!(refused.refusal(), Refusal::TooHeavy { max: 10_000, .. }));
    for n in 0..1000 {
        cache.insert(n.to_string(), vec![0; n % 300]).unwrap();
        assert!(cache.stats().weight <= 10_000);
    }
    cache.validate();
}

#[test]
fn a_full_cache_stays_full_and_within_its_bound() {
    for max in [1, 2, 3, 10, 255, 256, 1000, 5000] {
        let cache = Cache::builder().max_entries(max).build().unwrap();
        for key in 0..3 * max {
            cache.insert(key, key.to_string()).unwrap();
            assert!(cache.len() as u64 <= max, "{} of {max}", cache.len());
        }
        cache.validate();
        assert!(cache.len() as u64 >= max - max / 50, "{} of {max}", cache.len());
        let stats = cache.stats();
        assert_eq!((stats.bound, stats.weight), (Some(max), cache.len() as u64));
        assert_eq!(stats.evicted, 3 * max - cache.len() as u64);
        assert_eq!(stats.evicted_weight, stats.evicted);
    }
}

#[test]
fn a_bound_of_nothing_is_an_error() {
    let nothing = Cache::<u32, u32>::builder().max_entries(0).build();
    assert_eq!(nothing.unwrap_err(), BuildError::Bound);
    let nothing = Cache::<u32, u32>::builder().max_weight(0, |_, _| 1).build();
    assert_eq!(nothing.unwrap_err(), BuildError::Bound);
}

#[test]
fn those_that_are_taken_out_in_several_turns_are_all_counted() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).stripes(1).build().unwrap();
    for key in 0..5000 {
        cache.insert_with(key, key, Expiry::After(SECOND)).unwrap();
    }
    clock.advance(SECOND);
    assert_eq!((cache.expire_due(), cache.stats().expired), (5000, 5000));
}

#[test]
fn what_is_used_stays() {
    let cache = Cache::builder().max_entries(200).build().unwrap();
    for key in 0..10_000u64 {
        cache.insert(key, key).unwrap();
        for kept in 0..20 {
            assert!(key < kept || cache.get(&kept).is_some(), "{kept} went at {key}");
        }
    }
}

/// A cache of one stripe that weighs numbers by themselves.
fn scale(max: u64) -> Cache<u64, u64> {
    let weigh = |_: &u64, value: &u64| u32::try_from(*value).unwrap_or(u32::MAX);
    Cache::builder().max_weight(max, weigh).stripes(1).build().expect("valid settings")
}

#[test]
fn weights_add_up_and_stay_within_the_bound() {
    let cache = scale(100);
    for key in 0..1000 {
        cache.insert(key, key % 37).unwrap();
        let stats = cache.stats();
        assert!(stats.weight <= 100);
        let sum: u64 = cache.iter().map(|(_, value)| *value).sum();
        assert_eq!(stats.weight, sum);
    }
    cache.validate();
}

#[test]
fn a_value_beyond_the_bound_comes_back() {
    let cache = scale(100);
    let cas = cache.insert(1, 60).unwrap();
    let heavy = Refusal::TooHeavy { weight: 101, max: 100 };
    let refused = cache.insert(1, 101).unwrap_err();
    assert_eq!((refused.refusal(), refused.into_rejected()), (heavy, (1, 101)));
    let refused = cache.insert(2, 101).unwrap_err();
    assert_eq!((refused.refusal(), refused.into_rejected()), (heavy, (2, 101)));
    let refused = cache.compare_and_swap(&1, cas, 101).unwrap_err();
    assert_eq!((refused.refusal(), refused.into_rejected()), (heavy, 101));
    let refused = cache.update(1, |_| Update::Put(101)).unwrap_err();
    assert_eq!((refused.refusal(), refused.into_rejected()), (heavy, 1));
    assert!(cache.increment_or_insert(3, 1, 101, Expiry::Default).is_err());
    assert_eq!(cache.get_with_cas(&1).unwrap().cas(), Some(cas));
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_heavier_value_makes_others_go_but_not_itself() {
    let cache = scale(100);
    for key in 0..10 {
        cache.insert(key, 10).unwrap();
    }
    cache.insert(3, 95).unwrap();
    assert_eq!(cache.get(&3), Some(95));
    assert_eq!(cache.len(), 1);
    cache.insert(3, 5).unwrap();
    assert_eq!(cache.stats().weight, 5);
    cache.validate();
}

#[test]
fn what_weighs_nothing_is_pinned() {
    let cache = scale(50);
    cache.insert(0, 0).unwrap();
    for key in 1..1000 {
        cache.insert(key, 10).unwrap();
    }
    assert_eq!(cache.get(&0), Some(0));
    // It loses the privilege with its weight, and another gets it.
    cache.insert(0, 40).unwrap();
    cache.insert(999, 0).unwrap();
    for key in 1000..2000 {
        cache.insert(key, 45).unwrap();
    }
    assert_eq!((cache.get(&0), cache.get(&999)), (None, Some(0)));
    cache.validate();
}

/// Heavier than the share of any stripe.
#[test]
fn a_heavy_value_finds_room_at_the_expense_of_all() {
    let weigh = |_: &u64, value: &u64| u32::try_from(*value).unwrap_or(u32::MAX);
    let cache: Cache<u64, u64> =
        Cache::builder().max_weight(16_384, weigh).initial_entries(16_384).build().unwrap();
    for round in 0..50 {
        for key in 0..20_000 {
            cache.insert(key, 1).unwrap();
        }
        assert!(cache.stats().weight > 15_000, "round {round}: {}", cache.stats().weight);
        cache.insert(99_999, 10_000 + 100 * round).unwrap();
        let updated = cache.update(99_998, |_| Update::Put(5_000)).unwrap();
        assert!(updated.cas().is_some());
        assert_eq!(cache.get(&99_998), Some(5_000));
        assert!(cache.stats().weight <= 16_384);
        cache.validate();
        assert!(cache.discard(&99_998).unwrap());
        let _ = cache.discard(&99_999).unwrap();
    }
}

#[test]
fn heavy_values_from_many_threads() {
    let weigh = |_: &u64, value: &u64| u32::try_from(*value).unwrap_or(u32::MAX);
    let cache: Cache<u64, u64> =
        Cache::builder().max_weight(4096, weigh).initial_entries(4096).build().unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..300 {
                    let key = thread * 1000 + round;
                    cache.insert(key, 1 + (key * 7919) % 4096).unwrap();
                }
            });
        }
    });
    // Not before: the statistics add up stripes one after the other, and room moves between them.
    assert!(cache.stats().weight <= 4096);
    cache.validate();
}

#[test]
fn locked_entries_go_last() {
    let cache = Cache::builder().max_entries(10).build().unwrap();
    let locks: Vec<_> = (0..9)
        .map(|key: u64| {
            cache.insert(key, key).unwrap();
            cache.get_and_lock(&key).unwrap()
        })
        .collect();
    for key in 100..200 {
        cache.insert(key, key).unwrap();
    }
    assert_eq!((0..9).filter(|key| cache.contains_key(key)).count(), 9);
    cache.insert(9, 9).unwrap();
    let last = cache.get_and_lock(&9).unwrap();
    cache.insert(10, 10).unwrap();
    assert_eq!(cache.len(), 10, "all were locked, so one of them had to go");
    assert_eq!(cache.get(&10), Some(10));
    let gone = locks.into_iter().chain([last]).filter_map(|lock| lock.unlock().err()).count();
    assert_eq!(gone, 1);
}

#[test]
fn a_lapsed_lock_does_not_keep_its_entry() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).max_entries(2).build().unwrap();
    for round in 0..20u64 {
        // Who comes first and who has lapsed are independent of each other.
        let (lapsed, held) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
        cache.insert(1, round).unwrap();
        cache.insert(2, round).unwrap();
        let _ = cache.get_and_lock_for(&lapsed, SECOND).unwrap().into_cas();
        clock.advance(SECOND);
        let lock = cache.get_and_lock(&held).unwrap();
        cache.insert(3, round).unwrap();
        assert_eq!((cache.get(&held), cache.get(&lapsed)), (Some(round), None));
        assert!(lock.unlock().is_ok());
        cache.clear();
    }
}

#[test]
fn the_bound_can_be_changed() {
    let cache = Cache::builder().max_entries(10_000).build().unwrap();
    for key in 0..20_000u64 {
        cache.insert(key, key).unwrap();
    }
    cache.set_bound(1000).unwrap();
    assert!(cache.len() <= 1000);
    cache.validate();
    for key in 0..20_000 {
        cache.insert(key, key).unwrap();
        assert!(cache.len() <= 1000);
    }
    assert!(cache.len() > 900);
    cache.set_bound(20_000).unwrap();
    for key in 0..40_000 {
        cache.insert(key, key).unwrap();
    }
    assert!((19_000..=20_000).contains(&cache.len()));
    assert_eq!(cache.set_bound(0), Err(BuildError::Bound));
    cache.validate();
    assert_eq!(cache.stats().bound, Some(20_000));
}

#[test]
fn expired_entries_leave_without_being_asked_for() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().unwrap();
    for key in 0..10_000 {
        cache.insert_with(key, key, Expiry::After(SECOND)).unwrap();
    }
    cache.insert(10_000, 1).unwrap();
    clock.advance(2 * SECOND);
    assert_eq!(cache.len(), 10_001);
    // Writers take a few with them each.
    for key in 20_000..40_000 {
        cache.insert_with(key, key, Expiry::After(100 * SECOND)).unwrap();
    }
    assert_eq!(cache.len(), 20_001);
    cache.validate();
    clock.advance(100 * SECOND);
    assert_eq!(cache.expire_due(), 20_000);
    assert_eq!((cache.len(), cache.stats().expired), (1, 30_000));
    cache.validate();
}

/// What a listener was told, by key.
type Log = Arc<Mutex<Vec<(u64, String, Cause)>>>;

fn listening(max: u64) -> (Cache<u64, String>, ManualClock, Log) {
    let log = Log::default();
    let clock = ManualClock::new();
    let told = Arc::clone(&log);
    let cache = Cache::<u64, String>::builder()
        .clock(clock.clone())
        .max_entries(max)
        .removal_listener(move |removal| {
            let (key, value) = (*removal.key(), removal.value().clone());
            told.lock().expect("nobody panics").push((key, value, removal.cause()));
        })
        .build()
        .expect("valid settings");
    (cache, clock, log)
}

#[test]
fn a_listener_hears_of_every_way_to_leave() {
    let (cache, clock, log) = listening(3);
    let text = |text: &str| String::from(text);
    cache.insert(1, text("a")).unwrap();
    cache.insert(1, text("b")).unwrap();
    cache.replace(&1, text("c")).unwrap();
    cache.update(1, |_| Update::Put(text("d"))).unwrap();
    assert!(cache.discard(&1).unwrap());
    cache.insert_with(2, text("e"), Expiry::After(SECOND)).unwrap();
    clock.advance(SECOND);
    assert_eq!(cache.get(&2), None);
    cache.insert_with(2, text("f"), Expiry::After(SECOND)).unwrap();
    clock.advance(SECOND);
    cache.insert(2, text("g")).unwrap();
    cache.clear();
    let expected = [
        (1, text("a"), Cause::Replaced),
        (1, text("b"), Cause::Replaced),
        (1, text("c"), Cause::Replaced),
        (1, text("d"), Cause::Removed),
        (2, text("e"), Cause::Expired),
        (2, text("f"), Cause::Expired),
        (2, text("g"), Cause::Cleared),
    ];
    assert_eq!(std::mem::take(&mut *log.lock().unwrap()), expected);
    for key in 0..10 {
        cache.insert(key, text("x")).unwrap();
    }
    let log = log.lock().unwrap();
    assert_eq!(log.iter().filter(|(.., cause)| *cause == Cause::Evicted).count(), 7);
}

#[test]
fn a_listener_may_use_the_cache_and_panic() {
    let calls = Arc::new(AtomicU64::new(0));
    let inner: Arc<Mutex<Option<Cache<u64, String>>>> = Arc::default();
    let (counter, handle) = (Arc::clone(&calls), Arc::clone(&inner));
    let cache = Cache::<u64, String>::builder()
        .stripes(1)
        .removal_listener(move |removal| {
            counter.fetch_add(1, Ordering::Relaxed);
            if removal.value().len() < 5 {
                let cache = handle.lock().unwrap().clone().unwrap();
                let longer = format!("{}x", removal.value());
                // Called from here, the next removal is told when this one has been.
                cache.insert(*removal.key(), longer).unwrap();
                let _ = cache.discard(removal.key()).unwrap();
            }
            panic!("the listener's own business");
        })
        .build()
        .unwrap();
    *inner.lock().unwrap() = Some(cache.clone());
    cache.insert(1, String::from("a")).unwrap();
    assert!(cache.discard(&1).unwrap());
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    assert_eq!(cache.len(), 0);
    *inner.lock().unwrap() = None;
}

#[test]
fn removals_of_a_key_are_told_in_order() {
    let log: Arc<Mutex<Vec<u64>>> = Arc::default();
    let told = Arc::clone(&log);
    let cache = Cache::builder()
        .stripes(1)
        .removal_listener(move |removal| told.lock().unwrap().push(*removal.value()))
        .build()
        .unwrap();
    cache.insert("k", 0).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    cache.update("k", |value| Update::Put(value.unwrap() + 1)).unwrap();
                }
            });
        }
    });
    let log = log.lock().unwrap();
    assert!(log.iter().copied().eq(0..20_000), "{} removals", log.len());
}

#[test]
fn counters_are_changed_in_place_even_with_a_listener() {
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    let cache = Cache::builder()
        .removal_listener(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        })
        .build()
        .unwrap();
    cache.insert("k", 1).unwrap();
    cache.increment("k", 1).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    cache.insert("k", 5).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// The hash is asked for after the weight was found to be within the bound.
#[test]
fn a_value_that_becomes_too_heavy_on_its_way_in_comes_back() {
    #[derive(PartialEq, Eq, Debug)]
    struct Key(u32);
    static MEANWHILE: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);
    impl std::hash::Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            let meanwhile = MEANWHILE.lock().unwrap().take();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
            self.0.hash(state);
        }
    }
    let (refused, light) = guarded(|| {
        let weigh = |_: &Key, weight: &u32| *weight;
        let cache = Cache::builder().max_weight(1000, weigh).stripes(4).build().unwrap();
        cache.insert(Key(1), 10).unwrap();
        let handle = cache.clone();
        *MEANWHILE.lock().unwrap() = Some(Box::new(move || handle.set_bound(100).unwrap()));
        let refused = cache.insert(Key(2), 500).unwrap_err();
        cache.validate();
        (refused, cache.get(&Key(1)))
    });
    assert_eq!(refused.refusal(), Refusal::TooHeavy { weight: 500, max: 100 });
    assert_eq!(refused.into_rejected(), (Key(2), 500));
    assert_eq!(light, Some(10), "nobody had to go for it");
}
