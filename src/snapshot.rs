//! [`Snapshot`]: the entries of a cache, to be written down and restored.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::stamp::MOST_ADOPTED;

/// The entries of a cache, each with its version stamp and what is left of its life; see
/// [`Cache::snapshot`](crate::Cache::snapshot).
///
/// Can be written and read in any format that serde knows. Nothing in it is trusted when it is
/// restored.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Snapshot};
///
/// let cache = Cache::new();
/// cache.insert(String::from("ada"), 36)?;
/// let seen = cache.get_with_cas("ada").and_then(|ada| ada.cas()).ok_or("gone")?;
/// let file = serde_json::to_string(&cache.snapshot())?;
///
/// // After a restart:
/// let cache = Cache::new();
/// let snapshot: Snapshot<String, i32> = serde_json::from_str(&file)?;
/// assert_eq!(cache.restore(snapshot)?.stored, 1);
/// cache.compare_and_swap("ada", seen, 37)?; // what was read before the restart still counts
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct Snapshot<K, V> {
    format: u32,
    entries: Vec<Entry<K, V>>,
}

/// The format that this version of the crate writes, and the only one it reads.
const FORMAT: u32 = 1;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Entry<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) stamp: u64,
    pub(crate) life: Option<Duration>,
}

impl<K, V> Snapshot<K, V> {
    pub(crate) fn new(entries: Vec<Entry<K, V>>) -> Self {
        Self { format: FORMAT, entries }
    }

    /// How many entries it has.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", 1)?;
    /// assert_eq!(cache.snapshot().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// assert!(Cache::<u64, u64>::new().snapshot().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries and the largest stamp among them, if a cache can take them over.
    pub(crate) fn checked(self) -> Result<(Vec<Entry<K, V>>, u64), RestoreError> {
        if self.format != FORMAT {
            return Err(RestoreError::Format(self.format));
        }
        let mut stamps: Vec<u64> = self.entries.iter().map(|entry| entry.stamp).collect();
        stamps.sort_unstable();
        if let Some(&first) = stamps.first().filter(|&&stamp| stamp == 0) {
            return Err(RestoreError::Stamp(first));
        }
        let largest = stamps.last().copied().unwrap_or_default();
        if largest > MOST_ADOPTED {
            return Err(RestoreError::Stamp(largest));
        }
        if let Some(pair) = stamps.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(RestoreError::SameStamp(pair[0]));
        }
        Ok((self.entries, largest))
    }
}

impl<K, V> fmt::Debug for Snapshot<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// What became of the entries of a snapshot; see [`Cache::restore`](crate::Cache::restore).
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// cache.insert("a", 1)?;
/// cache.insert("b", 1)?;
/// let snapshot = cache.snapshot();
/// let held = cache.get_and_lock("b")?;
/// let restored = cache.restore(snapshot)?;
/// assert_eq!((restored.stored, restored.locked), (1, 1));
/// # drop(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// They are in the cache, or have been evicted to make room for others.
    pub stored: usize,
    /// Their keys are locked in the cache.
    pub locked: usize,
    /// They weigh more than the cache may hold.
    pub too_heavy: usize,
    /// They had no time left to live. [`Cache::snapshot`](crate::Cache::snapshot) makes no such
    /// entries.
    pub expired: usize,
}

/// Why a snapshot was refused. None of its entries was restored.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, RestoreError, Snapshot};
///
/// let cache = Cache::new();
/// let snapshot: Snapshot<u32, u32> = serde_json::from_str(r#"{ "format": 7, "entries": [] }"#)?;
/// assert_eq!(cache.restore(snapshot).unwrap_err(), RestoreError::Format(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// It was written by a version of this crate that this one does not know.
    Format(u32),
    /// An entry has a stamp that no snapshot contains: zero, or one so large that the cache might
    /// run out of stamps.
    Stamp(u64),
    /// Two entries have the same stamp.
    SameStamp(u64),
    /// Called from inside an update closure.
    Reentrant,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => {
                write!(f, "the snapshot has format {format}; {FORMAT} is the one known")
            }
            Self::Stamp(stamp) => write!(f, "the snapshot has an impossible stamp, {stamp:#x}"),
            Self::SameStamp(stamp) => write!(f, "two entries have the stamp {stamp:#x}"),
            Self::Reentrant => f.write_str("called from inside an update closure"),
        }
    }
}

impl Error for RestoreError {}
