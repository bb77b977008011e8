//! What the caches hold: a row of the database that nobody keeps.

/// A row whose two halves always change together. One that has only half of a change is torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) left: u64,
    pub(crate) right: u64,
}

impl Row {
    pub(crate) const fn of(content: u64) -> Self {
        Self { left: content, right: content }
    }

    pub(crate) fn is_torn(self) -> bool {
        self.left != self.right
    }

    /// Adds `amount` to both halves.
    pub(crate) fn add(&mut self, amount: u64) {
        self.left += amount;
        self.right += amount;
    }
}

/// What was committed before the race.
pub(crate) const OLD: Row = Row::of(1);

/// What the writer of the race commits.
pub(crate) const NEW: Row = Row::of(2);

/// The key that everything is about.
pub(crate) const KEY: u64 = 7;
