//! [`CacheBuilder`]: every setting of a cache, with its default in one place.

use std::fmt;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::Cache;
use crate::error::BuildError;
use crate::hash::MAX_STRIPES;
use crate::store::{Settings, Store};
use crate::time::{Clock, SystemClock, TimeSource};

const LOCK_TIME: Duration = Duration::from_secs(15);

/// Builds a [`Cache`].
///
/// # Examples
///
/// ```
/// use caskade::Cache;
/// use std::time::Duration;
///
/// let cache = Cache::builder()
///     .time_to_live(Duration::from_secs(300))
///     .initial_entries(10_000)
///     .build()?;
/// cache.insert("k", 1)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CacheBuilder<K, V, S = ahash::RandomState> {
    hasher: S,
    clock: Box<dyn Clock>,
    stripes: Option<usize>,
    initial_entries: usize,
    time_to_live: Option<Duration>,
    default_lock_time: Option<Duration>,
    max_lock_time: Duration,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<K, V> CacheBuilder<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            hasher: ahash::RandomState::default(),
            clock: Box::new(SystemClock),
            stripes: None,
            initial_entries: 0,
            time_to_live: None,
            default_lock_time: None,
            max_lock_time: LOCK_TIME,
            entry: PhantomData,
        }
    }
}

impl<K, V, S> CacheBuilder<K, V, S> {
    /// Hashes keys with `hasher`. Default: ahash, keyed at random for each cache.
    #[must_use]
    pub fn hasher<T: BuildHasher>(self, hasher: T) -> CacheBuilder<K, V, T> {
        CacheBuilder {
            hasher,
            clock: self.clock,
            stripes: self.stripes,
            initial_entries: self.initial_entries,
            time_to_live: self.time_to_live,
            default_lock_time: self.default_lock_time,
            max_lock_time: self.max_lock_time,
            entry: self.entry,
        }
    }

    /// Takes the time from `clock`. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// How many stripes, and so how many writers at once, the cache has: 1 to 65 536, rounded up
    /// to a power of two. Default: four for each processor, at least 64.
    #[must_use]
    pub fn stripes(mut self, count: usize) -> Self {
        self.stripes = Some(count);
        self
    }

    /// Makes room for `count` entries at once, so that tables need not grow until then. Default: 0.
    #[must_use]
    pub fn initial_entries(mut self, count: usize) -> Self {
        self.initial_entries = count;
        self
    }

    /// How long an entry lives whose writer gives no [`Expiry`](crate::Expiry). Default: for ever.
    #[must_use]
    pub fn time_to_live(mut self, life: Duration) -> Self {
        self.time_to_live = Some(life);
        self
    }

    /// How long a key lock holds whose taker does not say. Default: 15 seconds,
    /// or the maximum if that is less.
    #[must_use]
    pub fn default_lock_time(mut self, time: Duration) -> Self {
        self.default_lock_time = Some(time);
        self
    }

    /// The longest time a key lock may be taken for. Default: 15 seconds.
    #[must_use]
    pub fn max_lock_time(mut self, time: Duration) -> Self {
        self.max_lock_time = time;
        self
    }

    /// Builds the cache.
    ///
    /// # Errors
    ///
    /// * [`BuildError::Stripes`]: the stripe count is out of range.
    /// * [`BuildError::LockTime`]: a lock time is zero, or the default is over the maximum.
    pub fn build(self) -> Result<Cache<K, V, S>, BuildError>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let stripes = self.stripes.unwrap_or_else(default_stripes);
        if !(1..=MAX_STRIPES).contains(&stripes) {
            return Err(BuildError::Stripes(stripes));
        }
        let max_lock_time = self.max_lock_time;
        let default_lock_time = self.default_lock_time.unwrap_or(LOCK_TIME.min(max_lock_time));
        if default_lock_time.is_zero() || default_lock_time > max_lock_time {
            return Err(BuildError::LockTime);
        }
        let bits = stripes.next_power_of_two().trailing_zeros();
        let time = TimeSource::new(self.clock);
        let settings =
            Settings { time_to_live: self.time_to_live, default_lock_time, max_lock_time };
        let store = Store::new(bits, self.initial_entries, seed(), self.hasher, time, settings);
        Ok(Cache::from_store(Arc::new(store)))
    }
}

fn default_stripes() -> usize {
    let processors = std::thread::available_parallelism().map_or(16, usize::from);
    (4 * processors).clamp(64, MAX_STRIPES)
}

/// Where a cache's stamps begin: at random, so that a stamp of another cache is refused.
fn seed() -> u64 {
    if crate::sync::MODELLED { 0 } else { ahash::RandomState::new().hash_one(0u8) }
}

impl<K, V, S> fmt::Debug for CacheBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("stripes", &self.stripes)
            .field("initial_entries", &self.initial_entries)
            .field("time_to_live", &self.time_to_live)
            .field("default_lock_time", &self.default_lock_time)
            .field("max_lock_time", &self.max_lock_time)
            .finish_non_exhaustive()
    }
}
