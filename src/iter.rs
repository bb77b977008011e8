//! [`Iter`]: the entries of a cache, one by one, as clones.

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
