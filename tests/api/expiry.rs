//! Expiry: the deadline to the nanosecond, each kind of expiry on each kind of write, and the ends
//! of time.
//!
//! What an expired entry does to each operation is in the table of `key_lock.rs`.

use std::time::Duration;

use caskade::{Cache, Clock, Expiry, ManualClock, Put, Refusal, Retry, SystemClock, Update};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_nanos(1);
const LIFE: Duration = Duration::from_secs(60);
const K: &str = "k";

fn cache(time_to_live: Option<Duration>) -> (Cache<&'static str, String>, ManualClock) {
    let clock = ManualClock::new();
    let builder = Cache::builder().clock(clock.clone());
    let builder = match time_to_live {
        Some(life) => builder.time_to_live(life),
        None => builder,
    };
    (builder.build().expect("valid"), clock)
}

fn text(of: &str) -> String {
    String::from(of)
}

/// Expects that the entry is there until just before `life` from now has passed, and gone then.
fn lives(cache: &Cache<&'static str, String>, clock: &ManualClock, life: Duration) {
    clock.advance(life - TICK);
    assert!(cache.contains_key(K), "a nanosecond before its deadline");
    clock.advance(TICK);
    assert!(!cache.contains_key(K), "at its deadline");
}

fn lives_for_ever(cache: &Cache<&'static str, String>, clock: &ManualClock) {
    clock.advance(Duration::from_secs(100 * 365 * 86_400));
    assert!(cache.contains_key(K));
}

#[test]
fn an_entry_is_gone_at_its_deadline_and_not_a_nanosecond_earlier() {
    for life in [TICK, 2 * TICK, SECOND - TICK, SECOND, LIFE] {
        let (cache, clock) = cache(None);
        cache.insert_with(K, text("v"), Expiry::After(life)).unwrap();
        lives(&cache, &clock, life);
    }
}

#[test]
fn every_read_agrees_about_the_deadline() {
    let (cache, clock) = cache(None);
    cache.insert_with(K, text("v"), Expiry::After(SECOND)).unwrap();
    let look = || {
        let session = cache.pin();
        let mut visited = false;
        session.visit_many(&[K], |_, found| visited = found.is_some());
        [
            cache.iter().next().is_some(),
            session.iter().next().is_some(),
            session.get(K).is_some(),
            visited,
            cache.get_many(&[K])[0].is_some(),
            cache.get_with_cas(K).is_some(),
            cache.read(K, |_| ()).is_some(),
            cache.get(K).is_some(),
        ]
    };
    clock.advance(SECOND - TICK);
    assert_eq!(look(), [true; 8]);
    clock.advance(TICK);
    assert_eq!(look(), [false; 8]);
}

#[test]
fn a_reference_read_before_the_deadline_stays_readable_after_it() {
    let (cache, clock) = cache(None);
    cache.insert_with(K, text("v"), Expiry::After(SECOND)).unwrap();
    let session = cache.pin();
    let seen = session.get(K).unwrap();
    clock.advance(SECOND);
    assert!(session.get(K).is_none());
    cache.reclaim();
    assert_eq!(*seen, "v");
}

#[test]
fn an_instant_is_a_deadline_like_any_other() {
    let (cache, clock) = cache(None);
    cache.insert_with(K, text("v"), Expiry::At(clock.now() + SECOND)).unwrap();
    lives(&cache, &clock, SECOND);
    for past in [clock.now(), clock.now() - SECOND] {
        cache.insert_with(K, text("v"), Expiry::At(past)).unwrap();
        assert!(!cache.contains_key(K));
    }
}

#[test]
fn an_instant_before_the_cache_was_built_has_passed() {
    let before = SystemClock.now() - SECOND;
    let (cache, _) = cache(None);
    cache.insert_with(K, text("v"), Expiry::At(before)).unwrap();
    assert!(!cache.contains_key(K));
    assert!(matches!(cache.touch(K, Expiry::Never).unwrap_err().refusal(), Refusal::Absent));
}

#[test]
fn zero_is_at_once() {
    let (cache, _) = cache(Some(Duration::ZERO));
    let stored = cache.insert(K, text("v")).unwrap();
    assert!(!cache.contains_key(K));
    assert_eq!(
        cache.compare_and_swap(K, stored, text("w")).unwrap_err().refusal(),
        Refusal::Absent
    );
    cache.insert_with(K, text("v"), Expiry::After(Duration::ZERO)).unwrap();
    assert!(!cache.contains_key(K));
    cache.insert_with(K, text("v"), Expiry::Never).unwrap();
    assert!(cache.contains_key(K));
    cache.touch(K, Expiry::After(Duration::ZERO)).unwrap();
    assert!(!cache.contains_key(K));
}

#[test]
fn durations_beyond_the_end_of_time_count_as_never() {
    let years = |years: u64| Duration::from_secs(years * 365 * 86_400);
    for life in [years(147), years(1000), Duration::from_secs(u64::MAX), Duration::MAX] {
        let (cache, clock) = cache(None);
        cache.insert_with(K, text("v"), Expiry::After(life)).unwrap();
        lives_for_ever(&cache, &clock);
        cache.touch(K, Expiry::After(SECOND)).unwrap();
        let touched = cache.touch(K, Expiry::After(life)).unwrap();
        assert_eq!(cache.touch(K, Expiry::Never).unwrap(), touched, "it has no deadline");
    }
    let (cache, clock) = cache(Some(Duration::MAX));
    cache.insert(K, text("v")).unwrap();
    lives_for_ever(&cache, &clock);
}

#[test]
fn a_very_long_life_is_exact() {
    let (cache, clock) = cache(None);
    let life = Duration::from_secs(145 * 365 * 86_400);
    cache.insert_with(K, text("v"), Expiry::After(life)).unwrap();
    lives(&cache, &clock, life);
}

#[test]
fn an_instant_beyond_the_end_of_time_counts_as_never() {
    let (cache, clock) = cache(None);
    let far = clock.now() + Duration::from_secs(200 * 365 * 86_400);
    cache.insert_with(K, text("v"), Expiry::At(far)).unwrap();
    lives_for_ever(&cache, &clock);
}

#[test]
fn without_time_to_live_the_default_is_never() {
    let (cache, clock) = cache(None);
    cache.insert(K, text("v")).unwrap();
    lives_for_ever(&cache, &clock);
}

type Store = fn(&Cache<&'static str, String>, Expiry);

/// Every operation that stores over an entry and takes an expiry.
const STORES: &[(&str, Store)] = &[
    ("insert_with", |c, e| assert!(c.insert_with(K, text("w"), e).is_ok())),
    ("put", |c, e| assert!(c.put(K, text("w"), Put::new().expiry(e)).is_ok())),
    ("compare_and_swap_with", |c, e| {
        let cas = c.get_with_cas(K).and_then(|v| v.cas()).expect("there and open");
        assert!(c.compare_and_swap_with(K, cas, text("w"), e).is_ok());
    }),
    ("update", |c, e| assert!(c.update(K, |_| Update::PutWith(text("w"), e)).is_ok())),
    ("fetch_update", |c, e| {
        let put = |_: Option<&String>| Update::PutWith(text("w"), e);
        assert!(c.fetch_update(K, Retry::default(), put).is_ok());
    }),
    ("write_with", |c, e| {
        let held = c.get_and_lock(K).expect("free");
        assert!(held.write_with(text("w"), e).is_ok());
    }),
    ("touch", |c, e| assert!(c.touch(K, e).is_ok())),
    ("get_and_touch", |c, e| assert!(c.get_and_touch(K, e).is_ok())),
    ("compare_and_touch", |c, e| {
        let cas = c.get_with_cas(K).and_then(|v| v.cas()).expect("there and open");
        assert!(c.compare_and_touch(K, cas, e).is_ok());
    }),
];

#[test]
fn every_write_sets_the_expiry_it_is_given() {
    for (name, store) in STORES {
        println!("{name}");
        // An entry that had ten seconds, of which four have passed.
        let scene = || {
            let (cache, clock) = cache(Some(LIFE));
            cache.insert_with(K, text("v"), Expiry::After(10 * SECOND)).unwrap();
            clock.advance(4 * SECOND);
            (cache, clock)
        };
        let (cache, clock) = scene();
        store(&cache, Expiry::Keep);
        lives(&cache, &clock, 6 * SECOND);
        let (cache, clock) = scene();
        store(&cache, Expiry::Default);
        lives(&cache, &clock, LIFE);
        let (cache, clock) = scene();
        store(&cache, Expiry::After(3 * SECOND));
        lives(&cache, &clock, 3 * SECOND);
        let (cache, clock) = scene();
        store(&cache, Expiry::At(clock.now() + 2 * SECOND));
        lives(&cache, &clock, 2 * SECOND);
        let (cache, clock) = scene();
        store(&cache, Expiry::Never);
        lives_for_ever(&cache, &clock);
        store(&cache, Expiry::Keep);
        lives_for_ever(&cache, &clock);
    }
}

#[test]
fn writes_without_an_expiry_give_the_default_one() {
    type Write = fn(&Cache<&'static str, String>);
    let writes: [Write; 6] = [
        |c| assert!(c.insert(K, text("w")).is_ok()),
        |c| assert!(c.replace(K, text("w")).is_ok()),
        |c| assert!(c.put(K, text("w"), Put::new()).is_ok()),
        |c| assert!(c.update(K, |_| Update::Put(text("w"))).is_ok()),
        |c| assert!(c.fetch_update(K, Retry::default(), |_| Update::Put(text("w"))).is_ok()),
        |c| {
            let held = c.get_and_lock(K).expect("free");
            assert!(held.write(text("w")).is_ok());
        },
    ];
    for write in writes {
        let (cache, clock) = cache(Some(LIFE));
        cache.insert_with(K, text("v"), Expiry::Never).unwrap();
        clock.advance(SECOND);
        write(&cache);
        lives(&cache, &clock, LIFE);
    }
}

#[test]
fn keeping_the_expiry_of_no_entry_is_the_default_one() {
    let (cache, clock) = cache(Some(LIFE));
    cache.put(K, text("v"), Put::new().keep_expiry()).unwrap();
    lives(&cache, &clock, LIFE);
    cache.put(K, text("v"), Put::new().keep_expiry()).unwrap();
    lives(&cache, &clock, LIFE);
    cache
        .update(K, |old| {
            assert_eq!(old, None, "what has expired is not shown");
            Update::PutWith(text("v"), Expiry::Keep)
        })
        .unwrap();
    lives(&cache, &clock, LIFE);
}

#[test]
fn the_short_forms_of_put() {
    let (cache, clock) = cache(Some(LIFE));
    cache.put(K, text("v"), Put::new().expires_after(SECOND)).unwrap();
    lives(&cache, &clock, SECOND);
    cache.put(K, text("v"), Put::new().expires_at(clock.now() + SECOND)).unwrap();
    lives(&cache, &clock, SECOND);
    cache.put(K, text("v"), Put::new().expires_after(SECOND).never_expires()).unwrap();
    lives_for_ever(&cache, &clock);
}

#[test]
fn numbers_change_their_deadline_in_place() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().unwrap();
    for round in 0..20u64 {
        let life = Expiry::After(Duration::from_secs(1 + round));
        cache.insert_with(K, round, life).unwrap();
        assert_eq!(cache.get(K), Some(round));
        cache.insert_with(K, round, Expiry::Never).unwrap();
        cache.insert_with(K, round + 1, Expiry::After(SECOND)).unwrap();
        clock.advance(SECOND - TICK);
        assert_eq!(cache.get(K), Some(round + 1));
        clock.advance(TICK);
        assert_eq!(cache.get(K), None);
    }
}

#[test]
fn a_touch_that_changes_nothing_keeps_the_stamp() {
    let (cache, clock) = cache(None);
    let deadline = clock.now() + LIFE;
    let cas = cache.insert_with(K, text("v"), Expiry::At(deadline)).unwrap();
    assert_eq!(cache.touch(K, Expiry::At(deadline)).unwrap(), cas);
    assert_eq!(cache.touch(K, Expiry::After(LIFE)).unwrap(), cas, "the clock stands still");
    assert_eq!(cache.touch(K, Expiry::Keep).unwrap(), cas);
    clock.advance(TICK);
    let later = cache.touch(K, Expiry::After(LIFE)).unwrap();
    assert_ne!(later, cas);
    assert_eq!(cache.get_with_cas(K).unwrap().cas(), Some(later));
    assert_ne!(cache.touch(K, Expiry::Never).unwrap(), later);
}

#[test]
fn a_touch_keeps_the_value() {
    let (cache, clock) = cache(None);
    cache.insert(K, text("v")).unwrap();
    let touched = cache.get_and_touch(K, Expiry::After(SECOND)).unwrap().unwrap();
    assert_eq!(touched.value(), "v");
    assert_eq!(cache.get_with_cas(K), Some(touched));
    lives(&cache, &clock, SECOND);
}

#[test]
fn an_expired_entry_counts_until_somebody_notices() {
    let (cache, clock) = cache(None);
    for key in ["a", "b", "c"] {
        cache.insert_with(key, text("v"), Expiry::After(SECOND)).unwrap();
    }
    clock.advance(SECOND);
    assert_eq!((cache.len(), cache.iter().count()), (3, 0));
    assert_eq!(cache.get("a"), None);
    assert_eq!(cache.len(), 2);
    cache.add("b", text("w")).unwrap();
    assert_eq!((cache.len(), cache.get("b")), (2, Some(text("w"))));
    assert_eq!(cache.stats().expired, 2);
}

#[test]
fn growth_carries_deadlines_along() {
    let clock = ManualClock::new();
    let cache = Cache::builder().stripes(1).clock(clock.clone()).build().unwrap();
    for key in 0..500u32 {
        let life = if key % 2 == 0 { SECOND } else { 2 * SECOND };
        cache.insert_with(key, text("v"), Expiry::After(life)).unwrap();
    }
    clock.advance(SECOND);
    assert!((0..500).all(|key| cache.contains_key(&key) == (key % 2 == 1)));
    clock.advance(SECOND);
    assert!((0..500).all(|key| !cache.contains_key(&key)));
    assert!(cache.is_empty());
}
