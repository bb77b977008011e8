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
    if let Some(request) = wire::request_called(operation) {
        return wire::send(request, count);
    }
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
    assert_eq!(sum, (0..ENTRIES).map(|rank| value_of(key(rank))).sum::<u64>());
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

/// Requests to a connection, 48 at once, without a socket.
mod wire {
    use caskade::memcached::{Connection, Flow, Output, Service};
    use caskade_bench::keys::{Shape, Stream, key, shuffled};

    use super::ENTRIES;

    const AT_ONCE: usize = 48;

    /// Writes the requests for some keys, given by their names.
    type Request = fn(&[String]) -> String;

    pub(super) fn request_called(name: &str) -> Option<Request> {
        Some(match name {
            "text_get" => |keys| keys.iter().map(|key| format!("get {key}\r\n")).collect(),
            "text_multi_get" => |keys| format!("get {}\r\n", keys.join(" ")),
            "text_set" => |keys| keys.iter().map(|key| set(key)).collect(),
            "meta_get" => |keys| keys.iter().map(|key| format!("mg {key} v\r\n")).collect(),
            _ => return None,
        })
    }

    fn set(key: &str) -> String {
        format!("set {key} 0 0 100\r\n{}\r\n", "v".repeat(100))
    }

    fn name_of(key: u64) -> String {
        format!("key:{key:016x}")
    }

    pub(super) fn send(request: Request, count: usize) {
        let mut connection = Connection::new(&Service::new());
        let mut out = Output::new();
        for key in shuffled(ENTRIES) {
            assert_eq!(connection.feed(set(&name_of(key)).as_bytes(), &mut out), Flow::More);
            out.clear();
        }
        assert_eq!(connection.feed(request(&[name_of(key(0))]).as_bytes(), &mut out), Flow::More);
        assert!(matches!(&out.to_vec()[..6], b"VALUE " | b"STORED" | b"VA 100"));
        out.clear();
        let keys = Stream::draw(Shape::Uniform, ENTRIES, 100 * AT_ONCE, 1);
        let names: Vec<String> = keys.all().iter().map(|key| name_of(*key)).collect();
        let requests: Vec<String> = names.chunks(AT_ONCE).map(request).collect();
        for request in requests.iter().cycle().take(count / AT_ONCE) {
            assert_eq!(connection.feed(request.as_bytes(), &mut out), Flow::More);
            out.clear();
        }
    }
}

/// Room for a million was made in the beginning, so this does not measure growth.
fn insert_new(cache: &Numbers, keys: &[u64], at: usize) -> u64 {
    let fresh = (at..at + keys.len()).map(|at| key(2 * ENTRIES + at));
    fresh.filter_map(|key| cache.insert(key, key).ok()).count() as u64
}
