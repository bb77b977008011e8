//! Values with their stamps, as reads hand them out.

use std::ops::Deref;

use crate::Cas;

/// A value with the stamp it was read under.
///
/// Dereferences to the value.
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
    #[must_use]
    pub fn cas(&self) -> Option<Cas> {
        self.cas
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &V {
        &self.value
    }

    /// Gives up the stamp.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reread<V> {
    /// The entry still carries the stamp given.
    Unchanged,
    /// It carries another one.
    Changed(Versioned<V>),
    /// There is no entry any more.
    Absent,
}
