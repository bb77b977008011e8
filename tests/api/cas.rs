//! Version stamps and conditional writes.
//!
//! What each conditional write does in each state of an entry is in the table of `key_lock.rs`;
//! races between conditional writes are in `stress.rs`.

use std::collections::HashSet;

use crate::support::configs::for_each_config;
use caskade::{Cache, Cas, Expiry, InvalidCas, Put, Refusal, Reread, Retry, Update, Updated};

#[test]
fn zero_and_all_ones_are_no_stamps() {
    for number in [0, u64::MAX] {
        let error: InvalidCas = Cas::try_from(number).unwrap_err();
        assert!(error.to_string().contains("not a version stamp"), "{error}");
    }
    for number in [1, u64::MAX - 1, 1 << 63] {
        assert_eq!(Cas::try_from(number).unwrap().to_u64(), number);
    }
}

#[test]
fn a_stamp_survives_the_trip_through_a_number() {
    let cache = Cache::new();
    let seen = cache.insert("k", 1).unwrap();
    let carried = Cas::try_from(seen.to_u64()).unwrap();
    assert_eq!(carried, seen);
    cache.compare_and_swap("k", carried, 2).unwrap();
}

#[test]
fn every_write_gives_a_stamp_that_never_was() {
    for_each_config::<u64, String>(
        |builder| builder,
        |cache| {
            let mut seen = HashSet::new();
            let mut fresh = |cas: Cas| assert!(seen.insert(cas), "{cas:?} came twice");
            for round in 0..50u64 {
                for key in 0..20 {
                    fresh(cache.insert(key, round.to_string()).unwrap());
                    fresh(cache.replace(&key, String::new()).unwrap());
                    let token = cache.get_and_lock(&key).unwrap().into_cas();
                    fresh(token);
                    fresh(cache.compare_and_swap(&key, token, String::new()).unwrap());
                    let expiry = Expiry::After(std::time::Duration::from_secs(1000));
                    fresh(cache.touch(&key, expiry).unwrap());
                    let updated = cache.update(key, |_| Update::Put(String::new())).unwrap();
                    fresh(updated.cas().unwrap());
                }
                match round % 3 {
                    0 => cache.clear(),
                    1 => (0..20).for_each(|key| assert!(cache.discard(&key).unwrap())),
                    _ => {}
                }
            }
        },
    );
}

/// Expects that `stamp` fits no entry of `cache` and changes none.
fn is_refused<S: std::hash::BuildHasher>(cache: &Cache<u64, u64, S>, stamp: Cas, keys: &[u64]) {
    for &key in keys {
        let before = cache.get_with_cas(&key);
        let current = before.and_then(|seen| seen.cas()).expect("there and open");
        let changed = Refusal::Changed { current };
        assert_eq!(
            cache.compare_and_swap(&key, stamp, 99).expect_err("refused").refusal(),
            changed
        );
        assert_eq!(cache.compare_and_remove(&key, stamp).expect_err("refused").refusal(), changed);
        assert_eq!(cache.compare_and_discard(&key, stamp).expect_err("refused").refusal(), changed);
        let touched = cache.compare_and_touch(&key, stamp, Expiry::Default);
        assert_eq!(touched.expect_err("refused").refusal(), changed);
        let put = cache.put(key, 99, Put::new().if_unchanged(stamp));
        assert_eq!(put.expect_err("refused").refusal(), changed);
        assert!(cache.unlock(&key, stamp).is_err());
        assert_eq!(cache.get_with_cas(&key), before);
    }
}

#[test]
fn the_stamp_of_another_key_is_refused() {
    for_each_config(
        |builder| builder,
        |cache| {
            let stamps: Vec<_> = (0..10).map(|key| cache.insert(key, key).unwrap()).collect();
            for (own, &stamp) in stamps.iter().enumerate() {
                let others: Vec<_> = (0..10).filter(|&key| key != own as u64).collect();
                is_refused(&cache, stamp, &others);
            }
        },
    );
}

#[test]
fn the_stamp_of_another_cache_is_refused() {
    let (one, other) = (Cache::new(), Cache::new());
    let stamps: Vec<_> = (0..10).map(|key| one.insert(key, key).unwrap()).collect();
    let keys: Vec<u64> = (0..10).collect();
    keys.iter().for_each(|&key| assert!(other.insert(key, key).is_ok()));
    for stamp in stamps {
        is_refused(&other, stamp, &keys);
    }
}

#[test]
fn invented_stamps_are_refused() {
    let cache = Cache::new();
    let seen = cache.insert(1, 1).unwrap();
    for number in [1, u64::MAX - 1, seen.to_u64() | 1 << 63, seen.to_u64() + 1, seen.to_u64() - 1] {
        is_refused(&cache, Cas::try_from(number).unwrap(), &[1]);
    }
}

#[test]
fn the_stamp_of_a_removed_entry_is_refused_after_its_key_is_stored_again() {
    for_each_config(
        |builder| builder,
        |cache| {
            let mut old = Vec::new();
            for round in 0..20 {
                old.push(cache.insert(1, 7).unwrap());
                match round % 3 {
                    0 => assert!(cache.discard(&1).unwrap()),
                    1 => cache.clear(),
                    _ => assert!(cache.compare_and_remove(&1, old[round]).is_ok()),
                }
                let refused = cache.compare_and_swap(&1, old[round], 8).unwrap_err();
                assert_eq!(refused.refusal(), Refusal::Absent);
            }
            cache.insert(1, 7).unwrap();
            old.iter().for_each(|&stamp| is_refused(&cache, stamp, &[1]));
        },
    );
}

#[test]
fn a_stamp_is_spent_by_the_write_it_allows() {
    let cache = Cache::new();
    let first = cache.insert("k", String::from("a")).unwrap();
    let second = cache.compare_and_swap("k", first, String::from("b")).unwrap();
    let refused = cache.compare_and_swap("k", first, String::from("c")).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Changed { current: second });
    assert_eq!(refused.into_rejected(), "c");
    cache.compare_and_swap("k", second, String::from("d")).unwrap();
    assert_eq!(cache.get("k").as_deref(), Some("d"));
}

#[test]
fn the_same_value_again_is_another_version() {
    let cache = Cache::new();
    let first = cache.insert("k", 1).unwrap();
    cache.insert("k", 1).unwrap();
    assert!(cache.compare_and_swap("k", first, 2).is_err());
}

#[test]
fn the_error_names_a_stamp_that_can_be_used() {
    let cache = Cache::new();
    let stale = cache.insert("k", 1).unwrap();
    cache.insert("k", 2).unwrap();
    let refused = cache.compare_and_swap("k", stale, 3).unwrap_err();
    let Refusal::Changed { current } = refused.refusal() else { panic!("{refused}") };
    cache.compare_and_swap("k", current, refused.into_rejected()).unwrap();
    let refused = cache.add("k", 4).unwrap_err();
    let Refusal::Exists { current: Some(current) } = refused.refusal() else { panic!("{refused}") };
    cache.compare_and_swap("k", current, refused.into_rejected().1).unwrap();
    assert_eq!(cache.get("k"), Some(4));
}

#[test]
fn reads_change_no_stamp() {
    let cache = Cache::new();
    let seen = cache.insert("k", 1).unwrap();
    cache.get("k");
    cache.contains_key("k");
    assert_eq!(cache.get_many(&["k"]), [Some(1)]);
    assert_eq!(cache.iter().count(), 1);
    assert_eq!(cache.get_if_changed("k", seen), Reread::Unchanged);
    assert_eq!(cache.update("k", |_| Update::Keep).unwrap(), Updated::Kept(Some(seen)));
    let kept = cache.fetch_update("k", Retry::default(), |_| Update::Keep).unwrap();
    assert_eq!(*kept, Updated::Kept(Some(seen)));
    cache.compare_and_swap("k", seen, 2).unwrap();
}

#[test]
fn every_way_to_read_shows_the_same_stamp() {
    let cache = Cache::new();
    let seen = cache.insert("k", 1).unwrap();
    let session = cache.pin();
    assert_eq!(session.get("k").unwrap().cas(), Some(seen));
    assert_eq!(session.iter().next().unwrap().1.cas(), Some(seen));
    session.visit_many(&["k"], |_, found| assert_eq!(found.unwrap().cas(), Some(seen)));
    assert_eq!(cache.iter().next().unwrap().1.cas(), Some(seen));
    assert_eq!(cache.get_with_cas("k").unwrap().cas(), Some(seen));
}

#[test]
fn growth_changes_no_stamp() {
    let cache = Cache::builder().stripes(1).build().unwrap();
    let stamps: Vec<_> = (0..500).map(|key| cache.insert(key, key).unwrap()).collect();
    for (key, &stamp) in stamps.iter().enumerate() {
        let key = key as i32;
        assert_eq!(cache.get_with_cas(&key).unwrap().cas(), Some(stamp));
        cache.compare_and_swap(&key, stamp, -key).unwrap();
    }
}

#[test]
fn the_last_condition_counts() {
    let cache = Cache::new();
    let seen = cache.insert("k", 1).unwrap();
    let put = Put::new().if_absent().if_unchanged(seen);
    cache.put("k", 2, put).unwrap();
    assert!(cache.put("k", 3, put.if_present().if_absent()).is_err());
    cache.put("k", 3, put.if_present()).unwrap();
    assert_eq!(Put::new(), Put::default());
}

#[test]
fn the_debug_form_of_a_stamp_is_hexadecimal() {
    assert_eq!(format!("{:?}", Cas::try_from(0xabc).unwrap()), "Cas(0xabc)");
}
