//! What an update closure decides, and what came of it.

use std::ops::Deref;

use crate::{Cas, Expiry};

/// What the closure of [`update`](crate::Cache::update) or
/// [`fetch_update`](crate::Cache::fetch_update) wants done with the entry.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Expiry, Update};
/// use std::time::Duration;
///
/// let jobs = Cache::new();
/// let minute = Expiry::After(Duration::from_secs(60));
/// let mut turn = |left: Option<&u32>| match left {
///     None => Update::PutWith(2, minute), // a new job
///     Some(1) => Update::Remove,          // the last step
///     Some(left) => Update::Put(left - 1),
/// };
/// jobs.update("job", &mut turn)?;
/// jobs.update("job", &mut turn)?;
/// assert_eq!(jobs.get("job"), Some(1));
/// jobs.update("job", &mut turn)?;
/// assert_eq!(jobs.get("job"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update<V> {
    /// Store this value, with the cache's default expiry.
    Put(V),
    /// Store this value with an expiry of its own.
    PutWith(V, Expiry),
    /// Remove the entry. Without an entry this is `Keep`.
    Remove,
    /// Leave everything as it is: no write, and the stamp stays.
    Keep,
}

/// What an update did.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Update, Updated};
///
/// let cache = Cache::new();
/// cache.insert("k", 1)?;
/// let raise = |seen: Option<&u32>| seen.map_or(Update::Keep, |n| Update::Put(n + 1));
/// assert!(matches!(cache.update("k", raise)?, Updated::Stored(_)));
/// assert_eq!(cache.update("nobody", raise)?, Updated::Kept(None));
/// assert_eq!(cache.update("k", |_| Update::Remove)?, Updated::Removed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updated {
    /// A value was stored under this stamp.
    Stored(Cas),
    /// The entry was removed.
    Removed,
    /// Nothing was written. The stamp of the entry, if there is one and it is not locked.
    Kept(Option<Cas>),
}

impl Updated {
    /// The stamp of the entry after the update, if it has one to show.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Update};
    ///
    /// let cache = Cache::new();
    /// let stored = cache.update("k", |_| Update::Put(1))?;
    /// let seen = stored.cas().ok_or("not stored")?;
    /// cache.compare_and_swap("k", seen, 2)?; // nobody has written since the update
    /// assert_eq!(cache.get("k"), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cas(self) -> Option<Cas> {
        match self {
            Self::Stored(cas) => Some(cas),
            Self::Removed => None,
            Self::Kept(cas) => cas,
        }
    }
}

/// What [`fetch_update`](crate::Cache::fetch_update) did, and how many attempts it took.
///
/// Dereferences to [`Updated`].
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Retry, Update, Updated};
///
/// let cache = Cache::new();
/// let mut rivals = 2;
/// let retried = cache.fetch_update("k", Retry::default(), |_| {
///     if rivals > 0 {
///         rivals -= 1;
///         cache.insert("k", rivals).expect("not locked"); // somebody is faster
///     }
///     Update::Put(7)
/// })?;
/// assert!(matches!(*retried, Updated::Stored(_)));
/// assert_eq!(retried.attempts(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retried {
    updated: Updated,
    attempts: u32,
}

impl Retried {
    pub(crate) fn new(updated: Updated, attempts: u32) -> Self {
        Self { updated, attempts }
    }

    /// How many attempts were made, the successful one included.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Retry, Update};
    ///
    /// let cache = Cache::new();
    /// let retried = cache.fetch_update("k", Retry::default(), |_| Update::Put(1))?;
    /// assert_eq!(retried.attempts(), 1); // nobody came in between
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn attempts(self) -> u32 {
        self.attempts
    }

    /// What the last attempt did.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Retry, Update, Updated};
    ///
    /// let cache = Cache::<&str, u32>::new();
    /// let retried = cache.fetch_update("k", Retry::default(), |_| Update::Keep)?;
    /// assert_eq!(retried.updated(), Updated::Kept(None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn updated(self) -> Updated {
        self.updated
    }
}

impl Deref for Retried {
    type Target = Updated;

    fn deref(&self) -> &Updated {
        &self.updated
    }
}
