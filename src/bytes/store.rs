//! [`Store`]: the operations.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::builder::StoreBuilder;
use super::decimal;
use super::error::{Reason, StoreError};
use super::exptime::Calendar;
use super::item::{Item, Key, weight};
use super::requests::{
    Count, Counted, Delete, Fetch, Fetched, Hit, LOCKED, Locked, Metadata, Mode, Put, Role, Stored,
};
use crate::cache::Cache;
use crate::epoch;
use crate::error::{LockError, Refusal, UnlockError};
use crate::expiry::Expiry;
use crate::stamp::Cas;
use crate::stats::Stats;
use crate::store::{Condition, Opener, Present, Revision};
use crate::sync::{AtomicU32, Mutex, Ordering};
use crate::time::TimeSource;
use crate::update::Updated;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 250;

/// A store of byte strings with memcached's semantics.
///
/// A handle is cheap to clone, and all clones share the items. Every operation takes effect at one
/// instant, whoever works on the same key meanwhile; reads take no lock unless they change
/// something.
///
/// Expiry times are memcached's: 0 is never, a number up to [`RELATIVE_LIMIT`](super::RELATIVE_LIMIT)
/// is so many seconds from now, a greater one a Unix time, a negative one the past.
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

impl Clone for Store {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

pub(super) struct Inner {
    pub(super) cache: Cache<Key, Item>,
    pub(super) calendar: Calendar,
    pub(super) item_limit: usize,
    pub(super) evicts: bool,
    pub(super) flush: PendingFlush,
}

/// The second at which everything is to be flushed, or `NO_FLUSH`.
pub(super) struct PendingFlush {
    at: AtomicU32,
    /// Held by whoever flushes.
    turn: Mutex<()>,
}

const NO_FLUSH: u32 = u32::MAX;

impl Default for PendingFlush {
    fn default() -> Self {
        Self { at: AtomicU32::new(NO_FLUSH), turn: Mutex::new(()) }
    }
}

/// What came of a revision that could not store.
type Verdict<T> = Result<T, Reason>;

impl Store {
    /// A store with default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder with default settings.
    pub fn builder() -> StoreBuilder {
        StoreBuilder::new()
    }

    // Reads.

    /// The item under `key`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Hit>, StoreError> {
        let fetch = Fetch { plainly: true, ..Fetch::default() };
        Ok(self.fetch(key, fetch)?.map(|fetched| fetched.hit))
    }

    /// The item under `key`, read in full.
    pub fn fetch(
        &self,
        key: impl AsRef<[u8]>,
        fetch: Fetch,
    ) -> Result<Option<Fetched>, StoreError> {
        let key = self.check(key.as_ref())?;
        if fetch.metadata
            || fetch.touch.is_some()
            || fetch.vivify.is_some()
            || fetch.recache.is_some()
        {
            return Ok(self.fetch_locked(key, fetch)?);
        }
        let guard = epoch::pin();
        let Some(found) = self.inner.cache.store().get(key, &guard) else { return Ok(None) };
        let item: &Item = &found.value;
        if !fetch.quietly {
            item.note_use(self.second());
        }
        Ok(Some(Fetched {
            hit: item.hit(found.cas),
            role: if fetch.plainly { item.present_role() } else { item.role(false) },
            is_stale: item.is_stale(),
            binary_key: item.has_binary_key(),
            is_new: false,
            metadata: None,
        }))
    }

    fn fetch_locked(&self, key: &[u8], fetch: Fetch) -> Verdict<Option<Fetched>> {
        let now = self.second();
        let mut fetched = None;
        let updated = self.revise(key, Opener::Nobody, |present| {
            let Some(present) = present else {
                let Some(exptime) = fetch.vivify else { return Revision::Keep };
                let item = Item::new(Bytes::new(), 0, now)
                    .stamped(fetch.stamp)
                    .with_binary_key(fetch.binary_key)
                    .marked_won();
                if !fetch.quietly {
                    item.note_use(now);
                }
                return Revision::Put(item, self.expiry(exptime));
            };
            fetched = Some(self.look(&present, fetch, now));
            fetch.touch.map_or(Revision::Keep, |exptime| Revision::Touch(self.expiry(exptime)))
        });
        match updated {
            Ok(Updated::Stored(cas)) => Ok(Some(self.vivified(fetch, cas))),
            Ok(_) => Ok(fetched),
            // A locked item can be read, and not touched.
            Err(Reason::Locked { .. }) if fetch.touch.is_none() => {
                self.fetch_masked(key, fetch, now)
            }
            Err(reason) => Err(reason),
        }
    }

    /// What a read under the stripe lock shows of an item that is there.
    fn look(&self, present: &Present<'_, Item>, fetch: Fetch, now: u32) -> Fetched {
        let item = present.value;
        let left = Calendar::left(present.expires, now);
        let claims = left.zip(fetch.recache).is_some_and(|(left, n)| i64::from(left) < n);
        let left_after = match fetch.touch {
            Some(exptime) => self.left_of(exptime, now),
            None => left,
        };
        let metadata = Metadata {
            ttl: left,
            ttl_after: left_after,
            was_fetched: item.was_fetched(),
            idle: now.saturating_sub(item.used()),
        };
        if !fetch.quietly {
            item.note_use(now);
        }
        Fetched {
            hit: item.hit(Some(present.cas)),
            role: if fetch.plainly && !claims { item.present_role() } else { item.role(claims) },
            is_stale: item.is_stale(),
            binary_key: item.has_binary_key(),
            is_new: false,
            metadata: Some(metadata),
        }
    }

    /// What a read shows of an item that somebody has locked.
    fn fetch_masked(&self, key: &[u8], fetch: Fetch, now: u32) -> Verdict<Option<Fetched>> {
        let mut fetched = None;
        self.revise(key, Opener::Force, |present| {
            fetched = present.map(|present| self.look(&present, fetch, now));
            Revision::Keep
        })?;
        if let Some(fetched) = &mut fetched {
            fetched.hit.cas = LOCKED;
        }
        Ok(fetched)
    }

    /// The empty item that a read has made.
    fn vivified(&self, fetch: Fetch, cas: Cas) -> Fetched {
        let left = fetch.vivify.and_then(|exptime| self.left_of(exptime, self.second()));
        let metadata = Metadata { ttl: left, ttl_after: left, was_fetched: false, idle: 0 };
        let cas = fetch.stamp.filter(|&stamp| stamp != 0).unwrap_or(cas.to_u64());
        Fetched {
            hit: Hit { value: Bytes::new(), flags: 0, cas },
            role: Role::Won,
            is_stale: false,
            binary_key: fetch.binary_key,
            is_new: true,
            metadata: Some(metadata),
        }
    }

    /// The item under `key` as it is, with [`Metadata`]: this is no use of it, and wins no right to
    /// fill it.
    ///
    /// # Concurrency
    ///
    /// Takes the key's stripe lock for a moment.
    ///
    /// # Errors
    ///
    /// [`Reason::BadKey`], and [`Reason::Reentrant`] from inside an update closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 60)?;
    /// let seen = store.inspect("k")?.ok_or("gone")?;
    /// let metadata = seen.metadata.ok_or("always there")?;
    /// assert!(!metadata.was_fetched);
    /// assert_eq!(metadata.ttl, Some(60));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inspect(&self, key: impl AsRef<[u8]>) -> Result<Option<Fetched>, StoreError> {
        let key = self.check(key.as_ref())?;
        let fetch = Fetch { quietly: true, plainly: true, metadata: true, ..Fetch::default() };
        Ok(self.fetch_locked(key, fetch)?)
    }

    /// Shows all items, each as [`inspect`](Self::inspect) does.
    ///
    /// # Concurrency
    ///
    /// Weakly consistent: each item was so at some instant during the call, and those that come or go
    /// meanwhile may or may not be shown. No lock is held while `look` runs.
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
    /// store.visit(|_, seen| bytes += seen.hit.value.len());
    /// assert_eq!(bytes, 3);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn visit(&self, mut look: impl FnMut(&[u8], &Fetched)) {
        self.flush_if_due();
        let store = self.inner.cache.store();
        for index in 0..store.stripe_count() {
            let keys: Vec<Key> = {
                let guard = epoch::pin();
                store.walk_stripe(index, &guard).map(|(key, _)| key.clone()).collect()
            };
            for key in keys {
                if let Ok(Some(seen)) = self.inspect(key.as_bytes()) {
                    look(key.as_bytes(), &seen);
                }
            }
        }
    }

    // Writes.

    /// Stores `value` with `flags` under `key`.
    pub fn set(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        flags: u32,
        exptime: i64,
    ) -> Result<u64, StoreError> {
        self.put_as(Mode::Set, key, value, flags, exptime)
    }

    /// Stores only if there is no item.
    pub fn add(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        flags: u32,
        exptime: i64,
    ) -> Result<u64, StoreError> {
        self.put_as(Mode::Add, key, value, flags, exptime)
    }

    /// Stores only if there is an item.
    pub fn replace(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        flags: u32,
        exptime: i64,
    ) -> Result<u64, StoreError> {
        self.put_as(Mode::Replace, key, value, flags, exptime)
    }

    /// Puts `value` behind that of the item.
    pub fn append(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
    ) -> Result<u64, StoreError> {
        self.put_as(Mode::Append, key, value, 0, 0)
    }

    /// Puts `value` before that of the item.
    pub fn prepend(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
    ) -> Result<u64, StoreError> {
        self.put_as(Mode::Prepend, key, value, 0, 0)
    }

    /// Stores only if the item has the stamp `seen`, or is locked with it.
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

    fn put_as(
        &self,
        mode: Mode,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        flags: u32,
        exptime: i64,
    ) -> Result<u64, StoreError> {
        let put = Put { mode, value: value.into(), flags, exptime, ..Put::default() };
        Ok(self.put(key, put)?.cas)
    }

    /// Stores, in full.
    pub fn put(&self, key: impl AsRef<[u8]>, put: Put) -> Result<Stored, StoreError> {
        let key = match self.check(key.as_ref()) {
            Ok(key) => key,
            Err(reason) => return Err(StoreError::new(reason, put.value)),
        };
        if !self.admits(key.len(), put.value.len(), put.flags) {
            if put.mode == Mode::Set && put.cas.is_none() {
                self.drop_unstorable(key);
            }
            return Err(StoreError::new(Reason::TooLarge, put.value));
        }
        let stored = if put.cas.is_none() && matches!(put.mode, Mode::Set | Mode::Replace) {
            self.put_plainly(key, &put)
        } else {
            self.put_conditionally(key, &put)
        };
        stored.map_err(|reason| {
            if reason == Reason::Full && put.mode == Mode::Set && put.cas.is_none() {
                self.drop_unstorable(key);
            }
            StoreError::new(reason, put.value)
        })
    }

    /// A set that cannot be carried out has ended the old value all the same: its writer must not
    /// read what was there before.
    pub fn drop_unstorable(&self, key: impl AsRef<[u8]>) {
        // Without an item, or with a locked one, there is nothing to drop.
        let _ = self.inner.cache.discard(key.as_ref());
    }

    fn item(&self, put: &Put, now: u32) -> Item {
        Item::new(put.value.clone(), put.flags, now)
            .stamped(put.stamp)
            .with_binary_key(put.binary_key)
    }

    fn put_plainly(&self, key: &[u8], put: &Put) -> Verdict<Stored> {
        let condition =
            if put.mode == Mode::Replace { Condition::Present } else { Condition::Always };
        let item = self.item(put, self.second());
        let expiry = self.expiry(put.exptime);
        let stored = self.inner.cache.store().put(Key::new(key), item, condition, expiry);
        let cas = stored.map_err(|error| reason(error.refusal()))?;
        Ok(Stored { cas: chosen(put.stamp, cas), size: put.value.len() })
    }

    fn put_conditionally(&self, key: &[u8], put: &Put) -> Verdict<Stored> {
        let mut size = put.value.len();
        let mut failed = Reason::Absent;
        let opener = put.cas.map_or(Opener::Nobody, opener);
        let updated =
            self.revise(key, opener, |present| match self.decide_put(key, put, present) {
                Ok((item, expiry)) => {
                    size = item.value.len();
                    Revision::Put(item, expiry)
                }
                Err(reason) => {
                    failed = reason;
                    Revision::Keep
                }
            });
        match updated {
            Ok(Updated::Stored(cas)) => Ok(Stored { cas: chosen(put.stamp, cas), size }),
            Ok(_) => Err(failed),
            Err(Reason::Locked { .. }) if put.mode == Mode::Add => Err(Reason::Exists),
            Err(reason) => Err(reason),
        }
    }

    /// What a conditional write stores, if it does.
    fn decide_put(
        &self,
        key: &[u8],
        put: &Put,
        present: Option<Present<'_, Item>>,
    ) -> Verdict<(Item, Expiry)> {
        let now = self.second();
        let Some(present) = present else {
            return match (put.mode, put.vivify) {
                (Mode::Add, _) => Ok((self.item(put, now), self.expiry(put.exptime))),
                (Mode::Append | Mode::Prepend, Some(exptime)) => {
                    Ok((self.item(put, now), self.expiry(exptime)))
                }
                _ => Err(Reason::Absent),
            };
        };
        let old = present.value;
        if put.mode == Mode::Add {
            old.note_time(now);
            return Err(Reason::Exists);
        }
        let joins = matches!(put.mode, Mode::Append | Mode::Prepend);
        let current = old.cas(Some(present.cas));
        match put.cas {
            None => {}
            Some(0) if joins => {}
            Some(_) if present.is_opened => {}
            Some(seen) if seen == current => {}
            Some(seen) if put.invalidate && !joins && seen != 0 && seen < current => {
                let mut item = self.item(put, now).marked_stale();
                if old.is_won() {
                    item = item.marked_won();
                }
                return Ok((item, Expiry::Keep));
            }
            Some(_) => return Err(Reason::Changed),
        }
        if !joins {
            return Ok((self.item(put, now), self.expiry(put.exptime)));
        }
        let value = join(&old.value, &put.value, put.mode);
        if !self.admits(key.len(), value.len(), old.flags) {
            return Err(Reason::TooLarge);
        }
        let item = Item::new(value, old.flags, now).stamped(put.stamp);
        Ok((item, Expiry::Keep))
    }

    /// Removes the item.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.remove(key, Delete::default())
    }

    /// Removes the item, or makes it stale, in full.
    pub fn remove(&self, key: impl AsRef<[u8]>, delete: Delete) -> Result<(), StoreError> {
        let key = self.check(key.as_ref())?;
        let mut verdict = Err(Reason::Absent);
        let opener = delete.cas.map_or(Opener::Nobody, opener);
        self.revise(key, opener, |present| {
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
        Ok(verdict?)
    }

    fn decide_delete(&self, item: &Item, current: u64, delete: Delete) -> Revision<Item> {
        if !delete.invalidate && !delete.clear_value {
            return Revision::Remove;
        }
        let untouched = if delete.clear_value { Expiry::Never } else { Expiry::Keep };
        let expiry = delete.touch.map_or(untouched, |exptime| self.expiry(exptime));
        let mut kept = if delete.clear_value {
            Item::new(Bytes::new(), delete.flags, self.second())
        } else {
            item.duplicate()
        };
        kept = kept.stamped(delete.stamp);
        if delete.invalidate {
            kept = kept.without_claim().marked_stale();
        } else if kept.stamp == 0 {
            kept.stamp = current;
        }
        Revision::Put(kept, expiry)
    }

    /// Gives the item a new expiry time. Its stamp stays.
    pub fn touch(&self, key: impl AsRef<[u8]>, exptime: i64) -> Result<(), StoreError> {
        self.get_and_touch(key, exptime)?.map(|_| ()).ok_or(Reason::Absent.into())
    }

    /// The item under `key`, with a new expiry time. Its stamp stays.
    pub fn get_and_touch(
        &self,
        key: impl AsRef<[u8]>,
        exptime: i64,
    ) -> Result<Option<Hit>, StoreError> {
        let fetch = Fetch { touch: Some(exptime), plainly: true, ..Fetch::default() };
        Ok(self.fetch(key, fetch)?.map(|fetched| fetched.hit))
    }

    /// Adds `delta` to the number under `key`, modulo 2^64.
    pub fn increment(&self, key: impl AsRef<[u8]>, delta: u64) -> Result<u64, StoreError> {
        Ok(self.count(key, Count { delta, ..Count::default() })?.number)
    }

    /// Takes `delta` from the number under `key`, down to zero.
    pub fn decrement(&self, key: impl AsRef<[u8]>, delta: u64) -> Result<u64, StoreError> {
        Ok(self.count(key, Count { delta, down: true, ..Count::default() })?.number)
    }

    /// Changes the number under `key`, in full.
    pub fn count(&self, key: impl AsRef<[u8]>, count: Count) -> Result<Counted, StoreError> {
        let key = self.check(key.as_ref())?;
        let now = self.second();
        let mut outcome = Err(Reason::Absent);
        let updated = self.revise(key, Opener::Nobody, |present| {
            let (decided, revision) = self.decide_count(count, present, now);
            outcome = decided;
            revision
        })?;
        let mut counted = outcome?;
        if let Updated::Stored(cas) = updated {
            counted.cas = chosen(count.stamp, cas);
        }
        Ok(counted)
    }

    fn decide_count(
        &self,
        count: Count,
        present: Option<Present<'_, Item>>,
        now: u32,
    ) -> (Verdict<Counted>, Revision<Item>) {
        let Some(present) = present else {
            let Some(exptime) = count.vivify else {
                return (Err(Reason::Absent), Revision::Keep);
            };
            let item = Item::new(decimal::format(count.initial, 0), 0, now).stamped(count.stamp);
            let left = self.left_of(exptime, now);
            let counted =
                Counted { number: count.initial, cas: 0, ttl: left, ttl_after: left, is_new: true };
            return (Ok(counted), Revision::Put(item, self.expiry(exptime)));
        };
        let old = present.value;
        let current = old.cas(Some(present.cas));
        // Nothing is no number, whatever its stamp; of all else the stamp is looked at first.
        if old.value.is_empty() {
            return (Err(Reason::NotNumeric), Revision::Keep);
        }
        if count.cas.is_some_and(|seen| seen != 0 && seen != current) {
            return (Err(Reason::Changed), Revision::Keep);
        }
        let Some(number) = decimal::parse(&old.value) else {
            return (Err(Reason::NotNumeric), Revision::Keep);
        };
        let number = if count.down {
            number.saturating_sub(count.delta)
        } else {
            number.wrapping_add(count.delta)
        };
        let value = decimal::format(number, old.value.len());
        let item = if value.len() == old.value.len() {
            old.with_value(value)
        } else {
            Item::new(value, old.flags, now)
        };
        let ttl = Calendar::left(present.expires, now);
        let ttl_after = count.touch.map_or(ttl, |exptime| self.left_of(exptime, now));
        let expiry = count.touch.map_or(Expiry::Keep, |exptime| self.expiry(exptime));
        let counted = Counted { number, cas: 0, ttl, ttl_after, is_new: false };
        (Ok(counted), Revision::Put(item.stamped(count.stamp), expiry))
    }

    // Locks.

    /// Locks the item for `time`, at most as long as the store allows; zero stands for the default.
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
    pub fn unlock(&self, key: impl AsRef<[u8]>, token: u64) -> Result<(), StoreError> {
        let key = self.check(key.as_ref())?;
        // What is no stamp at all opens nothing; the answer is that of any wrong token.
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

    // All items.

    /// Removes everything that is there now, or, with a `delay`, at the moment that it names as an
    /// expiry time. A later call takes the place of one that is still to come.
    pub fn flush_all(&self, delay: i64) {
        let flush = &self.inner.flush;
        let now = self.second();
        match self.inner.calendar.end(delay, now) {
            None | Some(0) if delay <= 0 => {
                flush.at.store(NO_FLUSH, Ordering::Relaxed);
                self.inner.cache.clear();
            }
            end => {
                let last = end.unwrap_or(0).saturating_sub(1);
                if last > now {
                    // Relaxed: who sees it late is ordered before the flush.
                    flush.at.store(last, Ordering::Relaxed);
                } else if delay > super::RELATIVE_LIMIT {
                    flush.at.store(NO_FLUSH, Ordering::Relaxed);
                    self.inner.cache.retain(|_, item| item.used() > last);
                } else {
                    flush.at.store(NO_FLUSH, Ordering::Relaxed);
                    self.inner.cache.clear();
                }
            }
        }
    }

    /// Carries out a flush whose time has come.
    #[inline]
    fn flush_if_due(&self) {
        // Relaxed, here and below: the turn orders those who flush, and whoever finds nothing due
        // is ordered before the flush.
        if self.inner.flush.at.load(Ordering::Relaxed) != NO_FLUSH {
            self.flush_due();
        }
    }

    #[cold]
    fn flush_due(&self) {
        let flush = &self.inner.flush;
        let _turn = flush.turn.lock();
        if flush.at.load(Ordering::Relaxed) <= self.second() {
            self.inner.cache.clear();
            flush.at.store(NO_FLUSH, Ordering::Relaxed);
        }
    }

    /// How many items there are, those included that have expired and not been noticed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.cache.len()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.cache.is_empty()
    }

    /// Whether an item may be so large: one with a key of `key` bytes, a value of `value` bytes and
    /// these `flags`.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// assert!(store.admits(1, 1_048_516, 0));
    /// assert!(!store.admits(1, 1_048_516, 5));
    /// ```
    #[must_use]
    pub fn admits(&self, key: usize, value: usize, flags: u32) -> bool {
        weight(key, value, flags) <= self.inner.item_limit
    }

    /// How many bytes a single item may take.
    #[must_use]
    pub fn item_limit(&self) -> usize {
        self.inner.item_limit
    }

    /// Whether items go when room is needed.
    #[must_use]
    pub fn evicts(&self) -> bool {
        self.inner.evicts
    }

    /// How many seconds ago the store was made, by its clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::ManualClock;
    /// use caskade::bytes::Store;
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(clock.clone()).unix_start(1_000_000_000).build()?;
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!((store.age(), store.unix_time()), (5, 1_000_000_005));
    /// # Ok::<(), caskade::BuildError>(())
    /// ```
    #[must_use]
    pub fn age(&self) -> u32 {
        self.second()
    }

    /// The Unix time, in seconds, by the store's clock.
    #[must_use]
    pub fn unix_time(&self) -> i64 {
        self.inner.calendar.unix_start + i64::from(self.second())
    }

    /// The statistics of the cache below.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.cache.stats()
    }

    /// Sets how many bytes the items may take.
    ///
    /// # Errors
    ///
    /// [`BuildError::Bound`](crate::BuildError::Bound) for none.
    pub fn set_memory_limit(&self, bytes: u64) -> Result<(), crate::BuildError> {
        self.inner.cache.set_bound(bytes)
    }

    // What both sides need.

    /// A key that may be used, once a flush that is due has been carried out.
    #[inline]
    fn check<'k>(&self, key: &'k [u8]) -> Verdict<&'k [u8]> {
        self.flush_if_due();
        if (1..=MAX_KEY).contains(&key.len()) { Ok(key) } else { Err(Reason::BadKey) }
    }

    fn time(&self) -> &TimeSource {
        self.inner.cache.store().time()
    }

    /// The present second, counted from when the store was made.
    fn second(&self) -> u32 {
        Calendar::second(self.time())
    }

    fn expiry(&self, exptime: i64) -> Expiry {
        self.inner.calendar.expiry(exptime, self.time())
    }

    /// How many seconds are left of `exptime`.
    fn left_of(&self, exptime: i64, now: u32) -> Option<u32> {
        self.inner.calendar.end(exptime, now).map(|end| end.saturating_sub(now))
    }

    fn revise(
        &self,
        key: &[u8],
        opener: Opener,
        change: impl FnOnce(Option<Present<'_, Item>>) -> Revision<Item>,
    ) -> Verdict<Updated> {
        let revised = self.inner.cache.store().revise(Key::new(key), opener, change);
        revised.map_err(|error| reason(error.refusal()))
    }
}

/// Whoever comes with this stamp may open a lock with it.
fn opener(cas: u64) -> Opener {
    Cas::try_from(cas).map_or(Opener::Nobody, Opener::Token)
}

/// The stamp that a write has ended up with.
fn chosen(stamp: Option<u64>, drawn: Cas) -> u64 {
    stamp.filter(|&stamp| stamp != 0).unwrap_or(drawn.to_u64())
}

fn join(old: &[u8], new: &[u8], mode: Mode) -> Bytes {
    let (first, second) = if mode == Mode::Append { (old, new) } else { (new, old) };
    let mut joined = BytesMut::with_capacity(first.len() + second.len());
    joined.put_slice(first);
    joined.put_slice(second);
    joined.freeze()
}

fn reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::Absent => Reason::Absent,
        Refusal::Exists { .. } => Reason::Exists,
        Refusal::Changed { .. } => Reason::Changed,
        Refusal::Locked { remaining } | Refusal::Fenced { remaining } => {
            Reason::Locked { remaining }
        }
        Refusal::TooHeavy { .. } | Refusal::Full => Reason::Full,
        Refusal::Reentrant | Refusal::Invalidated | Refusal::WrongToken => Reason::Reentrant,
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::builder().build().expect("the default settings are valid")
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("len", &self.len()).finish_non_exhaustive()
    }
}
