//! The bound: how much may be there, and how room is made for what comes.
//!
//! The bound is divided among the stripes, each of which evicts on its own, under its own lock,
//! before it lets anything in. So the cache is within its bound at every instant, and whoever
//! inserts waits for nobody else.
//!
//! A value heavier than its stripe's share is let in at the expense of the other stripes: they give
//! up part of their shares, and the stripe gives back what it has too much once the value is gone.
//! At all times the shares and what is on its way between them add up to the bound.

use std::cell::OnceCell;

use crate::expiry::Expiry;
use crate::hash;
use crate::policy::{self, Arrival, Place};
use crate::raw;
use crate::sync::{AtomicU64, MutexGuard, Ordering, thread_flag, yield_now};
use crate::time::{Tick, TimeSource};
use crate::usage::Usage;

use super::{At, Cause, HeldStripe, Reentrant, Refusal, Store};

/// What an entry weighs.
pub(crate) type Weigher<K, V> = dyn Fn(&K, &V) -> u32 + Send + Sync;

/// The bound of a cache, in entries, or in weight if there is a weigher.
pub(crate) struct Bound<K, V> {
    max: AtomicU64,
    /// Room that belongs to no stripe at the moment.
    spare: AtomicU64,
    weigher: Option<Box<Weigher<K, V>>>,
    /// There are two to the power of so many stripes.
    stripe_bits: u32,
}

/// A stripe has too small a share for what is to be let in.
pub(super) struct Lack {
    weight: u32,
    /// By how much the entries of the stripe become heavier.
    more: u32,
    /// How much is missing.
    missing: u64,
}

impl<K, V> Bound<K, V> {
    pub(crate) fn new(max: u64, weigher: Option<Box<Weigher<K, V>>>) -> Self {
        Self { max: AtomicU64::new(max), spare: AtomicU64::new(0), weigher, stripe_bits: 0 }
    }

    pub(super) fn among(self, stripe_bits: u32) -> Self {
        Self { stripe_bits, ..self }
    }

    // Relaxed throughout: a number that stands for itself. What is at stake when room moves from
    // stripe to stripe lies under the stripes' locks.

    pub(crate) fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// The share of the stripe with number `index`.
    pub(super) fn share(&self, index: usize) -> u64 {
        let max = self.max();
        let left = max & ((1 << self.stripe_bits) - 1);
        (max >> self.stripe_bits) + u64::from((index as u64) < left)
    }

    pub(super) fn is_weighted(&self) -> bool {
        self.weigher.is_some()
    }

    /// Takes up to `wanted` of the spare room.
    fn take_spare(&self, wanted: u64) -> u64 {
        let mut spare = self.spare.load(Ordering::Relaxed);
        loop {
            let taken = spare.min(wanted);
            if taken == 0 {
                return 0;
            }
            let left = spare - taken;
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.spare.compare_exchange_weak(spare, left, success, failure) {
                Ok(_) => return taken,
                Err(other) => spare = other,
            }
        }
    }

    fn give_spare(&self, room: u64) {
        self.spare.fetch_add(room, Ordering::Relaxed);
    }
}

// The thread is moving room between stripes.
thread_flag!(MOVES_ROOM);

/// The turn to move room between stripes.
pub(super) struct MovesRoom<'s> {
    _turn: MutexGuard<'s, ()>,
}

impl Drop for MovesRoom<'_> {
    fn drop(&mut self) {
        MOVES_ROOM.with(|moves| moves.set(false));
    }
}

/// The entries of a stripe, as its eviction policy sees them.
pub(super) struct Residents<'h, K, V> {
    entries: raw::Entries<'h, K, V>,
    time: &'h TimeSource,
    /// The present, sampled when the first locked entry is asked whether it may go.
    now: OnceCell<Tick>,
}

impl<'h, K, V> Residents<'h, K, V> {
    pub(super) fn new(entries: raw::Entries<'h, K, V>, time: &'h TimeSource) -> Self {
        Self { entries, time, now: OnceCell::new() }
    }
}

impl<K, V: 'static> policy::Entries for Residents<'_, K, V> {
    fn usage(&self, place: Place) -> Option<&Usage> {
        self.entries.usage(place)
    }

    fn hash(&self, place: Place) -> u64 {
        self.entries.hash(place).unwrap_or_default().into()
    }

    fn may_go(&self, place: Place) -> bool {
        let deadline = self.entries.lock_state(place).and_then(|lock| lock.deadline);
        // A lock may have lapsed without anybody noticing.
        deadline.is_none_or(|deadline| deadline <= *self.now.get_or_init(|| self.time.now()))
    }

    #[inline]
    fn prefetch_place(&self, place: Place) {
        self.entries.prefetch_place(place);
    }

    #[inline]
    fn prefetch(&self, place: Place) {
        self.entries.prefetch(place);
    }
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// What an entry of `key` and `value` weighs, or why it cannot be let in. Says in `expiry` how
    /// long it lives.
    #[inline(always)]
    pub(super) fn appraise(&self, key: &K, value: &V, expiry: &mut Expiry) -> Result<u32, Refusal> {
        if self.is_plain { Ok(1) } else { self.appraise_by_settings(key, value, expiry) }
    }

    #[inline(never)]
    fn appraise_by_settings(
        &self,
        key: &K,
        value: &V,
        expiry: &mut Expiry,
    ) -> Result<u32, Refusal> {
        let weight = self.weigh(key, value);
        if let Some(refusal) = self.too_heavy(weight) {
            return Err(refusal);
        }
        *expiry = self.expiry_of(*expiry, key, value);
        Ok(weight)
    }

    /// What an entry of `key` and `value` weighs: 1 where entries are counted.
    #[inline]
    pub(super) fn weigh(&self, key: &K, value: &V) -> u32 {
        let weigher = self.bound.as_ref().and_then(|bound| bound.weigher.as_ref());
        weigher.map_or(1, |weigh| weigh(key, value))
    }

    #[inline]
    pub(super) fn is_weighted(&self) -> bool {
        self.bound.as_ref().is_some_and(Bound::is_weighted)
    }

    /// Why a value of this weight cannot be let in, if it is beyond the whole bound.
    #[inline]
    pub(super) fn too_heavy(&self, weight: u32) -> Option<Refusal> {
        let max = self.bound.as_ref()?.max();
        (u64::from(weight) > max).then_some(Refusal::TooHeavy { weight, max })
    }

    /// Makes room for a new entry. The answer is for [`publish`](Self::publish).
    #[inline(always)]
    pub(super) fn room_for_new(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        weight: u32,
    ) -> Result<Option<Arrival>, Lack> {
        if !self.is_bounded {
            return Ok(None);
        }
        self.secure_share(held, weight, weight)?;
        let (entries, upkeep) = held.split();
        let Some(policy) = &mut upkeep.policy else { return Ok(None) };
        let residents = Residents::new(entries, &self.time);
        let arrival = policy.arrive(hash::low(hash).into(), &residents);
        let most = policy.capacity() - u64::from(weight);
        if policy.used() > most && self.evict(held, None) && is_beyond(held, most) {
            self.evict_down_to(held, most, None); // Who has gone was lighter than who comes.
        }
        Ok(Some(arrival))
    }

    /// Makes room for a value of another weight in the entry at `at`, which stays.
    #[inline]
    pub(super) fn room_for_change(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        at: At,
        weight: u32,
    ) -> Result<(), Lack> {
        if !self.is_weighted() {
            return Ok(());
        }
        let before = held.policy.as_ref().map_or(0, |policy| policy.weight(at.place()));
        let more = weight.saturating_sub(before);
        self.secure_share(held, weight, more)?;
        let Some(policy) = &mut held.policy else { return Ok(()) };
        let most = policy.capacity() - u64::from(more);
        if policy.used() > most {
            self.evict_down_to(held, most, Some(at));
        }
        Ok(())
    }

    /// Sees to it that the stripe's share is `weight` or more; where nothing is evicted, that there
    /// are `more` of it to spare.
    #[inline]
    fn secure_share(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        weight: u32,
        more: u32,
    ) -> Result<(), Lack> {
        let index = held.index;
        let (Some(bound), Some(policy)) = (&self.bound, &mut held.policy) else { return Ok(()) };
        let mut needed = u64::from(weight);
        if policy.used() + needed <= policy.capacity() {
            return Ok(());
        }
        if !self.settings.evicts {
            needed = policy.used() + u64::from(more);
        }
        let share = bound.share(index);
        if policy.capacity() < share {
            // Others have lent from this stripe's share; some of it may be back.
            policy.set_capacity(policy.capacity() + bound.take_spare(share - policy.capacity()));
        }
        if needed > policy.capacity() {
            return Err(Lack { weight, more, missing: needed - policy.capacity() });
        }
        Ok(())
    }

    /// Evicts until the stripe's entries weigh `most` or less, or nobody but `except` is left.
    fn evict_down_to(&self, held: &mut HeldStripe<'_, K, V>, most: u64, except: Option<At>) {
        while is_beyond(held, most) && self.evict(held, except) {}
    }

    /// Evicts one entry, but not `except`. False if nobody else is left.
    #[inline(always)]
    fn evict(&self, held: &mut HeldStripe<'_, K, V>, except: Option<At>) -> bool {
        let (entries, upkeep) = held.split();
        let Some(policy) = &mut upkeep.policy else { return false };
        let residents = Residents::new(entries, &self.time);
        let Some(victim) = policy.victim(&residents, except.map(At::place)) else { return false };
        let at = At::from_place(victim.place);
        if held.waiters.are_there() && held.lock_state(at).is_some() {
            held.waiters.turn_all(); // A hash is not known here, and this is rare.
        }
        held.tally.evicted += 1;
        held.tally.evicted_weight += u64::from(victim.weight);
        self.unlink(held, at, victim.weight, Cause::Evicted);
        true
    }

    /// Gives back what the stripe has beyond its share and does not need.
    #[inline]
    pub(super) fn give_back(&self, held: &mut HeldStripe<'_, K, V>) {
        if !self.is_weighted() {
            return;
        }
        let index = held.index;
        let (Some(bound), Some(policy)) = (&self.bound, &mut held.policy) else { return };
        let (capacity, share) = (policy.capacity(), bound.share(index));
        if capacity > share {
            let excess = capacity - share.max(policy.used());
            policy.set_capacity(capacity - excess);
            bound.give_spare(excess);
        }
    }

    /// Waits for the turn to move room between stripes, so that those who do so do not take it from
    /// each other. Nothing, if it is the thread's turn already and this is a call from the `Drop` or
    /// the listener of somebody who had to go for it.
    pub(super) fn move_room_alone(&self) -> Option<MovesRoom<'_>> {
        if MOVES_ROOM.with(|moves| moves.replace(true)) {
            return None;
        }
        Some(MovesRoom { _turn: self.moving_room.lock() })
    }

    /// Enlarges the share of the stripe of `hash` at the expense of all others. The caller holds no
    /// stripe lock, and looks again: somebody may have been faster to use the room.
    pub(super) fn enlarge_share(&self, hash: u64, lack: &Lack) -> Result<(), Refusal> {
        let Some(bound) = &self.bound else { return Ok(()) };
        // The bound may have become smaller since the caller looked at it.
        if let Some(refusal) = self.too_heavy(lack.weight) {
            return Err(refusal);
        }
        if !self.settings.evicts {
            self.expire_all()?; // What has expired and was not taken out yet takes room in vain.
        }
        let Lack { more, missing: lack, .. } = *lack;
        let home = hash::stripe(hash, self.stripe_bits);
        let mut room = bound.take_spare(lack);
        // First from each stripe no more than half of what it has, then whatever there is.
        let rounds: &[u64] = if self.settings.evicts { &[2, 1] } else { &[1] };
        for &halves in rounds {
            for stripe in self.stripes.iter().cycle().skip(home + 1).take(self.stripes.len() - 1) {
                let wanted = lack - room;
                if wanted == 0 {
                    break;
                }
                room += self.locked_stripe(stripe, |held, _| {
                    let capacity = held.policy.as_ref().map_or(0, |policy| policy.capacity());
                    let taken = wanted.min(self.spareable(held, capacity / halves));
                    self.evict_down_to(held, capacity - taken, None);
                    if let Some(policy) = &mut held.policy {
                        policy.set_capacity(capacity - taken);
                    }
                    self.give_back(held);
                    Ok::<_, Reentrant>(taken)
                })?;
            }
        }
        // What others had beyond their shares has been given back meanwhile.
        room += bound.take_spare(lack - room);
        let fits = self.locked(hash, |held, _| {
            let Some(policy) = &mut held.policy else { return Ok(true) };
            policy.set_capacity(policy.capacity() + room);
            Ok::<_, Reentrant>(policy.used() + u64::from(more) <= policy.capacity())
        })?;
        if !self.settings.evicts {
            // Somebody else may have taken what was gathered, or the stripe's own room, which was
            // counted on.
            return if fits || room == lack { Ok(()) } else { Err(Refusal::Full) };
        }
        if room < lack {
            yield_now(); // Others are gathering room as well.
        }
        Ok(())
    }

    /// How much of `share` a stripe can give up. Where nothing is evicted, only what is not used.
    fn spareable(&self, held: &HeldStripe<'_, K, V>, share: u64) -> u64 {
        let Some(policy) = &held.policy else { return 0 };
        if self.settings.evicts { share } else { policy.capacity().saturating_sub(policy.used()) }
    }

    /// Sets the bound. If it becomes smaller, evicts until the cache is within it.
    pub(crate) fn set_bound(&self, max: u64) -> Result<(), Reentrant> {
        let Some(bound) = &self.bound else { return Ok(()) };
        let _alone = self.move_room_alone();
        let before = bound.max();
        bound.max.store(max, Ordering::Relaxed);
        bound.give_spare(max.saturating_sub(before));
        let mut surplus = before.saturating_sub(max);
        surplus -= bound.take_spare(surplus);
        while surplus > 0 {
            for (index, stripe) in self.stripes.iter().enumerate() {
                self.locked_stripe(stripe, |held, _| {
                    let Some(policy) = &held.policy else { return Ok(()) };
                    let capacity = policy.capacity();
                    let taken = surplus.min(capacity.saturating_sub(bound.share(index)));
                    self.evict_down_to(held, capacity - taken, None);
                    if let Some(policy) = &mut held.policy {
                        policy.set_capacity(capacity - taken);
                    }
                    surplus -= taken;
                    Ok::<_, Reentrant>(())
                })?;
            }
            surplus -= bound.take_spare(surplus);
            yield_now(); // What is missing is on its way from one stripe to another.
        }
        self.limbo.set_limit(limbo_limit(max));
        Ok(())
    }
}

/// Whether the stripe's entries weigh more than `most`.
#[inline]
fn is_beyond<K, V>(held: &HeldStripe<'_, K, V>, most: u64) -> bool {
    held.policy.as_ref().is_some_and(|policy| policy.used() > most)
}

/// How much may wait in limbo: an eighth of the bound.
pub(super) fn limbo_limit(max: u64) -> u64 {
    max.div_ceil(8)
}
