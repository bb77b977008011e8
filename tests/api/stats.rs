//! Statistics: each number is exact, for one thread and for several.

use std::thread;
use std::time::Duration;

use caskade::{Cache, Expiry, ManualClock, Put, Retry, Stats, Update};

const SECOND: Duration = Duration::from_secs(1);

/// What `act` adds to the statistics of a cache with one entry, 1 under key 1.
fn counted(act: impl FnOnce(&Cache<u64, u64>, &ManualClock)) -> Stats {
    let clock = ManualClock::new();
    let cache = Cache::builder().stripes(4).clock(clock.clone()).build().expect("valid");
    cache.insert(1, 1).expect("free");
    act(&cache, &clock);
    let mut stats = cache.stats();
    stats.writes -= 1;
    stats
}

/// The numbers in which `stats` differs from those of an untouched cache with one entry.
fn numbers(stats: Stats) -> Vec<(&'static str, u64)> {
    let all = [
        ("hits", stats.hits),
        ("misses", stats.misses),
        ("writes", stats.writes),
        ("conflicts", stats.conflicts),
        ("taken", stats.locks_taken),
        ("refused", stats.locks_refused),
        ("lapsed", stats.locks_lapsed),
        ("expired", stats.expired),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

fn expect<const N: usize>(
    expected: [(&str, u64); N],
    act: impl FnOnce(&Cache<u64, u64>, &ManualClock),
) {
    assert_eq!(numbers(counted(act)), expected);
}

#[test]
fn a_new_cache_has_counted_nothing() {
    let cache = Cache::<u64, u64>::new();
    let mut stats = cache.stats();
    assert!(std::mem::take(&mut stats.overhead_bytes) > 0, "empty tables take memory as well");
    assert_eq!(stats, Stats::default());
}

#[test]
fn reads_are_hits_or_misses() {
    expect([("hits", 4), ("misses", 4)], |cache, _| {
        for key in [1, 2] {
            cache.get(&key);
            cache.get_with_cas(&key);
            cache.contains_key(&key);
            cache.read(&key, |_| ());
        }
    });
}

#[test]
fn batches_and_sessions_count_each_look_up() {
    expect([("hits", 4), ("misses", 3)], |cache, _| {
        assert_eq!(cache.get_many(&[1, 2, 1, 3]).len(), 4);
        let session = cache.pin();
        assert!(session.get(&1).is_some());
        session.visit_many(&[1, 9], |_, _| ());
    });
}

#[test]
fn iteration_is_no_look_up() {
    expect([], |cache, _| {
        assert_eq!(cache.iter().count(), 1);
        assert_eq!(cache.pin().iter().count(), 1);
        assert_eq!(cache.len(), 1);
    });
}

#[test]
fn an_expired_entry_is_a_miss() {
    expect([("misses", 2), ("writes", 1), ("expired", 1)], |cache, clock| {
        cache.insert_with(1, 2, Expiry::After(SECOND)).unwrap();
        clock.advance(SECOND);
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn writes_count_when_they_take_effect() {
    expect([("hits", 1), ("writes", 12)], |cache, _| {
        let cas = cache.insert(1, 2).unwrap();
        cache.compare_and_swap(&1, cas, 3).unwrap();
        cache.replace(&1, 4).unwrap();
        cache.put(1, 5, Put::new()).unwrap();
        cache.increment(&1, 1).unwrap();
        cache.increment_or_insert(2, 1, 1, Expiry::Default).unwrap();
        cache.touch(&1, Expiry::After(SECOND)).unwrap();
        cache.update(1, |_| Update::Put(1)).unwrap();
        cache.fetch_update(1, Retry::default(), |_| Update::Put(1)).unwrap();
        cache.update(2, |_| Update::Remove).unwrap();
        cache.add(2, 2).unwrap();
        cache.remove(&2).unwrap();
    });
}

#[test]
fn what_writes_nothing_counts_no_write() {
    expect([("hits", 1)], |cache, _| {
        assert!(cache.replace(&9, 1).is_err());
        assert_eq!(cache.remove(&9).unwrap(), None);
        assert!(cache.increment(&9, 1).is_err());
        assert!(cache.touch(&9, Expiry::Never).is_err());
        assert!(cache.checked_increment(&1, u64::MAX).is_err());
        cache.update(1, |_| Update::Keep).unwrap();
        cache.update(9, |_| Update::Remove).unwrap();
        cache.fetch_update(1, Retry::default(), |_| Update::Keep).unwrap();
    });
}

#[test]
fn conflicts_are_conditions_that_did_not_hold() {
    expect([("writes", 2), ("conflicts", 4)], |cache, _| {
        let stale = cache.insert(1, 2).unwrap();
        cache.insert(1, 2).unwrap();
        assert!(cache.compare_and_swap(&1, stale, 3).is_err());
        assert!(cache.compare_and_remove(&1, stale).is_err());
        assert!(cache.compare_and_touch(&1, stale, Expiry::Never).is_err());
        assert!(cache.add(1, 3).is_err());
        assert!(cache.compare_and_swap(&9, stale, 3).is_err(), "absent is no conflict");
    });
}

#[test]
fn locks_are_counted_when_taken_refused_and_lapsed() {
    expect([("writes", 1), ("taken", 3), ("refused", 5), ("lapsed", 1)], |cache, clock| {
        let held = cache.get_and_lock(&1).unwrap();
        assert!(cache.get_and_lock(&1).is_err());
        assert!(cache.insert(1, 2).is_err());
        assert!(cache.increment(&1, 2).is_err());
        assert!(cache.remove(&1).is_err());
        assert!(cache.get_and_lock(&9).is_err(), "absent is not refused");
        held.unlock().unwrap();
        let token = cache.get_and_lock(&1).unwrap().into_cas();
        clock.advance(15 * SECOND);
        assert!(cache.unlock(&1, token).is_err());
        let held = cache.get_and_lock(&1).unwrap();
        assert!(cache.unlock(&1, token).is_err());
        held.write(3).unwrap();
    });
}

#[test]
fn a_lock_that_was_waited_for_was_not_refused() {
    use std::task::{Context, Waker};
    expect([("taken", 2)], |cache, _| {
        let held = cache.get_and_lock(&1).unwrap();
        let mut waiting = std::pin::pin!(cache.get_and_lock_async(&1, SECOND, SECOND));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(std::future::Future::poll(waiting.as_mut(), &mut context).is_pending());
        }
        drop(held);
        assert!(std::future::Future::poll(waiting.as_mut(), &mut context).is_ready());
    });
}

#[test]
fn clearing_counts_a_write_for_each_entry() {
    let stats = counted(|cache, _| {
        cache.insert(2, 2).unwrap();
        cache.clear();
    });
    assert_eq!((numbers(stats), stats.entries), (vec![("writes", 3)], 0));
}

#[test]
fn entries_follow_the_length() {
    let cache = Cache::builder().stripes(1).build().unwrap();
    for key in 0..100 {
        cache.insert(key, key).unwrap();
        assert_eq!(cache.stats().entries, cache.len() as u64);
    }
    for key in 0..50 {
        cache.remove(&key).unwrap();
    }
    assert_eq!((cache.stats().entries, cache.len()), (50, 50));
}

#[test]
fn what_waits_is_counted_piece_by_piece() {
    let cache = Cache::builder().stripes(1).initial_entries(100).build().unwrap();
    let session = cache.pin();
    cache.insert(1, String::new()).unwrap();
    assert_eq!(cache.stats().waiting, 0);
    for pieces in 1..200 {
        cache.insert(1, String::new()).unwrap();
        assert_eq!(cache.stats().waiting, pieces);
    }
    drop(session);
}

#[test]
fn a_number_overwritten_in_place_leaves_nothing_waiting() {
    let cache = Cache::builder().stripes(1).build().unwrap();
    let session = cache.pin();
    for number in 0..100 {
        cache.insert(1, number).unwrap();
    }
    assert_eq!(cache.stats().waiting, 0);
    drop(session);
}

#[test]
fn the_numbers_of_several_threads_add_up() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 2000;
    let cache = Cache::builder().stripes(4).build().unwrap();
    for key in 0..THREADS {
        cache.insert(key, 0u64).unwrap();
    }
    thread::scope(|scope| {
        for own in 0..THREADS {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    cache.get(&(round % THREADS));
                    cache.get(&(THREADS + round));
                    cache.increment(&(round % THREADS), 1).unwrap();
                    assert!(cache.add(own, 1).is_err());
                    let session = cache.pin();
                    assert!(session.get(&own).is_some());
                    assert!(session.get(&u64::MAX).is_none());
                }
            });
        }
    });
    let stats = cache.stats();
    let each = THREADS * ROUNDS;
    assert_eq!((stats.hits, stats.misses), (2 * each, 2 * each));
    assert_eq!((stats.writes, stats.conflicts), (THREADS + each, each));
    assert_eq!((0..THREADS).filter_map(|key| cache.get(&key)).sum::<u64>(), each);
}

#[test]
fn the_numbers_of_threads_that_ended_remain() {
    let cache = Cache::new();
    cache.insert(1, 1).unwrap();
    for _ in 0..100 {
        let cache = cache.clone();
        thread::spawn(move || cache.get(&1)).join().unwrap();
    }
    assert_eq!(cache.stats().hits, 100);
}

#[test]
fn more_threads_at_once_than_have_counters_of_their_own() {
    let cache = Cache::new();
    cache.insert(1, 1).unwrap();
    let together = std::sync::Barrier::new(100);
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                cache.get(&1);
                together.wait();
                for _ in 0..100 {
                    cache.get(&1);
                    cache.get(&2);
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (100 + 10_000, 10_000));
}
