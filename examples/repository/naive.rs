//! The usual way, which goes stale.

use crate::database::{Account, AccountId, Changed, Database};
use crate::repository::{Accounts, Repository, Step, Watch};

/// Inserts what it has read, removes what it has changed.
pub(crate) struct Naive<'a> {
    cache: Accounts,
    database: &'a Database,
    watch: &'a dyn Watch,
}

impl<'a> Naive<'a> {
    pub(crate) fn new(cache: Accounts, database: &'a Database, watch: &'a dyn Watch) -> Self {
        Self { cache, database, watch }
    }

    /// Only a key lock could refuse this, and nobody takes one.
    fn store(&self, id: AccountId, account: Account) {
        self.watch.at(Step::Read);
        let _ = self.cache.insert(id, account);
    }
}

impl Repository for Naive<'_> {
    fn get(&self, id: AccountId) -> rusqlite::Result<Option<Account>> {
        if let Some(account) = self.cache.get(&id) {
            return Ok(Some(account));
        }
        let account = self.database.snapshot()?.account(id)?;
        if let Some(account) = account {
            self.store(id, account);
        }
        Ok(account)
    }

    fn find(&self, ids: &[AccountId]) -> rusqlite::Result<Vec<Option<Account>>> {
        let mut found = self.cache.get_many(ids);
        if found.iter().all(Option::is_some) {
            return Ok(found);
        }
        let snapshot = self.database.snapshot()?;
        for (&id, place) in ids.iter().zip(&mut found).filter(|(_, place)| place.is_none()) {
            *place = snapshot.account(id)?;
            if let Some(account) = *place {
                self.store(id, account);
            }
        }
        Ok(found)
    }

    fn transfer(
        &self,
        from: AccountId,
        to: AccountId,
        amount: i64,
    ) -> rusqlite::Result<Option<Changed>> {
        let change = self.database.change()?;
        let Some(changed) = change.transfer(from, to, amount)? else { return Ok(None) };
        self.watch.at(Step::Committing);
        change.commit()?;
        self.watch.at(Step::Committed(&changed));
        for (id, _) in changed {
            let _ = self.cache.remove(&id);
        }
        Ok(Some(changed))
    }

    fn cache(&self) -> &Accounts {
        &self.cache
    }
}
