//! How many values exist at the same time: those in the cache, and those that nobody can reach any
//! more but that were not dropped yet.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use caskade_bench::keys::key;
use caskade_bench::ours;
use caskade_bench::subjects::{LimitedKind, limited};
use caskade_bench::{Limited, Payload};

use crate::Goal;

const CAPACITY: usize = 1000;
const THREADS: usize = 4;
const INSERTS: usize = 200_000; // of each thread
const MOST: f64 = 1.25;

/// One for each cache, since what one leaves behind may be dropped while the next one runs.
static GAUGES: [Gauge; 16] = [const { Gauge::new() }; 16];
static CURRENT: AtomicUsize = AtomicUsize::new(0);

/// Relaxed throughout: the counts are read after the threads were joined.
#[derive(Debug)]
struct Gauge {
    alive: AtomicI64,
    peak: AtomicI64,
}

impl Gauge {
    const fn new() -> Self {
        Self { alive: AtomicI64::new(0), peak: AtomicI64::new(0) }
    }

    fn alive(&self) -> i64 {
        self.alive.load(Ordering::Relaxed)
    }
}

/// A value that is counted as long as it exists.
#[derive(Debug)]
struct Counted {
    weight: u64,
    gauge: &'static Gauge,
}

impl Counted {
    fn new(weight: u64) -> Self {
        let gauge = &GAUGES[CURRENT.load(Ordering::Relaxed)];
        let alive = gauge.alive.fetch_add(1, Ordering::Relaxed) + 1;
        gauge.peak.fetch_max(alive, Ordering::Relaxed);
        Self { weight, gauge }
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(self.weight)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Payload for Counted {
    fn of(key: u64, round: u64) -> Self {
        Self::new(u64::of(key, round))
    }

    fn weight(&self) -> u64 {
        self.weight
    }
}

/// What was seen of one cache.
#[derive(Debug, Clone, Copy)]
struct Census {
    peak: i64,
    /// After the threads ended.
    end: i64,
    /// After the cache was dropped.
    left: i64,
}

/// Which rank the `turn`-th insert of a thread takes.
type Ranks = fn(thread: usize, turn: usize) -> usize;

const WORKLOADS: [(&str, Ranks); 2] = [
    ("4 threads insert 200 000 keys each", |thread, turn| thread * INSERTS + turn),
    ("4 threads overwrite 1000 keys 800 000 times", |thread, turn| {
        (turn + thread * CAPACITY / THREADS) % CAPACITY
    }),
];

pub(crate) fn run() -> Vec<Goal> {
    println!("### Values alive, room for {CAPACITY}\n");
    println!("| | cache | peak | ÷ room | at the end | left when the cache is gone |");
    println!("|---|---|{}", "---:|".repeat(4));
    let mut goals = Vec::new();
    for (title, ranks) in WORKLOADS {
        for kind in &limited::<Counted>() {
            let Census { peak, end, left } = census(kind, INSERTS, ranks);
            let ratio = peak as f64 / CAPACITY as f64;
            println!("| {title} | {} | {peak} | {ratio:.2} | {end} | {left} |", kind.name);
            if kind.name == ours::NAME {
                let name = format!("{title}: values alive ÷ room");
                goals.push(Goal::at_most(name, MOST, ratio));
            }
        }
    }
    println!();
    goals
}

fn census(kind: &LimitedKind<Counted>, inserts: usize, ranks: Ranks) -> Census {
    let gauge = &GAUGES[CURRENT.fetch_add(1, Ordering::Relaxed) + 1];
    let cache = (kind.new)(CAPACITY);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let cache: &dyn Limited<Counted> = &*cache;
            scope.spawn(move || {
                for turn in 0..inserts {
                    let key = key(ranks(thread, turn));
                    cache.insert(key, Counted::of(key, 0));
                }
            });
        }
    });
    let (peak, end) = (gauge.peak.load(Ordering::Relaxed), gauge.alive());
    check(kind, &*cache, end);
    cache.settle();
    drop(cache);
    Census { peak, end, left: gauge.alive() }
}

/// As many values exist as there are entries at least, and entries are right and within the limit.
fn check(kind: &LimitedKind<Counted>, cache: &dyn Limited<Counted>, alive: i64) {
    let resident = cache.resident();
    assert!(resident > 0 && alive >= resident as i64, "{}: {alive} are alive", kind.name);
    assert!(!kind.strict || resident <= CAPACITY, "{}: holds {resident}", kind.name);
    let right = |key: u64| cache.get(key).is_none_or(|value| value.weight == u64::of(key, 0));
    assert!((0..CAPACITY).map(key).all(right), "{}: the value of another key", kind.name);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because the gauges are shared.
    #[test]
    fn values_are_counted() {
        let one = Counted::new(1);
        let two = one.clone();
        let gauge = one.gauge;
        assert_eq!(gauge.alive(), 2);
        drop((one, two));
        assert_eq!(gauge.alive(), 0);
        assert_eq!(gauge.peak.load(Ordering::Relaxed), 2);

        let quick_cache = &limited::<Counted>()[1];
        let distinct = census(quick_cache, 2_000, |thread, turn| thread * 2_000 + turn);
        assert!((900..1_200).contains(&distinct.end) && distinct.left == 0, "{distinct:?}");
        assert!(distinct.peak >= distinct.end);
        let same = census(quick_cache, 2_000, |_, turn| turn % 100);
        assert_eq!((same.end, same.left), (100, 0), "{same:?}");
    }
}
