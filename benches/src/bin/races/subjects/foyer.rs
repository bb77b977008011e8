//! foyer's memory part. Its loads run on tokio, whoever waits for them.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

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

pub(super) fn build() -> Arc<dyn Subject> {
    let cache: Cache<u64, Row> = CacheBuilder::new(BOUND as usize).with_shards(1).build();
    Arc::new(cache)
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(2).build().expect("threads can be had")
    })
}

impl Subject for Cache<u64, Row> {
    fn calls(&self) -> Calls {
        CALLS
    }

    fn get(&self, key: u64) -> Option<Row> {
        self.get(&key).map(|entry| *entry.value())
    }

    fn contains(&self, key: u64) -> bool {
        self.contains(&key)
    }

    fn insert(&self, key: u64, row: Row) {
        self.insert(key, row);
    }

    fn remove(&self, key: u64) {
        self.remove(&key);
    }

    fn load(&self, _call: &str, key: u64, read: &dyn Fn() -> Row) -> Row {
        Subject::get(self, key).unwrap_or_else(|| {
            let row = read();
            Subject::insert(self, key, row);
            row
        })
    }

    fn load_async<'a>(&'a self, _call: &str, key: u64, read: Loading<'static>) -> Loading<'a> {
        let _inside = runtime().enter();
        let fetch = self.get_or_fetch(&key, || async { Ok::<_, Infallible>(read.await) });
        Box::pin(async move { *fetch.await.expect("the read does not fail").value() })
    }

    fn invalidate(&self, call: &str, key: u64) {
        match call {
            "remove" => Subject::remove(self, key),
            "clear" => self.clear(),
            _ => unlisted(call),
        }
    }
}
