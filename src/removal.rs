//! [`Removal`]: what a removal listener is told.

use crate::Cas;

/// Why a value left the cache.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Cause};
/// use std::sync::Mutex;
/// use std::sync::Arc;
///
/// let causes = Arc::new(Mutex::new(Vec::new()));
/// let seen = Arc::clone(&causes);
/// let cache = Cache::builder()
///     .removal_listener(move |removal| seen.lock().unwrap().push(removal.cause()))
///     .build()?;
/// cache.insert("k", String::from("a"))?;
/// cache.insert("k", String::from("b"))?;
/// cache.remove("k")?;
/// assert_eq!(*causes.lock().unwrap(), [Cause::Replaced, Cause::Removed]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Somebody removed the entry.
    Removed,
    /// Somebody stored another value under the key.
    Replaced,
    /// Its deadline passed.
    Expired,
    /// The cache was full.
    Evicted,
    /// The whole cache was cleared.
    Cleared,
}

/// A value that has left the cache, as a removal listener sees it.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Cause};
/// use std::sync::Mutex;
/// use std::sync::Arc;
///
/// let log = Arc::new(Mutex::new(Vec::new()));
/// let lines = Arc::clone(&log);
/// let cache = Cache::builder()
///     .removal_listener(move |removal| {
///         lines.lock().unwrap().push(format!("{} was {}", removal.key(), removal.value()));
///     })
///     .build()?;
/// cache.insert("visits", 41)?;
/// cache.remove("visits")?;
/// assert_eq!(*log.lock().unwrap(), ["visits was 41"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Removal<'r, K, V> {
    key: &'r K,
    value: &'r V,
    cas: Cas,
    cause: Cause,
}

impl<'r, K, V> Removal<'r, K, V> {
    pub(crate) fn new(key: &'r K, value: &'r V, cas: Cas, cause: Cause) -> Self {
        Self { key, value, cas, cause }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &'r K {
        self.key
    }

    /// The value that left.
    #[must_use]
    pub fn value(&self) -> &'r V {
        self.value
    }

    /// The stamp that the value had.
    #[must_use]
    pub fn cas(&self) -> Cas {
        self.cas
    }

    /// Why it left.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }
}
