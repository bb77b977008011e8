//! [`CacheBuilder`]: every setting of a cache, with its default in one place.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use crate::Cache;
use crate::Expiry;
use crate::error::BuildError;
use crate::hash::{MAX_STRIPES, random};
use crate::removal::Removal;
use crate::store::{
    Bound, ExpiryPolicy, Listener, Parts, Settings, Store, Weigher, entry_bytes, is_possible_idle,
};
use crate::time::{Clock, SystemClock, TimeSource};

/// What a single stripe could still make room for.
const MAX_INITIAL_ENTRIES: usize = u32::MAX as usize;

const LOCK_TIME: Duration = Duration::from_secs(15);

/// Builds a [`Cache`].
///
/// Every setting has a default; [`build`](Self::build) checks them all.
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
/// assert_eq!(cache.get("k"), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CacheBuilder<K, V, S = ahash::RandomState> {
    hasher: S,
    clock: Box<dyn Clock>,
    stripes: Option<usize>,
    stamp_seed: u64,
    initial_entries: usize,
    time_to_live: Option<Duration>,
    time_to_idle: Option<Duration>,
    expiry_policy: Option<Box<ExpiryPolicy<K, V>>>,
    default_lock_time: Option<Duration>,
    max_lock_time: Duration,
    load_time: Duration,
    grace: Duration,
    refresh_ahead: Duration,
    max: Option<u64>,
    weigher: Option<Box<Weigher<K, V>>>,
    evicts: bool,
    listener: Option<Box<Listener<K, V>>>,
}

impl<K, V> CacheBuilder<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            hasher: ahash::RandomState::default(),
            clock: Box::new(SystemClock),
            stripes: None,
            stamp_seed: random(),
            initial_entries: 0,
            time_to_live: None,
            time_to_idle: None,
            expiry_policy: None,
            default_lock_time: None,
            max_lock_time: LOCK_TIME,
            load_time: LOCK_TIME,
            grace: Duration::ZERO,
            refresh_ahead: Duration::ZERO,
            max: None,
            weigher: None,
            evicts: true,
            listener: None,
        }
    }
}

impl<K, V, S> CacheBuilder<K, V, S> {
    /// Hashes keys with `hasher`. Default: ahash, keyed at random for each cache.
    ///
    /// The random key keeps others from choosing keys that collide. A hasher without one is for keys
    /// that nobody hostile chooses. Whatever it returns is mixed once more.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::hash::{BuildHasherDefault, DefaultHasher};
    ///
    /// // The same hashes in every run, so that a benchmark can be repeated.
    /// let hasher = BuildHasherDefault::<DefaultHasher>::default();
    /// let cache = Cache::builder().hasher(hasher).build()?;
    /// cache.insert("k", 1)?;
    /// assert_eq!(cache.get("k"), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hasher<T: BuildHasher>(self, hasher: T) -> CacheBuilder<K, V, T> {
        CacheBuilder {
            hasher,
            clock: self.clock,
            stripes: self.stripes,
            stamp_seed: self.stamp_seed,
            initial_entries: self.initial_entries,
            time_to_live: self.time_to_live,
            time_to_idle: self.time_to_idle,
            expiry_policy: self.expiry_policy,
            default_lock_time: self.default_lock_time,
            max_lock_time: self.max_lock_time,
            load_time: self.load_time,
            grace: self.grace,
            refresh_ahead: self.refresh_ahead,
            max: self.max,
            weigher: self.weigher,
            evicts: self.evicts,
            listener: self.listener,
        }
    }

    /// Takes the time from `clock`. Default: [`SystemClock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// cache.insert_with("k", 1, Expiry::After(Duration::from_secs(3600)))?;
    /// clock.advance(Duration::from_secs(3600)); // a test need not wait an hour
    /// assert_eq!(cache.get("k"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Bounds the cache: it never holds more than `max` entries. Default: no bound.
    ///
    /// When it is full, an entry that comes makes another go, chosen by how often and how lately it
    /// was used. A locked entry goes only if all others of its stripe are locked as well.
    ///
    /// The bound is divided among the stripes, of which a bounded cache has at most one for 256
    /// entries. Since hashing fills them unevenly, a cache may evict when it is a few percent short
    /// of its bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::builder().max_entries(100).build()?;
    /// for n in 0..1000 {
    ///     cache.insert(n, n)?;
    ///     assert!(cache.len() <= 100);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn max_entries(mut self, max: u64) -> Self {
        self.max = Some(max);
        self.weigher = None;
        self
    }

    /// Bounds the cache by weight: what `weigh` says of its entries never adds up to more than
    /// `max`. Default: no bound.
    ///
    /// An entry is weighed when it is written, outside all locks unless it is made by
    /// [`update`](Cache::update). Counters that move keep their weight. An entry of weight zero is
    /// pinned: it does not count and is not evicted. One that weighs more than `max` is refused with
    /// [`Refusal::TooHeavy`](crate::Refusal::TooHeavy).
    ///
    /// [`initial_entries`](Self::initial_entries) should say how many entries to expect, so that the
    /// cache can choose a good number of stripes.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let weigh = |_: &u32, text: &String| text.len().try_into().unwrap_or(u32::MAX);
    /// let cache = Cache::builder().max_weight(1000, weigh).build()?;
    /// cache.insert(1, "x".repeat(900))?;
    /// cache.insert(2, "y".repeat(200))?;
    /// assert_eq!(cache.get(&1), None); // had to go
    /// assert!(cache.insert(3, "z".repeat(1001)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn max_weight(
        mut self,
        max: u64,
        weigh: impl Fn(&K, &V) -> u32 + Send + Sync + 'static,
    ) -> Self {
        self.max = Some(max);
        self.weigher = Some(Box::new(weigh));
        self
    }

    /// Bounds the cache by bytes, for keys and values that are bytes: what all entries take never adds
    /// up to more than `max`. Default: no bound.
    ///
    /// An entry takes the length of its key and of its value, and a header: the allocation that both
    /// lie in, with whatever `K` and `V` are themselves, and [46 bytes](crate#memory) for its places in
    /// the table and for eviction. What a value's own allocation rounds up to is not known.
    ///
    /// Otherwise as [`max_weight`](Self::max_weight).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let pages = Cache::<String, Vec<u8>>::builder().max_bytes(1 << 20).build()?;
    /// for n in 0..2000 {
    ///     pages.insert(format!("page {n}"), vec![0; 1000])?;
    ///     assert!(pages.stats().weight <= 1 << 20);
    /// }
    /// assert!(pages.len() > 800);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn max_bytes(self, max: u64) -> Self
    where
        K: AsRef<[u8]> + 'static,
        V: AsRef<[u8]> + 'static,
    {
        self.max_weight(max, |key, value| {
            let owned = key.as_ref().len().saturating_add(value.as_ref().len());
            let bytes = owned.saturating_add(entry_bytes::<K, V>() + PLACE_BYTES);
            bytes.try_into().unwrap_or(u32::MAX)
        })
    }

    /// Whether entries of a full cache go when room is needed. If not, whoever needs room is refused.
    /// Default: they go.
    ///
    /// Entries still expire, and make room then. Lowering the bound evicts in any case.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Refusal};
    ///
    /// let cache = Cache::builder().max_entries(1).evicts(false).build()?;
    /// cache.insert("a", 1)?;
    /// assert_eq!(cache.insert("b", 2).unwrap_err().refusal(), Refusal::Full);
    /// cache.insert("a", 3)?; // takes the place of another value
    /// cache.remove("a")?;
    /// cache.insert("b", 2)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn evicts(mut self, evicts: bool) -> Self {
        self.evicts = evicts;
        self
    }

    /// Tells `listener` of every value that leaves the cache while the cache lives. Default: nobody.
    ///
    /// # Concurrency
    ///
    /// Called outside all locks, by a thread that has just used the cache, and for one key in the
    /// order in which its values left. It may use the cache. While it runs, removals of the same
    /// stripe queue up behind it, so it should be quick.
    ///
    /// With a listener, numbers are not overwritten in place, because it is shown the old one. A
    /// counter that moves is not a removal.
    ///
    /// # Panics
    ///
    /// A panic of the listener is swallowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let gone = Arc::new(AtomicUsize::new(0));
    /// let counter = Arc::clone(&gone);
    /// let cache = Cache::builder()
    ///     .max_entries(10)
    ///     .removal_listener(move |_| {
    ///         counter.fetch_add(1, Ordering::Relaxed);
    ///     })
    ///     .build()?;
    /// for n in 0..100 {
    ///     cache.insert(n, n)?;
    /// }
    /// assert_eq!(gone.load(Ordering::Relaxed), 90);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn removal_listener(
        mut self,
        listener: impl Fn(&Removal<'_, K, V>) + Send + Sync + 'static,
    ) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// How many stripes, and so how many writers at once, the cache has: 1 to 65 536, rounded up
    /// to a power of two. Default: four for each processor, at least 64.
    ///
    /// Readers do not care. Fewer stripes save some memory in a program that has many small caches.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{BuildError, Cache};
    ///
    /// let small = Cache::builder().stripes(4).build()?;
    /// small.insert("k", 1)?;
    ///
    /// let error = Cache::<u32, u32>::builder().stripes(65_537).build().unwrap_err();
    /// assert_eq!(error, BuildError::Stripes(65_537));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stripes(mut self, count: usize) -> Self {
        self.stripes = Some(count);
        self
    }

    /// Makes room for `count` entries when the cache is built, so that its tables need not grow
    /// step by step. Default: 0.
    ///
    /// This is not a limit. Each stripe gets an equal share of the room, while keys spread only
    /// about equally, so some stripes grow a little before all `count` entries are there.
    /// [`Cache::clear`] gives the room back. Where there is not so much memory, building the cache
    /// ends as any failed allocation does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::builder().initial_entries(1000).build()?;
    /// for n in 0..2000 {
    ///     cache.insert(n, n)?; // the second thousand finds room as well
    /// }
    /// assert_eq!(cache.len(), 2000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn initial_entries(mut self, count: usize) -> Self {
        self.initial_entries = count;
        self
    }

    /// How long an entry lives whose writer gives no [`Expiry`], counted from each
    /// such write; reading does not prolong it. Zero is gone at once, over 146 years is for ever.
    /// Default: for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let life = Duration::from_secs(300);
    /// let cache = Cache::builder().clock(clock.clone()).time_to_live(life).build()?;
    /// cache.insert("k", 1)?;
    /// clock.advance(Duration::from_secs(299));
    /// assert_eq!(cache.get("k"), Some(1));
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(cache.get("k"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn time_to_live(mut self, life: Duration) -> Self {
        self.time_to_live = Some(life);
        self
    }

    /// An entry that nobody looks up or writes for this long expires. Default: never.
    ///
    /// It goes when it has been idle for that long, at the latest an eighth longer. This comes beside
    /// the deadlines that writers set: the earlier one counts, and may do so a nanosecond early. Every look-up is a use, iteration is
    /// not. While its key is locked, look-ups do not keep an entry alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let idle = Duration::from_secs(80);
    /// let cache = Cache::builder().clock(clock.clone()).time_to_idle(idle).build()?;
    /// cache.insert("k", 1)?;
    /// for _ in 0..10 {
    ///     clock.advance(Duration::from_secs(79));
    ///     assert_eq!(cache.get("k"), Some(1));
    /// }
    /// clock.advance(Duration::from_secs(90));
    /// assert_eq!(cache.get("k"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn time_to_idle(mut self, idle: Duration) -> Self {
        self.time_to_idle = Some(idle);
        self
    }

    /// Lets `policy` choose the expiry of each entry whose writer leaves it at
    /// [`Expiry::Default`]. Default: the [`time_to_live`](Self::time_to_live), which is also what
    /// `Expiry::Default` means if the policy returns it.
    ///
    /// # Concurrency
    ///
    /// Called before the write, outside all locks, unless the value is made by
    /// [`update`](Cache::update).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::<String, Option<u32>>::builder()
    ///     .clock(clock.clone())
    ///     .expiry_policy(|_, found| match found {
    ///         Some(_) => Expiry::After(Duration::from_secs(300)),
    ///         None => Expiry::After(Duration::from_secs(5)), // it may come to be soon
    ///     })
    ///     .build()?;
    /// cache.insert("ada".into(), Some(1815))?;
    /// cache.insert("bob".into(), None)?;
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!((cache.get("ada"), cache.get("bob")), (Some(Some(1815)), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn expiry_policy(
        mut self,
        policy: impl Fn(&K, &V) -> Expiry + Send + Sync + 'static,
    ) -> Self {
        self.expiry_policy = Some(Box::new(policy));
        self
    }

    /// How long a key lock holds whose taker does not say: from one nanosecond to the maximum.
    /// Default: 15 seconds, or the maximum if that is less.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::time::Duration;
    ///
    /// let cache = Cache::builder().default_lock_time(Duration::from_secs(2)).build()?;
    /// cache.insert("k", 1)?;
    /// let held = cache.get_and_lock("k")?; // if its holder dies, others wait two seconds
    /// assert!(held.remaining() <= Duration::from_secs(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn default_lock_time(mut self, time: Duration) -> Self {
        self.default_lock_time = Some(time);
        self
    }

    /// The longest time a key lock may be taken or renewed for, more than zero. Default: 15
    /// seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, LockError};
    /// use std::time::Duration;
    ///
    /// let minute = Duration::from_secs(60);
    /// let cache = Cache::builder().max_lock_time(minute).build()?;
    /// cache.insert("k", 1)?;
    /// let error = cache.get_and_lock_for("k", 2 * minute).unwrap_err();
    /// assert_eq!(error, LockError::TooLong { max: minute });
    /// let held = cache.get_and_lock_for("k", minute)?;
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn max_lock_time(mut self, time: Duration) -> Self {
        self.max_lock_time = time;
        self
    }

    /// How long a load may keep others waiting, more than zero. Default: 15 seconds.
    ///
    /// Then somebody else who wants the key loads it as well. A loader that takes longer is not
    /// stopped, and its value is stored if nothing speaks against it. So this should be longer than
    /// any load that has a chance; it is there for leaders who never come back, such as a future that
    /// nobody polls any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::time::Duration;
    ///
    /// let cache = Cache::builder().load_time(Duration::from_secs(2)).build()?;
    /// assert_eq!(cache.get_or_load(&2, |n| n * n), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn load_time(mut self, time: Duration) -> Self {
        self.load_time = time;
        self
    }

    /// How long a value may be served beyond its life, while somebody refreshes it. Default: not at
    /// all.
    ///
    /// Every life that ends, by default or because its writer said so, is followed by the grace
    /// time. The entry is there for everybody until that is over as well. But
    /// [`get_or_load`](Cache::get_or_load) and [`lookup`](Cache::lookup) know it for stale: the first
    /// who comes refreshes it, and whoever comes meanwhile gets the old value.
    ///
    /// It is also how long a value may be served after [`mark_stale`](Cache::mark_stale).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Lookup, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder()
    ///     .clock(clock.clone())
    ///     .time_to_live(Duration::from_secs(60))
    ///     .grace(Duration::from_secs(10))
    ///     .build()?;
    /// cache.insert("k", 1)?;
    /// assert!(matches!(cache.lookup("k"), Lookup::Hit(_)));
    /// clock.advance(Duration::from_secs(60));
    /// assert!(matches!(cache.lookup("k"), Lookup::Stale(_, Some(_)))); // ours to refresh
    /// assert!(matches!(cache.lookup("k"), Lookup::Stale(_, None))); // somebody does already
    /// clock.advance(Duration::from_secs(10));
    /// assert!(matches!(cache.lookup("k"), Lookup::Miss(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// How long before the end of its life a value is due for a refresh. Default: not before the end.
    ///
    /// As [`grace`](Self::grace), but within the life instead of after it: a key in use is refreshed
    /// before it expires, so that nobody but the one who loads it waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder()
    ///     .clock(clock.clone())
    ///     .time_to_live(Duration::from_secs(60))
    ///     .refresh_ahead(Duration::from_secs(10))
    ///     .build()?;
    /// assert_eq!(cache.get_or_load(&"k", |_| 1), 1);
    /// clock.advance(Duration::from_secs(49));
    /// assert_eq!(cache.get_or_load(&"k", |_| 2), 1);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(cache.get_or_load(&"k", |_| 3), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn refresh_ahead(mut self, time: Duration) -> Self {
        self.refresh_ahead = time;
        self
    }

    /// Builds the cache.
    ///
    /// # Errors
    ///
    /// * [`BuildError::Stripes`]: the stripe count is out of range.
    /// * [`BuildError::InitialEntries`]: room for more than 4 294 967 295 entries is asked for.
    /// * [`BuildError::LockTime`]: a lock time is zero, or the default is over the maximum.
    /// * [`BuildError::LoadTime`]: the load time is zero.
    /// * [`BuildError::Bound`]: the cache is to hold nothing.
    /// * [`BuildError::TimeToIdle`]: the time to idle is zero, or longer than time itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{BuildError, Cache};
    /// use std::time::Duration;
    ///
    /// let cache: Cache<u32, u32> = Cache::builder().build()?;
    /// assert!(cache.is_empty());
    ///
    /// let unlockable = Cache::<u32, u32>::builder().max_lock_time(Duration::ZERO);
    /// assert_eq!(unlockable.build().unwrap_err(), BuildError::LockTime);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<Cache<K, V, S>, BuildError>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let stripes = self.stripes.unwrap_or_else(default_stripes);
        if !(1..=MAX_STRIPES).contains(&stripes) {
            return Err(BuildError::Stripes(stripes));
        }
        if self.initial_entries > MAX_INITIAL_ENTRIES {
            return Err(BuildError::InitialEntries(self.initial_entries));
        }
        let max_lock_time = self.max_lock_time;
        let default_lock_time = self.default_lock_time.unwrap_or(LOCK_TIME.min(max_lock_time));
        if default_lock_time.is_zero() || default_lock_time > max_lock_time {
            return Err(BuildError::LockTime);
        }
        if self.load_time.is_zero() {
            return Err(BuildError::LoadTime);
        }
        if self.max == Some(0) {
            return Err(BuildError::Bound);
        }
        let stripes = self.stripes_within_bound(stripes.next_power_of_two());
        let bits = stripes.trailing_zeros();
        if self.time_to_idle.is_some_and(|idle| !is_possible_idle(idle)) {
            return Err(BuildError::TimeToIdle);
        }
        let settings = Settings {
            time_to_live: self.time_to_live,
            time_to_idle: self.time_to_idle,
            default_lock_time,
            max_lock_time,
            load_time: self.load_time,
            grace: self.grace,
            refresh_ahead: self.refresh_ahead,
            evicts: self.evicts,
        };
        let parts = Parts {
            hasher: self.hasher,
            time: TimeSource::new(self.clock),
            settings,
            expiry_policy: self.expiry_policy,
            bound: self.max.map(|max| Bound::new(max, self.weigher)),
            listener: self.listener,
        };
        let store = Store::new(bits, self.initial_entries, self.stamp_seed, parts);
        Ok(Cache::from_store(Arc::new(store)))
    }

    /// Where the stamps begin, instead of a random place.
    #[cfg(feature = "bytes")]
    pub(crate) fn stamp_seed(mut self, seed: u64) -> Self {
        self.stamp_seed = seed;
        self
    }

    /// Eviction needs some company to choose from: fewer stripes for a small cache.
    fn stripes_within_bound(&self, stripes: usize) -> usize {
        let Some(max) = self.max else { return stripes };
        let entries = match &self.weigher {
            None => max,
            // How many entries there will be is anybody's guess. A wrong one costs hits.
            Some(_) if self.initial_entries == 0 => max.min(WEIGHED_STRIPES * STRIPE_ENTRIES),
            Some(_) => self.initial_entries as u64,
        };
        let most = usize::try_from(entries / STRIPE_ENTRIES).unwrap_or(usize::MAX).max(1);
        stripes.min(1 << most.ilog2())
    }
}

/// What an entry of a full cache takes in its stripe's table, queues, weights and ghosts.
const PLACE_BYTES: usize = 46;

/// A stripe of a bounded cache holds at least so many entries, if the whole cache does.
const STRIPE_ENTRIES: u64 = 256;

/// The most stripes of a cache that is bounded by weight and does not say how many entries to
/// expect.
const WEIGHED_STRIPES: u64 = 16;

fn default_stripes() -> usize {
    let processors = std::thread::available_parallelism().map_or(16, usize::from);
    (4 * processors).clamp(64, MAX_STRIPES)
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
