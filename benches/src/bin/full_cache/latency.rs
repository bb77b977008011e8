//! How long single calls take while eight threads use a full cache.
//!
//! There are more threads than cores, as in a server, so that the tail has in it what happens when a
//! thread loses its core at a bad moment, and also when it does so at any moment: that part is the
//! same for all caches. Reading the clock is part of every time; its own row says how much that is.

use std::sync::Barrier;
use std::time::Instant;

use caskade_bench::keys::{Shape, Stream, shuffled, value_of};
use caskade_bench::subjects::{LimitedKind, limited};
use caskade_bench::{Limited, Payload};
use hdrhistogram::Histogram;

const THREADS: usize = 8;
const LONGEST: u64 = 60_000_000_000;

#[derive(Debug, Clone, Copy)]
struct Scale {
    capacity: usize,
    rounds: usize,
    /// Of each thread, half of them inserts.
    calls: usize,
}

/// Nanoseconds.
#[derive(Debug, Clone)]
struct Times {
    gets: Histogram<u64>,
    inserts: Histogram<u64>,
}

impl Times {
    fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are valid");
        Self { gets: histogram.clone(), inserts: histogram }
    }

    fn add(&mut self, other: &Self) {
        self.gets.add(&other.gets).expect("the bounds are the same");
        self.inserts.add(&other.inserts).expect("the bounds are the same");
    }
}

pub(crate) fn run(quick: bool) {
    let scale = if quick {
        Scale { capacity: 100_000, rounds: 3, calls: 50_000 }
    } else {
        Scale { capacity: 1_000_000, rounds: 5, calls: 200_000 }
    };
    let streams: Vec<Stream> = (0..THREADS)
        .map(|thread| Stream::draw(Shape::Zipf, 2 * scale.capacity, scale.calls, thread as u64))
        .collect();
    let kinds = limited();
    let caches = kinds.each_ref().map(|kind| full(kind, scale.capacity));
    let mut times = kinds.each_ref().map(|_| Times::new());
    for _ in 0..scale.rounds {
        for (cache, times) in caches.iter().zip(&mut times) {
            times.add(&round(&**cache, &streams));
        }
    }
    let calls = (scale.rounds * scale.calls * THREADS / 2) as u64;
    for ((kind, cache), times) in kinds.iter().zip(&caches).zip(&times) {
        let counted = [&times.gets, &times.inserts].map(Histogram::len);
        assert_eq!(counted, [calls, calls], "{}: a call was not counted", kind.name);
        let within = cache.resident() <= scale.capacity;
        assert!(within || !kind.strict, "{}: over its limit", kind.name);
    }
    print(scale, &kinds, &times);
}

fn full(kind: &LimitedKind<u64>, capacity: usize) -> Box<dyn Limited<u64>> {
    let cache = (kind.new)(capacity);
    cache.fill(&shuffled(2 * capacity), 0);
    cache.settle();
    assert!(cache.resident() >= capacity * 9 / 10, "{}: is not full", kind.name);
    cache
}

/// Every thread makes its calls, a look-up and an insert in turn.
fn round(cache: &dyn Limited<u64>, streams: &[Stream]) -> Times {
    let start = Barrier::new(streams.len());
    std::thread::scope(|scope| {
        let one_thread = |stream| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                calls(cache, stream)
            })
        };
        let threads: Vec<_> = streams.iter().map(one_thread).collect();
        let mut all = Times::new();
        for thread in threads {
            all.add(&thread.join().expect("no thread panicked"));
        }
        all
    })
}

fn calls(cache: &dyn Limited<u64>, stream: &Stream) -> Times {
    let mut times = Times::new();
    for keys in stream.all().chunks(2) {
        let [get, insert] = *keys else { break };
        let start = Instant::now();
        let value = cache.get(get);
        let nanos = nanos_since(start);
        assert!(value.is_none_or(|value| value == value_of(get)), "the value of another key");
        times.gets.saturating_record(nanos);
        let start = Instant::now();
        cache.insert(insert, u64::of(insert, 0));
        times.inserts.saturating_record(nanos_since(start));
    }
    times
}

fn nanos_since(start: Instant) -> u64 {
    (start.elapsed().as_nanos() as u64).max(1)
}

fn print(scale: Scale, kinds: &[LimitedKind<u64>], times: &[Times]) {
    let Scale { capacity, rounds, calls } = scale;
    println!("### Single calls, {THREADS} threads, full with {capacity} entries\n");
    println!("{rounds} rounds, {calls} calls of each thread; nanoseconds.\n");
    println!("| call | cache | p50 | p99 | p99.9 | p99.99 | max |");
    println!("|---|---|{}", "---:|".repeat(5));
    for (kind, times) in kinds.iter().zip(times) {
        row("get", kind.name, &times.gets);
    }
    for (kind, times) in kinds.iter().zip(times) {
        row("insert", kind.name, &times.inserts);
    }
    row("none", "reading the clock, one thread", &clock());
    println!();
}

fn row(call: &str, name: &str, times: &Histogram<u64>) {
    let [p50, p99, p999, p9999] =
        [0.5, 0.99, 0.999, 0.9999].map(|share| times.value_at_quantile(share));
    println!("| {call} | {name} | {p50} | {p99} | {p999} | {p9999} | {} |", times.max());
}

fn clock() -> Histogram<u64> {
    let mut times = Times::new().gets;
    (0..1_000_000).for_each(|_| times.saturating_record(nanos_since(Instant::now())));
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_counted() {
        let streams: Vec<Stream> =
            (0..3).map(|thread| Stream::draw(Shape::Zipf, 200, 1_000, thread)).collect();
        for kind in &limited() {
            let times = round(&*full(kind, 100), &streams);
            assert_eq!([times.gets.len(), times.inserts.len()], [1_500; 2], "{}", kind.name);
            assert!(times.gets.min() > 0);
        }
    }
}
