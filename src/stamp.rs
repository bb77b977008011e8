//! [`Cas`], the version stamp, and the source it is drawn from.

use std::fmt;
use std::num::NonZeroU64;

/// An opaque version stamp.
///
/// Every write gives its entry a stamp that no other write of the same cache ever had. Two stamps
/// can be compared for equality and nothing else: they carry no order and no arithmetic, and a
/// stamp of one cache means nothing to another (a cache starts its stamps at a random place, so a
/// foreign stamp is refused unless chance makes two 62-bit numbers meet).
///
/// The token that [`get_and_lock`](crate::Cache::get_and_lock) hands out is a `Cas` as well, drawn
/// from the same source, so a token can never be mistaken for a version.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// let first = cache.insert("k", 1)?;
/// let second = cache.insert("k", 1)?;
/// assert_ne!(first, second); // the same value, another version
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Cas(NonZeroU64);

impl Cas {
    /// The stamp as a number below 2^63, to be carried through a wire or a file. It means something
    /// as long as the cache lives.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Cas};
    ///
    /// let cache = Cache::new();
    /// let seen = cache.insert("k", 1)?;
    /// assert_eq!(Cas::try_from(seen.to_u64())?, seen);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_u64(self) -> u64 {
        self.0.get()
    }

    /// The stamp of an entry, as its node keeps it. Never zero; this form costs no instruction.
    #[inline(always)]
    pub(crate) fn from_stamp(stamp: u64) -> Option<Self> {
        NonZeroU64::new(stamp).map(Self)
    }

    /// A stamp the source handed out; those are never zero.
    pub(crate) fn issued(stamp: u64) -> Self {
        debug_assert!(stamp != 0 && stamp != u64::MAX, "the source never issues {stamp}");
        Self(NonZeroU64::new(stamp).unwrap_or(NonZeroU64::MIN))
    }
}

impl fmt::Debug for Cas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cas({:#x})", self.0)
    }
}

impl TryFrom<u64> for Cas {
    type Error = InvalidCas;

    /// Takes back a number that [`Cas::to_u64`] gave out.
    ///
    /// # Errors
    ///
    /// [`InvalidCas`] for zero and for all ones, which protocols use as marks and no entry ever
    /// carries. Any other number is accepted here and refused by the operation it is used in,
    /// unless it is the entry's stamp.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Cas};
    ///
    /// let cache = Cache::new();
    /// let tag = cache.insert("page", 1)?.to_u64().to_string(); // leaves as an ETag, say
    ///
    /// let seen = Cas::try_from(tag.parse::<u64>()?)?; // and comes back
    /// cache.compare_and_swap("page", seen, 2)?;
    /// assert_eq!(cache.get("page"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_from(number: u64) -> Result<Self, InvalidCas> {
        match NonZeroU64::new(number) {
            Some(stamp) if number != u64::MAX => Ok(Self(stamp)),
            _ => Err(InvalidCas(number)),
        }
    }
}

/// The number is not one that a stamp can have: it is zero or all ones.
///
/// # Examples
///
/// ```
/// use caskade::Cas;
///
/// let error = Cas::try_from(0).unwrap_err();
/// assert_eq!(error.to_string(), "0x0 is not a version stamp");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCas(u64);

impl fmt::Display for InvalidCas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} is not a version stamp", self.0)
    }
}

impl std::error::Error for InvalidCas {}

/// Where the stamps of one stripe come from: a counter that only its lock holder advances.
///
/// Stripes count in steps of the stripe count from different remainders, so that a stamp is unique
/// in the whole cache and a stamp of one key never fits another. A counter never goes back, not on
/// removal and not on clear: a stamp that came again would let a stale compare-and-swap through.
#[derive(Debug)]
pub(crate) struct StampSource {
    last: u64,
    step: u32,
    /// Whether the stripe has entries with stamps that were drawn elsewhere.
    has_adopted: bool,
}

/// Stamps use the low 63 bits, so that a node can keep one bit beside them.
pub(crate) const STAMP_BITS: u32 = 63;

/// Larger stamps are not adopted: at least 2^61 must be left to draw.
#[cfg(feature = "serde")]
pub(crate) const MOST_ADOPTED: u64 = 3 << 61;

#[cfg(feature = "serde")]
pub(crate) const MOST_LEAP: u64 = 1 << 48;

impl StampSource {
    /// The source of stripe `index` of `stripes`. `seed` chooses where the cache's stamps begin;
    /// at least 2^62 of them follow.
    pub(crate) fn new(index: usize, stripes: usize, seed: u64) -> Self {
        let start = seed >> (64 - (STAMP_BITS - 1));
        let last = start - start % stripes as u64 + index as u64;
        Self {
            last,
            step: u32::try_from(stripes).expect("at most 65536 stripes"),
            has_adopted: false,
        }
    }

    /// The number of this stripe, and of how many.
    pub(crate) fn place(&self) -> (usize, usize) {
        ((self.last % u64::from(self.step)) as usize, self.step as usize)
    }

    /// Whether an entry may carry `stamp`.
    pub(crate) fn knows(&self, stamp: u64) -> bool {
        stamp <= self.last && (self.has_adopted || self.has_drawn(stamp))
    }

    /// Whether `stamp` can have been drawn here.
    pub(crate) fn has_drawn(&self, stamp: u64) -> bool {
        stamp <= self.last && (self.last - stamp) % u64::from(self.step) == 0
    }

    /// From now on the stripe may have entries with stamps up to `largest` that were drawn
    /// elsewhere, so none of those is drawn here any more. If they have not all been drawn already,
    /// the source leaps over `leap` more.
    #[cfg(feature = "serde")]
    pub(crate) fn adopt(&mut self, largest: u64, leap: u64) {
        debug_assert!(largest <= MOST_ADOPTED && leap <= MOST_LEAP);
        self.has_adopted = true;
        if self.last < largest {
            let step = u64::from(self.step);
            self.last += (largest + leap - self.last).div_ceil(step) * step;
        }
    }

    /// The next stamp: never zero, never all ones, never seen before.
    pub(crate) fn next(&mut self) -> u64 {
        self.last += u64::from(self.step);
        debug_assert!(self.last >> STAMP_BITS == 0, "2^62 stamps were drawn from one stripe");
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_never_issue_the_same_stamp() {
        for seed in [0, 1, u64::MAX] {
            let mut seen = std::collections::HashSet::new();
            for index in 0..4 {
                let mut source = StampSource::new(index, 4, seed);
                assert!((0..100).all(|_| seen.insert(source.next())));
            }
            assert!(!seen.contains(&0));
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn adopted_stamps_are_not_drawn_and_stripes_stay_apart() {
        for (largest, leap) in [(1, 0), (1000, 0), (1001, 77), (MOST_ADOPTED, MOST_LEAP)] {
            let mut seen = std::collections::HashSet::new();
            for index in 0..4 {
                let mut source = StampSource::new(index, 4, 0);
                assert!((0..50).all(|_| seen.insert(source.next())));
                assert!(!source.knows(source.last - 1));
                source.adopt(largest, leap);
                assert!(source.knows(largest) && source.place() == (index, 4));
                assert!((0..50).all(|_| seen.insert(source.next())));
                assert!(source.last > largest && source.last >> (STAMP_BITS - 1) <= 1);
                assert!(!seen.contains(&largest) || largest < 200, "{largest} was drawn");
            }
        }
    }

    #[test]
    fn marks_of_protocols_are_not_stamps() {
        assert_eq!(Cas::try_from(0), Err(InvalidCas(0)));
        assert_eq!(Cas::try_from(u64::MAX), Err(InvalidCas(u64::MAX)));
        assert_eq!(Cas::try_from(7).map(Cas::to_u64), Ok(7));
    }
}
