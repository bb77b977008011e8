//! Looks at items and settings that change nothing.

use super::Store;
use crate::bytes::error::StoreError;
use crate::bytes::item::{Key, weight};
use crate::bytes::requests::{Fetch, Fetched};
use crate::epoch;

impl Store {
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

    /// How many seconds an item lives that is given `exptime` now; `None` for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// assert_eq!([0, 60, -1].map(|exptime| store.life(exptime)), [None, Some(60), Some(0)]);
    /// ```
    #[must_use]
    pub fn life(&self, exptime: i64) -> Option<u32> {
        self.left_of(exptime, self.second())
    }

    /// How many bytes a single item may take.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// assert_eq!(Store::new().item_limit(), 1 << 20);
    /// ```
    #[must_use]
    pub fn item_limit(&self) -> usize {
        self.inner.item_limit
    }

    /// Whether items go when room is needed.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// assert!(Store::new().evicts());
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::builder().unix_start(1_000_000_000).build()?;
    /// assert!(store.unix_time() >= 1_000_000_000);
    /// # Ok::<(), caskade::BuildError>(())
    /// ```
    #[must_use]
    pub fn unix_time(&self) -> i64 {
        self.inner.calendar.unix_start + i64::from(self.second())
    }
}
