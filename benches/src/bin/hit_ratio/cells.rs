//! Cells: one trace at one capacity, replayed through every cache.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use caskade_bench::optimum::optimum;
use caskade_bench::replay::{Outcome, replay, replay_dealt_out};
use caskade_bench::subjects::{LimitedKind, Lru, TidyMoka, limited};
use caskade_bench::trace::Trace;
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) const CASKADE: usize = 0;
pub(crate) const QUICK_CACHE: usize = 1;
pub(crate) const MOKA: usize = 2;
pub(crate) const TIDY_MOKA: usize = 3;
pub(crate) const LRU: usize = 4;

/// Every cache, at the places that the constants name.
pub(crate) fn kinds() -> [LimitedKind<u64>; 5] {
    let [caskade, quick_cache, moka] = limited();
    let tidy = LimitedKind {
        name: "moka, tidy",
        new: |capacity| Box::new(TidyMoka::limited(capacity)),
        strict: true,
    };
    let lru =
        LimitedKind { name: "LRU", new: |capacity| Box::new(Lru::limited(capacity)), strict: true };
    [caskade, quick_cache, moka, tidy, lru]
}

/// A cell to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) capacity: usize,
}

impl Job<'_> {
    fn requests(&self) -> u64 {
        self.trace.keys.len() as u64
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) trace: String,
    pub(crate) capacity: usize,
    pub(crate) keys: usize,
    pub(crate) requests: u64,
    pub(crate) best_hits: u64,
    pub(crate) outcomes: [Outcome; 5],
}

impl Cell {
    fn new(job: &Job<'_>) -> Self {
        Self {
            trace: job.trace.name.clone(),
            capacity: job.capacity,
            keys: job.trace.next_uses.unique(),
            requests: job.requests(),
            best_hits: 0,
            outcomes: Default::default(),
        }
    }

    /// The optimum in percent.
    pub(crate) fn best(&self) -> f64 {
        100.0 * self.best_hits as f64 / self.requests as f64
    }

    /// A cache's hits in percent.
    pub(crate) fn hits(&self, kind: usize) -> f64 {
        self.outcomes[kind].percent()
    }

    /// What cannot be.
    pub(crate) fn faults(&self) -> Vec<String> {
        let kinds = kinds();
        let outcomes = kinds.iter().zip(&self.outcomes);
        outcomes.flat_map(|(kind, outcome)| self.faults_of(kind, outcome)).collect()
    }

    fn faults_of(&self, kind: &LimitedKind<u64>, outcome: &Outcome) -> Vec<String> {
        let Outcome { hits, misses, peak } = *outcome;
        let within = peak <= self.capacity;
        let faults = [
            (hits + misses != self.requests, "hits and misses are not the requests"),
            (misses < self.keys as u64, "a key was hit before its first miss"),
            (kind.strict && !within, "it held more entries than its limit"),
            (kind.strict && hits > self.best_hits, "it has more hits than possible"),
        ];
        let faults = faults.into_iter().filter(|(is_so, _)| *is_so);
        let at = format!("{} on {} with {} entries", kind.name, self.trace, self.capacity);
        faults.map(|(_, what)| format!("{at}: {what} ({outcome:?})")).collect()
    }
}

/// Replays all, on as many threads as there are cores: no cache shares anything with another.
pub(crate) fn replay_all(jobs: &[Job<'_>]) -> Vec<Cell> {
    let kinds = kinds();
    let columns = kinds.len() + 1;
    let progress = progress(jobs.iter().map(Job::requests).sum::<u64>() * columns as u64);
    let cells = Mutex::new(jobs.iter().map(Cell::new).collect::<Vec<_>>());
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            let (row, column) = (task / columns, task % columns);
            let Some(Job { trace, capacity }) = jobs.get(row).copied() else { return };
            let store = |write: &dyn Fn(&mut Cell)| {
                write(&mut cells.lock().expect("no thread panicked")[row]);
            };
            if let Some(kind) = kinds.get(column) {
                let cache = (kind.new)(capacity);
                let outcome = replay(&*cache, capacity, &trace.keys, &|done| progress.inc(done));
                store(&|cell| cell.outcomes[column] = outcome);
            } else {
                let best = optimum(&trace.next_uses, capacity);
                progress.inc(trace.keys.len() as u64);
                store(&|cell| cell.best_hits = best);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    progress.finish_and_clear();
    cells.into_inner().expect("no thread panicked")
}

/// One trace at one capacity, by one thread and by several.
#[derive(Debug, Clone)]
pub(crate) struct DealtOut {
    pub(crate) one: Cell,
    pub(crate) many: Cell,
}

impl DealtOut {
    pub(crate) fn faults(&self) -> Vec<String> {
        let caskade = &kinds()[CASKADE];
        let faults = |cell: &Cell| cell.faults_of(caskade, &cell.outcomes[CASKADE]);
        let mut faults = [faults(&self.one), faults(&self.many)].concat();
        faults.dedup();
        faults
    }
}

/// Replays all through caskade, by one thread and dealt out to several.
pub(crate) fn deal_out(jobs: &[Job<'_>], threads: usize) -> Vec<DealtOut> {
    let caskade = &kinds()[CASKADE];
    let progress = progress(jobs.iter().map(Job::requests).sum::<u64>() * 3);
    let cells = jobs.iter().map(|job| {
        let Job { trace, capacity } = *job;
        let best_hits = optimum(&trace.next_uses, capacity);
        progress.inc(job.requests());
        let cell = |outcome| {
            let mut outcomes = [Outcome::default(); 5];
            outcomes[CASKADE] = outcome;
            Cell { best_hits, outcomes, ..Cell::new(job) }
        };
        let done = |requests| progress.inc(requests);
        let one = replay(&*(caskade.new)(capacity), capacity, &trace.keys, &done);
        let many = replay_dealt_out(&*(caskade.new)(capacity), capacity, &trace.keys, threads);
        progress.inc(job.requests());
        // Threads mix up the order a little, and another order may have a better optimum.
        let many = Cell { best_hits: job.requests(), ..cell(many) };
        DealtOut { one: cell(one), many }
    });
    let cells = cells.collect();
    progress.finish_and_clear();
    cells
}

/// On standard error; nothing is shown where that is no terminal.
fn progress(requests: u64) -> ProgressBar {
    let style = "{elapsed_precise} {wide_bar} {percent} %, {eta} left";
    let style = ProgressStyle::with_template(style).expect("the template is right");
    ProgressBar::new(requests).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use caskade_bench::made_up::mixed;

    fn replayed() -> Cell {
        let trace = Trace::new("mix", mixed(8_000));
        replay_all(&[Job { trace: &trace, capacity: 300 }]).remove(0)
    }

    #[test]
    fn a_replay_has_no_faults() {
        let cell = replayed();
        assert_eq!(cell.faults(), [""; 0]);
        assert!(cell.best() > cell.hits(LRU) && cell.hits(LRU) > 0.0, "{cell:?}");
    }

    #[test]
    fn faults_are_found() {
        let right = replayed();
        let wrong = |change: fn(&mut Cell)| {
            let mut cell = right.clone();
            change(&mut cell);
            cell.faults().concat()
        };
        assert!(wrong(|cell| cell.outcomes[MOKA].hits += 1).contains("not the requests"));
        assert!(wrong(|cell| cell.outcomes[LRU].peak = 301).contains("more entries"));
        assert!(wrong(|cell| cell.best_hits = 1).contains("more hits than possible"));
        assert!(wrong(|cell| cell.keys = 8_000).contains("before its first miss"));
    }

    #[test]
    fn threads_that_share_a_trace_have_no_faults() {
        let trace = Trace::new("mix", mixed(8_000));
        let rows = deal_out(&[Job { trace: &trace, capacity: 300 }], 3);
        assert_eq!(rows.iter().flat_map(DealtOut::faults).collect::<Vec<_>>(), [""; 0]);
        assert_eq!(rows.len(), 1);
    }
}
