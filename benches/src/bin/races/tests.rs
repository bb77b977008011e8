//! The races can tell: the naive subject fails as it must, caskade nowhere.

use crate::abandon::Fate;
use crate::cell::{Cell, Findings};
use crate::fill;
use crate::late::Arrival;
use crate::panics::Culprit;
use crate::subject::{Invalidation, Kind, Load, Update};
use crate::subjects::{CASKADE, CASKADE_STALE, KINDS, NAIVE};
use crate::table::{Race, sections};

fn cells_of(kind: &Kind, race: Race) -> Vec<Cell> {
    let Findings(found) = race.run(kind);
    found.into_iter().map(|(_, cell)| cell).collect()
}

#[test]
fn caskade_is_safe_in_every_race() {
    let races = sections().into_iter().flat_map(|section| section.races);
    // A plain insert that comes late is its caller's fault.
    for race in races.filter(|race| !matches!(race, Race::Fill(Load::Plain, _))) {
        let right = match race {
            // The closure of `update` runs under the stripe lock: a writer waits for it.
            Race::Update(Update::Once) => Cell::Blocks,
            // Nobody can tell a future that is never polled again from one that is slow.
            Race::Abandon(Fate::Forgotten, _) => Cell::Timed,
            _ => Cell::Safe,
        };
        for (call, cell) in race.run(&CASKADE).0 {
            assert_eq!(cell, right, "{race:?}, {call}");
        }
    }
}

#[test]
fn refresh_of_a_stale_row_does_not_bring_it_back() {
    for race in sections().into_iter().flat_map(|section| section.races) {
        let Race::Fill(load, _) = race else { continue };
        if load == Load::Plain {
            continue; // it takes what it finds
        }
        for (call, cell) in race.run(&CASKADE_STALE).0 {
            assert_eq!(cell, Cell::Safe, "{race:?}, {call}");
        }
    }
}

#[test]
fn plain_insert_that_comes_late_is_seen_in_every_subject() {
    for kind in KINDS {
        for cell in cells_of(kind, Race::Fill(Load::Plain, Invalidation::One)) {
            assert_eq!(cell, Cell::Stale, "{}", kind.name);
        }
    }
}

#[test]
fn naive_subject_keeps_what_was_invalidated() {
    for load in [Load::Loader, Load::Async, Load::Plain] {
        for way in [Invalidation::One, Invalidation::All, Invalidation::Predicate] {
            assert_eq!(cells_of(&NAIVE, Race::Fill(load, way)), [Cell::Stale]);
        }
        let late = Race::Late(load, Invalidation::One, Arrival::After);
        assert_eq!(cells_of(&NAIVE, late), [Cell::Stale]);
        let written = Race::Fill(load, Invalidation::Written);
        assert_eq!(cells_of(&NAIVE, written), [Cell::Lost]);
    }
}

#[test]
fn naive_subject_loses_a_write_or_makes_it_wait() {
    assert_eq!(cells_of(&NAIVE, Race::Update(Update::Once)), [Cell::Lost, Cell::Blocks]);
}

#[test]
fn naive_subject_is_poisoned() {
    let found = cells_of(&NAIVE, Race::Panic(Culprit::Update));
    assert_eq!(found, [Cell::Safe, Cell::Poisoned]);
}

#[test]
fn every_call_works_if_nobody_interferes() {
    KINDS.iter().for_each(fill::check);
}
