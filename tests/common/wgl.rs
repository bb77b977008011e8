//! A linearizability checker: Wing and Gong's search with Lowe's memory of where it has been.
//!
//! A history is linearizable if its operations can be put in an order that respects real time and
//! in which the sequential model allows every response. One key at a time: a history is
//! linearizable if the history of each object is. Histories are at most 64 operations long.
//!
//! Relative deadlines count from some reading of the clock during the call, not from the very
//! instant of the operation: a writer reads the clock shortly before what it writes can be seen.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::common::model::{Entry, Fills, Op, Response, State};

/// A finished operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    pub(crate) op: Op,
    pub(crate) response: Response,
    pub(crate) invoked: Instant,
    pub(crate) returned: Instant,
}

/// Whether `history` can be explained from `start` on.
pub(crate) fn is_linearizable(start: &State, history: &[Timed]) -> bool {
    assert!(history.len() <= 64);
    explain(start, history, 0, &mut HashSet::new())
}

/// What is left to explain: the operations done so far, as a set, and what they made of the entry and
/// its fills. The time and the stamps drawn follow from the set.
type Position = (u64, Option<Entry>, Fills);

/// Whether the operations that are not in `done` can follow on `state`. `dead` remembers the
/// positions from which they cannot.
fn explain(state: &State, history: &[Timed], done: u64, dead: &mut HashSet<Position>) -> bool {
    let open = || (0..history.len()).filter(|index| done & (1 << index) == 0);
    let Some(first_return) = open().map(|index| history[index].returned).min() else {
        return true;
    };
    let position = (done, state.entry, state.fills.clone());
    if dead.contains(&position) {
        return false;
    }
    // What began after another one had returned cannot come before it.
    for index in open().filter(|&index| history[index].invoked <= first_return) {
        let readings = readings(state.now, history, done, index);
        for (reading, refuses_loads) in readings.flat_map(|at| [(at, false), (at, true)]) {
            if refuses_loads && !matches!(history[index].op, Op::Conclude(..)) {
                continue; // That makes no difference.
            }
            let mut next = state.clone();
            (next.reading, next.refuses_loads) = (Some(reading), refuses_loads);
            let allowed = next.apply(&history[index].op, &history[index].response).is_ok();
            if allowed && explain(&next, history, done | 1 << index, dead) {
                return true;
            }
        }
    }
    dead.insert(position);
    false
}

/// What the clock may have shown to operation `index` since it was called: the present time, or
/// the time before any advance in `done` that had not returned by then.
fn readings(
    now: Duration,
    history: &[Timed],
    done: u64,
    index: usize,
) -> impl Iterator<Item = Duration> {
    let called = history[index].invoked;
    let mut advances: Vec<_> = (0..history.len())
        .filter(|index| done & (1 << index) != 0)
        .filter(|&index| history[index].returned >= called)
        .filter_map(|index| match history[index].op {
            Op::Advance(by) => Some((history[index].invoked, by)),
            _ => None,
        })
        .collect();
    advances.sort_unstable();
    let undone = advances.into_iter().rev().scan(now, |at, (_, by)| {
        *at -= by;
        Some(*at)
    });
    std::iter::once(now).chain(undone)
}
