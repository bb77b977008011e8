//! Long random mixes of the shipped code under shuttle.
//!
//! Loom explores small models in every interleaving; shuttle runs larger ones in many random
//! schedules, each with a linearizability check. It knows no weak memory, so it complements the
//! loom models and does not replace them. Harness and specification are those of `tests/loom`.
//!
//! ```sh
//! RUSTFLAGS="--cfg caskade_shuttle" cargo test --release --test shuttle
//! ```
//!
//! `SHUTTLE_SCHEDULES` sets the number of schedules of each test.
#![cfg(caskade_shuttle)]

#[path = "../loom/harness.rs"]
mod harness;
#[path = "../loom/spec.rs"]
mod spec;

use harness::{Model, Op, Op::*, Seen};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

/// The model checker the harness runs under.
mod checker {
    pub(crate) use shuttle::{sync, thread};
}

const THREADS: usize = 3;
const OPS_PER_THREAD: usize = 6;
const KEYS: [u64; 2] = [1, 2];

fn any_op(words: bool) -> Op {
    let mut random = thread_rng();
    let key = KEYS[random.gen_range(0..KEYS.len())];
    let value = random.gen_range(10..99);
    let deadline = random.gen_range(1..40);
    match random.gen_range(0..17) {
        0..=2 => Get(key),
        3 => GetMany(KEYS[0], KEYS[1]),
        4 => [Session(key), Refresh(key, KEYS[0])][random.gen_range(0..2)],
        5 => Insert(key, value),
        6 => InsertUntil(key, value, deadline),
        7 => TouchUntil(key, deadline),
        8 => Remove(key),
        9 => Cas(key, [Seen::Last, Seen::Stage][random.gen_range(0..2)], value),
        10 => Lock(key),
        11 => Cas(key, Seen::Token, value),
        12 => Unlock(key),
        13 => Tick(random.gen_range(1..15)),
        14 if words => Increment(key),
        14 => Renew(key),
        15 => Fill(1),
        _ => [RemoveFill(0), Clear, Reclaim][random.gen_range(0..3)],
    }
}

/// A random mix: both keys present in a table that is more or less full, then three threads doing
/// anything.
fn mix() {
    let words = thread_rng().gen_range(0..2) == 0;
    let fill = Fill(thread_rng().gen_range(0..5));
    let mut stage = vec![fill, Insert(KEYS[0], 1), Insert(KEYS[1], 1)];
    if words {
        stage.insert(0, Word);
    }
    let thread = |_| (0..OPS_PER_THREAD).map(|_| any_op(words)).collect();
    Model::new(stage, (0..THREADS).map(thread).collect()).run();
}

fn explore(scheduler: impl Scheduler + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = 0x2_0000;
    shuttle::Runner::new(scheduler, config).run(mix);
}

fn schedules() -> usize {
    let asked = std::env::var("SHUTTLE_SCHEDULES").ok().and_then(|count| count.parse().ok());
    asked.unwrap_or(20_000)
}

#[test]
fn random_schedules() {
    explore(RandomScheduler::new(schedules()));
}

#[test]
fn schedules_with_few_switches() {
    explore(PctScheduler::new(3, schedules()));
}
