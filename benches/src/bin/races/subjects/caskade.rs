//! caskade. Its clock stands still unless a race moves it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use caskade::{Cache, Fence, Lookup, ManualClock, Retry, Update as Decision};

use crate::row::Row;
use crate::subject::{BOUND, Calls, Invalidation, Load, Loading, Subject, Update, unlisted};

const INVALIDATIONS: [(Invalidation, &str); 14] = [
    (Invalidation::One, "mark_stale"),
    (Invalidation::One, "invalidate"),
    (Invalidation::One, "remove"),
    (Invalidation::One, "discard"),
    (Invalidation::Many, "invalidate_many"),
    (Invalidation::All, "invalidate_all"),
    (Invalidation::All, "clear"),
    (Invalidation::Predicate, "invalidate_if"),
    (Invalidation::Predicate, "retain"),
    (Invalidation::Transaction, "transaction.commit"),
    (Invalidation::Transaction, "transaction dropped"),
    (Invalidation::Fence, "fence, release during the load"),
    (Invalidation::Fence, "fence before the load, release during it"),
    (Invalidation::Fence, "fence_all before the load, release during it"),
];

const CALLS: Calls = Calls {
    loads: &[
        (Load::Loader, "get_or_load"),
        (Load::Loader, "try_get_or_load"),
        (Load::Async, "get_or_load_async"),
        (Load::Async, "try_get_or_load_async"),
        (Load::Async, "try_get_many_or_load_async"),
        (Load::Bulk, "get_many_or_load"),
        (Load::Bulk, "try_get_many_or_load"),
        (Load::Guarded, "lookup, fill"),
        (Load::Guarded, "mark, fill_since"),
        (Load::Plain, "get, insert"),
    ],
    invalidations: &INVALIDATIONS,
    updates: &[(Update::Once, "update"), (Update::Optimistic, "fetch_update")],
    is_bounded: true,
};

/// If the entry is there, and there is a time of grace, it stays after [`Cache::mark_stale`].
#[cfg(test)]
const CALLS_WHILE_STALE: Calls = {
    let [_mark_stale, others @ ..] = &INVALIDATIONS;
    Calls { invalidations: others, ..CALLS }
};

/// How long a load may keep others waiting.
const LOAD_TIME: Duration = Duration::from_secs(15);

/// Longer than any race.
const FENCE_TIME: Duration = Duration::from_secs(60);

struct Subjected {
    calls: Calls,
    cache: Cache<u64, Row>,
    clock: ManualClock,
    fence: Mutex<Option<Fence<u64, Row>>>,
}

pub(super) fn build() -> Arc<dyn Subject> {
    Arc::new(Subjected::new(CALLS, Duration::ZERO))
}

/// One with an old row that is due for a refresh, so that loads are refreshes.
#[cfg(test)]
pub(super) fn build_stale() -> Arc<dyn Subject> {
    let subject = Subjected::new(CALLS_WHILE_STALE, FENCE_TIME);
    subject.insert(crate::row::KEY, crate::row::OLD);
    subject.cache.mark_stale(&crate::row::KEY);
    Arc::new(subject)
}

impl Subjected {
    fn new(calls: Calls, grace: Duration) -> Self {
        let clock = ManualClock::new();
        let builder = Cache::builder().max_entries(BOUND).load_time(LOAD_TIME).grace(grace);
        let cache = builder.clock(clock.clone()).build().expect("the settings are valid");
        Self { calls, cache, clock, fence: Mutex::default() }
    }

    /// Puts up a fence, or takes it away.
    fn set_fence(&self, fence: Option<Fence<u64, Row>>) {
        *self.fence.lock().unwrap_or_else(PoisonError::into_inner) = fence;
    }

    fn look_up_and_fill(&self, key: u64, read: &dyn Fn() -> Row) -> Row {
        let token = match self.cache.lookup(&key) {
            Lookup::Hit(row) | Lookup::Stale(row, None) => return *row,
            Lookup::Stale(_, Some(token)) | Lookup::Miss(token) => token,
        };
        let row = read();
        let _ = self.cache.fill(token, key, row); // refused if it is late
        row
    }

    fn mark_and_fill(&self, key: u64, read: &dyn Fn() -> Row) -> Row {
        let mark = self.cache.mark();
        let row = read();
        let _ = self.cache.fill_since(&mark, key, row); // refused if it is late
        row
    }

    fn get_and_insert(&self, key: u64, read: &dyn Fn() -> Row) -> Row {
        self.get(key).unwrap_or_else(|| {
            let row = read();
            self.insert(key, row);
            row
        })
    }
}

impl Subject for Subjected {
    fn calls(&self) -> Calls {
        self.calls
    }

    fn get(&self, key: u64) -> Option<Row> {
        self.cache.get(&key)
    }

    fn insert(&self, key: u64, row: Row) {
        self.cache.insert(key, row).expect("nobody locks");
    }

    fn remove(&self, key: u64) {
        self.cache.remove(&key).expect("nobody locks");
    }

    fn wait_for_load_limit(&self) -> bool {
        self.clock.advance(LOAD_TIME);
        true
    }

    fn load(&self, call: &str, key: u64, read: &dyn Fn() -> Row) -> Row {
        let cache = &self.cache;
        match call {
            "get_or_load" => cache.get_or_load(&key, |_| read()),
            "try_get_or_load" => {
                let Ok(row) = cache.try_get_or_load(&key, |_| Ok::<_, Infallible>(read()));
                row
            }
            "get_many_or_load" => {
                let rows = cache.get_many_or_load([&key], |_| [(key, read())]);
                rows[0].expect("the loader brings it")
            }
            "try_get_many_or_load" => {
                let load = |_: &[&u64]| Ok::<_, Infallible>([(key, read())]);
                let Ok(rows) = cache.try_get_many_or_load([&key], load);
                rows[0].expect("the loader brings it")
            }
            "lookup, fill" => self.look_up_and_fill(key, read),
            "mark, fill_since" => self.mark_and_fill(key, read),
            "get, insert" => self.get_and_insert(key, read),
            _ => unlisted(call),
        }
    }

    fn load_async<'a>(&'a self, call: &str, key: u64, read: Loading<'static>) -> Loading<'a> {
        let cache = &self.cache;
        match call {
            "get_or_load_async" => {
                Box::pin(async move { cache.get_or_load_async(&key, |_| read).await })
            }
            "try_get_or_load_async" => Box::pin(async move {
                let load = |_| async { Ok::<_, Infallible>(read.await) };
                let Ok(row) = cache.try_get_or_load_async(&key, load).await;
                row
            }),
            "try_get_many_or_load_async" => Box::pin(async move {
                let mut read = Some(read);
                let load = |_: &[&u64]| {
                    let read = read.take().expect("the load does not fail");
                    async move { Ok::<_, Infallible>([(key, read.await)]) }
                };
                let Ok(rows) = cache.try_get_many_or_load_async([&key], load).await;
                rows[0].expect("the loader brings it")
            }),
            _ => unlisted(call),
        }
    }

    fn prepare(&self, call: &str, key: u64) {
        match call {
            "fence before the load, release during it" => {
                self.set_fence(Some(self.cache.fence([&key], FENCE_TIME)));
            }
            "fence_all before the load, release during it" => {
                self.set_fence(Some(self.cache.fence_all(FENCE_TIME)));
            }
            _ => {}
        }
    }

    fn invalidate(&self, call: &str, key: u64) {
        let cache = &self.cache;
        match call {
            "invalidate" => drop(cache.invalidate(&key)),
            "remove" => self.remove(key),
            "discard" => drop(cache.discard(&key).expect("nobody locks")),
            "mark_stale" => drop(cache.mark_stale(&key)),
            "invalidate_many" => drop(cache.invalidate_many([&key, &(key + 1)])),
            "invalidate_all" => cache.invalidate_all(),
            "clear" => cache.clear(),
            "invalidate_if" => drop(cache.invalidate_if(|_, _| true)),
            "retain" => drop(cache.retain(|_, _| false)),
            "transaction.commit" => {
                let mut changes = cache.transaction();
                changes.invalidate(key);
                changes.commit();
            }
            "transaction dropped" => cache.transaction().invalidate(key),
            "fence, release during the load" => assert!(cache.fence([&key], FENCE_TIME).release()),
            "fence before the load, release during it"
            | "fence_all before the load, release during it" => self.set_fence(None),
            _ => unlisted(call),
        }
    }

    fn update(&self, call: &str, key: u64, change: &dyn Fn(&mut Row)) {
        let changed = |row: Option<&Row>| {
            let mut row = *row.expect("the row is there");
            change(&mut row);
            Decision::Put(row)
        };
        match call {
            "update" => drop(self.cache.update(key, changed).expect("nobody locks")),
            "fetch_update" => {
                let updated = self.cache.fetch_update(key, Retry::default(), changed);
                updated.expect("one rival at most");
            }
            _ => unlisted(call),
        }
    }
}
