//! [`Iter`] and [`Drain`]: the entries of a cache, one by one, as clones.

use std::fmt;
use std::vec;

use crate::Versioned;

/// Clones of a cache's entries; see [`Cache::iter`](crate::Cache::iter).
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// for n in 1..=4 {
///     cache.insert(n, n * 10)?;
/// }
/// for (key, value) in cache.iter() {
///     if *value > 20 {
///         cache.remove(&key)?; // the cache may be written meanwhile
///     }
/// }
/// assert_eq!(cache.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Iter<'c, K, V> {
    next_stripe: Box<NextStripe<'c, K, V>>,
    current: vec::IntoIter<(K, Versioned<V>)>,
}

/// Yields the entries of one stripe after the other.
type NextStripe<'c, K, V> = dyn FnMut() -> Option<Vec<(K, Versioned<V>)>> + 'c;

impl<'c, K, V> Iter<'c, K, V> {
    pub(crate) fn new(next_stripe: impl FnMut() -> Option<Vec<(K, Versioned<V>)>> + 'c) -> Self {
        Self { next_stripe: Box::new(next_stripe), current: Vec::new().into_iter() }
    }
}

impl<K, V> Iterator for Iter<'_, K, V> {
    type Item = (K, Versioned<V>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.current.next() {
                return Some(entry);
            }
            self.current = (self.next_stripe)()?.into_iter();
        }
    }
}

impl<K, V> fmt::Debug for Iter<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}

/// Clones of entries that it removes; see [`Cache::drain`](crate::Cache::drain).
///
/// Dropping it leaves the entries that it has not yielded.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// cache.insert("a", 1)?;
/// cache.insert("b", 2)?;
/// let mut entries: Vec<_> = cache.drain().map(|(key, value)| (key, *value)).collect();
/// entries.sort();
/// assert_eq!(entries, [("a", 1), ("b", 2)]);
/// assert!(cache.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "entries are removed when they are yielded, not before"]
pub struct Drain<'c, K, V> {
    next: Box<Next<'c, K, V>>,
}

/// Removes an entry.
type Next<'c, K, V> = dyn FnMut() -> Option<(K, Versioned<V>)> + 'c;

impl<'c, K, V> Drain<'c, K, V> {
    pub(crate) fn new(next: impl FnMut() -> Option<(K, Versioned<V>)> + 'c) -> Self {
        Self { next: Box::new(next) }
    }
}

impl<K, V> Iterator for Drain<'_, K, V> {
    type Item = (K, Versioned<V>);

    fn next(&mut self) -> Option<Self::Item> {
        (self.next)()
    }
}

impl<K, V> fmt::Debug for Drain<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").finish_non_exhaustive()
    }
}
