//! What a service asks of its accounts, and how it can be watched while it answers.

use caskade::Cache;

use crate::database::{Account, AccountId, Changed};

/// The cache of a repository.
pub(crate) type Accounts = Cache<AccountId, Account>;

/// Accounts, as the rest of a service sees them.
pub(crate) trait Repository: Sync {
    /// The account, if there is one.
    fn get(&self, id: AccountId) -> rusqlite::Result<Option<Account>>;

    /// Those of `ids` that there are, each in its place.
    fn find(&self, ids: &[AccountId]) -> rusqlite::Result<Vec<Option<Account>>>;

    /// Moves `amount` from one account to another, and returns both as they are then. Returns `None`,
    /// and changes nothing, if there is not as much or one of them does not exist.
    fn transfer(
        &self,
        from: AccountId,
        to: AccountId,
        amount: i64,
    ) -> rusqlite::Result<Option<Changed>>;

    /// For the audit.
    fn cache(&self) -> &Accounts;
}

/// A moment at which it matters what the other threads do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'s> {
    /// A row has been read, and the cache does not know of it.
    Read,
    /// A change is about to be committed.
    Committing,
    /// A change has been committed, and the cache does not know of it.
    Committed(&'s Changed),
}

/// Whoever wants to know of the steps, or to stop at one.
pub(crate) trait Watch: Sync {
    fn at(&self, step: Step<'_>);
}
