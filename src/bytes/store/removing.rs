//! Removals, and what a stale item is.

use bytes::Bytes;

use super::{Store, bare, opener};
use crate::bytes::error::{Reason, StoreError};
use crate::bytes::item::Item;
use crate::bytes::requests::Delete;
use crate::expiry::Expiry;
use crate::store::Revision;

impl Store {
    /// Removes the item.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove): above all [`Reason::Absent`].
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 0)?;
    /// store.delete("k")?;
    /// assert!(store.delete("k").is_err());
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.remove(key, Delete::default())
    }

    /// Removes the item, or makes it stale, in full: memcached's `md`.
    ///
    /// A stale item is still read by all, and one of those who read it with [`fetch`](Self::fetch) is
    /// told to fill it anew. Since its stamp is new, whoever has read it before cannot store by it.
    ///
    /// # Errors
    ///
    /// * [`Reason::BadKey`], [`Reason::Absent`].
    /// * [`Reason::Changed`]: the item has another stamp.
    /// * [`Reason::Locked`]: it is locked, and not with the stamp given.
    /// * [`Reason::Reentrant`]: called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Delete, Fetch, Role, Store};
    ///
    /// let store = Store::new();
    /// store.set("page", "old", 0, 0)?;
    /// store.remove("page", Delete { invalidate: true, touch: Some(30), ..Delete::default() })?;
    /// let page = store.fetch("page", Fetch::default())?.expect("for 30 seconds");
    /// assert_eq!((&page.hit.value[..], page.role), (&b"old"[..], Role::Won));
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn remove(&self, key: impl AsRef<[u8]>, delete: Delete) -> Result<(), StoreError> {
        let key = self.check(key.as_ref())?;
        let mut verdict = Err(Reason::Absent);
        self.revise(key, opener(delete.cas), |present| {
            let Some(present) = present else { return Revision::Remove };
            let item = present.value;
            let current = item.cas(Some(present.cas));
            if delete.cas.is_some_and(|seen| seen != current && !present.is_opened) {
                verdict = Err(Reason::Changed);
                return Revision::Keep;
            }
            verdict = Ok(());
            self.decide_delete(item, current, delete)
        })?;
        verdict.map_err(bare)
    }

    /// What becomes of an item that may be removed.
    fn decide_delete(&self, item: &Item, current: u64, delete: Delete) -> Revision<Item> {
        if !delete.invalidate && !delete.clear_value {
            return Revision::Remove;
        }
        let (mut kept, mut expiry) = if delete.clear_value {
            let empty = Item::new(Bytes::new(), delete.flags, self.second());
            (empty.with_binary_key(item.has_binary_key()), Expiry::Never)
        } else {
            (item.duplicate(), Expiry::Keep)
        };
        if let Some(exptime) = delete.touch {
            expiry = self.expiry(exptime);
        }
        kept = kept.stamped(delete.stamp);
        if delete.invalidate {
            kept = kept.without_claim().marked_stale();
        } else if kept.stamp == 0 {
            kept.stamp = current;
        }
        Revision::Put(kept, expiry)
    }

    /// Gives the item a new expiry time. Its stamp stays.
    ///
    /// # Errors
    ///
    /// * [`Reason::BadKey`], [`Reason::Absent`].
    /// * [`Reason::Locked`]: the item is locked.
    /// * [`Reason::Reentrant`]: called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("session", "ada", 0, 60)?;
    /// store.touch("session", 1800)?;
    /// store.touch("session", -1)?; // over
    /// assert_eq!(store.get("session")?, None);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn touch(&self, key: impl AsRef<[u8]>, exptime: i64) -> Result<(), StoreError> {
        self.get_and_touch(key, exptime)?.map(|_| ()).ok_or(bare(Reason::Absent))
    }

    /// The item under `key`, with a new expiry time. Its stamp stays.
    ///
    /// # Errors
    ///
    /// As [`touch`](Self::touch); an absent item is `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("session", "ada", 0, 60)?;
    /// let session = store.get_and_touch("session", 1800)?.expect("logged in");
    /// assert_eq!(session.value, "ada");
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn get_and_touch(
        &self,
        key: impl AsRef<[u8]>,
        exptime: i64,
    ) -> Result<Option<crate::bytes::Hit>, StoreError> {
        let key = self.check(key.as_ref())?;
        let now = self.second();
        let mut hit = None;
        self.revise(key, crate::store::Opener::Nobody, |present| {
            let Some(present) = present else { return Revision::Keep };
            present.value.note_use(now);
            hit = Some(present.value.hit(Some(present.cas)));
            Revision::Touch(self.expiry(exptime))
        })?;
        Ok(hit)
    }
}
