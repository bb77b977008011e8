//! What an update closure decides, and what came of it.

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
