//! One rule after the other.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use caskade::ManualClock;
use caskade::bytes::{
    Count, Delete, Fetch, ITEM_OVERHEAD, LOCKED, Mode, Put, Reason, Role, Store, StoreError,
};

const START: i64 = 1_700_000_000;

fn timed() -> (Store, ManualClock) {
    let clock = ManualClock::new();
    let store =
        Store::builder().clock(clock.clone()).unix_start(START).build().expect("valid settings");
    (store, clock)
}

fn text(store: &Store, key: &str) -> Option<String> {
    let read = store.read(key, |item| String::from_utf8(item.value.to_vec()).expect("text"));
    read.expect("a good key")
}

fn reason<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Reason {
    result.expect_err("refused").reason()
}

const ROUNDS: u32 = 3_000;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn expiry_times_are_relative_absolute_or_over() {
    let (store, clock) = timed();
    // Stored when ten seconds are over: how long it lives from then on.
    let cases: [(i64, Option<u32>); 9] = [
        (0, None),
        (1, Some(1)),
        (60 * 60 * 24 * 30, Some(2_592_000)),
        (60 * 60 * 24 * 30 + 1, Some(0)), // a day in January 1970
        (-1, Some(0)),
        (START, Some(0)),
        (START + 10, Some(0)),
        (START + 11, Some(1)),
        (i64::from(u32::MAX), Some(u32::MAX - 1_700_000_010)),
    ];
    clock.advance(10 * SECOND);
    for (exptime, left) in cases {
        store.set("k", "v", 0, exptime).unwrap();
        let fetched = store.fetch("k", Fetch { metadata: true, ..Fetch::default() }).unwrap();
        match left {
            Some(0) => assert_eq!(fetched, None, "{exptime}"),
            _ => assert_eq!(fetched.unwrap().metadata.unwrap().ttl, left, "{exptime}"),
        }
    }
}

#[test]
fn time_ticks_once_a_second() {
    let (store, clock) = timed();
    clock.advance(Duration::from_millis(900));
    store.set("k", "v", 0, 1).unwrap();
    clock.advance(Duration::from_millis(99));
    assert!(store.get("k").unwrap().is_some());
    clock.advance(Duration::from_millis(1));
    assert!(store.get("k").unwrap().is_none());
}

#[test]
fn a_touch_keeps_the_stamp() {
    let (store, clock) = timed();
    let cas = store.set("k", "v", 0, 5).unwrap();
    store.touch("k", 50).unwrap();
    assert_eq!(store.get_and_touch("k", 100).unwrap().unwrap().cas, cas);
    let fetch = Fetch { touch: Some(70), ..Fetch::default() };
    let fetched = store.fetch("k", fetch).unwrap().unwrap();
    let metadata = fetched.metadata.unwrap();
    assert_eq!((fetched.hit.cas, metadata.ttl), (cas, Some(100)));
    assert_eq!(store.examine("k").unwrap().ttl, Some(70));
    clock.advance(69 * SECOND);
    store.cas("k", "w", 0, 0, cas).unwrap();
    assert_eq!(reason(store.touch("nobody", 1)), Reason::Absent);
    assert_eq!(store.get_and_touch("nobody", 1).unwrap(), None);
}

#[test]
fn what_the_conditions_let_through() {
    let store = Store::new();
    assert_eq!(reason(store.replace("k", "v", 0, 0)), Reason::Absent);
    assert_eq!(reason(store.append("k", "v")), Reason::Absent);
    assert_eq!(reason(store.cas("k", "v", 0, 0, 1)), Reason::Absent);
    let first = store.add("k", "b", 7, 0).unwrap();
    assert_eq!(reason(store.add("k", "v", 0, 0)), Reason::Exists);
    assert_eq!(reason(store.cas("k", "v", 0, 0, first + 1)), Reason::Changed);
    assert_eq!(reason(store.cas("k", "v", 0, 0, 0)), Reason::Changed);
    let second = store.append("k", "c").unwrap();
    store.prepend("k", "a").unwrap();
    assert_ne!(first, second);
    let hit = store.get("k").unwrap().unwrap();
    assert_eq!((&hit.value[..], hit.flags), (&b"abc"[..], 7));
    let joined = Put { mode: Mode::Append, cas: Some(first), ..Put::default() };
    assert_eq!(reason(store.put("k", joined)), Reason::Changed);
    store.replace("k", "new", 1, 0).unwrap();
    let hit = store.get("k").unwrap().unwrap();
    assert_eq!((&hit.value[..], hit.flags), (&b"new"[..], 1));
    assert_eq!(
        reason(store.remove("k", Delete { cas: Some(first), ..Delete::default() })),
        Reason::Changed
    );
    store.remove("k", Delete { cas: Some(hit.cas), ..Delete::default() }).unwrap();
    assert_eq!(reason(store.delete("k")), Reason::Absent);
}

#[test]
fn keys_have_one_to_250_bytes_of_any_kind() {
    let store = Store::new();
    for key in [&b"\0"[..], b" \t\r\n", &[0xff; 250]] {
        store.set(key, "v", 0, 0).unwrap();
        assert!(store.get(key).unwrap().is_some());
    }
    for key in [&b""[..], &[b'k'; 251]] {
        let refused = store.set(key, "value", 0, 0).unwrap_err();
        assert_eq!((refused.reason(), &refused.into_value()[..]), (Reason::BadKey, &b"value"[..]));
        assert_eq!(reason(store.get(key)), Reason::BadKey);
        assert_eq!(
            reason(store.read_many(["k".as_bytes(), key], |_, _| panic!("looked"))),
            Reason::BadKey
        );
        assert_eq!(reason(store.delete(key)), Reason::BadKey);
        assert_eq!(reason(store.increment(key, 1)), Reason::BadKey);
        assert_eq!(reason(store.get_and_lock(key, SECOND)), Reason::BadKey);
        assert_eq!(reason(store.unlock(key, 1)), Reason::BadKey);
    }
}

#[test]
fn a_set_that_does_not_fit_ends_the_old_value() {
    let store = Store::new();
    let largest = 1_048_516; // with a key of one byte and no flags
    store.set("k", vec![b'x'; largest], 0, 0).unwrap();
    assert_eq!(reason(store.append("k", "x")), Reason::TooLarge);
    let too_large = || vec![b'x'; largest + 1];
    assert_eq!(reason(store.add("k", too_large(), 0, 0)), Reason::TooLarge);
    assert_eq!(reason(store.replace("k", too_large(), 0, 0)), Reason::TooLarge);
    assert_eq!(reason(store.cas("k", too_large(), 0, 0, 1)), Reason::TooLarge);
    assert_eq!(text(&store, "k").unwrap().len(), largest);
    assert_eq!(reason(store.set("k", vec![b'x'; largest - 3], 1, 0)), Reason::TooLarge);
    assert_eq!(text(&store, "k"), None);
    store.set("k", vec![b'x'; largest - 4], 1, 0).unwrap();
}

#[test]
fn counters_keep_their_width() {
    let store = Store::new();
    // Value, step, and what is then returned and stored.
    let cases = [
        ("100", -1, 99, "99 "),
        ("99", 1, 100, "100"),
        ("00012", 1, 13, "13   "),
        ("18446744073709551615", 5, 4, "4                   "),
        ("5", -9, 0, "0"),
        ("12 ", 1, 13, "13 "),
    ];
    for (value, step, number, stored) in cases {
        let before = store.set("n", value, 9, 0).unwrap();
        let delta = u64::try_from(i64::abs(step)).unwrap();
        let count = Count { delta, down: step < 0, ..Count::default() };
        let counted = store.count("n", count).unwrap();
        assert_eq!((counted.number, counted.is_new), (number, false), "{value:?}");
        assert_ne!(counted.cas, before);
        let hit = store.get("n").unwrap().unwrap();
        assert_eq!((&hit.value[..], hit.flags, hit.cas), (stored.as_bytes(), 9, counted.cas));
    }
    store.set("n", "1x", 0, 0).unwrap();
    assert_eq!(reason(store.increment("n", 1)), Reason::NotNumeric);
    assert_eq!(reason(store.increment("nobody", 1)), Reason::Absent);
    let begin = Count { vivify: Some(10), initial: 7, delta: 3, ..Count::default() };
    let counted = store.count("new", begin).unwrap();
    assert_eq!((counted.number, counted.is_new, counted.ttl), (7, true, Some(10)));
    let seen = store.count("new", begin).unwrap().cas;
    assert_eq!(reason(store.count("new", Count { cas: Some(seen + 1), ..begin })), Reason::Changed);
    let touched = store.count("new", Count { cas: Some(seen), touch: Some(90), ..begin }).unwrap();
    assert_eq!((touched.number, touched.ttl), (13, Some(10)));
    assert_eq!(store.examine("new").unwrap().ttl, Some(90));
}

#[test]
fn of_those_who_read_a_stale_item_one_fills_it() {
    let (store, _) = timed();
    let role =
        |fetch| store.fetch("k", fetch).unwrap().map(|fetched| (fetched.role, fetched.is_stale));
    let plain = Fetch::default();
    let old = store.set("k", "old", 3, 0).unwrap();
    assert_eq!(role(plain), Some((Role::None, false)));

    store.remove("k", Delete { invalidate: true, touch: Some(30), ..Delete::default() }).unwrap();
    assert_eq!(text(&store, "k").as_deref(), Some("old")); // a plain read takes no part
    let winner = store.fetch("k", plain).unwrap().unwrap();
    assert_eq!((winner.role, winner.is_stale, winner.hit.flags), (Role::Won, true, 3));
    assert_eq!(role(plain), Some((Role::Taken, true)));

    // Who read before the invalidation comes too late, unless a stale value will do.
    assert_eq!(reason(store.cas("k", "late", 0, 0, old)), Reason::Changed);
    let late = Put { value: "late".into(), cas: Some(old), invalidate: true, ..Put::default() };
    let stored = store.put("k", late).unwrap();
    assert_eq!(role(plain), Some((Role::Taken, true)));
    assert_eq!(reason(store.cas("k", "new", 0, 0, winner.hit.cas)), Reason::Changed);
    store.cas("k", "new", 0, 0, stored.cas).unwrap();
    assert_eq!(role(plain), Some((Role::None, false)));
}

#[test]
fn a_claim_ends_with_a_store_but_not_with_a_count_in_place() {
    let store = Store::new();
    store.set("n", "10", 0, 0).unwrap();
    store.remove("n", Delete { invalidate: true, ..Delete::default() }).unwrap();
    let is_stale = || store.fetch("n", Fetch::default()).unwrap().unwrap().is_stale;
    store.increment("n", 1).unwrap();
    assert!(is_stale());
    store.increment("n", 100).unwrap(); // grows
    assert!(!is_stale());
    store.remove("n", Delete { invalidate: true, ..Delete::default() }).unwrap();
    store.touch("n", 100).unwrap();
    assert!(is_stale());
    store.append("n", "0").unwrap();
    assert!(!is_stale());
}

#[test]
fn an_item_near_its_end_is_filled_by_one_of_its_readers() {
    let (store, clock) = timed();
    let early = Fetch { recache: Some(10), ..Fetch::default() };
    let role = || store.fetch("k", early).unwrap().unwrap().role;
    store.set("k", "v", 0, 60).unwrap();
    assert_eq!(role(), Role::None);
    clock.advance(50 * SECOND);
    assert_eq!(role(), Role::None); // ten seconds are not less than ten
    clock.advance(SECOND);
    assert_eq!([role(), role()], [Role::Won, Role::Taken]);
    store.set("k", "v", 0, 0).unwrap();
    assert_eq!(role(), Role::None); // never, without an end
}

#[test]
fn a_miss_can_leave_an_empty_item() {
    let (store, clock) = timed();
    let lease = Fetch { vivify: Some(30), ..Fetch::default() };
    let made = store.fetch("k", lease).unwrap().unwrap();
    assert_eq!((made.role, made.hit.value.len()), (Role::Won, 0));
    assert_eq!(made.metadata.unwrap().ttl, Some(30));
    assert_eq!(store.fetch("k", lease).unwrap().unwrap().role, Role::Taken);
    assert_eq!(reason(store.add("k", "v", 0, 0)), Reason::Exists);
    clock.advance(30 * SECOND);
    assert_eq!(store.fetch("k", Fetch::default()).unwrap(), None);
}

#[test]
fn clients_can_choose_stamps() {
    let store = Store::new();
    let chosen = |stamp| Put { value: "v".into(), stamp: Some(stamp), ..Put::default() };
    for stamp in [1, 77, u64::MAX - 1, 5] {
        assert_eq!(store.put("k", chosen(stamp)).unwrap().cas, stamp);
        assert_eq!(store.get("k").unwrap().unwrap().cas, stamp);
    }
    store.cas("k", "w", 0, 0, 5).unwrap();
    assert_ne!(store.get("k").unwrap().unwrap().cas, 5);
    assert_ne!(store.put("k", chosen(0)).unwrap().cas, 0);
    let count = Count { stamp: Some(9), ..Count::default() };
    store.set("n", "1", 0, 0).unwrap();
    assert_eq!(store.count("n", count).unwrap().cas, 9);
    store.remove("n", Delete { invalidate: true, stamp: Some(4), ..Delete::default() }).unwrap();
    assert_eq!(store.get("n").unwrap().unwrap().cas, 4);
}

#[test]
fn an_item_can_be_emptied() {
    let (store, _) = timed();
    let cas = store.set("k", "v", 5, 60).unwrap();
    store.remove("k", Delete { clear_value: true, ..Delete::default() }).unwrap();
    let fetch = Fetch { metadata: true, ..Fetch::default() };
    let fetched = store.fetch("k", fetch).unwrap().unwrap();
    assert_eq!((fetched.hit.value.len(), fetched.hit.flags, fetched.hit.cas), (0, 0, cas));
    assert_eq!((fetched.metadata.unwrap().ttl, fetched.is_stale), (None, false));
    let both = Delete {
        clear_value: true,
        invalidate: true,
        flags: 8,
        touch: Some(9),
        ..Delete::default()
    };
    store.remove("k", both).unwrap();
    let fetched = store.fetch("k", fetch).unwrap().unwrap();
    assert_eq!((fetched.hit.flags, fetched.is_stale), (8, true));
    assert_ne!(fetched.hit.cas, cas);
    assert_eq!(fetched.metadata.unwrap().ttl, Some(9));
}

#[test]
fn a_flush_can_wait() {
    let (store, clock) = timed();
    let left = || text(&store, "k").is_some();
    store.set("k", "v", 0, 0).unwrap();
    store.flush_all(0);
    assert!(!left());
    store.set("k", "v", 0, 0).unwrap(); // in the same second
    assert!(left());
    store.flush_all(1);
    assert!(!left());

    store.flush_all(5);
    store.set("k", "v", 0, 0).unwrap();
    clock.advance(3 * SECOND);
    assert!(left());
    clock.advance(SECOND);
    store.set("later", "v", 0, 0).unwrap();
    assert!(!left() && text(&store, "later").is_some());

    store.set("k", "v", 0, 0).unwrap();
    store.flush_all(5);
    store.flush_all(100); // takes its place
    clock.advance(50 * SECOND);
    assert!(left());
    store.flush_all(-1);
    assert!(!left());

    store.set("old", "v", 0, 0).unwrap();
    clock.advance(10 * SECOND);
    store.set("k", "v", 0, 0).unwrap();
    store.flush_all(START + 60);
    assert!(left() && text(&store, "old").is_none());
    store.flush_all(2_592_001);
    assert!(left());
}

#[test]
fn a_locked_item_is_read_and_not_written() {
    let (store, clock) = timed();
    let cas = store.set("k", "10", 0, 0).unwrap();
    let held = store.get_and_lock("k", Duration::ZERO).unwrap();
    assert_eq!((held.remaining, &held.value[..]), (15 * SECOND, &b"10"[..]));
    let locked = Reason::Locked { remaining: 15 * SECOND };
    assert_eq!(reason(store.set("k", "v", 0, 0)), locked);
    assert_eq!(reason(store.cas("k", "v", 0, 0, cas)), locked);
    assert_eq!(reason(store.append("k", "v")), locked);
    assert_eq!(reason(store.increment("k", 1)), locked);
    assert_eq!(reason(store.delete("k")), locked);
    assert_eq!(reason(store.touch("k", 1)), locked);
    assert_eq!(reason(store.unlock("k", cas)), locked);
    assert_eq!(reason(store.unlock("k", 0)), locked);
    assert_eq!(reason(store.get_and_lock("k", SECOND)), locked);
    assert_eq!(reason(store.add("k", "v", 0, 0)), Reason::Exists);
    store.forget_overwritten("k");
    let fetch = Fetch { metadata: true, ..Fetch::default() };
    assert_eq!(store.fetch("k", fetch).unwrap().unwrap().hit.cas, LOCKED);

    store.unlock("k", held.token).unwrap();
    assert_eq!(store.get("k").unwrap().unwrap().cas, cas);
    let long = store.get_and_lock("k", 100 * SECOND).unwrap(); // more than the most: the default
    assert_eq!(long.remaining, 15 * SECOND);
    clock.advance(15 * SECOND);
    store.cas("k", "v", 0, 0, cas).unwrap();
    assert_eq!(reason(store.unlock("k", long.token)), Reason::NotLocked);
    let held = store.get_and_lock("k", SECOND).unwrap();
    store.remove("k", Delete { cas: Some(held.token), ..Delete::default() }).unwrap();
    assert_eq!(reason(store.get_and_lock("k", SECOND)), Reason::Absent);
}

#[test]
fn memory_is_bounded() {
    let limit = 100_000;
    let store = Store::builder().memory_limit(limit).build().unwrap();
    for n in 0..5000 {
        store.set(format!("key {n}"), vec![b'v'; n % 700], 0, 0).unwrap();
        assert!(store.stats().weight <= limit);
    }
    assert!(store.len() > 100);
    store.validate();
}

#[test]
fn without_eviction_a_full_store_refuses() {
    let item = 100 + 10 + ITEM_OVERHEAD;
    for stripes in [1, 8] {
        let builder = Store::builder().memory_limit(50 * item as u64).evicts(false);
        let store = builder.stripes(stripes).build().unwrap();
        let key = |n: usize| format!("key {n:06}");
        let fits = (0..60).filter(|&n| store.set(key(n), vec![b'v'; 100], 0, 0).is_ok()).count();
        assert_eq!((fits, store.len()), (50, 50));
        let refused = store.add(key(70), vec![b'v'; 100], 0, 0).unwrap_err();
        assert_eq!((refused.reason(), refused.into_value().len()), (Reason::Full, 100));
        store.set(key(3), vec![b'w'; 100], 0, 0).unwrap(); // as heavy as before
        assert_eq!(reason(store.append(key(3), "w")), Reason::Full);
        assert_eq!(reason(store.set(key(3), vec![b'w'; 101], 0, 0)), Reason::Full);
        assert_eq!(store.len(), 49); // the writer must not read what it meant to overwrite
        store.add(key(70), vec![b'v'; 100], 0, 0).unwrap();
        store.validate();
    }
}

#[test]
fn nothing_is_lost_among_threads() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 2000;
    let store = Store::new();
    store.set("n", "0", 0, 0).unwrap();
    store.set("log", "", 0, 0).unwrap();
    store.set("cas", "0", 0, 0).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    store.increment("n", 1).unwrap();
                    store.append("log", "x").unwrap();
                    raise(&store, "cas");
                }
            });
        }
    });
    let total = THREADS * ROUNDS;
    assert_eq!(text(&store, "n").unwrap(), total.to_string());
    assert_eq!(text(&store, "log").unwrap().len() as u64, total);
    assert_eq!(text(&store, "cas").unwrap(), total.to_string());
    store.validate();
}

/// Adds one by compare and swap.
fn raise(store: &Store, key: &str) {
    loop {
        let seen = store.get(key).expect("a good key").expect("it is there");
        let text = std::str::from_utf8(&seen.value).expect("text");
        let number: u64 = text.parse().expect("a number");
        match store.cas(key, (number + 1).to_string(), 0, 0, seen.cas) {
            Ok(_) => return,
            Err(refused) => assert_eq!(refused.reason(), Reason::Changed),
        }
    }
}

#[test]
fn of_many_readers_of_a_stale_item_exactly_one_wins() {
    let store = Store::new();
    for round in 0..100 {
        store.set("k", round.to_string(), 0, 0).unwrap();
        store.remove("k", Delete { invalidate: true, ..Delete::default() }).unwrap();
        let winners: usize = thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| store.fetch("k", Fetch::default()).unwrap().unwrap().role))
                .collect();
            readers.into_iter().map(|it| usize::from(it.join().unwrap() == Role::Won)).sum()
        });
        assert_eq!(winners, 1);
    }
}

#[test]
fn who_cannot_write_wins_no_right_to_fill() {
    let store = Store::new();
    store.set("k", "5", 0, 10).unwrap();
    let _token = store.get_and_lock("k", Duration::ZERO).unwrap().token;
    let early = Fetch { recache: Some(30), ..Fetch::default() };
    assert_eq!(store.fetch("k", early).unwrap().unwrap().role, Role::None);
    store.set("s", "5", 0, 0).unwrap();
    store.remove("s", Delete { invalidate: true, ..Delete::default() }).unwrap();
    let token = store.get_and_lock("s", Duration::ZERO).unwrap().token;
    assert_eq!(store.fetch("s", Fetch::default()).unwrap().unwrap().role, Role::None);
    store.unlock("s", token).unwrap();
    assert_eq!(store.fetch("s", Fetch::default()).unwrap().unwrap().role, Role::Won);
}

#[test]
fn what_counts_as_a_use() {
    let (store, clock) = timed();
    let fetch = Fetch { quietly: true, metadata: true, ..Fetch::default() };
    let metadata = || store.fetch("n", fetch).unwrap().unwrap().metadata.unwrap();
    store.set("n", "5", 0, 0).unwrap();
    store.add("n", "6", 0, 0).unwrap_err();
    assert!(!metadata().was_fetched);
    clock.advance(5 * SECOND);
    assert_eq!(metadata().idle, 5);
    store.increment("n", 1).unwrap();
    assert_eq!(metadata().idle, 0);
    store.get("n").unwrap();
    assert!(metadata().was_fetched);
}

/// Room for a value that is heavy comes from other stripes, and meanwhile others write.
#[test]
fn a_write_without_a_condition_never_fails_over_somebody_elses() {
    let store = Store::builder().stripes(4).memory_limit(400_000).build().unwrap();
    thread::scope(|scope| {
        for thread in 0..2 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..400 {
                    let value = vec![b'x'; 50_000 + n * 7919 * (thread + 1) % 150_000];
                    store.set("k", value, 0, 0).unwrap();
                    if n % 3 == 0 {
                        // The other one may have been faster.
                        let _ = store.delete("k");
                    }
                }
            });
        }
        for _ in 0..400 {
            let appended = store.append("k", vec![b'y'; 60_000]);
            let reason = appended.err().map(|refused| refused.reason());
            assert!(matches!(reason, None | Some(Reason::Absent | Reason::TooLarge)), "{reason:?}");
        }
    });
    store.validate();
}

#[test]
fn times_beyond_all_calendars_are_far_away() {
    let clock = ManualClock::new();
    for start in [i64::MIN, -10, 10, i64::MAX] {
        let store = Store::builder().clock(clock.clone()).unix_start(start).build().unwrap();
        clock.advance(10 * SECOND);
        store.set("k", "v", 0, i64::MAX).unwrap();
        store.set("gone", "v", 0, i64::MIN).unwrap();
        assert_eq!(store.examine("gone"), None);
        assert_eq!(store.unix_time(), start.saturating_add(i64::from(store.age())));
        if let Some(item) = store.examine("k") {
            assert!(item.expires.is_some_and(|end| end >= store.unix_time()));
            assert!(store.restore_item(&item));
        }
    }
}

#[test]
fn a_number_may_be_as_wide_as_an_item() {
    let store = Store::new();
    let mut number = b"9".to_vec();
    number.resize(100_000, b' ');
    store.set("k", number, 0, 0).unwrap();
    assert_eq!(store.increment("k", 1).unwrap(), 10);
    let read = store.read("k", |item| (item.value.len(), item.value.starts_with(b"10  ")));
    assert_eq!(read.unwrap(), Some((100_000, true)));
}

#[test]
fn a_store_is_not_full_before_it_is() {
    // Each thread's items fit in any case, if the room of all stripes is gathered.
    for round in 0..100 {
        let builder = Store::builder().memory_limit(400_000).stripes(16).evicts(false);
        let store = builder.build().unwrap();
        thread::scope(|scope| {
            for thread in 0..4 {
                let store = &store;
                scope.spawn(move || {
                    for item in 0..9 {
                        let key = format!("{thread}-{item}");
                        store.set(key, vec![0; 9_000], 0, 0).unwrap_or_else(|error| {
                            panic!("{error} in round {round}");
                        });
                    }
                });
            }
        });
        store.validate();
    }
}

#[test]
fn one_wins_a_stale_item_while_its_number_changes() {
    let store = Store::new();
    let (start, end) = (Barrier::new(3), Barrier::new(3));
    let (winners, mut most) = (AtomicU32::new(0), 0);
    thread::scope(|scope| {
        let fetch = || {
            for _ in 0..ROUNDS {
                start.wait();
                for _ in 0..4 {
                    let fetched = store.fetch("k", Fetch::default()).unwrap().unwrap();
                    winners.fetch_add(u32::from(fetched.role == Role::Won), Ordering::Relaxed);
                }
                end.wait();
            }
        };
        scope.spawn(fetch);
        scope.spawn(fetch);
        for _ in 0..ROUNDS {
            store.set("k", "10", 0, 0).unwrap();
            store.remove("k", Delete { invalidate: true, ..Delete::default() }).unwrap();
            start.wait();
            for _ in 0..16 {
                store.increment("k", 1).unwrap();
            }
            end.wait();
            most = most.max(winners.swap(0, Ordering::Relaxed));
        }
    });
    assert_eq!(most, 1);
}

#[test]
fn a_flush_that_is_over_takes_what_was_not_used_since() {
    let (store, clock) = timed();
    for (key, wait) in [("before", 9), ("at", 1), ("since", 10)] {
        store.set(key, "v", 0, 0).unwrap();
        clock.advance(wait * SECOND);
    }
    // Ends with the second before: 9, at which "at" was stored.
    store.flush_all(START + 10);
    let left = ["before", "at", "since"].map(|key| text(&store, key).is_some());
    assert_eq!(left, [false, false, true]);
}

#[test]
fn a_flush_that_is_due_is_not_replaced() {
    let (store, clock) = timed();
    store.set("k", "v", 0, 0).unwrap();
    store.flush_all(3);
    clock.advance(5 * SECOND);
    store.flush_all(100);
    assert_eq!(text(&store, "k"), None);
    // One that is not due yet is.
    store.set("k", "v", 0, 0).unwrap();
    clock.advance(98 * SECOND);
    store.flush_all(100);
    clock.advance(50 * SECOND);
    assert!(text(&store, "k").is_some());
}

#[test]
fn a_new_stamp_takes_the_place_of_a_chosen_one() {
    let store = Store::new();
    let put = Put { value: "v".into(), stamp: Some(99), ..Put::default() };
    store.put("k", put).unwrap();
    let bumped = store.bump("k").unwrap();
    assert_ne!(bumped, 99);
    assert_eq!(store.examine("k").unwrap().cas, bumped);
    assert_eq!(reason(store.cas("k", "w", 0, 0, 99)), Reason::Changed);
}

#[test]
fn to_lock_is_to_use() {
    let (store, clock) = timed();
    store.set("k", "v", 0, 0).unwrap();
    clock.advance(5 * SECOND);
    let seen = |item: caskade::bytes::ItemView| (item.was_fetched, item.idle);
    assert_eq!(store.examine("k").map(seen), Some((false, 5)));
    store.get_and_lock("k", SECOND).unwrap();
    assert_eq!(store.examine("k").map(seen), Some((true, 0)));
}

#[test]
fn a_read_asks_for_a_refresh_before_or_after_it_touches() {
    for (recache_touched, role) in [(false, Role::Won), (true, Role::None)] {
        let store = Store::new();
        store.set("k", "v", 0, 10).unwrap();
        let recache = Some(50);
        let fetch = Fetch { touch: Some(100), recache, recache_touched, ..Fetch::default() };
        assert_eq!(store.fetch("k", fetch).unwrap().map(|it| it.role), Some(role));
    }
}

#[test]
fn an_item_remembers_that_its_key_was_in_base64() {
    let store = Store::new();
    let is_binary = |key: &str| store.examine(key).map(|item| item.binary_key);
    store.put("k", Put { binary_key: true, ..Put::default() }).unwrap();
    store.remove("k", Delete { clear_value: true, ..Delete::default() }).unwrap();
    assert_eq!(is_binary("k"), Some(true));
    store.remove("k", Delete { invalidate: true, ..Delete::default() }).unwrap();
    assert_eq!(is_binary("k"), Some(true));
    store.set("k", "v", 0, 0).unwrap();
    assert_eq!(is_binary("k"), Some(false));
}

#[test]
fn what_is_known_of_an_item_survives_marks_and_moves() {
    let (store, clock) = timed();
    clock.advance(3 * SECOND);
    store.set("k", "v", 0, 0).unwrap();
    store.read("k", |_| ()).unwrap();
    clock.advance(5 * SECOND);
    store.remove("k", Delete { invalidate: true, ..Delete::default() }).unwrap();
    let item = store.examine("k").unwrap();
    assert_eq!((item.is_stale, item.was_fetched, item.idle), (true, true, 5));
    store.delete("k").unwrap();
    assert!(store.restore_item(&item));
    let item = store.examine("k").unwrap();
    assert_eq!((item.is_stale, item.was_fetched), (true, true));
}

/// The item outgrows its stripe's share, so that others have to give room for almost every append.
#[test]
fn nothing_is_lost_while_room_is_made() {
    const THREADS: usize = 3;
    const ROUNDS: usize = 200;
    const PIECE: usize = 1000;
    let store = Store::builder().stripes(4).memory_limit(800_000).build().unwrap();
    store.set("log", "", 0, 0).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    store.append("log", vec![b'x'; PIECE]).unwrap();
                }
            });
        }
    });
    assert_eq!(text(&store, "log").unwrap().len(), THREADS * ROUNDS * PIECE);
    store.validate();
}
