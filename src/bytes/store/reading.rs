//! Reads.

use bytes::Bytes;

use super::{Store, Verdict, chosen};
use crate::bytes::error::StoreError;
use crate::bytes::exptime::Calendar;
use crate::bytes::item::Item;
use crate::bytes::requests::{Fetch, Fetched, Hit, Metadata, Role, View};
use crate::epoch;
use crate::stamp::Cas;
use crate::store::{Found, Opener, Present, Revision};
use crate::update::Updated;

impl Store {
    /// The item under `key`.
    ///
    /// # Errors
    ///
    /// [`Reason::BadKey`](crate::bytes::Reason::BadKey).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 7, 0)?;
    /// let hit = store.get("k")?.expect("just stored");
    /// assert_eq!((&hit.value[..], hit.flags), (&b"value"[..], 7));
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Hit>, StoreError> {
        self.read(key, |view| Hit { value: view.value.clone(), flags: view.flags, cas: view.cas })
    }

    /// Shows the item under `key` to `look`, which spares the handle on the value that
    /// [`get`](Self::get) makes.
    ///
    /// # Concurrency
    ///
    /// What is removed meanwhile is dropped after `look` returns; nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`Reason::BadKey`](crate::bytes::Reason::BadKey).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 0)?;
    /// assert_eq!(store.read("k", |view| view.value.len())?, Some(5));
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    #[inline]
    pub fn read<R>(
        &self,
        key: impl AsRef<[u8]>,
        look: impl FnOnce(View<'_>) -> R,
    ) -> Result<Option<R>, StoreError> {
        let key = self.check(key.as_ref())?;
        let guard = epoch::pin();
        let Some(found) = self.inner.cache.store().get(key, &guard) else { return Ok(None) };
        found.value.note_use(self.second());
        Ok(Some(look(view(&found))))
    }

    /// Shows the items under `keys` to `look`, in their order, and `None` where there is none. The
    /// waits for their memory overlap.
    ///
    /// # Concurrency
    ///
    /// Each key is looked up by itself; together they are no snapshot.
    ///
    /// # Errors
    ///
    /// [`Reason::BadKey`](crate::bytes::Reason::BadKey) if any key is one; `look` was not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("a", "1", 0, 0)?;
    /// let mut found = Vec::new();
    /// store.read_many(["a", "b"], |key, view| found.push((key, view.is_some())))?;
    /// assert_eq!(found, [("a", true), ("b", false)]);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn read_many<'k, Q>(
        &self,
        keys: impl IntoIterator<Item = &'k Q, IntoIter: Clone>,
        mut look: impl FnMut(&'k Q, Option<View<'_>>),
    ) -> Result<(), StoreError>
    where
        Q: AsRef<[u8]> + ?Sized + 'k,
    {
        let keys = keys.into_iter();
        for key in keys.clone() {
            self.check(key.as_ref())?;
        }
        let (mut hits, mut misses) = (0, 0);
        let guard = epoch::pin();
        let now = self.second();
        let store = self.inner.cache.store();
        let mut names = keys.clone();
        store.peek_many(keys.map(AsRef::as_ref), &guard, |_, found| {
            let Some(key) = names.next() else { return };
            match found {
                Some(found) => {
                    hits += 1;
                    found.value.note_use(now);
                    look(key, Some(view(&found)));
                }
                None => {
                    misses += 1;
                    look(key, None);
                }
            }
        });
        store.count_reads(&guard, hits, misses);
        Ok(())
    }

    /// The item under `key`, read in full: memcached's `mg`.
    ///
    /// Whoever reads an item that is stale takes part in the choice of who fills it anew; a
    /// [`get`](Self::get) does not.
    ///
    /// # Errors
    ///
    /// * [`Reason::BadKey`](crate::bytes::Reason::BadKey).
    /// * [`Reason::Locked`](crate::bytes::Reason::Locked): the item is locked, and was to be touched.
    /// * [`Reason::Full`](crate::bytes::Reason::Full), [`Reason::Reentrant`](crate::bytes::Reason::Reentrant): an empty item could not be made.
    ///
    /// # Examples
    ///
    /// Of all who miss, one is told to load:
    ///
    /// ```
    /// use caskade::bytes::{Fetch, Role, Store};
    ///
    /// let store = Store::new();
    /// let lease = Fetch { vivify: Some(30), ..Fetch::default() };
    /// let first = store.fetch("page", lease)?.expect("made if absent");
    /// let second = store.fetch("page", lease)?.expect("made by the first");
    /// assert_eq!((first.role, second.role), (Role::Won, Role::Taken));
    ///
    /// store.cas("page", "content", 0, 60, first.hit.cas)?;
    /// assert_eq!(store.fetch("page", lease)?.map(|page| page.role), Some(Role::None));
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    pub fn fetch(
        &self,
        key: impl AsRef<[u8]>,
        fetch: Fetch,
    ) -> Result<Option<Fetched>, StoreError> {
        let key = self.check(key.as_ref())?;
        if fetch.needs_lock() {
            return Ok(self.fetch_locked(key, fetch)?);
        }
        let guard = epoch::pin();
        let Some(found) = self.inner.cache.store().get(key, &guard) else { return Ok(None) };
        let item: &Item = &found.value;
        // Who cannot write cannot fill.
        if found.cas.is_some() && item.is_stale() && !item.is_won() {
            return Ok(self.fetch_locked(key, fetch)?);
        }
        if !fetch.quietly {
            item.note_use(self.second());
        }
        Ok(Some(Fetched {
            hit: item.hit(found.cas),
            role: item.role(),
            is_stale: item.is_stale(),
            binary_key: item.has_binary_key(),
            is_new: false,
            metadata: None,
        }))
    }

    pub(super) fn fetch_locked(&self, key: &[u8], fetch: Fetch) -> Verdict<Option<Fetched>> {
        let now = self.second();
        let mut fetched = None;
        // A locked item can be read, and not touched.
        let opener = if fetch.touch.is_some() { Opener::Nobody } else { Opener::Force };
        let updated = self.revise(key, opener, |present| {
            let Some(present) = present else {
                let Some(exptime) = fetch.vivify else { return Revision::Keep };
                let item = Item::new(Bytes::new(), 0, now).stamped(fetch.stamp).marked_won();
                if !fetch.quietly {
                    item.note_use(now);
                }
                return Revision::Put(item, self.expiry(exptime));
            };
            fetched = Some(self.look(&present, fetch, now));
            fetch.touch.map_or(Revision::Keep, |exptime| Revision::Touch(self.expiry(exptime)))
        })?;
        match updated {
            Updated::Stored(cas) => Ok(Some(self.vivified(fetch, cas))),
            _ => Ok(fetched),
        }
    }

    /// What a read under the stripe lock shows of an item that is there.
    fn look(&self, present: &Present<'_, Item>, fetch: Fetch, now: u32) -> Fetched {
        let item = present.value;
        let left = Calendar::left(present.expires, now);
        let judged = match fetch.touch {
            Some(exptime) if fetch.recache_touched => self.left_of(exptime, now),
            _ => left,
        };
        let claims = judged.zip(fetch.recache).is_some_and(|(left, n)| i64::from(left) < n);
        let metadata = Metadata {
            ttl: left,
            was_fetched: item.was_fetched(),
            idle: now.saturating_sub(item.used()),
        };
        if !fetch.quietly {
            item.note_use(now);
        }
        // Who cannot write cannot fill.
        let role = if present.is_locked { item.role() } else { item.claim(claims) };
        Fetched {
            hit: item.hit((!present.is_locked).then_some(present.cas)),
            role,
            is_stale: item.is_stale(),
            binary_key: item.has_binary_key(),
            is_new: false,
            metadata: Some(metadata),
        }
    }

    /// The empty item that a read has made.
    fn vivified(&self, fetch: Fetch, cas: Cas) -> Fetched {
        let ttl = fetch.vivify.and_then(|exptime| self.life(exptime));
        let metadata = Metadata { ttl, was_fetched: false, idle: 0 };
        Fetched {
            hit: Hit { value: Bytes::new(), flags: 0, cas: chosen(fetch.stamp, cas) },
            role: Role::Won,
            is_stale: false,
            binary_key: false,
            is_new: true,
            metadata: Some(metadata),
        }
    }
}

/// What a look-up has found, as callers see it.
#[inline]
fn view<'f>(found: &'f Found<'_, Item>) -> View<'f> {
    let item: &'f Item = &found.value;
    View { value: &item.value, flags: item.flags, cas: item.cas(found.cas) }
}
