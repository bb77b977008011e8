//! The bridge to the `metrics` facade: what a recorder gets to see.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use caskade::{Cache, Stats};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};

/// Keeps every metric as a number, and every description.
#[derive(Debug, Default)]
struct Book {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<BTreeMap<String, String>>,
}

type Column = Mutex<BTreeMap<String, Arc<AtomicU64>>>;

impl Book {
    fn cell(column: &Column, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(column.lock().expect("no panic").entry(name).or_default())
    }

    fn counter(&self, name: &str) -> u64 {
        self.counters.lock().expect("no panic")[name].load(Ordering::Relaxed)
    }

    fn gauge(&self, name: &str) -> Option<f64> {
        let gauges = self.gauges.lock().expect("no panic");
        gauges.get(name).map(|bits| f64::from_bits(bits.load(Ordering::Relaxed)))
    }

    fn names(column: &Column) -> Vec<String> {
        column
            .lock()
            .expect("no panic")
            .keys()
            .map(|name| name[..name.find('{').expect("labels")].into())
            .collect()
    }
}

impl Recorder for Book {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.described
            .lock()
            .expect("no panic")
            .insert(key.as_str().into(), description.into_owned());
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe_counter(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("{key:?} is no histogram");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Self::cell(&self.counters, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Self::cell(&self.gauges, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("{key:?} is no histogram");
    }
}

#[test]
fn numbers_arrive_under_the_name_of_the_cache() {
    let book = Book::default();
    let pages = Cache::builder().max_entries(100).build().unwrap();
    let users = Cache::new();
    for key in 0..150 {
        pages.insert(key, key).unwrap();
    }
    users.insert(1, 1).unwrap();
    let _ = (users.get(&1), users.get(&1), users.get(&2));
    with_local_recorder(&book, || {
        pages.stats().record_metrics("pages");
        users.stats().record_metrics("users");
    });
    assert_eq!(book.counter("caskade_evicted_total{cache=pages}"), 50);
    assert_eq!(book.gauge("caskade_entries{cache=pages}"), Some(100.0));
    assert_eq!(book.gauge("caskade_bound{cache=pages}"), Some(100.0));
    assert_eq!(book.counter("caskade_hits_total{cache=users}"), 2);
    assert_eq!(book.counter("caskade_misses_total{cache=users}"), 1);
    assert_eq!(book.gauge("caskade_bound{cache=users}"), None, "there is no bound");
}

#[test]
fn counters_are_set_not_added_up_and_gauges_fall() {
    let book = Book::default();
    let cache = Cache::new();
    let record = || with_local_recorder(&book, || cache.stats().record_metrics("c"));
    cache.insert(1, 1).unwrap();
    record();
    record();
    assert_eq!(book.counter("caskade_writes_total{cache=c}"), 1);
    assert_eq!(book.gauge("caskade_entries{cache=c}"), Some(1.0));
    cache.clear();
    record();
    assert_eq!(book.counter("caskade_writes_total{cache=c}"), 2);
    assert_eq!(book.gauge("caskade_entries{cache=c}"), Some(0.0));
}

/// A field of `Stats` that nobody reports, or reports under another's name, is noticed here.
#[test]
fn every_number_has_its_own_metric() {
    let book = Book::default();
    let cache: Cache<u32, u32> = Cache::builder().max_entries(1).build().unwrap();
    let mut stats = cache.stats();
    // In the order of the names below.
    let fields: [&mut u64; 19] = [
        &mut stats.conflicts,
        &mut stats.evicted,
        &mut stats.evicted_weight,
        &mut stats.expired,
        &mut stats.fills_refused,
        &mut stats.ghost_hits,
        &mut stats.hits,
        &mut stats.loads,
        &mut stats.locks_lapsed,
        &mut stats.locks_refused,
        &mut stats.locks_taken,
        &mut stats.misses,
        &mut stats.writes,
        &mut stats.entries,
        &mut stats.entry_bytes,
        &mut stats.overhead_bytes,
        &mut stats.waiting,
        &mut stats.waiting_weight,
        &mut stats.weight,
    ];
    for (number, field) in (101..).zip(fields) {
        *field = number;
    }
    stats.bound = Some(100);
    let counters = [
        "conflicts",
        "evicted",
        "evicted_weight",
        "expired",
        "fills_refused",
        "ghost_hits",
        "hits",
        "loads",
        "locks_lapsed",
        "locks_refused",
        "locks_taken",
        "misses",
        "writes",
    ];
    let gauges = [
        "bound",
        "entries",
        "entry_bytes",
        "overhead_bytes",
        "waiting",
        "waiting_weight",
        "weight",
    ];
    with_local_recorder(&book, || stats.record_metrics("c"));
    for (number, name) in (101..).zip(counters) {
        assert_eq!(book.counter(&format!("caskade_{name}_total{{cache=c}}")), number);
    }
    for (number, name) in (113u32..).zip(gauges).skip(1) {
        assert_eq!(
            book.gauge(&format!("caskade_{name}{{cache=c}}")),
            Some(number.into()),
            "{name}"
        );
    }
    assert_eq!(book.gauge("caskade_bound{cache=c}"), Some(100.0));
    assert_eq!(Book::names(&book.counters).len(), counters.len());
    assert_eq!(Book::names(&book.gauges).len(), gauges.len());
    let shown = format!("{stats:?}");
    assert_eq!(shown.matches(": ").count(), counters.len() + gauges.len(), "{shown}");
}

#[test]
fn every_metric_is_described_and_documented() {
    let book = Book::default();
    let cache: Cache<u32, u32> = Cache::builder().max_entries(1).build().unwrap();
    with_local_recorder(&book, || {
        Stats::describe_metrics();
        cache.stats().record_metrics("c");
    });
    let mut names = [Book::names(&book.counters), Book::names(&book.gauges)].concat();
    names.sort();
    let described: Vec<_> = book.described.lock().unwrap().keys().cloned().collect();
    assert_eq!(names, described);
    let source = include_str!("../src/recording.rs");
    let docs: Vec<_> = source.lines().filter(|line| line.trim().starts_with("///")).collect();
    let docs = docs.concat();
    for name in names {
        assert!(docs.contains(&format!("`{name}`")), "{name} is not in the docs");
    }
}
