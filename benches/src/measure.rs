//! The stop-watch: threads on cores of their own, started together, and rounds that do not count.
//!
//! A machine with other work on it lets two threads run in turn and calls that two threads. So a
//! round counts only if
//!
//! * the threads' intervals overlap by at least 85 %,
//! * no thread spent more than 5 % of its interval waiting for a core, as `/proc` tells it
//!   (where that cannot be read: if each thread used at least 95 % of its interval as CPU time),
//! * each thread has a core for itself. Two virtual processors may be two halves of one core, now and
//!   then; lock-free readers then look slow and contended locks fast. So a few microseconds of
//!   multiplications come before each round, on all threads at once, and may take at most 1.3 times
//!   of the shortest time that they ever took.
//!
//! The time of a round is the threads' wall time, which under that rule is CPU time plus the waits
//! for locks, and nothing else. Rounds are short, about a millisecond, because a short one is more
//! likely to get through. How often a round is tried is bounded; it may be that none counts.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::Instant;

use core_affinity::CoreId;
use rustix::time::{ClockId, clock_gettime};

use crate::keys::Stream;

/// What one round runs on one thread: gets the thread's number and its keys. What it returns only
/// keeps the compiler from dropping the work.
pub type Work<'a> = dyn Fn(usize, &[u64]) -> u64 + Sync + 'a;

/// How to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many threads; not more than there are cores.
    pub threads: usize,
    /// Keys per thread and round. `None`: as many as take about a millisecond.
    pub keys: Option<usize>,
    /// How long to warm up, in milliseconds. Long enough that the subject is back in the caches that
    /// it shares with those that ran before it.
    pub warm_up: u64,
    /// How many rounds must count.
    pub wanted: usize,
    /// How many may be tried.
    pub tries: usize,
}

const ROUND_NANOS: f64 = 1_000_000.0;
const SMALLEST_ROUND: usize = 64;
const OVERLAP: f64 = 0.85;
const LOST: f64 = 0.05;
const SLOWED: f64 = 1.3;

/// The cores that threads are pinned to.
#[must_use]
pub fn cores() -> Vec<CoreId> {
    core_affinity::get_core_ids().unwrap_or_default()
}

/// Whether `threads` threads can run at the same time here.
#[must_use]
pub fn can_run(threads: usize) -> bool {
    cores().len() >= threads
}

/// One thread's part of a round.
#[derive(Debug, Clone, Copy)]
struct Lap {
    start: Instant,
    end: Instant,
    lost: f64,
    slowed: f64,
}

impl Lap {
    fn nanos(&self) -> f64 {
        (self.end - self.start).as_nanos() as f64
    }
}

/// Nanoseconds per key of the rounds of one measurement.
#[derive(Debug, Clone, Default)]
pub struct Rounds {
    /// Of the rounds that counted, in order. Empty if none did.
    pub counted: Vec<f64>,
    /// Of those that did not. No good for a table.
    pub spoilt: Vec<f64>,
}

/// One measurement of a [`series`].
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// How to measure.
    pub plan: Plan,
    /// The keys of each thread.
    pub streams: &'a [Stream],
    /// Runs on the first thread before each round, outside the time taken.
    pub between: &'a (dyn Fn() + Sync),
    /// What is measured.
    pub work: &'a Work<'a>,
}

/// Measures one thing.
#[must_use]
pub fn rounds(job: Job<'_>) -> Rounds {
    series(&[job]).pop().unwrap_or_default()
}

/// Measures one thing after the other. The threads are the same for all of them, since an
/// allocator treats memory from threads that are gone differently. Jobs that want more threads
/// than there are cores yield nothing.
///
/// # Panics
///
/// If a job has fewer streams than threads. If `work` panics, the process is aborted.
#[must_use]
pub fn series(jobs: &[Job<'_>]) -> Vec<Rounds> {
    let cores = cores();
    let jobs: Vec<(Job<'_>, Shared)> = jobs.iter().map(|job| (*job, Shared::new(job))).collect();
    let runnable = |job: &Job<'_>| job.plan.threads <= cores.len();
    let threads = jobs.iter().map(|(job, _)| job.plan.threads.min(cores.len())).max().unwrap_or(0);
    let meet = Barrier::new(threads); // of the kind that sleeps: who has nothing to do must not spin
    std::thread::scope(|scope| {
        for (thread, core) in cores.iter().enumerate().take(threads) {
            let (jobs, meet, runnable) = (&jobs, &meet, &runnable);
            scope.spawn(move || {
                core_affinity::set_for_current(*core);
                let _wrong = AbortOnPanic; // the other threads would wait for this one for ever
                for (job, shared) in jobs.iter().filter(|(job, _)| runnable(job)) {
                    meet.wait();
                    if thread < job.plan.threads {
                        shared.run(thread, job);
                    }
                }
            });
        }
    });
    let judge = |shared: Shared| shared.judge.into_inner().expect("no thread panicked").rounds;
    jobs.into_iter().map(|(_, shared)| judge(shared)).collect()
}

struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

struct Shared {
    barrier: SpinBarrier,
    keys: AtomicUsize,
    start: AtomicUsize,
    done: AtomicBool,
    laps: Mutex<Vec<Option<Lap>>>,
    judge: Mutex<Judge>,
}

impl Shared {
    fn new(job: &Job<'_>) -> Self {
        let plan = job.plan;
        assert!(job.streams.len() >= plan.threads, "every thread needs its keys");
        Self {
            barrier: SpinBarrier::new(plan.threads),
            keys: AtomicUsize::new(plan.keys.unwrap_or(SMALLEST_ROUND)),
            start: AtomicUsize::new(0),
            done: AtomicBool::new(false),
            laps: Mutex::new(vec![None; plan.threads]),
            judge: Mutex::new(Judge { plan, warmed: 0.0, rounds: Rounds::default() }),
        }
    }

    fn run(&self, thread: usize, job: &Job<'_>) {
        let (stream, between, work) = (&job.streams[thread], job.between, job.work);
        while !self.done.load(Ordering::Relaxed) {
            if thread == 0 {
                between();
            }
            let keys = self.keys.load(Ordering::Relaxed);
            let start = self.start.load(Ordering::Relaxed);
            let keys = stream.window(start, keys);
            let watch = LostTime::start();
            self.barrier.wait();
            let slowed = probe();
            self.barrier.wait();
            let start = Instant::now();
            black_box(work(thread, black_box(keys)));
            let end = Instant::now();
            let lap = Lap { start, end, lost: watch.share_of(end - start), slowed };
            self.laps.lock().expect("no thread panicked")[thread] = Some(lap);
            self.barrier.wait();
            if thread == 0 {
                self.settle(keys.len());
            }
            self.barrier.wait();
        }
    }

    fn settle(&self, keys: usize) {
        let laps = self.laps.lock().expect("no thread panicked");
        let laps: Vec<Lap> = laps.iter().flatten().copied().collect();
        let mut judge = self.judge.lock().expect("no thread panicked");
        self.keys.store(judge.look_at(&laps, keys), Ordering::Relaxed);
        self.start.fetch_add(keys, Ordering::Relaxed);
        self.done.store(judge.is_done(), Ordering::Relaxed);
    }
}

/// Decides which rounds count and how long the next one should be.
struct Judge {
    plan: Plan,
    warmed: f64,
    rounds: Rounds,
}

impl Judge {
    /// Takes note of a round and says how many keys the next one should have.
    fn look_at(&mut self, laps: &[Lap], keys: usize) -> usize {
        let nanos = laps.iter().map(Lap::nanos).sum::<f64>() / laps.len() as f64;
        let per_key = (nanos / keys as f64).max(0.1);
        let fitting = (ROUND_NANOS / per_key) as usize;
        let warming = self.warmed < self.plan.warm_up as f64 * 1e6;
        let long_enough = self.plan.keys.is_some() || keys * 2 >= fitting;
        if warming || !long_enough {
            self.warmed += nanos.max(1.0);
        } else if counts(laps) {
            self.rounds.counted.push(nanos / keys as f64);
        } else {
            self.rounds.spoilt.push(nanos / keys as f64);
        }
        match self.plan.keys {
            Some(keys) => keys,
            None if warming || !long_enough => fitting.clamp(SMALLEST_ROUND, keys * 8),
            None => keys,
        }
    }

    fn is_done(&self) -> bool {
        let Rounds { counted, spoilt } = &self.rounds;
        counted.len() >= self.plan.wanted || counted.len() + spoilt.len() >= self.plan.tries
    }
}

fn counts(laps: &[Lap]) -> bool {
    let (Some(first), Some(last_start)) =
        (laps.iter().map(|lap| lap.start).min(), laps.iter().map(|lap| lap.start).max())
    else {
        return false;
    };
    let first_end = laps.iter().map(|lap| lap.end).min().unwrap_or(first);
    let last_end = laps.iter().map(|lap| lap.end).max().unwrap_or(first);
    let together = first_end.saturating_duration_since(last_start).as_secs_f64();
    let whole = last_end.saturating_duration_since(first).as_secs_f64();
    let alone = |lap: &Lap| lap.lost <= LOST && lap.slowed <= SLOWED;
    together >= OVERLAP * whole && laps.iter().all(alone)
}

/// Multiplies, eight products at a time, which is all that a core can do of that; says how many
/// times the shortest duration so far this took.
fn probe() -> f64 {
    static SHORTEST: AtomicUsize = AtomicUsize::new(usize::MAX);
    let start = Instant::now();
    let mut products = black_box([3u64, 5, 7, 9, 11, 13, 15, 17]);
    for _ in 0..2_000 {
        for product in &mut products {
            *product = black_box(product.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
    }
    black_box(products);
    let nanos = (start.elapsed().as_nanos() as usize).max(1);
    let shortest = SHORTEST.fetch_min(nanos, Ordering::Relaxed).min(nanos);
    nanos as f64 / shortest as f64
}

/// How much of an interval this thread wanted to run and could not.
struct LostTime {
    waited: Option<u64>,
    used: u64,
}

impl LostTime {
    fn start() -> Self {
        Self { waited: waited_for_a_core(), used: cpu_nanos() }
    }

    fn share_of(&self, wall: std::time::Duration) -> f64 {
        let wall = wall.as_nanos() as f64;
        let lost = match (self.waited, waited_for_a_core()) {
            (Some(before), Some(after)) => (after - before) as f64,
            _ => wall - (cpu_nanos() - self.used) as f64,
        };
        lost / wall
    }
}

/// The second number of the thread's `schedstat`: nanoseconds it was ready and had no core.
fn waited_for_a_core() -> Option<u64> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Lets threads go within nanoseconds of each other. Gives its core away only after it has waited
/// for long.
struct SpinBarrier {
    threads: usize,
    arrived: AtomicUsize,
    turn: AtomicUsize,
}

impl SpinBarrier {
    fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0), turn: AtomicUsize::new(0) }
    }

    fn wait(&self) {
        let turn = self.turn.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.turn.store(turn + 1, Ordering::Release);
            return;
        }
        let mut spins = 0u32;
        while self.turn.load(Ordering::Acquire) == turn {
            spins += 1;
            if spins.is_multiple_of(100_000) {
                std::thread::yield_now();
            }
            spin_loop();
        }
    }
}

/// The middle one of some measurements.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lap(origin: Instant, from: u64, to: u64, lost: f64) -> Lap {
        let at = |micros| origin + Duration::from_micros(micros);
        Lap { start: at(from), end: at(to), lost, slowed: 1.0 }
    }

    #[test]
    fn a_round_counts_if_the_threads_ran_together() {
        let now = Instant::now();
        assert!(counts(&[lap(now, 0, 100, 0.0), lap(now, 5, 105, 0.0)]));
        assert!(!counts(&[lap(now, 0, 100, 0.0), lap(now, 20, 120, 0.0)]));
        assert!(!counts(&[lap(now, 0, 100, 0.0), lap(now, 100, 200, 0.0)]));
    }

    #[test]
    fn a_round_in_which_a_thread_lost_its_core_does_not_count() {
        let now = Instant::now();
        assert!(!counts(&[lap(now, 0, 100, 0.0), lap(now, 0, 100, 0.2)]));
        assert!(!counts(&[lap(now, 0, 100, 0.2)]));
        assert!(!counts(&[Lap { slowed: 1.7, ..lap(now, 0, 100, 0.0) }]));
    }

    #[test]
    fn tries_are_bounded() {
        let plan = Plan { threads: 1, keys: Some(4), warm_up: 0, wanted: usize::MAX, tries: 3 };
        let streams = [Stream::draw(crate::keys::Shape::Uniform, 10, 100, 1)];
        let work = |_: usize, keys: &[u64]| keys.iter().fold(0, |sum, key| sum ^ key);
        let rounds = rounds(Job { plan, streams: &streams, between: &|| (), work: &work });
        assert_eq!(rounds.counted.len() + rounds.spoilt.len(), 3);
    }

    #[test]
    fn every_thread_runs_every_round_and_between_runs_before_each() {
        let threads = cores().len().min(2);
        let plan = Plan { threads, keys: Some(4), warm_up: 0, wanted: usize::MAX, tries: 3 };
        let streams = vec![Stream::draw(crate::keys::Shape::Uniform, 10, 100, 1); threads];
        let (prepared, worked) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let between = || {
            prepared.fetch_add(1, Ordering::Relaxed);
        };
        let work = |_: usize, keys: &[u64]| {
            worked.fetch_add(1, Ordering::Relaxed);
            keys.len() as u64
        };
        let _ = rounds(Job { plan, streams: &streams, between: &between, work: &work });
        assert_eq!(prepared.into_inner(), 3);
        assert_eq!(worked.into_inner(), 3 * threads);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
