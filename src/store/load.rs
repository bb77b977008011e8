//! Loads: one at a time for each key, and none that stores what was invalidated meanwhile.
//!
//! Whoever finds a key absent either leads a load or waits for the one under way ([`Store::join`]).
//! The leader's fill is let in on the terms of any other fill; if it is refused, the leader and those
//! who wait have their value all the same, uncached. Whoever comes after an invalidation finds that
//! the load under way began before, and leads another.
//!
//! A lead lasts for a limited time, so that a leader who never comes back (an async one that nobody
//! polls any more, say) does not hold the others up for ever.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::task::{Poll, Waker};

use equivalent::Equivalent;

use crate::epoch::Guard;
use crate::error::Reentrant;
use crate::expiry::Expiry;
use crate::time::Tick;

use super::fills::Since;
use super::flight::{Flight, Progress};
use super::wait::{Alarms, KeyId};
use super::{Condition, Found, Now, Store, is};

/// What a look-up finds whose caller can load.
pub(crate) enum LookedUp<'g, V> {
    Hit(Found<'g, V>),
    /// The value is due for a refresh, which is the caller's to make if it has the right.
    Stale(Found<'g, V>, Option<Since>),
    Miss(Since),
}

/// What somebody is to do whose key is absent or stale.
pub(crate) enum Role<'s, 'g, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Nothing: it is there.
    Take(Found<'g, V>),
    /// To load and store.
    Lead(Lead<'s, K, V, S>),
    /// To wait for whoever loads it.
    Follow(Follower<'s, K, V, S>),
    /// To load, and neither store nor share what comes.
    Alone,
}

/// A load under way, seen by the one who loads. Dropped undecided, it lets somebody else load.
pub(crate) struct Lead<'s, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    store: &'s Store<K, V, S>,
    since: Since,
    flight: Arc<Flight<V>>,
    is_over: bool,
}

/// A load under way, seen by one who waits for it.
pub(crate) struct Follower<'s, K, V, S> {
    store: &'s Store<K, V, S>,
    flight: Arc<Flight<V>>,
    until: Tick,
    place: Option<usize>,
    alarms: Alarms,
}

/// Tells flights apart as long as they are held.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlightId(usize);

impl FlightId {
    fn of<V>(flight: &Arc<Flight<V>>) -> Self {
        Self(Arc::as_ptr(flight).addr())
    }
}

/// What came of waiting.
pub(crate) enum Outcome<V> {
    Landed(Arc<V>),
    /// The load failed, or takes too long: look again.
    Again,
    /// The caller waits for itself.
    OwnLoad,
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// Looks `key` up, for somebody who stores what it does not find.
    pub(crate) fn look_up<'g, Q>(&'g self, key: &Q, guard: &'g Guard) -> LookedUp<'g, V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let stale = match self.get(key, guard) {
            Some(found) if !found.is_stale() => return LookedUp::Hit(found),
            other => other,
        };
        let id = KeyId::new(self.hash(key), key);
        let looked_up: Result<_, Reentrant> = self.locked(id.hash, |held, now| {
            self.settle_fences(held, now);
            held.fills.expect_fills();
            let since = Since { hash: id.hash, stamp: held.next_stamp() };
            let Some(entry) = self.live(held, id.hash, is(key), now) else {
                return Ok(LookedUp::Miss(since));
            };
            let found = self.found(held, &entry, guard, now);
            if !found.is_stale() {
                return Ok(LookedUp::Hit(found));
            }
            let written = Some(held.stamp(entry.at));
            if held.fills.under_way(id, written, now.get()).is_some() {
                return Ok(LookedUp::Stale(found, None));
            }
            held.fills.begin(id, since.stamp, self.load_span(now), None);
            Ok(LookedUp::Stale(found, Some(since)))
        });
        looked_up.unwrap_or(match stale {
            Some(found) => LookedUp::Stale(found, None),
            None => LookedUp::Miss(Since { hash: id.hash, stamp: 0 }),
        })
    }

    /// Finds out who loads `key`.
    pub(crate) fn join<'s, 'g, Q>(&'s self, key: &Q, guard: &'g Guard) -> Role<'s, 'g, K, V, S>
    where
        's: 'g,
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let id = KeyId::new(self.hash(key), key);
        let flight = Arc::new(Flight::new());
        let role = self.locked(id.hash, |held, now| {
            self.settle_fences(held, now);
            let entry = self.live(held, id.hash, is(key), now);
            let written = entry.as_ref().map(|entry| held.stamp(entry.at));
            let found = entry.map(|entry| self.found(held, &entry, guard, now));
            let under_way = held.fills.under_way(id, written, now.get());
            match (found, under_way) {
                (Some(found), _) if !found.is_stale() => return Ok(Role::Take(found)),
                (Some(found), Some(_)) => return Ok(Role::Take(found)),
                (None, Some((Some(flight), until))) => {
                    return Ok(Role::Follow(Follower::new(self, Arc::clone(flight), until)));
                }
                _ => {}
            }
            if held.fills.fenced_until(id.hash).is_some() {
                return Ok(Role::Alone);
            }
            let since = Since { hash: id.hash, stamp: held.next_stamp() };
            held.fills.begin(id, since.stamp, self.load_span(now), Some(Arc::clone(&flight)));
            held.tally.rare.loads += 1;
            Ok(Role::Lead(Lead { store: self, since, flight: Arc::clone(&flight), is_over: false }))
        });
        role.unwrap_or_else(|Reentrant| match self.peek(id.hash, key, guard) {
            Some(stale) => Role::Take(stale),
            None => Role::Alone,
        })
    }
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// From now until others may load as well.
    fn load_span(&self, now: &mut Now<'_>) -> (Tick, Tick) {
        (now.get(), now.get().saturating_add(self.settings.load_time))
    }

    /// Whether the entry that must go at `latest` is due for a refresh.
    pub(super) fn is_stale(&self, latest: Option<Tick>, now: &mut Now<'_>) -> bool {
        let window = self.settings.stale_time();
        !window.is_zero() && latest.is_some_and(|at| at.since(now.get()) <= window)
    }

    /// The same for those who see no more than one deadline. If uses move it, another one lies
    /// behind, and is seen when it is near.
    pub(super) fn shows_stale(&self, shown: Option<Tick>, now: Tick) -> bool {
        let moves = self.settings.time_to_idle.is_some() && shown.is_some_and(|at| !at.is_marked());
        let window = self.settings.stale_time();
        !moves && !window.is_zero() && shown.is_some_and(|at| at.since(now) <= window)
    }
}

impl<'s, K, V, S> Lead<'s, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn flight(&self) -> FlightId {
        FlightId::of(&self.flight)
    }

    /// Runs a piece of the loader.
    pub(crate) fn run<R>(&self, piece: impl FnOnce() -> R) -> R {
        let _running = self.running();
        piece()
    }

    /// The loader runs on this thread as long as this lives.
    pub(crate) fn running(&self) -> Running<'_, V> {
        self.flight.runs_here(true);
        Running(&self.flight)
    }

    /// Stores `value`, if it is to be stored and nothing speaks against it, and passes it to those who
    /// wait.
    pub(crate) fn conclude(mut self, key: K, value: V, expiry: Option<Expiry>) -> V
    where
        K: Hash + Eq,
        V: Clone,
        S: BuildHasher,
    {
        let condition = Condition::Since(self.since);
        let stored = expiry.map(|expiry| self.store.put(key, value.clone(), condition, expiry));
        // Refused, the value is the caller's all the same.
        let is_withdrawn = stored.is_some_and(|stored| stored.is_ok()) || self.withdraw();
        // If the stripe does not know the flight any more, nobody joins those who wait. If it does,
        // nothing lands, because the stripe must not be the last to drop a value.
        let is_awaited = is_withdrawn && Arc::strong_count(&self.flight) > 1;
        self.flight.end(is_awaited.then(|| value.clone()));
        self.is_over = true;
        value
    }

    /// Nobody finds the load under way any more. Refused only inside an update closure; then those
    /// who find it find that its flight is over.
    fn withdraw(&self) -> bool {
        let withdrawn = self.store.locked(self.since.hash, |held, _| {
            held.fills.finish(self.since);
            Ok::<_, Reentrant>(())
        });
        withdrawn.is_ok()
    }
}

/// A loader that runs.
pub(crate) struct Running<'f, V>(&'f Flight<V>);

impl<V> Drop for Running<'_, V> {
    fn drop(&mut self) {
        self.0.runs_here(false);
    }
}

impl<K, V, S> Drop for Lead<'_, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn drop(&mut self) {
        if !self.is_over {
            self.withdraw();
            self.flight.end(None);
        }
    }
}

impl<'s, K, V, S> Follower<'s, K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn new(store: &'s Store<K, V, S>, flight: Arc<Flight<V>>, until: Tick) -> Self {
        Self { store, flight, until, place: None, alarms: Alarms::default() }
    }

    pub(crate) fn flight(&self) -> FlightId {
        FlightId::of(&self.flight)
    }

    /// What has come of waiting; `waker` is woken when there is something.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Outcome<V>> {
        match self.flight.progress(&mut self.place, waker) {
            Progress::Landed(value) => Poll::Ready(Outcome::Landed(value)),
            Progress::Failed => Poll::Ready(Outcome::Again),
            Progress::OwnLoad => Poll::Ready(Outcome::OwnLoad),
            Progress::UnderWay if self.store.time.now() >= self.until => {
                Poll::Ready(Outcome::Again)
            }
            Progress::UnderWay => {
                self.alarms.set(&self.store.time, self.until, waker);
                Poll::Pending
            }
        }
    }
}

impl<K, V, S> Drop for Follower<'_, K, V, S> {
    fn drop(&mut self) {
        self.flight.leave(self.place);
    }
}
