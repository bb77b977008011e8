//! [`Store`]: the operations, by what they do.
//!
//! Each is a look-up, a plain write, or a revision of the entry under its stripe lock.

mod counting;
mod flushing;
mod intervening;
mod locking;
mod reading;
mod removing;
mod settings;
mod writing;

use std::fmt;
use std::sync::Arc;

use super::builder::StoreBuilder;
use super::error::{Reason, StoreError};
use super::exptime::Calendar;
use super::item::{Item, Key};
use crate::cache::Cache;
use crate::error::{BuildError, Refusal};
use crate::expiry::Expiry;
use crate::stamp::Cas;
use crate::stats::Stats;
use crate::store::{Opener, Present, Revision};
use crate::time::TimeSource;
use crate::update::Updated;

pub(super) use flushing::PendingFlush;
pub use intervening::ItemView;

/// The longest key, in bytes.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{MAX_KEY, Store};
///
/// let store = Store::new();
/// assert!(store.set("k".repeat(MAX_KEY), "value", 0, 0).is_ok());
/// assert!(store.set("k".repeat(MAX_KEY + 1), "value", 0, 0).is_err());
/// ```
pub const MAX_KEY: usize = 250;

/// A store of byte strings with memcached's semantics.
///
/// A handle is cheap to clone, and all clones share the items. Keys are any 1 to [`MAX_KEY`] bytes.
/// Values are [`Bytes`](bytes::Bytes): a hit shares the store's memory.
///
/// Expiry times are memcached's: 0 is never, a number up to [`RELATIVE_LIMIT`](super::RELATIVE_LIMIT)
/// is so many seconds from now, a greater one a Unix time, a negative one the past. The clock ticks
/// once a second, and an item is gone from the tick on that its expiry time names.
///
/// # Concurrency
///
/// Every operation on a key takes effect at one instant, and all writes of a key are serialised.
/// Reads take no lock, unless they change something or ask for [`Metadata`](super::Metadata).
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
///
/// let store = Store::new();
/// let other = store.clone();
/// std::thread::spawn(move || other.set("k", "value", 0, 0)).join().unwrap()?;
/// assert_eq!(store.get("k")?.map(|hit| hit.value), Some("value".into()));
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
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

/// What is decided about a request once the entry is known.
type Verdict<T> = Result<T, Reason>;

impl Store {
    /// A store with default settings: items of up to 1 MiB, 64 MiB in all.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// assert!(Store::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder with default settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Reason, Store};
    ///
    /// let store = Store::builder().item_limit(1024).build()?;
    /// let refused = store.set("k", vec![0; 1024], 0, 0).unwrap_err();
    /// assert_eq!(refused.reason(), Reason::TooLarge); // key and overhead count as well
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> StoreBuilder {
        StoreBuilder::new()
    }

    /// How many items there are, those included that have expired and not been noticed.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 0)?;
    /// assert_eq!(store.len(), 1);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.cache.len()
    }

    /// Whether there is no item.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 0)?;
    /// store.delete("k")?;
    /// assert!(store.is_empty());
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.cache.is_empty()
    }

    /// The statistics of the cache below. Weights are bytes, counted as
    /// [`StoreBuilder::memory_limit`] says.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{ITEM_OVERHEAD, Store};
    ///
    /// let store = Store::new();
    /// store.set("k", "value", 0, 0)?;
    /// assert_eq!(store.stats().weight, 6 + ITEM_OVERHEAD as u64);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.cache.stats()
    }

    /// Changes how many bytes the items may take. If that becomes less, items are evicted before
    /// this returns.
    ///
    /// # Errors
    ///
    /// [`BuildError::Bound`] for none.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// for n in 0..1000 {
    ///     store.set(format!("key {n}"), vec![0; 1000], 0, 0)?;
    /// }
    /// store.set_memory_limit(100_000)?;
    /// assert!(store.len() < 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_memory_limit(&self, bytes: u64) -> Result<(), BuildError> {
        self.inner.cache.set_bound(bytes)
    }

    /// Checks every invariant of the tables below. For tests.
    #[doc(hidden)]
    pub fn validate(&self) {
        self.inner.cache.validate();
    }

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
    #[inline]
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

    /// Lets `change` decide what becomes of the entry, under its stripe lock.
    fn revise(
        &self,
        key: &[u8],
        opener: Opener,
        change: impl FnMut(Option<Present<'_, Item>>) -> Revision<Item>,
    ) -> Verdict<Updated> {
        let revised = self.inner.cache.store().revise(Key::new(key), opener, change);
        revised.map_err(|error| Reason::from(error.refusal()))
    }
}

/// Whoever comes with this stamp may open a lock with it.
fn opener(cas: Option<u64>) -> Opener {
    match cas.map(Cas::try_from) {
        Some(Ok(token)) => Opener::Token(token),
        _ => Opener::Nobody,
    }
}

/// The stamp that a write has ended up with, if `asked` was what it should be.
fn chosen(asked: Option<u64>, drawn: Cas) -> u64 {
    asked.filter(|&stamp| stamp != 0).unwrap_or(drawn.to_u64())
}

impl From<Refusal> for Reason {
    /// Why a write was refused below.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Absent => Self::Absent,
            Refusal::Exists { .. } => Self::Exists,
            Refusal::Changed { .. } => Self::Changed,
            Refusal::Locked { remaining } | Refusal::Fenced { remaining } => {
                Self::Locked { remaining }
            }
            Refusal::TooHeavy { .. } | Refusal::Full => Self::Full,
            Refusal::Reentrant | Refusal::Invalidated | Refusal::WrongToken => Self::Reentrant,
        }
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

/// For a refused operation that brought no value.
fn bare(reason: Reason) -> StoreError {
    StoreError::from(reason)
}
