//! What the loaders and invalidations cost on one thread: `--costs`.
//!
//! The caches take turns, round by round, and what is shown is the median. Numbers of different runs
//! cannot be compared; the ratios of one run can.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

use ahash::RandomState;
use caskade_bench::keys::{fixed_hasher, shuffled};
use caskade_bench::measure::median;
use quick_cache::{UnitWeighter, sync::DefaultLifecycle};

use crate::table::{Format, aligned};

/// How many entries are read and loaded.
const FEW: usize = 10_000;

/// How many entries are invalidated.
const MANY: usize = 100_000;

/// How often each cache has its turn.
const ROUNDS: usize = 25;

/// A cache whose costs are known. The loops are compiled together with its code.
trait Costed {
    fn get(&self, key: u64) -> Option<u64>;
    fn insert(&self, key: u64, value: u64);
    fn load(&self, key: u64) -> u64;
    fn invalidate_all(&self);

    /// Does what the cache would otherwise do later.
    fn settle(&self);

    fn get_each(&self, keys: &[u64]) -> u64 {
        keys.iter().fold(0, |sum, key| sum ^ self.get(*key).unwrap_or(0))
    }

    fn load_each(&self, keys: &[u64]) -> u64 {
        keys.iter().fold(0, |sum, key| sum ^ self.load(*key))
    }

    fn get_and_insert_each(&self, keys: &[u64]) -> u64 {
        let get = |key: u64| {
            self.get(key).unwrap_or_else(|| {
                self.insert(key, !key);
                !key
            })
        };
        keys.iter().fold(0, |sum, key| sum ^ get(*key))
    }
}

impl Costed for caskade::Cache<u64, u64, RandomState> {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value).expect("nobody locks");
    }

    fn load(&self, key: u64) -> u64 {
        self.get_or_load(&key, |key| !key)
    }

    fn invalidate_all(&self) {
        self.invalidate_all();
    }

    fn settle(&self) {
        self.reclaim();
    }
}

impl Costed for moka::sync::Cache<u64, u64, RandomState> {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value);
    }

    fn load(&self, key: u64) -> u64 {
        self.get_with(key, || !key)
    }

    fn invalidate_all(&self) {
        self.invalidate_all();
    }

    fn settle(&self) {
        while self.entry_count() > 0 {
            self.run_pending_tasks();
        }
    }
}

impl Costed for quick_cache::sync::Cache<u64, u64, UnitWeighter, RandomState> {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value);
    }

    fn load(&self, key: u64) -> u64 {
        let Ok(value) = self.get_or_insert_with(&key, || Ok::<_, Infallible>(!key));
        value
    }

    fn invalidate_all(&self) {
        self.clear();
    }

    fn settle(&self) {}
}

fn contestants() -> [(&'static str, Box<dyn Costed>); 3] {
    let room = 2 * MANY as u64;
    let caskade = caskade::Cache::builder().hasher(fixed_hasher()).max_entries(room).build();
    let moka = moka::sync::Cache::builder().max_capacity(room).build_with_hasher(fixed_hasher());
    let lifecycle = DefaultLifecycle::default();
    let quick_cache =
        quick_cache::sync::Cache::with(MANY, room, UnitWeighter, fixed_hasher(), lifecycle);
    [
        ("caskade", Box::new(caskade.expect("the settings are valid"))),
        ("moka", Box::new(moka)),
        ("quick_cache", Box::new(quick_cache)),
    ]
}

/// Something that costs time, and how it is made ready for.
struct Work {
    name: &'static str,
    unit: &'static str,
    /// By how much the nanoseconds of a round are divided.
    per: f64,
    prepare: fn(&dyn Costed, &[u64]),
    run: fn(&dyn Costed, &[u64]) -> u64,
    keys: usize,
}

const fn each(name: &'static str, hits: bool, run: fn(&dyn Costed, &[u64]) -> u64) -> Work {
    let prepare: fn(&dyn Costed, &[u64]) = if hits { fill } else { empty };
    Work { name, unit: "ns", per: FEW as f64, prepare, run, keys: FEW }
}

const WORKS: [Work; 6] = [
    each("hit: get", true, |cache, keys| cache.get_each(keys)),
    each("hit: loader", true, |cache, keys| cache.load_each(keys)),
    each("miss: get, insert", false, |cache, keys| cache.get_and_insert_each(keys)),
    each("miss: loader", false, |cache, keys| cache.load_each(keys)),
    Work {
        name: "invalidate all of 100 000",
        unit: "µs",
        per: 1e3,
        prepare: fill,
        run: |cache, _| {
            cache.invalidate_all();
            0
        },
        keys: MANY,
    },
    Work {
        name: "the same, until the memory is free",
        unit: "µs",
        per: 1e3,
        prepare: fill,
        run: |cache, _| {
            cache.invalidate_all();
            cache.settle();
            0
        },
        keys: MANY,
    },
];

fn empty(cache: &dyn Costed, _keys: &[u64]) {
    cache.invalidate_all();
    cache.settle();
}

fn fill(cache: &dyn Costed, keys: &[u64]) {
    cache.get_and_insert_each(keys);
    let values = keys.iter().fold(0, |sum, key| sum ^ !key);
    assert_eq!(cache.get_each(keys), values, "the entries are there");
}

/// Runs everything and shows a table of it.
pub(crate) fn show(format: Format) -> String {
    let caches = contestants();
    let names = caches.each_ref().map(|(name, _)| *name);
    let against = |name: &str| [name.to_string(), format!("÷ {}", names[0])];
    let heading = names.iter().flat_map(|name| against(name));
    let mut lines = vec![without_own(heading)];
    let mut labels = vec![String::new()];
    for work in WORKS {
        labels.push(format!("{}, {}", work.name, work.unit));
        let costs = measure(&work, &caches);
        let cell = |cost: &f64| [format!("{cost:.1}"), format!("{:.2}", cost / costs[0])];
        lines.push(without_own(costs.iter().flat_map(cell)));
    }
    aligned(&labels, &lines, format)
}

/// The cells but for the ratio of the first cache to itself.
fn without_own(cells: impl Iterator<Item = String>) -> Vec<String> {
    cells.enumerate().filter(|(column, _)| *column != 1).map(|(_, cell)| cell).collect()
}

fn measure(work: &Work, caches: &[(&'static str, Box<dyn Costed>)]) -> Vec<f64> {
    let keys = shuffled(work.keys);
    let mut rounds = vec![Vec::new(); caches.len()];
    for _ in 0..ROUNDS {
        for ((_, cache), rounds) in caches.iter().zip(&mut rounds) {
            (work.prepare)(&**cache, &keys);
            let started = Instant::now();
            black_box((work.run)(&**cache, &keys));
            rounds.push(started.elapsed().as_nanos() as f64 / work.per);
        }
    }
    rounds.iter().map(|rounds| median(rounds).expect("there were rounds")).collect()
}
