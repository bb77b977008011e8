//! The map-like core: storing, reading and removing, in every shape of cache; borrowed keys;
//! sessions; handles; the builder's limits.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use crate::support::configs::for_each_config;
use caskade::{BuildError, Cache, Equivalent, Put, Refusal, Update, Updated};

#[test]
fn what_is_stored_is_read_until_it_is_removed() {
    for_each_config::<u64, String>(
        |builder| builder,
        |cache| {
            assert!(cache.is_empty());
            for key in 0..300 {
                assert_eq!(cache.get(&key), None);
                cache.insert(key, format!("{key}")).unwrap();
                assert_eq!(cache.get(&key), Some(format!("{key}")));
                assert_eq!(cache.len() as u64, key + 1);
            }
            for key in 0..300 {
                cache.insert(key, format!("{key}!")).unwrap();
            }
            assert_eq!(cache.len(), 300);
            for key in (0..300).rev() {
                assert_eq!(cache.remove(&key).unwrap(), Some(format!("{key}!")));
                assert_eq!(cache.remove(&key).unwrap(), None);
                assert_eq!(cache.len() as u64, key);
            }
        },
    );
}

#[test]
fn it_agrees_with_a_hash_map_over_a_long_walk() {
    for_each_config::<u64, u64>(
        |builder| builder,
        |cache| {
            let mut map = HashMap::new();
            let mut state = 12345u64;
            for step in 0..3000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (key, choice) = ((state >> 33) % 64, (state >> 60) % 4);
                match choice {
                    0 => assert_eq!(cache.remove(&key).unwrap(), map.remove(&key)),
                    1 => assert_eq!(cache.add(key, step).is_ok(), !map.contains_key(&key)),
                    2 => assert_eq!(cache.replace(&key, step).is_ok(), map.contains_key(&key)),
                    _ => assert!(cache.insert(key, step).is_ok()),
                }
                match choice {
                    1 => drop(map.entry(key).or_insert(step)),
                    2 => drop(map.get_mut(&key).map(|value| *value = step)),
                    3 => drop(map.insert(key, step)),
                    _ => {}
                }
                assert_eq!(cache.get(&key), map.get(&key).copied(), "step {step}");
            }
            assert_eq!(cache.len(), map.len());
        },
    );
}

#[test]
fn keys_that_are_equal_are_one_key() {
    #[derive(Debug)]
    struct Folded(&'static str);
    impl Hash for Folded {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.to_lowercase().hash(state);
        }
    }
    impl PartialEq for Folded {
        fn eq(&self, other: &Self) -> bool {
            self.0.eq_ignore_ascii_case(other.0)
        }
    }
    impl Eq for Folded {}

    let cache = Cache::new();
    cache.insert(Folded("Key"), 1u64).unwrap();
    cache.insert(Folded("KEY"), 2).unwrap();
    assert_eq!(cache.len(), 1);
    assert_eq!(cache.get(&Folded("key")), Some(2));
}

#[test]
fn borrowed_keys() {
    let cache: Cache<String, u64> = Cache::new();
    cache.insert(String::from("k"), 1).unwrap();
    let cas = cache.replace("k", 2).unwrap();
    let cas = cache.compare_and_swap("k", cas, 3).unwrap();
    assert!(cache.contains_key("k"));
    assert_eq!(cache.get("k"), Some(3));
    assert_eq!(cache.pin().get("k").map(|value| *value), Some(3));
    assert_eq!(cache.get_many(&[String::from("k")]), [Some(3)]);
    assert_eq!(*cache.increment("k", 1).unwrap(), 4);
    assert_eq!(cache.get_and_lock("k").unwrap().key(), "k");
    assert!(cache.compare_and_remove("k", cas).is_err());
    assert_eq!(cache.remove("k").unwrap(), Some(4));

    let bytes: Cache<Vec<u8>, u64> = Cache::new();
    bytes.insert(vec![1, 2], 1).unwrap();
    assert_eq!(bytes.get([1u8, 2].as_slice()), Some(1));
}

#[test]
fn a_borrowed_number_finds_the_key_that_wraps_it() {
    #[derive(PartialEq, Eq, Hash)]
    struct Id(u64);
    impl std::borrow::Borrow<u64> for Id {
        fn borrow(&self) -> &u64 {
            &self.0
        }
    }
    // The default hasher: `ahash` may hash bare numbers by another path on a nightly compiler.
    let cache = Cache::new();
    for number in 0..100u64 {
        cache.insert(Id(number), number).unwrap();
    }
    let missed = (0..100u64).filter(|number| !cache.contains_key(number)).count();
    assert_eq!(missed, 0);
}

#[test]
fn a_form_of_the_key_that_is_not_borrowed_from_it() {
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Owned {
        tenant: u32,
        name: String,
    }
    #[derive(Hash)]
    struct View<'a> {
        tenant: u32,
        name: &'a str,
    }
    impl Equivalent<Owned> for View<'_> {
        fn equivalent(&self, key: &Owned) -> bool {
            self.tenant == key.tenant && self.name == key.name
        }
    }
    let cache = Cache::new();
    cache.insert(Owned { tenant: 1, name: String::from("a") }, String::from("one")).unwrap();
    let view = View { tenant: 1, name: "a" };
    assert_eq!(cache.get(&view).as_deref(), Some("one"));
    assert_eq!(cache.get(&View { tenant: 2, name: "a" }), None);
    cache.replace(&view, String::from("two")).unwrap();
    assert_eq!(cache.get_and_lock(&view).unwrap().key().name, "a");
    assert_eq!(cache.remove(&view).unwrap().as_deref(), Some("two"));
}

#[test]
fn values_that_cannot_be_cloned() {
    struct Solid(u64);
    let cache = Cache::new();
    cache.insert(1, Solid(5)).unwrap();
    assert_eq!(cache.read(&1, |solid| solid.0), Some(5));
    assert_eq!(cache.pin().get(&1).map(|solid| solid.0), Some(5));
    cache.update(1, |old| Update::Put(Solid(old.map_or(0, |old| old.0 + 1)))).unwrap();
    assert_eq!(cache.read(&1, |solid| solid.0), Some(6));
    assert!(cache.discard(&1).unwrap());
}

#[test]
fn keys_and_values_of_no_size_and_of_great_size() {
    let cache = Cache::new();
    cache.insert((), ()).unwrap();
    assert_eq!((cache.get(&()), cache.len()), (Some(()), 1));
    #[derive(Clone, PartialEq, Debug)]
    #[repr(align(128))]
    struct Big([u64; 100]);
    let cache = Cache::new();
    for key in 0..50u64 {
        cache.insert(key, Big([key; 100])).unwrap();
    }
    for key in 0..50 {
        assert_eq!(cache.get(&key), Some(Big([key; 100])));
        assert!(cache.read(&key, |big| std::ptr::from_ref(big).addr() % 128 == 0).unwrap());
    }
}

#[test]
fn updates_see_the_entry_and_carry_out_what_was_decided() {
    for_each_config::<&str, String>(
        |builder| builder,
        |cache| {
            let stored = cache.update("k", |old| {
                assert_eq!(old, None);
                Update::Put(String::from("a"))
            });
            assert_eq!(stored.unwrap().cas(), cache.get_with_cas("k").unwrap().cas());
            cache.update("k", |old| Update::Put(format!("{}b", old.unwrap()))).unwrap();
            assert_eq!(cache.get("k").as_deref(), Some("ab"));
            let kept = cache.update("k", |_| Update::Keep).unwrap();
            assert_eq!(kept.cas(), cache.get_with_cas("k").unwrap().cas());
            let removed = cache.update("k", |_| Update::Remove).unwrap();
            assert_eq!((removed, removed.cas()), (Updated::Removed, None));
            assert_eq!(cache.update("k", |_| Update::Remove).unwrap(), Updated::Kept(None));
            assert!(cache.is_empty());
        },
    );
}

#[test]
fn an_update_closure_runs_once_or_not_at_all() {
    let cache = Cache::new();
    cache.insert("k", 1).unwrap();
    let mut calls = 0;
    cache
        .update("k", |_| {
            calls += 1;
            Update::Put(2)
        })
        .unwrap();
    let held = cache.get_and_lock("k").unwrap();
    let refused = cache
        .update("k", |_| {
            calls += 1;
            Update::Put(3)
        })
        .unwrap_err();
    assert!(matches!(refused.refusal(), Refusal::Locked { .. }));
    drop(held);
    assert_eq!((calls, cache.get("k")), (1, Some(2)));
}

#[test]
fn a_session_shows_values_as_they_were_when_it_looked() {
    for_each_config::<u64, String>(
        |builder| builder,
        |cache| {
            cache.insert(1, String::from("old")).unwrap();
            let session = cache.pin();
            let old = session.get(&1).unwrap();
            let (_, copied) = session.iter().next().unwrap();
            cache.insert(1, String::from("new")).unwrap();
            for key in 2..200 {
                cache.insert(key, String::new()).unwrap();
            }
            assert_eq!((old.as_str(), copied.as_str()), ("old", "old"));
            assert_eq!(session.get(&1).unwrap().as_str(), "new", "it looks at the present");
            cache.clear();
            assert!(session.get(&1).is_none());
            assert_eq!(old.as_str(), "old");
            assert_ne!(Some(old.cas()), session.get(&2).map(|other| other.cas()));
        },
    );
}

#[test]
fn a_session_of_a_number_shows_it_as_it_was() {
    let cache = Cache::new();
    cache.insert("n", 1u64).unwrap();
    let session = cache.pin();
    let one = session.get("n").unwrap();
    cache.increment("n", 1).unwrap();
    assert_eq!((*one, *session.get("n").unwrap()), (1, 2));
}

#[test]
fn sessions_nest_and_refresh() {
    let cache = Cache::new();
    cache.insert(1, String::from("a")).unwrap();
    let outer = cache.pin();
    let seen = outer.get(&1).unwrap();
    {
        let mut inner = cache.pin();
        assert!(inner.get(&1).is_some());
        cache.insert(1, String::from("b")).unwrap();
        inner.refresh();
        cache.reclaim();
        assert_eq!(inner.get(&1).unwrap().as_str(), "b");
    }
    assert_eq!(seen.as_str(), "a");
}

#[test]
fn visiting_many_keeps_order_and_repetitions() {
    for_each_config::<u64, u64>(
        |builder| builder,
        |cache| {
            (0..50).for_each(|key| assert!(cache.insert(2 * key, key).is_ok()));
            for length in [0, 1, 15, 16, 17, 33, 200] {
                let keys: Vec<u64> = (0..length).map(|n| n * 7 % 100).collect();
                let mut order = Vec::new();
                let session = cache.pin();
                session.visit_many(&keys, |key, found| {
                    assert_eq!(found.map(|value| *value), (key % 2 == 0).then_some(key / 2));
                    order.push(*key);
                });
                assert_eq!(order, keys);
            }
        },
    );
}

#[test]
fn references_of_a_batch_outlive_it() {
    let cache = Cache::new();
    (0..40).for_each(|key| assert!(cache.insert(key, key.to_string()).is_ok()));
    let session = cache.pin();
    let mut found = Vec::new();
    session.visit_many(&(0..40).collect::<Vec<_>>(), |_, value| found.extend(value));
    cache.clear();
    cache.reclaim();
    assert!(found.iter().enumerate().all(|(key, value)| **value == key.to_string()));
}

#[test]
fn handles_share_their_entries() {
    let cache = Cache::new();
    let other = cache.clone();
    cache.insert(1, 1).unwrap();
    assert_eq!(other.get(&1), Some(1));
    other.clear();
    assert!(cache.is_empty());
    let separate = Cache::default();
    separate.insert(1, 2).unwrap();
    assert!(cache.is_empty());
}

#[test]
fn clearing_a_cache_again_and_again() {
    for_each_config::<u64, String>(
        |builder| builder,
        |cache| {
            for round in 0..5 {
                cache.clear();
                assert_eq!((cache.len(), cache.iter().count()), (0, 0));
                (0..100).for_each(|key| assert!(cache.add(key, format!("{round}")).is_ok()));
                assert_eq!(cache.get(&99), Some(format!("{round}")));
            }
        },
    );
}

#[test]
fn the_builder_says_what_it_cannot_build() {
    let build = |stripes| Cache::<u64, u64>::builder().stripes(stripes).build().map(|_| ());
    assert_eq!(build(0), Err(BuildError::Stripes(0)));
    assert_eq!(build(65_537), Err(BuildError::Stripes(65_537)));
    for stripes in [1, 2, 3, 100, 1024] {
        assert_eq!(build(stripes), Ok(()));
    }
    assert_eq!(BuildError::Stripes(0).to_string(), "0 stripes; 1 to 65536 are possible");
    let cache = Cache::builder().initial_entries(100_000).build().unwrap();
    cache.insert(1, 1).unwrap();
    assert_eq!(cache.get(&1), Some(1));
}

#[test]
fn refused_writes_say_why_and_give_back() {
    let cache = Cache::new();
    cache.insert("k", String::from("old")).unwrap();
    let refused = cache.add("k", String::from("new")).unwrap_err();
    assert_eq!(refused.to_string(), "the entry exists");
    assert_eq!(refused.rejected(), &("k", String::from("new")));
    let refused = cache.put("l", String::from("new"), Put::new().if_present()).unwrap_err();
    assert_eq!(
        (refused.refusal(), refused.to_string().as_str()),
        (Refusal::Absent, "no such entry")
    );
    assert_eq!(refused.into_rejected(), ("l", String::from("new")));
}

#[test]
fn debug_forms_show_no_more_than_they_should() {
    let cache = Cache::new();
    cache.insert("secret", "hidden").unwrap();
    assert_eq!(format!("{cache:?}"), "Cache { len: 1, .. }");
    assert_eq!(format!("{:?}", cache.pin()), "Session { .. }");
    assert_eq!(format!("{:?}", cache.iter()), "Iter { .. }");
    let refused = cache.add("secret", "other").unwrap_err();
    assert!(!format!("{refused:?}").contains("other"));
    assert!(format!("{:?}", cache.pin().get("secret").unwrap()).contains("hidden"));
    assert!(format!("{:?}", Cache::<u8, u8>::builder()).starts_with("CacheBuilder"));
}
