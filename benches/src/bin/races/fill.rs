//! A load has read the old row; the writer commits the new one and invalidates; the load ends. Is the
//! old row in the cache afterwards?

use std::sync::Arc;

use crate::cell::{Cell, Findings};
use crate::gate::call;
use crate::row::{KEY, NEW, OLD};
use crate::subject::{BOUND, Invalidation, Kind, Load, LoadCall, Read, Subject};

/// The race for every pair of calls that the subject has for these.
pub(crate) fn run(kind: &Kind, load: Load, invalidation: Invalidation) -> Findings {
    let calls = (kind.build)().calls();
    let mut findings = Findings::default();
    for name in calls.loads_by(load) {
        let load = LoadCall { way: load, name };
        for invalidating in calls.invalidations_by(invalidation) {
            let cell = race(kind, load, invalidation, invalidating);
            findings.0.push((format!("{name} / {invalidating}"), cell));
        }
    }
    findings
}

fn race(kind: &Kind, load: LoadCall, way: Invalidation, name: &'static str) -> Cell {
    let subject = (kind.build)();
    subject.prepare(name, KEY);
    let read = Read::slow(OLD);
    let loading = load.start(&subject, &read);
    assert!(read.begun.pass_soon(), "{}: `{}` does not read", kind.name, load.name);
    let mut writing = call({
        let subject = Arc::clone(&subject);
        move || invalidate(&*subject, way, name)
    });
    let blocked = writing.blocks();
    read.may_end.open();
    if writing.finish().hangs() || loading.finish().hangs() {
        return Cell::Hangs;
    }
    subject.join_loads();
    subject.settle();
    match subject.get(KEY) {
        Some(OLD) if way == Invalidation::Written => Cell::Lost,
        Some(OLD) => Cell::Stale,
        _ if blocked => Cell::Blocks,
        _ => Cell::Safe,
    }
}

/// Invalidates the key; before the call this returns from, the new row has been committed.
pub(crate) fn invalidate(subject: &dyn Subject, way: Invalidation, name: &str) {
    match way {
        Invalidation::Written => subject.insert(KEY, NEW),
        Invalidation::WrittenAndRemoved => {
            subject.insert(KEY, NEW);
            subject.remove(KEY);
        }
        Invalidation::WrittenAndEvicted => {
            subject.insert(KEY, NEW);
            evict(subject);
        }
        _ => subject.invalidate(name, KEY),
    }
}

/// Uses ever new keys, each of them again and again, so that the bound drives the key out. Then the key is
/// asked for so often that no policy would refuse to admit it again.
fn evict(subject: &dyn Subject) {
    let others: Vec<u64> = (1000..1000 + 4 * BOUND).collect();
    for other in others.chunks(16).flat_map(|group| group.repeat(8)) {
        if subject.get(other).is_none() {
            subject.insert(other, NEW);
            subject.settle();
        }
    }
    for _ in 0..16 {
        assert_eq!(subject.get(KEY), None, "the bound drives the key out");
        subject.settle();
    }
}

/// Without a race, every load leaves its row in the cache and every invalidation takes it out. A
/// subject that keeps nothing would be safe otherwise.
pub(crate) fn check(kind: &Kind) {
    let calls = (kind.build)().calls();
    for (way, name) in calls.loads {
        let subject = (kind.build)();
        LoadCall { way: *way, name }.run(&*subject, &Read::quick(OLD));
        subject.join_loads();
        subject.settle();
        assert_eq!(subject.get(KEY), Some(OLD), "{}: `{name}` loads", kind.name);
    }
    for (_, name) in calls.invalidations {
        let subject = (kind.build)();
        subject.insert(KEY, OLD);
        subject.prepare(name, KEY);
        subject.invalidate(name, KEY);
        assert_eq!(subject.get(KEY), None, "{}: `{name}` invalidates", kind.name);
    }
}
