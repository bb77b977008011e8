//! A plain write lands while an update closure runs. Whichever of the two is taken to be first, the
//! write is not lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cell::{Cell, Findings};
use crate::gate::{Gate, call};
use crate::row::{KEY, Row};
use crate::subject::{Kind, Update};

const WRITTEN: u64 = 100;

/// The race for every call that the subject has for this.
pub(crate) fn run(kind: &Kind, way: Update) -> Findings {
    let calls = (kind.build)().calls();
    Findings(calls.updates_by(way).map(|name| (name.to_string(), race(kind, name))).collect())
}

/// The closure adds one to zero; the write stores a hundred.
fn race(kind: &Kind, name: &'static str) -> Cell {
    let subject = (kind.build)();
    subject.insert(KEY, Row::of(0));
    let (entered, leave) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let updating = call({
        let (subject, entered, leave) =
            (Arc::clone(&subject), Arc::clone(&entered), Arc::clone(&leave));
        move || {
            let first = AtomicBool::new(true);
            subject.update(name, KEY, &|row| {
                if first.swap(false, Ordering::Relaxed) {
                    entered.open();
                    leave.pass();
                }
                row.add(1);
            });
        }
    });
    assert!(entered.pass_soon(), "{}: `{name}` updates", kind.name);
    let mut writing = call({
        let subject = Arc::clone(&subject);
        move || subject.insert(KEY, Row::of(WRITTEN))
    });
    let blocked = writing.blocks();
    leave.open();
    if updating.finish().hangs() || writing.finish().hangs() {
        return Cell::Hangs;
    }
    subject.settle();
    let after = subject.get(KEY).expect("nobody removes the row");
    match after.left {
        WRITTEN | 101 if blocked => Cell::Blocks,
        WRITTEN | 101 => Cell::Safe,
        _ => Cell::Lost,
    }
}
