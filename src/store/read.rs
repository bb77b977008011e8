//! Reads: no lock on a hit or a miss.
//!
//! The one exception is proved necessary. Whoever finds that a deadline has passed goes through
//! the stripe lock, reads the clock there and makes the expiry or the lapse real. To decide it
//! without the lock is not linearizable: a write that checked the clock before the deadline may
//! still be on its way to the slot.

use std::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use crate::epoch::Guard;
use crate::error::Reentrant;
use crate::raw::{Node, Search, Standing, ValueRef, View};
use crate::stamp::{Cas, STAMP_BITS};

use super::{HeldStripe, Live, Now, Store, is};

/// How many look-ups of a batch are under way at once.
const GROUP: usize = 16;

/// What a look-up found: the value, and the stamp unless a key lock hides it.
pub(crate) struct Found<'g, V> {
    pub(crate) value: ValueRef<'g, V>,
    pub(crate) cas: Option<Cas>,
    /// The stamp, and above it whether the entry is due for a refresh: a field of its own would cost
    /// every look-up.
    marked: u64,
}

/// No stamp has this bit.
const STALE: u64 = 1 << STAMP_BITS;

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Looks `key` up and counts a hit or a miss.
    #[inline(always)]
    pub(crate) fn get<'g, Q>(&'g self, key: &Q, guard: &'g Guard) -> Option<Found<'g, V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        S: BuildHasher,
    {
        let found = self.peek(self.hash(key), key, guard);
        let hit = u64::from(found.is_some());
        self.reads.count(guard.thread(), hit, 1 - hit);
        found
    }

    /// Looks up without counting.
    #[inline(always)]
    pub(crate) fn peek<'g, Q>(
        &'g self,
        hash: u64,
        key: &Q,
        guard: &'g Guard,
    ) -> Option<Found<'g, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.conclude(hash, self.stripe(hash).search(hash, guard), key, guard)
    }

    /// Finds the node of a look-up that has begun, and decides what it shows.
    #[inline(always)]
    fn conclude<'g, Q>(
        &'g self,
        hash: u64,
        search: Search<'g, K, V>,
        key: &Q,
        guard: &'g Guard,
    ) -> Option<Found<'g, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let node = search.find(is(key))?;
        if self.is_bounded {
            node.usage().touch();
        }
        let view = node.view();
        if view.is_timeless() {
            return Some(Found::new(&view, false));
        }
        self.judge(hash, key, node, view, guard)
    }

    /// Looks `keys` up in order, overlapping the waits for their memory.
    pub(crate) fn peek_many<'g, 'k, Q>(
        &'g self,
        keys: impl IntoIterator<Item = &'k Q>,
        guard: &'g Guard,
        mut visit: impl FnMut(&'k Q, Option<Found<'g, V>>),
    ) where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
        S: BuildHasher,
    {
        let mut keys = keys.into_iter();
        loop {
            let mut group = [None; GROUP];
            let mut filled = 0;
            for (place, key) in group.iter_mut().zip(&mut keys) {
                let hash = self.hash(key);
                let search = self.stripe(hash).search(hash, guard);
                search.prefetch();
                *place = Some((key, hash, search));
                filled += 1;
            }
            for (_, _, search) in group[..filled].iter_mut().flatten() {
                search.advance();
            }
            for &(key, hash, search) in group[..filled].iter().flatten() {
                visit(key, self.conclude(hash, search, key, guard));
            }
            if filled < GROUP {
                return;
            }
        }
    }

    /// The entries present now that the clock does not call expired, stripe by stripe.
    pub(crate) fn walk<'g>(
        &'g self,
        guard: &'g Guard,
    ) -> impl Iterator<Item = (&'g K, Found<'g, V>)> {
        (0..self.stripes.len()).flat_map(|index| self.walk_stripe(index, guard))
    }

    pub(crate) fn walk_stripe<'g>(
        &'g self,
        index: usize,
        guard: &'g Guard,
    ) -> impl Iterator<Item = (&'g K, Found<'g, V>)> {
        self.stripes[index].walk(guard).filter_map(|node| {
            let view = node.view();
            if view.is_timeless() {
                return Some((node.key(), Found::new(&view, false)));
            }
            match node.standing(&view, self.time.now()) {
                Standing::Expired => None,
                // A walk promises no instant, so it may call a lock lapsed by the clock alone.
                Standing::Live | Standing::Lapsed => Some((node.key(), Found::new(&view, false))),
                Standing::Masked | Standing::InDoubt => Some((node.key(), Found::new(&view, true))),
            }
        })
    }

    pub(crate) fn stripe_count(&self) -> usize {
        self.stripes.len()
    }

    /// Counts what a session or a batch has looked up.
    pub(crate) fn count_reads(&self, guard: &Guard, hits: u64, misses: u64) {
        self.reads.count(guard.thread(), hits, misses);
    }

    /// Decides about an entry that has a deadline or a lock.
    #[cold]
    fn judge<'g, Q>(
        &'g self,
        hash: u64,
        key: &Q,
        node: &'g Node<K, V>,
        view: View<'g, V>,
        guard: &'g Guard,
    ) -> Option<Found<'g, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        // The clock is sampled after the view was taken, as `standing` asks.
        let now = self.time.now();
        let standing = node.standing(&view, now);
        match standing {
            Standing::Live if !self.is_worth_noting(view.expires(), now) => {
                // A lock that has lapsed may hide the deadline from the view, but not from the node.
                let is_stale = self.shows_stale(node.deadline(&view), now);
                Some(Found::new(&view, false).marked_stale(is_stale))
            }
            Standing::Masked => Some(Found::new(&view, true)),
            Standing::Live | Standing::Expired | Standing::Lapsed | Standing::InDoubt => self
                .resolve(hash, key, guard)
                // Inside an update closure this thread holds a stripe lock and must not wait for
                // another.
                .unwrap_or_else(|_| unresolved(standing, &view)),
        }
    }

    /// Looks once more, under the stripe lock, makes real what time has done, and notes the use.
    #[cold]
    fn resolve<'g, Q>(
        &'g self,
        hash: u64,
        key: &Q,
        guard: &'g Guard,
    ) -> Result<Option<Found<'g, V>>, Reentrant>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.locked_stripe(self.stripe(hash), |held, now| {
            let entry = self.live(held, hash, is(key), now);
            if let Some(entry) = &entry {
                self.note_use(held, entry, now);
            }
            Ok(entry.map(|entry| self.found(held, &entry, guard, now)))
        })
    }
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// What the holder of the stripe lock has found.
    pub(super) fn found<'g>(
        &'g self,
        held: &HeldStripe<'g, K, V>,
        entry: &Live,
        guard: &'g Guard,
        now: &mut Now<'_>,
    ) -> Found<'g, V> {
        let stamp = held.stamp(entry.at);
        let is_free = entry.locked_until().is_none();
        let cas = is_free.then(|| Cas::issued(stamp));
        Found { value: held.value_for(entry.at, guard), cas, marked: stamp }
            .marked_stale(is_free && self.is_stale(entry.expires, now))
    }
}

/// The best answer without the stripe lock: an entry that the clock calls expired is absent, and
/// a stamp that may be a lock's business stays hidden.
fn unresolved<'g, V>(standing: Standing, view: &View<'g, V>) -> Option<Found<'g, V>> {
    (standing != Standing::Expired).then(|| Found::new(view, standing != Standing::Live))
}

impl<'g, V> Found<'g, V> {
    /// The stamp even if it is hidden, for comparisons inside the crate.
    pub(crate) fn stamp(&self) -> u64 {
        self.marked & !STALE
    }

    /// Whether the entry is due for a refresh.
    #[inline]
    pub(crate) fn is_stale(&self) -> bool {
        self.marked & STALE != 0
    }

    fn marked_stale(mut self, is_stale: bool) -> Self {
        self.marked |= u64::from(is_stale) << STAMP_BITS;
        self
    }

    #[inline(always)]
    fn new(view: &View<'g, V>, masked: bool) -> Self {
        let cas = if masked { None } else { Cas::from_stamp(view.stamp) };
        Self { value: view.value, cas, marked: view.stamp }
    }
}
