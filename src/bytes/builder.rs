//! [`StoreBuilder`]: every setting of a store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::exptime::Calendar;
use super::item::{Item, Key, weight};
use super::store::{Inner, PendingFlush, Store};
use crate::cache::Cache;
use crate::error::BuildError;
use crate::time::{Clock, SystemClock};

const MEGABYTE: u64 = 1024 * 1024;

/// Stamps begin at 1024 and not at a random place: there are clients that keep 32 bits of them, and
/// send no stamp at all if it has more. Below are the numbers that are never a stamp.
const SMALL_STAMPS: u64 = 4 * 1024;

/// Builds a [`Store`].
///
/// # Examples
///
/// ```
/// use caskade::ManualClock;
/// use caskade::bytes::Store;
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let store = Store::builder().clock(clock.clone()).memory_limit(16 << 20).build()?;
/// store.set("k", "value", 0, 10)?;
/// clock.advance(Duration::from_secs(10));
/// assert_eq!(store.get("k")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct StoreBuilder {
    clock: Box<dyn Clock>,
    unix_start: Option<i64>,
    memory_limit: u64,
    item_limit: usize,
    evicts: bool,
    stripes: Option<usize>,
    stamp_seed: u64,
    lock_time: Duration,
    max_lock_time: Duration,
}

impl StoreBuilder {
    pub(super) fn new() -> Self {
        Self {
            clock: Box::new(SystemClock),
            unix_start: None,
            memory_limit: 64 * MEGABYTE,
            item_limit: MEGABYTE as usize,
            evicts: true,
            stripes: None,
            stamp_seed: SMALL_STAMPS,
            lock_time: Duration::from_secs(15),
            max_lock_time: Duration::from_secs(15),
        }
    }

    /// The clock that all the store's time comes from. Default: the system's.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::ManualClock;
    /// use caskade::bytes::Store;
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(clock.clone()).build()?;
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(store.age(), 60);
    /// # Ok::<(), caskade::BuildError>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The Unix time, in seconds, at which the store is made. Default: the present. From then on the
    /// clock counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::ManualClock;
    /// use caskade::bytes::Store;
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(clock).unix_start(1_700_000_000).build()?;
    /// assert_eq!(store.unix_time(), 1_700_000_000);
    /// assert_eq!(store.life(1_700_000_060), Some(60)); // an expiry time that is a Unix time
    /// # Ok::<(), caskade::BuildError>(())
    /// ```
    pub fn unix_start(mut self, seconds: i64) -> Self {
        self.unix_start = Some(seconds);
        self
    }

    /// How many bytes the items may take, counted as memcached does: keys, values and
    /// [`ITEM_OVERHEAD`](super::ITEM_OVERHEAD) for each. Default: 64 MiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::builder().memory_limit(100_000).build()?;
    /// for n in 0..1000 {
    ///     store.set(format!("session:{n}"), vec![0; 1000], 0, 0)?;
    /// }
    /// assert!(store.stats().weight <= 100_000 && store.stats().evicted > 900);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "max_bytes")]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// How many bytes a single item may take. Default: 1 MiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Reason, Store};
    ///
    /// let store = Store::builder().item_limit(1000).build()?;
    /// assert!(store.set("k", vec![0; 900], 0, 0).is_ok());
    /// let refused = store.set("k", vec![0; 1000], 0, 0).unwrap_err();
    /// assert_eq!(refused.reason(), Reason::TooLarge);
    /// assert_eq!(store.get("k")?, None); // as in memcached, what it was to replace is gone
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn item_limit(mut self, bytes: usize) -> Self {
        self.item_limit = bytes;
        self
    }

    /// Whether items go when room is needed, or whoever needs room is refused. Default: they go.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Reason, Store};
    ///
    /// let store = Store::builder().memory_limit(10_000).evicts(false).build()?;
    /// let refused = (0..100).find_map(|n| store.set(n.to_string(), vec![0; 500], 0, 0).err());
    /// assert_eq!(refused.map(|error| error.reason()), Some(Reason::Full));
    /// # Ok::<(), caskade::BuildError>(())
    /// ```
    pub fn evicts(mut self, evicts: bool) -> Self {
        self.evicts = evicts;
        self
    }

    /// How many stripes the table has, rounded up to a power of two. Default: up to 16.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::builder().stripes(64).build()?; // for many cores
    /// assert!(Store::builder().stripes(0).build().is_err());
    /// # drop(store);
    /// # Ok::<(), caskade::BuildError>(())
    /// ```
    pub fn stripes(mut self, count: usize) -> Self {
        self.stripes = Some(count);
        self
    }

    /// Where the stamps begin: for tests that must run the same again,
    /// which need a store of one stripe as well.
    #[doc(hidden)]
    pub fn stamp_seed(mut self, seed: u64) -> Self {
        self.stamp_seed = seed;
        self
    }

    /// How long a lock holds whose taker does not say, and how long at most. Default: 15 seconds,
    /// both.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    /// use std::time::Duration;
    ///
    /// let seconds = Duration::from_secs;
    /// let store = Store::builder().lock_times(seconds(5), seconds(60)).build()?;
    /// store.set("k", "value", 0, 0)?;
    /// let held = store.get_and_lock("k", Duration::ZERO)?; // for as long as is usual
    /// assert!(held.remaining <= seconds(5));
    /// store.unlock("k", held.token)?;
    /// let held = store.get_and_lock("k", seconds(30))?;
    /// assert!(held.remaining > seconds(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_times(mut self, default: Duration, most: Duration) -> Self {
        (self.lock_time, self.max_lock_time) = (default, most);
        self
    }

    /// Builds the store.
    ///
    /// # Errors
    ///
    /// [`BuildError`], as of [`CacheBuilder::build`](crate::CacheBuilder::build), for a memory limit
    /// of zero, a stripe count out of range, or lock times that do not fit.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::BuildError;
    /// use caskade::bytes::Store;
    ///
    /// assert_eq!(Store::builder().memory_limit(0).build().unwrap_err(), BuildError::Bound);
    /// ```
    pub fn build(self) -> Result<Store, BuildError> {
        let unix_start = self.unix_start.unwrap_or_else(unix_now);
        let mut builder = Cache::<Key, Item>::builder()
            .clock(self.clock)
            .max_weight(self.memory_limit, |key: &Key, item: &Item| {
                let weight = weight(key.as_bytes().len(), item.value.len(), item.flags);
                u32::try_from(weight).unwrap_or(u32::MAX)
            })
            .max_lock_time(self.max_lock_time)
            .default_lock_time(self.lock_time)
            .evicts(self.evicts)
            .stamp_seed(self.stamp_seed);
        if let Some(count) = self.stripes {
            builder = builder.stripes(count);
        }
        let inner = Inner {
            cache: builder.build()?,
            calendar: Calendar { unix_start },
            item_limit: self.item_limit,
            evicts: self.evicts,
            flush: PendingFlush::default(),
        };
        Ok(Store { inner: Arc::new(inner) })
    }
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl std::fmt::Debug for StoreBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreBuilder")
            .field("memory_limit", &self.memory_limit)
            .field("item_limit", &self.item_limit)
            .field("evicts", &self.evicts)
            .finish_non_exhaustive()
    }
}
