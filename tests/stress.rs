//! Threads that hammer a cache for a while, one test for each race that is feared, each ending with
//! exact accounts.
//!
//! Ignored by default. Every test runs for `CASKADE_STRESS_SECONDS` (10 if not set):
//! `cargo test --release --test stress -- --ignored --test-threads=1`.

#[path = "support/drops.rs"]
mod drops;
#[path = "support/settle.rs"]
mod settle;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use caskade::{
    Cache, Clock, Expiry, KeyLock, ManualClock, Refusal, Removal, Retry, SystemClock, Update,
};
use drops::{Counted, Register};
use settle::settles;

const THREADS: u64 = 4;

/// The end of the test's time.
#[derive(Clone, Copy)]
struct End(Instant);

impl End {
    fn new() -> Self {
        let seconds = std::env::var("CASKADE_STRESS_SECONDS").ok();
        let seconds = seconds.map_or(10.0, |text| text.parse().expect("a number of seconds"));
        Self(SystemClock.now() + Duration::from_secs_f64(seconds))
    }

    /// Rounds until the time is up, at least one.
    fn rounds(self) -> impl Iterator<Item = u64> {
        (0..).take_while(move |&round| round == 0 || SystemClock.now() < self.0)
    }
}

/// Runs `work` on `THREADS` threads at once, each with its number, and collects what they return.
fn together<T: Send>(work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        let spawn = |number| {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(number)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread fails")).collect()
    })
}

/// A small generator, so that runs differ in their schedules and not in their operations.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A value on the heap that shows whether it is whole: many words, all made from one.
#[derive(Clone, Debug)]
struct Checked(Vec<u64>);

impl Checked {
    fn new(seed: u64) -> Self {
        let words = 2 + seed % 30;
        Self((0..words).map(|index| seed.wrapping_mul(2 * index + 1)).chain([words]).collect())
    }

    fn seed(&self) -> u64 {
        let (words, body) = self.0.split_last().expect("never empty");
        assert_eq!(*words, body.len() as u64, "torn");
        let seed = body[0];
        let whole = (0..).zip(body).all(|(index, word)| *word == seed.wrapping_mul(2 * index + 1));
        assert!(whole, "torn: {:?}", self.0);
        seed
    }
}

#[test]
#[ignore = "stress"]
fn reads_of_heap_values_while_they_are_overwritten() {
    const KEYS: u64 = 16;
    let (end, cache) = (End::new(), Cache::builder().stripes(2).build().unwrap());
    for key in 0..KEYS {
        cache.insert(key, Checked::new(key)).unwrap();
    }
    together(|own| {
        let mut dice = Dice(own);
        for _ in end.rounds() {
            for _ in 0..100 {
                let key = dice.below(KEYS);
                // A value's seed names its key, so a value under the wrong key shows.
                let fresh = Checked::new(key + KEYS * dice.below(1 << 40));
                match dice.below(8) {
                    0 | 1 => drop(cache.insert(key, fresh)),
                    2 => drop(cache.replace(&key, fresh)),
                    3 => drop(cache.update(key, |old| {
                        assert_eq!(old.expect("never removed").seed() % KEYS, key);
                        Update::Put(fresh)
                    })),
                    4 => {
                        let session = cache.pin();
                        let seen: Vec<_> = (0..KEYS).filter_map(|key| session.get(&key)).collect();
                        drop(cache.insert(key, fresh));
                        assert!((0..).zip(seen).all(|(key, value)| value.seed() % KEYS == key));
                    }
                    5 => {
                        let keys: Vec<_> = (0..KEYS).collect();
                        let found = cache.get_many(&keys);
                        assert!(
                            (0..).zip(found).all(|(k, v)| v.expect("there").seed() % KEYS == k)
                        );
                    }
                    _ => assert_eq!(cache.read(&key, Checked::seed).expect("there") % KEYS, key),
                }
            }
        }
    });
    assert_eq!(cache.len() as u64, KEYS);
}

#[test]
#[ignore = "stress"]
fn counters_miss_no_step_and_repeat_none() {
    const KEYS: u64 = 3;
    let (end, cache) = (End::new(), Cache::builder().stripes(1).build().unwrap());
    let sums = together(|own| {
        let mut dice = Dice(own);
        let mut sums = [0u64; KEYS as usize];
        let mut last = [0u64; KEYS as usize];
        for _ in end.rounds() {
            for _ in 0..200 {
                let key = dice.below(KEYS);
                let by = 1 + dice.below(5);
                let after = *cache.increment_or_insert(key, by, by, Expiry::Never).unwrap();
                sums[key as usize] += by;
                assert!(after > last[key as usize], "a counter that only rises went back");
                last[key as usize] = after;
                let seen = cache.get(&key).expect("never removed");
                assert!(seen >= after, "a read from before the own write");
                last[key as usize] = seen;
            }
        }
        sums
    });
    for key in 0..KEYS {
        let sum: u64 = sums.iter().map(|sums| sums[key as usize]).sum();
        assert_eq!(cache.get(&key), Some(sum));
    }
}

#[test]
#[ignore = "stress"]
fn a_counter_is_seen_with_its_own_stamp() {
    let (end, cache) = (End::new(), Cache::builder().stripes(1).build().unwrap());
    cache.insert(0, 0u64).unwrap();
    let written: Vec<HashMap<_, _>> = together(|own| {
        let mut pairs = HashMap::new();
        for round in end.rounds().take(20_000) {
            if own < 2 {
                let after = cache.increment(&0, 1).unwrap();
                assert!(pairs.insert(after.cas().expect("shown"), *after).is_none());
            } else {
                let seen = cache.get_with_cas(&0).unwrap();
                let before = pairs.insert(seen.cas().expect("never locked"), *seen);
                assert!(before.is_none_or(|before| before == *seen), "round {round}");
            }
        }
        pairs
    });
    let (writes, reads) = written.split_at(2);
    for (cas, value) in reads.iter().flatten().filter(|(_, value)| **value > 0) {
        let of: Vec<_> = writes.iter().filter_map(|pairs| pairs.get(cas)).collect();
        assert_eq!(of, [value], "a stamp belongs to one write and its value");
    }
}

#[test]
#[ignore = "stress"]
fn optimistic_updates_lose_nothing() {
    let (end, cache) = (End::new(), Cache::builder().stripes(1).build().unwrap());
    cache.insert("k", Checked::new(0)).unwrap();
    let wins = together(|own| {
        let mut wins = 0;
        for round in end.rounds() {
            let next = |old: Option<&Checked>| {
                Update::Put(Checked::new(old.expect("never removed").seed() + 1))
            };
            let won = match (own + round) % 4 {
                0 => cache.fetch_update("k", Retry::default(), next).is_ok(),
                1 => cache.fetch_update("k", Retry::attempts(50).then_lock(3), next).is_ok(),
                2 => cache.update("k", next).is_ok(),
                _ => {
                    let seen = cache.get_with_cas("k").expect("never removed");
                    let next = Checked::new(seen.seed() + 1);
                    seen.cas().is_some_and(|cas| cache.compare_and_swap("k", cas, next).is_ok())
                }
            };
            wins += u64::from(won);
        }
        wins
    });
    assert_eq!(cache.read("k", Checked::seed), Some(wins.iter().sum()));
}

#[test]
#[ignore = "stress"]
fn of_several_additions_one_succeeds() {
    let (end, cache) = (End::new(), Cache::builder().stripes(1).build().unwrap());
    let additions = AtomicU64::new(0);
    let removals = AtomicU64::new(0);
    together(|own| {
        for round in end.rounds() {
            let key = round % 3;
            if cache.add(key, Checked::new(own)).is_ok() {
                additions.fetch_add(1, Ordering::Relaxed);
            }
            if cache.remove(&key).unwrap().is_some() {
                removals.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let left = additions.into_inner() - removals.into_inner();
    assert_eq!(left, cache.len() as u64, "each addition is there or was removed once");
}

#[test]
#[ignore = "stress"]
fn one_holder_at_a_time() {
    let (end, cache) = (End::new(), Cache::builder().stripes(1).build().unwrap());
    cache.insert("k", 0u64).unwrap();
    let inside = AtomicUsize::new(0);
    let patience = Duration::from_secs(10);
    let entered = together(|own| {
        let mut entered = 0;
        for round in end.rounds() {
            let held = match (own + round) % 3 {
                0 => cache.get_and_lock("k"),
                1 => cache.get_and_lock_within("k", patience, patience),
                _ => {
                    // Whoever only reads or tries must not get in.
                    assert!(cache.get("k").is_some());
                    if let Err(refused) = cache.replace("k", u64::MAX / 2).map_err(|e| e.refusal())
                    {
                        assert!(matches!(refused, Refusal::Locked { .. }));
                    } else {
                        cache.update("k", |_| Update::Put(0)).ok();
                    }
                    continue;
                }
            };
            let Ok(held) = held else { continue };
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two holders at once");
            assert_eq!(cache.get("k"), Some(*held.value()), "somebody wrote under the lock");
            thread::yield_now();
            assert_eq!(cache.get("k"), Some(*held.value()), "somebody wrote under the lock");
            inside.fetch_sub(1, Ordering::SeqCst);
            entered += 1;
            match round % 3 {
                0 => drop(held.write(round)),
                1 => assert!(held.unlock().is_ok()),
                _ => drop(held),
            }
        }
        entered
    });
    assert!(entered.iter().sum::<u64>() > 0);
    assert_eq!(cache.lock_remaining("k"), None);
    assert_eq!(cache.stats().locks_lapsed, 0, "no lock was held for seconds");
}

#[test]
#[ignore = "stress"]
fn waiters_are_all_served() {
    let (end, cache) = (End::new(), Cache::builder().stripes(1).build().unwrap());
    cache.insert("k", 0u64).unwrap();
    let served = together(|_| {
        let mut served = 0;
        for _ in end.rounds() {
            let patience = Duration::from_secs(60);
            let held = cache.get_and_lock_within("k", Duration::ZERO, patience);
            let held = held.expect("patience outlasts the test");
            let next = held.value() + 1;
            held.write(next).expect("no lock was held for long");
            served += 1;
        }
        served
    });
    assert_eq!(cache.get("k"), Some(served.iter().sum()));
}

#[test]
#[ignore = "stress"]
fn short_locks_that_lapse_under_their_holders() {
    let (end, cache) = (End::new(), Cache::builder().stripes(1).build().unwrap());
    cache.insert("k", Checked::new(0)).unwrap();
    let wins = together(|_| {
        let mut wins = 0;
        for round in end.rounds() {
            let time = Duration::from_nanos(1 + round % 2000);
            let Ok(held) = cache.get_and_lock_for("k", time) else { continue };
            let next = Checked::new(held.value().seed() + 1);
            // Perhaps late; then it counts only if nobody has locked or written since.
            wins += u64::from(held.write(next).is_ok());
        }
        wins
    });
    assert_eq!(cache.read("k", Checked::seed), Some(wins.iter().sum()));
}

#[test]
#[ignore = "stress"]
fn reads_while_the_table_grows() {
    let end = End::new();
    for _ in end.rounds() {
        let cache = Cache::builder().stripes(2).build().unwrap();
        for key in 0..64 {
            cache.insert(key, Checked::new(key)).unwrap();
        }
        together(|own| {
            if own == 0 {
                for key in 64..20_000 {
                    cache.insert(key, Checked::new(key)).unwrap();
                }
                return;
            }
            let session = cache.pin();
            for round in 0..20_000u64 {
                let key = round % 64;
                assert_eq!(cache.read(&key, Checked::seed), Some(key), "a stable key was missed");
                assert_eq!(session.get(&key).map(|value| value.seed()), Some(key));
                if own == 1 {
                    cache.insert(key, Checked::new(key)).unwrap();
                }
            }
        });
        assert_eq!(cache.len(), 20_000);
        assert!((0..20_000).all(|key| cache.read(&key, Checked::seed) == Some(key)));
    }
}

#[test]
#[ignore = "stress"]
fn a_session_across_growth_removal_and_reclamation() {
    let end = End::new();
    let register = Register::default();
    let cache = Cache::builder().stripes(1).build().unwrap();
    together(|own| {
        let mut dice = Dice(own);
        for round in end.rounds() {
            if own < 2 {
                for _ in 0..200 {
                    let key = dice.below(500);
                    match dice.below(4) {
                        0 => drop(cache.discard(&key)),
                        _ => drop(cache.insert(register.make(key), register.make(key))),
                    }
                }
                if round % 50 == 0 {
                    cache.clear();
                }
            } else {
                let mut session = cache.pin();
                let seen: Vec<_> =
                    (0..500).filter_map(|key| Some((key, session.get(&key)?))).collect();
                thread::yield_now();
                assert!(seen.iter().all(|(key, value)| **value == register.make(*key)));
                drop(seen);
                session.refresh();
                assert!(session.iter().all(|(key, value)| *key == *value));
            }
        }
    });
    cache.clear();
    assert!(settles(|| {
        cache.reclaim();
        register.alive() == 0
    }));
}

#[test]
#[ignore = "stress"]
fn clear_against_insert_and_read() {
    let end = End::new();
    let register = Register::default();
    let cache: Cache<Counted, Counted> = Cache::builder().stripes(4).build().unwrap();
    together(|own| {
        let mut dice = Dice(own);
        for _ in end.rounds() {
            if own == 0 {
                cache.clear();
                continue;
            }
            for _ in 0..100 {
                let key = dice.below(1000);
                cache.insert(register.make(key), register.make(key)).unwrap();
                assert!(cache.get(&key).is_none_or(|value| value == register.make(key)));
            }
        }
    });
    let (left, counted) = (cache.iter().count(), cache.len());
    assert_eq!(left, counted, "the count agrees with the table");
    assert!(settles(|| {
        cache.reclaim();
        register.alive() == 2 * left
    }));
    cache.clear();
    assert_eq!((cache.len(), cache.iter().count()), (0, 0));
}

#[test]
#[ignore = "stress"]
fn churn_against_iteration() {
    const STABLE: u64 = 200;
    let (end, cache) = (End::new(), Cache::builder().stripes(2).build().unwrap());
    for key in 0..STABLE {
        cache.insert(key, Checked::new(key)).unwrap();
    }
    together(|own| {
        let mut dice = Dice(own);
        for _ in end.rounds() {
            if own < 2 {
                let key = STABLE + dice.below(2000);
                match dice.below(3) {
                    0 => drop(cache.discard(&key)),
                    1 => drop(cache.insert(dice.below(STABLE), Checked::new(0))),
                    _ => drop(cache.insert(key, Checked::new(key))),
                }
                continue;
            }
            let mut keys: Vec<_> = cache
                .iter()
                .inspect(|(key, value)| assert!(value.seed() == *key || value.seed() == 0))
                .map(|(key, _)| key)
                .filter(|key| *key < STABLE)
                .collect();
            keys.sort_unstable();
            assert!(keys.into_iter().eq(0..STABLE), "each stable key exactly once");
        }
    });
    assert_eq!(cache.iter().count(), cache.len());
    cache.validate();
}

#[test]
#[ignore = "stress"]
fn everything_at_once_in_real_time() {
    let end = End::new();
    let register = Register::default();
    let builder = Cache::builder().stripes(2).time_to_live(Duration::from_micros(500));
    let cache: Cache<u64, Counted> = builder.build().unwrap();
    together(|own| {
        let mut dice = Dice(own);
        for _ in end.rounds() {
            for _ in 0..50 {
                hammer(&cache, &register, &mut dice);
            }
        }
    });
    let stats = cache.stats();
    assert!(stats.expired > 0 && stats.locks_taken > 0 && stats.conflicts > 0, "{stats:?}");
    assert_eq!(stats.entries as usize, cache.len());
    cache.validate();
    drop(cache);
    assert!(settles(|| register.alive() == 0));
}

/// One operation, whatever it may be and whatever comes of it.
fn hammer(cache: &Cache<u64, Counted>, register: &Register, dice: &mut Dice) {
    let key = dice.below(24);
    let value = register.make(key);
    let short = Duration::from_nanos(1 + dice.below(3000));
    let stamp = cache.get_with_cas(&key).and_then(|seen| seen.cas());
    match dice.below(16) {
        0 => drop(cache.insert(key, value)),
        1 => drop(cache.insert_with(key, value, Expiry::After(short))),
        2 => drop(cache.add(key, value)),
        3 => drop(cache.replace(&key, value)),
        4 => drop(stamp.map(|stamp| cache.compare_and_swap(&key, stamp, value))),
        5 => drop(stamp.map(|stamp| cache.compare_and_remove(&key, stamp))),
        6 => drop(cache.remove(&key)),
        7 => drop(cache.get_and_touch(&key, Expiry::After(short))),
        8 => drop(cache.get_and_lock_for(&key, short).map(|held| held.into_cas())),
        9 => drop(cache.get_and_lock(&key).map(|held| held.write(value))),
        10 => drop(cache.get_and_lock_within(&key, short, short).map(|held| held.remove())),
        11 => drop(cache.update(key, |_| Update::PutWith(value, Expiry::Keep))),
        12 => drop(cache.fetch_update(key, Retry::attempts(3).then_lock(1), |_| Update::Remove)),
        13 => assert!(cache.iter().all(|(key, seen)| *seen.value() == register.make(key))),
        14 => drop(cache.pin().iter().count().checked_rem(7)),
        _ => assert!(cache.get(&key).is_none_or(|seen| seen == value)),
    }
}

/// What became of all values of a cache, told by the values and by a listener.
#[derive(Default)]
struct Ledger {
    made: AtomicU64,
    dropped: AtomicU64,
    told: AtomicU64,
    told_again: AtomicU64,
}

/// A value that is accounted for; its clones are the same value.
#[derive(Clone)]
struct Entered(Arc<Line>);

struct Line {
    key: u64,
    weight: u32,
    told: AtomicU64,
    ledger: Arc<Ledger>,
}

impl Ledger {
    fn make(self: &Arc<Self>, key: u64, weight: u32) -> Entered {
        self.made.fetch_add(1, Ordering::Relaxed);
        let told = AtomicU64::new(0);
        Entered(Arc::new(Line { key, weight, told, ledger: Arc::clone(self) }))
    }

    /// What the listener does.
    fn tell(&self, removal: &Removal<'_, u64, Entered>) {
        let line = &removal.value().0;
        let again = line.key != *removal.key() || line.told.fetch_add(1, Ordering::Relaxed) > 0;
        self.told_again.fetch_add(u64::from(again), Ordering::Relaxed);
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    fn alive(&self) -> u64 {
        let dropped = self.dropped.load(Ordering::SeqCst);
        self.made.load(Ordering::SeqCst) - dropped
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.ledger.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// A bounded cache with everything that can happen to it, its clock, and the books.
struct Soak {
    cache: Cache<u64, Entered>,
    clock: ManualClock,
    ledger: Arc<Ledger>,
    /// How many values came in.
    stored: AtomicU64,
    bound: AtomicU64,
    /// Counters in a cache of their own: how many were created, and how many have left.
    counters: Cache<u64, u64>,
    counters_made: AtomicU64,
    counters_gone: Arc<AtomicU64>,
}

/// The least is what the heaviest value weighs.
const SOAK_BOUNDS: [u64; 4] = [300, 700, 1500, 4000];

impl Soak {
    fn new() -> Self {
        let (clock, ledger) = (ManualClock::new(), Arc::<Ledger>::default());
        let counters_gone = Arc::<AtomicU64>::default();
        let (book, gone) = (Arc::clone(&ledger), Arc::clone(&counters_gone));
        let cache = Cache::builder()
            .max_weight(SOAK_BOUNDS[1], |_: &u64, value: &Entered| value.0.weight)
            .initial_entries(2048)
            .clock(clock.clone())
            .removal_listener(move |removal| book.tell(removal))
            .build()
            .expect("valid settings");
        let counters = Cache::builder()
            .max_entries(50)
            .clock(clock.clone())
            .removal_listener(move |_| {
                gone.fetch_add(1, Ordering::Relaxed);
            })
            .build()
            .expect("valid settings");
        Self {
            cache,
            clock,
            ledger,
            stored: AtomicU64::new(0),
            bound: AtomicU64::new(SOAK_BOUNDS[1]),
            counters,
            counters_made: AtomicU64::new(0),
            counters_gone,
        }
    }

    fn step(&self, dice: &mut Dice) {
        let cache = &self.cache;
        let key = dice.below(1000);
        let weight = match dice.below(50) {
            0 => 0,
            1 => 300, // more than the share of a stripe, more often than not
            other => 1 + other as u32 % 9,
        };
        let weight = if key % 100 == 0 { weight } else { weight.max(1) };
        let value = || self.ledger.make(key, weight);
        let life = Duration::from_millis(1 + dice.below(2000));
        let stamp = cache.get_with_cas(&key).and_then(|seen| seen.cas());
        let stored = match dice.below(20) {
            0..=4 => cache.insert(key, value()).is_ok(),
            5 => cache.insert_with(key, value(), Expiry::After(life)).is_ok(),
            6 => cache.add(key, value()).is_ok(),
            7 => cache.replace(&key, value()).is_ok(),
            8 => stamp.is_some_and(|stamp| cache.compare_and_swap(&key, stamp, value()).is_ok()),
            9 => cache.update(key, |_| Update::PutWith(value(), Expiry::Keep)).is_ok(),
            10 => {
                let retry = Retry::attempts(1);
                cache.fetch_update(key, retry, |_| Update::Put(value())).is_ok()
            }
            11 => cache.get_and_lock(&key).is_ok_and(|held| held.write(value()).is_ok()),
            12 => {
                let lapses = cache.get_and_lock_for(&key, life).map(KeyLock::into_cas);
                self.clock.advance(Duration::from_millis(dice.below(50)));
                lapses.is_ok_and(|token| cache.compare_and_swap(&key, token, value()).is_ok())
            }
            13 => {
                let _ = cache.discard(&key);
                false
            }
            14 => {
                drop(cache.get_and_touch(&key, Expiry::After(life)));
                false
            }
            15 => {
                let session = cache.pin();
                let seen = session.get(&key);
                thread::yield_now();
                assert!(seen.is_none_or(|seen| seen.0.key == key));
                false
            }
            16 => {
                self.count(key % 100, dice);
                false
            }
            _ => {
                assert!(cache.read(&key, |value| value.0.key).is_none_or(|named| named == key));
                false
            }
        };
        self.stored.fetch_add(u64::from(stored), Ordering::Relaxed);
        match dice.below(5000) {
            0 => cache.clear(),
            1..=3 => drop(cache.expire_due()),
            4..=6 => assert!(cache.iter().all(|(key, value)| value.0.key == key)),
            _ => {}
        }
    }

    /// A counter that is zero has just been created.
    fn count(&self, key: u64, dice: &mut Dice) {
        let created = match dice.below(4) {
            0 => self.counters.insert(key, 1).is_ok(),
            1 => {
                let _ = self.counters.increment(&key, 1);
                let _ = self.counters.discard(&key);
                false
            }
            _ => {
                let counted = self.counters.increment_or_insert(key, 1, 0, Expiry::Default);
                counted.is_ok_and(|count| *count == 0)
            }
        };
        self.counters_made.fetch_add(u64::from(created), Ordering::Relaxed);
    }

    /// While nobody else is at work, all books agree.
    fn audit(&self) {
        self.cache.expire_due();
        let (stats, bound) = (self.cache.stats(), self.bound.load(Ordering::Relaxed));
        let resident: Vec<_> = self.cache.iter().collect();
        let weight: u64 = resident.iter().map(|(_, value)| u64::from(value.0.weight)).sum();
        assert_eq!((stats.weight, stats.bound), (weight, Some(bound)));
        assert!(weight <= bound, "{weight} of {bound}");
        assert_eq!(self.cache.len(), resident.len());
        assert!(resident.iter().all(|(_, value)| value.0.told.load(Ordering::Relaxed) == 0));
        let told = self.ledger.told.load(Ordering::Relaxed);
        assert_eq!(self.stored.load(Ordering::Relaxed), told + resident.len() as u64);
        assert_eq!(self.ledger.told_again.load(Ordering::Relaxed), 0);
        let gone = self.counters_gone.load(Ordering::Relaxed);
        let left = self.counters.len() as u64;
        assert!(left <= 50);
        assert_eq!(self.counters_made.load(Ordering::Relaxed), gone + left);
        self.cache.validate();
        self.counters.validate();
    }

    fn change_bound(&self, dice: &mut Dice) {
        let bound = SOAK_BOUNDS[dice.below(4) as usize];
        self.cache.set_bound(bound).expect("not nothing");
        self.bound.store(bound, Ordering::Relaxed);
    }
}

/// Bounds, weights, lives, locks, counters, iteration and a listener together. Now and then all
/// threads rest while one of them goes over the books.
#[test]
#[ignore = "stress"]
fn everything_at_once_in_a_bounded_cache() {
    let (end, soak, rest) = (End::new(), Soak::new(), RwLock::new(()));
    together(|own| {
        let mut dice = Dice(own);
        for round in end.rounds() {
            {
                let _at_work = rest.read().expect("no thread fails");
                for _ in 0..100 {
                    soak.step(&mut dice);
                }
                if own == 0 && round % 4 == 0 {
                    soak.change_bound(&mut dice);
                }
            }
            if own == 1 && round % 20 == 0 {
                let _alone = rest.write().expect("no thread fails");
                soak.audit();
            }
        }
    });
    soak.audit();
    let stats = soak.cache.stats();
    assert!(stats.expired > 0 && stats.evicted > 0 && stats.locks_taken > 0, "{stats:?}");
    let (resident, ledger) = (soak.cache.len() as u64, Arc::clone(&soak.ledger));
    assert!(settles(|| {
        soak.cache.reclaim();
        ledger.alive() == resident
    }));
    drop(soak);
    assert!(settles(|| ledger.alive() == 0));
}
