//! Loading what is absent: once for each key, however many want it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hash};
use std::pin::pin;

use equivalent::Equivalent;

use crate::store::{Follower, Lead, Outcome, Role, block_on};
use crate::{Cache, Loaded, epoch};

/// What a caller who does not find a fresh value is to do.
pub(super) enum Begun<'s, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    There(V),
    Lead(Lead<'s, K, V, S>),
    Follow(Follower<'s, K, V, S>),
    Alone,
}

/// Loading. Each of these returns what is there, as a plain [`get`](Self::get) does, or else has it
/// loaded, stores it and returns it.
///
/// One load of a key runs at a time: whoever wants the key meanwhile waits for it. What is loaded is
/// stored only if nothing has happened to the key since the load began; the callers get it in any case.
/// Whoever comes after an invalidation does not get what was loaded before, but starts a new load. If a
/// load fails or panics, or its future is dropped, one of those who wait loads in its place; each of
/// them meets only errors of its own loader.
///
/// A load that takes longer than the cache's [load time](crate::CacheBuilder::load_time) does not keep
/// others waiting any more. A loader that asks for its own key, directly or through others on the same
/// thread, is loaded once more and not stored; one that waits for a load of another thread which waits
/// for this one loses that time.
///
/// A stale value ([`grace`](crate::CacheBuilder::grace),
/// [`refresh_ahead`](crate::CacheBuilder::refresh_ahead), [`mark_stale`](Self::mark_stale)) is
/// refreshed by the first who comes, and returned to all others meanwhile. If the refresh fails, its
/// caller gets the error; the old value is still there for [`get`](Self::get).
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
{
    /// The value of `key`, or what `load` returns.
    ///
    /// # Concurrency
    ///
    /// A hit takes no lock. `load` runs in the caller's thread and under no lock, and may use the
    /// cache. Waiting for another caller's load blocks the thread.
    ///
    /// Called from inside an update closure, it loads what is absent and does not store it; a stale value
    /// it returns.
    ///
    /// # Panics
    ///
    /// If `load` does, which ends its load for those who wait as well; or if `Hash`, `Eq` or
    /// `ToOwned` of the key or `Clone` of the value does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let squares = Cache::new();
    /// assert_eq!(squares.get_or_load(&12, |n| n * n), 144);
    /// assert_eq!(squares.get_or_load(&12, |_| unreachable!("it is there")), 144);
    ///
    /// let lengths: Cache<String, usize> = Cache::new();
    /// assert_eq!(lengths.get_or_load("four", |text| text.len()), 4);
    /// ```
    #[inline]
    pub fn get_or_load<Q>(&self, key: &Q, load: impl FnOnce(&Q) -> V) -> V
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        match self.try_get_or_load(key, |key| Ok::<_, Infallible>(load(key))) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// [`get_or_load`](Self::get_or_load) with a loader that may fail, and that may say how long its
    /// value is good for or that it is not to be stored: see [`Loaded`].
    ///
    /// # Concurrency
    ///
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Errors
    ///
    /// That of the caller's own loader. Then nothing is stored.
    ///
    /// # Panics
    ///
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Loaded};
    /// use std::num::ParseIntError;
    /// use std::time::Duration;
    ///
    /// let numbers: Cache<String, u32> = Cache::new();
    /// let parse = |text: &str| text.parse::<u32>();
    /// assert_eq!(numbers.try_get_or_load("17", parse)?, 17);
    /// assert!(numbers.try_get_or_load("seventeen", parse).is_err());
    ///
    /// let for_a_minute = |text: &str| {
    ///     Ok::<_, ParseIntError>(Loaded::new(text.parse()?).expires_after(Duration::from_secs(60)))
    /// };
    /// assert_eq!(numbers.try_get_or_load("18", for_a_minute)?, 18);
    /// # Ok::<(), ParseIntError>(())
    /// ```
    pub fn try_get_or_load<Q, L, E>(
        &self,
        key: &Q,
        load: impl FnOnce(&Q) -> Result<L, E>,
    ) -> Result<V, E>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        L: Into<Loaded<V>>,
    {
        if let Some(value) = self.fresh(key) {
            return Ok(value);
        }
        loop {
            match self.begin(key) {
                Begun::There(value) => return Ok(value),
                Begun::Lead(lead) => {
                    let loaded = lead.run(|| load(key))?.into();
                    return Ok(lead.conclude(key.to_owned(), loaded.value, loaded.expiry));
                }
                Begun::Follow(follower) => match block_on(wait(follower)) {
                    Outcome::Landed(value) => return Ok(V::clone(&value)),
                    Outcome::Again => {}
                    Outcome::OwnLoad => return Ok(load(key)?.into().value),
                },
                Begun::Alone => return Ok(load(key)?.into().value),
            }
        }
    }

    /// [`get_or_load`](Self::get_or_load) with an async loader.
    ///
    /// # Concurrency
    ///
    /// Needs no runtime: the caller that leads runs the loader within its own future. Dropping the
    /// future gives up its part: if it led, one of those who wait goes on. If it is neither dropped nor
    /// polled, that happens when the [load time](crate::CacheBuilder::load_time) is over. Waits for
    /// loads of [`get_or_load`](Self::get_or_load) as well, and the other way round.
    ///
    /// # Panics
    ///
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// async fn fetch(page: &str) -> String {
    ///     format!("<html>{page}</html>") // from afar
    /// }
    ///
    /// # use std::task::{Context, Poll, Waker};
    /// # fn run<T>(future: impl Future<Output = T>) -> T {
    /// #     let mut future = std::pin::pin!(future);
    /// #     match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
    /// #         Poll::Ready(output) => output,
    /// #         Poll::Pending => panic!("nobody else loads"),
    /// #     }
    /// # }
    /// let pages: Cache<String, String> = Cache::new();
    /// let home = run(pages.get_or_load_async("home", fetch)); // on any executor
    /// assert_eq!(home, "<html>home</html>");
    /// ```
    pub fn get_or_load_async<'a, Q, F>(
        &'a self,
        key: &'a Q,
        load: impl FnOnce(&'a Q) -> F,
    ) -> impl Future<Output = V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = V>,
    {
        let load = |key| {
            let loading = load(key);
            async { Ok::<_, Infallible>(loading.await) }
        };
        let loading = self.try_get_or_load_async(key, load);
        async {
            match loading.await {
                Ok(value) => value,
                Err(never) => match never {},
            }
        }
    }

    /// [`try_get_or_load`](Self::try_get_or_load) with an async loader.
    ///
    /// # Concurrency
    ///
    /// As [`get_or_load_async`](Self::get_or_load_async).
    ///
    /// # Errors
    ///
    /// That of the caller's own loader. Then nothing is stored.
    ///
    /// # Panics
    ///
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Loaded};
    /// use std::io::Error;
    /// use std::time::Duration;
    ///
    /// async fn name(cache: &Cache<u32, String>, id: u32) -> Result<String, Error> {
    ///     let load = async |id: &u32| {
    ///         let name = format!("user {id}"); // from a database, which may fail
    ///         Ok::<_, Error>(Loaded::new(name).expires_after(Duration::from_secs(60)))
    ///     };
    ///     cache.try_get_or_load_async(&id, load).await
    /// }
    /// # let _ = name;
    /// ```
    pub async fn try_get_or_load_async<'a, Q, L, E, F>(
        &'a self,
        key: &'a Q,
        load: impl FnOnce(&'a Q) -> F,
    ) -> Result<V, E>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        L: Into<Loaded<V>>,
        F: Future<Output = Result<L, E>>,
    {
        if let Some(value) = self.fresh(key) {
            return Ok(value);
        }
        loop {
            match self.begin(key) {
                Begun::There(value) => return Ok(value),
                Begun::Lead(lead) => {
                    let mut loading = pin!(lead.run(|| load(key)));
                    let piece = poll_fn(|context| lead.run(|| loading.as_mut().poll(context)));
                    let loaded = piece.await?.into();
                    return Ok(lead.conclude(key.to_owned(), loaded.value, loaded.expiry));
                }
                Begun::Follow(follower) => match wait(follower).await {
                    Outcome::Landed(value) => return Ok(V::clone(&value)),
                    Outcome::Again => {}
                    Outcome::OwnLoad => return Ok(load(key).await?.into().value),
                },
                Begun::Alone => return Ok(load(key).await?.into().value),
            }
        }
    }

    /// The value of `key`, if it is not due for a refresh.
    #[inline]
    fn fresh<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let guard = epoch::pin();
        let found = self.store.get(key, &guard).filter(|found| !found.is_stale())?;
        Some(V::clone(&found.value))
    }

    /// Finds out what to do about an absent or stale key.
    pub(super) fn begin<Q>(&self, key: &Q) -> Begun<'_, K, V, S>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let guard = epoch::pin();
        match self.store.join(key, &guard) {
            Role::Take(found) => Begun::There(V::clone(&found.value)),
            Role::Lead(lead) => Begun::Lead(lead),
            Role::Follow(follower) => Begun::Follow(follower),
            Role::Alone => Begun::Alone,
        }
    }
}

pub(super) fn wait<K, V, S>(mut follower: Follower<'_, K, V, S>) -> impl Future<Output = Outcome<V>>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    poll_fn(move |context| follower.poll(context.waker()))
}
