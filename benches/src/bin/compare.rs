//! Caskade and its peers side by side, in one process, as Markdown tables.
//!
//!     cargo run --release -p caskade-bench --bin compare -- [--quick] [FILTER]...
//!
//! Runs the workloads whose title contains a FILTER, or all. Every subject is checked once before it is timed.
//! Columns are nanoseconds per operation and thread, and how many times that is of caskade's plain
//! form; 2T is two threads on cores of their own.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use caskade_bench::keys::{Shape, Stream, key, shuffled, value_of};
use caskade_bench::table::{Contestant, Effort, Race, Table};
use caskade_bench::{NumberSubject, subjects};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: [usize; 2] = [1, 2];
const STREAM: usize = 1 << 20;

type Numbers = Vec<Box<dyn NumberSubject>>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let filters: Vec<String> =
        arguments.into_iter().filter(|argument| !argument.starts_with("--")).collect();
    let effort = if quick {
        Effort { turns: 3, warm_up: 10, wanted: 3, tries: 60 }
    } else {
        Effort { turns: 5, warm_up: 40, wanted: 7, tries: 200 }
    };
    let report = Report { filters, effort };
    for entries in [100_000] {
        compare_numbers(&report, entries);
    }
}

struct Report {
    filters: Vec<String>,
    effort: Effort,
}

impl Report {
    fn wants(&self, title: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| title.contains(filter.as_str()))
    }

    fn run(&self, race: &Race<'_>) -> Table {
        let table = race.run(self.effort);
        println!("{table}");
        let _ = std::io::stdout().flush();
        table
    }
}

fn compare_numbers(report: &Report, entries: usize) {
    let size = if entries >= 1_000_000 { "1 M" } else { "100 k" };
    let read = format!("read hits, uniform, {size}");
    let overwrite = format!("overwrite, {size}");
    let spread = format!("counters, spread, {size}");
    let hot = "counters, one key".to_string();
    if ![&read, &overwrite, &spread, &hot].iter().any(|title| report.wants(title)) {
        return;
    }
    let subjects = filled(entries);
    let uniform: Vec<Stream> =
        (0..2).map(|thread| Stream::draw(Shape::Uniform, entries, STREAM, 100 + thread)).collect();
    let one: Vec<Stream> =
        (0..2).map(|_| Stream::draw(Shape::OneKey, entries, STREAM, 1)).collect();
    if report.wants(&read) {
        report.run(&Race {
            title: read,
            streams: &uniform,
            threads: &THREADS,
            keys: None,
            contestants: readers(&subjects, uniform[0].all()),
        });
    }
    if report.wants(&overwrite) {
        let round = AtomicU64::new(0);
        let contestants = subjects.iter().map(|subject| {
            check_overwrite(&**subject, entries);
            let round = &round;
            Contestant::new(subject.name(), move |_, keys| {
                subject.fill(keys, round.fetch_add(1, Ordering::Relaxed))
            })
        });
        report.run(&Race {
            title: overwrite,
            streams: &uniform,
            threads: &THREADS,
            keys: None,
            contestants: contestants.collect(),
        });
    }
    for (title, streams) in [(spread, &uniform), (hot, &one)] {
        if report.wants(&title) {
            let contestants = subjects.iter().map(|subject| {
                check_counters(&**subject);
                Contestant::new(subject.name(), move |_, keys| subject.increment_each(keys))
            });
            report.run(&Race {
                title,
                streams,
                threads: &THREADS,
                keys: None,
                contestants: contestants.collect(),
            });
        }
    }
}

fn filled(entries: usize) -> Numbers {
    let subjects = subjects::numbers(entries);
    let keys = shuffled(entries);
    for subject in &subjects {
        subject.fill(&keys, 0);
        subject.settle();
    }
    subjects
}

fn readers<'a>(subjects: &'a Numbers, keys: &[u64]) -> Vec<Contestant<'a>> {
    let expected = keys.iter().fold(0u64, |sum, key| sum.wrapping_add(value_of(*key)));
    let mut rows = Vec::new();
    for subject in subjects {
        let name = subject.name();
        assert_eq!(subject.read_each(keys), expected, "{name}");
        rows.push(Contestant::new(name, move |_, keys| subject.read_each(keys)));
    }
    let forms: [(&str, fn(&dyn NumberSubject, &[u64]) -> Option<u64>); 3] = [
        ("64 under one guard", |subject, keys| subject.read_guarded(keys)),
        ("batches of 16", |subject, keys| subject.read_batched(keys)),
        ("batches of 16, listed", |subject, keys| subject.read_listed(keys)),
    ];
    for (form, read) in forms {
        for subject in subjects {
            let name = format!("{}, {form}", subject.name());
            if let Some(sum) = read(&**subject, keys) {
                assert_eq!(sum, expected, "{name}");
                rows.push(Contestant::new(name, move |_, keys| {
                    read(&**subject, keys).unwrap_or(0)
                }));
            }
        }
    }
    rows
}

fn check_overwrite(subject: &dyn NumberSubject, entries: usize) {
    let keys = shuffled(entries);
    subject.fill(&keys, 5);
    let expected = keys.iter().fold(0u64, |sum, key| sum.wrapping_add(value_of(*key) + 5));
    assert_eq!(subject.read_each(&keys), expected, "{}", subject.name());
}

fn check_counters(subject: &dyn NumberSubject) {
    let hot = vec![key(0); 10_000];
    let before = subject.read_each(&hot[..1]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| subject.increment_each(&hot));
        }
    });
    assert_eq!(subject.read_each(&hot[..1]), before + 20_000, "{}", subject.name());
}
