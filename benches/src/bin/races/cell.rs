//! [`Cell`]: how a race ended, and [`Findings`]: how it ended for every call that could run in it.

use std::fmt;

/// How a race ended, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    /// As it should.
    Safe,
    /// As it should, but somebody had to wait for user code of somebody else.
    Blocks,
    /// The cache kept, or handed to somebody who came later, what had been invalidated.
    Stale,
    /// A write that had returned was undone.
    Lost,
    /// Half of a change could be seen.
    Torn,
    /// Later calls panicked.
    Poisoned,
    /// A call did not return although it had nothing to wait for any more.
    Hangs,
    /// The process died.
    Aborts,
}

impl Cell {
    const ALL: [Self; 8] = [
        Self::Safe,
        Self::Blocks,
        Self::Stale,
        Self::Lost,
        Self::Torn,
        Self::Poisoned,
        Self::Hangs,
        Self::Aborts,
    ];

    /// Faults are in capitals, so that they stand out.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Blocks => "blocks",
            Self::Stale => "STALE",
            Self::Lost => "LOST",
            Self::Torn => "TORN",
            Self::Poisoned => "POISONED",
            Self::Hangs => "HANGS",
            Self::Aborts => "ABORTS",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cell| cell.name() == name)
    }
}

/// How one race ended for one subject: a cell for each of the calls that could run in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<(String, Cell)>);

impl Findings {
    /// The worst, which is what the table shows; nothing if the subject has no such call.
    pub(crate) fn worst(&self) -> Option<Cell> {
        self.0.iter().map(|(_, cell)| *cell).max()
    }

    /// Whether calls that should do the same ended differently.
    pub(crate) fn differ(&self) -> bool {
        self.0.windows(2).any(|pair| pair[0].1 != pair[1].1)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.worst().map_or("n/a", Cell::name))
    }
}
