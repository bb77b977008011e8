//! A table: buckets, and how a key is found among them.
//!
//! A key's slot lies in the first bucket at or after its home that had room when it came. Probing
//! walks bucket by bucket and ends where the overflow count says that nobody went on.

use crate::hash::{self, Low};
use crate::sync::{Canary, Tally};

use super::bucket::{Bucket, SLOTS};
use super::node::Node;
use super::prefetch::prefetch;

pub(super) struct Table<K, V> {
    buckets: Box<[Bucket<K, V>]>,
    /// How many entries fit before the table should grow.
    capacity: usize,
    canary: Canary,
}

/// Where an entry lies in its table: bucket and slot as one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(u32);

impl At {
    fn new(bucket: usize, slot: usize) -> Self {
        Self((bucket * PLACES + slot) as u32)
    }

    pub(crate) fn from_place(place: u32) -> Self {
        Self(place)
    }

    /// The number, for those who keep something beside the table.
    pub(crate) fn place(self) -> u32 {
        self.0
    }

    pub(super) fn bucket(self) -> usize {
        self.0 as usize / PLACES
    }

    pub(super) fn slot(self) -> usize {
        self.0 as usize % PLACES
    }
}

/// Places a bucket: its slots and one that is never used, so that no division is needed.
const PLACES: usize = 8;

/// More buckets than this a table cannot number.
const MOST_BUCKETS: usize = u32::MAX as usize / PLACES;

/// Where the entries of a table went when it was rebuilt.
pub(crate) struct Moves {
    /// By old place; `NOBODY` where nobody was.
    to: Box<[u32]>,
}

const NOBODY: u32 = u32::MAX;

impl Moves {
    fn of(buckets: usize) -> Self {
        Self { to: vec![NOBODY; buckets * PLACES].into() }
    }

    /// Where the entry at `place` is now.
    pub(crate) fn to(&self, place: u32) -> Option<u32> {
        self.to.get(place as usize).copied().filter(|&to| to != NOBODY)
    }
}

/// The same where entries come and go all the time. An entry that found its home full stays away from
/// home for the rest of its life, although its home has room again soon, and everybody who passes
/// there goes on looking: at a load of 0.8 a miss would look into 20 buckets in the end, at 0.6 into
/// 1.7, at 0.5 into 1.2, and whether it has to look into a second one is easier to predict.
const CHURN_LOAD: (usize, usize) = (1, 2);

/// Tables of fewer than four times this many buckets are not worth shrinking.
const SPARE: usize = if crate::sync::MODELLED { 1 } else { 16 };

/// Of seven slots a bucket, how many may be in use on average: load 0.8.
const LOAD: (usize, usize) = (4, 5);

impl<K, V: 'static> Table<K, V> {
    #[cfg(not(any(caskade_loom, caskade_shuttle)))]
    pub(super) fn new(count: usize) -> Self {
        use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
        assert!(count > 0 && count <= MOST_BUCKETS, "a table of {count} buckets");
        let layout = Layout::array::<Bucket<K, V>>(count).expect("a table fits the address space");
        // SAFETY: the layout has a size: a bucket takes 64 bytes and there is at least one.
        let memory = unsafe { alloc_zeroed(layout) }.cast::<Bucket<K, V>>();
        if memory.is_null() {
            handle_alloc_error(layout);
        }
        let buckets = std::ptr::slice_from_raw_parts_mut(memory, count);
        // SAFETY: the memory has the layout of this slice, came from the global allocator, and all
        // zeros is a valid bucket: no tags, no overflow, null pointers.
        let buckets = unsafe { Box::from_raw(buckets) };
        Self { buckets, capacity: Self::capacity_of(count), canary: Canary::new() }
    }

    #[cfg(any(caskade_loom, caskade_shuttle))]
    pub(super) fn new(count: usize) -> Self {
        let buckets = (0..count).map(|_| Bucket::empty()).collect();
        Self { buckets, capacity: Self::capacity_of(count), canary: Canary::new() }
    }

    /// The node at `at`, null if nobody is there or there is no such place.
    #[inline]
    pub(super) fn node(&self, at: At) -> *mut Node<K, V> {
        match self.buckets.get(at.bucket()) {
            Some(bucket) if at.slot() < SLOTS => bucket.node(at.slot()),
            _ => std::ptr::null_mut(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.len() * size_of::<Bucket<K, V>>()
    }

    /// Starts loading the bucket of `at`.
    #[inline]
    pub(super) fn prefetch_bucket(&self, at: At) {
        prefetch(self.buckets.as_ptr().wrapping_add(at.bucket()));
    }

    /// Moves for an empty table's worth of places.
    pub(super) fn no_moves(&self) -> Moves {
        Moves::of(self.len())
    }

    /// Whether there is no room for more than these `entries`, or so many buckets lie between them
    /// and their homes that a larger table would help. It does not if keys cannot be told apart by
    /// their hashes.
    #[inline]
    pub(super) fn is_full(&self, entries: usize, displaced: usize) -> bool {
        let is_crowded = || displaced > 16 + entries / 4 && entries > self.capacity / 4 * 3;
        entries >= self.capacity || is_crowded()
    }

    /// Whether a smaller table should take this one's place for `entries`.
    pub(super) fn is_spacious_for(&self, entries: usize) -> bool {
        self.len() >= 4 * SPARE && self.capacity() / 8 > entries
    }

    pub(super) fn slots(&self) -> usize {
        self.len() * SLOTS
    }

    fn capacity_of(buckets: usize) -> usize {
        buckets * SLOTS * LOAD.0 / LOAD.1
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many buckets `entries` need.
    pub(super) fn buckets_for(entries: usize) -> usize {
        (entries * LOAD.1).div_ceil(SLOTS * LOAD.0).max(1)
    }

    /// How many buckets `entries` need that come and go without end.
    pub(super) fn buckets_for_churn(entries: usize) -> usize {
        (entries * CHURN_LOAD.1).div_ceil(SLOTS * CHURN_LOAD.0).max(1)
    }

    #[inline(always)]
    fn after(&self, bucket: usize) -> usize {
        if bucket + 1 == self.len() { 0 } else { bucket + 1 }
    }

    /// Notes where the buckets lie, for `prefetch_described`.
    pub(super) fn describe(&self, buckets: &Tally, count: &Tally) {
        buckets.set(self.buckets.as_ptr().addr() as u64);
        count.set(self.len() as u64);
    }

    /// Starts loading the home bucket of `hash` in a table that `describe` has noted, which may be
    /// gone: a prefetch reads nothing.
    #[inline(always)]
    pub(super) fn prefetch_described(buckets: &Tally, count: &Tally, hash: u64) {
        let home = hash::home(hash::low(hash), count.get() as usize);
        let buckets = std::ptr::without_provenance::<Bucket<K, V>>(buckets.get() as usize);
        prefetch(buckets.wrapping_add(home));
    }

    #[inline(always)]
    fn home(&self, hash: Low) -> &Bucket<K, V> {
        &self.buckets[hash::home(hash, self.len())]
    }

    /// Recounts tags and overflow counts from the nodes. Returns how many nodes there are, and how
    /// many buckets lie between them and their homes.
    ///
    /// # Safety
    ///
    /// The caller holds the stripe lock.
    ///
    /// # Panics
    ///
    /// If something does not add up.
    pub(super) unsafe fn validate(&self) -> (usize, usize) {
        let mut passed = vec![0; self.len()];
        let mut nodes = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            for slot in 0..SLOTS {
                let node = bucket.node(slot);
                let tag = bucket.meta().tag(slot);
                // SAFETY: a pointer in a slot is null or a node's, alive under the lock [R2].
                let Some(node) = (unsafe { node.as_ref() }) else {
                    assert_eq!(tag, 0, "an empty slot has a tag");
                    continue;
                };
                nodes += 1;
                assert_eq!(tag, hash::tag(node.low_hash()), "a node has another tag");
                let mut on_the_way = hash::home(node.low_hash(), self.len());
                while on_the_way != index {
                    passed[on_the_way] += 1;
                    on_the_way = self.after(on_the_way);
                }
                // SAFETY: the lock is held.
                let found =
                    unsafe { self.find(node.low_hash(), |other| std::ptr::eq(other, node)) };
                let at = found.map(|(at, _)| at);
                assert_eq!(at, Some(At::new(index, slot)), "[R6] a node cannot be found");
            }
        }
        let displaced = passed.iter().sum::<u64>();
        for (bucket, passed) in self.buckets.iter().zip(passed) {
            assert!(bucket.meta().overflow_is(passed), "[R6] an overflow count is wrong");
        }
        (nodes, displaced as usize)
    }

    /// Starts loading the bucket where a look-up begins.
    #[inline(always)]
    pub(super) fn prefetch_home(&self, hash: Low) {
        prefetch(self.home(hash));
    }

    /// Starts loading the node that a look-up most likely ends at, and returns it. Null if the
    /// home bucket has none.
    #[inline(always)]
    pub(super) fn likely(&self, hash: Low) -> *mut Node<K, V> {
        let home = self.home(hash);
        let slot = home.meta().matches(hash::tag(hash)).next();
        let node = slot.map_or(std::ptr::null_mut(), |slot| home.node(slot));
        prefetch(node);
        node
    }

    /// Finds the node that satisfies `is_it`, among those with this hash's tag.
    ///
    /// # Safety
    ///
    /// Nodes of this table must not be dropped during the call: the caller holds a guard taken
    /// before the table was found (R1), or the stripe lock (R2).
    #[inline(always)]
    pub(super) unsafe fn find(
        &self,
        hash: Low,
        mut is_it: impl FnMut(&Node<K, V>) -> bool,
    ) -> Option<(At, *mut Node<K, V>)> {
        self.canary.observe();
        let tag = hash::tag(hash);
        let mut bucket = hash::home(hash, self.len());
        let mut left = self.len();
        loop {
            let here = &self.buckets[bucket];
            let meta = here.meta();
            for slot in meta.matches(tag) {
                let node = here.node(slot);
                // SAFETY: a pointer in a slot is null or a node's, alive by the caller's promise.
                if unsafe { node.as_ref() }.is_some_and(&mut is_it) {
                    return Some((At::new(bucket, slot), node));
                }
            }
            left -= 1;
            if meta.ends_probe() || left == 0 {
                return None;
            }
            bucket = self.after(bucket);
        }
    }

    /// Publishes `node`, whose key must be absent. Says how many buckets lie between it and its
    /// home. For holders of the stripe lock.
    pub(super) fn publish(&self, node: Box<Node<K, V>>) -> (At, usize) {
        let hash = node.low_hash();
        self.place(hash, Box::into_raw(node))
    }

    fn place(&self, hash: Low, node: *mut Node<K, V>) -> (At, usize) {
        let mut bucket = hash::home(hash, self.len());
        let mut passed = 0;
        loop {
            let here = &self.buckets[bucket];
            if let Some(slot) = here.meta().vacant() {
                here.publish(slot, hash::tag(hash), node);
                return (At::new(bucket, slot), passed);
            }
            // [R6] raised before the tag is set, so that nobody who could find the key misses it.
            here.raise_overflow();
            passed += 1;
            bucket = self.after(bucket);
        }
    }

    /// Unlinks the node at `at`, where there is one. Says how many buckets lay between it and its
    /// home.
    ///
    /// # Safety
    ///
    /// The caller holds the stripe lock.
    #[inline]
    pub(super) unsafe fn unlink(&self, at: At) -> (*mut Node<K, V>, usize) {
        let node = self.buckets[at.bucket()].unlink(at.slot());
        // SAFETY: the lock is held, so what was in the slot until now is alive [R2].
        let hash = unsafe { node.as_ref() }.expect("an occupied place").low_hash();
        let mut passed = 0;
        // [R6] lowered after the slot is empty: until then the probe must get here.
        let mut bucket = hash::home(hash, self.len());
        while bucket != at.bucket() {
            self.buckets[bucket].lower_overflow();
            passed += 1;
            bucket = self.after(bucket);
        }
        (node, passed)
    }

    /// Fills this table, which nobody else sees yet, with the nodes of `old`, and notes in `moves`
    /// where they went. Says how many buckets lie between them and their homes.
    ///
    /// # Safety
    ///
    /// The caller holds the stripe lock and `old` is the stripe's table, so its nodes are alive.
    pub(super) unsafe fn fill_from(&self, old: &Self, mut moves: Option<&mut Moves>) -> usize {
        let mut displaced = 0;
        const AHEAD: usize = 4;
        for index in 0..old.len() {
            if let Some(soon) = old.buckets.get(index + AHEAD) {
                soon.nodes().for_each(|node| prefetch(node));
            }
            for slot in old.buckets[index].meta().occupied() {
                let node = old.buckets[index].node(slot);
                // SAFETY: under the lock every tagged slot of the current table has a node, and it
                // is alive [R2].
                let hash = unsafe { (*node).low_hash() };
                let (at, passed) = self.place(hash, node);
                displaced += passed;
                if let Some(moves) = &mut moves {
                    moves.to[At::new(index, slot).0 as usize] = at.0;
                }
            }
        }
        displaced
    }
}

impl<K, V> Drop for Table<K, V> {
    fn drop(&mut self) {
        self.canary.destroy();
    }
}

impl<K, V> Table<K, V> {
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    pub(super) fn bucket(&self, index: usize) -> &Bucket<K, V> {
        &self.buckets[index]
    }

    /// All places where somebody is.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        let slots = |(index, bucket): (usize, &Bucket<K, V>)| {
            bucket.meta().occupied().map(move |slot| At::new(index, slot).0)
        };
        self.buckets.iter().enumerate().flat_map(slots)
    }

    /// All nodes of the table.
    pub(super) fn nodes(&self) -> impl Iterator<Item = *mut Node<K, V>> {
        self.buckets.iter().flat_map(Bucket::nodes)
    }
}

impl<K, V> Bucket<K, V> {
    /// The nodes of this bucket's slots.
    pub(super) fn nodes(&self) -> impl Iterator<Item = *mut Node<K, V>> {
        self.meta().occupied().map(|slot| self.node(slot)).filter(|node| !node.is_null())
    }
}
