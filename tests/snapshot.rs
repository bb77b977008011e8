//! Snapshots: what they keep, through text and through bytes, and that nothing hostile gets in.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use caskade::{
    Cache, Cas, Cause, Expiry, ManualClock, Refusal, RestoreError, Restored, Snapshot, Update,
};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

/// The largest stamp that is accepted.
const LARGEST: u64 = 3 << 61;

fn through_text(snapshot: &Snapshot<u64, String>) -> Snapshot<u64, String> {
    serde_json::from_str(&serde_json::to_string(snapshot).expect("well-formed"))
        .expect("well-formed")
}

fn through_bytes(snapshot: &Snapshot<u64, String>) -> Snapshot<u64, String> {
    postcard::from_bytes(&postcard::to_stdvec(snapshot).expect("well-formed")).expect("well-formed")
}

fn entry(key: u64, stamp: u64) -> Value {
    json!({ "key": key, "value": format!("{key}"), "stamp": stamp, "life": null })
}

fn handmade(entries: &[Value]) -> Snapshot<u64, String> {
    serde_json::from_value(json!({ "format": 1, "entries": entries })).expect("well-formed")
}

fn stored(count: usize) -> Restored {
    let mut restored = Restored::default();
    restored.stored = count;
    restored
}

fn cas_of<V: Clone + Send + Sync + 'static>(cache: &Cache<u64, V>, key: u64) -> Cas {
    cache.get_with_cas(&key).expect("well-formed").cas().expect("well-formed")
}

#[test]
fn keys_values_and_versions_come_through_text_and_bytes() {
    for (from, to) in [(1, 1), (1, 64), (64, 1), (8, 32)] {
        let cache = Cache::builder().stripes(from).build().unwrap();
        let seen: BTreeMap<u64, Cas> =
            (0..500).map(|key| (key, cache.insert(key, key.to_string()).unwrap())).collect();
        let snapshot = cache.snapshot();
        assert_eq!(snapshot.len(), 500);
        for snapshot in [through_text(&snapshot), through_bytes(&snapshot)] {
            let other = Cache::builder().stripes(to).build().unwrap();
            assert_eq!(other.restore(snapshot).unwrap(), stored(500));
            other.validate();
            assert_eq!(other.len(), 500);
            for (key, cas) in &seen {
                assert_eq!(other.get(key), Some(key.to_string()));
                let next = other.compare_and_swap(key, *cas, String::from("next")).unwrap();
                assert!(!seen.values().any(|old| *old == next), "a stamp came again");
                assert!(other.compare_and_swap(key, *cas, String::new()).is_err());
            }
            other.validate();
        }
    }
}

#[test]
fn lives_go_on_from_the_restore() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().unwrap();
    cache.insert_with(1, String::from("short"), Expiry::After(10 * SECOND)).unwrap();
    cache.insert_with(2, String::from("long"), Expiry::After(100 * SECOND)).unwrap();
    cache.insert(3, String::from("for ever")).unwrap();
    cache.insert_with(4, String::from("gone"), Expiry::After(3 * SECOND)).unwrap();
    clock.advance(4 * SECOND);
    let snapshot = cache.snapshot();
    assert_eq!(snapshot.len(), 3, "what has expired is not there");

    // Another clock, and a time to live that is not asked.
    let clock = ManualClock::new();
    clock.advance(1000 * SECOND);
    let other = Cache::builder().clock(clock.clone()).time_to_live(SECOND).build().unwrap();
    clock.advance(50 * SECOND);
    assert_eq!(other.restore(through_bytes(&snapshot)).unwrap(), stored(3));
    let present = || [1, 2, 3].map(|key| other.contains_key(&key));
    clock.advance(6 * SECOND - Duration::from_nanos(1));
    assert_eq!(present(), [true, true, true]);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(present(), [false, true, true]);
    clock.advance(90 * SECOND);
    assert_eq!(other.expire_due(), 1, "the wheel knows them");
    assert_eq!(present(), [false, false, true]);
    other.validate();
}

#[test]
fn a_locked_entry_comes_with_its_version_and_without_its_lock() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().unwrap();
    let open = cache.insert_with(1, String::from("a"), Expiry::After(9 * SECOND)).unwrap();
    let held = cache.get_and_lock(&1).unwrap();
    let other = Cache::builder().clock(clock.clone()).build().unwrap();
    assert_eq!(other.restore(through_text(&cache.snapshot())).unwrap(), stored(1));
    assert_eq!(cas_of(&other, 1), open);
    assert!(other.compare_and_swap(&1, held.cas(), String::new()).is_err());
    other.compare_and_swap_with(&1, open, String::from("b"), Expiry::Keep).unwrap();
    clock.advance(9 * SECOND);
    assert_eq!(other.get(&1), None);
}

#[test]
fn what_is_locked_in_the_cache_is_left_alone() {
    let cache = Cache::new();
    cache.insert(1, String::from("old")).unwrap();
    cache.insert(2, String::from("old")).unwrap();
    let snapshot = cache.snapshot();
    cache.insert(1, String::from("new")).unwrap();
    let held = cache.get_and_lock(&1).unwrap();
    let restored = cache.restore(snapshot).unwrap();
    assert_eq!((restored.stored, restored.locked), (1, 1));
    held.write(String::from("mine")).unwrap();
    assert_eq!(cache.get(&1).as_deref(), Some("mine"));
}

/// Numbers live in place, where a version that comes again would fool a reader.
#[test]
fn the_cache_itself_can_be_taken_back() {
    let cache = Cache::builder().stripes(2).build().unwrap();
    for key in 0..100u64 {
        cache.insert(key, key).unwrap();
    }
    let before: Vec<Cas> = (0..100).map(|key| cas_of(&cache, key)).collect();
    let snapshot = cache.snapshot();
    let mut since = Vec::new();
    for key in 0..100 {
        match key % 4 {
            0 => since.push((key, cache.insert(key, 1000).unwrap())),
            1 => assert!(cache.discard(&key).unwrap()),
            2 => since.push((key, cache.touch(&key, Expiry::After(SECOND)).unwrap())),
            _ => {}
        }
    }
    cache.insert(100, 100).unwrap();
    assert_eq!(cache.restore(snapshot).unwrap(), stored(100));
    cache.validate();
    assert_eq!(cache.get(&100), Some(100), "what the snapshot has not stays");
    for (key, cas) in since {
        let refused = cache.compare_and_swap(&key, cas, 0).unwrap_err();
        let current = before[key as usize];
        assert_eq!(refused.refusal(), Refusal::Changed { current });
    }
    for (key, cas) in (0..).zip(before) {
        assert_eq!(cache.get(&key), Some(key));
        cache.compare_and_swap(&key, cas, 0).unwrap();
    }
    cache.validate();
}

#[test]
fn a_bound_is_kept() {
    let cache = Cache::new();
    for key in 0..1000 {
        cache.insert(key, key.to_string()).unwrap();
    }
    let snapshot = cache.snapshot();
    let few = Cache::builder().max_entries(100).build().unwrap();
    assert_eq!(few.restore(snapshot.clone()).unwrap(), stored(1000));
    assert_eq!((few.len(), few.stats().evicted), (100, 900));
    few.validate();

    let weigh = |key: &u64, _: &String| u32::try_from(*key).unwrap();
    let light = Cache::builder().max_weight(500, weigh).build().unwrap();
    let restored = light.restore(snapshot.clone()).unwrap();
    assert_eq!((restored.stored, restored.too_heavy), (501, 499));
    assert!(light.stats().weight <= 500);
    light.validate();
    // Over what is there already, of another weight.
    light.insert(7, String::new()).unwrap();
    light.restore(snapshot).unwrap();
    light.validate();
}

#[test]
fn weights_and_deadlines_are_those_of_the_restored() {
    let clock = ManualClock::new();
    let weigh = |_: &u64, text: &String| u32::try_from(text.len()).unwrap();
    let builder = Cache::builder().clock(clock.clone()).max_weight(1000, weigh).stripes(1);
    let cache = builder.build().unwrap();
    for key in 0..10 {
        let expiry = if key < 5 { Expiry::After(9 * SECOND) } else { Expiry::Never };
        cache.insert_with(key, "x".repeat(10), expiry).unwrap();
    }
    let snapshot = cache.snapshot();
    for key in 0..10 {
        let expiry = if key < 5 { Expiry::Never } else { Expiry::After(SECOND) };
        cache.insert_with(key, "x".repeat(key as usize + 5), expiry).unwrap();
    }
    assert_eq!(cache.restore(snapshot).unwrap(), stored(10));
    assert_eq!(cache.stats().weight, 100);
    cache.validate();
    clock.advance(8 * SECOND);
    assert_eq!((cache.expire_due(), cache.len()), (0, 10));
    clock.advance(SECOND);
    assert_eq!((cache.expire_due(), cache.len()), (5, 5));
    assert_eq!(cache.stats().weight, 50);
    cache.validate();
}

#[test]
fn the_listener_sees_what_is_replaced() {
    let causes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&causes);
    let cache = Cache::builder()
        .removal_listener(move |removal| {
            seen.lock().unwrap().push((*removal.value(), removal.cause()));
        })
        .build()
        .unwrap();
    cache.insert(1u64, 1u64).unwrap();
    let snapshot = cache.snapshot();
    cache.insert(1, 2).unwrap();
    cache.restore(snapshot).unwrap();
    assert_eq!(*causes.lock().unwrap(), [(1, Cause::Replaced), (2, Cause::Replaced)]);
}

#[test]
fn a_lapsed_lock_does_not_survive_the_restore() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().unwrap();
    cache.insert(1u64, 1u64).unwrap();
    let snapshot = cache.snapshot();
    let held = cache.get_and_lock_for(&1, SECOND).unwrap();
    clock.advance(SECOND);
    assert_eq!(cache.restore(snapshot).unwrap(), stored(1));
    let refused = cache.compare_and_swap(&1, held.cas(), 2).unwrap_err();
    assert!(matches!(refused.refusal(), Refusal::Changed { .. }), "the token is spent");
    assert!(cache.get_and_lock(&1).is_ok());
}

#[test]
fn stamps_that_cannot_be_are_refused_and_nothing_is_stored() {
    let cache: Cache<u64, String> = Cache::new();
    let refused = |entries: &[Value]| cache.restore(handmade(entries)).unwrap_err();
    for stamp in [0, LARGEST + 1, 1 << 63, u64::MAX - 1, u64::MAX] {
        assert_eq!(refused(&[entry(1, 5), entry(2, stamp)]), RestoreError::Stamp(stamp));
    }
    assert_eq!(refused(&[entry(1, 5), entry(2, 6), entry(3, 5)]), RestoreError::SameStamp(5));
    let strange = json!({ "format": 2, "entries": [] });
    let strange: Snapshot<u64, String> = serde_json::from_value(strange).unwrap();
    assert_eq!(cache.restore(strange).unwrap_err(), RestoreError::Format(2));
    assert!(cache.is_empty());
}

#[test]
fn the_largest_stamp_leaves_enough_to_draw() {
    let cache: Cache<u64, String> = Cache::builder().stripes(4).build().unwrap();
    let mut largest = LARGEST;
    for _ in 0..50 {
        cache.restore(handmade(&[entry(1, LARGEST), entry(2, 1)])).unwrap();
        assert_eq!((cas_of(&cache, 1).to_u64(), cas_of(&cache, 2).to_u64()), (LARGEST, 1));
        for key in 1..100 {
            let drawn = cache.insert(key, String::new()).unwrap().to_u64();
            assert!(drawn > LARGEST && drawn < 1 << 63, "{drawn:#x}");
            largest = largest.max(drawn);
        }
        cache.validate();
    }
    assert!(largest - LARGEST < 1 << 50, "restoring again and again uses up nothing");
}

/// Whoever made the snapshot has gone on and drawn stamps that are not in it.
#[test]
fn stamps_that_were_drawn_after_the_snapshot_are_not_met() {
    let old: Cache<u64, String> = Cache::builder().stripes(1).build().unwrap();
    old.insert(1, String::from("kept")).unwrap();
    let snapshot = old.snapshot();
    let lost: Vec<Cas> = (0..1000).map(|n| old.insert(1, n.to_string()).unwrap()).collect();
    let new: Cache<u64, String> = Cache::builder().stripes(1).build().unwrap();
    new.restore(snapshot).unwrap();
    for n in 0..1000 {
        let drawn = new.insert(1, n.to_string()).unwrap();
        assert!(!lost.contains(&drawn));
    }
}

#[test]
fn of_a_key_that_is_there_twice_the_last_counts() {
    let cache: Cache<u64, String> = Cache::new();
    let mut last = entry(1, 8);
    last["value"] = json!("last");
    assert_eq!(cache.restore(handmade(&[entry(1, 9), last])).unwrap(), stored(2));
    assert_eq!(cache.get(&1).as_deref(), Some("last"));
    assert_eq!(cas_of(&cache, 1).to_u64(), 8);
    cache.validate();
}

#[test]
fn strange_lives_do_no_harm() {
    let cache: Cache<u64, String> = Cache::new();
    let lived = |key, secs: u64| {
        let mut entry = entry(key, key);
        entry["life"] = json!({ "secs": secs, "nanos": 0 });
        entry
    };
    let restored = cache.restore(handmade(&[lived(1, 0), lived(2, u64::MAX), lived(3, 60)]));
    let restored = restored.unwrap();
    assert_eq!((restored.stored, restored.expired), (2, 1));
    assert_eq!(cache.get(&1), None);
    assert_eq!(cache.get(&2).as_deref(), Some("2"));
    assert!(cache.get(&3).is_some());
}

#[test]
fn malformed_input_is_an_error_of_the_format() {
    let cache = Cache::new();
    for key in 0..20 {
        cache.insert_with(key, key.to_string(), Expiry::After(SECOND)).unwrap();
    }
    let bytes = postcard::to_stdvec(&cache.snapshot()).unwrap();
    for end in 0..bytes.len() {
        assert!(postcard::from_bytes::<Snapshot<u64, String>>(&bytes[..end]).is_err(), "{end}");
    }
    let overlong = json!({ "secs": u64::MAX, "nanos": 4_000_000_000u32 });
    let mut bad = entry(1, 1);
    bad["life"] = overlong;
    let mut negative = entry(1, 1);
    negative["stamp"] = json!(-1);
    let mut without = entry(1, 1);
    without.as_object_mut().unwrap().remove("stamp");
    for bad in [bad, negative, without, json!(7), json!(null)] {
        let text = json!({ "format": 1, "entries": [bad] });
        assert!(serde_json::from_value::<Snapshot<u64, String>>(text.clone()).is_err(), "{text}");
    }
    // A length that nobody could allocate.
    let mut huge = postcard::to_stdvec(&1u32).unwrap();
    huge.extend(postcard::to_stdvec(&u64::MAX).unwrap());
    assert!(postcard::from_bytes::<Snapshot<u64, String>>(&huge).is_err());
}

/// Every single changed byte: either the format or the restore refuses it, or the cache is sound.
#[test]
fn changed_bytes_never_break_a_cache() {
    let cache = Cache::new();
    for key in 0..10 {
        cache.insert_with(key, key.to_string(), Expiry::After(60 * SECOND)).unwrap();
    }
    let bytes = postcard::to_stdvec(&cache.snapshot()).unwrap();
    let mut accepted = 0;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let Ok(snapshot) = postcard::from_bytes::<Snapshot<u64, String>>(&bytes) else {
                continue;
            };
            let other = Cache::builder().stripes(2).max_entries(600).build().unwrap();
            if other.restore(snapshot).is_ok() {
                accepted += 1;
                other.insert(77, String::new()).unwrap();
                other.validate();
            }
        }
    }
    assert!(accepted > 0);
}

#[test]
fn inside_an_update_both_are_refused() {
    let cache: Cache<u64, String> = Cache::new();
    cache.insert(1, String::new()).unwrap();
    let snapshot = cache.snapshot();
    cache
        .update(2, |_| {
            assert_eq!(cache.restore(snapshot).unwrap_err(), RestoreError::Reentrant);
            let inside = catch_unwind(AssertUnwindSafe(|| cache.snapshot()));
            assert!(inside.is_err());
            Update::Keep
        })
        .unwrap();
}

#[test]
fn every_entry_of_a_snapshot_under_way_was_there_and_restores() {
    let cache = Cache::builder().stripes(2).build().unwrap();
    for key in 0..64u64 {
        cache.insert(key, 0u64).unwrap();
    }
    let writes: Mutex<BTreeMap<u64, u64>> = Mutex::default();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..=300u64 {
                for key in 0..64 {
                    if key % 8 == 0 {
                        assert!(cache.discard(&key).unwrap());
                    }
                    let life = Expiry::After(SECOND * (1 + round as u32 % 2) * 1000);
                    let expiry = if key % 2 == 0 { life } else { Expiry::Never };
                    let cas = cache.insert_with(key, round, expiry).unwrap();
                    writes.lock().unwrap().insert(cas.to_u64(), round);
                }
            }
        });
        while !writer.is_finished() {
            let snapshot = cache.snapshot();
            let text = serde_json::to_value(&snapshot).unwrap();
            let other = Cache::new();
            other.restore(snapshot).unwrap();
            other.validate();
            assert!(other.len() > 64 - 9 && other.len() <= 64);
            for entry in text["entries"].as_array().unwrap() {
                let round = entry["value"].as_u64().unwrap();
                let known =
                    || writes.lock().unwrap().get(&entry["stamp"].as_u64().unwrap()).copied();
                // The writer notes a stamp only after it was drawn.
                while round > 0 && known().is_none() {
                    thread::yield_now();
                }
                assert!(round == 0 || known() == Some(round));
            }
        }
    });
}
