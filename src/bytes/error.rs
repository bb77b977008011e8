//! Why a store refuses, and what it gives back.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// A refused operation, with the value that was to be stored.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Reason, Store};
///
/// let store = Store::new();
/// let refused = store.replace("k", "value", 0, 0).unwrap_err();
/// assert_eq!(refused.reason(), Reason::Absent);
/// assert_eq!(refused.into_value(), "value");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoreError {
    reason: Reason,
    value: Bytes,
}

impl StoreError {
    pub(super) fn new(reason: Reason, value: Bytes) -> Self {
        Self { reason, value }
    }

    /// What stood in the way.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::{Reason, Store};
    ///
    /// let store = Store::new();
    /// store.set("k", "text", 0, 0)?;
    /// assert_eq!(store.increment("k", 1).unwrap_err().reason(), Reason::NotNumeric);
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The value that was not stored; empty if the operation had none.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    ///
    /// let store = Store::new();
    /// let long_key = "k".repeat(251);
    /// let refused = store.set(&long_key, "value", 0, 0).unwrap_err();
    /// store.set("shorter", refused.into_value(), 0, 0)?;
    /// # Ok::<(), caskade::bytes::StoreError>(())
    /// ```
    #[must_use]
    pub fn into_value(self) -> Bytes {
        self.value
    }
}

impl From<Reason> for StoreError {
    fn from(reason: Reason) -> Self {
        Self::new(reason, Bytes::new())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl fmt::Debug for StoreError {
    /// Without the value, which may be large: this is what a failed `unwrap` shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = format_args!("{} bytes", self.value.len());
        f.debug_struct("StoreError").field("reason", &self.reason).field("value", &size).finish()
    }
}

impl Error for StoreError {}

/// Why an operation was refused.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Reason, Store};
///
/// let store = Store::new();
/// assert_eq!(store.set("", "value", 0, 0).unwrap_err().reason(), Reason::BadKey);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The key is empty, or longer than 250 bytes.
    BadKey,
    /// There is no item.
    Absent,
    /// There is one.
    Exists,
    /// The item has another stamp.
    Changed,
    /// The item would be larger than the store allows. If it was to replace another one without a
    /// condition, that one is gone.
    TooLarge,
    /// There is no room, and the store does not evict.
    Full,
    /// The value is not a decimal number below 2^64.
    NotNumeric,
    /// Somebody else has locked the item.
    Locked {
        /// How long the lock holds, unless it is opened.
        remaining: Duration,
    },
    /// The item is not locked.
    NotLocked,
    /// Called from inside an update closure.
    Reentrant,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadKey => f.write_str("a key has 1 to 250 bytes"),
            Self::Absent => f.write_str("no such item"),
            Self::Exists => f.write_str("the item exists"),
            Self::Changed => f.write_str("the item has changed"),
            Self::TooLarge => f.write_str("the item is too large"),
            Self::Full => f.write_str("there is no room, and nothing may be evicted"),
            Self::NotNumeric => f.write_str("the value is not a decimal number below 2^64"),
            Self::Locked { remaining } => write!(f, "the key is locked for {remaining:?}"),
            Self::NotLocked => f.write_str("the key is not locked"),
            Self::Reentrant => f.write_str("a write from inside an update closure"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_unwrap_shows_is_short_however_large_the_value() {
        let refused = StoreError::new(Reason::TooLarge, vec![0; 1 << 20].into());
        assert_eq!(format!("{refused:?}"), "StoreError { reason: TooLarge, value: 1048576 bytes }");
    }
}
