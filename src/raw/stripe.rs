//! A stripe: a table that readers walk freely, and a lock that all its writers take.

use std::collections::HashSet;
use std::ops::{Deref, DerefMut};

use crate::epoch::Guard;
use crate::hash::{self, Low};
use crate::stamp::StampSource;
use crate::sync::{AtomicPtr, Mutex, MutexGuard, Ordering, Padded, Tally};
use crate::time::Tick;
use crate::usage::Usage;

use super::limbo::{Batch, Cleared, Nodes, Retired, Unlinked};
use super::node::{BlankLock, Detached, LockState, Node, entry_bytes};
use super::table::{At, Moves, Table};
use super::word::{ValueRef, is_word};

/// How much that was retired is gathered before it is handed over with one deferral.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSize {
    pub(crate) pieces: usize,
    pub(crate) weight: u64,
}

/// The size, in buckets, at which stripes are put out of step.
const STAGGERED: usize = 16;

/// One lock domain of a cache. `X` is what the layer above keeps under the same lock.
pub(crate) struct Stripe<K, V, X> {
    /// On a line of its own, written only when the table grows: readers share it undisturbed.
    current: Padded<Current<K, V>>,
    writing: Padded<Writing<K, V, X>>,
}

struct Current<K, V> {
    table: AtomicPtr<Table<K, V>>,
    /// Where the table's buckets lie and how many they are: for prefetching only, by writers that
    /// have neither pinned nor locked yet. May be outdated; nothing is read there.
    buckets: Tally,
    count: Tally,
}

/// What writers touch. In this order, so that an overwrite in place finds all it needs on one cache
/// line, and who comes and goes on two.
#[repr(C)]
struct Writing<K, V, X> {
    /// Written by lock holders only.
    len: Tally,
    writer: Mutex<Writer<K, V, X>>,
}

/// What the stripe lock protects; the order as in [`Writing`].
#[repr(C)]
struct Writer<K, V, X> {
    stamps: StampSource,
    /// Whether so much was retired that whoever releases the lock takes it along.
    is_due: bool,
    /// How many buckets lie between the entries and their homes, all together.
    displaced: usize,
    /// Unlinked, waiting to be handed over.
    retired: Option<Box<Batch<K, V>>>,
    extra: X,
    batch: BatchSize,
}

// SAFETY: a stripe owns its nodes and hands out `&K` and `&V` to any thread, and any thread may
// drop them: that needs `Send` and `Sync` of both. `X` is reached only through the mutex.
unsafe impl<K: Send + Sync, V: Send + Sync, X: Send> Send for Stripe<K, V, X> {}
// SAFETY: as above.
unsafe impl<K: Send + Sync, V: Send + Sync, X: Send> Sync for Stripe<K, V, X> {}

impl<K, V, X> Stripe<K, V, X>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// A stripe with room for `entries`.
    pub(crate) fn new(entries: usize, stamps: StampSource, batch: BatchSize, extra: X) -> Self {
        let table = Box::new(Table::new(Table::<K, V>::buckets_for(entries)));
        let (buckets, count) = (Tally::default(), Tally::default());
        table.describe(&buckets, &count);
        let table = AtomicPtr::new(Box::into_raw(table));
        let retired = None;
        let writer = Writer { stamps, retired, batch, is_due: false, displaced: 0, extra };
        let writer = Mutex::new(writer);
        Self {
            current: Padded(Current { table, buckets, count }),
            writing: Padded(Writing { writer, len: Tally::default() }),
        }
    }

    /// How many entries the stripe holds, those that have expired unnoticed included.
    pub(crate) fn len(&self) -> usize {
        self.writing.0.len.get() as usize
    }

    #[inline(always)]
    fn table<'g>(&'g self, _guard: &'g Guard) -> &'g Table<K, V> {
        // Acquire, pairs with the Release in `swap_table` [O2]: the new table's buckets are filled.
        let table = self.current.0.table.load(Ordering::Acquire);
        // SAFETY: [E1] a table is retired only after it was replaced, so the guard, which is older
        // than this load, keeps it alive. Dropping the stripe needs it exclusively.
        unsafe { &*table }
    }

    /// Begins a look-up that takes no lock.
    #[inline(always)]
    pub(crate) fn search<'g>(&'g self, hash: u64, guard: &'g Guard) -> Search<'g, K, V> {
        Search { table: self.table(guard), hash: hash::low(hash), likely: std::ptr::null_mut() }
    }

    /// Walks the table that is current now. What is inserted or removed meanwhile may or may not
    /// be seen.
    pub(crate) fn walk<'g>(&'g self, guard: &'g Guard) -> impl Iterator<Item = &'g Node<K, V>> {
        let table = self.table(guard);
        (0..table.len()).flat_map(|index| table.bucket(index).nodes()).map(|node| {
            // SAFETY: [R1] as in `Search::find`.
            unsafe { &*node }
        })
    }

    /// Starts loading the bucket that a write of `hash` will touch first, so that the wait for it
    /// overlaps with the one for the stripe lock.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        let Current { buckets, count, .. } = &self.current.0;
        Table::<K, V>::prefetch_described(buckets, count, hash);
    }

    /// Takes the stripe lock. The calling thread must hold no other.
    #[inline]
    pub(crate) fn hold(&self) -> Held<'_, K, V, X> {
        Held { stripe: self, writer: self.writing.0.writer.lock() }
    }
}

/// A look-up without a lock. Several can be under way at once, so that the waits for their memory
/// overlap.
pub(crate) struct Search<'g, K, V> {
    table: &'g Table<K, V>,
    hash: Low,
    /// Where `advance` has found that the look-up most likely ends; null if it has not.
    likely: *mut Node<K, V>,
}

// Not derived, because a derive would ask for `K: Copy` and `V: Copy`.
impl<K, V> Clone for Search<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Search<'_, K, V> {}

impl<'g, K, V: 'static> Search<'g, K, V> {
    /// Starts loading what the look-up touches first.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        self.table.prefetch_home(self.hash);
    }

    /// Goes as far as can be done without waiting for a node, and starts loading the node.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        self.likely = self.table.likely(self.hash);
    }

    /// Finds the node.
    #[inline(always)]
    pub(crate) fn find(&self, mut is_key: impl FnMut(&K) -> bool) -> Option<&'g Node<K, V>> {
        // SAFETY: [R1] `search` took the guard before it loaded the table, and `'g` ends before
        // the guard does. A node that `advance` met may have been unlinked since, but not dropped.
        let likely = unsafe { self.likely.as_ref() };
        if let Some(likely) = likely.filter(|node| is_key(node.key())) {
            return Some(likely);
        }
        // SAFETY: [R1] as above.
        let (_, node) = unsafe { self.table.find(self.hash, |node| is_key(node.key())) }?;
        // SAFETY: [R1] as above.
        Some(unsafe { &*node })
    }
}

impl<K, V, X> Drop for Stripe<K, V, X> {
    fn drop(&mut self) {
        // Relaxed: `&mut self`, nobody else is here.
        let table = self.current.0.table.load(Ordering::Relaxed);
        let writer = self.writing.0.writer.get_mut();
        let mut batch = writer.retired.take().unwrap_or_default();
        // Every reader borrows the stripe as well as its guard, so none is left.
        batch.push_table(table, Nodes::Included(0), 0);
    }
}

/// A stripe whose lock the calling thread holds.
pub(crate) struct Held<'s, K, V, X> {
    stripe: &'s Stripe<K, V, X>,
    writer: MutexGuard<'s, Writer<K, V, X>>,
}

impl<'s, K, V, X> Held<'s, K, V, X>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    #[inline(always)]
    fn table(&self) -> &'s Table<K, V> {
        // Relaxed: only lock holders replace the table, and the lock ordered them before us.
        let table = self.stripe.current.0.table.load(Ordering::Relaxed);
        // SAFETY: the current table is retired only by a lock holder that has replaced it. `grow`
        // and `clear` do so here, and take care not to use the old one afterwards.
        unsafe { &*table }
    }

    /// Finds the key's place. `is_key` is user code; nothing has been modified when it runs.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, mut is_key: impl FnMut(&K) -> bool) -> Option<At> {
        // SAFETY: [R2] the lock is held.
        unsafe { self.table().find(hash::low(hash), |node| is_key(node.key())) }.map(|(at, _)| at)
    }

    /// Finds the key's entry, for who means to look at it more than once. `is_key` as in
    /// [`find`](Self::find).
    #[inline(always)]
    pub(crate) fn entry(
        &mut self,
        hash: u64,
        mut is_key: impl FnMut(&K) -> bool,
    ) -> Option<Occupied<'_, K, V, X>> {
        // SAFETY: [R2] the lock is held.
        let found = unsafe { self.table().find(hash::low(hash), |node| is_key(node.key())) };
        let (_, node) = found?;
        // SAFETY: [R2] the lock is held, and only this holder unlinks: not before the entry, which
        // borrows from it exclusively, is gone.
        let node = unsafe { &*node };
        Some(Occupied { writer: &mut self.writer, node })
    }

    /// The stripe.
    pub(crate) fn stripe(&self) -> &'s Stripe<K, V, X> {
        self.stripe
    }

    /// Finds the place of the entry that was locked with `token`, without running user code.
    pub(crate) fn find_token(&self, hash: u64, token: u64) -> Option<At> {
        let is_it = |node: &Node<K, V>| node.lock_state().is_some_and(|lock| lock.token == token);
        // SAFETY: [R2] the lock is held.
        unsafe { self.table().find(hash::low(hash), is_it) }.map(|(at, _)| at)
    }

    /// Finds the place of an entry with this hash, without running user code.
    pub(crate) fn find_hash(&self, hash: u64) -> Option<At> {
        let low = hash::low(hash);
        // SAFETY: [R2] the lock is held.
        unsafe { self.table().find(low, |node| node.low_hash() == low) }.map(|(at, _)| at)
    }

    /// The node at `at`, a place that `find` or `publish` gave under this lock.
    #[inline]
    fn node(&self, at: At) -> &Node<K, V> {
        let node = self.table().bucket(at.bucket()).node(at.slot());
        // SAFETY: [R2] a pointer in a slot is null or a node's, and the lock is held.
        unsafe { node.as_ref() }.expect("a place found under this lock is occupied")
    }

    #[inline]
    pub(crate) fn next_stamp(&mut self) -> u64 {
        self.writer.stamps.next()
    }

    /// Whether `stamp` can have been drawn here.
    pub(crate) fn has_drawn(&self, stamp: u64) -> bool {
        stamp != 0 && self.writer.stamps.has_drawn(stamp)
    }

    /// Makes sure that no stamp up to `largest` is drawn from now on.
    #[cfg(feature = "serde")]
    pub(crate) fn adopt_stamps(&mut self, largest: u64, leap: u64) {
        self.writer.stamps.adopt(largest, leap);
    }

    #[inline]
    pub(crate) fn stamp(&self, at: At) -> u64 {
        self.node(at).stamp()
    }

    /// What lies beside the table and the table's entries as those see them who keep it.
    pub(crate) fn split(&mut self) -> (Entries<'_, K, V>, &mut X) {
        let table = self.table();
        (Entries { table }, &mut self.writer.extra)
    }

    /// Whether the entry has neither deadline nor lock.
    #[inline]
    pub(crate) fn is_timeless(&self, at: At) -> bool {
        self.node(at).is_timeless()
    }

    #[inline]
    pub(crate) fn expires(&self, at: At) -> Option<Tick> {
        self.node(at).expires()
    }

    #[inline]
    pub(crate) fn lock_state(&self, at: At) -> Option<LockState> {
        self.node(at).lock_state()
    }

    /// The part of the entry's hash that the table keeps.
    pub(crate) fn low_hash(&self, at: At) -> Low {
        self.node(at).low_hash()
    }

    /// Counts a use of the entry.
    #[inline]
    pub(crate) fn touch(&self, at: At) {
        self.node(at).usage().touch();
    }

    pub(crate) fn value(&self, at: At) -> ValueRef<'_, V> {
        self.node(at).value()
    }

    /// The value, for as long as `guard` lives, which may be longer than the lock is held.
    pub(crate) fn value_for<'g>(&self, at: At, guard: &'g Guard) -> ValueRef<'g, V>
    where
        's: 'g,
    {
        self.node_for(at, guard).value()
    }

    /// The key, likewise.
    pub(crate) fn key_for<'g>(&self, at: At, guard: &'g Guard) -> &'g K
    where
        's: 'g,
    {
        self.node_for(at, guard).key()
    }

    fn node_for<'g>(&self, at: At, _guard: &'g Guard) -> &'g Node<K, V>
    where
        's: 'g,
    {
        // SAFETY: [E1] the node is reachable now, while the guard is pinned, so whoever retires it
        // does so later and it outlives the guard. The stripe, which would drop it at once when it
        // is dropped itself, outlives `'g` as well.
        unsafe { &*std::ptr::from_ref(self.node(at)) }
    }

    #[inline]
    pub(crate) fn bits(&self, at: At) -> u64 {
        assert!(is_word::<V>());
        self.node(at).bits()
    }

    /// Whether the table should [`grow`](Self::grow) before one more entry comes.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.table().is_full(self.stripe.len(), self.writer.displaced)
    }

    /// Makes room for one more entry. If the table was rebuilt for it, says where its entries are
    /// now, to whom `track`s them. A stripe that never holds more than `most` entries does not grow
    /// beyond them.
    #[must_use]
    pub(crate) fn grow(&mut self, most: Option<usize>, track: bool) -> Option<Moves> {
        let mut buckets = self.grown();
        if let Some(most) = most {
            let enough = Table::<K, V>::buckets_for_churn(most);
            buckets = buckets.min(enough).max(self.table().len() + 1);
        }
        self.rebuild(buckets, track)
    }

    /// Publishes a node whose key is absent; the caller has reserved room for it.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        mut node: Box<Node<K, V>>,
        stamp: u64,
        expires: Option<Tick>,
    ) -> At {
        debug_assert!(self.stripe.len() < self.table().capacity());
        node.prepare(stamp, expires);
        self.stripe.writing.0.len.add_alone(1);
        let (at, passed) = self.table().publish(node);
        self.writer.displaced += passed;
        at
    }

    /// Puts `node` in the place of another node of the same key.
    pub(crate) fn replace(
        &mut self,
        at: At,
        mut node: Box<Node<K, V>>,
        stamp: u64,
        expires: Option<Tick>,
    ) -> Unlinked<K, V> {
        node.prepare(stamp, expires);
        node.usage().take_over(self.node(at).usage());
        let node = Box::into_raw(node);
        Unlinked::new(self.table().bucket(at.bucket()).replace(at.slot(), node))
    }

    /// Gives the entry a new word, stamp and deadline in place.
    #[inline]
    pub(crate) fn overwrite(&mut self, at: At, bits: u64, stamp: u64, expires: Option<Tick>) {
        assert!(is_word::<V>());
        let detached = self.node(at).rewrite(stamp, expires, Some(bits));
        self.retire_lock(detached);
    }

    /// Gives the entry a new stamp and deadline in place.
    pub(crate) fn restamp(&mut self, at: At, stamp: u64, expires: Option<Tick>) {
        let detached = self.node(at).rewrite(stamp, expires, None);
        self.retire_lock(detached);
    }

    /// Makes the key absent.
    #[inline]
    pub(crate) fn unlink(&mut self, at: At) -> Unlinked<K, V> {
        // SAFETY: the lock is held.
        let (node, passed) = unsafe { self.table().unlink(at) };
        self.writer.displaced -= passed;
        self.stripe.writing.0.len.add_alone(1u64.wrapping_neg());
        Unlinked::new(node)
    }

    /// Leaves an unlinked node, which weighs `weight`, to be handed over with the next batch.
    #[inline]
    pub(crate) fn retire(&mut self, node: Unlinked<K, V>, weight: u64) {
        let full = self.writer.batch.pieces;
        self.retire_with(|batch| batch.push_node(node, weight, full));
    }

    /// Locks the entry.
    pub(crate) fn attach_lock(&mut self, at: At, blank: BlankLock, deadline: Tick, token: u64) {
        let detached = self.node(at).attach(blank.fill(deadline, token));
        self.retire_lock(detached);
    }

    /// Unlocks the entry; its stamp stays.
    pub(crate) fn detach_lock(&mut self, at: At) {
        let detached = self.node(at).detach();
        self.retire_lock(detached);
    }

    /// Moves the deadline of the entry's lock; `None` makes its lapse real.
    pub(crate) fn set_lock_deadline(&mut self, at: At, deadline: Option<Tick>) {
        self.node(at).set_deadline(deadline);
    }

    /// Recounts what the stripe promises from its nodes.
    ///
    /// # Panics
    ///
    /// If something does not add up.
    pub(crate) fn validate(&self) {
        // SAFETY: the lock is held.
        let (nodes, displaced) = unsafe { self.table().validate() };
        assert_eq!(nodes, self.stripe.len(), "the count of entries is wrong");
        assert_eq!(displaced, self.writer.displaced, "the count of displacements is wrong");
        let mut stamps = HashSet::new();
        for node in self.table().nodes() {
            // SAFETY: [R2] the lock is held.
            let node = unsafe { &*node };
            let token = node.lock_state().map(|lock| lock.token);
            for stamp in token.into_iter().chain([node.stamp()]) {
                assert!(stamps.insert(stamp), "a stamp is there twice");
                assert!(self.writer.stamps.knows(stamp), "a stamp nobody drew");
            }
        }
    }

    /// Makes every key of the stripe absent, by a fresh table.
    pub(crate) fn clear(&mut self) -> Cleared<K, V> {
        let gone = self.stripe.len();
        let old = self.swap_table(Table::new(1));
        self.writer.displaced = 0;
        self.stripe.writing.0.len.add_alone((gone as u64).wrapping_neg());
        Cleared::new(old, gone)
    }

    /// Leaves a cleared table, whose nodes weigh `weight`, to be handed over.
    pub(crate) fn retire_all(&mut self, nodes: Cleared<K, V>, weight: u64) {
        self.retire_with(|batch| batch.push_cleared(nodes, weight));
    }

    /// The size of the next table: half as large again.
    fn grown(&self) -> usize {
        let old = self.table().len();
        let mut buckets = old + old.div_ceil(2);
        if old < STAGGERED && buckets >= STAGGERED {
            // Once in its life each stripe takes a step of its own size, so that the stripes do not
            // all grow at the same time and are not all half empty at the same time.
            let (place, of) = self.writer.stamps.place();
            buckets += buckets / 2 * place / of;
        }
        buckets
    }

    /// Moves the entries to a smaller table if this one has become far too large for them; to one
    /// that just fits if `tight`.
    pub(crate) fn shrink(&mut self, tight: bool, track: bool) -> Option<Moves> {
        let fitting = Table::<K, V>::buckets_for(self.stripe.len() + usize::from(!tight));
        let buckets = if tight { fitting } else { 2 * fitting };
        let spacious = self.table().is_spacious_for(self.stripe.len());
        let worthwhile = if tight { buckets < self.table().len() } else { spacious };
        if worthwhile { self.rebuild(buckets, track) } else { None }
    }

    /// How many entries the table has places for.
    pub(crate) fn slots(&self) -> usize {
        self.table().slots()
    }

    fn rebuild(&mut self, buckets: usize, track: bool) -> Option<Moves> {
        let old = self.table();
        let fresh = Table::new(buckets);
        let mut moves = track.then(|| old.no_moves());
        // SAFETY: the lock is held and `old` is the stripe's table.
        let displaced = unsafe { fresh.fill_from(old, moves.as_mut()) };
        self.writer.displaced = displaced;
        let old = self.swap_table(fresh);
        self.retire_with(|batch| batch.push_table(old, Nodes::MovedOn, 0));
        moves
    }

    fn swap_table(&mut self, fresh: Table<K, V>) -> *mut Table<K, V> {
        // Release, pairs with the Acquire in `Stripe::table` [O2]. Acquire is not needed: the lock
        // has ordered us after whoever published the old table.
        let current = &self.stripe.current.0;
        fresh.describe(&current.buckets, &current.count);
        current.table.swap(Box::into_raw(Box::new(fresh)), Ordering::Release)
    }

    /// Whether so much was retired that it should be handed over.
    #[inline(always)]
    pub(crate) fn has_batch(&self) -> bool {
        self.writer.is_due
    }

    /// Releases the lock. Gives back what was retired if enough has gathered; the caller passes it
    /// to [`Limbo::take`](super::limbo::Limbo::take).
    #[must_use]
    pub(crate) fn release(mut self) -> Option<Retired<K, V>> {
        if self.has_batch() { self.take_retired() } else { None }
    }

    /// As `release`, however little has gathered.
    #[must_use]
    pub(crate) fn release_all(mut self) -> Option<Retired<K, V>> {
        self.take_retired()
    }

    /// The memory of the table and of the entries in it, without what keys and values own.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let nodes = self.stripe.len() * entry_bytes::<K, V>();
        (self.table().bytes(), nodes)
    }

    /// How many retired pieces wait in this stripe to be handed over, and what they weigh.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let batch = self.writer.retired.as_ref();
        batch.map_or((0, 0), |batch| (batch.pieces() as u64, batch.weight()))
    }

    fn take_retired(&mut self) -> Option<Retired<K, V>> {
        self.writer.is_due = false;
        self.writer.retired.take().map(Retired::new)
    }

    #[inline]
    fn retire_with(&mut self, push: impl FnOnce(&mut Batch<K, V>)) {
        let Writer { retired, batch: size, is_due, .. } = &mut *self.writer;
        let batch = retired.get_or_insert_default();
        push(batch);
        *is_due = batch.is_due(*size);
    }

    #[inline]
    fn retire_lock(&mut self, detached: Option<Detached>) {
        if let Some(detached) = detached {
            self.retire_with(|batch| batch.push_lock(detached));
        }
    }
}

impl<K, V, X> Deref for Held<'_, K, V, X> {
    type Target = X;

    fn deref(&self) -> &X {
        &self.writer.extra
    }
}

impl<K, V, X> DerefMut for Held<'_, K, V, X> {
    fn deref_mut(&mut self) -> &mut X {
        &mut self.writer.extra
    }
}

/// An entry of a stripe whose lock is held, found once and for all.
pub(crate) struct Occupied<'h, K, V, X> {
    writer: &'h mut Writer<K, V, X>,
    node: &'h Node<K, V>,
}

impl<K, V: 'static, X> Occupied<'_, K, V, X> {
    /// Whether the entry has neither deadline nor lock.
    #[inline(always)]
    pub(crate) fn is_timeless(&self) -> bool {
        self.node.is_timeless()
    }

    /// Counts a use of the entry, which is about to be overwritten.
    #[inline(always)]
    pub(crate) fn touch(&self) {
        self.node.usage().touch_beside_write();
    }

    #[inline(always)]
    pub(crate) fn bits(&self) -> u64 {
        assert!(is_word::<V>());
        self.node.bits()
    }

    /// Gives the entry, which is timeless and stays so, a new word and the next stamp. Returns the
    /// stamp.
    #[inline(always)]
    pub(crate) fn overwrite(self, bits: u64) -> u64 {
        assert!(is_word::<V>());
        let stamp = self.writer.stamps.next();
        self.node.rewrite_timeless(stamp, bits);
        stamp
    }
}

/// The entries of a stripe whose lock is held, by place.
pub(crate) struct Entries<'h, K, V> {
    table: &'h Table<K, V>,
}

// Not derived, because a derive would ask for `K: Copy` and `V: Copy`.
impl<K, V> Clone for Entries<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Entries<'_, K, V> {}

impl<'h, K, V: 'static> Entries<'h, K, V> {
    #[inline]
    fn node(self, place: u32) -> Option<&'h Node<K, V>> {
        // SAFETY: [R2] a pointer in a slot is null or a node's. This borrows from a `Held`, so the
        // lock is held and nobody unlinks meanwhile.
        unsafe { self.table.node(At::from_place(place)).as_ref() }
    }

    #[inline]
    pub(crate) fn usage(self, place: u32) -> Option<&'h Usage> {
        self.node(place).map(Node::usage)
    }

    /// The part of the hash that the table keeps.
    #[inline]
    pub(crate) fn hash(self, place: u32) -> Option<Low> {
        self.node(place).map(Node::low_hash)
    }

    pub(crate) fn expires(self, place: u32) -> Option<Tick> {
        self.node(place)?.expires()
    }

    #[inline]
    pub(crate) fn lock_state(self, place: u32) -> Option<LockState> {
        self.node(place)?.lock_state()
    }

    /// Starts loading what names the entry at `place`.
    #[inline]
    pub(crate) fn prefetch_place(self, place: u32) {
        self.table.prefetch_bucket(At::from_place(place));
    }

    /// Starts loading the entry itself.
    #[inline]
    pub(crate) fn prefetch(self, place: u32) {
        Node::prefetch(self.table.node(At::from_place(place)));
    }

    /// All places where somebody is.
    pub(crate) fn places(self) -> impl Iterator<Item = u32> + 'h {
        self.table.places()
    }
}
