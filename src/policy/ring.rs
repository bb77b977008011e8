//! A queue of entries with lazy holes.
//!
//! A slot names a place in the table and when the entry was put here. An entry that leaves in any
//! other way than from the front leaves its slot behind; the slot is dead then, which shows when
//! somebody looks: nobody is at its place, or somebody with another queue or mark. Sizes are those
//! of entries, not of slots. A dead slot whose mark matches by chance makes an entry be judged
//! early, no more: its own slot becomes the dead one by that.

use std::collections::VecDeque;

use crate::usage::{Queue, Usage};

use super::{Entries, Place};

/// Slots that may always be dead.
const SPARE: usize = 32;

/// How far ahead a sweep asks for entries.
const AHEAD: usize = 8;

/// How far ahead of its turn an entry is asked for: first for what names it, then for itself.
const FAR: usize = 4;
const NEAR: usize = 2;

/// In a stamp: the entry was sent to the back before.
const PASSED: u32 = 1 << 31;

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) place: Place,
    /// The miss at which the entry was put here, but for the bit [`PASSED`]. Its low bits are the
    /// entry's mark.
    stamp: u32,
}

impl Slot {
    #[inline]
    pub(super) fn new(place: Place, now: u32) -> Self {
        Self { place, stamp: now & !PASSED }
    }

    /// How long the entry has been here.
    #[inline]
    pub(super) fn age(self, now: u32) -> u32 {
        now.wrapping_sub(self.stamp) & !PASSED
    }

    /// Whether it was in front before, and sent to the back.
    #[inline]
    pub(super) fn was_passed(self) -> bool {
        self.stamp & PASSED != 0
    }
}

#[derive(Debug)]
pub(super) struct Ring {
    queue: Queue,
    slots: VecDeque<Slot>,
    /// How many slots at the back are young: see [`Ring::age`]. Means something in the small queue
    /// only; in the main queue nothing ages.
    young: usize,
    entries: u64,
    weight: u64,
}

impl Ring {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue, slots: VecDeque::new(), young: 0, entries: 0, weight: 0 }
    }

    #[inline]
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    #[inline]
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// Puts the entry at the back.
    #[inline]
    pub(super) fn push(&mut self, slot: Slot, usage: &Usage, weight: u32) {
        self.make_room();
        self.slots.push_back(slot);
        self.young += 1;
        usage.set_queue(self.queue, slot.stamp);
        self.entries += 1;
        self.weight += u64::from(weight);
    }

    /// Takes out the entry in front, which `front` has just shown.
    #[inline]
    pub(super) fn pop(&mut self, usage: &Usage, weight: u32) {
        self.drop_front();
        self.leave(usage, weight);
    }

    /// Asks for those who come after the entry in front.
    #[inline]
    pub(super) fn prefetch(&self, entries: &impl Entries) {
        self.prefetch_after(0, entries);
    }

    /// The entry in front. Dead slots before it are dropped.
    #[inline]
    pub(super) fn front<'e>(&mut self, entries: &'e impl Entries) -> Option<(Slot, &'e Usage)> {
        while let Some(&slot) = self.slots.front() {
            match self.alive(slot, entries) {
                Some(usage) => return Some((slot, usage)),
                None => self.drop_front(),
            }
        }
        None
    }

    /// Moves the entry in front, which `front` has just shown, to the back.
    #[inline]
    pub(super) fn rotate(&mut self, now: u32, usage: &Usage) {
        if let Some(slot) = self.slots.pop_front() {
            self.slots.push_back(Slot { stamp: now | PASSED, ..slot });
            usage.set_queue(self.queue, now);
        }
    }

    /// The entry that `usage` belongs to is no longer in this queue. Its slot stays.
    #[inline]
    pub(super) fn leave(&mut self, usage: &Usage, weight: u32) {
        usage.set_queue(Queue::None, 0);
        self.entries -= 1;
        self.weight -= u64::from(weight);
    }

    pub(super) fn reweigh(&mut self, from: u32, to: u32) {
        self.weight = self.weight - u64::from(from) + u64::from(to);
    }

    /// Lets all but the last `window` slots grow up, and forgets the uses of their entries: they
    /// came right after the arrival and tell little. Looks at no more than a few slots.
    #[inline]
    pub(super) fn age(&mut self, window: u64, entries: &impl Entries) {
        for _ in 0..4 {
            if self.young as u64 <= window {
                return;
            }
            let oldest = self.slots.len() - self.young;
            let slot = self.slots.get(oldest).copied();
            if let Some(usage) = slot.and_then(|slot| self.alive(slot, entries)) {
                usage.forget_uses();
            }
            self.young -= 1;
            self.prefetch_after(oldest, entries);
        }
    }

    /// Asks for the entry in front.
    #[inline]
    pub(super) fn prefetch_front(&self, entries: &impl Entries) {
        if let Some(slot) = self.slots.front() {
            entries.prefetch(slot.place);
        }
    }

    /// Asks for entries whose turn comes soon after that of the slot at `at`.
    #[inline]
    fn prefetch_after(&self, at: usize, entries: &impl Entries) {
        if let Some(slot) = self.slots.get(at + FAR) {
            entries.prefetch_place(slot.place);
        }
        if let Some(slot) = self.slots.get(at + NEAR) {
            entries.prefetch(slot.place);
        }
    }

    /// Drops dead slots if they are more than half. Each was made by an entry that left, so that
    /// this costs a constant for each.
    #[inline]
    pub(super) fn sweep(&mut self, entries: &impl Entries) {
        if self.slots.len() as u64 > 2 * self.entries + SPARE as u64 {
            self.drop_dead(entries);
        }
    }

    #[cold]
    fn drop_dead(&mut self, entries: &impl Entries) {
        self.retain(|ring, at| {
            if let Some(next) = ring.slots.get(at + AHEAD) {
                entries.prefetch_place(next.place);
            }
            let slot = ring.slots[at];
            ring.alive(slot, entries).map(|_| slot)
        });
    }

    pub(super) fn relocate(&mut self, to: impl Fn(Place) -> Option<Place>) {
        self.retain(|ring, at| {
            let slot = ring.slots[at];
            to(slot.place).map(|place| Slot { place, ..slot })
        });
    }
    /// All slots, each with its mark, whether it is dead or alive.
    pub(super) fn slots_seen(&self) -> std::collections::HashSet<(Place, u16)> {
        self.slots.iter().map(|slot| (slot.place, crate::usage::mark(slot.stamp))).collect()
    }

    pub(super) fn validate(&self) {
        assert!(self.slots.len() as u64 >= self.entries, "more entries than slots");
        assert!(self.young <= self.slots.len(), "more young slots than slots");
    }

    #[inline]
    fn alive<'e>(&self, slot: Slot, entries: &'e impl Entries) -> Option<&'e Usage> {
        entries.usage(slot.place).filter(|usage| usage.is_in(self.queue, slot.stamp))
    }

    #[inline]
    fn drop_front(&mut self) {
        self.slots.pop_front();
        self.young = self.young.min(self.slots.len());
    }

    /// Replaces each slot by what `keep` makes of it.
    fn retain(&mut self, keep: impl Fn(&Self, usize) -> Option<Slot>) {
        let old = self.slots.len() - self.young;
        let (mut kept, mut kept_old) = (0, 0);
        for at in 0..self.slots.len() {
            if let Some(slot) = keep(self, at) {
                self.slots[kept] = slot;
                kept += 1;
                kept_old += usize::from(at < old);
            }
        }
        self.slots.truncate(kept);
        self.young = kept - kept_old;
    }

    /// Grows by a quarter: most of the queue's life it is full, and room would lie idle. Shrinks
    /// when the other queue has taken over.
    #[inline]
    fn make_room(&mut self) {
        let (len, room) = (self.slots.len(), self.slots.capacity());
        if len == room || (len < room / 2 && room > 64) {
            self.fit();
        }
    }

    #[cold]
    fn fit(&mut self) {
        let len = self.slots.len();
        if len == self.slots.capacity() {
            self.slots.reserve_exact(len / 4 + 4);
        } else {
            self.slots.shrink_to(len + len / 4 + 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<Option<Usage>>);

    impl Entries for Fixed {
        fn usage(&self, place: Place) -> Option<&Usage> {
            self.0[place as usize].as_ref()
        }

        fn hash(&self, _: Place) -> u64 {
            0
        }

        fn may_go(&self, _: Place) -> bool {
            true
        }

        fn prefetch_place(&self, _: Place) {}

        fn prefetch(&self, _: Place) {}
    }

    fn filled(count: u32) -> (Ring, Fixed) {
        let mut ring = Ring::new(Queue::Small);
        let entries = Fixed((0..count).map(|_| Some(Usage::new())).collect());
        for place in 0..count {
            push(&mut ring, &entries, place, place);
        }
        (ring, entries)
    }

    fn push(ring: &mut Ring, entries: &Fixed, place: Place, stamp: u32) {
        ring.push(Slot::new(place, stamp), entries.usage(place).expect("is there"), 1);
    }

    fn leave(ring: &mut Ring, entries: &mut Fixed, place: Place) {
        let usage = entries.0[place as usize].take().expect("is there");
        ring.leave(&usage, 1);
    }

    fn drain(ring: &mut Ring, entries: &Fixed) -> Vec<(Place, u32)> {
        let mut order = Vec::new();
        while let Some((slot, usage)) = ring.front(entries) {
            order.push((slot.place, slot.stamp));
            ring.pop(usage, 1);
        }
        assert_eq!((ring.entries(), ring.weight()), (0, 0));
        order
    }

    #[test]
    fn holes_are_skipped() {
        let (mut ring, mut entries) = filled(6);
        [0, 2, 3, 5].into_iter().for_each(|place| leave(&mut ring, &mut entries, place));
        // Somebody else at the same place, in the other queue or under another mark.
        entries.0[2] = Some(Usage::new());
        entries.usage(2).expect("is there").set_queue(Queue::Main, 2);
        entries.0[3] = Some(Usage::new());
        push(&mut ring, &entries, 3, 9);
        assert_eq!(drain(&mut ring, &entries), [(1, 1), (4, 4), (3, 9)]);
    }

    #[test]
    fn a_slot_knows_its_age_and_whether_it_was_passed() {
        let slot = Slot::new(7, u32::MAX - 2);
        assert_eq!((slot.age(u32::MAX), slot.age(2), slot.was_passed()), (2, 5, false));
        let (mut ring, entries) = filled(2);
        let (slot, usage) = ring.front(&entries).expect("not empty");
        assert!(!slot.was_passed());
        ring.rotate(5, usage);
        let of_front = |ring: &mut Ring| ring.front(&entries).map(|(slot, _)| slot);
        assert!(of_front(&mut ring).is_some_and(|slot| slot.place == 1 && !slot.was_passed()));
        ring.pop(entries.usage(1).expect("is there"), 1);
        let slot = of_front(&mut ring).expect("the one that was passed");
        assert_eq!((slot.place, slot.age(9), slot.was_passed()), (0, 4, true));
    }

    #[test]
    fn a_mark_that_matches_by_chance_does_no_harm() {
        let (mut ring, mut entries) = filled(3);
        leave(&mut ring, &mut entries, 0);
        entries.0[0] = Some(Usage::new());
        push(&mut ring, &entries, 0, 1 << 14);
        assert_eq!(drain(&mut ring, &entries), [(0, 0), (1, 1), (2, 2)]);
    }

    #[test]
    fn a_sweep_keeps_order_and_age() {
        let (mut ring, mut entries) = filled(100);
        ring.age(98, &entries);
        (0..90)
            .filter(|place| place % 9 != 0)
            .for_each(|place| leave(&mut ring, &mut entries, place));
        ring.sweep(&entries);
        assert_eq!(ring.slots.len(), 20);
        assert_eq!(ring.young, 19, "one of the two that had grown up is left");
        let left: Vec<_> = (0..100).filter(|place| place % 9 == 0 || *place >= 90).collect();
        let order: Vec<_> =
            drain(&mut ring, &entries).into_iter().map(|(place, _)| place).collect();
        assert_eq!(order, left);
    }

    #[test]
    fn growing_up_forgets_uses_once() {
        let (mut ring, entries) = filled(10);
        let touch = |place| entries.usage(place).expect("is there").touch();
        (0..10).for_each(touch);
        ring.age(8, &entries);
        ring.age(8, &entries);
        let uses = |place| entries.usage(place).expect("is there").uses();
        assert_eq!((0..10).map(uses).collect::<Vec<_>>(), [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
        touch(0);
        ring.age(7, &entries);
        assert_eq!((uses(0), uses(1), uses(2), uses(3)), (1, 0, 0, 1));
    }

    #[test]
    fn memory_follows_the_length() {
        let (mut ring, entries) = filled(10_000);
        assert!(ring.heap_bytes() <= 10_000 * 10 + 100, "{}", ring.heap_bytes());
        for _ in 0..9_900 {
            let (_, usage) = ring.front(&entries).expect("not empty");
            ring.pop(usage, 1);
        }
        push(&mut ring, &entries, 0, 20_000);
        assert!(ring.heap_bytes() <= 150 * 8, "{}", ring.heap_bytes());
    }
}
