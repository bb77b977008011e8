//! Operations on all entries at once, stripe by stripe.
//!
//! None of them runs user code but `K: Eq` under a stripe lock: entries are judged and cloned outside,
//! and each removal makes sure that the entry is still the one that was looked at.

use std::hash::{BuildHasher, Hash};

use crate::epoch::{self, Guard};
use crate::error::Reentrant;
use crate::raw::ValueRef;
use crate::removal::Cause;
use crate::stamp::Cas;
use crate::stats::StripeLoad;

use super::write::opens_lock;
use super::{Found, Live, Store, is};

/// What a removal does with key locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locks {
    Respected,
    Broken,
}

/// What became of an attempt to remove an entry.
enum Attempt<'g, V> {
    Removed(ValueRef<'g, V>, u64),
    /// The entry has another stamp than the one that was seen.
    Changed(ValueRef<'g, V>, u64),
    /// Somebody else has removed it, or has locked the key.
    NotOurs,
}

impl<K, V, S> Store<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// Removes the entries that `keep` rejects. Returns how many.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> Result<usize, Reentrant> {
        self.remove_if(|key, value| !keep(key, value), Locks::Respected)
    }

    /// Removes the entries that `is_due` chooses. Returns how many. Fills from before are refused,
    /// because nobody can tell what would have been said of them.
    pub(super) fn remove_if(
        &self,
        mut is_due: impl FnMut(&K, &V) -> bool,
        locks: Locks,
    ) -> Result<usize, Reentrant> {
        self.refuse_fills()?;
        let mut removed = 0;
        for index in 0..self.stripes.len() {
            // A pin of its own for each stripe, so that what goes can be dropped meanwhile.
            let guard = epoch::pin();
            for (key, found) in self.walk_stripe(index, &guard) {
                removed += usize::from(self.remove_due(key, found, &mut is_due, locks, &guard)?);
            }
        }
        Ok(removed)
    }

    /// Removes the entry of `key` if `is_due` chooses it, in the state in which it is removed.
    fn remove_due<'g>(
        &'g self,
        key: &K,
        found: Found<'g, V>,
        is_due: &mut impl FnMut(&K, &V) -> bool,
        locks: Locks,
        guard: &'g Guard,
    ) -> Result<bool, Reentrant> {
        let (mut value, mut stamp) = (found.value, found.stamp());
        loop {
            if !is_due(key, &value) {
                return Ok(false);
            }
            match self.attempt_removal(key, Some(stamp), locks, guard)? {
                Attempt::Removed(..) => return Ok(true),
                Attempt::Changed(other, since) => (value, stamp) = (other, since),
                Attempt::NotOurs => return Ok(false),
            }
        }
    }

    /// Removes the entry of `key`, unless the key is locked, and shows its value to `look`.
    pub(crate) fn take<R>(
        &self,
        key: &K,
        look: impl FnOnce(&V) -> R,
    ) -> Result<Option<(R, Cas)>, Reentrant> {
        let guard = epoch::pin();
        Ok(match self.attempt_removal(key, None, Locks::Respected, &guard)? {
            Attempt::Removed(value, stamp) => Some((look(&value), Cas::issued(stamp))),
            Attempt::Changed(..) | Attempt::NotOurs => None,
        })
    }

    /// Removes the entry of `key`, if it carries the stamp `seen` where one is given.
    fn attempt_removal<'g>(
        &'g self,
        key: &K,
        seen: Option<u64>,
        locks: Locks,
        guard: &'g Guard,
    ) -> Result<Attempt<'g, V>, Reentrant> {
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let entry = self.live(held, hash, is(key), now);
            let is_ours = |entry: &Live| locks == Locks::Broken || entry.locked_until().is_none();
            let Some(entry) = entry.filter(is_ours) else {
                return Ok(Attempt::NotOurs);
            };
            let (value, stamp) = (held.value_for(entry.at, guard), held.stamp(entry.at));
            if seen.is_some_and(|seen| seen != stamp) {
                return Ok(Attempt::Changed(value, stamp));
            }
            held.count(&Ok(()));
            opens_lock(held, hash, &entry, now);
            self.take_out(held, entry.at, Cause::Removed);
            Ok(Attempt::Removed(value, stamp))
        })
    }
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Gives back the memory that the present entries do not need.
    pub(crate) fn shrink(&self) -> Result<(), Reentrant> {
        for stripe in &self.stripes {
            self.locked_stripe(stripe, |held, _| {
                let moves = held.shrink(true, held.keeps_places());
                // Also if nobody moved: the queues and the wheel drop what is of no use any more.
                held.relocate(|place| moves.as_ref().map_or(Some(place), |moves| moves.to(place)));
                Ok::<_, Reentrant>(())
            })?;
        }
        self.reclaim()
    }

    /// What each stripe holds.
    pub(crate) fn loads(&self) -> Result<Vec<StripeLoad>, Reentrant> {
        let load = |stripe| {
            self.locked_stripe(stripe, |held, _| {
                let entries = stripe.len() as u64;
                let policy = held.policy.as_ref();
                Ok::<_, Reentrant>(StripeLoad {
                    entries,
                    weight: policy.map_or(entries, |policy| policy.used()),
                    capacity: policy.map(|policy| policy.capacity()),
                    slots: held.slots() as u64,
                })
            })
        };
        self.stripes.iter().map(load).collect()
    }
}
