//! What the operations mean: versions, key locks, counters and expiry over the striped table.
//!
//! Every write has the same shape. Under the lock of the key's stripe it finds the entry, makes
//! expiry and lapse real ([`Store::live`]), asks whether the condition lets it through
//! ([`admit`]), and changes one thing. What it retired and whom it must wake leaves the lock first.
//!
//! Under the lock the only user code is `K: Eq`, and the closure of `update`. It runs before
//! anything is modified, so a panic there leaves the entry as it was.

mod bound;
mod bulk;
mod counter;
mod fills;
mod flight;
mod idle;
mod invalidate;
mod key_lock;
mod load;
mod outbox;
mod read;
mod reentry;
#[cfg(feature = "serde")]
mod snapshot;
mod wait;
mod write;

use std::hash::{BuildHasher, Hash, Hasher};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use equivalent::Equivalent;

use crate::error::{Reentrant, Refusal};
use crate::expiry::Expiry;
use crate::hash;
use crate::policy::{Arrival, Policy};
use crate::raw::{self, At, BatchSize, DEFAULT_LIMIT, Held, Limbo, LockState, Node, Stripe};
use crate::removal::Cause;
use crate::stamp::{Cas, StampSource};
use crate::stats::{ReadTally, Stats, WriteTally};
use crate::sync::{MODELLED, Mutex};
use crate::time::{Tick, TimeSource};
use crate::wheel::Wheel;

use crate::raw::is_word;
pub(crate) use crate::raw::{ValueRef, entry_bytes};
pub(crate) use bound::{Bound, Weigher};
use bound::{Residents, limbo_limit};
pub(crate) use counter::Step;
use fills::Fills;
pub(crate) use fills::Since;
pub(crate) use idle::is_possible as is_possible_idle;
use idle::{Ends, Latest};
pub(crate) use invalidate::Post;
pub(crate) use key_lock::{Claimed, Locked};
pub(crate) use load::{FlightId, Follower, Lead, LookedUp, Outcome, Role};
pub(crate) use outbox::Listener;
use outbox::{Gone, Outbox};
pub(crate) use read::Found;
use wait::Waiters;
pub(crate) use wait::{LockWait, block_on};
pub(crate) use write::Condition;
#[cfg(feature = "bytes")]
pub(crate) use write::{Opener, Present, Revision};

/// Chooses the life of an entry whose writer does not say.
pub(crate) type ExpiryPolicy<K, V> = dyn Fn(&K, &V) -> Expiry + Send + Sync;

/// Checked settings of a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long an entry lives whose writer does not say.
    pub(crate) time_to_live: Option<Duration>,
    /// How long an entry lives that nobody uses.
    pub(crate) time_to_idle: Option<Duration>,
    pub(crate) default_lock_time: Duration,
    pub(crate) max_lock_time: Duration,
    /// How long a load may keep others waiting.
    pub(crate) load_time: Duration,
    /// How long a value is served beyond its life.
    pub(crate) grace: Duration,
    /// How long before the end of its life a value is due for a refresh.
    pub(crate) refresh_ahead: Duration,
    /// Whether entries go when room is needed, or whoever needs it is refused.
    pub(crate) evicts: bool,
}

impl Settings {
    /// How long before its end an entry is due for a refresh.
    fn stale_time(&self) -> Duration {
        self.grace.saturating_add(self.refresh_ahead)
    }
}

impl Settings {
    /// Whether an entry whose writer does not say lives for ever.
    #[inline]
    fn is_without_end(&self) -> bool {
        self.time_to_live.is_none() && self.time_to_idle.is_none()
    }
}

/// How many retired pieces a stripe gathers before it hands them over.
const BATCH: usize = if MODELLED { 1 } else { 32 };

/// The same in a bounded cache, unless its bound says less.
const BOUNDED_BATCH: usize = if MODELLED { 1 } else { 64 };

/// What a stripe keeps beside its table, under the same lock. In this order, so that what every write
/// touches lies at the front, next to the lock.
#[repr(C)]
pub(crate) struct Upkeep<K, V> {
    /// Writes that took effect.
    writes: u64,
    /// Who is evicted, if the cache is bounded.
    policy: Option<Box<Policy>>,
    waiters: Waiters,
    /// Who is too late to fill.
    fills: Fills<V>,
    /// Who has expired.
    wheel: Wheel,
    tally: WriteTally,
    index: usize,
    latest: Latest,
    outbox: Outbox<K, V>,
}

type StripeOf<K, V> = Stripe<K, V, Upkeep<K, V>>;

type HeldStripe<'s, K, V> = Held<'s, K, V, Upkeep<K, V>>;

type Occupied<'h, K, V> = raw::Occupied<'h, K, V, Upkeep<K, V>>;

pub(crate) struct Store<K, V, S> {
    stripes: Box<[StripeOf<K, V>]>,
    stripe_bits: u32,
    /// Whether reads are worth counting for whoever evicts.
    is_bounded: bool,
    /// Whether neither weight nor life depends on keys and values.
    is_plain: bool,
    /// Whether moreover values are written in place and live for ever unless their writer says so.
    overwrites_plainly: bool,
    hasher: S,
    time: TimeSource,
    settings: Settings,
    /// The life of an entry whose writer does not say, by key and value.
    expiry_policy: Option<Box<ExpiryPolicy<K, V>>>,
    reads: ReadTally,
    limbo: Arc<Limbo<K, V>>,
    bound: Option<Bound<K, V>>,
    /// Held by whoever moves room between stripes.
    moving_room: Mutex<()>,
    listener: Option<Box<Listener<K, V>>>,
}

/// What a cache is made of, apart from its stripes.
pub(crate) struct Parts<K, V, S> {
    pub(crate) hasher: S,
    pub(crate) time: TimeSource,
    pub(crate) settings: Settings,
    pub(crate) expiry_policy: Option<Box<ExpiryPolicy<K, V>>>,
    pub(crate) bound: Option<Bound<K, V>>,
    pub(crate) listener: Option<Box<Listener<K, V>>>,
}

/// An entry found under the stripe lock that neither time nor anybody else has ended.
#[derive(Clone, Copy)]
struct Live {
    at: At,
    /// When it must go at the latest.
    expires: Option<Tick>,
    /// The last lock, which has lapsed if it has no deadline.
    lock: Option<LockState>,
}

impl Live {
    /// When the key's lock lapses, if it is locked.
    fn locked_until(&self) -> Option<Tick> {
        self.lock?.deadline
    }
}

/// A stripe lock that has just been taken. Dropping it releases the lock and does no more, so whoever
/// has retired something, or has somebody to wake, goes on in a [`Scope`].
struct Grip<'s, K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    // In this order: the mark of a lock holder goes after the lock.
    held: HeldStripe<'s, K, V>,
    entered: reentry::Entered,
}

/// A stretch of code under a stripe lock. When it ends, by a panic of user code as well, the lock
/// is released first and then everything is done that must not happen under it.
struct Scope<'s, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    store: &'s Store<K, V, S>,
    held: Option<HeldStripe<'s, K, V>>,
    entered: Option<reentry::Entered>,
}

impl<K, V, S> Drop for Scope<'_, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    #[inline(always)]
    fn drop(&mut self) {
        self.leave();
    }
}

impl<K, V, S> Scope<'_, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    #[inline(always)]
    fn leave(&mut self) {
        let Some(held) = self.held.take() else { return };
        let tells = self.store.listener.is_some() && held.outbox.is_filled();
        if held.waiters.are_there() || held.has_batch() || tells {
            return self.let_go(held);
        }
        drop(held);
        self.entered = None;
    }

    #[cold]
    #[inline(never)]
    fn let_go(&mut self, mut held: HeldStripe<'_, K, V>) {
        let stripe = held.stripe();
        let leaving = held.waiters.take_leaving();
        let gone = held.outbox.leaving();
        let retired = held.release();
        self.entered = None;
        if let Some(gone) = gone {
            self.store.tell(stripe, gone);
        }
        if let Some(retired) = retired {
            self.store.limbo.take(retired);
        }
        if let Some(leaving) = leaving {
            leaving.go();
        }
    }
}

/// The present tick, sampled when first asked for: after the stripe lock was taken, and not at all
/// for an entry without deadlines.
struct Now<'t> {
    time: &'t TimeSource,
    sampled: Option<Tick>,
}

impl Now<'_> {
    fn get(&mut self) -> Tick {
        *self.sampled.get_or_insert_with(|| self.time.now())
    }
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// A store of `1 << stripe_bits` stripes with room for `entries` before any of them grows.
    pub(crate) fn new(stripe_bits: u32, entries: usize, seed: u64, parts: Parts<K, V, S>) -> Self {
        let Parts { hasher, time, settings, expiry_policy, bound, listener } = parts;
        let count = 1usize << stripe_bits;
        let share = entries.div_ceil(count);
        let bound = bound.map(|bound| bound.among(stripe_bits));
        let limbo_limit = bound.as_ref().map_or(DEFAULT_LIMIT, |bound| limbo_limit(bound.max()));
        let batch = match bound {
            Some(_) => {
                let weight = (limbo_limit / (2 * count as u64)).max(1);
                BatchSize { pieces: BOUNDED_BATCH, weight }
            }
            None => BatchSize { pieces: BATCH, weight: u64::MAX },
        };
        let stripes = (0..count).map(|index| {
            let upkeep = Upkeep::new(index, bound.as_ref());
            Stripe::new(share, StampSource::new(index, count, seed), batch, upkeep)
        });
        let is_plain = expiry_policy.is_none() && !bound.as_ref().is_some_and(Bound::is_weighted);
        let in_place = writes_in_place::<V>(listener.is_some());
        Self {
            stripes: stripes.collect(),
            stripe_bits,
            is_bounded: bound.is_some(),
            is_plain,
            overwrites_plainly: is_plain && in_place && settings.is_without_end(),
            hasher,
            time,
            settings,
            expiry_policy,
            reads: ReadTally::new(),
            limbo: Arc::new(Limbo::new(limbo_limit)),
            bound,
            moving_room: Mutex::new(()),
            listener,
        }
    }

    pub(crate) fn time(&self) -> &TimeSource {
        &self.time
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    #[inline]
    #[expect(clippy::manual_hash_one, reason = "the two may differ, see below")]
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64
    where
        S: BuildHasher,
    {
        // `hash_one` may hash a type and its borrowed form differently, if it knows the type: ahash
        // does so where it can specialise.
        let mut hasher = self.hasher.build_hasher();
        key.hash(&mut hasher);
        hash::spread(hasher.finish())
    }

    #[inline]
    fn stripe(&self, hash: u64) -> &StripeOf<K, V> {
        &self.stripes[hash::stripe(hash, self.stripe_bits)]
    }

    pub(crate) fn len(&self) -> usize {
        self.stripes.iter().map(Stripe::len).sum()
    }

    /// Runs `act` under the lock of the stripe that `hash` belongs to, then does some chores and lets
    /// go of everything that must not happen under it.
    #[inline(always)]
    fn locked<'s, R, E: From<Reentrant>>(
        &'s self,
        hash: u64,
        act: impl FnOnce(&mut HeldStripe<'s, K, V>, &mut Now<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let grip = self.grip(hash)?;
        self.locked_by(grip, act)
    }

    /// The same for a lock that has been taken already.
    #[inline(always)]
    fn locked_by<'s, R>(
        &'s self,
        grip: Grip<'s, K, V>,
        act: impl FnOnce(&mut HeldStripe<'s, K, V>, &mut Now<'_>) -> R,
    ) -> R {
        self.within(grip, |held, now| {
            let done = act(held, now);
            if held.has_chores(now) {
                self.do_chores(held, now);
            }
            done
        })
    }

    /// The same without chores, for those who only look.
    #[inline(always)]
    fn locked_stripe<'s, R, E: From<Reentrant>>(
        &'s self,
        stripe: &'s StripeOf<K, V>,
        act: impl FnOnce(&mut HeldStripe<'s, K, V>, &mut Now<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let entered = reentry::enter()?;
        self.within(Grip { held: stripe.hold(), entered }, act)
    }

    /// Takes the lock of the stripe that `hash` belongs to.
    #[inline(always)]
    fn grip(&self, hash: u64) -> Result<Grip<'_, K, V>, Reentrant> {
        let stripe = self.stripe(hash);
        stripe.prefetch(hash);
        let entered = reentry::enter()?;
        Ok(Grip { held: stripe.hold(), entered })
    }

    #[inline(always)]
    fn within<'s, R>(
        &'s self,
        grip: Grip<'s, K, V>,
        act: impl FnOnce(&mut HeldStripe<'s, K, V>, &mut Now<'_>) -> R,
    ) -> R {
        let mut now = Now { time: &self.time, sampled: None };
        let Grip { held, entered } = grip;
        let mut scope = Scope { store: self, held: Some(held), entered: Some(entered) };
        let held = scope.held.as_mut().expect("held until the scope ends");
        let done = act(held, &mut now);
        // A drop would do the same, but by a call.
        scope.leave();
        mem::forget(scope);
        done
    }

    /// Gives a timeless entry a new word: one that has neither deadline nor lock, and gets none.
    /// Nothing else depends on such a write, so that afterwards nothing but [`leave`](Self::leave)
    /// is to be done.
    #[inline(always)]
    fn overwrite_timeless(&self, entry: Occupied<'_, K, V>, bits: u64) -> Cas {
        debug_assert!(entry.is_timeless());
        if self.is_bounded {
            entry.touch();
        }
        Cas::issued(entry.overwrite(bits))
    }

    /// Lets go of a lock under which an entry was overwritten in place. Nobody waits for that, and
    /// nothing was retired.
    #[inline(always)]
    fn leave(&self, mut grip: Grip<'_, K, V>) {
        grip.held.count(&Ok(()));
        if grip.held.is_chore_turn() {
            return self.leave_with_chores(grip);
        }
        debug_assert!(!grip.held.has_batch() && !grip.held.outbox.is_leaving());
    }

    #[cold]
    #[inline(never)]
    fn leave_with_chores(&self, grip: Grip<'_, K, V>) {
        self.locked_by(grip, |_, _| ());
    }

    /// Finds the key's entry and makes real what time has done to it: an expired entry is
    /// unlinked, a lapsed lock is marked as such.
    #[inline(always)]
    fn live(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        is_key: impl FnMut(&K) -> bool,
        now: &mut Now<'_>,
    ) -> Option<Live> {
        let at = held.find(hash, is_key)?;
        if held.is_timeless(at) {
            return Some(Live { at, expires: None, lock: None });
        }
        self.settle(held, hash, at, now)
    }

    /// The slower half of [`live`](Self::live), for an entry that has a deadline or a lock.
    #[cold]
    fn settle(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        at: At,
        now: &mut Now<'_>,
    ) -> Option<Live> {
        let shown = held.expires(at);
        let mut lock = held.lock_state(at);
        let until = lock.and_then(|lock| lock.deadline);
        if shown.is_some_and(|at| at <= now.get()) {
            self.take_out(held, at, Cause::Expired);
            held.tally.rare.expired += 1;
            if until.is_some() {
                held.waiters.turn(hash, now);
            }
            return None;
        }
        if until.is_some_and(|deadline| deadline <= now.get()) {
            held.set_lock_deadline(at, None);
            lock = held.lock_state(at);
            held.tally.rare.locks_lapsed += 1;
            held.waiters.turn(hash, now);
        }
        Some(Live { at, expires: self.latest(held, at), lock })
    }

    /// What `expiry` stands for with this key and value.
    #[inline]
    fn expiry_of(&self, expiry: Expiry, key: &K, value: &V) -> Expiry {
        match &self.expiry_policy {
            Some(policy) if expiry == Expiry::Default => policy(key, value),
            _ => expiry,
        }
    }

    /// The deadline that `expiry` asks for; `current` is the entry, if there is one.
    #[inline]
    fn deadline(&self, expiry: Expiry, current: Option<&Live>, now: &mut Now<'_>) -> Option<Tick> {
        match (expiry, current) {
            (Expiry::Keep, Some(entry)) => entry.expires,
            (Expiry::Default | Expiry::Keep, _) => {
                let life = self.settings.time_to_live?;
                self.with_grace(now.get().checked_add(life))
            }
            (Expiry::Never, _) => None,
            (Expiry::After(life), _) => self.with_grace(now.get().checked_add(life)),
            (Expiry::At(instant), _) => self.with_grace(self.time.tick(instant)),
        }
    }

    /// When an entry must go whose life ends at `end`.
    fn with_grace(&self, end: Option<Tick>) -> Option<Tick> {
        end?.checked_add(self.settings.grace)
    }

    /// Makes every key absent, stripe by stripe.
    pub(crate) fn clear(&self) -> Result<(), Reentrant> {
        for stripe in &self.stripes {
            self.locked_stripe(stripe, |held, _| {
                self.clear_stripe(held, stripe.len() as u64);
                Ok::<_, Reentrant>(())
            })?;
        }
        Ok(())
    }

    fn clear_stripe(&self, held: &mut HeldStripe<'_, K, V>, entries: u64) {
        held.writes += entries;
        self.raise_all_floors(held);
        held.waiters.turn_all();
        held.wheel.clear();
        held.latest.clear();
        let mut weight = entries;
        if let Some(policy) = &mut held.policy {
            weight = policy.used();
            policy.clear();
        }
        let nodes = held.clear();
        if self.listener.is_some() {
            held.outbox.push(Gone::All { nodes, weight });
        } else {
            held.retire_all(nodes, weight);
        }
        self.give_back(held);
    }

    /// Publishes a node whose key is absent; [`room_for_new`](Self::room_for_new) came before.
    #[inline(always)]
    fn publish(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        node: Box<Node<K, V>>,
        newcomer: (Option<Arrival>, u32),
        stamp: u64,
        ends: Ends,
    ) {
        if held.is_full() {
            self.grow(held);
        }
        let at = held.publish(node, stamp, ends.shown);
        let (entries, upkeep) = held.split();
        if let (Some(policy), (Some(arrival), weight)) = (&mut upkeep.policy, newcomer) {
            let residents = Residents::new(entries, &self.time);
            policy.settle(arrival, at.place(), weight, &residents);
        }
        if ends.shown.is_some() {
            self.note_ends(held, at, ends);
        }
        self.give_back(held);
    }

    #[cold]
    fn grow(&self, held: &mut HeldStripe<'_, K, V>) {
        let most = self.most_in(held);
        if let Some(moves) = held.grow(most, held.keeps_places()) {
            held.relocate(|place| moves.to(place));
        }
    }

    /// How many entries the stripe will ever have, where entries are counted.
    fn most_in(&self, held: &HeldStripe<'_, K, V>) -> Option<usize> {
        let policy = held.policy.as_ref().filter(|_| !self.is_weighted())?;
        usize::try_from(policy.capacity()).ok()
    }

    /// Takes the entry at `at` out of the table.
    fn take_out(&self, held: &mut HeldStripe<'_, K, V>, at: At, cause: Cause) {
        let (entries, upkeep) = held.split();
        let mut weight = 1;
        if let (Some(policy), Some(usage)) = (&mut upkeep.policy, entries.usage(at.place())) {
            weight = policy.forget(at.place(), usage);
        }
        self.unlink(held, at, weight, cause);
        if let Some(moves) = held.shrink(false, held.keeps_places()) {
            held.relocate(|place| moves.to(place));
        }
        self.give_back(held);
    }

    /// Unlinks the entry at `at`, which the policy has forgotten.
    #[inline(always)]
    fn unlink(&self, held: &mut HeldStripe<'_, K, V>, at: At, weight: u32, cause: Cause) {
        if held.fills.is_armed() {
            self.raise_floor_of(held, at, cause);
        }
        held.forget_deadlines(at);
        let node = held.unlink(at);
        self.see_off(held, node, weight, cause);
    }

    /// Takes out a few of those who have expired.
    #[cold]
    fn do_chores(&self, held: &mut HeldStripe<'_, K, V>, now: &mut Now<'_>) {
        let _ = self.expire(held, now.get(), CHORES);
    }

    /// Takes out entries that have expired, looking at `budget` of them at most. Returns how many,
    /// and whether that was all.
    fn expire(&self, held: &mut HeldStripe<'_, K, V>, now: Tick, budget: usize) -> (u64, bool) {
        let mut left = budget;
        let mut expired = 0;
        loop {
            let (entries, upkeep) = held.split();
            let due = upkeep.wheel.next_due(now, &mut left, |place| entries.expires(place));
            let Some(place) = due else { break };
            let at = At::from_place(place);
            if held.lock_state(at).is_some() {
                held.waiters.turn_all(); // Its hash is not known here, and this is rare.
            }
            self.take_out(held, at, Cause::Expired);
            held.tally.rare.expired += 1;
            expired += 1;
        }
        (expired, left > 0)
    }

    /// Takes out all entries that have expired. Returns how many.
    pub(crate) fn expire_all(&self) -> Result<u64, Reentrant> {
        let mut expired = 0;
        for stripe in &self.stripes {
            loop {
                // The lock is let go of in between, so that nobody waits for long.
                let (found, all) = self.locked_stripe(stripe, |held, now| {
                    if held.wheel.is_empty() {
                        return Ok((0, true));
                    }
                    Ok::<_, Reentrant>(self.expire(held, now.get(), SWEEP))
                })?;
                expired += found;
                if all {
                    break;
                }
            }
        }
        Ok(expired)
    }

    /// Hands over everything retired and lets the epoch drop what it can.
    pub(crate) fn reclaim(&self) -> Result<(), Reentrant> {
        for stripe in &self.stripes {
            let entered = reentry::enter()?;
            let retired = stripe.hold().release_all();
            drop(entered);
            if let Some(retired) = retired {
                self.limbo.take(retired);
            }
        }
        self.limbo.empty();
        Ok(())
    }

    /// Recounts what the stripes promise.
    pub(crate) fn validate(&self) {
        for stripe in &self.stripes {
            let mut held = stripe.hold();
            held.validate();
            let (entries, upkeep) = held.split();
            let deadline = |place| Some((place, entries.expires(place)?));
            upkeep.wheel.validate(entries.places().filter_map(deadline));
            if let Some(policy) = &upkeep.policy {
                policy.validate(entries.places(), &Residents::new(entries, &self.time));
                assert!(policy.used() <= policy.capacity(), "a stripe is beyond its share");
            }
        }
    }

    pub(crate) fn stats(&self) -> Result<Stats, Reentrant> {
        let mut stats = Stats { bound: self.bound.as_ref().map(Bound::max), ..Stats::default() };
        self.reads.add_to(&mut stats);
        for stripe in &self.stripes {
            self.locked_stripe(stripe, |held, _| {
                let entries = stripe.len() as u64;
                stats.entries += entries;
                stats.weight += held.policy.as_ref().map_or(entries, |policy| policy.used());
                stats.ghost_hits += held.policy.as_ref().map_or(0, |policy| policy.ghost_hits());
                stats.writes += held.writes;
                held.tally.add_to(&mut stats);
                let (table, nodes) = held.bytes();
                stats.entry_bytes += nodes as u64;
                stats.overhead_bytes += (table + held.heap_bytes()) as u64;
                let (pieces, weight) = held.waiting();
                stats.waiting += pieces;
                stats.waiting_weight += weight;
                Ok::<_, Reentrant>(())
            })?;
        }
        stats.waiting += self.limbo.pieces();
        stats.waiting_weight += self.limbo.weight();
        Ok(stats)
    }
}

/// What was handed over goes now, as far as nobody looks at it: nobody may ever write again.
impl<K, V, S> Drop for Store<K, V, S> {
    fn drop(&mut self) {
        // Values are dropped by this, of other caches perhaps, and never under a stripe lock. Over
        // `crossbeam-epoch` it would make models too large.
        if !cfg!(crossbeam_loom) && !reentry::is_holding() {
            raw::collect();
        }
    }
}

/// Whether a write under `condition` may go ahead on `entry`.
#[inline]
fn admit<K, V>(
    held: &HeldStripe<'_, K, V>,
    entry: Option<&Live>,
    condition: Condition,
    now: &mut Now<'_>,
) -> Result<(), Refusal>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    let Some(entry) = entry else {
        return match condition {
            Condition::Always | Condition::Absent => Ok(()),
            Condition::Present | Condition::Unchanged(_) => Err(Refusal::Absent),
            Condition::Since(_) => unreachable!("a fill is admitted by itself"),
        };
    };
    let locked_until = entry.locked_until();
    match (condition, locked_until) {
        (Condition::Absent, until) => {
            let current = until.is_none().then(|| Cas::issued(held.stamp(entry.at)));
            Err(Refusal::Exists { current })
        }
        (Condition::Unchanged(_), _) if condition.is_token_of(entry) => Ok(()),
        (_, Some(until)) => Err(Refusal::Locked { remaining: until.since(now.get()) }),
        (Condition::Unchanged(cas), None) if cas.to_u64() != held.stamp(entry.at) => {
            Err(Refusal::Changed { current: Cas::issued(held.stamp(entry.at)) })
        }
        (Condition::Always | Condition::Present | Condition::Unchanged(_), None) => Ok(()),
        (Condition::Since(_), None) => unreachable!("a fill is admitted by itself"),
    }
}

/// How many deadlines a writer looks at beside its own work.
const CHORES: usize = 8;

/// How many deadlines a sweep looks at before it lets go of the stripe lock.
const SWEEP: usize = 1024;

/// One write in so many looks at the clock for the sake of others.
const CHORE_EVERY: u64 = 16;

impl<K, V> Upkeep<K, V> {
    fn new(index: usize, bound: Option<&Bound<K, V>>) -> Self {
        let policy = bound.map(|bound| Policy::new(bound.share(index), bound.is_weighted()));
        Self {
            writes: 0,
            policy: policy.map(Box::new),
            waiters: Waiters::default(),
            fills: Fills::default(),
            wheel: Wheel::new(),
            tally: WriteTally::default(),
            index,
            latest: Latest::default(),
            outbox: Outbox::default(),
        }
    }

    /// Whether the caller should take out some who have expired. Whoever has not read the clock
    /// does so now and then.
    #[inline]
    fn has_chores(&self, now: &Now<'_>) -> bool {
        match now.sampled {
            Some(now) => self.wheel.is_due(now),
            None => self.is_chore_turn(),
        }
    }

    /// The same for a writer that has not read the clock.
    #[inline(always)]
    fn is_chore_turn(&self) -> bool {
        self.writes % CHORE_EVERY == 0 && !self.wheel.is_empty()
    }

    /// Whether anything here depends on where entries lie in the table.
    fn keeps_places(&self) -> bool {
        self.policy.is_some() || !self.wheel.is_empty()
    }

    fn relocate(&mut self, to: impl Fn(u32) -> Option<u32>) {
        if let Some(policy) = &mut self.policy {
            policy.relocate(&to);
        }
        self.latest.relocate(&to);
        self.wheel.relocate(to);
    }

    /// What is kept beside the table takes this much.
    fn heap_bytes(&self) -> usize {
        let policy = self.policy.as_ref().map_or(0, |policy| policy.heap_bytes());
        policy + self.wheel.heap_bytes() + self.latest.heap_bytes() + self.fills.heap_bytes()
    }

    /// The entry at `at` is leaving.
    #[inline]
    fn forget_deadlines(&mut self, at: At) {
        self.wheel.cancel(at.place());
        self.latest.set(at.place(), None);
    }

    /// The entry at `at` has a new deadline.
    #[inline]
    fn schedule(&mut self, at: At, expires: Option<Tick>) {
        match expires {
            Some(deadline) => self.wheel.schedule(at.place(), deadline),
            None => self.wheel.cancel(at.place()),
        }
    }

    /// Counts the outcome of a write.
    #[inline]
    fn count<T>(&mut self, outcome: &Result<T, Refusal>) {
        match outcome {
            Ok(_) => self.writes += 1,
            Err(Refusal::Locked { .. }) => self.tally.rare.locks_refused += 1,
            Err(Refusal::Exists { .. } | Refusal::Changed { .. }) => self.tally.conflicts += 1,
            Err(Refusal::Invalidated | Refusal::Fenced { .. }) => {
                self.tally.rare.fills_refused += 1;
            }
            Err(
                Refusal::Absent
                | Refusal::TooHeavy { .. }
                | Refusal::Full
                | Refusal::WrongToken
                | Refusal::Reentrant,
            ) => {}
        }
    }
}

/// Whether values are written into their entries' own nodes. A listener must see the old value, which
/// then needs to stay where it is.
#[inline]
fn writes_in_place<V: 'static>(has_listener: bool) -> bool {
    is_word::<V>() && !has_listener
}

/// How a borrowed form of a key finds the key.
#[inline]
fn is<K, Q: Equivalent<K> + ?Sized>(key: &Q) -> impl Fn(&K) -> bool {
    |candidate| key.equivalent(candidate)
}
