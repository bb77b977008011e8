//! Entries with their stamps and remaining lives: how they leave for a snapshot and come back.

use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use crate::epoch::Guard;
use crate::error::{Reentrant, Refusal};
use crate::hash;
use crate::raw::{Node, ValueRef};
use crate::removal::Cause;
use crate::stamp::MOST_LEAP;

use super::bound::Lack;
use super::write::NOTHING_CONSUMED;
use super::write::opens_lock;
use super::{Condition, HeldStripe, Live, Now, Store, admit, is, reentry};

/// An entry as a snapshot keeps it.
pub(crate) struct Kept<'g, K, V> {
    pub(crate) key: &'g K,
    pub(crate) value: ValueRef<'g, V>,
    pub(crate) stamp: u64,
    /// How long it has to live yet, if it expires.
    pub(crate) life: Option<Duration>,
}

impl<K, V, S> Store<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// The entries of a stripe, with their stamps even if they are locked. An entry that goes and
    /// comes back meanwhile may be there twice.
    pub(crate) fn kept_in<'g>(
        &'g self,
        index: usize,
        guard: &'g Guard,
    ) -> Result<impl Iterator<Item = Result<Kept<'g, K, V>, Reentrant>>, Reentrant> {
        drop(reentry::enter()?); // Refused even if no lock is needed.
        Ok(self.stripes[index].walk(guard).filter_map(|node| {
            let (key, view) = (node.key(), node.view());
            if view.is_timeless() {
                return Some(Ok(Kept { key, value: view.value, stamp: view.stamp, life: None }));
            }
            self.kept(key, guard).transpose()
        }))
    }

    /// An entry that has a deadline or a lock: only under the stripe lock are they seen together with
    /// the stamp.
    fn kept<'g>(
        &'g self,
        key: &'g K,
        guard: &'g Guard,
    ) -> Result<Option<Kept<'g, K, V>>, Reentrant> {
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let entry = self.live(held, hash, is(key), now);
            Ok(entry.map(|entry| Kept {
                key,
                value: held.value_for(entry.at, guard),
                stamp: held.stamp(entry.at),
                life: entry.expires.map(|deadline| deadline.since(now.get())),
            }))
        })
    }

    /// Makes sure that no stamp up to `largest` is drawn from now on: what bears them is about to be
    /// restored.
    ///
    /// Whoever drew those stamps may have drawn others since, which are not in the snapshot and which
    /// somebody may still hold. To meet none of them, the sources leap ahead by chance.
    pub(crate) fn adopt_stamps(&self, largest: u64) -> Result<(), Reentrant> {
        let leap = hash::random() % MOST_LEAP;
        for stripe in &self.stripes {
            self.locked_stripe(stripe, |held, _| {
                held.adopt_stamps(largest, leap);
                Ok::<_, Reentrant>(())
            })?;
        }
        Ok(())
    }

    /// Stores an entry under the stamp it had, which has been adopted.
    pub(crate) fn restore(
        &self,
        key: K,
        value: V,
        stamp: u64,
        life: Option<Duration>,
    ) -> Result<(), Refusal> {
        let weight = self.weigh(&key, &value);
        if let Some(refusal) = self.too_heavy(weight) {
            return Err(refusal);
        }
        let hash = self.hash(&key);
        // A node of its own even for a word: in place, a reader that is between its two looks at the
        // stamp would take one that comes back for one that has stayed.
        let mut fresh = Some(Node::boxed(hash::low(hash), key, value));
        self.with_share(hash, || {
            self.locked(hash, |held, now| {
                let is_key = |candidate: &K| fresh.as_ref().is_some_and(|n| n.key() == candidate);
                let entry = self.live(held, hash, is_key, now);
                admit(held, entry.as_ref(), Condition::Always, now)?;
                let new = (&mut fresh, weight);
                self.raise_floor(held, hash); // The stamp that comes back does not say when it came.
                Ok(self.store_restored(held, hash, entry.as_ref(), new, (stamp, life), now))
            })
        })
    }

    fn store_restored(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        entry: Option<&Live>,
        (fresh, weight): (&mut Option<Box<Node<K, V>>>, u32),
        (stamp, life): (u64, Option<Duration>),
        now: &mut Now<'_>,
    ) -> Result<(), Lack> {
        let latest = life.and_then(|life| now.get().checked_add(life));
        let ends = self.ends_at(latest, now);
        if let Some(entry) = entry {
            self.room_for_change(held, entry.at, weight)?;
            opens_lock(held, hash, entry, now);
            let node = fresh.take().expect(NOTHING_CONSUMED);
            let old = held.replace(entry.at, node, stamp, ends.shown);
            let old_weight = self.settle_change(held, entry, weight, ends);
            self.see_off(held, old, old_weight, Cause::Replaced);
        } else {
            let arrival = self.room_for_new(held, hash, weight)?;
            let node = fresh.take().expect(NOTHING_CONSUMED);
            self.publish(held, node, (arrival, weight), stamp, ends);
        }
        held.count(&Ok(()));
        Ok(())
    }
}
