//! Writes.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Store, Verdict, chosen, opener};
use crate::bytes::error::{Reason, StoreError};
use crate::bytes::item::{Item, Key};
use crate::bytes::requests::{Mode, Put, Stored};
use crate::expiry::Expiry;
use crate::store::{Condition, Present, Revision};
use crate::update::Updated;

impl Store {
    /// Stores `value` with `flags` under `key`. Returns the item's stamp.
    ///
    /// # Errors
    ///
    /// The value comes back through [`StoreError::into_value`].
    ///
    /// * [`Reason::BadKey`].
    /// * [`Reason::TooLarge`], [`Reason::Full`]: the item does not fit. An older one under the key is
    ///   gone all the same, unless it is locked.
    /// * [`Reason::Locked`]: the item is locked.
    /// * [`Reason::Reentrant`]: called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// let cas = store.set("k", "value", 0, 60)?;
    /// assert_eq!(store.get("k")?.map(|hit| hit.cas), Some(cas));
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn set(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        flags: u32,
        exptime: i64,
    ) -> Result<u64, StoreError> {
        let put = Put { value: value.into(), flags, exptime, ..Put::default() };
        Ok(self.put(key, put)?.cas)
    }

    /// [`set`](Self::set), only if there is no item.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put): above all [`Reason::Exists`].
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.add("leader", "ada", 0, 10)?;
    /// assert!(store.add("leader", "bob", 0, 10).is_err());
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn add(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        flags: u32,
        exptime: i64,
    ) -> Result<u64, StoreError> {
        let put = Put { mode: Mode::Add, value: value.into(), flags, exptime, ..Put::default() };
        Ok(self.put(key, put)?.cas)
    }

    /// [`set`](Self::set), only if there is an item.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put): above all [`Reason::Absent`].
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// assert!(store.replace("k", "new", 0, 0).is_err());
    /// store.set("k", "old", 0, 0)?;
    /// store.replace("k", "new", 0, 0)?;
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn replace(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        flags: u32,
        exptime: i64,
    ) -> Result<u64, StoreError> {
        let put =
            Put { mode: Mode::Replace, value: value.into(), flags, exptime, ..Put::default() };
        Ok(self.put(key, put)?.cas)
    }

    /// Puts `value` behind that of the item, which keeps its flags and its expiry time.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put): above all [`Reason::Absent`], and [`Reason::TooLarge`] if both
    /// together are, which leaves the item as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("log", "one", 0, 0)?;
    /// store.append("log", ",two")?;
    /// assert_eq!(store.read("log", |log| log.value == "one,two")?, Some(true));
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn append(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
    ) -> Result<u64, StoreError> {
        let put = Put { mode: Mode::Append, value: value.into(), ..Put::default() };
        Ok(self.put(key, put)?.cas)
    }

    /// Puts `value` before that of the item, which keeps its flags and its expiry time.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("log", "one", 0, 0)?;
    /// store.prepend("log", "zero,")?;
    /// assert_eq!(store.read("log", |log| log.value == "zero,one")?, Some(true));
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn prepend(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
    ) -> Result<u64, StoreError> {
        let put = Put { mode: Mode::Prepend, value: value.into(), ..Put::default() };
        Ok(self.put(key, put)?.cas)
    }

    /// [`set`](Self::set), only if the item has the stamp `seen`, or is locked with it.
    ///
    /// # Concurrency
    ///
    /// Of several calls with the same stamp, exactly one succeeds.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put): above all [`Reason::Changed`] and [`Reason::Absent`].
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// let seen = store.set("k", "1", 0, 0)?;
    /// store.cas("k", "2", 0, 0, seen)?;
    /// assert!(store.cas("k", "3", 0, 0, seen).is_err()); // `seen` is spent
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn cas(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        flags: u32,
        exptime: i64,
        seen: u64,
    ) -> Result<u64, StoreError> {
        let value = value.into();
        let put = Put { value, flags, exptime, cas: Some(seen), ..Put::default() };
        Ok(self.put(key, put)?.cas)
    }

    /// Stores, in full: memcached's `ms`.
    ///
    /// # Errors
    ///
    /// The value comes back through [`StoreError::into_value`].
    ///
    /// * [`Reason::BadKey`].
    /// * [`Reason::Absent`]: there is no item, and the mode or the stamp asks for one.
    /// * [`Reason::Exists`]: there is one, locked or not, and the mode asks for none.
    /// * [`Reason::Changed`]: the item has another stamp.
    /// * [`Reason::Locked`]: it is locked, and not with the stamp given.
    /// * [`Reason::TooLarge`], [`Reason::Full`]: it does not fit. If it was to be stored without a
    ///   condition, an older one under the key is gone all the same, unless it is locked.
    /// * [`Reason::Reentrant`]: called from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Mode, Put, Store};
    ///
    /// let store = Store::new();
    /// let line = Put {
    ///     mode: Mode::Append,
    ///     value: "line\n".into(),
    ///     vivify: Some(3600), // the first one makes the item, for an hour
    ///     ..Put::default()
    /// };
    /// assert_eq!(store.put("log", line.clone())?.size, 5);
    /// assert_eq!(store.put("log", line)?.size, 10);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn put(&self, key: impl AsRef<[u8]>, put: Put) -> Result<Stored, StoreError> {
        let key = match self.check(key.as_ref()) {
            Ok(key) => key,
            Err(reason) => return Err(StoreError::new(reason, put.value)),
        };
        let is_plain = put.mode == Mode::Set && put.cas.is_none();
        let stored = if !self.admits(key.len(), put.value.len(), put.flags) {
            Err(StoreError::new(Reason::TooLarge, put.value))
        } else if is_plain {
            self.put_plainly(key, put)
        } else {
            self.put_conditionally(key, put)
        };
        stored.inspect_err(|error| {
            if is_plain && matches!(error.reason(), Reason::TooLarge | Reason::Full) {
                self.forget_overwritten(key);
            }
        })
    }

    /// Ends the item that a set was to overwrite which could not be carried out: its writer must not
    /// read what was there before. A locked one stays.
    ///
    /// [`set`](Self::set) does so by itself. This is for whoever finds out before the value is there.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("k", "old", 0, 0)?;
    /// store.forget_overwritten("k");
    /// assert_eq!(store.get("k")?, None);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn forget_overwritten(&self, key: impl AsRef<[u8]>) {
        // Refused only for a locked item, or from inside an update closure, which has stored nothing.
        let _ = self.inner.cache.discard(key.as_ref());
    }

    fn put_plainly(&self, key: &[u8], put: Put) -> Result<Stored, StoreError> {
        let (size, asked) = (put.value.len(), put.stamp);
        let expiry = self.expiry(put.exptime);
        let item = Item::of(put, self.second());
        let store = self.inner.cache.store();
        match store.put(Key::new(key), item, Condition::Always, expiry) {
            Ok(cas) => Ok(Stored { cas: chosen(asked, cas), size }),
            Err(error) => {
                let reason = Reason::from(error.refusal());
                Err(StoreError::new(reason, error.into_rejected().1.value))
            }
        }
    }

    fn put_conditionally(&self, key: &[u8], put: Put) -> Result<Stored, StoreError> {
        let mut size = put.value.len();
        let mut failed = Reason::Absent;
        let updated = self.revise(key, opener(put.cas), |present| {
            match self.decide_put(key, &put, present) {
                Ok((item, expiry)) => {
                    size = item.value.len();
                    Revision::Put(item, expiry)
                }
                Err(reason) => {
                    failed = reason;
                    Revision::Keep
                }
            }
        });
        let reason = match updated {
            Ok(Updated::Stored(cas)) => return Ok(Stored { cas: chosen(put.stamp, cas), size }),
            Ok(_) => failed,
            Err(Reason::Locked { .. }) if put.mode == Mode::Add => Reason::Exists,
            Err(reason) => reason,
        };
        Err(StoreError::new(reason, put.value))
    }

    /// What a conditional write stores, if it does.
    fn decide_put(
        &self,
        key: &[u8],
        put: &Put,
        present: Option<Present<'_, Item>>,
    ) -> Verdict<(Item, Expiry)> {
        let now = self.second();
        let joins = matches!(put.mode, Mode::Append | Mode::Prepend);
        let fresh = || Item::of(put.clone(), now);
        let Some(present) = present else {
            return match put.vivify {
                _ if put.mode == Mode::Add => Ok((fresh(), self.expiry(put.exptime))),
                Some(exptime) if joins => Ok((fresh(), self.expiry(exptime))),
                _ => Err(Reason::Absent),
            };
        };
        let old = present.value;
        if put.mode == Mode::Add {
            old.note_time(now);
            return Err(Reason::Exists);
        }
        let current = old.cas(Some(present.cas));
        match put.cas {
            None => {}
            Some(0) if joins => {}
            Some(seen) if seen == current || present.is_opened => {}
            Some(seen) if put.invalidate && !joins && seen != 0 && seen < current => {
                let item = fresh().marked_stale();
                let item = if old.is_won() { item.marked_won() } else { item };
                return Ok((item, Expiry::Keep));
            }
            Some(_) => return Err(Reason::Changed),
        }
        if !joins {
            return Ok((fresh(), self.expiry(put.exptime)));
        }
        let value = join(&old.value, &put.value, put.mode);
        if !self.admits(key.len(), value.len(), old.flags) {
            return Err(Reason::TooLarge);
        }
        Ok((Item::new(value, old.flags, now).stamped(put.stamp), Expiry::Keep))
    }
}

fn join(old: &[u8], new: &[u8], mode: Mode) -> Bytes {
    let (first, second) = if mode == Mode::Append { (old, new) } else { (new, old) };
    let mut joined = BytesMut::with_capacity(first.len() + second.len());
    joined.put_slice(first);
    joined.put_slice(second);
    joined.freeze()
}
