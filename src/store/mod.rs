//! What the operations mean: versions, key locks, counters and expiry over the striped table.
//!
//! Every write has the same shape. Under the lock of the key's stripe it finds the entry, makes
//! expiry and lapse real ([`Store::live`]), asks whether the condition lets it through
//! ([`admit`]), and changes one thing. What it retired and whom it must wake leaves the lock first.
//!
//! Under the lock the only user code is `K: Eq`, and the closure of `update`. It runs before
//! anything is modified, so a panic there leaves the entry as it was.

mod counter;
mod key_lock;
mod read;
mod reentry;
mod wait;
mod write;

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use equivalent::Equivalent;

use crate::error::{Reentrant, Refusal};
use crate::expiry::Expiry;
use crate::hash;
use crate::raw::{At, DEFAULT_LIMIT, Held, Limbo, LockState, Retired, Stripe};
use crate::stamp::{Cas, StampSource};
use crate::stats::{ReadTally, Stats, WriteTally};
use crate::sync::MODELLED;
use crate::time::{Tick, TimeSource};

pub(crate) use crate::raw::ValueRef;
pub(crate) use counter::Step;
pub(crate) use key_lock::{Claimed, Locked};
pub(crate) use read::Found;
use wait::{Leaving, Waiters};
pub(crate) use wait::{LockWait, block_on};
pub(crate) use write::Condition;

/// Checked settings of a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long an entry lives whose writer does not say.
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) default_lock_time: Duration,
    pub(crate) max_lock_time: Duration,
}

/// How many retired pieces a stripe gathers before it hands them over.
const BATCH: usize = if MODELLED { 1 } else { 32 };

/// What a stripe keeps beside its table, under the same lock.
pub(crate) struct Upkeep {
    tally: WriteTally,
    waiters: Waiters,
}

type HeldStripe<'s, K, V> = Held<'s, K, V, Upkeep>;

pub(crate) struct Store<K, V, S> {
    stripes: Box<[Stripe<K, V, Upkeep>]>,
    stripe_bits: u32,
    hasher: S,
    time: TimeSource,
    settings: Settings,
    reads: ReadTally,
    limbo: Arc<Limbo<K, V>>,
}

/// An entry found under the stripe lock that neither time nor anybody else has ended.
#[derive(Clone, Copy)]
struct Live {
    at: At,
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
    #[inline]
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        let leaving = held.waiters.take_leaving();
        let retired = held.release();
        self.entered = None;
        if leaving.is_some() || retired.is_some() {
            self.let_go(leaving, retired);
        }
    }
}

impl<K, V, S> Scope<'_, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    #[cold]
    fn let_go(&self, leaving: Option<Leaving>, retired: Option<Retired<K, V>>) {
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
    pub(crate) fn new(
        stripe_bits: u32,
        entries: usize,
        seed: u64,
        hasher: S,
        time: TimeSource,
        settings: Settings,
    ) -> Self {
        let count = 1usize << stripe_bits;
        let share = entries.div_ceil(count);
        let stripes = (0..count).map(|index| {
            let upkeep = Upkeep { tally: WriteTally::default(), waiters: Waiters::default() };
            Stripe::new(share, StampSource::new(index, count, seed), BATCH, upkeep)
        });
        Self {
            stripes: stripes.collect(),
            stripe_bits,
            hasher,
            time,
            settings,
            reads: ReadTally::new(),
            limbo: Arc::new(Limbo::new(DEFAULT_LIMIT)),
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
    fn stripe(&self, hash: u64) -> &Stripe<K, V, Upkeep> {
        &self.stripes[hash::stripe(hash, self.stripe_bits)]
    }

    pub(crate) fn len(&self) -> usize {
        self.stripes.iter().map(Stripe::len).sum()
    }

    /// Runs `act` under the lock of the stripe that `hash` belongs to, then lets go of everything
    /// that must not happen under it.
    #[inline(always)]
    fn locked<'s, R, E: From<Reentrant>>(
        &'s self,
        hash: u64,
        act: impl FnOnce(&mut HeldStripe<'s, K, V>, &mut Now<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let stripe = self.stripe(hash);
        stripe.prefetch(hash);
        self.locked_stripe(stripe, act)
    }

    #[inline(always)]
    fn locked_stripe<'s, R, E: From<Reentrant>>(
        &'s self,
        stripe: &'s Stripe<K, V, Upkeep>,
        act: impl FnOnce(&mut HeldStripe<'s, K, V>, &mut Now<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let entered = reentry::enter()?;
        let mut scope = Scope { store: self, held: Some(stripe.hold()), entered: Some(entered) };
        let held = scope.held.as_mut().expect("held until the scope ends");
        act(held, &mut Now { time: &self.time, sampled: None })
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
        let expires = held.expires(at);
        let mut lock = held.lock_state(at);
        let until = lock.and_then(|lock| lock.deadline);
        if expires.is_some_and(|at| at <= now.get()) {
            let gone = held.unlink(at);
            held.retire(gone, 1);
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
        Some(Live { at, expires, lock })
    }

    /// The deadline that `expiry` asks for; `current` is the entry, if there is one.
    #[inline]
    fn deadline(&self, expiry: Expiry, current: Option<&Live>, now: &mut Now<'_>) -> Option<Tick> {
        match (expiry, current) {
            (Expiry::Keep, Some(entry)) => entry.expires,
            (Expiry::Default | Expiry::Keep, _) => {
                let life = self.settings.time_to_live?;
                now.get().checked_add(life)
            }
            (Expiry::Never, _) => None,
            (Expiry::After(life), _) => now.get().checked_add(life),
            (Expiry::At(instant), _) => self.time.tick(instant),
        }
    }

    /// Makes every key absent, stripe by stripe.
    pub(crate) fn clear(&self) -> Result<(), Reentrant> {
        for stripe in &self.stripes {
            self.locked_stripe(stripe, |held, _| {
                held.tally.writes += stripe.len() as u64;
                held.clear(stripe.len() as u64);
                held.waiters.turn_all();
                Ok::<_, Reentrant>(())
            })?;
        }
        Ok(())
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
            stripe.hold().validate();
        }
    }

    pub(crate) fn stats(&self) -> Result<Stats, Reentrant> {
        let mut stats = Stats::default();
        self.reads.add_to(&mut stats);
        for stripe in &self.stripes {
            stats.entries += stripe.len() as u64;
            self.locked_stripe(stripe, |held, _| {
                held.tally.add_to(&mut stats);
                stats.waiting += held.waiting().0;
                Ok::<_, Reentrant>(())
            })?;
        }
        stats.waiting += self.limbo.pieces();
        Ok(stats)
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
    }
}

impl Upkeep {
    /// Counts the outcome of a write.
    #[inline]
    fn count<T>(&mut self, outcome: &Result<T, Refusal>) {
        match outcome {
            Ok(_) => self.tally.writes += 1,
            Err(Refusal::Locked { .. }) => self.tally.rare.locks_refused += 1,
            Err(Refusal::Exists { .. } | Refusal::Changed { .. }) => self.tally.conflicts += 1,
            Err(Refusal::Absent | Refusal::Reentrant) => {}
        }
    }
}

/// How a borrowed form of a key finds the key.
#[inline]
fn is<K, Q: Equivalent<K> + ?Sized>(key: &Q) -> impl Fn(&K) -> bool {
    |candidate| key.equivalent(candidate)
}
