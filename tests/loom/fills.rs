//! Models of the cache beside a database: whatever order things happen in, what was read before an
//! invalidation is not found after it.
//!
//! The database is one row, which a writer changes from 1 to 2. It reads and writes at one instant,
//! as a database does.

use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use caskade::{Cache, CacheBuilder, Lookup};
use loom::sync::Notify;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use crate::harness::{ModelClock, SameHash};

const A: u64 = 1;
const B: u64 = 2;
const OLD: u64 = 1;
const NEW: u64 = 2;
const AT_MOST: Duration = Duration::from_secs(5);

type Rows = Cache<u64, u64, SameHash>;

/// A row that is read and written at one instant.
#[derive(Debug)]
struct Row(AtomicU64);

impl Row {
    fn read(&self) -> u64 {
        self.0.fetch_add(0, Ordering::AcqRel)
    }

    fn write(&self) {
        self.0.swap(NEW, Ordering::AcqRel);
    }
}

#[derive(Clone)]
struct World {
    cache: Rows,
    row: Arc<Row>,
}

impl World {
    /// Reads the row of `A` and stores it, if the cache has no value.
    fn read_through(&self) {
        if let Lookup::Miss(token) = self.cache.lookup(&A) {
            let row = self.row.read();
            let _ = self.cache.fill(token, A, row);
        }
    }

    /// The same in a snapshot of the database that begins now.
    fn read_snapshot(&self) {
        let mark = self.cache.mark();
        let row = self.row.read();
        let _ = self.cache.fill_since(&mark, A, row);
    }

    fn load(&self) -> u64 {
        block_on(self.cache.get_or_load_async(&A, |_| ready(self.row.read())))
    }

    /// What is cached is what the database says, if anything is.
    fn audit(&self) {
        let (cached, row) = (self.cache.get(&A), self.row.read());
        assert!(
            cached.is_none_or(|cached| cached == row),
            "{cached:?} is cached, the row is {row}"
        );
        self.cache.validate();
    }
}

/// Runs `threads` in every order and audits the end.
fn check(
    adjust: fn(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>,
    threads: &'static [fn(&World)],
) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 50_000;
    builder.check(move || {
        let clock = ModelClock::new();
        let cache = adjust(Cache::builder()).hasher(SameHash).clock(clock).stripes(1);
        let cache = cache.build().expect("valid settings");
        let world = World { cache, row: Arc::new(Row(AtomicU64::new(OLD))) };
        let (last, rest) = threads.split_last().expect("a model has threads");
        let spawn = |act: &'static fn(&World)| {
            let world = world.clone();
            thread::spawn(move || act(&world))
        };
        let handles: Vec<_> = rest.iter().map(spawn).collect();
        last(&world);
        for handle in handles {
            handle.join().expect("no thread of a model panics");
        }
        world.audit();
    });
}

fn plain(builder: CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64> {
    builder
}

fn write_and_invalidate(world: &World) {
    world.row.write();
    world.cache.invalidate(&A);
    assert_ne!(world.cache.get(&A), Some(OLD), "invalidated, and back");
}

#[test]
fn fill_against_invalidate() {
    check(plain, &[World::read_through, write_and_invalidate]);
}

#[test]
fn two_fills_against_invalidate() {
    check(plain, &[World::read_through, World::read_through, write_and_invalidate]);
}

#[test]
fn fill_against_clear() {
    check(
        plain,
        &[World::read_through, |world| {
            world.row.write();
            world.cache.clear();
            assert_ne!(world.cache.get(&A), Some(OLD), "cleared, and back");
        }],
    );
}

#[test]
fn fill_against_invalidation_by_predicate() {
    check(
        plain,
        &[World::read_through, |world| {
            world.row.write();
            world.cache.invalidate_if(|_, &value| value == OLD);
        }],
    );
}

#[test]
fn fill_against_write_then_evict() {
    check(
        |builder| builder.max_entries(1),
        &[World::read_through, |world| {
            world.row.write();
            world.cache.insert(A, NEW).expect("not locked");
            world.cache.insert(B, NEW).expect("not locked");
        }],
    );
}

#[test]
fn fill_against_write_then_remove() {
    check(
        plain,
        &[World::read_through, |world| {
            world.row.write();
            world.cache.insert(A, NEW).expect("not locked");
            world.cache.discard(&A).expect("not locked");
        }],
    );
}

#[test]
fn snapshot_against_invalidate() {
    check(plain, &[World::read_snapshot, write_and_invalidate]);
}

/// Not even between commit and invalidation does anybody see the old row.
#[test]
fn fence_against_fill() {
    check(
        plain,
        &[
            World::read_through,
            |world| {
                let row = world.row.read();
                let cached = world.cache.get(&A);
                assert!(row == OLD || cached != Some(OLD), "committed, and the old row is served");
            },
            |world| {
                let fence = world.cache.fence(&[A], AT_MOST);
                world.row.write();
                fence.release();
            },
        ],
    );
}

#[test]
fn fence_against_load() {
    check(
        plain,
        &[
            |world| {
                let row = world.row.read();
                let loaded = world.load();
                assert!(loaded >= row, "loaded {loaded} when the row was {row}");
            },
            World::read_through,
            |world| {
                let fence = world.cache.fence(&[A], AT_MOST);
                world.row.write();
                fence.release();
            },
        ],
    );
}

#[test]
fn load_against_invalidate() {
    check(
        plain,
        &[
            |world| _ = world.load(),
            |world| {
                world.row.write();
                world.cache.invalidate(&A);
                assert_eq!(world.load(), NEW, "whoever comes after an invalidation loads anew");
            },
        ],
    );
}

/// One of two loads, or waits for the other and is woken.
#[test]
fn two_loads() {
    check(
        plain,
        &[
            |world| assert_eq!(world.load(), OLD),
            |world| {
                assert_eq!(world.load(), OLD);
                assert_eq!(world.cache.stats().loads, 1);
            },
        ],
    );
}

/// A leader that is dropped lets its follower load.
#[test]
fn loader_hand_over() {
    check(
        plain,
        &[
            |world| {
                let loading = world.cache.get_or_load_async(&A, |_| std::future::pending());
                let mut loading = Box::pin(loading);
                let _ = loading.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                drop(loading);
            },
            |world| assert_eq!(world.load(), OLD),
        ],
    );
}

/// Runs a future on this thread; if nobody wakes it, the model ends in a deadlock.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Bell(Notify);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.notify();
        }
    }
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => bell.0.wait(),
        }
    }
}
