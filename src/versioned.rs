//! Values with their stamps, as reads hand them out.

use std::ops::Deref;

use crate::Cas;

/// A value with the stamp it was read under.
///
/// Dereferences to the value.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// cache.insert("k", String::from("text"))?;
/// let seen = cache.get_with_cas("k").ok_or("gone")?;
/// assert_eq!(seen.len(), 4); // the length of the string
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versioned<V> {
    value: V,
    cas: Option<Cas>,
}

impl<V> Versioned<V> {
    pub(crate) fn new(value: V, cas: Option<Cas>) -> Self {
        Self { value, cas }
    }

    /// The stamp, or `None` while somebody holds the key's lock: what cannot be written should not
    /// be prepared.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// let stored = cache.insert("k", 1)?;
    /// assert_eq!(cache.get_with_cas("k").and_then(|seen| seen.cas()), Some(stored));
    /// let held = cache.get_and_lock("k")?;
    /// assert_eq!(cache.get_with_cas("k").and_then(|seen| seen.cas()), None);
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cas(&self) -> Option<Cas> {
        self.cas
    }

    /// The value.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", String::from("text"))?;
    /// let seen = cache.get_with_cas("k").ok_or("gone")?;
    /// let longer = format!("{} and more", seen.value());
    /// cache.compare_and_swap("k", seen.cas().ok_or("locked")?, longer)?;
    /// assert_eq!(cache.read("k", String::len), Some(13));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn value(&self) -> &V {
        &self.value
    }

    /// The value as the caller's own; the stamp is given up.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// cache.insert("k", String::from("text"))?;
    /// let text: Option<String> = cache.get_with_cas("k").map(|seen| seen.into_value());
    /// assert_eq!(text.as_deref(), Some("text"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_value(self) -> V {
        self.value
    }
}

impl<V> Deref for Versioned<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

/// What a second look at an entry shows; see
/// [`get_if_changed`](crate::Cache::get_if_changed).
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Reread};
///
/// let cache = Cache::new();
/// let mut seen = cache.insert("page", String::from("old"))?;
/// let mut shown = String::from("old");
/// cache.insert("page", String::from("new"))?;
/// match cache.get_if_changed("page", seen) {
///     Reread::Unchanged => {} // nothing was cloned
///     Reread::Changed(page) => {
///         seen = page.cas().unwrap_or(seen);
///         shown = page.into_value();
///     }
///     Reread::Absent => shown.clear(),
/// }
/// assert_eq!(shown, "new");
/// # let _ = seen;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reread<V> {
    /// The entry still carries the stamp given.
    Unchanged,
    /// It carries another one.
    Changed(Versioned<V>),
    /// There is no entry any more.
    Absent,
}
