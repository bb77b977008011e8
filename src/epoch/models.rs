//! Loom models of the epoch alone: readers that follow a pointer, and a writer that takes out what
//! it named.
//!
//! There are two kinds of models: with B1, and without it, where the collector has to make do with
//! what it can prove otherwise and a pin executes no fence unless it wakes.
//!
//! ```sh
//! RUSTFLAGS="--cfg caskade_loom --cfg caskade_epoch" LOOM_MAX_PREEMPTIONS=3 \
//!     cargo test --release --lib epoch::
//! ```
#![expect(unsafe_code, reason = "in one of the two rooms where it is allowed")]

use loom::sync::atomic::{AtomicPtr, AtomicUsize};
use loom::thread;
use std::sync::Arc;

use super::asymmetric::put_all_to_sleep;
use super::barrier;
use super::{advance, defer, pin};
use crate::sync::{Canary, Ordering};

/// A pointer, and what it has named so far.
struct Place {
    named: AtomicPtr<Canary>,
    dropped: AtomicUsize,
}

impl Place {
    fn new() -> Arc<Self> {
        let named = AtomicPtr::new(Box::into_raw(Box::new(Canary::new())));
        Arc::new(Self { named, dropped: AtomicUsize::new(0) })
    }

    fn read(&self) {
        let _guard = pin();
        self.follow();
    }

    /// The caller is pinned.
    fn follow(&self) {
        // Acquire: what the pointer names was made before.
        let named = self.named.load(Ordering::Acquire);
        // SAFETY: [E1] it could be reached after the pin. Loom notices if it is being dropped.
        unsafe { &*named }.observe();
    }

    fn replace(self: &Arc<Self>) {
        let fresh = Box::into_raw(Box::new(Canary::new()));
        // Release: a reader that follows the pointer finds what it names.
        let old = self.named.swap(fresh, Ordering::AcqRel);
        let (place, old) = (Arc::clone(self), Sent(old));
        defer(move || {
            old.destroy();
            place.dropped.fetch_add(1, Ordering::Relaxed);
        });
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }
}

struct Sent(*mut Canary);

// SAFETY: whoever has it is the only one who drops it.
unsafe impl Send for Sent {}

impl Sent {
    /// The memory stays, so that a reader that is too late is loom's to notice and nobody else's.
    fn destroy(self) {
        // SAFETY: it was made by a `Box` that nobody takes back.
        unsafe { &mut *self.0 }.destroy();
    }
}

/// Runs a model with B1 or without.
fn model(barriers: bool, run: impl Fn() + Sync + Send + 'static) {
    barrier::set_absent(!barriers);
    loom::model(run);
    barrier::set_absent(false);
}

/// One thread reads so many times, while another replaces and collects.
fn read_against_replace(reads: usize, replacements: usize, is_asleep: bool) {
    let place = Place::new();
    let reader = {
        let place = Arc::clone(&place);
        thread::spawn(move || {
            if is_asleep {
                drop(pin());
                put_all_to_sleep();
            }
            (0..reads).for_each(|_| place.read());
        })
    };
    for _ in 0..replacements {
        place.replace();
        advance();
    }
    reader.join().expect("a reader");
}

#[test]
fn a_barrier_finds_pins_that_are_not_visible() {
    model(true, || read_against_replace(2, 2, false));
}

#[test]
fn busy_readers_need_no_barrier() {
    model(false, || read_against_replace(2, 2, false));
}

#[test]
fn who_wakes_is_seen() {
    model(false, || read_against_replace(2, 2, true));
}

/// Who collects is not who took out.
#[test]
fn who_wakes_is_seen_by_a_third() {
    model(false, || {
        let place = Place::new();
        let others = {
            let (read, replaced) = (Arc::clone(&place), Arc::clone(&place));
            let reader = thread::spawn(move || {
                drop(pin());
                put_all_to_sleep();
                read.read();
            });
            [reader, thread::spawn(move || replaced.replace())]
        };
        advance();
        for other in others {
            other.join().expect("another thread");
        }
    });
}

#[test]
fn a_refreshed_guard_protects_what_is_reached_after_it() {
    model(true, || {
        let place = Place::new();
        let reader = {
            let place = Arc::clone(&place);
            thread::spawn(move || {
                let mut guard = pin();
                place.follow();
                guard.refresh();
                place.follow();
            })
        };
        place.replace();
        advance();
        reader.join().expect("a reader");
    });
}

#[test]
fn two_collectors() {
    model(true, || {
        let place = Place::new();
        let other = {
            let place = Arc::clone(&place);
            thread::spawn(move || {
                place.replace();
                place.read();
            })
        };
        place.replace();
        place.read();
        other.join().expect("the other");
    });
}

/// A reader that is idle, or was, does not hold garbage back.
#[test]
fn what_nobody_can_reach_goes() {
    model(true, || {
        let place = Place::new();
        drop(pin());
        let writer = {
            let place = Arc::clone(&place);
            thread::spawn(move || {
                place.replace();
                advance();
                assert_eq!(place.dropped(), 1, "an idle reader is in the way");
            })
        };
        writer.join().expect("a writer");
        place.read();
        place.replace();
        advance();
        assert_eq!(place.dropped(), 2);
    });
}
