//! Tables become smaller: by themselves after mass removal, to the least on request. And the loads
//! of stripes, which show it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::support::settle::settles;
use caskade::{Cache, Expiry, ManualClock, Update};

const HOUR: Duration = Duration::from_secs(3600);

fn slots<S>(cache: &Cache<u64, String, S>) -> u64 {
    cache.stripe_loads().iter().map(|load| load.slots).sum()
}

fn fill<S: std::hash::BuildHasher>(cache: &Cache<u64, String, S>, keys: u64) {
    for key in 0..keys {
        let expiry = if key % 2 == 0 { Expiry::After(HOUR) } else { Expiry::Never };
        cache.insert_with(key, key.to_string(), expiry).expect("free");
    }
}

fn is_whole<S: std::hash::BuildHasher>(cache: &Cache<u64, String, S>, keys: u64) {
    cache.validate();
    assert_eq!(cache.len() as u64, keys);
    assert!((0..keys).all(|key| cache.get(&key) == Some(key.to_string())));
}

#[test]
fn tables_shrink_by_themselves_after_mass_removal() {
    let bounded = Cache::builder().max_entries(60_000).stripes(4).build().unwrap();
    let unbounded = Cache::builder().stripes(4).build().unwrap();
    for cache in [bounded, unbounded] {
        fill(&cache, 50_000);
        let full = slots(&cache);
        assert!(full >= 50_000);
        for key in (100..50_000).rev() {
            assert!(cache.discard(&key).unwrap());
        }
        assert!(slots(&cache) < full / 20, "{} of {full}", slots(&cache));
        is_whole(&cache, 100);
        // And grow again.
        fill(&cache, 50_000);
        is_whole(&cache, 50_000);
    }
}

#[test]
fn tables_shrink_by_themselves_when_entries_expire() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).stripes(4).build().unwrap();
    for key in 0..50_000u64 {
        let expiry = if key < 100 { Expiry::After(2 * HOUR) } else { Expiry::After(HOUR) };
        cache.insert_with(key, key.to_string(), expiry).unwrap();
    }
    let full = slots(&cache);
    clock.advance(HOUR);
    assert_eq!(cache.expire_due(), 49_900);
    assert!(slots(&cache) < full / 20);
    is_whole(&cache, 100);
    clock.advance(HOUR);
    assert_eq!(cache.expire_due(), 100, "the wheel has followed");
}

#[test]
fn on_request_they_shrink_to_the_least() {
    for bound in [None, Some(5000)] {
        let builder = Cache::builder().initial_entries(100_000).stripes(8);
        let builder = match bound {
            Some(max) => builder.max_entries(max),
            None => builder,
        };
        let cache = builder.build().unwrap();
        fill(&cache, 1000);
        let roomy = slots(&cache);
        let cas = cache.get_with_cas(&7).unwrap().cas().unwrap();
        let held = cache.get_and_lock(&9).unwrap();
        cache.shrink_to_fit();
        let tight = slots(&cache);
        assert!(tight < roomy / 20, "{tight} of {roomy}");
        // Four of five slots are used, but for what is lost by whole buckets of seven.
        let stripes = cache.stripe_loads().len() as u64;
        assert!(tight >= 1000 * 5 / 4 && tight <= 1000 * 5 / 4 + 7 * stripes, "{tight}");
        is_whole(&cache, 1000);
        cache.shrink_to_fit();
        assert_eq!(slots(&cache), tight, "there is nothing left to do");
        cache.compare_and_swap(&7, cas, String::from("7")).unwrap();
        assert!(cache.insert(9, String::new()).is_err(), "still locked");
        cache.unlock(&9, held.cas()).unwrap();
        fill(&cache, 3000);
        is_whole(&cache, 3000);
    }
}

#[test]
fn a_tight_table_still_evicts_and_expires() {
    let clock = ManualClock::new();
    let weigh = |_: &u64, text: &String| text.len() as u32;
    let cache =
        Cache::builder().clock(clock.clone()).max_weight(4000, weigh).stripes(2).build().unwrap();
    for round in 0..20 {
        for key in 0..500 {
            let life = Expiry::After(HOUR * (1 + key % 3) as u32);
            cache.insert_with(round * 100 + key, "x".repeat(10), life).unwrap();
        }
        clock.advance(HOUR);
        cache.shrink_to_fit();
        cache.validate();
        assert!(cache.stats().weight <= 4000);
    }
    clock.advance(3 * HOUR);
    cache.expire_due();
    cache.shrink_to_fit();
    assert!(cache.is_empty());
    assert!(cache.stripe_loads().iter().all(|load| load.slots == 7));
}

#[test]
fn what_was_replaced_by_smaller_tables_is_dropped() {
    let cache = Cache::builder().initial_entries(10_000).build().unwrap();
    fill(&cache, 10);
    assert!(settles(|| {
        cache.shrink_to_fit();
        cache.stats().waiting == 0
    }));
}

#[test]
fn a_session_reads_on_while_tables_shrink() {
    let cache = Cache::builder().initial_entries(10_000).build().unwrap();
    fill(&cache, 100);
    let session = cache.pin();
    let seven = session.get(&7).unwrap();
    cache.shrink_to_fit();
    assert_eq!(*seven, "7");
    assert!((0..100).all(|key| session.get(&key).is_some()));
}

#[test]
fn loads_add_up_to_the_cache() {
    let weigh = |_: &u64, text: &String| text.len() as u32;
    let cache = Cache::builder().max_weight(100_000, weigh).stripes(4).build().unwrap();
    fill(&cache, 5000);
    let (loads, stats) = (cache.stripe_loads(), cache.stats());
    assert_eq!(loads.len(), 4);
    assert_eq!(loads.iter().map(|load| load.entries).sum::<u64>(), stats.entries);
    assert_eq!(loads.iter().map(|load| load.weight).sum::<u64>(), stats.weight);
    assert_eq!(loads.iter().map(|load| load.capacity.unwrap()).sum::<u64>(), 100_000);
    assert!(loads.iter().all(|load| load.entries > 0 && load.entries * 5 / 4 <= load.slots));
    assert!(loads.iter().all(|load| load.weight > load.entries));
}

#[test]
fn without_a_bound_there_is_no_capacity_and_entries_weigh_one() {
    let cache = Cache::builder().stripes(1).build().unwrap();
    fill(&cache, 10);
    let [load] = cache.stripe_loads()[..] else { panic!("one stripe") };
    assert_eq!((load.entries, load.weight, load.capacity), (10, 10, None));
}

#[test]
fn inside_an_update_both_panic() {
    let cache: Cache<u64, String> = Cache::new();
    for act in [Cache::shrink_to_fit, |cache: &Cache<u64, String>| drop(cache.stripe_loads())] {
        let inside = catch_unwind(AssertUnwindSafe(|| {
            cache.update(1, |_| {
                act(&cache);
                Update::Keep
            })
        }));
        assert!(inside.is_err());
    }
}
