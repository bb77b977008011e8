//! moka's cache for futures.

use std::sync::Arc;

use moka::future::Cache;
use moka::ops::compute::Op;

use crate::gate::block_on;
use crate::row::Row;
use crate::subject::{BOUND, Calls, Invalidation, Load, Loading, Subject, Update, unlisted};

const CALLS: Calls = Calls {
    loads: &[(Load::Async, "get_with"), (Load::Async, "entry.or_insert_with")],
    invalidations: &[
        (Invalidation::One, "invalidate"),
        (Invalidation::All, "invalidate_all"),
        (Invalidation::Predicate, "invalidate_entries_if"),
    ],
    updates: &[(Update::Once, "entry.and_compute_with"), (Update::Once, "entry.and_upsert_with")],
    is_bounded: true,
};

pub(super) fn build() -> Arc<dyn Subject> {
    let builder = Cache::<u64, Row>::builder().max_capacity(BOUND);
    Arc::new(builder.support_invalidation_closures().build())
}

impl Subject for Cache<u64, Row> {
    fn calls(&self) -> Calls {
        CALLS
    }

    fn get(&self, key: u64) -> Option<Row> {
        block_on(self.get(&key))
    }

    fn insert(&self, key: u64, row: Row) {
        block_on(self.insert(key, row));
    }

    fn remove(&self, key: u64) {
        block_on(self.remove(&key));
    }

    fn settle(&self) {
        block_on(self.run_pending_tasks());
    }

    fn load_async<'a>(&'a self, call: &str, key: u64, read: Loading<'static>) -> Loading<'a> {
        match call {
            "get_with" => Box::pin(self.get_with(key, read)),
            "entry.or_insert_with" => {
                Box::pin(async move { self.entry(key).or_insert_with(read).await.into_value() })
            }
            _ => unlisted(call),
        }
    }

    fn invalidate(&self, call: &str, key: u64) {
        match call {
            "invalidate" => block_on(self.invalidate(&key)),
            "invalidate_all" => self.invalidate_all(),
            "invalidate_entries_if" => {
                self.invalidate_entries_if(|_, _| true).expect("closures are supported");
            }
            _ => unlisted(call),
        }
    }

    fn update(&self, call: &str, key: u64, change: &dyn Fn(&mut Row)) {
        let changed = |entry: Option<moka::Entry<u64, Row>>| {
            let mut row = entry.expect("the row is there").into_value();
            change(&mut row);
            std::future::ready(row)
        };
        match call {
            "entry.and_compute_with" => {
                let put = |entry| {
                    let row = changed(entry);
                    async { Op::Put(row.await) }
                };
                block_on(self.entry(key).and_compute_with(put));
            }
            "entry.and_upsert_with" => drop(block_on(self.entry(key).and_upsert_with(changed))),
            _ => unlisted(call),
        }
    }
}
