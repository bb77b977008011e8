//! Locks, as Couchbase has them.

use std::time::Duration;

use super::Store;
use crate::bytes::error::{Reason, StoreError};
use crate::bytes::item::Item;
use crate::bytes::requests::Locked;
use crate::epoch;
use crate::error::{LockError, UnlockError};
use crate::stamp::Cas;

impl Store {
    /// Locks the item for `time`. Zero, and more than the store allows, stand for the default.
    ///
    /// Others read the item meanwhile, without its stamp, and cannot write it. The lock opens when
    /// the holder stores or removes with the token, when it [unlocks](Self::unlock), and by itself when
    /// its time is over. The item's own stamp stays.
    ///
    /// # Errors
    ///
    /// * [`Reason::BadKey`], [`Reason::Absent`].
    /// * [`Reason::Locked`]: somebody else has locked it.
    /// * [`Reason::Reentrant`]: called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{LOCKED, Store};
    /// use std::time::Duration;
    ///
    /// let store = Store::new();
    /// store.set("k", "old", 0, 0)?;
    /// let held = store.get_and_lock("k", Duration::from_secs(5))?;
    /// assert!(store.set("k", "other", 0, 0).is_err());
    /// assert_eq!(store.get("k")?.map(|hit| hit.cas), Some(LOCKED));
    /// store.cas("k", "new", 0, 0, held.token)?; // and unlocks
    /// store.set("k", "other", 0, 0)?;
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn get_and_lock(
        &self,
        key: impl AsRef<[u8]>,
        time: Duration,
    ) -> Result<Locked, StoreError> {
        let key = self.check(key.as_ref())?;
        let guard = epoch::pin();
        let store = self.inner.cache.store();
        let time = if time > store.settings().max_lock_time { Duration::ZERO } else { time };
        let locked = store.lock(key, time, &guard).map_err(|error| match error {
            LockError::Absent => Reason::Absent,
            LockError::Locked { remaining } => Reason::Locked { remaining },
            _ => Reason::Reentrant,
        })?;
        let item: &Item = &locked.value;
        item.note_use(self.second());
        Ok(Locked {
            value: item.value.clone(),
            flags: item.flags,
            token: locked.token.to_u64(),
            remaining: locked.deadline.since(store.time().now()),
        })
    }

    /// Opens the lock that `token` was given for.
    ///
    /// # Errors
    ///
    /// * [`Reason::BadKey`], [`Reason::Absent`].
    /// * [`Reason::NotLocked`]: nobody has locked the item, or not any more.
    /// * [`Reason::Locked`]: it is locked with another token.
    /// * [`Reason::Reentrant`]: called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Reason, Store};
    /// use std::time::Duration;
    ///
    /// let store = Store::new();
    /// let cas = store.set("k", "value", 0, 0)?;
    /// let held = store.get_and_lock("k", Duration::ZERO)?;
    /// store.unlock("k", held.token)?;
    /// assert_eq!(store.get("k")?.map(|hit| hit.cas), Some(cas));
    /// assert_eq!(store.unlock("k", held.token).unwrap_err().reason(), Reason::NotLocked);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn unlock(&self, key: impl AsRef<[u8]>, token: u64) -> Result<(), StoreError> {
        let key = self.check(key.as_ref())?;
        // A number that is no stamp opens nothing, as any other that is not the token.
        let token = Cas::try_from(token).unwrap_or(Cas::issued(1));
        self.inner.cache.store().unlock(key, token).map_err(|error| {
            StoreError::from(match error {
                UnlockError::Absent => Reason::Absent,
                UnlockError::NotLocked => Reason::NotLocked,
                UnlockError::WrongToken { remaining } => Reason::Locked { remaining },
                _ => Reason::Reentrant,
            })
        })
    }
}
