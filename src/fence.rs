//! [`Fence`]: keys that stay absent while a transaction is undecided.

use std::fmt;

use crate::Cache;
use crate::store::Post;

/// Keys that are absent, and whose fills are refused, until the fence goes.
///
/// [`Cache::fence`] puts one up. It goes when it is released or dropped, or by itself after the time
/// it was given. What was read from elsewhere while it stood is not stored afterwards either. Should it
/// have gone by itself, its release invalidates the keys once more; so what was stored in between is
/// seen until then, but not longer.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Lookup};
/// use std::time::Duration;
///
/// let cache = Cache::new();
/// cache.insert("k", "old")?;
///
/// let fence = cache.fence(["k"], Duration::from_secs(5));
/// // The database commits. Whoever reads meanwhile goes there as well, and stores nothing.
/// assert_eq!(cache.get("k"), None);
/// let Lookup::Miss(token) = cache.lookup("k") else { unreachable!("it is fenced") };
/// assert!(cache.fill(token, "k", "old or new").is_err());
/// assert!(fence.release());
///
/// let Lookup::Miss(token) = cache.lookup("k") else { unreachable!("nobody has stored it") };
/// assert!(cache.fill(token, "k", "new").is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a fence that is dropped at once protects nothing"]
pub struct Fence<K, V, S = ahash::RandomState>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    cache: Cache<K, V, S>,
    posts: Vec<Post>,
}

impl<K, V, S> Fence<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn new(cache: Cache<K, V, S>) -> Self {
        Self { cache, posts: Vec::new() }
    }

    pub(crate) fn add(&mut self, posts: impl IntoIterator<Item = Post>) {
        self.posts.extend(posts);
    }

    /// Takes the fence away and says whether it stood until now; dropping it does the same.
    ///
    /// If not, its time was too short: between its end and now readers may have seen, and stored, what
    /// the database said before the commit. The keys are invalidated now.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::time::Duration;
    ///
    /// let cache = Cache::<&str, u32>::new();
    /// let fence = cache.fence(["a", "b"], Duration::from_secs(5));
    /// assert!(fence.release());
    /// assert_eq!(cache.get_or_load(&"a", |_| 1), 1);
    /// assert_eq!(cache.get("a"), Some(1));
    /// ```
    pub fn release(mut self) -> bool {
        self.take_away()
    }

    fn take_away(&mut self) -> bool {
        let mut stood = true;
        for post in self.posts.drain(..) {
            // Refused only inside an update closure; the fence lapses then.
            stood &= self.cache.store().take_away(post).unwrap_or(false);
        }
        stood
    }
}

impl<K, V, S> Drop for Fence<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn drop(&mut self) {
        self.take_away();
    }
}

impl<K, V, S> fmt::Debug for Fence<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence").finish_non_exhaustive()
    }
}
