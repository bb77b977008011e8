//! Loading many keys at once.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hash};
use std::pin::pin;

use equivalent::Equivalent;

use super::loading::{Begun, wait};
use crate::store::{FlightId, Follower, Lead, Outcome, block_on};
use crate::{Cache, Loaded, epoch};

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
{
    /// The values of `keys` in their order; those that are absent are loaded together.
    ///
    /// `load` is given the keys to load and returns pairs of key and value, in any order. A key that it
    /// does not return has no value: its place in the result is `None`, and nothing is stored. Pairs
    /// that were not asked for are ignored.
    ///
    /// # Concurrency
    ///
    /// Each key as in [`get_or_load`](Self::get_or_load): those that somebody else is loading already
    /// are waited for, after `load` has returned and its last pair has been taken. If another caller's
    /// load fails, `load` is called once more.
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
    /// let squares = Cache::new();
    /// squares.insert(2, 4)?;
    /// let values = squares.get_many_or_load(&[1, 2, 3], |missing| {
    ///     assert_eq!(missing, [&1, &3]);
    ///     missing.iter().map(|&&n| (n, n * n)).collect::<Vec<_>>() // one query for all
    /// });
    /// assert_eq!(values, [Some(1), Some(4), Some(9)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_many_or_load<'k, Q, L, I>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        mut load: impl FnMut(&[&'k Q]) -> I,
    ) -> Vec<Option<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
        L: Into<Loaded<V>>,
        I: IntoIterator<Item = (K, L)>,
    {
        match self.try_get_many_or_load(keys, |missing| Ok::<_, Infallible>(load(missing))) {
            Ok(values) => values,
            Err(never) => match never {},
        }
    }

    /// [`get_many_or_load`](Self::get_many_or_load) with a loader that may fail.
    ///
    /// # Concurrency
    ///
    /// As [`get_many_or_load`](Self::get_many_or_load).
    ///
    /// # Errors
    ///
    /// That of the caller's own loader. Then nothing that it loaded is stored.
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
    /// fn query(ids: &[&u32]) -> Result<Vec<(u32, Loaded<String>)>, Error> {
    ///     let row = |&&id: &&u32| {
    ///         (id, Loaded::new(format!("user {id}")).expires_after(Duration::from_secs(60)))
    ///     };
    ///     Ok(ids.iter().map(row).collect())
    /// }
    ///
    /// let users: Cache<u32, String> = Cache::new();
    /// let found = users.try_get_many_or_load(&[7, 8], query)?;
    /// assert_eq!(found[1].as_deref(), Some("user 8"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn try_get_many_or_load<'k, Q, L, I, E>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        mut load: impl FnMut(&[&'k Q]) -> Result<I, E>,
    ) -> Result<Vec<Option<V>>, E>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
        L: Into<Loaded<V>>,
        I: IntoIterator<Item = (K, L)>,
    {
        let mut batch = Batch::new(self, keys);
        while batch.begin() {
            if let Some(asked) = batch.asked() {
                let brought = batch.run(|| load(&asked).map(Vec::from_iter))?;
                batch.settle(brought);
            }
            while let Some((place, follower)) = batch.followers.pop() {
                batch.followed(place, block_on(wait(follower)));
            }
        }
        Ok(batch.values)
    }

    /// [`try_get_many_or_load`](Self::try_get_many_or_load) with an async loader.
    ///
    /// # Concurrency
    ///
    /// As [`get_or_load_async`](Self::get_or_load_async), and
    /// [`get_many_or_load`](Self::get_many_or_load).
    ///
    /// # Errors
    ///
    /// That of the caller's own loader. Then nothing that it loaded is stored.
    ///
    /// # Panics
    ///
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    /// use std::io::Error;
    ///
    /// async fn squares(cache: &Cache<u64, u64>, of: &[u64]) -> Result<Vec<Option<u64>>, Error> {
    ///     let load = |missing: &[&u64]| {
    ///         let missing: Vec<u64> = missing.iter().map(|&&n| n).collect();
    ///         async move { Ok::<_, Error>(missing.into_iter().map(|n| (n, n * n))) }
    ///     };
    ///     cache.try_get_many_or_load_async(of, load).await
    /// }
    /// # let _ = squares;
    /// ```
    pub async fn try_get_many_or_load_async<'k, Q, L, I, E, F>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
        mut load: impl FnMut(&[&'k Q]) -> F,
    ) -> Result<Vec<Option<V>>, E>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
        L: Into<Loaded<V>>,
        I: IntoIterator<Item = (K, L)>,
        F: Future<Output = Result<I, E>>,
    {
        let mut batch = Batch::new(self, keys);
        while batch.begin() {
            if let Some(asked) = batch.asked() {
                let mut loading = pin!(batch.run(|| load(&asked)));
                let piece = poll_fn(|context| {
                    batch.run(|| loading.as_mut().poll(context).map_ok(Vec::from_iter))
                });
                let brought = piece.await?;
                batch.settle(brought);
            }
            while let Some((place, follower)) = batch.followers.pop() {
                let outcome = wait(follower).await;
                batch.followed(place, outcome);
            }
        }
        Ok(batch.values)
    }
}

/// Keys on their way to their values. Places are those in the caller's order.
struct Batch<'c, 'k, K, V, S, Q: ?Sized>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    cache: &'c Cache<K, V, S>,
    keys: Vec<&'k Q>,
    values: Vec<Option<V>>,
    /// Whose value is neither there nor on its way.
    open: Vec<usize>,
    leads: Vec<(usize, Lead<'c, K, V, S>)>,
    /// To be loaded and not stored.
    alone: Vec<usize>,
    followers: Vec<(usize, Follower<'c, K, V, S>)>,
}

impl<'c, 'k, K, V, S, Q> Batch<'c, 'k, K, V, S, Q>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
    Q: Hash + Equivalent<K> + ?Sized,
{
    /// Takes what is there.
    fn new(cache: &'c Cache<K, V, S>, keys: impl IntoIterator<Item = &'k Q>) -> Self {
        let keys: Vec<&Q> = keys.into_iter().collect();
        let mut values = Vec::with_capacity(keys.len());
        let guard = epoch::pin();
        cache.store.peek_many(keys.iter().copied(), &guard, |_, found| {
            let fresh = found.filter(|found| !found.is_stale());
            values.push(fresh.map(|found| V::clone(&found.value)));
        });
        let open: Vec<usize> = (0..keys.len()).filter(|&place| values[place].is_none()).collect();
        cache.store.count_reads(&guard, (keys.len() - open.len()) as u64, open.len() as u64);
        let (leads, alone, followers) = (Vec::new(), Vec::new(), Vec::new());
        Self { cache, keys, values, open, leads, alone, followers }
    }

    /// Finds out what to do about the open keys; says whether there is anything to do.
    fn begin(&mut self) -> bool {
        for place in std::mem::take(&mut self.open) {
            match self.cache.begin(self.keys[place]) {
                Begun::There(value) => self.values[place] = Some(value),
                Begun::Lead(lead) => self.leads.push((place, lead)),
                Begun::Follow(follower) => self.followers.push((place, follower)),
                Begun::Alone => self.alone.push(place),
            }
        }
        !(self.leads.is_empty() && self.alone.is_empty() && self.followers.is_empty())
    }

    /// The keys to load, if there are any.
    fn asked(&self) -> Option<Vec<&'k Q>> {
        let led = self.leads.iter().map(|(place, _)| *place);
        let asked: Vec<_> = led.chain(self.alone.iter().copied()).map(|at| self.keys[at]).collect();
        (!asked.is_empty()).then_some(asked)
    }

    /// Runs a piece of the loader, for all that it loads.
    fn run<R>(&self, piece: impl FnOnce() -> R) -> R {
        let _running: Vec<_> = self.leads.iter().map(|(_, lead)| lead.running()).collect();
        piece()
    }

    /// Stores what the loader has brought, and gives up on what it has not.
    fn settle<L: Into<Loaded<V>>>(&mut self, brought: Vec<(K, L)>) {
        let hash = |key: &Q| self.cache.store.hash(key);
        let mut asked = HashMap::<u64, Vec<_>>::new();
        for (place, lead) in std::mem::take(&mut self.leads) {
            asked.entry(hash(self.keys[place])).or_default().push((place, Some(lead)));
        }
        for place in std::mem::take(&mut self.alone) {
            asked.entry(hash(self.keys[place])).or_default().push((place, None));
        }
        for (key, loaded) in brought {
            let Some(asked) = asked.get_mut(&self.cache.store.hash(&key)) else { continue };
            let is_it = |(place, _): &(usize, _)| self.keys[*place].equivalent(&key);
            let (loaded, mut led) = (loaded.into(), None);
            while let Some(found) = asked.iter().position(is_it) {
                match asked.swap_remove(found) {
                    (place, Some(lead)) => led = Some((place, lead)),
                    (place, None) => self.values[place] = Some(loaded.value.clone()),
                }
            }
            if let Some((place, lead)) = led {
                self.values[place] = Some(lead.conclude(key, loaded.value, loaded.expiry));
            }
        }
        // Whoever waits for one of these in this very batch has its answer.
        let missing =
            asked.values().flatten().filter_map(|(_, lead)| Some(lead.as_ref()?.flight()));
        let missing: HashSet<FlightId> = missing.collect();
        self.followers.retain(|(_, follower)| !missing.contains(&follower.flight()));
    }

    /// Takes what has come of waiting.
    fn followed(&mut self, place: usize, outcome: Outcome<V>) {
        match outcome {
            Outcome::Landed(value) => self.values[place] = Some(V::clone(&value)),
            Outcome::Again => self.open.push(place),
            Outcome::OwnLoad => self.alone.push(place),
        }
    }
}
