//! moka's cache for threads.

use std::sync::Arc;

use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::row::Row;
use crate::subject::{BOUND, Calls, Invalidation, Load, Subject, Update, unlisted};

const CALLS: Calls = Calls {
    loads: &[
        (Load::Loader, "get_with"),
        (Load::Loader, "entry.or_insert_with"),
        (Load::Plain, "get, insert"),
    ],
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
        self.get(&key)
    }

    fn insert(&self, key: u64, row: Row) {
        self.insert(key, row);
    }

    fn remove(&self, key: u64) {
        self.remove(&key);
    }

    fn settle(&self) {
        self.run_pending_tasks();
    }

    fn load(&self, call: &str, key: u64, read: &dyn Fn() -> Row) -> Row {
        match call {
            "get_with" => self.get_with(key, read),
            "entry.or_insert_with" => self.entry(key).or_insert_with(read).into_value(),
            "get, insert" => Subject::get(self, key).unwrap_or_else(|| {
                let row = read();
                Subject::insert(self, key, row);
                row
            }),
            _ => unlisted(call),
        }
    }

    fn invalidate(&self, call: &str, key: u64) {
        match call {
            "invalidate" => self.invalidate(&key),
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
            row
        };
        match call {
            "entry.and_compute_with" => {
                self.entry(key).and_compute_with(|entry| Op::Put(changed(entry)));
            }
            "entry.and_upsert_with" => drop(self.entry(key).and_upsert_with(changed)),
            _ => unlisted(call),
        }
    }
}
