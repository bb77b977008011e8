//! Who is evicted: an adaptive two-queue CLOCK with ghosts.
//!
//! ```text
//!               used meanwhile
//!            ┌──────────────────▶ back ─┐
//!  newcomer  │                          │ main queue: CLOCK. The hand takes one use from whoever
//!  ──▶ small queue: FIFO      ┌▶ front ◀┘ is in front and sends it to the back
//!            │                │   │  ▲
//!            │ not used       │   │  └─────────────┐
//!            ▼                │   ▼ no use left    │ every other
//!     ghosts of small ────────┘  ghosts of main ───┘
//!              comes back soon enough
//! ```
//!
//! * A newcomer is on trial in the small queue. It moves to the main queue if it has been used when
//!   its turn comes to leave. Uses right after the arrival do not count: they are mostly part of one
//!   access.
//! * Who leaves is remembered as a ghost. A key that comes back goes straight to the main queue if
//!   it was away for a shorter time than the main queue's next victim has been idle for.
//! * Of the keys that come back to the main queue soon, every other one is let in, without further
//!   question: it has been worth its place before. If all of them were, then in a loop over more than
//!   there is room for each would push out the next. The others go on trial again.
//! * The weight the small queue should have, its target, follows the ghosts: a key that a slightly
//!   larger small queue would have kept raises it, one that a slightly larger main queue would have
//!   kept lowers it. What the small queue gains the main queue loses, so that only a key that was
//!   away for a shorter time than the main queue's next victim has been idle for counts: a loop
//!   over a little more than there is room for would otherwise move all of it to the small queue.
//! * The first fill goes to the main queue, so that a loop over a little more than there is room for
//!   keeps its first part instead of losing everything.
//!
//! Time is counted in misses. The policy is called under the stripe lock of its entries and sees
//! them through [`Entries`]. Hits do not come here: they count in the entry's [`Usage`]. Every call
//! does a bounded amount of work, taken over many calls; while keys are locked, a search for a victim
//! may have to ask all entries.

mod ghost;
mod hunt;
mod ring;
#[cfg(test)]
mod tests;
mod weights;

use crate::usage::{MOST_USES, Queue, Usage};

use ghost::{Ghosts, Print};
use hunt::Hunt;
use ring::{Ring, Slot};
use weights::Weights;

// Shares are in parts of 128. The hit ratio depends little on most of them: a third more or less moves
// the mean over recorded traces by less than a tenth of a point. The exceptions are `SMALL_GHOSTS`, and
// `NEAR_SMALL` against `NEAR_MAIN`: with a third less of the one the target no longer rises where keys
// are swept up and down, with twice as much popular keys suffer.

/// Ghosts of the small queue, per entry. Fewer of them lose loops and disk blocks. Where popularity is
/// stable they cost a little: keys seen twice by chance push out better ones.
const SMALL_GHOSTS: u64 = 256;

/// Ghosts of the main queue, per entry.
const MAIN_GHOSTS: u64 = 128;

/// The target to begin with, and its limits, of the capacity.
const FIRST_TARGET: u64 = 2;
const LEAST_TARGET: u64 = 1;
const MOST_TARGET: u64 = 125;

/// How many entries the target moves by, and the least part of the capacity, in binary digits: a
/// large cache would take too long to follow.
const STEP: u64 = 2;
const STEP_DIGITS: u32 = 10;

/// By how much a small queue that is "slightly larger" is so, of all entries.
const NEAR_SMALL: u64 = 30;

/// Likewise for the main queue.
const NEAR_MAIN: u64 = 26;

/// The part of the target in which uses do not count yet.
const WINDOW: u64 = 28;

/// The part of its idle time that a main entry is judged by against a key that comes back.
/// Less than all, so that the newcomer has to be clearly better: it decides about the target too,
/// and with a fifth more than all of it a loop is no longer kept.
const IDLE: u64 = 84;

/// So many uses count when the hand passes an entry for the first time. Many may be part of one
/// access there as well.
const FIRST_USES: u8 = 2;

/// `share` parts of 128.
fn part(of: u64, share: u64) -> u64 {
    u64::try_from((u128::from(of) * u128::from(share)) >> 7).unwrap_or(u64::MAX)
}

/// Whether a ghost was there and is no older than `limit`.
#[inline]
fn near(away: Option<u32>, limit: u64) -> bool {
    away.is_some_and(|away| u64::from(away) <= limit)
}

/// Where an entry lies in its stripe's table: its bucket and slot as one number. Stays the same
/// until the table is rebuilt.
pub(crate) type Place = u32;

/// The entries of one stripe as the policy sees them.
pub(crate) trait Entries {
    /// The usage of the entry at `place`; `None` if nobody is there any more.
    fn usage(&self, place: Place) -> Option<&Usage>;

    /// The hash of the entry at `place`, or what the table keeps of it: the bits that
    /// [`Policy::arrive`] gets as well.
    fn hash(&self, place: Place) -> u64;

    /// False for an entry that goes last. Asked of a would-be victim only.
    fn may_go(&self, place: Place) -> bool;

    /// Says that somebody will soon ask who is at `place`.
    fn prefetch_place(&self, place: Place);

    /// Says that the entry at `place`, of which `prefetch_place` has spoken, will soon be looked at.
    fn prefetch(&self, place: Place);
}

/// A key on its way in, between [`Policy::arrive`] and [`Policy::settle`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Arrival {
    /// How many misses ago it arrived last, if it left the small queue and its ghost was still there.
    away: Option<u32>,
    /// How many evictions from the main queue ago it left that, likewise.
    from_main: Option<u32>,
}

/// Who has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Victim {
    pub(crate) place: Place,
    pub(crate) weight: u32,
}

#[derive(Debug)]
pub(crate) struct Policy {
    capacity: u64,
    small: Ring,
    main: Ring,
    /// The weight that the small queue should have.
    target: u64,
    /// The part of it in which uses do not count yet.
    window: u64,
    small_ghosts: Ghosts,
    main_ghosts: Ghosts,
    /// Misses so far.
    now: u32,
    /// Evictions from the main queue so far.
    outs: u32,
    /// Whether there is room that nobody has had yet.
    filling: bool,
    /// Whether the last key that came back to the main queue was let in.
    let_in: bool,
    weights: Weights,
    ghost_hits: u64,
}

impl Policy {
    /// A policy for entries of together `capacity`. Unless it is `weighted`, each weighs 1.
    pub(crate) fn new(capacity: u64, weighted: bool) -> Self {
        let mut policy = Self {
            capacity,
            small: Ring::new(Queue::Small),
            main: Ring::new(Queue::Main),
            target: 0,
            window: 0,
            small_ghosts: Ghosts::new(SMALL_GHOSTS),
            main_ghosts: Ghosts::new(MAIN_GHOSTS),
            now: 0,
            outs: 0,
            filling: true,
            let_in: true,
            weights: Weights::new(weighted),
            ghost_hits: 0,
        };
        policy.aim(part(capacity, FIRST_TARGET));
        policy
    }

    /// A key that is not there is about to be inserted. Asks the ghosts.
    #[inline(always)]
    pub(crate) fn arrive(&mut self, hash: u64, entries: &impl Entries) -> Arrival {
        self.now = self.now.wrapping_add(1);
        let print = Print::of(hash);
        let away = self.small_ghosts.take(print, self.now);
        let from_main = self.main_ghosts.take(print, self.outs);
        self.ghost_hits += u64::from(away.is_some() || from_main.is_some());
        if away.is_some() {
            self.main.prefetch_front(entries); // It will be compared with the newcomer.
        }
        Arrival { away, from_main }
    }

    /// Chooses who goes, takes it out of its queue and remembers it in a ghost. The caller then
    /// unlinks it. `except` is never chosen. Entries that may not go are chosen when no other is
    /// left. `None`: nobody is left.
    pub(crate) fn victim(
        &mut self,
        entries: &impl Entries,
        except: Option<Place>,
    ) -> Option<Victim> {
        self.filling = false;
        let mut hunt = Hunt::new(except, self.entries());
        for _ in 0..hunt.most_looks() {
            let overfull = self.small.weight() > self.target || self.main.is_empty();
            let found = if !self.small.is_empty() && (overfull || hunt.is_through()) {
                self.judge_small(entries, &hunt)
            } else {
                let (slot, usage) = self.main.front(entries)?;
                if except == Some(slot.place) && self.entries() == 1 {
                    return None;
                }
                self.judge_main(slot, usage, entries, &mut hunt)
            };
            if let Some(place) = found {
                return Some(Victim { place, weight: self.weights.take(place) });
            }
        }
        debug_assert!(false, "the counts of the queues are wrong");
        None
    }

    /// Evicts the entry in front of the small queue, or moves it to the main queue.
    fn judge_small(&mut self, entries: &impl Entries, hunt: &Hunt) -> Option<Place> {
        let (slot, usage) = self.small.front(entries)?;
        let place = slot.place;
        let weight = self.weights.get(place);
        self.small.prefetch(entries);
        self.small.pop(usage, weight);
        let spared = hunt.except == Some(place) || !entries.may_go(place);
        if spared || hunt.respects(usage.uses()) {
            usage.set_uses(0);
            self.main.push(Slot::new(place, self.now), usage, weight);
            return None;
        }
        self.small_ghosts.fit(self.ghosts_wanted(), self.weights.are_kept());
        let arrived = self.now.wrapping_sub(slot.age(self.now));
        self.small_ghosts.put(Print::of(entries.hash(place)), arrived);
        Some(place)
    }

    /// Evicts the entry in front of the main queue, or sends it to the back.
    fn judge_main(
        &mut self,
        slot: Slot,
        usage: &Usage,
        entries: &impl Entries,
        hunt: &mut Hunt,
    ) -> Option<Place> {
        let Slot { place, .. } = slot;
        // Once the hunt is through, the small queue has been asked and is empty.
        let spared = || hunt.except == Some(place) || !(hunt.is_through() || entries.may_go(place));
        if hunt.respects(usage.uses()) || spared() {
            self.pass(slot, usage, entries);
            hunt.spare();
            return None;
        }
        self.main.prefetch(entries);
        self.main.pop(usage, self.weights.get(place));
        self.outs = self.outs.wrapping_add(1);
        self.main_ghosts.fit(self.ghosts_wanted(), self.weights.are_kept());
        self.main_ghosts.put(Print::of(entries.hash(place)), self.outs);
        Some(place)
    }

    /// The hand passes the entry in front of the main queue.
    #[inline]
    fn pass(&mut self, slot: Slot, usage: &Usage, entries: &impl Entries) {
        self.main.prefetch(entries);
        let most = if slot.was_passed() { MOST_USES } else { FIRST_USES };
        usage.set_uses(usage.uses().min(most).saturating_sub(1));
        self.main.rotate(self.now, usage);
    }

    /// The entry that arrived has been published at `place`. Weight 0 pins it: it is in no queue
    /// and never chosen.
    #[inline(always)]
    pub(crate) fn settle(
        &mut self,
        arrival: Arrival,
        place: Place,
        weight: u32,
        entries: &impl Entries,
    ) {
        self.weights.set(place, weight);
        let Some(usage) = entries.usage(place).filter(|_| weight > 0) else { return };
        let weight = self.weights.get(place);
        let slot = Slot::new(place, self.now);
        let is_better =
            arrival.away.is_some_and(|away| self.main_is_idle_for_longer(away, entries));
        if arrival.away.is_some() || arrival.from_main.is_some() {
            self.adapt(&arrival, is_better);
        }
        let is_let_in = self.is_let_in(&arrival);
        if is_better || is_let_in || (self.filling && self.main_has_room()) {
            self.main.push(slot, usage, weight);
        } else {
            self.small.push(slot, usage, weight);
            let window = if self.weights.are_kept() {
                self.window / self.mean_weight()
            } else {
                self.window
            };
            self.small.age(window, entries);
        }
        self.small.sweep(entries);
        self.main.sweep(entries);
    }

    /// Moves the target by what the ghosts said. `is_better`: the key would have been worth the
    /// place of the main queue's next victim.
    #[cold]
    fn adapt(&mut self, arrival: &Arrival, is_better: bool) {
        let room = self.room();
        let small_enough = self.small.entries().saturating_add(part(room, NEAR_SMALL));
        let step = STEP.saturating_mul(self.mean_weight()).max(self.capacity >> STEP_DIGITS);
        if near(arrival.away, small_enough) {
            if is_better {
                self.aim(self.target.saturating_add(step));
            }
        } else if near(arrival.from_main, part(room, NEAR_MAIN)) {
            self.aim(self.target.saturating_sub(step));
        }
    }

    /// Whether a key comes back to the main queue and its turn has come to be let in. Soon enough is
    /// within as many evictions as there is room for entries; the sets of ghosts are not that exact.
    fn is_let_in(&mut self, arrival: &Arrival) -> bool {
        if arrival.from_main.is_none() || !near(arrival.from_main, self.room()) {
            return false;
        }
        self.let_in = !self.let_in;
        self.let_in
    }

    /// Asked while room is being filled for the first time, when nobody has to make way. Later, room
    /// in the main queue is no reason: a key that comes back after long would take it from newcomers.
    #[inline]
    fn main_has_room(&self) -> bool {
        self.main.weight() < self.capacity.saturating_sub(self.target)
    }

    /// Moves the hand to the next victim of the main queue and looks whether it has been idle for
    /// clearly longer than `away`.
    #[inline(never)]
    fn main_is_idle_for_longer(&mut self, away: u32, entries: &impl Entries) -> bool {
        let mut hunt = Hunt::new(None, self.entries());
        while let Some((slot, usage)) = self.main.front(entries) {
            if usage.uses() == 0 {
                return part(slot.age(self.now).into(), IDLE) > away.into();
            }
            if hunt.is_tired() {
                return false;
            }
            self.pass(slot, usage, entries);
            hunt.spare();
        }
        true
    }

    /// The entry at `place` is about to leave by other ways than eviction. Returns its weight.
    pub(crate) fn forget(&mut self, place: Place, usage: &Usage) -> u32 {
        let weight = self.leave(place, usage);
        self.weights.set(place, 0);
        // So much room is as good as new.
        self.filling |= self.used() < self.capacity / 2;
        weight
    }

    /// Takes the entry out of its queue, where its slot remains. Returns its weight.
    fn leave(&mut self, place: Place, usage: &Usage) -> u32 {
        let weight = self.weights.get(place);
        match usage.queue() {
            Queue::None => return 0,
            Queue::Small => self.small.leave(usage, weight),
            Queue::Main => self.main.leave(usage, weight),
        }
        weight
    }

    /// The value of the entry at `place` was replaced by one of another weight. It keeps its place
    /// in its queue. `usage` is the one that is in the table from now on.
    pub(crate) fn reweigh(&mut self, place: Place, usage: &Usage, weight: u32) {
        let old = self.weights.get(place);
        if weight == 0 {
            self.leave(place, usage);
        }
        self.weights.set(place, weight);
        let new = self.weights.get(place);
        match usage.queue() {
            Queue::Small => self.small.reweigh(old, new),
            Queue::Main => self.main.reweigh(old, new),
            // It was pinned, so that nothing is known of its uses.
            Queue::None if weight > 0 => {
                self.main.push(Slot::new(place, self.now), usage, new);
            }
            Queue::None => {}
        }
    }

    /// What the entry at `place` weighs; 1 without weights.
    #[inline]
    pub(crate) fn weight(&self, place: Place) -> u32 {
        self.weights.get(place)
    }

    /// The sum of the weights of all entries here.
    #[inline]
    pub(crate) fn used(&self) -> u64 {
        self.small.weight() + self.main.weight()
    }

    #[inline]
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Sets another capacity. Whoever has no room any more is for the caller to evict.
    pub(crate) fn set_capacity(&mut self, capacity: u64) {
        let scaled =
            u128::from(self.target) * u128::from(capacity) / u128::from(self.capacity.max(1));
        self.filling |= capacity > self.capacity;
        self.capacity = capacity;
        self.aim(u64::try_from(scaled).unwrap_or(u64::MAX));
    }

    /// The table was rebuilt: every place becomes `to(place)`, `None` where nobody is any more.
    pub(crate) fn relocate(&mut self, to: impl Fn(Place) -> Option<Place>) {
        self.small.relocate(&to);
        self.main.relocate(&to);
        self.weights.relocate(&to);
    }

    /// All entries are gone.
    pub(crate) fn clear(&mut self) {
        let ghost_hits = self.ghost_hits;
        *self = Self { ghost_hits, ..Self::new(self.capacity, self.weights.are_kept()) };
    }

    /// How many of those who arrived were remembered.
    pub(crate) fn ghost_hits(&self) -> u64 {
        self.ghost_hits
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let queues = self.small.heap_bytes() + self.main.heap_bytes();
        let ghosts = self.small_ghosts.heap_bytes() + self.main_ghosts.heap_bytes();
        queues + ghosts + self.weights.heap_bytes()
    }

    #[inline]
    fn entries(&self) -> u64 {
        self.small.entries() + self.main.entries()
    }

    /// How many entries like those here there is room for.
    #[inline]
    fn room(&self) -> u64 {
        if !self.weights.are_kept() {
            return self.capacity;
        }
        (self.entries() as f64 / self.used().max(1) as f64 * self.capacity as f64) as u64
    }

    /// How many entries the ghosts should be made for. Not far more than there are now, however
    /// large the capacity.
    #[inline]
    fn ghosts_wanted(&self) -> u64 {
        self.room().min(2 * self.entries() + 2)
    }

    fn mean_weight(&self) -> u64 {
        if !self.weights.are_kept() {
            return 1;
        }
        (self.used() / self.entries().max(1)).max(1)
    }

    fn aim(&mut self, target: u64) {
        let most = part(self.capacity, MOST_TARGET).max(1);
        let least = part(self.capacity, LEAST_TARGET).max(1);
        self.target = target.clamp(least, most);
        self.window = part(self.target, WINDOW);
    }

    /// Counts everything again. `places` are all that are occupied.
    pub(crate) fn validate(&self, places: impl Iterator<Item = Place>, entries: &impl Entries) {
        let (mut small, mut main) = ((0, 0), (0, 0));
        let slots = [self.small.slots_seen(), self.main.slots_seen()];
        for place in places {
            let usage = entries.usage(place).expect("an occupied place");
            let weight = u64::from(self.weights.get(place));
            let (counted, slots) = match usage.queue() {
                Queue::Small => (&mut small, &slots[0]),
                Queue::Main => (&mut main, &slots[1]),
                Queue::None => continue,
            };
            assert!(weight > 0, "an entry without weight is in a queue");
            assert!(slots.contains(&(place, usage.mark())), "an entry without a slot");
            *counted = (counted.0 + 1, counted.1 + weight);
        }
        assert_eq!((self.small.entries(), self.small.weight()), small, "small queue");
        assert_eq!((self.main.entries(), self.main.weight()), main, "main queue");
        assert!(self.weights.sum().is_none_or(|sum| sum == self.used()), "weights left behind");
        assert!(self.target >= 1 && self.target <= self.capacity.max(1), "target");
        self.small.validate();
        self.main.validate();
    }
}
