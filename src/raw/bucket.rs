//! A bucket: seven slots and, in one word, their tags and the overflow count.
//!
//! ```text
//! meta    63 ..... 56 | 55 .. 48 | … | 15 .. 8 | 7 .. 0
//!         overflow    | tag 6    | … | tag 1   | tag 0        tag 0 means the slot is free
//! ```
//!
//! The overflow count is the number of present keys that found this bucket full and went on. It
//! ends a probe without tombstones. It saturates: a count that reached 255 stays there, which
//! costs longer probes and never a wrong answer.

use std::ptr;

use crate::sync::{AtomicPtr, AtomicU64, Ordering};

use super::node::Node;

pub(super) const SLOTS: usize = 7;

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const TAGS: u64 = 0x00ff_ffff_ffff_ffff;
const OVERFLOW_SHIFT: u32 = 56;
const OVERFLOW_STUCK: u64 = 255;

#[repr(C, align(64))]
pub(super) struct Bucket<K, V> {
    meta: AtomicU64,
    slots: [AtomicPtr<Node<K, V>>; SLOTS],
}

#[cfg(not(any(caskade_loom, caskade_shuttle)))]
const _: () = assert!(size_of::<Bucket<u64, u64>>() == 64, "a bucket is one cache line");

/// One look at a bucket's tags and overflow count.
#[derive(Clone, Copy)]
pub(super) struct Meta(u64);

impl Meta {
    /// The slots whose tag may be `tag`, and surely all whose tag is.
    ///
    /// The borrow of the subtraction can mark a byte above a true match as well; the key
    /// comparison that follows every match takes care of that.
    #[inline(always)]
    pub(super) fn matches(self, tag: u8) -> Matches {
        let difference = self.0 ^ (LOW_BITS * u64::from(tag));
        let zeros = difference.wrapping_sub(LOW_BITS) & !difference & HIGH_BITS;
        Matches(zeros & TAGS)
    }

    /// The tag of one slot.
    pub(super) fn tag(self, slot: usize) -> u8 {
        (self.0 >> (8 * slot)) as u8
    }

    /// Whether the overflow count agrees with a recount.
    pub(super) fn overflow_is(self, recounted: u64) -> bool {
        self.overflow() == recounted || self.overflow() == OVERFLOW_STUCK
    }

    /// All slots in use.
    pub(super) fn occupied(self) -> Matches {
        Matches(self.0 & HIGH_BITS & TAGS)
    }

    pub(super) fn vacant(self) -> Option<usize> {
        Matches(!self.0 & HIGH_BITS & TAGS).next()
    }

    /// Whether no present key went on from here.
    #[inline(always)]
    pub(super) fn ends_probe(self) -> bool {
        self.overflow() == 0
    }

    pub(super) fn overflow(self) -> u64 {
        self.0 >> OVERFLOW_SHIFT
    }

    fn with_tag(self, slot: usize, tag: u8) -> Self {
        let shift = 8 * slot as u32;
        Self(self.0 & !(0xff << shift) | u64::from(tag) << shift)
    }
}

/// Slot numbers, lowest first: one set bit in the byte of each.
#[derive(Clone, Copy)]
pub(super) struct Matches(u64);

impl Iterator for Matches {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() / 8;
        self.0 &= self.0 - 1;
        Some(slot as usize)
    }
}

impl<K, V> Bucket<K, V> {
    #[cfg(any(caskade_loom, caskade_shuttle))]
    pub(super) fn empty() -> Self {
        Self {
            meta: AtomicU64::new(0),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    #[inline(always)]
    pub(super) fn meta(&self) -> Meta {
        // Acquire, pairs with the Release in `set_meta` [O6]: whoever finds a key gone by its tag
        // sees what was done before it was removed.
        Meta(self.meta.load(Ordering::Acquire))
    }

    #[inline(always)]
    pub(super) fn node(&self, slot: usize) -> *mut Node<K, V> {
        // Acquire, pairs with the Release in `publish` and `replace` [O1]: whoever follows the
        // pointer sees the node's contents.
        self.slots[slot].load(Ordering::Acquire)
    }

    // What follows is for holders of the stripe lock.

    fn set_meta(&self, meta: Meta) {
        // Release, pairs with the Acquire in `meta` [O6].
        self.meta.store(meta.0, Ordering::Release);
    }

    /// Fills a vacant slot: first the tag, then the pointer, so that whoever finds no tag knows
    /// that the key was absent at that instant.
    pub(super) fn publish(&self, slot: usize, tag: u8, node: *mut Node<K, V>) {
        self.set_meta(self.meta().with_tag(slot, tag));
        // Release, pairs with the Acquire in `node` [O1].
        self.slots[slot].store(node, Ordering::Release);
    }

    /// Puts another node of the same key in a slot.
    pub(super) fn replace(&self, slot: usize, new: *mut Node<K, V>) -> *mut Node<K, V> {
        let old = self.own_node(slot);
        // Release, pairs with the Acquire in `node` [O1].
        self.slots[slot].store(new, Ordering::Release);
        old
    }

    /// Empties a slot: first the pointer, which is where the key becomes absent, then the tag.
    pub(super) fn unlink(&self, slot: usize) -> *mut Node<K, V> {
        let old = self.own_node(slot);
        // Release, pairs with the Acquire in `node` [O1]: whoever finds the slot empty sees what was
        // done before the key was removed.
        self.slots[slot].store(ptr::null_mut(), Ordering::Release);
        self.set_meta(self.meta().with_tag(slot, 0));
        old
    }

    /// The node in a slot. To exchange it takes no locked instruction.
    fn own_node(&self, slot: usize) -> *mut Node<K, V> {
        // Relaxed: only lock holders change slots, and the lock has ordered them before us.
        self.slots[slot].load(Ordering::Relaxed)
    }

    /// A key on its way to a later bucket has found this one full.
    pub(super) fn raise_overflow(&self) {
        let meta = self.meta();
        if meta.overflow() < OVERFLOW_STUCK {
            self.set_meta(Meta(meta.0 + (1 << OVERFLOW_SHIFT)));
        }
    }

    /// A key that went past this bucket is gone.
    pub(super) fn lower_overflow(&self) {
        let meta = self.meta();
        if meta.overflow() < OVERFLOW_STUCK {
            debug_assert!(meta.overflow() > 0, "[R6] an overflow count fell below zero");
            self.set_meta(Meta(meta.0 - (1 << OVERFLOW_SHIFT)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(tags: [u8; 7]) -> Meta {
        tags.into_iter().enumerate().fold(Meta(0), |meta, (slot, tag)| meta.with_tag(slot, tag))
    }

    #[test]
    fn every_equal_tag_matches() {
        let tags = [0x80, 0x81, 0x80, 0, 0xff, 0x81, 0x80];
        for tag in 0x80..=0xff {
            let found: Vec<_> = meta(tags).matches(tag).collect();
            for (slot, &present) in tags.iter().enumerate() {
                assert!(present != tag || found.contains(&slot), "slot {slot} has tag {tag:#x}");
            }
        }
    }

    #[test]
    fn the_overflow_count_is_no_tag() {
        let full = Meta(u64::MAX);
        assert_eq!(full.matches(0xff).count(), SLOTS);
        assert_eq!(full.occupied().count(), SLOTS);
        assert_eq!(full.vacant(), None);
        assert_eq!(meta([0x80, 0, 0x80, 0x80, 0, 0, 0]).vacant(), Some(1));
    }
}
