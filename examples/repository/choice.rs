//! The repositories there are to choose from.

use crate::cached::{Cached, Visible};
use crate::database::Database;
use crate::loading::Loading;
use crate::naive::Naive;
use crate::repository::{Accounts, Repository, Watch};

/// How a repository keeps its cache in step with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Naive,
    /// Tokens and marks; writers collect their invalidations in a transaction.
    Transaction,
    /// The same, with a fence around each commit.
    Fence,
    /// Loaders instead of tokens and marks.
    Loader,
}

impl Choice {
    pub(crate) const ALL: [Self; 4] = [Self::Naive, Self::Transaction, Self::Fence, Self::Loader];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Transaction => "transaction",
            Self::Fence => "fence",
            Self::Loader => "loader",
        }
    }

    pub(crate) fn open<'a>(
        self,
        cache: Accounts,
        database: &'a Database,
        watch: &'a dyn Watch,
    ) -> Box<dyn Repository + 'a> {
        let cached = |cache, visible| Cached::new(cache, database, visible, watch);
        match self {
            Self::Naive => Box::new(Naive::new(cache, database, watch)),
            Self::Transaction => Box::new(cached(cache, Visible::AfterTransfer)),
            Self::Fence => Box::new(cached(cache, Visible::AtCommit)),
            Self::Loader => {
                let written = cached(cache, Visible::AfterTransfer);
                Box::new(Loading::new(written, database, watch))
            }
        }
    }
}
