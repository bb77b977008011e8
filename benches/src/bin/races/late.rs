//! Two callers find a load of the old row on its way: one came before the invalidation, one after it.
//! The early one may get the old row, the late one may not.

use std::sync::Arc;

use crate::cell::{Cell, Findings};
use crate::fill::invalidate;
use crate::gate::{End, call};
use crate::row::{KEY, NEW, OLD};
use crate::subject::{Invalidation, Kind, Load, LoadCall, Read};

/// When the second caller arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Before,
    After,
}

/// The race for every pair of calls that the subject has for these.
pub(crate) fn run(
    kind: &Kind,
    load: Load,
    invalidation: Invalidation,
    arrival: Arrival,
) -> Findings {
    let calls = (kind.build)().calls();
    let (race, most): (fn(_, _, _, _) -> _, _) = match arrival {
        Arrival::Before => (before, 1), // it takes a while to see that somebody waits
        Arrival::After => (after, usize::MAX),
    };
    let mut findings = Findings::default();
    for name in calls.loads_by(load) {
        let load = LoadCall { way: load, name };
        for invalidating in calls.invalidations_by(invalidation).into_iter().take(most) {
            let cell = race(kind, load, invalidation, invalidating);
            findings.0.push((format!("{name} / {invalidating}"), cell));
        }
    }
    findings
}

/// What the early caller gets is right either way; it has to get something.
fn before(kind: &Kind, load: LoadCall, way: Invalidation, name: &'static str) -> Cell {
    let subject = (kind.build)();
    subject.prepare(name, KEY);
    let read = Read::slow(OLD);
    let leading = load.start(&subject, &read);
    read.begun.pass();
    let mut following = load.start(&subject, &Read::quick(OLD));
    following.give_time();
    let mut writing = call({
        let subject = Arc::clone(&subject);
        move || invalidate(&*subject, way, name)
    });
    let blocked = writing.blocks();
    read.may_end.open();
    let hung = [leading.finish().hangs(), following.finish().hangs(), writing.finish().hangs()];
    match blocked {
        _ if hung.contains(&true) => Cell::Hangs,
        true => Cell::Blocks,
        false => Cell::Safe,
    }
}

/// The late caller, and everybody after it, gets the new row.
fn after(kind: &Kind, load: LoadCall, way: Invalidation, name: &'static str) -> Cell {
    let subject = (kind.build)();
    subject.prepare(name, KEY);
    let read = Read::slow(OLD);
    let leading = load.start(&subject, &read);
    read.begun.pass();
    let mut writing = call({
        let subject = Arc::clone(&subject);
        move || invalidate(&*subject, way, name)
    });
    let blocked = writing.blocks();
    if blocked {
        read.may_end.open(); // nobody can come after an invalidation that has not happened
    }
    if writing.finish().hangs() {
        return Cell::Hangs;
    }
    let mut following = load.start(&subject, &Read::quick(NEW));
    let waits = following.blocks();
    read.may_end.open();
    let End::Returned(row) = following.finish() else { return Cell::Hangs };
    if leading.finish().hangs() {
        return Cell::Hangs;
    }
    subject.join_loads();
    subject.settle();
    match (row, subject.get(KEY)) {
        (OLD, _) | (_, Some(OLD)) => Cell::Stale,
        _ if blocked || waits => Cell::Blocks,
        _ => Cell::Safe,
    }
}
