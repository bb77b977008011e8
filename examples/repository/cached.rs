//! The way that stays right: what is stored carries proof of when it was read.

use std::time::Duration;

use caskade::Lookup;

use crate::database::{Account, AccountId, Changed, Database};
use crate::repository::{Accounts, Repository, Step, Watch};

/// When everybody sees what a writer has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visible {
    /// When the writer is done. For the moment after the commit the cache still has the old rows.
    AfterTransfer,
    /// From the commit on.
    AtCommit,
}

/// Stores what it has read if nobody has changed it since, and invalidates what it has changed.
pub(crate) struct Cached<'a> {
    cache: Accounts,
    database: &'a Database,
    visible: Visible,
    watch: &'a dyn Watch,
}

/// Longer than any commit takes. A fence whose writer dies goes by itself.
pub(crate) const FENCE_TIME: Duration = Duration::from_secs(10);

impl<'a> Cached<'a> {
    pub(crate) fn new(
        cache: Accounts,
        database: &'a Database,
        visible: Visible,
        watch: &'a dyn Watch,
    ) -> Self {
        Self { cache, database, visible, watch }
    }
}

impl Repository for Cached<'_> {
    /// The row is read after the look-up, so the look-up's token tells whether it is out of date.
    fn get(&self, id: AccountId) -> rusqlite::Result<Option<Account>> {
        let token = match self.cache.lookup(&id) {
            Lookup::Hit(account) | Lookup::Stale(account, None) => {
                return Ok(Some(account.into_value()));
            }
            Lookup::Stale(_, Some(token)) | Lookup::Miss(token) => token,
        };
        let account = self.database.snapshot()?.account(id)?;
        if let Some(account) = account {
            self.watch.at(Step::Read);
            // If it is refused, it was right when it was read, and is right for this caller.
            let _ = self.cache.fill(token, id, account);
        }
        Ok(account)
    }

    /// All rows are read in one snapshot, which shows them as they were when it began. So a mark is
    /// made before that; a token would come too late.
    fn find(&self, ids: &[AccountId]) -> rusqlite::Result<Vec<Option<Account>>> {
        let mut found = self.cache.get_many(ids);
        if found.iter().all(Option::is_some) {
            return Ok(found);
        }
        let mark = self.cache.mark();
        let snapshot = self.database.snapshot()?;
        for (&id, place) in ids.iter().zip(&mut found).filter(|(_, place)| place.is_none()) {
            *place = snapshot.account(id)?;
            if let Some(account) = *place {
                self.watch.at(Step::Read);
                let _ = self.cache.fill_since(&mark, id, account);
            }
        }
        Ok(found)
    }

    /// An early return drops `changes`, which then take effect: too much at worst.
    fn transfer(
        &self,
        from: AccountId,
        to: AccountId,
        amount: i64,
    ) -> rusqlite::Result<Option<Changed>> {
        let change = self.database.change()?;
        let mut changes = self.cache.transaction();
        changes.invalidate(from);
        changes.invalidate(to);
        let Some(changed) = change.transfer(from, to, amount)? else {
            changes.rollback();
            return Ok(None);
        };
        let fence = match self.visible {
            Visible::AfterTransfer => None,
            Visible::AtCommit => Some(self.cache.fence([&from, &to], FENCE_TIME)),
        };
        self.watch.at(Step::Committing);
        change.commit()?;
        self.watch.at(Step::Committed(&changed));
        // Beside the fence as well: it may have lapsed, and let old rows in, before the commit.
        changes.commit();
        drop(fence);
        Ok(Some(changed))
    }

    fn cache(&self) -> &Accounts {
        &self.cache
    }
}
