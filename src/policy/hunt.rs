//! The search for one victim, and how long it may take.

use crate::usage::MOST_USES;

use super::Place;

/// After so many entries that were spared for their uses, one use more is no longer a reason.
const PATIENCE: u64 = 64;

pub(super) struct Hunt {
    /// Never chosen.
    pub(super) except: Option<Place>,
    /// Entries of the main queue that were spared so far.
    spared: u64,
    patience: u64,
    entries: u64,
}

impl Hunt {
    /// A search among so many entries.
    #[inline]
    pub(super) fn new(except: Option<Place>, entries: u64) -> Self {
        Self { except, spared: 0, patience: entries.clamp(1, PATIENCE), entries }
    }

    #[inline]
    pub(super) fn spare(&mut self) {
        self.spared += 1;
    }

    /// Whether so many uses still save an entry.
    #[inline]
    pub(super) fn respects(&self, uses: u8) -> bool {
        u64::from(uses) * self.patience > self.spared
    }

    /// Whether every entry of the main queue has been refused for other reasons than its uses.
    #[inline]
    pub(super) fn is_through(&self) -> bool {
        self.spared >= self.patience * u64::from(MOST_USES) + self.entries
    }

    /// After so many looks at entries somebody has been found: each in the small queue is judged once,
    /// and the main queue until the hunt is through, then once more for who is never chosen.
    #[inline]
    pub(super) fn most_looks(&self) -> u64 {
        2 * self.entries + PATIENCE * u64::from(MOST_USES) + 2
    }

    /// Whether the hand should stop where it is, if all that matters is a look ahead.
    #[inline]
    pub(super) fn is_tired(&self) -> bool {
        self.spared >= self.patience
    }
}
