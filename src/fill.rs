//! What fills are made with: tokens, marks, and what a look-up or a loader says.

use std::fmt;
use std::sync::Arc;

use crate::store::Since;
use crate::{Expiry, Versioned};

/// The right to store what was absent, or stale, when the token was handed out.
///
/// [`Cache::lookup`](crate::Cache::lookup) hands it out, [`Cache::fill`](crate::Cache::fill) takes it.
/// It holds nothing: dropped, nothing happens. If it is the right to refresh a stale value, nobody
/// else gets that for the cache's [load time](crate::CacheBuilder::load_time).
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Lookup};
///
/// let cache = Cache::new();
/// if let Lookup::Miss(token) = cache.lookup("k") {
///     let value = 1; // read from the database, say
///     cache.invalidate("k"); // meanwhile somebody changes it
///     assert!(cache.fill(token, "k", value).is_err());
/// }
/// assert_eq!(cache.get("k"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(PartialEq, Eq)]
#[must_use = "a value that was absent should be read and stored"]
pub struct FillToken(Since);

impl FillToken {
    pub(crate) fn new(since: Since) -> Self {
        Self(since)
    }

    pub(crate) fn since(self) -> Since {
        self.0
    }
}

impl fmt::Debug for FillToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FillToken").finish_non_exhaustive()
    }
}

/// A moment in the life of a cache, against which fills of any key are measured.
///
/// Taken before a database snapshot begins, it lets in what is read in that snapshot, except where the
/// cache has learnt of something newer since. Cheap to clone.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// let mark = cache.mark();
/// // A database transaction begins here, and sees the world as it is now.
/// cache.invalidate("b"); // somebody changes `b`
/// assert!(cache.fill_since(&mark, "a", 1).is_ok());
/// assert!(cache.fill_since(&mark, "b", 2).is_err());
/// ```
#[derive(Clone)]
pub struct Mark(Arc<[u64]>);

impl Mark {
    pub(crate) fn new(stamps: Arc<[u64]>) -> Self {
        Self(stamps)
    }

    pub(crate) fn stamps(&self) -> &[u64] {
        &self.0
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mark").finish_non_exhaustive()
    }
}

/// What [`Cache::lookup`](crate::Cache::lookup) found.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Lookup};
///
/// fn user(cache: &Cache<u32, String>, id: u32, load: impl FnOnce(u32) -> String) -> String {
///     let token = match cache.lookup(&id) {
///         Lookup::Hit(name) | Lookup::Stale(name, None) => return name.into_value(),
///         Lookup::Stale(_, Some(token)) | Lookup::Miss(token) => token,
///     };
///     let name = load(id);
///     let _ = cache.fill(token, id, name.clone()); // refused if it is out of date already
///     name
/// }
///
/// let cache = Cache::new();
/// assert_eq!(user(&cache, 7, |id| format!("user {id}")), "user 7");
/// assert_eq!(user(&cache, 7, |_| unreachable!("it is there")), "user 7");
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Lookup<V> {
    /// The value.
    Hit(Versioned<V>),
    /// A value that is due for a refresh; with the token if that is the caller's to make, without it
    /// if somebody is at it.
    Stale(Versioned<V>, Option<FillToken>),
    /// There is none; the token lets the caller store it.
    Miss(FillToken),
}

impl<V> Lookup<V> {
    /// The value, or the token of whoever is to bring one.
    ///
    /// # Errors
    ///
    /// The token, if the value is absent, or is stale and the caller's to refresh.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let cache = Cache::new();
    /// let value = cache.lookup("k").or_token().unwrap_or_else(|token| {
    ///     let value = 17; // from the database
    ///     let _ = cache.fill(token, "k", value);
    ///     value
    /// });
    /// assert_eq!(value, 17);
    /// ```
    pub fn or_token(self) -> Result<V, FillToken> {
        match self {
            Self::Hit(value) | Self::Stale(value, None) => Ok(value.into_value()),
            Self::Stale(_, Some(token)) | Self::Miss(token) => Err(token),
        }
    }
}

/// What a loader brings, and what to do with it.
///
/// A plain value turns into one by `into`, and is then stored with the cache's default expiry.
///
/// # Examples
///
/// Remembering for a short time that there is nothing to be found:
///
/// ```
/// use caskade::{Cache, Loaded};
/// use std::time::Duration;
///
/// fn load(id: &u32) -> Result<Loaded<Option<String>>, std::io::Error> {
///     let row = (*id == 1).then(|| String::from("ada"));
///     Ok(match row {
///         Some(_) => row.into(),
///         None => Loaded::new(None).expires_after(Duration::from_secs(5)),
///     })
/// }
///
/// let cache: Cache<u32, Option<String>> = Cache::new();
/// assert_eq!(cache.try_get_or_load(&1, load)?.as_deref(), Some("ada"));
/// assert_eq!(cache.try_get_or_load(&2, load)?, None);
/// assert_eq!(cache.get(&2), Some(None)); // so the next one need not ask
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Loaded<V> {
    pub(crate) value: V,
    /// `None` if it is not to be stored.
    pub(crate) expiry: Option<Expiry>,
}

impl<V> Loaded<V> {
    /// A value to be stored with the cache's default expiry.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Loaded;
    ///
    /// assert_eq!(Loaded::new(1), 1.into());
    /// ```
    pub const fn new(value: V) -> Self {
        Self { value, expiry: Some(Expiry::Default) }
    }

    /// A value that is not to be stored. Those who wait for it get it all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Loaded};
    ///
    /// let cache = Cache::new();
    /// let value = cache.try_get_or_load(&"k", |_| Ok::<_, ()>(Loaded::uncached(1)));
    /// assert_eq!(value, Ok(1));
    /// assert_eq!(cache.get("k"), None);
    /// ```
    pub const fn uncached(value: V) -> Self {
        Self { value, expiry: None }
    }

    /// With this expiry.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Expiry, Loaded};
    ///
    /// let cache = Cache::new();
    /// let value = cache.try_get_or_load(&"k", |_| {
    ///     Ok::<_, ()>(Loaded::new(1).expiry(Expiry::Never))
    /// });
    /// assert_eq!(value, Ok(1));
    /// ```
    pub fn expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// Expiring this long after it is stored; zero is at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Loaded};
    /// use std::time::Duration;
    ///
    /// let cache = Cache::new();
    /// let token = cache.try_get_or_load(&"token", |_| {
    ///     let (token, life) = (17, Duration::from_secs(300)); // as its issuer says
    ///     Ok::<_, ()>(Loaded::new(token).expires_after(life))
    /// });
    /// assert_eq!(token, Ok(17));
    /// ```
    pub fn expires_after(self, life: std::time::Duration) -> Self {
        self.expiry(Expiry::After(life))
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}
