//! Finds the entries of a stripe whose deadline has passed, so that their memory is freed although
//! nobody asks for them.
//!
//! Whether an entry has expired is decided by comparing its deadline with the clock. The wheel
//! only reclaims, and may be late: it counts time in **coarse ticks** of 67 ms. But a whole sweep
//! finds whatever has expired, to the nanosecond.
//!
//! An entry that has a deadline has one **item**, by its place in the table. Items are in the lists
//! of a hierarchical wheel: six levels of 64 slots, where a slot of level `n` covers `64^n` coarse
//! ticks. Six levels cover all of time, so no deadline is too far away. With `cursor`, the coarse
//! tick that the wheel has come to, the laws are:
//!
//! * T1: an item whose coarse tick first differs from `cursor` in digit `n` (to base 64, from the
//!   top) is in level `n`, in the slot of its own digit. So slots of a lower level are always
//!   earlier than those of a higher one, and the numbers of the lists are in the order of time.
//! * T2: an item may be in an earlier slot than its entry's deadline asks for (a deadline that moves
//!   on leaves the item where it is), never in a later one.
//! * T3: `cursor` leaves a coarse tick only when all its items are gone, and enters a slot of a
//!   higher level at its first tick; that slot is then emptied before anything else.
//!
//! Whenever an item is met, its entry is asked for its deadline. It has expired, or the item is put
//! where the deadline belongs as seen from the cursor. So every look at an item ends it or brings it
//! to a lower level or a later tick; each is paid for from a budget, and time without items is
//! skipped however long it is.
//!
//! What is due within the coarse tick of the present may have expired or not. A writer leaves it
//! until that tick is over ([`Wheel::is_due`]). A sweep asks all of it, and keeps what it has asked
//! in a list of its own, so that nobody is asked twice at one instant.
//!
//! Memory: 10 bytes for each place in the table, in pages of 64 places, and 1.9 kB for the wheel.
//! Table places per entry lie between 1.4 and 2.2, so that is 14 to 22 bytes for each entry if all
//! have deadlines. Nothing before the first deadline.

mod lists;

use crate::time::Tick;
use lists::{GROUP, GROUPS, List, Lists};

/// Where an entry lies in its stripe's table: its bucket and slot as one number. Stays the same
/// until the table is rebuilt.
pub(crate) type Place = u32;

/// A coarse tick has `2^26` ns.
const COARSE: u32 = 26;

/// Each level has a digit of so many bits.
const DIGIT: u32 = 6;

const LEVELS: usize = 6;

/// The last coarse tick. What lies beyond it, which no clock reaches, counts as this one.
const LAST: u64 = (1 << (DIGIT * LEVELS as u32)) - 1;

/// Two lists for the items of the current tick that have been asked, after those of the levels.
const ASKED: List = LEVELS * GROUP;

const _: () = assert!(1 << DIGIT == GROUP && LEVELS + 1 == GROUPS);
// Ticks have 62 bits.
const _: () = assert!(COARSE + DIGIT * LEVELS as u32 == 62);

/// The deadlines of one stripe.
pub(crate) struct Wheel {
    /// The first instant, in nanoseconds, at which there may be something to do; never later than
    /// the right one.
    wake: u64,
    cursor: u64,
    /// Items of the current tick that were asked are in list `ASKED + asked`; those in the other
    /// one are to be asked again.
    asked: usize,
    /// None of the items in the list of the asked was asked at an earlier instant. So they are all
    /// asked again before the cursor leaves their tick, and once at each later instant.
    asked_since: u64,
    lists: Option<Box<Lists>>,
}

const NEVER: u64 = u64::MAX;

impl Wheel {
    /// An empty wheel, which allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { wake: NEVER, cursor: 0, asked: 0, asked_since: NEVER, lists: None }
    }

    /// The entry at `place` expires at `deadline` from now on. If it expired
    /// earlier before, its item stays where it is and is put right when it is met.
    #[inline]
    pub(crate) fn schedule(&mut self, place: Place, deadline: Tick) {
        let list = self.list_for(deadline);
        let lists = self.lists.get_or_insert_with(|| Box::new(Lists::new()));
        // By T1 a lower number is earlier. Those of the asked are the highest of all: who has been
        // asked must be asked again.
        if lists.list_of(place).is_some_and(|old| old <= list) {
            return;
        }
        lists.remove(place);
        self.put(list, place);
    }

    /// The entry at `place` is gone or has no deadline any more.
    #[inline]
    pub(crate) fn cancel(&mut self, place: Place) {
        if let Some(lists) = &mut self.lists {
            lists.remove(place);
        }
    }

    /// Whether a writer should take a turn: false until a coarse tick with items is over or a slot
    /// of a higher level begins; then true until the backlog is worked off.
    #[inline]
    pub(crate) fn is_due(&self, now: Tick) -> bool {
        now.raw() >= self.wake
    }

    /// Whether no entry has a deadline.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.lists.as_ref().is_none_or(|lists| lists.len() == 0)
    }

    /// Takes out an entry whose deadline is `now` or earlier. The caller removes the entry and
    /// calls again. With enough budget, whatever `is_due` says, `None` means that there is none
    /// left.
    ///
    /// `deadline_of` tells the deadline of the entry at a place. It is called at most `budget`
    /// times, and each call is taken off.
    pub(crate) fn next_due(
        &mut self,
        now: Tick,
        budget: &mut usize,
        mut deadline_of: impl FnMut(Place) -> Option<Tick>,
    ) -> Option<Place> {
        // A clock that goes back is tolerated; the cursor does not.
        let end = coarse(now).max(self.cursor);
        while let Some(list) = self.list_to_ask(now, end) {
            if *budget == 0 {
                break;
            }
            *budget -= 1;
            let place = self.lists.as_mut()?.pop(list)?;
            match deadline_of(place) {
                Some(deadline) if deadline <= now => return Some(place),
                Some(deadline) => self.put_back(place, deadline, now),
                None => {}
            }
        }
        self.wake = self.next_stop();
        None
    }

    /// The table was rebuilt: who was at a place is at `to(place)`; `None` if it is gone.
    pub(crate) fn relocate(&mut self, to: impl Fn(Place) -> Option<Place>) {
        let moved = self.lists.take().map(|lists| lists.relocated(to));
        self.lists = moved.filter(|lists| lists.len() > 0).map(Box::new);
    }

    /// All entries are gone.
    pub(crate) fn clear(&mut self) {
        self.lists = None;
        self.wake = NEVER;
    }

    /// The heap memory that this takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.lists.as_ref().map_or(0, |lists| size_of::<Lists>() + lists.heap_bytes())
    }

    /// Recounts the wheel. `deadlines` are those of all entries that have one.
    ///
    /// # Panics
    ///
    /// If an entry would be found too late or something else does not add up.
    pub(crate) fn validate(&self, deadlines: impl Iterator<Item = (Place, Tick)>) {
        assert!(self.wake <= self.next_stop(), "somebody is due and nobody would look");
        for (place, deadline) in deadlines {
            let lists = self.lists.as_ref().expect("there are deadlines");
            let list = lists.list_of(place).expect("who has a deadline has an item");
            let in_time = coarse(deadline).max(self.cursor);
            assert!(self.start(list) <= in_time, "{place} would be found too late [T2]");
        }
        let Some(lists) = &self.lists else { return };
        lists.validate();
        for level in 0..LEVELS {
            let passed = (1 << digit(self.cursor, level)) - 1;
            assert_eq!(
                lists.occupied(level) & passed,
                0,
                "items left behind in level {level} [T3]"
            );
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lists.as_ref().map_or(0, |lists| lists.len())
    }

    /// Where the item of an entry with this deadline belongs, by T1. What is late already belongs to
    /// the current tick.
    fn list_for(&self, deadline: Tick) -> List {
        let tick = coarse(deadline).max(self.cursor);
        let difference = tick ^ self.cursor;
        let level = difference.checked_ilog2().unwrap_or(0) / DIGIT;
        level as usize * GROUP + digit(tick, level as usize)
    }

    /// The first coarse tick of a list.
    fn start(&self, list: List) -> u64 {
        if list >= ASKED {
            return self.cursor;
        }
        let (level, slot) = ((list / GROUP) as u32, (list % GROUP) as u64);
        let above = self.cursor >> (DIGIT * (level + 1));
        (above << DIGIT | slot) << (DIGIT * level)
    }

    /// The instant at which a writer should look at a list: a single tick when it is over, a slot
    /// of a higher level when it begins.
    fn stop(&self, list: List) -> u64 {
        let is_tick = !(GROUP..ASKED).contains(&list);
        let stop = self.start(list) + u64::from(is_tick);
        // The last tick is never over.
        if stop > LAST { NEVER } else { stop << COARSE }
    }

    /// The earliest of all stops.
    fn next_stop(&self) -> u64 {
        let Some(lists) = &self.lists else { return NEVER };
        let firsts = (0..GROUPS).filter_map(|group| first(lists, group));
        firsts.map(|list| self.stop(list)).min().unwrap_or(NEVER)
    }

    #[inline]
    fn put(&mut self, list: List, place: Place) {
        self.wake = self.wake.min(self.stop(list));
        self.lists.get_or_insert_with(|| Box::new(Lists::new())).push(list, place);
    }

    /// Puts the item of an entry that has not expired at `now` where it belongs.
    fn put_back(&mut self, place: Place, deadline: Tick, now: Tick) {
        let list = self.list_for(deadline);
        if coarse(deadline) > self.cursor {
            return self.put(list, place);
        }
        self.asked_since = self.asked_since.min(now.raw());
        self.put(ASKED + self.asked, place);
    }

    /// The list whose items come next; the cursor moves there, `end` at most. `None`: everybody who
    /// might have expired at `now` has been asked.
    fn list_to_ask(&mut self, now: Tick, end: u64) -> Option<List> {
        loop {
            let lists = self.lists.as_ref()?;
            let here = (0..LEVELS).map(|level| level * GROUP + digit(self.cursor, level));
            // From the top, because a slot that the cursor has just entered may hold items of the
            // ticks below it [T3].
            if let Some(list) = here.rev().find(|&list| !lists.is_empty(list)) {
                return Some(list);
            }
            let asked = ASKED + self.asked;
            let again = ASKED + (1 - self.asked);
            if !lists.is_empty(again) {
                return Some(again);
            }
            if !lists.is_empty(asked) && self.asked_since < now.raw() {
                self.asked = 1 - self.asked;
                self.asked_since = NEVER;
                return Some(asked);
            }
            if self.cursor == end {
                return None;
            }
            let next = (0..LEVELS).find_map(|level| first(lists, level));
            self.cursor = next.map_or(end, |list| self.start(list).min(end));
        }
    }
}

/// The first list of a group that is not empty.
#[inline]
fn first(lists: &Lists, group: usize) -> Option<List> {
    let occupied = lists.occupied(group);
    (occupied != 0).then(|| group * GROUP + occupied.trailing_zeros() as usize)
}

#[inline]
fn coarse(tick: Tick) -> u64 {
    (tick.raw() >> COARSE).min(LAST)
}

/// The digit of a coarse tick that belongs to `level`.
#[inline]
fn digit(tick: u64, level: usize) -> usize {
    (tick >> (DIGIT * level as u32)) as usize % GROUP
}

#[cfg(test)]
mod tests;
