//! foyer's memory part. Its loads run on tokio, whoever waits for them.

use std::convert::Infallible;
use std::sync::Arc;

use foyer_memory::{Cache, CacheBuilder};
use tokio::runtime::{Builder, Runtime};

use crate::row::Row;
use crate::subject::{BOUND, Calls, Invalidation, Load, Loading, Subject, unlisted};

const CALLS: Calls = Calls {
    loads: &[(Load::Async, "get_or_fetch"), (Load::Plain, "get, insert")],
    invalidations: &[(Invalidation::One, "remove"), (Invalidation::All, "clear")],
    updates: &[],
    is_bounded: true,
};

struct Subjected {
    cache: Cache<u64, Row>,
    runtime: Runtime,
}

pub(super) fn build() -> Arc<dyn Subject> {
    let cache = CacheBuilder::new(BOUND as usize).with_shards(1).build();
    let runtime = Builder::new_multi_thread().worker_threads(1).build();
    Arc::new(Subjected { cache, runtime: runtime.expect("threads can be had") })
}

impl Subject for Subjected {
    fn calls(&self) -> Calls {
        CALLS
    }

    fn get(&self, key: u64) -> Option<Row> {
        self.cache.get(&key).map(|entry| *entry.value())
    }

    fn insert(&self, key: u64, row: Row) {
        self.cache.insert(key, row);
    }

    fn remove(&self, key: u64) {
        self.cache.remove(&key);
    }

    fn join_loads(&self) {
        while self.runtime.metrics().num_alive_tasks() > 0 {
            std::thread::yield_now();
        }
    }

    fn load(&self, _call: &str, key: u64, read: &dyn Fn() -> Row) -> Row {
        self.get(key).unwrap_or_else(|| {
            let row = read();
            self.insert(key, row);
            row
        })
    }

    fn load_async<'a>(&'a self, _call: &str, key: u64, read: Loading<'static>) -> Loading<'a> {
        let _inside = self.runtime.enter();
        let fetch = self.cache.get_or_fetch(&key, || async { Ok::<_, Infallible>(read.await) });
        Box::pin(async move { *fetch.await.expect("the read does not fail").value() })
    }

    fn invalidate(&self, call: &str, key: u64) {
        match call {
            "remove" => self.remove(key),
            "clear" => self.cache.clear(),
            _ => unlisted(call),
        }
    }
}
