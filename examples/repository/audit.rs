//! The comparison of the cache with the database, while nobody works.

use std::collections::HashMap;
use std::fmt;

use crate::database::{Account, AccountId, Database};
use crate::repository::Accounts;

/// An entry that is not what its row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) id: AccountId,
    pub(crate) cached: Account,
    /// `None` if there is no such row.
    pub(crate) row: Option<Account>,
}

/// Compares every entry with its row. An account that is not in the cache makes no difference.
pub(crate) fn audit(cache: &Accounts, database: &Database) -> rusqlite::Result<Vec<Difference>> {
    let rows: HashMap<_, _> = database.accounts()?.into_iter().collect();
    let entries = cache.iter().map(|(id, account)| (id, account.into_value()));
    let differences = entries.filter_map(|(id, cached)| {
        let row = rows.get(&id).copied();
        (row != Some(cached)).then_some(Difference { id, cached, row })
    });
    Ok(differences.collect())
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, cached, row } = self;
        write!(f, "account {id}: {cached} in the cache, ")?;
        match row {
            Some(row) => write!(f, "{row} in the database"),
            None => f.write_str("none in the database"),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at revision {}", self.balance, self.revision)
    }
}
