//! Every way to load, crossed with every way to invalidate, at every moment.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use caskade::Fence;

use crate::invalidations::{Act, Invalidation, Needs, invalidations};
use crate::loads::{Finds, Load, Moment, loads};
use crate::scene::{Caller, KEY, Pinned, Row, Scene};

/// Whether somebody else wants the row between the invalidation and the end of the load. Who does
/// stores the new row, which would hide that the old one might have been stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Nobody,
    Newcomer,
}

#[test]
fn no_invalidation_is_undone_by_a_load_of_words() {
    every_cell::<u64>();
}

#[test]
fn no_invalidation_is_undone_by_a_load_of_nodes() {
    every_cell::<String>();
}

fn every_cell<V: Row>() {
    let mut failed = Vec::new();
    for load in &loads::<V>() {
        for invalidation in &invalidations::<V>() {
            for moment in moments(invalidation) {
                for meanwhile in [Meanwhile::Nobody, Meanwhile::Newcomer] {
                    let cell = Cell { load, invalidation, moment, meanwhile };
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| cell.run())) {
                        failed.push(format!("{cell}: {}", message(&*panic)));
                    }
                }
            }
        }
    }
    let count = failed.len();
    failed.truncate(50);
    assert!(count == 0, "{count} cells fail:\n{}", failed.join("\n"));
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic")
}

fn moments<V: Row>(invalidation: &Invalidation<V>) -> Vec<Moment> {
    match invalidation.needs {
        Needs::Entry => vec![Moment::WhenItIsStored],
        _ => vec![Moment::BeforeItReads, Moment::BeforeItStores, Moment::WhenItIsStored],
    }
}

struct Cell<'t, V: Row> {
    load: &'t Load<V>,
    invalidation: &'t Invalidation<V>,
    moment: Moment,
    meanwhile: Meanwhile,
}

impl<V: Row> fmt::Display for Cell<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { load, invalidation, moment, meanwhile } = self;
        write!(f, "{} / {} {moment:?}, {meanwhile:?}", load.name, invalidation.name)
    }
}

impl<V: Row> Cell<'_, V> {
    fn has_grace(&self) -> bool {
        self.load.finds == Finds::Stale || self.invalidation.needs == Needs::Grace
    }

    fn run(&self) {
        let scene = Scene::new(self.has_grace());
        self.load.prepare(&scene);
        // Pinned before everything, it sees no more than others.
        let session = scene.cache.pin();
        let (mut early, mut fence) = (None, None);
        let left = (self.load.run)(&scene, &mut |moment| {
            if moment == self.moment {
                early = self.load.is_shared.then(|| scene.newcomer());
                fence = self.invalidate(&scene, &session);
            }
        });
        assert_eq!(left.version(), scene.last_read(), "it is left with what it has read");
        if let Some(early) = early {
            self.check_early(early, &scene);
        }
        if self.moment == Moment::WhenItIsStored {
            let stored = scene.cache.get(&KEY).expect("nothing speaks against it");
            assert_eq!(stored.version(), scene.last_read());
            fence = self.invalidate(&scene, &session);
        }
        self.check_readers(&scene, &session);
        drop(fence);
        self.check_readers(&scene, &session);
        self.check_afterlife(&scene, &session);
    }

    fn invalidate(&self, scene: &Scene<V>, session: &Pinned<'_, V>) -> Option<Fence<u32, V>> {
        let fence = match self.invalidation.act {
            Act::Done(act) => {
                act(scene);
                None
            }
            Act::Lasting(act) => Some(act(scene)),
        };
        self.check_readers(scene, session);
        if self.meanwhile == Meanwhile::Newcomer {
            let late = scene.newcomer();
            assert!(!late.waits(), "a newcomer waits for the old load");
            assert_eq!(late.value().version(), scene.version(), "a newcomer gets an old row");
            self.check_readers(scene, session);
        }
        fence
    }

    /// Who came before the invalidation gets what the leader has, and need not load.
    fn check_early(&self, early: Caller<'_, V>, scene: &Scene<V>) {
        assert_eq!(early.wakes(), 1, "woken when the load is over");
        assert_eq!(early.value().version(), scene.last_read());
    }

    /// Nobody sees what is older than the row, unless it is known for stale.
    fn check_readers(&self, scene: &Scene<V>, session: &Pinned<'_, V>) {
        if self.invalidation.is_gentle && self.has_grace() {
            return;
        }
        for (reader, seen) in scene.readers(session) {
            let is_old = seen.is_some_and(|seen| seen.version() < scene.version());
            assert!(!is_old, "{reader} sees an old row");
        }
    }

    /// Afterwards everything is as ever: the next one loads, and it is stored.
    fn check_afterlife(&self, scene: &Scene<V>, session: &Pinned<'_, V>) {
        assert_eq!(scene.newcomer().value().version(), scene.version());
        for (reader, seen) in scene.readers(session) {
            let seen = seen.map(|seen| seen.version());
            assert_eq!(seen, Some(scene.version()), "{reader} sees the row that was stored");
        }
        scene.cache.validate();
    }
}

#[test]
fn a_load_that_nothing_speaks_against_is_stored() {
    for load in loads::<String>() {
        let scene = Scene::new(true);
        load.prepare(&scene);
        let left = (load.run)(&scene, &mut |_| ());
        assert_eq!(left.version(), 2, "{}", load.name);
        for (reader, seen) in scene.readers(&scene.cache.pin()) {
            assert_eq!(seen.map(|seen| seen.version()), Some(2), "{}: {reader}", load.name);
        }
        scene.cache.validate();
    }
}
