//! caskade and its peers side by side, in one process, as Markdown tables.
//!
//!     cargo run --release -p caskade-bench --bin compare -- [--quick] [FILTER]...
//!
//! Runs the workloads whose title contains one of the filters, or all of them. Every subject is
//! checked before it is timed. Numbers are nanoseconds per operation on each thread, and how many
//! times caskade's that is; 2T means two threads on cores of their own. The allocator is mimalloc.
//! What does not fit into one run of this program cannot be compared.

use std::io::Write;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use caskade_bench::keys::{Shape, Stream, shuffled};
use caskade_bench::subject::Payload;
use caskade_bench::subjects::{Kind, NUMBERS, STRINGS};
use caskade_bench::table::{Contestant, Effort, Race, Ratio, Table};
use caskade_bench::task::{check_one_key, fill};
use caskade_bench::{Form, NumberSubject, Subject, Task};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: [usize; 2] = [1, 2];
const STREAM: usize = 1 << 20;
const READS: [Task; 4] = [
    Task::Read(Form::Single),
    Task::Read(Form::Guarded),
    Task::Read(Form::Batched),
    Task::Read(Form::Listed),
];

fn main() {
    let started = Instant::now();
    let mut report = Report::from_arguments();
    check_everything();
    for entries in [100_000, 1_000_000] {
        report.of_size(entries);
    }
    report.one_key(Task::Increment);
    report.one_key(Task::Swap);
    report.strings(100_000);
    report.goals();
    println!("\n{:.0} s in all.", started.elapsed().as_secs_f64());
}

fn check_everything() {
    for kind in &NUMBERS {
        caskade_bench::task::TASKS.iter().for_each(|task| task.check(kind));
        check_one_key(Task::Increment, kind);
        check_one_key(Task::Swap, kind);
    }
}

struct Report {
    filters: Vec<String>,
    effort: Effort,
    tables: Vec<Table>,
}

/// A kind of subject and one of its kind, ready for use.
type Filled = (&'static Kind<dyn NumberSubject>, Box<dyn NumberSubject>);

impl Report {
    fn from_arguments() -> Self {
        let (options, filters): (Vec<String>, Vec<String>) =
            std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
        let effort = match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Effort { turns: 5, warm_up: 40, wanted: 7, tries: 200 },
            ["--quick"] => Effort { turns: 2, warm_up: 15, wanted: 3, tries: 40 },
            _ => panic!("the only option is --quick"),
        };
        Self { filters, effort, tables: Vec::new() }
    }

    fn wants(&self, title: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| title.contains(filter.as_str()))
    }

    fn run(&mut self, race: &Race<'_>) {
        let table = race.run(self.effort);
        println!("{table}");
        let _ = std::io::stdout().flush();
        self.tables.push(table);
    }

    fn of_size(&mut self, entries: usize) {
        if entries > 100_000 {
            self.effort.warm_up *= 3; // so much memory takes longer to come back into the caches
        }
        let subjects: std::cell::OnceCell<Vec<Filled>> = std::cell::OnceCell::new();
        let filled =
            || subjects.get_or_init(|| NUMBERS.iter().map(|k| ready(k, entries)).collect());
        for shape in [Shape::Uniform, Shape::Zipf] {
            let title = title("read hits", shape, entries);
            if self.wants(&title) {
                self.tasks(title, &READS, shape, entries, filled());
            }
        }
        for task in [Task::Overwrite, Task::Increment, Task::Mix(20), Task::Mix(2), Task::Churn] {
            let title = title(task.name(), Shape::Uniform, entries);
            if self.wants(&title) {
                self.tasks(title, &[task], Shape::Uniform, entries, filled());
            }
        }
        let title = format!("fill from empty, {}", size(entries));
        if self.wants(&title) {
            self.fill(title, entries);
        }
    }

    /// One row for each task that a subject can do; the tasks are forms of the same thing.
    fn tasks(
        &mut self,
        title: String,
        tasks: &[Task],
        shape: Shape,
        entries: usize,
        subjects: &[Filled],
    ) {
        let streams = tasks[0].streams(shape, entries, STREAM);
        let round = AtomicU64::new(0);
        let mut contestants = Vec::new();
        for task in tasks {
            for (kind, subject) in subjects.iter().filter(|(_, subject)| task.suits(&**subject)) {
                let (task, round) = (*task, &round);
                contestants.push(Contestant::new(row(kind, task), move |thread, keys| {
                    task.run(&**subject, thread, keys, round.fetch_add(1, Ordering::Relaxed))
                }));
            }
        }
        let streams = &streams[..];
        self.run(&Race {
            title,
            streams,
            threads: &THREADS,
            keys: None,
            remarks: None,
            contestants,
        });
    }

    /// Both threads write to the same key.
    fn one_key(&mut self, task: Task) {
        let title = format!("{}, one key", task.name());
        if !self.wants(&title) {
            return;
        }
        const ENTRIES: usize = 1000;
        let subjects: Vec<Filled> = NUMBERS.iter().map(|kind| ready(kind, ENTRIES)).collect();
        let tallies: Vec<Tally> = subjects.iter().map(|_| Tally::default()).collect();
        let contestants = subjects.iter().zip(&tallies).map(|((kind, subject), tally)| {
            let work = move |thread, keys: &[u64]| {
                let attempts = task.run(&**subject, thread, keys, 0);
                tally.note(thread, attempts, keys.len());
                attempts
            };
            Contestant::new(kind.name, work).remark(|| tally.attempts_per_success())
        });
        let contestants = contestants.collect();
        let streams = &task.streams(Shape::OneKey, ENTRIES, 1 << 16)[..];
        let remarks = (task == Task::Swap).then_some("attempts per success, 2T");
        self.run(&Race { title, streams, threads: &THREADS, keys: None, remarks, contestants });
    }

    /// Every round starts with an empty subject and ends with a full one; growth is included.
    fn fill(&mut self, title: String, entries: usize) {
        for threads in THREADS {
            let subjects = NUMBERS.each_ref().map(|kind| RwLock::new((kind.new)(0)));
            let contestants = NUMBERS.iter().zip(&subjects).map(|(kind, subject)| {
                let work = |_, keys: &[u64]| subject.read().expect("no panic").fill(keys, 0);
                Contestant::new(kind.name, work).between(|| {
                    *subject.write().expect("no panic") = (kind.new)(entries);
                })
            });
            let contestants = contestants.collect();
            let share = |thread| Stream::once_each(entries, thread, threads);
            let streams = &(0..threads).map(share).collect::<Vec<_>>()[..];
            let title = format!("{title}, {threads}T");
            let keys = Some(entries / threads);
            let race =
                Race { title, streams, threads: &[threads], keys, remarks: None, contestants };
            let tries = self.effort.turns * 1_000_000 / entries;
            let few = Effort { turns: self.effort.turns.div_ceil(2), warm_up: 0, wanted: 1, tries };
            let table = race.run(few);
            println!("{table}");
            self.tables.push(table);
        }
    }

    /// Values that are too large to change in place.
    fn strings(&mut self, entries: usize) {
        let title = format!("overwrite 100-byte strings, {}", size(entries));
        if !self.wants(&title) {
            return;
        }
        let (old, new) = (String::of(1, 0), String::of(2, 1));
        let keys = shuffled(entries);
        let subjects = STRINGS.each_ref().map(|kind| {
            let subject = (kind.new)(entries);
            subject.fill_with(&keys, &old);
            subject.fill_with(&keys, &new);
            let weight = new.weight() * entries as u64;
            assert_eq!(subject.read_each(&keys), weight, "{}", kind.name);
            (kind.name, subject)
        });
        let contestants = subjects.iter().map(|(name, subject): &(_, Box<dyn Subject<String>>)| {
            Contestant::new(*name, |_, keys| subject.fill_with(keys, &old))
        });
        let contestants = contestants.collect();
        let streams = &Task::Overwrite.streams(Shape::Uniform, entries, STREAM)[..];
        self.run(&Race {
            title,
            streams,
            threads: &THREADS,
            keys: None,
            remarks: None,
            contestants,
        });
    }

    fn goals(&self) {
        let goals = Goals { tables: &self.tables };
        println!("### goals\n");
        println!("| goal | workload | bar | measured | |\n|---|---|---:|---:|---|");
        for entries in [100_000, 1_000_000] {
            goals.of_size(entries);
        }
        goals.at_least("hot counter ahead of dashmap, 2T", 1.0, "increment, one key", "dashmap", 2);
    }
}

fn ready(kind: &'static Kind<dyn NumberSubject>, entries: usize) -> Filled {
    let subject = (kind.new)(entries);
    fill(&*subject, entries);
    (kind, subject)
}

fn row(kind: &Kind<dyn NumberSubject>, task: Task) -> String {
    match task {
        Task::Read(Form::Guarded) => format!("{}, 64 under one guard", kind.name),
        Task::Read(Form::Batched) => format!("{}, batches of 16", kind.name),
        Task::Read(Form::Listed) => format!("{}, batches of 16, listed", kind.name),
        _ => kind.name.to_string(),
    }
}

fn size(entries: usize) -> &'static str {
    if entries >= 1_000_000 { "1 M" } else { "100 k" }
}

fn title(what: &str, shape: Shape, entries: usize) -> String {
    format!("{what}, {}, {}", shape.name(), size(entries))
}

/// Attempts and successes of the second thread, which runs only where there are two.
#[derive(Default)]
struct Tally {
    attempts: AtomicU64,
    successes: AtomicU64,
}

impl Tally {
    fn note(&self, thread: usize, attempts: u64, successes: usize) {
        if thread == 1 {
            self.attempts.fetch_add(attempts, Ordering::Relaxed);
            self.successes.fetch_add(successes as u64, Ordering::Relaxed);
        }
    }

    fn attempts_per_success(&self) -> String {
        let [attempts, successes] =
            [&self.attempts, &self.successes].map(|count| count.load(Ordering::Relaxed));
        if successes == 0 {
            "–".into()
        } else {
            format!("{:.2}", attempts as f64 / successes as f64)
        }
    }
}

/// What the tables say about the goals; a goal whose table was filtered out is left out.
struct Goals<'a> {
    tables: &'a [Table],
}

impl Goals<'_> {
    fn of_size(&self, entries: usize) {
        for shape in [Shape::Uniform, Shape::Zipf] {
            self.reads(&title("read hits", shape, entries));
        }
        let spread = title(Task::Increment.name(), Shape::Uniform, entries);
        self.at_least("spread counters ahead of dashmap, 2T", 1.0, &spread, "dashmap", 2);
        let overwrite = title(Task::Overwrite.name(), Shape::Uniform, entries);
        for threads in THREADS {
            for peer in ["papaya", "moka"] {
                let goal = format!("overwrites ahead of {peer}, {threads}T");
                self.at_least(&goal, 1.0, &overwrite, peer, threads);
            }
        }
        let goal = "overwrites at half of quick_cache's speed, 1T";
        self.at_least(goal, 0.5, &overwrite, "quick_cache", 1);
        self.at_least("overwrites level with quick_cache, 2T", 0.95, &overwrite, "quick_cache", 2);
    }

    fn reads(&self, title: &str) {
        let (batch, session) = ("caskade, batches of 16", "caskade, 64 under one guard");
        for threads in THREADS {
            let at = format!("{threads}T");
            let of = |name: &str| self.nanos(title, name, threads);
            let peers = NUMBERS.iter().skip(1).filter_map(|kind| of(kind.name));
            let best = peers.min_by(f64::total_cmp);
            let goal = format!("batches under every peer's single read, {at}");
            self.print(&goal, title, "< 1", of(batch), best, |r| r < 1.0);
            let goal = format!("batches at most half of our single read, {at}");
            self.print(&goal, title, "≤ 0.5", of(batch), of("caskade"), |r| r <= 0.5);
            let goal = format!("session to single read, {at}");
            self.print(&goal, title, "≤ 0.75", of(session), of("caskade"), |r| r <= 0.75);
            for peer in ["scc HashIndex", "papaya"] {
                let goal = format!("session level with {peer} under a guard, {at}");
                let guarded = of(&format!("{peer}, 64 under one guard"));
                self.print(&goal, title, "≤ 1.05", of(session), guarded, |r| r <= 1.05);
            }
        }
        self.at_least("single read ahead of quick_cache, 1T", 1.0, title, "quick_cache", 1);
        self.at_least("single read 10 x ahead of moka, 1T", 10.0, title, "moka", 1);
        self.at_least("single read 2 x ahead of dashmap, 2T", 2.0, title, "dashmap", 2);
        self.at_least("single read 2 x ahead of quick_cache, 2T", 2.0, title, "quick_cache", 2);
        let [one, two] = THREADS.map(|threads| self.nanos(title, "caskade", threads));
        self.print("two threads to one", title, "≤ 1.15", two, one, |r| r <= 1.15);
    }

    fn nanos(&self, title: &str, name: &str, threads: usize) -> Option<f64> {
        self.tables.iter().find(|table| table.title == title)?.nanos(name, threads)
    }

    /// The peer's time is at least `bar` times ours.
    fn at_least(&self, goal: &str, bar: f64, title: &str, peer: &str, threads: usize) {
        let [peer, ours] = [peer, "caskade"].map(|name| self.nanos(title, name, threads));
        self.print(goal, title, &format!("≥ {bar}"), peer, ours, |ratio| ratio >= bar);
    }

    fn print(
        &self,
        goal: &str,
        title: &str,
        bar: &str,
        value: Option<f64>,
        base: Option<f64>,
        met: impl Fn(f64) -> bool,
    ) {
        if !self.tables.iter().any(|table| table.title == title) {
            return;
        }
        let verdict = match (value, base) {
            (Some(value), Some(base)) if met(value / base) => "met",
            (Some(_), Some(_)) => "missed",
            _ => "no valid round",
        };
        println!("| {goal} | {title} | {bar} | {} | {verdict} |", Ratio(value, base));
    }
}
