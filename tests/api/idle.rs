//! Time to idle, and the policy that chooses an entry's life.

use std::time::Duration;

use caskade::{BuildError, Cache, Expiry, ManualClock, Update};

const SECOND: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(80);

fn idle(time_to_live: Option<Duration>) -> (Cache<&'static str, u32>, ManualClock) {
    let clock = ManualClock::new();
    let mut builder = Cache::builder().clock(clock.clone()).time_to_idle(IDLE);
    if let Some(life) = time_to_live {
        builder = builder.time_to_live(life);
    }
    (builder.build().expect("valid settings"), clock)
}

#[test]
fn an_entry_lasts_its_time_to_idle_and_at_most_an_eighth_more() {
    let (cache, clock) = idle(None);
    cache.insert("a", 1).unwrap();
    cache.insert("b", 1).unwrap();
    clock.advance(IDLE);
    assert!(cache.contains_key("a"));
    clock.advance(10 * SECOND);
    assert!(cache.contains_key("a"), "used ten seconds ago");
    assert!(!cache.contains_key("b"), "unused for an eighth more than its time");
}

/// However an entry is used, and wherever in its life.
#[test]
fn every_use_counts() {
    type Use = fn(&Cache<&'static str, u32>);
    let uses: [Use; 9] = [
        |cache| assert!(cache.get("k").is_some()),
        |cache| assert!(cache.get_with_cas("k").is_some()),
        |cache| assert!(cache.read("k", |_| ()).is_some()),
        |cache| assert!(cache.get_many(["k"])[0].is_some()),
        |cache| assert!(cache.pin().get("k").is_some()),
        |cache| assert!(cache.insert("k", 2).is_ok()),
        |cache| assert!(cache.increment("k", 1).is_ok()),
        |cache| assert!(cache.update("k", |_| Update::Put(3)).is_ok()),
        |cache| assert!(cache.touch("k", Expiry::Keep).is_ok()),
    ];
    for (number, use_it) in uses.into_iter().enumerate() {
        let (cache, clock) = idle(None);
        cache.insert("k", 1).unwrap();
        for step in [1, 79, 40, 80, 3, 80, 80, 5, 79] {
            clock.advance(step * SECOND);
            assert!(cache.contains_key("k") || step == 0, "use {number}, step {step}");
            use_it(&cache);
        }
        clock.advance(IDLE + IDLE / 8);
        assert_eq!(cache.get("k"), None, "use {number}");
        cache.validate();
    }
}

#[test]
fn a_use_is_no_write() {
    let (cache, clock) = idle(None);
    let cas = cache.insert("k", 1).unwrap();
    clock.advance(IDLE);
    assert_eq!(cache.get_with_cas("k").unwrap().cas(), Some(cas));
    clock.advance(IDLE);
    assert!(cache.compare_and_swap("k", cas, 2).is_ok());
    assert_eq!(cache.stats().writes, 2);
}

#[test]
fn uses_do_not_move_a_deadline_that_a_writer_set() {
    let (cache, clock) = idle(Some(100 * SECOND));
    cache.insert("default", 1).unwrap();
    cache.insert_with("short", 1, Expiry::After(10 * SECOND)).unwrap();
    cache.insert_with("never", 1, Expiry::Never).unwrap();
    for second in 1..=300 {
        clock.advance(SECOND);
        assert_eq!(cache.get("short").is_some(), second < 10, "{second}");
        assert_eq!(cache.get("default").is_some(), second < 100, "{second}");
        assert!(cache.get("never").is_some(), "{second}");
    }
    cache.validate();
}

#[test]
fn idle_entries_leave_without_being_asked_for() {
    let clock = ManualClock::new();
    let cache =
        Cache::builder().clock(clock.clone()).time_to_idle(IDLE).max_entries(5000).build().unwrap();
    for key in 0..1000 {
        cache.insert(key, key).unwrap();
    }
    clock.advance(IDLE);
    for key in 0..100 {
        assert!(cache.get(&key).is_some());
    }
    clock.advance(IDLE / 4);
    assert_eq!(cache.expire_due(), 900);
    assert_eq!(cache.len(), 100);
    cache.validate();
}

#[test]
fn an_impossible_time_to_idle_is_an_error() {
    for idle in [Duration::ZERO, Duration::MAX] {
        let built = Cache::<u32, u32>::builder().time_to_idle(idle).build();
        assert_eq!(built.unwrap_err(), BuildError::TimeToIdle);
    }
    let cache = Cache::builder().time_to_idle(Duration::MAX / 2).build().unwrap();
    cache.insert(1, 1).unwrap();
    assert_eq!(cache.get(&1), Some(1));
}

#[test]
fn a_policy_chooses_the_life_of_those_who_do_not_say() {
    let clock = ManualClock::new();
    let cache = Cache::<u32, u64>::builder()
        .clock(clock.clone())
        .time_to_live(100 * SECOND)
        .expiry_policy(|_, &seconds| match seconds {
            0 => Expiry::Default,
            seconds => Expiry::After(Duration::from_secs(seconds)),
        })
        .build()
        .unwrap();
    cache.insert(0, 0).unwrap();
    cache.insert(1, 1).unwrap();
    cache.insert_with(2, 2, Expiry::After(50 * SECOND)).unwrap();
    cache.increment_or_insert(3, 1, 3, Expiry::Default).unwrap();
    cache.update(4, |_| Update::Put(4)).unwrap();
    cache.insert(5, 50).unwrap();
    cache.replace(&5, 5).unwrap();
    let cas = cache.insert(6, 50).unwrap();
    cache.compare_and_swap(&6, cas, 6).unwrap();
    let left =
        |cache: &Cache<u32, u64>| (0..7).filter(|key| cache.contains_key(key)).collect::<Vec<_>>();
    let mut expected = vec![0, 1, 2, 3, 4, 5, 6];
    for second in 1..=100u64 {
        clock.advance(SECOND);
        let gone = match second {
            1 | 3 | 4 | 5 | 6 => Some(second as u32),
            50 => Some(2),
            100 => Some(0),
            _ => None,
        };
        expected.retain(|key| Some(*key) != gone);
        assert_eq!(left(&cache), expected, "after {second} seconds");
    }
}
