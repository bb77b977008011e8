//! Invalidation: what was read before it is stored no more.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use equivalent::Equivalent;

use crate::error::{Reentrant, Refusal};
use crate::hash;
use crate::removal::Cause;
use crate::stamp::Cas;
use crate::time::Tick;

use super::bulk::Locks;
use super::fills::{Late, Since};
use super::write::opens_lock;
use super::{At, HeldStripe, Live, Now, Store, is, reentry};

/// A fence around a key, or around all keys of a stripe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Post {
    stripe: usize,
    /// `None` for all.
    hash: Option<u64>,
    number: u64,
}

impl<K, V, S> Store<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// Makes `key` absent, locked or not, and refuses fills from before. Says whether it was there.
    pub(crate) fn invalidate<Q>(&self, key: &Q) -> Result<bool, Reentrant>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let entry = self.live(held, hash, is(key), now);
            self.expel(held, hash, entry.as_ref(), now);
            Ok(entry.is_some())
        })
    }

    /// Makes the entries that `is_due` chooses absent, locked or not, and refuses all fills from
    /// before. Returns how many there were.
    pub(crate) fn invalidate_if(
        &self,
        is_due: impl FnMut(&K, &V) -> bool,
    ) -> Result<usize, Reentrant> {
        self.remove_if(is_due, Locks::Broken)
    }

    /// Refuses all fills from before.
    pub(crate) fn refuse_fills(&self) -> Result<(), Reentrant> {
        drop(reentry::enter()?); // Refused even if nobody fills.
        for stripe in &self.stripes {
            self.locked_stripe(stripe, |held, _| {
                self.raise_all_floors(held);
                Ok::<_, Reentrant>(())
            })?;
        }
        Ok(())
    }

    /// Makes the entry of `key` due for a refresh, and lets it live no longer than the grace time from
    /// now on; without one, or if it is locked, it goes. Refuses fills from before. Says whether there
    /// was an entry.
    pub(crate) fn mark_stale<Q>(&self, key: &Q) -> Result<bool, Reentrant>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let entry = self.live(held, hash, is(key), now);
            let grace = self.settings.grace;
            let may_stay = |entry: &Live| !grace.is_zero() && entry.locked_until().is_none();
            match entry.filter(may_stay) {
                None => self.expel(held, hash, entry.as_ref(), now),
                Some(entry) => {
                    let end = now.get().saturating_add(grace);
                    let latest = Some(entry.expires.map_or(end, |at| at.min(end)));
                    let ends = self.ends_at(latest, now);
                    let stamp = held.next_stamp();
                    held.restamp(entry.at, stamp, ends.shown);
                    self.note_ends(held, entry.at, ends);
                    held.count(&Ok(()));
                }
            }
            Ok(entry.is_some())
        })
    }

    /// Makes `key` absent and refuses fills until `until` or until the fence is taken away.
    pub(crate) fn fence<Q>(&self, key: &Q, until: Tick) -> Result<Post, Reentrant>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let entry = self.live(held, hash, is(key), now);
            self.expel(held, hash, entry.as_ref(), now);
            Ok(self.put_up_fence(held, Some(hash), until))
        })
    }
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Takes the entry out, if there is one, and refuses fills from before.
    fn expel(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        entry: Option<&Live>,
        now: &mut Now<'_>,
    ) {
        let Some(entry) = entry else { return self.raise_floor(held, hash) };
        held.count(&Ok(()));
        opens_lock(held, hash, entry, now);
        self.take_out(held, entry.at, Cause::Removed);
    }

    /// [`fence`](Self::fence) around all keys.
    pub(crate) fn fence_all(&self, until: Tick) -> Result<Vec<Post>, Reentrant> {
        let fence = |stripe| {
            self.locked_stripe(stripe, |held, _| {
                self.clear_stripe(held, stripe.len() as u64);
                Ok(self.put_up_fence(held, None, until))
            })
        };
        self.stripes.iter().map(fence).collect()
    }

    fn put_up_fence(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: Option<u64>,
        until: Tick,
    ) -> Post {
        let number = held.next_stamp();
        held.fills.put_up_fence(hash, number, until);
        Post { stripe: held.index, hash, number }
    }

    /// Takes a fence away and says whether it stood until now. What was read while it stood is not
    /// stored any more; if it has lapsed, what was stored since goes.
    pub(crate) fn take_away(&self, post: Post) -> Result<bool, Reentrant> {
        let stripe = &self.stripes[post.stripe];
        self.locked_stripe(stripe, |held, now| {
            let stands = held.fills.has_fence(post.number, now.get());
            self.take_away_fences(held, Some(post.number), now);
            if !stands {
                match post.hash {
                    Some(hash) => self.expel_all(held, hash, now),
                    None => self.clear_stripe(held, stripe.len() as u64),
                }
            }
            Ok(stands)
        })
    }

    /// Takes out whoever has this hash: the key itself is not known here.
    fn expel_all(&self, held: &mut HeldStripe<'_, K, V>, hash: u64, now: &mut Now<'_>) {
        self.raise_floor(held, hash);
        while let Some(at) = held.find_hash(hash) {
            if let Some(entry) = self.settle(held, hash, at, now) {
                self.expel(held, hash, Some(&entry), now);
            }
        }
    }

    fn take_away_fences(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        number: Option<u64>,
        now: &mut Now<'_>,
    ) {
        let stamp = held.next_stamp(); // Of all that go at once.
        held.fills.take_away_fences(number, now.get(), stamp);
    }

    /// Takes away the fences that have lapsed.
    pub(super) fn settle_fences(&self, held: &mut HeldStripe<'_, K, V>, now: &mut Now<'_>) {
        if held.fills.has_fences() {
            self.take_away_fences(held, None, now);
        }
    }

    /// Whether a fill from `since` is let in: nothing has happened to the key from then on. The load
    /// that it ends, if there is one, ends in any case.
    pub(super) fn admit_fill(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        entry: Option<&Live>,
        since: Since,
        now: &mut Now<'_>,
    ) -> Result<(), Refusal> {
        self.settle_fences(held, now);
        let late = held.fills.check(since);
        held.fills.finish(since);
        match late {
            _ if !held.has_drawn(since.stamp) => return Err(Refusal::Invalidated),
            Ok(()) => {}
            Err(Late::Invalidated) => return Err(Refusal::Invalidated),
            Err(Late::Fenced(until)) => {
                return Err(Refusal::Fenced { remaining: until.since(now.get()) });
            }
        }
        let Some(entry) = entry else { return Ok(()) };
        let (stamp, lock) = (held.stamp(entry.at), entry.locked_until());
        match lock {
            _ if stamp > since.stamp => {
                let current = lock.is_none().then(|| Cas::issued(stamp));
                Err(Refusal::Exists { current })
            }
            Some(until) => Err(Refusal::Locked { remaining: until.since(now.get()) }),
            None => Ok(()),
        }
    }

    /// Fills of keys with this hash that began before now are refused.
    pub(super) fn raise_floor(&self, held: &mut HeldStripe<'_, K, V>, hash: u64) {
        if held.fills.is_armed() {
            let stamp = held.next_stamp();
            held.fills.raise(hash::low(hash), stamp);
        }
    }

    pub(super) fn raise_all_floors(&self, held: &mut HeldStripe<'_, K, V>) {
        if held.fills.is_armed() {
            let stamp = held.next_stamp();
            held.fills.raise_all(stamp);
        }
    }

    /// The entry at `at` goes. Somebody who removes it refuses all fills of the key from before; if it
    /// goes by itself, only those from before its last write are late.
    #[cold]
    pub(super) fn raise_floor_of(&self, held: &mut HeldStripe<'_, K, V>, at: At, cause: Cause) {
        let by_itself = matches!(cause, Cause::Evicted | Cause::Expired);
        let stamp = if by_itself { held.stamp(at) } else { held.next_stamp() };
        let low = held.low_hash(at);
        held.fills.raise(low, stamp);
    }

    /// The last stamp of each stripe: fills from before whatever happens from now on.
    pub(crate) fn mark(&self) -> Result<Arc<[u64]>, Reentrant> {
        let mark = |stripe| {
            self.locked_stripe(stripe, |held, now| {
                self.settle_fences(held, now);
                held.fills.expect_fills();
                Ok(held.next_stamp())
            })
        };
        self.stripes.iter().map(mark).collect()
    }

    /// The part of a mark that concerns the key with this hash.
    pub(crate) fn since_mark(&self, mark: &[u64], hash: u64) -> Since {
        let stripe = hash::stripe(hash, self.stripe_bits);
        // Of another cache, if it has too few.
        Since { hash, stamp: mark.get(stripe).copied().unwrap_or(0) }
    }
}
