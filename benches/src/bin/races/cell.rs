//! [`Cell`]: how a race ended, and [`Findings`]: how it ended for every call that could run in it.

use std::fmt;

/// How a race ended, from best to worst; [`Cell::meaning`] says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    Safe,
    Timed,
    Blocks,
    Stale,
    Lost,
    Torn,
    Poisoned,
    Hangs,
    Aborts,
}

impl Cell {
    /// All of them, from best to worst.
    pub(crate) const ALL: [Self; 9] = [
        Self::Safe,
        Self::Timed,
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
            Self::Timed => "timed",
            Self::Blocks => "blocks",
            Self::Stale => "STALE",
            Self::Lost => "LOST",
            Self::Torn => "TORN",
            Self::Poisoned => "POISONED",
            Self::Hangs => "HANGS",
            Self::Aborts => "ABORTS",
        }
    }

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Safe => "as it should be",
            Self::Timed => "as it should be, once the cache's time limit for loads is over",
            Self::Blocks => "as it should be, but a writer waits for somebody's loader or closure",
            Self::Stale => "what was invalidated is kept, or handed to somebody who came later",
            Self::Lost => "a write that had returned is undone",
            Self::Torn => "half of a change can be seen",
            Self::Poisoned => "later calls panic",
            Self::Hangs => "a call does not return although it has nothing to wait for",
            Self::Aborts => "the process dies",
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
