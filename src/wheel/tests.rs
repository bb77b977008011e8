use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const HOUR: u64 = 3600 * SECOND;
const YEAR: u64 = 8766 * HOUR;
const END: u64 = 1 << 62;
const TICK: u64 = 1 << COARSE;

fn at(raw: u64) -> Tick {
    Tick::from_raw(raw).expect("time begins at one")
}

/// A wheel, and what it should know.
struct Pair {
    wheel: Wheel,
    deadlines: BTreeMap<Place, Tick>,
    /// The coarse tick after which turns have found the entry: that of its deadline, or the one in
    /// which the wheel was told if that was later.
    ticks: BTreeMap<Place, u64>,
    now: u64,
    /// How often an entry was asked for its deadline.
    asked: usize,
}

impl Pair {
    fn new() -> Self {
        let (deadlines, ticks) = (BTreeMap::new(), BTreeMap::new());
        Self { wheel: Wheel::new(), deadlines, ticks, now: 1, asked: 0 }
    }

    fn schedule(&mut self, place: Place, deadline: u64) {
        self.deadlines.insert(place, at(deadline));
        self.ticks.insert(place, coarse(at(deadline.max(self.now))));
        self.wheel.schedule(place, at(deadline));
    }

    fn cancel(&mut self, place: Place) {
        self.deadlines.remove(&place);
        self.wheel.cancel(place);
    }

    /// Whoever one turn finds. Each of them has expired, and the budget is kept.
    fn turn(&mut self, mut budget: usize) -> Vec<Place> {
        let (now, mut found) = (at(self.now), Vec::new());
        loop {
            let mut asked = 0;
            let before = budget;
            let deadlines = &self.deadlines;
            let due = self.wheel.next_due(now, &mut budget, |place| {
                asked += 1;
                deadlines.get(&place).copied()
            });
            assert_eq!(before - budget, asked, "each question is paid for");
            self.asked += asked;
            let Some(place) = due else { return found };
            let deadline = self.deadlines.remove(&place).expect("only who is there is found");
            assert!(deadline <= now, "{place} has not expired");
            found.push(place);
        }
    }

    /// A whole sweep finds exactly those who have expired.
    fn sweep(&mut self) -> Vec<Place> {
        let now = at(self.now);
        let expired = self.deadlines.iter().filter(|(_, deadline)| **deadline <= now);
        let expired: Vec<_> = expired.map(|(&place, _)| place).collect();
        let mut found = self.turn(usize::MAX);
        found.sort_unstable();
        assert_eq!(found, expired);
        assert!(!self.wheel.is_due(now), "a sweep leaves nothing to do");
        found
    }

    /// Turns until the wheel is no longer due. Then at most the present tick's are left.
    fn turns(&mut self, budget: usize) {
        let bound = (self.deadlines.len() + 1) * (LEVELS + 2);
        for _ in 0..=bound {
            if !self.wheel.is_due(at(self.now)) {
                let now = coarse(at(self.now));
                let missed = self.deadlines.keys().find(|place| self.ticks[*place] < now);
                assert_eq!(missed, None);
                return;
            }
            self.turn(budget);
        }
        panic!("due without end");
    }

    fn validate(&self) {
        self.wheel.validate(self.deadlines.iter().map(|(&place, &deadline)| (place, deadline)));
        assert_eq!(self.wheel.len(), self.deadlines.len(), "one item for each, and no other");
        assert_eq!(self.wheel.is_empty(), self.deadlines.is_empty());
    }
}

#[test]
fn entries_are_found_when_their_deadline_has_passed() {
    // Deadline, instant; whether a writer's turns find it, whether a sweep does.
    let table = [
        (1, 1, false, true),
        (5 * TICK, 5 * TICK - 1, false, false),
        (5 * TICK, 5 * TICK, false, true),
        (5 * TICK + 7, 5 * TICK + 6, false, false),
        (5 * TICK + 7, 5 * TICK + 7, false, true),
        (5 * TICK + 7, 6 * TICK - 1, false, true),
        (5 * TICK + 7, 6 * TICK, true, true),
        (64 * TICK - 1, 64 * TICK, true, true),
        (64 * TICK, 64 * TICK, true, true), // in a slot above, which is asked when it begins
        (HOUR, HOUR - 1, false, false),
        (HOUR, HOUR + TICK, true, true),
        (HOUR, 100 * YEAR, true, true),
        (100 * YEAR, 99 * YEAR, false, false),
        (100 * YEAR, 100 * YEAR, true, true),
        (100 * YEAR, 100 * YEAR + TICK, true, true),
        (END - 1, END - TICK, false, false),
        (END - TICK - 1, END - TICK, true, true),
        (END - 1, END, true, true),
        (END, END - 1, false, false),
        (END, END, true, true),
        (u64::MAX, END, false, false),
    ];
    for (deadline, now, by_turns, by_sweep) in table {
        let case = format!("{deadline} at {now}");
        let mut pair = Pair::new();
        pair.schedule(3, deadline);
        pair.validate();
        pair.now = now;
        pair.turns(1);
        pair.validate();
        assert_eq!(pair.deadlines.is_empty(), by_turns, "{case}, turns");

        let mut pair = Pair::new();
        pair.schedule(3, deadline);
        pair.now = now;
        assert_eq!(!pair.sweep().is_empty(), by_sweep, "{case}, sweep");
        pair.validate();
    }
}

#[test]
fn a_sweep_asks_again_at_every_instant_of_one_tick() {
    let mut pair = Pair::new();
    for place in 0..100 {
        pair.schedule(place, 7 * TICK + 100 + u64::from(place));
    }
    for now in 0..100 {
        pair.now = 7 * TICK + 100 + now;
        assert_eq!(pair.sweep(), [now as Place]);
        let asked = pair.asked;
        assert!(pair.sweep().is_empty(), "once more at the same instant");
        assert_eq!(pair.asked, asked, "nobody is asked twice at one instant");
        pair.validate();
    }
}

#[test]
fn who_was_asked_and_then_expires_earlier_is_found_at_the_same_instant() {
    let mut pair = Pair::new();
    pair.schedule(1, 7 * TICK + 50);
    pair.now = 7 * TICK + 10;
    assert!(pair.sweep().is_empty());
    pair.schedule(1, 7 * TICK + 5);
    assert_eq!(pair.sweep(), [1]);
}

#[test]
fn writers_have_nothing_to_do_before_the_tick_is_over() {
    let mut pair = Pair::new();
    pair.schedule(1, 7 * TICK + 50);
    assert!(!pair.wheel.is_due(at(7 * TICK + 60)));
    pair.now = 7 * TICK + 10;
    pair.sweep();
    assert!(!pair.wheel.is_due(at(8 * TICK - 1)), "an item that was asked does not wake anybody");
    assert!(pair.wheel.is_due(at(8 * TICK)));
}

#[test]
fn a_deadline_that_moves_on_is_followed() {
    let mut pair = Pair::new();
    pair.schedule(1, SECOND);
    for second in 2..1000 {
        pair.now = (second - 1) * SECOND;
        pair.schedule(1, second * SECOND);
        pair.turns(4);
        assert_eq!(pair.deadlines.len(), 1);
        pair.validate();
    }
    pair.now = 1000 * SECOND;
    pair.turns(4);
    assert!(pair.wheel.is_empty());
}

#[test]
fn an_entry_that_says_nothing_of_its_end_is_forgotten_when_met() {
    let mut pair = Pair::new();
    pair.schedule(1, SECOND);
    pair.schedule(2, HOUR);
    pair.deadlines.remove(&1);
    pair.now = 2 * SECOND;
    assert!(pair.turn(8).is_empty());
    pair.validate();
}

#[test]
fn a_clock_that_goes_back_hides_nobody() {
    let mut pair = Pair::new();
    // The last digits of these ticks are 8 and 9, that of a second is 14.
    pair.schedule(1, 53_641 * TICK);
    pair.now = 53_640 * TICK;
    pair.sweep();
    pair.now = SECOND;
    pair.schedule(2, 2 * SECOND);
    assert!(pair.sweep().is_empty());
    pair.now = 2 * SECOND;
    assert_eq!(pair.sweep(), [2]);
    pair.validate();
}

#[test]
fn nothing_is_allocated_without_deadlines() {
    let mut pair = Pair::new();
    assert_eq!((pair.wheel.heap_bytes(), pair.wheel.is_empty()), (0, true));
    assert!(!pair.wheel.is_due(at(END)));
    pair.cancel(7);
    assert!(pair.turn(8).is_empty());
    pair.wheel.relocate(Some);
    assert_eq!(pair.wheel.heap_bytes(), 0);
    pair.schedule(7, SECOND);
    assert!(pair.wheel.heap_bytes() > 0);
    pair.wheel.relocate(|_| None);
    assert_eq!((pair.wheel.heap_bytes(), pair.wheel.is_empty()), (0, true));
    pair.schedule(7, SECOND);
    pair.wheel.clear();
    assert_eq!((pair.wheel.heap_bytes(), pair.wheel.is_empty()), (0, true));
    assert!(!pair.wheel.is_due(at(END)));
}

/// What the documentation says: 10 bytes a place in whole pages, and what the wheel itself takes.
/// The directory of pages may be twice as long as it must.
fn memory_bound(places: usize) -> usize {
    let pages = places.div_ceil(64);
    1900 + pages * (640 + 2 * 8)
}

#[test]
fn memory_depends_on_the_places_alone() {
    const PLACES: Place = 1000;
    let mut pair = Pair::new();
    for round in 0..300 {
        for place in 0..PLACES {
            let far = (round + u64::from(place)) % 2 == 0;
            pair.schedule(place, pair.now + if far { HOUR } else { SECOND });
            if place % 7 == round as Place % 7 {
                pair.cancel(place);
            }
        }
        pair.now += 10 * MS;
        if round % 50 == 0 {
            pair.validate();
        }
        pair.turns(16);
        let bytes = pair.wheel.heap_bytes();
        assert!((10 * PLACES as usize..=memory_bound(PLACES as usize)).contains(&bytes));
    }
    // An entry takes 11 to 17 bytes of its table, and 64 places take 512.
    let entries = PLACES as usize * (512 / 17) / 64;
    assert!((pair.wheel.heap_bytes() - 1900) / entries <= 24);
}

#[test]
fn work_is_bounded_for_each_call_and_each_item() {
    const ITEMS: usize = 2_000;
    const BUDGET: usize = 8;
    let mut pair = Pair::new();
    // All in one slot of a high level, all to be moved when it begins, none expired by then.
    for place in 0..ITEMS {
        pair.schedule(place as Place, 10 * YEAR + place as u64 * 200 * MS);
    }
    pair.now = 10 * YEAR - 1;
    let mut turns = 0;
    while pair.wheel.is_due(at(pair.now)) {
        let before = pair.asked;
        pair.turn(BUDGET);
        assert!(pair.asked - before <= BUDGET);
        turns += 1;
        assert!(turns <= 1 + ITEMS * LEVELS / BUDGET, "a backlog shrinks with every turn");
    }
    assert!(pair.asked >= ITEMS, "there was a backlog");
    pair.validate();
    // Half a second at a time, until all are gone.
    while !pair.wheel.is_empty() {
        pair.now += 500 * MS;
        pair.turns(BUDGET);
    }
    assert!(pair.asked <= ITEMS * (LEVELS + 1), "{} questions", pair.asked);
}

#[test]
fn deadlines_that_move_on_cost_no_more_than_time_passing() {
    let mut pair = Pair::new();
    for round in 0..100_000 {
        pair.schedule(1, round + HOUR);
    }
    assert!(pair.turn(100).is_empty());
    assert_eq!(pair.asked, 0);
    // An hour has four digits, so an item that is always moved on by an hour is met rarely.
    for step in 0..36_000 {
        pair.now += 100 * MS;
        pair.schedule(1, pair.now + HOUR);
        pair.turns(8);
        assert_eq!(pair.deadlines.len(), 1, "step {step}");
    }
    assert!(pair.asked <= 30, "{} questions in an hour", pair.asked);
}

#[derive(Clone, Debug)]
enum Step {
    Schedule {
        place: Place,
        after: u64,
    },
    /// A deadline that has passed already.
    Late {
        place: Place,
        ago: u64,
    },
    Cancel {
        place: Place,
    },
    Advance {
        by: u64,
    },
    Turn {
        budget: usize,
    },
    Turns {
        budget: usize,
    },
    Sweep,
    /// Every place moves by `by`, and one in `gone` is left out.
    Relocate {
        by: Place,
        gone: Place,
    },
    Clear,
}

/// Spans of every size, from nanoseconds to years, close to borders between slots too.
fn span() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0..3 * TICK,
        3 => 0..200 * TICK,
        2 => 0..HOUR,
        2 => 0..3 * YEAR,
        2 => (0..36u32, -2..=2i64).prop_map(|(bits, off)| (TICK << bits >> 3).saturating_add_signed(off)),
        1 => 0..END,
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![4 => 0..40u32, 1 => 0..3000u32]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => (place(), span()).prop_map(|(place, after)| Step::Schedule { place, after }),
        2 => (place(), span()).prop_map(|(place, ago)| Step::Late { place, ago }),
        4 => place().prop_map(|place| Step::Cancel { place }),
        6 => span().prop_map(|by| Step::Advance { by }),
        4 => (0..6usize).prop_map(|budget| Step::Turn { budget }),
        2 => (1..6usize).prop_map(|budget| Step::Turns { budget }),
        4 => Just(Step::Sweep),
        1 => (0..100u32, 2..9u32).prop_map(|(by, gone)| Step::Relocate { by, gone }),
        1 => Just(Step::Clear),
    ]
}

fn moved<T: Copy>(
    old: &BTreeMap<Place, T>,
    to: impl Fn(Place) -> Option<Place>,
) -> BTreeMap<Place, T> {
    old.iter().filter_map(|(&place, &value)| Some((to(place)?, value))).collect()
}

impl Pair {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Schedule { place, after } => self.schedule(place, self.now.saturating_add(after)),
            Step::Late { place, ago } => self.schedule(place, self.now.saturating_sub(ago).max(1)),
            Step::Cancel { place } => self.cancel(place),
            Step::Advance { by } => self.now = self.now.saturating_add(by).min(END),
            Step::Turn { budget } => assert!(self.turn(budget).len() <= budget),
            Step::Turns { budget } => self.turns(budget),
            Step::Sweep => drop(self.sweep()),
            Step::Relocate { by, gone } => {
                let to = |place: Place| (place % gone != 0).then_some(place + by);
                self.wheel.relocate(to);
                self.deadlines = moved(&self.deadlines, to);
                self.ticks = moved(&self.ticks, to);
            }
            Step::Clear => {
                self.wheel.clear();
                self.deadlines.clear();
            }
        }
        self.validate();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4 * ProptestConfig::default().cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_wheel_follows_the_model(steps in vec(step(), 1..120)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
        }
        pair.now = END;
        pair.turns(3);
        pair.sweep();
        pair.validate();
    }
}
