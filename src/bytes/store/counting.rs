//! Counters: decimal numbers that keep their width.

use super::{Store, Verdict, chosen};
use crate::bytes::decimal;
use crate::bytes::error::{Reason, StoreError};
use crate::bytes::exptime::Calendar;
use crate::bytes::item::Item;
use crate::bytes::requests::{Count, Counted};
use crate::expiry::Expiry;
use crate::store::{Opener, Present, Revision};
use crate::update::Updated;

impl Store {
    /// Adds `delta` to the number under `key`, modulo 2^64, and returns the sum.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("n", u64::MAX.to_string(), 0, 0)?;
    /// assert_eq!(store.increment("n", 5)?, 4);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn increment(&self, key: impl AsRef<[u8]>, delta: u64) -> Result<u64, StoreError> {
        Ok(self.count(key, Count { delta, ..Count::default() })?.number)
    }

    /// Takes `delta` from the number under `key`, down to zero, and returns what is left.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("n", "100", 0, 0)?;
    /// assert_eq!(store.decrement("n", 1)?, 99);
    /// assert_eq!(store.read("n", |n| n.value == "99 ")?, Some(true)); // as wide as before
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn decrement(&self, key: impl AsRef<[u8]>, delta: u64) -> Result<u64, StoreError> {
        Ok(self.count(key, Count { delta, down: true, ..Count::default() })?.number)
    }

    /// Changes the number under `key`, in full: memcached's `ma`.
    ///
    /// The number keeps its width: a shorter one is filled up with blanks at its end.
    ///
    /// # Errors
    ///
    /// * [`Reason::BadKey`].
    /// * [`Reason::Absent`]: there is no item, and none was to be made.
    /// * [`Reason::Changed`]: the item has another stamp.
    /// * [`Reason::NotNumeric`]: its value is not a number.
    /// * [`Reason::Locked`]: it is locked.
    /// * [`Reason::Full`], [`Reason::Reentrant`]: the number could not be stored.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Count, Store};
    ///
    /// let store = Store::new();
    /// let visit = Count { vivify: Some(86_400), initial: 1, ..Count::default() };
    /// assert_eq!(store.count("visits", visit)?.number, 1);
    /// assert_eq!(store.count("visits", visit)?.number, 2);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn count(&self, key: impl AsRef<[u8]>, count: Count) -> Result<Counted, StoreError> {
        let key = self.check(key.as_ref())?;
        let now = self.second();
        let mut outcome = Err(Reason::Absent);
        let updated = self.revise(key, Opener::Nobody, |present| {
            let decided = match present {
                None => self.begin_counter(count, now),
                Some(present) => self.change_counter(count, &present, now),
            };
            match decided {
                Ok((counted, item, expiry)) => {
                    outcome = Ok(counted);
                    Revision::Put(item.stamped(count.stamp), expiry)
                }
                Err(reason) => {
                    outcome = Err(reason);
                    Revision::Keep
                }
            }
        })?;
        let mut counted = outcome?;
        if let Updated::Stored(cas) = updated {
            counted.cas = chosen(count.stamp, cas);
        }
        Ok(counted)
    }

    fn begin_counter(&self, count: Count, now: u32) -> Verdict<(Counted, Item, Expiry)> {
        let exptime = count.vivify.ok_or(Reason::Absent)?;
        let left = self.left_of(exptime, now);
        let number = count.initial;
        let counted = Counted { number, cas: 0, ttl: left, is_new: true };
        let item = Item::new(decimal::format(number, 0), 0, now);
        Ok((counted, item, self.expiry(exptime)))
    }

    fn change_counter(
        &self,
        count: Count,
        present: &Present<'_, Item>,
        now: u32,
    ) -> Verdict<(Counted, Item, Expiry)> {
        let old = present.value;
        // Nothing is no number, whatever its stamp; of all else the stamp is looked at first.
        if old.value.is_empty() {
            return Err(Reason::NotNumeric);
        }
        let current = old.cas(Some(present.cas));
        if count.cas.is_some_and(|seen| seen != 0 && seen != current) {
            return Err(Reason::Changed);
        }
        let number = decimal::parse(&old.value).ok_or(Reason::NotNumeric)?;
        let number = match count.down {
            true => number.saturating_sub(count.delta),
            false => number.wrapping_add(count.delta),
        };
        let value = decimal::format(number, old.value.len());
        let item = if value.len() == old.value.len() {
            // In place, as it were: what the item is marked with stays.
            let item = old.with_value(value);
            item.note_time(now);
            item
        } else {
            Item::new(value, old.flags, now)
        };
        let ttl = Calendar::left(present.expires, now);
        let expiry = count.touch.map_or(Expiry::Keep, |exptime| self.expiry(exptime));
        Ok((Counted { number, cas: 0, ttl, is_new: false }, item, expiry))
    }
}
