//! A caller that leads a load as a future loses interest: it is polled once and then never again, or
//! it is dropped. Another caller wants the same row and must get it.

use std::task::Poll;

use crate::cell::{Cell, Findings};
use crate::gate::Task;
use crate::row::{KEY, NEW, OLD, Row};
use crate::subject::{Kind, Load, Read, Subject};

/// What becomes of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is kept but not polled, as by a `select!` in a loop whose other branch is busy.
    Forgotten,
    /// It is dropped, as by a timeout.
    Dropped,
}

/// Whether the follower is there before it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follower {
    Waits,
    Comes,
}

/// The race for every call that the subject has for this.
pub(crate) fn run(kind: &Kind, fate: Fate, follower: Follower) -> Findings {
    let calls = (kind.build)().calls();
    let race = |name: &'static str| (name.to_string(), race(kind, name, fate, follower));
    Findings(calls.loads_by(Load::Async).map(race).collect())
}

fn race(kind: &Kind, name: &'static str, fate: Fate, follower: Follower) -> Cell {
    let subject = (kind.build)();
    let read = Read::slow(OLD);
    let mut leader = Task::new(subject.load_async(name, KEY, read.future()));
    assert_eq!(leader.poll(), Poll::Pending, "the leader reads");
    let mut following = Task::new(subject.load_async(name, KEY, Read::quick(NEW).future()));
    if follower == Follower::Waits && following.poll().is_ready() {
        return Cell::Safe;
    }
    let leader = (fate == Fate::Forgotten).then_some(leader);
    read.may_end.open(); // from here on only those who are not polled are in the way
    let cell = rescue(&*subject, &mut following);
    drop(leader);
    cell
}

fn rescue(subject: &dyn Subject, following: &mut Task<'_, Row>) -> Cell {
    if following.poll().is_ready() {
        return Cell::Safe;
    }
    let right = if subject.wait_for_load_limit() { Cell::Timed } else { Cell::Safe };
    match following.drive() {
        Some(_) => right,
        None => Cell::Hangs,
    }
}
