//! The scene of a race: a row of a database, a cache before it, and a clock.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use caskade::{Cache, Lookup, ManualClock, Session, Update, Versioned};

use crate::polling::Polled;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How long a value lives if nothing else is said.
pub(crate) const LIFE: Duration = Duration::from_secs(60);

/// How long a stale value is served, where it is.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// How long a load may keep others waiting. Longer than all that passes within a cell of the table.
pub(crate) const LOAD_TIME: Duration = Duration::from_secs(15);

/// How many entries there may be.
pub(crate) const ROOM: u64 = 256;

/// The key that everything is about.
pub(crate) const KEY: u32 = 1;

/// A row of the database that knows which version of itself it is.
pub(crate) trait Row: Clone + Debug + Send + Sync + 'static {
    fn of(version: u64) -> Self;
    fn version(&self) -> u64;
}

/// Changes in place inside the cache.
impl Row for u64 {
    fn of(version: u64) -> Self {
        version
    }

    fn version(&self) -> u64 {
        *self
    }
}

/// Changes node by node.
impl Row for String {
    fn of(version: u64) -> Self {
        format!("version {version}")
    }

    fn version(&self) -> u64 {
        self.trim_start_matches("version ").parse().expect("a version")
    }
}

pub(crate) type Pinned<'s, V> = Session<'s, u32, V, ahash::RandomState>;

pub(crate) struct Scene<V: Row> {
    pub(crate) cache: Cache<u32, V>,
    pub(crate) clock: ManualClock,
    database: AtomicU64,
    last_read: AtomicU64,
}

impl<V: Row> Scene<V> {
    /// With a row at version 2, so that there is an older one.
    pub(crate) fn new(has_grace: bool) -> Self {
        let clock = ManualClock::new();
        let builder = Cache::builder().clock(clock.clone()).max_entries(ROOM).stripes(1);
        let builder = builder.time_to_live(LIFE).load_time(LOAD_TIME);
        let builder = if has_grace { builder.grace(GRACE) } else { builder };
        let cache = builder.build().expect("the settings are valid");
        Self { cache, clock, database: AtomicU64::new(2), last_read: AtomicU64::new(0) }
    }

    /// What the database says.
    pub(crate) fn row(&self) -> V {
        V::of(self.version())
    }

    pub(crate) fn version(&self) -> u64 {
        self.database.load(Ordering::SeqCst)
    }

    /// The loader under observation reads the row.
    pub(crate) fn read(&self) -> V {
        self.last_read.store(self.version(), Ordering::SeqCst);
        self.row()
    }

    /// The version that it has read.
    pub(crate) fn last_read(&self) -> u64 {
        self.last_read.load(Ordering::SeqCst)
    }

    /// Somebody changes the row and commits.
    pub(crate) fn commit(&self) -> V {
        self.database.fetch_add(1, Ordering::SeqCst);
        self.row()
    }

    /// What each kind of reader that does not load finds under the key.
    pub(crate) fn readers(&self, session: &Pinned<'_, V>) -> Vec<(&'static str, Option<V>)> {
        let cache = &self.cache;
        let in_iteration = cache.iter().find(|(key, _)| *key == KEY);
        let looked_up = match cache.lookup(&KEY) {
            Lookup::Hit(value) => Some(value.into_value()),
            Lookup::Stale(..) | Lookup::Miss(_) => None,
        };
        vec![
            ("get", cache.get(&KEY)),
            ("get_with_cas", cache.get_with_cas(&KEY).map(Versioned::into_value)),
            ("read", cache.read(&KEY, V::clone)),
            ("get_many", cache.get_many(&[0, KEY]).swap_remove(1)),
            ("iter", in_iteration.map(|(_, value)| value.into_value())),
            ("lookup", looked_up),
            ("Session::get", session.get(&KEY).map(|value| V::clone(&value))),
            ("update", self.seen_by_update()),
        ]
    }

    fn seen_by_update(&self) -> Option<V> {
        let mut seen = None;
        let look = |value: Option<&V>| {
            seen = value.cloned();
            Update::Keep
        };
        self.cache.update(KEY, look).expect("the key is not locked");
        seen
    }

    /// Somebody on another thread wants the row; loads it if he must.
    pub(crate) fn newcomer(&self) -> Caller<'_, V> {
        let load = |_: &u32| async { self.row() };
        let mut caller = Caller::new(Box::pin(self.cache.get_or_load_async(&KEY, load)));
        caller.poll_elsewhere();
        caller
    }
}

/// Somebody who has asked for a value.
pub(crate) struct Caller<'s, V> {
    future: Polled<Pin<Box<dyn Future<Output = V> + Send + 's>>>,
    got: Option<V>,
}

impl<'s, V: Send> Caller<'s, V> {
    pub(crate) fn new(future: Pin<Box<dyn Future<Output = V> + Send + 's>>) -> Self {
        Self { future: Polled::new(future), got: None }
    }

    /// Gives it a turn, on a thread of its own: the cache tells loads of one thread from others'.
    pub(crate) fn poll_elsewhere(&mut self) {
        if self.got.is_none() {
            self.got = elsewhere(|| self.future.poll());
        }
    }

    pub(crate) fn waits(&self) -> bool {
        self.got.is_none()
    }

    pub(crate) fn wakes(&self) -> usize {
        self.future.wakes()
    }

    /// What it gets, if its next turn is on this thread.
    pub(crate) fn value_here(mut self) -> V {
        self.future.poll().expect("it needs no more turns")
    }

    /// What it gets at last.
    pub(crate) fn value(mut self) -> V {
        self.poll_elsewhere();
        self.got.expect("a caller is stuck")
    }
}

/// Runs `act` on another thread, from beginning to end.
pub(crate) fn elsewhere<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let outcome = scope.spawn(act).join();
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Pending once, so that whoever polls has a turn. Wakes nobody.
pub(crate) fn pause() -> impl Future<Output = ()> {
    let mut has_paused = false;
    poll_fn(
        move |_| {
            if std::mem::replace(&mut has_paused, true) { Poll::Ready(()) } else { Poll::Pending }
        },
    )
}
