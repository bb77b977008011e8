//! Performs one operation so many times and nothing else: the program that `instructions.sh` runs
//! under callgrind.
//!
//!     instructions OPERATION COUNT
//!
//! The cost of starting up and filling the cache is the same for every COUNT, so that the
//! difference of two runs is that of the operations alone. Everything that is random elsewhere has
//! a fixed seed here.

use std::hint::black_box;

use caskade::Cache;
use caskade_bench::keys::{Shape, Stream, key, shuffled, value_of};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ENTRIES: usize = 10_000;

type Numbers = Cache<u64, u64, ahash::RandomState>;

/// Performs an operation for each key; `at` counts keys from the start.
type Operation = fn(&Numbers, &[u64], usize) -> u64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [operation, count] = &arguments[..] else { panic!("usage: instructions OPERATION COUNT") };
    let count: usize = count.parse().expect("a number");
    let (perform, chunk) = operation_called(operation);
    let cache = if operation == "insert_full" { full() } else { filled() };
    let keys = Stream::draw(Shape::Uniform, ENTRIES, 100 * chunk, 1);
    let laps = keys.all().chunks(chunk).cycle().take(count / chunk);
    let done: u64 = laps.enumerate().map(|(lap, keys)| perform(&cache, keys, lap * chunk)).sum();
    black_box(done);
}

fn filled() -> Numbers {
    let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
    let builder = Cache::builder().hasher(hasher).stripes(64).initial_entries(1 << 20);
    let cache = builder.build().expect("the settings are valid");
    for key in shuffled(ENTRIES) {
        cache.insert(key, value_of(key)).expect("nobody locks a key");
    }
    let sum: u64 = (0..ENTRIES).filter_map(|rank| cache.get(&key(rank))).sum();
    assert_eq!(sum, (0..ENTRIES).map(|rank| value_of(key(rank))).sum());
    cache
}

/// With no room left, so that whoever comes pushes somebody out.
fn full() -> Numbers {
    let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
    let builder = Cache::builder().hasher(hasher).stripes(32).max_entries(ENTRIES as u64);
    let cache = builder.build().expect("the settings are valid");
    for key in shuffled(2 * ENTRIES) {
        cache.insert(key, value_of(key)).expect("nobody locks a key");
    }
    assert_eq!(cache.len(), ENTRIES);
    cache
}

/// The operation, and how many keys it gets at once.
fn operation_called(name: &str) -> (Operation, usize) {
    match name {
        "get" => (|cache, keys, _| keys.iter().filter_map(|key| cache.get(key)).sum(), 16),
        "get_with_cas" => (
            |cache, keys, _| keys.iter().filter_map(|k| cache.get_with_cas(k)).map(|v| *v).sum(),
            16,
        ),
        "session_get_64" => (session_get, 64),
        "visit_many_16" => (visit_many, 16),
        "overwrite" => (
            |cache, keys, _| keys.iter().filter_map(|k| cache.insert(*k, *k).ok()).count() as u64,
            16,
        ),
        "insert_new" | "insert_full" => (insert_new, 16),
        "increment" => (
            |cache, keys, _| keys.iter().filter_map(|k| cache.increment(k, 1).ok()).count() as u64,
            16,
        ),
        _ => panic!("no operation is called {name}"),
    }
}

fn session_get(cache: &Numbers, keys: &[u64], _: usize) -> u64 {
    let session = cache.pin();
    keys.iter().filter_map(|key| session.get(key)).map(|value| *value).sum()
}

fn visit_many(cache: &Numbers, keys: &[u64], _: usize) -> u64 {
    let mut sum = 0;
    cache.pin().visit_many(keys, |_, found| sum += found.map_or(0, |value| *value));
    sum
}

/// Room for a million was made in the beginning, so this does not measure growth.
fn insert_new(cache: &Numbers, keys: &[u64], at: usize) -> u64 {
    let fresh = (at..at + keys.len()).map(|at| key(2 * ENTRIES + at));
    fresh.filter_map(|key| cache.insert(key, key).ok()).count() as u64
}
