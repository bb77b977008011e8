//! Throughput of caskade and its peers under criterion.
//!
//!     cargo bench -p caskade-bench [-- FILTER]     measure
//!     cargo bench -p caskade-bench -- --test       run everything once, small, for its answers
//!
//! Criterion's own clock would count a thread that waits for a core as a slow one. So the rounds
//! are taken by `caskade_bench::measure`, which throws such rounds away, and criterion gets the
//! time that the iterations take at the speed of the rounds that counted. Where none did, it gets
//! the others, and a line on standard error says so: do not quote those.
//!
//! For quotable ratios use `compare`, where all subjects take turns. Here they run one after the
//! other, each alone in memory. The allocator is mimalloc.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use caskade_bench::keys::{Shape, Stream, shuffled};
use caskade_bench::measure::{Job, Plan, Work, can_run, median, rounds};
use caskade_bench::subject::Payload;
use caskade_bench::subjects::{Kind, NUMBERS, STRINGS};
use caskade_bench::task::{TASKS, check_one_key, fill};
use caskade_bench::{NumberSubject, Task};
use criterion::{BenchmarkId, Criterion, Throughput};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: [usize; 2] = [1, 2];

/// Operations of each thread that criterion takes for one iteration: one alone would be too short for
/// a `Duration`, which counts whole nanoseconds. So microseconds here are nanoseconds an operation.
const OPERATIONS: u64 = 1000;

/// How large everything is.
struct Scale {
    sizes: &'static [usize],
    stream: usize,
    testing: bool,
}

fn scale() -> Scale {
    if std::env::args().any(|argument| argument == "--test") {
        Scale { sizes: &[1000], stream: 1 << 12, testing: true }
    } else {
        Scale { sizes: &[100_000, 1_000_000], stream: 1 << 20, testing: false }
    }
}

fn main() {
    let scale = scale();
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    check();
    for kind in &NUMBERS {
        for entries in scale.sizes {
            tasks(&mut criterion, &scale, kind, *entries);
            fill_from_empty(&mut criterion, &scale, kind, *entries);
        }
        for task in [Task::Increment, Task::Swap] {
            one_key(&mut criterion, &scale, kind, task);
        }
    }
    strings(&mut criterion, &scale);
    criterion.final_summary();
}

fn check() {
    for kind in &NUMBERS {
        TASKS.iter().for_each(|task| task.check(kind));
        check_one_key(Task::Increment, kind);
        check_one_key(Task::Swap, kind);
    }
}

/// Everything that is done to a full subject.
fn tasks(criterion: &mut Criterion, scale: &Scale, kind: &Kind<dyn NumberSubject>, entries: usize) {
    let small = (kind.new)(16);
    let full = OnceCell::new(); // filled only if the filter lets something through
    for task in TASKS.iter().filter(|task| task.suits(&*small) && **task != Task::Swap) {
        for shape in shapes(*task) {
            let streams = OnceCell::new();
            for threads in THREADS.into_iter().filter(|count| can_run(*count)) {
                let group = format!("{}, {}, {entries}", task.name(), shape.name());
                bench(criterion, &group, kind.name, threads, |iterations| {
                    let subject = full.get_or_init(|| filled(kind, entries));
                    let streams =
                        streams.get_or_init(|| task.streams(*shape, entries, scale.stream));
                    let round = AtomicU64::new(0);
                    let work = |thread: usize, keys: &[u64]| {
                        task.run(&**subject, thread, keys, round.fetch_add(1, Ordering::Relaxed))
                    };
                    timed(scale, threads, iterations, streams, &work)
                });
            }
        }
    }
}

fn shapes(task: Task) -> &'static [Shape] {
    match task {
        Task::Read(_) => &[Shape::Uniform, Shape::Zipf],
        _ => &[Shape::Uniform],
    }
}

fn filled(kind: &Kind<dyn NumberSubject>, entries: usize) -> Box<dyn NumberSubject> {
    let subject = (kind.new)(entries);
    fill(&*subject, entries);
    subject
}

/// All threads at the same counter.
fn one_key(criterion: &mut Criterion, scale: &Scale, kind: &Kind<dyn NumberSubject>, task: Task) {
    const ENTRIES: usize = 1000;
    let subject = filled(kind, ENTRIES);
    let streams = task.streams(Shape::OneKey, ENTRIES, 1 << 12);
    let [attempts, successes] = [AtomicU64::new(0), AtomicU64::new(0)];
    for threads in THREADS.into_iter().filter(|count| can_run(*count)) {
        let group = format!("{}, one key", task.name());
        bench(criterion, &group, kind.name, threads, |iterations| {
            let work = |thread: usize, keys: &[u64]| {
                let tried = task.run(&*subject, thread, keys, 0);
                if thread == 1 {
                    attempts.fetch_add(tried, Ordering::Relaxed);
                    successes.fetch_add(keys.len() as u64, Ordering::Relaxed);
                }
                tried
            };
            timed(scale, threads, iterations, &streams, &work)
        });
    }
    let [attempts, successes] = [attempts, successes].map(AtomicU64::into_inner);
    if task == Task::Swap && successes > 0 && !scale.testing {
        let ratio = attempts as f64 / successes as f64;
        println!("{}: {ratio:.2} attempts per success on two threads", kind.name);
    }
}

/// From nothing to full, growth included. One operation is one entry.
fn fill_from_empty(
    criterion: &mut Criterion,
    scale: &Scale,
    kind: &Kind<dyn NumberSubject>,
    entries: usize,
) {
    for threads in THREADS.into_iter().filter(|count| can_run(*count)) {
        let group = format!("fill from empty, {entries}");
        bench(criterion, &group, kind.name, threads, |iterations| {
            let subject = std::sync::RwLock::new((kind.new)(0));
            let share = |thread| Stream::once_each(entries, thread, threads);
            let streams: Vec<Stream> = (0..threads).map(share).collect();
            let plan = Plan {
                threads,
                keys: Some(entries / threads),
                warm_up: 0,
                wanted: 1,
                tries: if scale.testing { 1 } else { 10 },
            };
            let empty = || *subject.write().expect("no panic") = (kind.new)(entries);
            let work = |_: usize, keys: &[u64]| subject.read().expect("no panic").fill(keys, 0);
            taken(plan, iterations, &streams, &empty, &work)
        });
    }
}

/// Values that are too large to change in place.
fn strings(criterion: &mut Criterion, scale: &Scale) {
    let entries = scale.sizes[0];
    let (old, new) = (String::of(1, 0), String::of(2, 1));
    for kind in &STRINGS {
        let full = OnceCell::new();
        let streams = OnceCell::new();
        for threads in THREADS.into_iter().filter(|count| can_run(*count)) {
            let group = format!("overwrite 100-byte strings, {entries}");
            bench(criterion, &group, kind.name, threads, |iterations| {
                let subject = full.get_or_init(|| {
                    let subject = (kind.new)(entries);
                    let keys = shuffled(entries);
                    subject.fill_with(&keys, &old);
                    subject.fill_with(&keys, &new);
                    assert_eq!(subject.read_each(&keys), new.weight() * entries as u64);
                    subject
                });
                let streams = streams
                    .get_or_init(|| Task::Overwrite.streams(Shape::Uniform, entries, scale.stream));
                let work = |_: usize, keys: &[u64]| subject.fill_with(keys, &old);
                timed(scale, threads, iterations, streams, &work)
            });
        }
    }
}

fn bench(
    criterion: &mut Criterion,
    group: &str,
    name: &str,
    threads: usize,
    mut time: impl FnMut(u64) -> Duration,
) {
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(OPERATIONS * threads as u64));
    group.bench_function(BenchmarkId::new(name, format!("{threads}T")), |bencher| {
        bencher.iter_custom(&mut time);
    });
    group.finish();
}

/// What so many iterations take on each of the threads, by rounds of about a millisecond.
fn timed(
    scale: &Scale,
    threads: usize,
    iterations: u64,
    streams: &[Stream],
    work: &Work<'_>,
) -> Duration {
    let plan = if scale.testing {
        Plan { threads, keys: Some(64), warm_up: 0, wanted: 1, tries: 1 }
    } else {
        Plan { threads, keys: None, warm_up: 20, wanted: 5, tries: 100 }
    };
    taken(plan, iterations, streams, &|| (), work)
}

fn taken(
    plan: Plan,
    iterations: u64,
    streams: &[Stream],
    between: &(dyn Fn() + Sync),
    work: &Work<'_>,
) -> Duration {
    let rounds = rounds(Job { plan, streams, between, work });
    let nanos = median(&rounds.counted).or_else(|| {
        if plan.tries > 1 {
            eprintln!("no valid round: the machine is too busy, do not quote this");
        }
        median(&rounds.spoilt)
    });
    Duration::from_secs_f64(nanos.unwrap_or(1.0) * (OPERATIONS * iterations) as f64 / 1e9)
}
