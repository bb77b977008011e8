//! What an update closure decides, and what came of it.

use crate::{Cas, Expiry};

/// What the closure of [`update`](crate::Cache::update) or
/// [`fetch_update`](crate::Cache::fetch_update) wants done with the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update<V> {
    /// Store this value, with the cache's default expiry.
    Put(V),
    /// Store this value with an expiry of its own.
    PutWith(V, Expiry),
    /// Remove the entry.
    Remove,
    /// Leave everything as it is: no write, and the stamp stays.
    Keep,
}

/// What an update did.
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
    #[must_use]
    pub fn cas(self) -> Option<Cas> {
        match self {
            Self::Stored(cas) => Some(cas),
            Self::Removed => None,
            Self::Kept(cas) => cas,
        }
    }
}
