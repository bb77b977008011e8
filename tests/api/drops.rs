//! Every key and value made is dropped exactly once, whatever way it leaves the cache, and what
//! waits to be dropped is known.
//!
//! Deliberately about numbers of drops only; memory itself is watched by the sanitizers.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::configs::{Shape, for_each_config};
use crate::support::drops::{Counted, Register};
use crate::support::settle::settles;
use caskade::{Cache, Expiry, ManualClock, Put, Retry, Update};

const SECOND: Duration = Duration::from_secs(1);

/// Fills a cache with ten keys in every shape, lets `act` loose on it, and expects that the keys
/// and values left are those of `entries` entries, and none once the cache is gone.
fn leaves(entries: usize, act: impl Fn(&Cache<Counted, Counted, Shape>, &Register, &ManualClock)) {
    let clock = ManualClock::new();
    for_each_config(
        |builder| builder.clock(clock.clone()),
        |cache| {
            let register = Register::default();
            for number in 0..10 {
                cache.insert(register.make(number), register.make(number)).expect("free");
            }
            act(&cache, &register, &clock);
            assert_eq!(cache.len(), entries);
            let left = 2 * entries;
            let settled = settles(|| {
                cache.reclaim();
                // A piece is counted out after it was dropped, perhaps by another test's thread.
                register.alive() == left && cache.stats().waiting == 0
            });
            let (alive, waiting) = (register.alive(), cache.stats().waiting);
            assert!(settled, "{alive} alive instead of {left}, {waiting} waiting");
            drop(cache);
            assert_eq!(register.alive(), 0, "a cache without garbage goes at once");
        },
    );
}

#[test]
fn overwriting() {
    leaves(10, |cache, register, _| {
        for number in (0..10).cycle().take(500) {
            cache.insert(register.make(number), register.make(number)).unwrap();
            let cas = cache.replace(&number, register.make(7)).unwrap();
            cache.compare_and_swap(&number, cas, register.make(8)).unwrap();
            cache.update(register.make(number), |_| Update::Put(register.make(9))).unwrap();
            let put = |_: Option<&Counted>| Update::Put(register.make(9));
            cache.fetch_update(register.make(number), Retry::default(), put).unwrap();
        }
    });
}

#[test]
fn removing() {
    leaves(4, |cache, register, _| {
        assert_eq!(cache.remove(&0).unwrap(), Some(register.make(0)));
        assert!(cache.discard(&1).unwrap());
        let cas = cache.get_with_cas(&2).unwrap().cas().unwrap();
        cache.compare_and_remove(&2, cas).unwrap();
        let cas = cache.get_with_cas(&3).unwrap().cas().unwrap();
        cache.compare_and_discard(&3, cas).unwrap();
        cache.update(register.make(4), |_| Update::Remove).unwrap();
        cache.fetch_update(register.make(5), Retry::default(), |_| Update::Remove).unwrap();
        cache.update(register.make(6), |_| Update::Keep).unwrap();
    });
}

#[test]
fn refused_writes_hand_back_what_they_were_given() {
    leaves(10, |cache, register, _| {
        let (key, value) =
            cache.add(register.make(1), register.make(50)).unwrap_err().into_rejected();
        assert_eq!((key, value), (register.make(1), register.make(50)));
        let value = cache.replace(&99, register.make(51)).unwrap_err().into_rejected();
        assert_eq!(value, register.make(51));
        let held = cache.get_and_lock(&2).unwrap();
        let (key, value) =
            cache.insert(register.make(2), register.make(52)).unwrap_err().into_rejected();
        assert_eq!((key, value), (register.make(2), register.make(52)));
        let stale = held.cas();
        let key = cache.update(register.make(2), |_| Update::Remove).unwrap_err().into_rejected();
        assert_eq!(key, register.make(2));
        let retry = Retry::attempts(1);
        let error = cache.fetch_update(register.make(2), retry, |_| Update::Remove).unwrap_err();
        assert_eq!(error.into_key(), register.make(2));
        drop(held);
        let value =
            cache.compare_and_swap(&2, stale, register.make(53)).unwrap_err().into_rejected();
        assert_eq!(value, register.make(53));
        let put = Put::new().if_unchanged(stale);
        let refused = cache.put(register.make(2), register.make(54), put).unwrap_err();
        assert_eq!(refused.rejected().1, register.make(54));
    });
}

#[test]
fn expiry_drops_what_is_found_expired() {
    leaves(7, |cache, register, clock| {
        for number in 0..3 {
            let expiry = Expiry::After(SECOND);
            cache.insert_with(register.make(number), register.make(number), expiry).unwrap();
        }
        clock.advance(SECOND);
        assert_eq!(cache.get(&0), None);
        assert!(cache.replace(&1, register.make(1)).is_err());
        assert!(cache.get_and_lock(&2).is_err());
    });
}

#[test]
fn expired_and_never_looked_at() {
    leaves(10, |cache, register, clock| {
        for number in 0..10 {
            let expiry = Expiry::After(SECOND);
            cache.insert_with(register.make(number), register.make(number), expiry).unwrap();
        }
        clock.advance(SECOND);
        assert_eq!(cache.iter().count(), 0);
    });
}

#[test]
fn clearing() {
    leaves(1, |cache, register, _| {
        let held = cache.get_and_lock(&3).unwrap();
        cache.clear();
        drop(held);
        cache.clear();
        cache.insert(register.make(1), register.make(1)).unwrap();
    });
}

#[test]
fn growing() {
    leaves(1010, |cache, register, _| {
        for number in 10..1010 {
            cache.insert(register.make(number), register.make(number)).unwrap();
        }
    });
}

#[test]
fn growing_and_shrinking_again() {
    leaves(10, |cache, register, _| {
        for _ in 0..3 {
            for number in 10..300 {
                cache.insert(register.make(number), register.make(number)).unwrap();
            }
            for number in 10..300 {
                assert!(cache.discard(&number).unwrap());
            }
        }
    });
}

#[test]
fn key_locks_in_every_way_they_end() {
    leaves(9, |cache, register, clock| {
        cache.get_and_lock(&0).unwrap().write(register.make(1)).unwrap();
        cache.get_and_lock(&1).unwrap().remove().unwrap();
        cache.get_and_lock(&2).unwrap().unlock().unwrap();
        drop(cache.get_and_lock(&3).unwrap());
        let _lost = cache.get_and_lock(&4).unwrap().into_cas();
        let lapsed = cache.get_and_lock(&5).unwrap();
        clock.advance(15 * SECOND);
        cache.get(&4);
        let again = cache.get_and_lock(&5).unwrap();
        drop(lapsed);
        drop(again);
        let _kept = cache.get_and_lock(&6).unwrap().into_cas();
    });
}

#[test]
fn clones_that_reads_return() {
    leaves(10, |cache, _, _| {
        drop((cache.get(&1), cache.get_with_cas(&2), cache.get_many(&[1, 2, 99])));
        assert_eq!(cache.iter().take(3).count(), 3);
    });
}

#[test]
fn a_session_keeps_what_it_has_seen_and_lets_go_when_it_ends() {
    let register = Register::default();
    let cache = Cache::builder().stripes(1).build().unwrap();
    cache.insert(1, register.make(1)).unwrap();
    let session = cache.pin();
    let seen = session.get(&1).unwrap();
    for number in 2..200 {
        cache.insert(1, register.make(number)).unwrap();
    }
    cache.reclaim();
    assert_eq!(*seen, register.make(1));
    assert!(register.alive() > 1 && cache.stats().waiting > 0);
    drop(session);
    assert!(settles(|| {
        cache.reclaim();
        register.alive() == 1 && cache.stats().waiting == 0
    }));
}

#[test]
fn refreshing_a_session_lets_go() {
    let register = Register::default();
    let cache = Cache::builder().stripes(1).build().unwrap();
    let mut session = cache.pin();
    cache.insert(1, register.make(1)).unwrap();
    assert!(cache.discard(&1).unwrap());
    cache.reclaim();
    assert_eq!(register.alive(), 1, "the session might still look at it");
    assert!(settles(|| {
        session.refresh();
        cache.reclaim();
        register.alive() == 0
    }));
}

#[test]
fn dropping_the_cache_right_after_a_session() {
    let register = Register::default();
    let cache = Cache::new();
    cache.insert(register.make(1), register.make(1)).unwrap();
    let session = cache.pin();
    cache.insert(register.make(1), register.make(2)).unwrap();
    assert!(session.get(&1).is_some());
    drop(session);
    drop(cache);
    assert!(settles(|| register.alive() == 0));
}

#[test]
fn dropping_the_cache_while_a_session_of_another_cache_lives() {
    let register = Register::default();
    let (one, other) = (Cache::new(), Cache::<u64, u64>::new());
    let session = other.pin();
    for number in 0..100 {
        one.insert(1, register.make(number)).unwrap();
    }
    drop(one);
    drop(session);
    assert!(settles(|| register.alive() == 0));
}

#[test]
fn every_handle_but_the_last_leaves_the_entries() {
    let register = Register::default();
    let cache = Cache::new();
    cache.insert(1, register.make(1)).unwrap();
    drop(cache.clone());
    let held = cache.get_and_lock(&1).unwrap();
    drop(cache);
    assert_eq!(register.alive(), 2, "the entry, and the clone in the lock");
    drop(held);
    assert!(settles(|| register.alive() == 0));
}

#[test]
fn what_a_thread_removed_is_dropped_after_the_thread_has_ended() {
    let register = Register::default();
    let cache = Cache::builder().stripes(4).build().unwrap();
    thread::scope(|scope| {
        for lane in 0..4u64 {
            let (cache, register) = (&cache, &register);
            scope.spawn(move || {
                for number in 0..1000 {
                    let key = number % 8;
                    cache.insert(register.make(key), register.make(number)).unwrap();
                    if number % 3 == lane % 3 {
                        let _ = cache.discard(&key).unwrap();
                    }
                }
            });
        }
    });
    let left = 2 * cache.len();
    assert!(settles(|| {
        cache.reclaim();
        register.alive() == left && cache.stats().waiting == 0
    }));
    drop(cache);
    assert_eq!(register.alive(), 0);
}

#[test]
fn reads_and_writes_from_the_destructor_of_a_thread_local() {
    struct AtExit(Cache<u64, Counted>, Register, mpsc::Sender<Option<Counted>>);
    impl Drop for AtExit {
        fn drop(&mut self) {
            let Self(cache, register, report) = self;
            cache.insert(1, register.make(2)).expect("free");
            let _ = report.send(cache.get(&1));
        }
    }
    thread_local! {
        static EXIT: std::cell::RefCell<Option<AtExit>> = const { std::cell::RefCell::new(None) };
    }
    let register = Register::default();
    let cache = Cache::new();
    let (report, reported) = mpsc::channel();
    let at_exit = AtExit(cache.clone(), register.clone(), report);
    thread::spawn(move || {
        // Registered before the cache's own thread-locals, and so dropped after them.
        EXIT.with(|exit| *exit.borrow_mut() = Some(at_exit));
        EXIT.with(|exit| {
            exit.borrow()
                .as_ref()
                .map(|AtExit(cache, register, _)| cache.insert(1, register.make(1)).map(|_| ()))
        });
    })
    .join()
    .unwrap();
    assert_eq!(reported.recv().unwrap(), Some(register.make(2)));
    assert!(settles(|| {
        cache.reclaim();
        register.alive() == 1
    }));
}

#[test]
fn what_an_idle_thread_removed_can_be_reclaimed_by_another() {
    let register = Register::default();
    let cache = Cache::builder().stripes(1).build().unwrap();
    let (done, is_done) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let idle = thread::spawn({
        let (cache, register) = (cache.clone(), register.clone());
        move || {
            for number in 0..100 {
                cache.insert(1, register.make(number)).unwrap();
            }
            done.send(()).unwrap();
            let _ = may_go.recv();
        }
    });
    is_done.recv().unwrap();
    let reclaimed = settles(|| {
        cache.reclaim();
        register.alive() == 1
    });
    let (alive, waiting) = (register.alive(), cache.stats().waiting);
    drop(go);
    idle.join().unwrap();
    assert!(reclaimed, "{alive} values alive, {waiting} waiting, while the thread idles");
}
