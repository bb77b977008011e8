//! The way that stays right with the least code: the cache asks for what it does not have.

use rusqlite::{Error, OptionalExtension};

use crate::cached::Cached;
use crate::database::{Account, AccountId, Changed, Database, Snapshot};
use crate::repository::{Accounts, Repository, Step, Watch};

/// Has the cache load what is absent. Writes as [`Cached`] does.
pub(crate) struct Loading<'a> {
    written: Cached<'a>,
    database: &'a Database,
    watch: &'a dyn Watch,
}

impl<'a> Loading<'a> {
    pub(crate) fn new(written: Cached<'a>, database: &'a Database, watch: &'a dyn Watch) -> Self {
        Self { written, database, watch }
    }

    /// A row that does not exist is an error here, so that nothing is stored.
    fn read(&self, snapshot: &Snapshot<'_>, id: AccountId) -> rusqlite::Result<Account> {
        let account = snapshot.account(id)?.ok_or(Error::QueryReturnedNoRows)?;
        self.watch.at(Step::Read);
        Ok(account)
    }
}

impl Repository for Loading<'_> {
    fn get(&self, id: AccountId) -> rusqlite::Result<Option<Account>> {
        let load = |id: &AccountId| self.read(&self.database.snapshot()?, *id);
        self.cache().try_get_or_load(&id, load).optional()
    }

    /// The snapshot begins within the load, so it needs no mark.
    fn find(&self, ids: &[AccountId]) -> rusqlite::Result<Vec<Option<Account>>> {
        self.cache().try_get_many_or_load(ids, |missing| {
            let snapshot = self.database.snapshot()?;
            let read = |id: AccountId| {
                let account = self.read(&snapshot, id).optional();
                account.map(|found| found.map(|account| (id, account))).transpose()
            };
            missing.iter().filter_map(|id| read(**id)).collect::<rusqlite::Result<Vec<_>>>()
        })
    }

    fn transfer(
        &self,
        from: AccountId,
        to: AccountId,
        amount: i64,
    ) -> rusqlite::Result<Option<Changed>> {
        self.written.transfer(from, to, amount)
    }

    fn cache(&self) -> &Accounts {
        self.written.cache()
    }
}
