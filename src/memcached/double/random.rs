//! Numbers that are the same for the same seed.

/// SplitMix64, which is good for any seed.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True in this share of all cases.
    pub(super) fn is_lucky(&mut self, probability: f64) -> bool {
        // 53 bits are what a float can tell apart.
        let drawn = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        drawn < probability
    }

    /// A number up to `most`.
    pub(super) fn up_to(&mut self, most: u64) -> u64 {
        let drawn = (u128::from(self.next()) * (u128::from(most) + 1)) >> 64;
        u64::try_from(drawn).unwrap_or(most)
    }
}
