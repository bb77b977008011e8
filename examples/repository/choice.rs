//! The repositories there are to choose from.

use crate::cached::{Cached, Visible};
use crate::database::Database;
use crate::naive::Naive;
use crate::repository::{Accounts, Repository, Watch};

/// How a repository keeps its cache in step with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Naive,
    Transaction,
    Fence,
}

impl Choice {
    pub(crate) const ALL: [Self; 3] = [Self::Naive, Self::Transaction, Self::Fence];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Transaction => "transaction",
            Self::Fence => "fence",
        }
    }

    pub(crate) fn open<'a>(
        self,
        cache: Accounts,
        database: &'a Database,
        watch: &'a dyn Watch,
    ) -> Box<dyn Repository + 'a> {
        let cached = |cache, visible| Box::new(Cached::new(cache, database, visible, watch));
        match self {
            Self::Naive => Box::new(Naive::new(cache, database, watch)),
            Self::Transaction => cached(cache, Visible::AfterTransfer),
            Self::Fence => cached(cache, Visible::AtCommit),
        }
    }
}
