//! Splits one 64-bit hash into the parts the table needs.
//!
//! ```text
//!  63 ........ 48 | 47 .. 32 | 31 ........ 7 | 6 ... 0
//!  stripe (top)   |  unused  |  home bucket  |   tag
//! ```
//!
//! The parts must not overlap, or keys of one stripe would crowd into few buckets. Within a stripe
//! the low half is enough, and a node keeps no more of it. Only a stripe of more than 2^25 buckets
//! lets its home use bits of the tag, which then tells a little less. A hasher that
//! leaves its entropy in few bits (an identity hash of small numbers, say) is mixed first.

/// Upper limit of the stripe count: the stripe index takes the top 16 bits.
pub(crate) const MAX_STRIPES: usize = 1 << 16;

/// A random number, for stamps to begin with: so that a stamp of another cache is refused.
pub(crate) fn random() -> u64 {
    if crate::sync::MODELLED { 0 } else { ahash::RandomState::new().hash_one(0u8) }
}

/// Spreads the hasher's bits over all 64. A multiplication by an odd constant moves low bits up,
/// the shift brings the mixed half down to the bits that choose the bucket.
#[inline]
pub(crate) fn spread(hash: u64) -> u64 {
    let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 32)
}

/// The stripe of `hash` among `1 << bits` stripes.
#[inline]
pub(crate) fn stripe(hash: u64, bits: u32) -> usize {
    // A shift by 64 is not defined, so one stripe needs the two-step form.
    ((hash >> 1) >> (63 - bits)) as usize
}

/// The part of a hash that matters within a stripe.
pub(crate) type Low = u32;

/// The low half of `hash`.
#[inline]
pub(crate) fn low(hash: u64) -> Low {
    hash as Low
}

/// Seven bits of the hash with the top bit set: never zero, because zero marks an empty slot.
#[inline]
pub(crate) fn tag(hash: Low) -> u8 {
    hash as u8 | 0x80
}

/// The home bucket of `hash` among `count` buckets, for any count below 2^32.
#[inline]
pub(crate) fn home(hash: Low, count: usize) -> usize {
    ((u64::from(hash) * count as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequential_hashes_spread_over_stripes_and_buckets() {
        let mut stripes = [0; 64];
        let mut buckets = [0; 64];
        for n in 0..64_000u64 {
            let hash = spread(n);
            stripes[stripe(hash, 6)] += 1;
            buckets[home(low(hash), 64)] += 1;
        }
        for count in stripes.into_iter().chain(buckets) {
            assert!((500..2000).contains(&count), "{count} of 1000 expected");
        }
    }

    #[test]
    fn parts_stay_in_range() {
        for hash in [0, 1, u64::MAX, 0x8000_0000_0000_0000] {
            assert_eq!(stripe(hash, 0), 0);
            assert!(stripe(hash, 16) < MAX_STRIPES);
            assert!(home(low(hash), 5) < 5);
            assert!(tag(low(hash)) >= 0x80);
        }
    }
}
