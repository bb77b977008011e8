//! Fill tokens, marks, invalidation and fences: what comes late is refused and given back.

use std::time::Duration;

use caskade::{
    Cache, Cas, Expiry, Fence, FillToken, Lookup, ManualClock, Refusal, Retry, Update, Versioned,
};

const SECOND: Duration = Duration::from_secs(1);

fn missed<V: std::fmt::Debug>(lookup: Lookup<V>) -> FillToken {
    match lookup {
        Lookup::Miss(token) => token,
        other => panic!("not a miss: {other:?}"),
    }
}

fn stale<V: std::fmt::Debug>(lookup: Lookup<V>) -> (Versioned<V>, Option<FillToken>) {
    match lookup {
        Lookup::Stale(value, token) => (value, token),
        other => panic!("not stale: {other:?}"),
    }
}

/// Something happens to key 1 between look-up and fill. Other keys of its stripe share its floor, or
/// not; so each case has a cache of its own.
type Event = fn(&Cache<u32, String>, &ManualClock);

fn store(cache: &Cache<u32, String>, value: &str) -> Cas {
    cache.insert(1, value.into()).expect("stored")
}

const REFUSED: &[(&str, Event)] = &[
    ("invalidated", |c, _| assert!(!c.invalidate(&1))),
    ("one of many", |c, _| assert_eq!(c.invalidate_many(&[0, 1]), 0)),
    ("all", |c, _| c.invalidate_all()),
    ("cleared", |c, _| c.clear()),
    ("by predicate", |c, _| assert_eq!(c.invalidate_if(|_, _| false), 0)),
    ("retained", |c, _| assert_eq!(c.retain(|_, _| true), 0)),
    ("drained", |c, _| assert_eq!(c.drain().count(), 0)),
    ("marked stale", |c, _| assert!(!c.mark_stale(&1))),
    ("removed", |c, _| assert_eq!(c.remove(&1).expect("free"), None)),
    ("discarded", |c, _| assert!(!c.discard(&1).expect("free"))),
    ("updated away", |c, _| _ = c.update(1, |_| Update::Remove).expect("free")),
    ("updated away in turns", |c, _| {
        _ = c.fetch_update(1, Retry::attempts(1), |_| Update::Remove).expect("free");
    }),
    ("written", |c, _| _ = store(c, "new")),
    ("added", |c, _| _ = c.add(1, "new".into()).expect("stored")),
    ("filled by another", |c, _| {
        let token = missed(c.lookup(&1));
        _ = c.fill(token, 1, "new".into()).expect("stored");
    }),
    ("written and removed", |c, _| {
        store(c, "new");
        _ = c.remove(&1).expect("free");
    }),
    ("written and removed by stamp", |c, _| {
        let cas = store(c, "new");
        _ = c.compare_and_remove(&1, cas).expect("unchanged");
    }),
    ("written and drained", |c, _| {
        store(c, "new");
        _ = c.drain().count();
    }),
    ("written and removed under its lock", |c, _| {
        store(c, "new");
        c.get_and_lock(&1).expect("free").remove().expect("locked");
    }),
    ("written and expired", |c, clock| {
        _ = c.insert_with(1, "new".into(), Expiry::After(SECOND)).expect("stored");
        clock.advance(SECOND);
    }),
    ("written, expired and swept", |c, clock| {
        _ = c.insert_with(1, "new".into(), Expiry::After(SECOND)).expect("stored");
        clock.advance(SECOND);
        assert_eq!(c.expire_due(), 1);
    }),
    ("written and evicted", |c, _| {
        store(c, "new");
        for other in 2..2000 {
            c.insert(other, String::new()).expect("stored");
        }
        assert!(!c.contains_key(&1));
    }),
    ("in a transaction", |c, _| {
        let mut changes = c.transaction();
        changes.invalidate(1);
        changes.commit();
    }),
    ("in a transaction that is dropped", |c, _| {
        let mut changes = c.transaction();
        changes.invalidate(1);
        drop(changes);
    }),
    ("in a transaction over all", |c, _| {
        let mut changes = c.transaction();
        changes.invalidate(1);
        changes.invalidate_all();
        changes.commit();
    }),
    ("fenced", |c, _| assert!(c.fence([&1], SECOND).release())),
    ("fenced with all", |c, _| assert!(c.fence_all(SECOND).release())),
    ("under a fence that was lost", |c, clock| {
        std::mem::forget(c.fence([&1], SECOND));
        clock.advance(SECOND);
    }),
];

fn cache() -> (Cache<u32, String>, ManualClock) {
    let clock = ManualClock::new();
    let cache =
        Cache::builder().clock(clock.clone()).max_entries(300).build().expect("valid settings");
    (cache, clock)
}

#[test]
fn a_fill_is_refused_after_whatever_happens_to_the_key() {
    for (name, event) in REFUSED {
        let (cache, clock) = cache();
        let token = missed(cache.lookup(&1));
        let mark = cache.mark();
        event(&cache, &clock);
        let left = cache.get(&1);
        let refused = cache.fill(token, 1, "old".into()).expect_err(name);
        assert_eq!(refused.into_rejected(), (1, "old".into()), "{name}");
        let refused = cache.fill_since(&mark, 1, "old".into()).expect_err(name);
        assert_eq!(refused.into_rejected(), (1, "old".into()), "{name}");
        assert_eq!(cache.get(&1), left, "{name}");
        cache.validate();
    }
}

#[test]
fn a_fill_that_begins_afterwards_is_let_in() {
    for (name, event) in REFUSED {
        let (cache, clock) = cache();
        let early = missed(cache.lookup(&1));
        event(&cache, &clock);
        cache.discard(&1).unwrap();
        drop(early);
        let token = missed(cache.lookup(&1));
        let mark = cache.mark();
        cache.fill(token, 1, "new".into()).expect(name);
        assert_eq!(cache.get(&1).as_deref(), Some("new"), "{name}");
        cache.insert(2, "two".into()).unwrap();
        cache.invalidate(&2);
        assert!(cache.fill_since(&mark, 1, "old".into()).is_err(), "{name}: filled since the mark");
    }
}

#[test]
fn what_does_not_concern_the_key_refuses_no_fill() {
    let harmless: &[(&str, Event)] = &[
        ("nothing", |_, _| ()),
        ("reads", |c, _| assert_eq!((c.get(&1), c.contains_key(&2)), (None, false))),
        ("a conditional removal of nothing", |c, _| {
            let cas = c.insert(2, String::new()).unwrap();
            assert!(c.compare_and_remove(&1, cas).is_err());
        }),
        ("a rollback", |c, _| {
            let mut changes = c.transaction();
            changes.invalidate(1);
            changes.rollback();
        }),
        ("time", |_, clock| clock.advance(1000 * SECOND)),
    ];
    for (name, event) in harmless {
        let (cache, clock) = cache();
        let token = missed(cache.lookup(&1));
        let mark = cache.mark();
        event(&cache, &clock);
        cache.fill_since(&mark, 1, "by mark".into()).expect(name);
        cache.invalidate(&1);
        let token_two = missed(cache.lookup(&1));
        assert!(cache.fill(token, 1, "by token".into()).is_err(), "{name}: filled and gone");
        cache.fill(token_two, 1, "by token".into()).expect(name);
    }
}

#[test]
fn an_old_entry_that_is_evicted_refuses_no_fill_of_its_neighbours() {
    let cache = Cache::builder().max_entries(300).stripes(1).build().unwrap();
    for key in 0..300 {
        cache.insert(key, key).unwrap();
    }
    let tokens: Vec<_> = (1000..1020).map(|key| (key, missed(cache.lookup(&key)))).collect();
    // Each evicts somebody, who was there before. Now and then that is one of them all the same, which
    // costs another the fill if chance gave both the same floor.
    let stored = tokens.into_iter().filter_map(|(key, token)| cache.fill(token, key, key).ok());
    assert!(stored.count() >= 15);
    assert!(cache.stats().evicted >= 15);
}

#[test]
fn a_mark_covers_every_key_and_replaces_what_is_older() {
    let cache = Cache::new();
    cache.insert(1, "older").unwrap();
    let mark = cache.mark();
    cache.insert(2, "newer").unwrap();
    cache.fill_since(&mark, 1, "read").unwrap();
    let refused = cache.fill_since(&mark, 2, "read").unwrap_err();
    assert!(matches!(refused.refusal(), Refusal::Exists { current: Some(_) }));
    cache.fill_since_with(&mark.clone(), 3, "read", Expiry::Never).unwrap();
    assert_eq!(cache.get_many(&[1, 2, 3]), [Some("read"), Some("newer"), Some("read")]);
    let refused = cache.fill_since(&mark, 3, "again").unwrap_err();
    assert!(matches!(refused.refusal(), Refusal::Exists { .. }), "filled since the mark");
}

#[test]
fn tokens_and_marks_of_others_let_nothing_in() {
    let (one, other) = (Cache::new(), Cache::<u32, u32>::new());
    let token = missed(one.lookup(&1));
    let refused = one.fill(token, 2, 2).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::WrongToken);
    assert_eq!(refused.into_rejected(), (2, 2));
    let token = missed(other.lookup(&1));
    assert!(one.fill(token, 1, 1).is_err());
    let small = Cache::<u32, u32>::builder().stripes(1).build().unwrap();
    let mark = small.mark();
    let refused = (0..100).map(|key| one.fill_since(&mark, key, key)).filter(Result::is_err);
    assert!(refused.count() >= 95, "a stripe's stamps begin at a random place");
}

#[test]
fn a_token_from_inside_an_update_lets_nothing_in() {
    let cache = Cache::new();
    let mut token = None;
    cache
        .update(1, |_| {
            token = Some(missed(cache.lookup(&2)));
            Update::Put(1)
        })
        .unwrap();
    let refused = cache.fill(token.unwrap(), 2, 2).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Invalidated);
}

#[test]
fn invalidation_breaks_locks_and_wakes_nobody_in_vain() {
    let cache = Cache::new();
    for invalidate in [
        (|c| _ = c.invalidate("k")) as fn(&Cache<&'static str, u32>),
        |c| _ = c.invalidate_if(|_, _| true),
        |c| _ = c.mark_stale("k"),
        |c| c.invalidate_all(),
        |c| assert!(c.fence(["k"], SECOND).release()),
    ] {
        cache.insert("k", 1).unwrap();
        let held = cache.get_and_lock("k").unwrap();
        invalidate(&cache);
        assert!(!cache.contains_key("k"));
        assert!(held.write(2).is_err(), "the entry that was locked is gone");
        assert_eq!(cache.get("k"), None);
    }
    cache.insert("k", 1).unwrap();
    let _held = cache.get_and_lock("k").unwrap();
    assert_eq!(cache.retain(|_, _| false), 0, "which respects locks");
}

#[test]
fn a_fence_keeps_fills_out_and_lets_writes_through() {
    let (cache, clock) = cache();
    store(&cache, "old");
    let fence: Fence<_, _> = cache.fence([&1, &2], 10 * SECOND);
    assert_eq!(cache.get(&1), None);
    clock.advance(SECOND);
    let during = missed(cache.lookup(&1));
    let refused = cache.fill(missed(cache.lookup(&1)), 1, "read".into()).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Fenced { remaining: 9 * SECOND });
    assert_eq!(cache.get_or_load(&1, |_| "loaded".into()), "loaded");
    assert_eq!(cache.get(&1), None, "loaded, not stored");
    cache.insert(2, "known".into()).unwrap();
    assert_eq!(cache.get(&2).as_deref(), Some("known"));
    cache.get_or_load(&3, |_| "other".into());
    assert_eq!(cache.get(&3).as_deref(), Some("other"), "nobody fenced it");
    fence.release();
    let refused = cache.fill(during, 1, "read".into()).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Invalidated, "read while the fence stood");
    cache.fill(missed(cache.lookup(&1)), 1, "new".into()).unwrap();
    assert_eq!(cache.stats().fills_refused, 2);
}

#[test]
fn a_fence_that_was_too_short_invalidates_when_it_is_released() {
    let (cache, clock) = cache();
    type PutUp = fn(&Cache<u32, String>) -> Fence<u32, String>;
    let ways: [PutUp; 3] = [
        |c| c.fence([&1], SECOND),
        |c| c.fence_all(SECOND),
        |c| {
            let mut changes = c.transaction();
            changes.invalidate(1);
            let fence = changes.fence(SECOND);
            changes.rollback();
            fence
        },
    ];
    for put_up in ways {
        let fence = put_up(&cache);
        clock.advance(SECOND);
        assert_eq!(cache.get_or_load(&1, |_| "before the commit".into()), "before the commit");
        assert!(!fence.release(), "its time was over");
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.get_or_load(&1, |_| "after".into()), "after");
        cache.clear();
        assert!(put_up(&cache).release());
        cache.validate();
    }
}

#[test]
fn the_last_of_several_fences_counts() {
    let (cache, clock) = cache();
    let first = cache.fence([&1], 5 * SECOND);
    let second = cache.fence_all(2 * SECOND);
    first.release();
    assert!(cache.fill(missed(cache.lookup(&1)), 1, "a".into()).is_err());
    clock.advance(2 * SECOND);
    let token = missed(cache.lookup(&1));
    cache.fill(token, 1, "b".into()).unwrap();
    drop(second); // It has lapsed, and invalidates what was stored since.
    assert_eq!(cache.get(&1), None);
}

#[test]
fn a_value_marked_stale_is_refreshed_by_one() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).grace(10 * SECOND).build().unwrap();
    let cas = cache.insert("k", "old").unwrap();
    let early = cache.mark();
    assert!(cache.mark_stale("k"));
    assert!(cache.fill_since(&early, "k", "older").is_err());
    assert!(cache.compare_and_swap("k", cas, "from the old one").is_err());
    assert_eq!(cache.get("k"), Some("old"), "served meanwhile");
    let (value, token) = stale(cache.lookup("k"));
    assert_eq!((*value, token.is_some()), ("old", true));
    assert_eq!(stale(cache.lookup("k")).1, None);
    cache.fill(token.unwrap(), "k", "new").unwrap();
    assert!(matches!(cache.lookup("k"), Lookup::Hit(value) if *value == "new"));

    cache.mark_stale("k");
    assert!(stale(cache.lookup("k")).1.is_some(), "and lost");
    clock.advance(9 * SECOND);
    assert_eq!(stale(cache.lookup("k")).1, None, "the right is somebody's for 15 seconds");
    clock.advance(SECOND);
    let token = missed(cache.lookup("k"));
    cache.fill(token, "k", "newest").unwrap();
}

#[test]
fn a_refresh_that_is_overtaken_is_refused() {
    let cache = Cache::builder().grace(10 * SECOND).build().unwrap();
    for overtake in [
        (|c| _ = c.insert("k", "newer").unwrap()) as fn(&Cache<&'static str, &'static str>),
        |c| _ = c.invalidate("k"),
        |c| _ = c.mark_stale("k"),
        |c| c.clear(),
    ] {
        cache.insert("k", "old").unwrap();
        cache.mark_stale("k");
        let token = stale(cache.lookup("k")).1.unwrap();
        overtake(&cache);
        assert!(cache.fill(token, "k", "read before").is_err());
    }
}

#[test]
fn grace_follows_every_life_that_ends() {
    let clock = ManualClock::new();
    let cache = Cache::builder()
        .clock(clock.clone())
        .time_to_live(10 * SECOND)
        .grace(5 * SECOND)
        .refresh_ahead(2 * SECOND)
        .build()
        .unwrap();
    cache.insert("default", 1).unwrap();
    cache.insert_with("after", 1, Expiry::After(10 * SECOND)).unwrap();
    cache.insert_with("never", 1, Expiry::Never).unwrap();
    clock.advance(8 * SECOND - Duration::from_nanos(1));
    for key in ["default", "after", "never"] {
        assert!(matches!(cache.lookup(key), Lookup::Hit(_)), "{key}");
    }
    clock.advance(Duration::from_nanos(1));
    for key in ["default", "after"] {
        assert!(stale(cache.lookup(key)).1.is_some(), "{key}");
    }
    clock.advance(7 * SECOND - Duration::from_nanos(1));
    assert_eq!(cache.get_many(&["default", "after", "never"]), [Some(1); 3]);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(cache.get_many(&["default", "after", "never"]), [None, None, Some(1)]);
    assert!(matches!(cache.lookup("never"), Lookup::Hit(_)));
}
