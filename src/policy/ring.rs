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

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) place: Place,
    /// The miss at which the entry was put here. Its low bits are the entry's mark.
    pub(super) stamp: u32,
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

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// Puts the entry at the back.
    pub(super) fn push(&mut self, slot: Slot, usage: &Usage, weight: u32) {
        self.make_room();
        self.slots.push_back(slot);
        self.young += 1;
        usage.set_queue(self.queue, slot.stamp);
        self.entries += 1;
        self.weight += u64::from(weight);
    }

    /// Takes out the entry in front, which `front` has just shown.
    pub(super) fn pop(&mut self, usage: &Usage, weight: u32) {
        self.drop_front();
        self.leave(usage, weight);
    }

    /// The entry in front. Dead slots before it are dropped.
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
    pub(super) fn rotate(&mut self, stamp: u32, usage: &Usage) {
        if let Some(slot) = self.slots.pop_front() {
            self.slots.push_back(Slot { stamp, ..slot });
            usage.set_queue(self.queue, stamp);
        }
    }

    /// The entry that `usage` belongs to is no longer in this queue. Its slot stays.
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
    pub(super) fn age(&mut self, window: u64, entries: &impl Entries) {
        for _ in 0..4 {
            if self.young as u64 <= window {
                return;
            }
            if let Some(usage) = self.oldest_young().and_then(|slot| self.alive(slot, entries)) {
                usage.set_uses(0);
            }
            self.young -= 1;
        }
    }

    /// Asks for the entries that the next calls will look at.
    pub(super) fn prefetch(&self, entries: &impl Entries) {
        let next = self.slots.iter().take(2).copied().chain(self.oldest_young());
        next.for_each(|slot| entries.prefetch(slot.place));
    }

    /// Drops dead slots if they are more than half. Each was made by an entry that left, so that
    /// this costs a constant for each.
    pub(super) fn sweep(&mut self, entries: &impl Entries) {
        if self.slots.len() as u64 <= 2 * self.entries + SPARE as u64 {
            return;
        }
        self.retain(|ring, at| {
            if let Some(next) = ring.slots.get(at + AHEAD) {
                entries.prefetch(next.place);
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

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.queue);
    }

    /// All slots, each with its mark, whether it is dead or alive.
    pub(super) fn slots_seen(&self) -> std::collections::HashSet<(Place, u16)> {
        self.slots.iter().map(|slot| (slot.place, crate::usage::mark(slot.stamp))).collect()
    }

    pub(super) fn validate(&self) {
        assert!(self.slots.len() as u64 >= self.entries, "more entries than slots");
        assert!(self.young <= self.slots.len(), "more young slots than slots");
    }

    fn oldest_young(&self) -> Option<Slot> {
        self.slots.get(self.slots.len() - self.young).copied()
    }

    fn alive<'e>(&self, slot: Slot, entries: &'e impl Entries) -> Option<&'e Usage> {
        entries.usage(slot.place).filter(|usage| usage.is_in(self.queue, slot.stamp))
    }

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
    fn make_room(&mut self) {
        let (len, room) = (self.slots.len(), self.slots.capacity());
        if len == room {
            self.slots.reserve_exact(len / 4 + 4);
        } else if len < room / 2 && room > 64 {
            self.slots.shrink_to(len + len / 4 + 4);
        }
    }
}
