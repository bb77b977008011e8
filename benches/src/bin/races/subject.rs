//! [`Subject`]: a cache in the races, with the calls it has and no others.
//!
//! Every call is named as the cache names it. The name is what [`Calls`] lists, what the subject is
//! asked to run, and what the notes below the tables show.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::gate::Gate;
use crate::row::Row;

/// Ways to get a row into the cache because it was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// One call that looks up and, if that fails, runs a closure.
    Loader,
    /// The same with a future.
    Async,
    /// A loader of several keys.
    Bulk,
    /// Look up, read, store; what to store is tied to the look-up by a token or a guard.
    Guarded,
    /// Look up, read, insert. An insert cannot know that it is late, whatever the cache.
    Plain,
}

/// Ways to tell the cache that what it may have, or may be about to get, is no longer true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalidation {
    One,
    Many,
    All,
    Predicate,
    Transaction,
    Fence,
    /// The writer stores the new row, which stays.
    Written,
    /// The writer stores the new row and removes it.
    WrittenAndRemoved,
    /// The writer stores the new row, which the bound drives out.
    WrittenAndEvicted,
}

/// Ways to change a row depending on what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// The closure runs once.
    Once,
    /// The closure may run again if somebody else was faster.
    Optimistic,
}

/// The calls that a subject has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    pub(crate) loads: &'static [(Load, &'static str)],
    pub(crate) invalidations: &'static [(Invalidation, &'static str)],
    pub(crate) updates: &'static [(Update, &'static str)],
    /// Whether it evicts.
    pub(crate) is_bounded: bool,
}

impl Calls {
    pub(crate) fn loads_by(&self, way: Load) -> impl Iterator<Item = &'static str> + use<> {
        self.loads.iter().filter(move |call| call.0 == way).map(|call| call.1)
    }

    pub(crate) fn updates_by(&self, way: Update) -> impl Iterator<Item = &'static str> + use<> {
        self.updates.iter().filter(move |call| call.0 == way).map(|call| call.1)
    }

    /// The calls for an invalidation; those that every cache has are made of simpler ones.
    pub(crate) fn invalidations_by(&self, way: Invalidation) -> Vec<&'static str> {
        match way {
            Invalidation::Written => vec!["insert"],
            Invalidation::WrittenAndRemoved => vec!["insert, remove"],
            Invalidation::WrittenAndEvicted if self.is_bounded => vec!["insert, evicted"],
            _ => self.invalidations.iter().filter(|c| c.0 == way).map(|c| c.1).collect(),
        }
    }
}

/// A load as a future.
pub(crate) type Loading<'a> = Pin<Box<dyn Future<Output = Row> + Send + 'a>>;

/// A cache in the races. Calls that it does not list are never asked for.
pub(crate) trait Subject: Send + Sync {
    /// What it has.
    fn calls(&self) -> Calls;

    fn get(&self, key: u64) -> Option<Row>;

    fn insert(&self, key: u64, row: Row);

    fn remove(&self, key: u64);

    /// Does what the cache would otherwise do later.
    fn settle(&self) {}

    /// Waits for loads that go on although their callers have been given something else.
    fn join_loads(&self) {}

    /// Lets as much time go by as a load may keep others waiting, if there is a limit to that.
    fn wait_for_load_limit(&self) -> bool {
        false
    }

    /// Loads the key with what `read` returns, if it is not there.
    fn load(&self, call: &str, _key: u64, _read: &dyn Fn() -> Row) -> Row {
        unlisted(call)
    }

    /// [`load`](Self::load), for [`Load::Async`].
    fn load_async<'a>(&'a self, call: &str, _key: u64, _read: Loading<'static>) -> Loading<'a> {
        unlisted(call)
    }

    /// What the writer does for an invalidation before the load begins.
    fn prepare(&self, _call: &str, _key: u64) {}

    /// The invalidation. The new row has been committed.
    fn invalidate(&self, call: &str, _key: u64) {
        unlisted(call)
    }

    /// Lets `change` change the row.
    fn update(&self, call: &str, _key: u64, _change: &dyn Fn(&mut Row)) {
        unlisted(call)
    }
}

pub(crate) fn unlisted(call: &str) -> ! {
    unreachable!("`{call}` is not a call of this subject")
}

/// A cache of which the races build as many as they need.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) build: fn() -> Arc<dyn Subject>,
}

/// How many entries a bounded subject holds: what is one eviction domain to all of them.
pub(crate) const BOUND: u64 = 256;

/// A read of the database that takes as long as the race wants.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Opens when the row has been read.
    pub(crate) begun: Arc<Gate>,
    /// The read returns when this opens.
    pub(crate) may_end: Arc<Gate>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Row(Row),
    Panic,
}

impl Read {
    /// Finds `row` and waits.
    pub(crate) fn slow(row: Row) -> Self {
        Self { begun: Arc::default(), may_end: Arc::default(), end: End::Row(row) }
    }

    /// Finds `row` and returns.
    pub(crate) fn quick(row: Row) -> Self {
        let read = Self::slow(row);
        read.may_end.open();
        read
    }

    /// Waits and panics.
    pub(crate) fn failing() -> Self {
        Self { end: End::Panic, ..Self::slow(Row::of(0)) }
    }

    fn result(&self) -> Row {
        match self.end {
            End::Row(row) => row,
            End::Panic => panic_quietly(),
        }
    }

    fn run(&self) -> Row {
        self.begun.open();
        self.may_end.pass();
        self.result()
    }

    pub(crate) fn future(&self) -> Loading<'static> {
        let read = self.clone();
        Box::pin(async move {
            read.begun.open();
            read.may_end.passage().await;
            read.result()
        })
    }
}

/// Panics without a message on the terminal.
pub(crate) fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("on purpose"))
}

/// A way to load with the call that does it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadCall {
    pub(crate) way: Load,
    pub(crate) name: &'static str,
}

impl LoadCall {
    /// Runs the load on this thread.
    pub(crate) fn run(self, subject: &dyn Subject, read: &Read) -> Row {
        match self.way {
            Load::Async => {
                crate::gate::block_on(subject.load_async(self.name, crate::row::KEY, read.future()))
            }
            _ => subject.load(self.name, crate::row::KEY, &|| read.run()),
        }
    }

    /// Runs the load on a thread of its own.
    pub(crate) fn start(
        self,
        subject: &Arc<dyn Subject>,
        read: &Read,
    ) -> crate::gate::Running<Row> {
        let (subject, read) = (Arc::clone(subject), read.clone());
        crate::gate::call(move || self.run(&*subject, &read))
    }
}
