//! Look-ups and inserts over full caches: a million keys after Zipf, room for a tenth of them.

use std::sync::atomic::{AtomicU64, Ordering};

use caskade_bench::Limited;
use caskade_bench::keys::{Shape, Stream, key, shuffled, value_of};
use caskade_bench::ours;
use caskade_bench::subjects::{LimitedKind, limited};
use caskade_bench::table::{Contestant, Effort, Race, Table};

use crate::Goal;

const KEYS: usize = 1_000_000;
const CAPACITY: usize = 100_000;
const THREADS: [usize; 2] = [1, 2];
const STREAM: usize = 1 << 20;

type Cache = Box<dyn Limited<u64>>;

/// What is done with each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Workload {
    Hits,
    Misses,
    Inserts,
    ReadOrFill,
}

const WORKLOADS: [Workload; 4] =
    [Workload::Hits, Workload::Misses, Workload::Inserts, Workload::ReadOrFill];

impl Workload {
    fn title(self) -> &'static str {
        match self {
            Self::Hits => "get, a hit",
            Self::Misses => "get, a miss",
            Self::Inserts => "insert",
            Self::ReadOrFill => "get, on a miss insert",
        }
    }

    fn run(self, cache: &dyn Limited<u64>, keys: &[u64]) -> u64 {
        match self {
            Self::Hits => cache.read_each(keys),
            Self::Misses => {
                let sum = cache.read_each(keys);
                assert_eq!(sum, 0, "found what was never inserted");
                sum
            }
            Self::Inserts => cache.fill(keys, 0),
            Self::ReadOrFill => cache.read_or_fill(keys),
        }
    }

    /// For each thread; the caches are full already.
    fn streams(self, caches: &[Cache]) -> Vec<Stream> {
        let draw = |thread: u64| {
            let stream = Stream::draw(Shape::Zipf, KEYS, STREAM, 100 + thread);
            match self {
                Self::Hits => Stream::of(in_all(caches, stream.all())),
                Self::Misses => Stream::of(stream.all().iter().map(|key| never(*key)).collect()),
                _ => stream,
            }
        };
        THREADS.map(|threads| draw(threads as u64)).to_vec()
    }
}

/// The keys that every cache holds, so that all have hits only, and the same ones.
fn in_all(caches: &[Cache], keys: &[u64]) -> Vec<u64> {
    let held = |key: &u64| caches.iter().all(|cache| cache.get(*key).is_some());
    let keys: Vec<u64> = keys.iter().copied().filter(held).collect();
    assert!(keys.len() > STREAM / 10, "the caches have next to nothing in common");
    keys
}

/// A key that no rank has, for each key.
fn never(rank_key: u64) -> u64 {
    key(KEYS + (rank_key % (1 << 40)) as usize)
}

pub(crate) fn run(quick: bool) -> Vec<Goal> {
    let effort = if quick {
        Effort { turns: 3, warm_up: 20, wanted: 3, tries: 40 }
    } else {
        Effort { turns: 7, warm_up: 60, wanted: 7, tries: 200 }
    };
    let kinds = limited();
    WORKLOADS.iter().flat_map(|workload| race(*workload, &kinds, effort)).collect()
}

fn race(workload: Workload, kinds: &[LimitedKind<u64>], effort: Effort) -> Vec<Goal> {
    let caches: Vec<Cache> = kinds.iter().map(full).collect();
    let streams = workload.streams(&caches);
    let before = sums(workload, &caches, &streams);
    let tallies: Vec<Tally> = kinds.iter().map(|_| Tally::default()).collect();
    let contestants = kinds.iter().zip(&caches).zip(&tallies).map(|((kind, cache), tally)| {
        let work = |_: usize, keys: &[u64]| {
            let done = workload.run(&**cache, keys);
            tally.note(done, keys.len());
            done
        };
        Contestant::new(kind.name, work).remark(|| tally.percent())
    });
    let race = Race {
        title: format!("{}: Zipf 0.99, 1 M keys, room for 100 k", workload.title()),
        streams: &streams,
        threads: &THREADS,
        keys: None,
        remarks: (workload == Workload::ReadOrFill).then_some("hits %"),
        contestants: contestants.collect(),
    };
    let table = race.run(effort);
    drop(race);
    println!("{table}");
    assert_eq!(sums(workload, &caches, &streams), before, "a value changed");
    kinds.iter().zip(&caches).for_each(|(kind, cache)| check(kind, &**cache));
    goals(&table, workload, kinds)
}

/// Filled by look-ups and inserts, as it would be in use, until what should stay is there.
fn full(kind: &LimitedKind<u64>) -> Cache {
    let cache = (kind.new)(CAPACITY);
    cache.fill(&shuffled(KEYS), 0);
    for seed in 0..2 {
        cache.read_or_fill(Stream::draw(Shape::Zipf, KEYS, STREAM, seed).all());
    }
    check(kind, &*cache);
    cache
}

/// Everything in the cache is right, it is full, and not too full.
fn check(kind: &LimitedKind<u64>, cache: &dyn Limited<u64>) {
    if kind.strict {
        assert!(cache.resident() <= CAPACITY, "{}: over its limit", kind.name);
    }
    cache.settle();
    cache.settle();
    let resident = cache.resident();
    let found = (0..KEYS).map(key).filter_map(|key| Some((key, cache.get(key)?)));
    let right = found.inspect(|(key, value)| assert_eq!(*value, value_of(*key), "{}", kind.name));
    assert_eq!(right.count(), resident, "{}: entries are missing", kind.name);
    assert!(resident >= CAPACITY * 9 / 10, "{}: holds {resident} only", kind.name);
}

/// What a reader sees; nothing where writes change it.
fn sums(workload: Workload, caches: &[Cache], streams: &[Stream]) -> Vec<u64> {
    if workload != Workload::Hits {
        return Vec::new();
    }
    let of_all = |cache: &Cache| {
        let sums = streams.iter().map(|stream| cache.read_each(stream.all()));
        sums.fold(0, u64::wrapping_add)
    };
    let values = streams.iter().flat_map(|stream| stream.all()).map(|key| value_of(*key));
    let expected = values.fold(0, u64::wrapping_add);
    let sums: Vec<u64> = caches.iter().map(of_all).collect();
    assert!(sums.iter().all(|sum| *sum == expected), "not every look-up is a hit");
    sums
}

/// How many look-ups of a mix were hits.
#[derive(Debug, Default)]
struct Tally {
    hits: AtomicU64,
    requests: AtomicU64,
}

impl Tally {
    fn note(&self, hits: u64, requests: usize) {
        self.hits.fetch_add(hits, Ordering::Relaxed);
        self.requests.fetch_add(requests as u64, Ordering::Relaxed);
    }

    fn percent(&self) -> String {
        let [hits, requests] = [&self.hits, &self.requests].map(|n| n.load(Ordering::Relaxed));
        format!("{:.1}", 100.0 * hits as f64 / requests as f64)
    }
}

fn goals(table: &Table, workload: Workload, kinds: &[LimitedKind<u64>]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for threads in THREADS {
        for (rival, bar) in kinds[1..].iter().map(|kind| kind.name).zip([1.3, 3.0]) {
            let [rivals, ours] = [rival, ours::NAME].map(|name| table.nanos(name, threads));
            let ratio = rivals.zip(ours).map(|(rivals, ours)| rivals / ours);
            let name = format!("{}, {threads}T: times the speed of {rival}", workload.title());
            goals.push(Goal::at_least(name, bar, ratio));
        }
    }
    goals
}
