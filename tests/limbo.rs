//! What is removed is not dropped at once, but soon, and counts as memory until then.
//!
//! The collector is the process's, so the tests of this file take turns.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use caskade::Cache;

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the values that are alive.
#[derive(Clone)]
struct Alive(Arc<AtomicUsize>);

struct Value(Arc<AtomicUsize>);

impl Alive {
    fn value(&self, peak: &AtomicUsize) -> Value {
        let alive = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        peak.fetch_max(alive, Ordering::Relaxed);
        Value(Arc::clone(&self.0))
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is removed and not dropped yet is memory as well.
fn peak_of_alive(keys: impl Fn(u64, u64) -> u64 + Sync) -> usize {
    let cache = Cache::builder().max_entries(1000).build().expect("valid settings");
    let alive = Alive(Arc::default());
    let peak = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, alive, peak, keys) = (&cache, &alive, &peak, &keys);
            scope.spawn(move || {
                for number in 0..50_000 {
                    assert!(cache.insert(keys(thread, number), alive.value(peak)).is_ok());
                }
            });
        }
    });
    drop(cache);
    peak.into_inner()
}

/// Half as many again are allowed here, whatever else the machine has to do; the benchmark `full_cache`
/// holds a quarter to be enough.
#[test]
fn values_waiting_to_be_dropped_are_few() {
    let _alone = alone();
    let inserts = peak_of_alive(|thread, number| thread * 1_000_000 + number);
    let overwrites = peak_of_alive(|thread, number| (thread * 7 + number * 13) % 1000);
    assert!(inserts <= 1500, "{inserts} values alive at once");
    assert!(overwrites <= 1500, "{overwrites} values alive at once");
}

#[test]
fn a_stalled_session_shows_and_does_not_stop_writers() {
    let _alone = alone();
    let cache = Cache::builder().max_entries(1000).build().unwrap();
    let session = cache.pin();
    for key in 0..20_000u64 {
        cache.insert(key, key.to_string()).unwrap();
    }
    let waiting = cache.stats().waiting_weight;
    assert!(waiting >= 19_000, "{waiting}");
    drop(session);
    for key in 0..20_000u64 {
        cache.insert(key, key.to_string()).unwrap();
    }
    let waiting = cache.stats().waiting_weight;
    assert!(waiting < 1000, "{waiting}");
}

/// A look-up may be what lets values go, but it does not drop them.
#[test]
fn look_ups_drop_nothing() {
    struct Named(thread::ThreadId, Arc<Mutex<Vec<thread::ThreadId>>>);

    impl Drop for Named {
        fn drop(&mut self) {
            self.1.lock().expect("nobody panics").push(thread::current().id());
        }
    }

    let _alone = alone();
    let droppers = Arc::default();
    let cache = Cache::builder().stripes(1).build().unwrap();
    let writer = thread::current().id();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for _ in 0..100_000 {
                cache.read(&1, |named: &Named| assert_eq!(named.0, writer));
            }
            thread::current().id()
        });
        while !reader.is_finished() {
            assert!(cache.insert(1, Named(writer, Arc::clone(&droppers))).is_ok());
        }
    });
    drop(cache);
    assert!(droppers.lock().unwrap().iter().all(|dropper| *dropper == writer));
}

/// The memory of a cleared cache goes piece by piece.
#[test]
fn nobody_pays_for_a_whole_cleared_cache() {
    let _alone = alone();
    let alive = Alive(Arc::default());
    let peak = AtomicUsize::new(0);
    let cache = Cache::builder().stripes(1).build().unwrap();
    for key in 0..100_000 {
        assert!(cache.insert(key, alive.value(&peak)).is_ok());
    }
    cache.reclaim();
    cache.clear();
    let mut before = 100_000;
    assert!(alive.0.load(Ordering::Relaxed) > 90_000);
    for key in 0..100_000 {
        assert!(cache.insert(key % 10, alive.value(&peak)).is_ok());
        let now = alive.0.load(Ordering::Relaxed);
        assert!(before < now + 5_000, "{} dropped by one insert", before - now);
        before = now;
    }
    assert!(before < 10_000, "{before} are still there");
}
