//! What a store allows, and its time.

use super::Store;
use crate::bytes::item::weight;

impl Store {
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
        self.inner.calendar.unix_time(self.second())
    }
}
