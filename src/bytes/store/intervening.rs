//! What a test does with a store beyond memcached's commands: look at everything, and make happen
//! now what usually happens by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::Store;
use crate::bytes::exptime::Calendar;
use crate::bytes::item::{Item, Key, weight};
use crate::bytes::requests::LOCKED;
use crate::epoch;
use crate::expiry::Expiry;
use crate::store::{Opener, Present, Revision};
use crate::update::Updated;

/// Everything that a store knows of an item.
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
///
/// let store = Store::new();
/// store.set("k", "value", 5, 60)?;
/// let item = store.examine("k").ok_or("gone")?;
/// assert_eq!((item.flags, item.ttl), (5, Some(60)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemView {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// What the client has stored with it.
    pub flags: u32,
    /// The stamp; that of a locked item as well.
    pub cas: u64,
    /// The Unix time at which it expires; `None` for never.
    pub expires: Option<i64>,
    /// How many seconds it had to live when it was looked at; `None` for ever.
    pub ttl: Option<u32>,
    /// It is marked as stale.
    pub is_stale: bool,
    /// Somebody has won the right to fill it.
    pub is_won: bool,
    /// It was read since it was stored.
    pub was_fetched: bool,
    /// How many seconds ago it was last used.
    pub idle: u32,
    /// The request that made it had its key in base64.
    pub binary_key: bool,
    /// For how long it is locked, if it is.
    pub locked_for: Option<Duration>,
}

impl ItemView {
    /// How many bytes it takes, as memcached counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{ITEM_OVERHEAD, Store};
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 60)?;
    /// assert_eq!(store.examine("k").map(|item| item.size()), Some(6 + ITEM_OVERHEAD));
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    #[must_use]
    pub fn size(&self) -> usize {
        weight(self.key.len(), self.value.len(), self.flags)
    }

    /// The stamp as clients see it: that of a locked item is [`LOCKED`].
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{LOCKED, Store};
    /// use std::time::Duration;
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 60)?;
    /// store.get_and_lock("k", Duration::ZERO)?;
    /// assert_eq!(store.examine("k").map(|item| item.shown_cas()), Some(LOCKED));
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    #[must_use]
    pub fn shown_cas(&self) -> u64 {
        if self.locked_for.is_some() { LOCKED } else { self.cas }
    }
}

impl Store {
    /// The item under `key` with all that belongs to it. Not a use of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// let stamp = store.set("k", "value", 0, 0)?;
    /// assert_eq!(store.examine("k").map(|item| item.cas), Some(stamp));
    /// assert_eq!(store.examine("other"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn examine(&self, key: impl AsRef<[u8]>) -> Option<ItemView> {
        let key = self.check(key.as_ref()).ok()?;
        let now = self.second();
        let mut view = None;
        // Forced, so that a locked item shows its stamp; what is kept stays locked.
        let kept = self.revise(key, Opener::Force, |present| {
            view = present.map(|present| self.view(key, &present, now));
            Revision::Keep
        });
        kept.ok()?;
        let mut view = view?;
        view.locked_for = self.inner.cache.store().lock_remaining(key).ok().flatten();
        Some(view)
    }

    fn view(&self, key: &[u8], present: &Present<'_, Item>, now: u32) -> ItemView {
        let item = present.value;
        let end = present.expires.map(Calendar::second_of);
        ItemView {
            key: Bytes::copy_from_slice(key),
            value: item.value.clone(),
            flags: item.flags,
            cas: item.cas(Some(present.cas)),
            expires: end.map(|end| self.inner.calendar.unix_time(end)),
            ttl: Calendar::left(present.expires, now),
            is_stale: item.is_stale(),
            is_won: item.is_won(),
            was_fetched: item.was_fetched(),
            idle: now.saturating_sub(item.used()),
            binary_key: item.has_binary_key(),
            locked_for: None,
        }
    }

    /// All items, by key.
    ///
    /// # Concurrency
    ///
    /// Each item is shown as it is at one instant, but not all at the same one.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("b", "2", 0, 0)?;
    /// store.set("a", "1", 0, 0)?;
    /// let keys: Vec<_> = store.items().into_iter().map(|item| item.key).collect();
    /// assert_eq!(keys, ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn items(&self) -> Vec<ItemView> {
        let mut items = BTreeMap::new();
        self.visit(|item| _ = items.insert(item.key.clone(), item));
        items.into_values().collect()
    }

    /// Shows all items, as [`examine`](Self::examine) does.
    ///
    /// # Concurrency
    ///
    /// Each item was so at some instant during the call, and those that come or go meanwhile may or may
    /// not be shown. No lock is held while `look` runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("a", "1", 0, 0)?;
    /// store.set("b", "22", 0, 0)?;
    /// let mut bytes = 0;
    /// store.visit(|item| bytes += item.value.len());
    /// assert_eq!(bytes, 3);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn visit(&self, mut look: impl FnMut(ItemView)) {
        self.visit_while(|item| {
            look(item);
            true
        });
    }

    /// Shows items, as [`visit`](Self::visit) does, as long as `look` says that it wants more.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("a", "1", 0, 0)?;
    /// store.set("b", "2", 0, 0)?;
    /// let mut any = None;
    /// store.visit_while(|item| any.replace(item).is_some());
    /// assert!(any.is_some());
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn visit_while(&self, mut look: impl FnMut(ItemView) -> bool) {
        self.flush_if_due();
        let store = self.inner.cache.store();
        for index in 0..store.stripe_count() {
            let keys: Vec<Key> = {
                let guard = epoch::pin();
                store.walk_stripe(index, &guard).map(|(key, _)| key.clone()).collect()
            };
            let mut items = keys.iter().filter_map(|key| self.examine(key.as_bytes()));
            if !items.all(&mut look) {
                return;
            }
        }
    }

    /// Stores an item as it was looked at: stamp, deadline and marks included. A lock is not
    /// restored, because its token was given to somebody who relies on the time it was given for.
    ///
    /// Returns whether it was stored: not if it has expired since, or there is no room.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// let stamp = store.set("k", "old", 0, 60)?;
    /// let item = store.examine("k").ok_or("gone")?;
    /// store.set("k", "new", 0, 0)?;
    ///
    /// assert!(store.restore_item(&item));
    /// store.cas("k", "newer", 0, 0, stamp)?; // the old stamp is good again
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore_item(&self, item: &ItemView) -> bool {
        let Ok(key) = self.check(&item.key) else { return false };
        let expiry = item.expires.map_or(Expiry::Never, |unix| {
            let second = u32::try_from(unix.saturating_sub(self.inner.calendar.unix_start).max(0));
            Calendar::expiry_at(second.unwrap_or(u32::MAX), self.time())
        });
        let restored = self.revise(key, Opener::Force, |_| {
            Revision::Put(Item::restored(item, self.second()), expiry)
        });
        restored.is_ok_and(|_| self.examine(key).is_some())
    }

    /// Removes the item, locked or not, as an eviction would. Returns whether there was one.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 0)?;
    /// assert!(store.evict("k"));
    /// assert_eq!(store.get("k")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict(&self, key: impl AsRef<[u8]>) -> bool {
        let Ok(key) = self.check(key.as_ref()) else { return false };
        matches!(self.revise(key, Opener::Force, |_| Revision::Remove), Ok(Updated::Removed))
    }

    /// Lets the lock of `key` lapse, as if its time had come. Returns whether it was locked.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Reason, Store};
    /// use std::time::Duration;
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 0)?;
    /// let locked = store.get_and_lock("k", Duration::ZERO)?;
    /// assert!(store.lapse_lock("k"));
    /// let refused = store.unlock("k", locked.token).unwrap_err();
    /// assert_eq!(refused.reason(), Reason::NotLocked);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lapse_lock(&self, key: impl AsRef<[u8]>) -> bool {
        let Ok(key) = self.check(key.as_ref()) else { return false };
        self.inner.cache.store().lapse(key).unwrap_or(false)
    }

    /// Gives the item a new stamp and changes nothing else, so that whoever has read the old one is
    /// told of a conflict. Returns the new stamp, or `None` without an item and for a locked one.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Reason, Store};
    ///
    /// let store = Store::new();
    /// let seen = store.set("k", "value", 0, 60)?;
    /// assert!(store.bump("k").is_some());
    /// let refused = store.cas("k", "other", 0, 60, seen).unwrap_err();
    /// assert_eq!(refused.reason(), Reason::Changed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bump(&self, key: impl AsRef<[u8]>) -> Option<u64> {
        let key = self.check(key.as_ref()).ok()?;
        let bumped = self.revise(key, Opener::Nobody, |present| match present {
            Some(present) => Revision::Put(present.value.duplicate().stamped(None), Expiry::Keep),
            None => Revision::Keep,
        });
        match bumped {
            Ok(Updated::Stored(cas)) => Some(cas.to_u64()),
            _ => None,
        }
    }
}
