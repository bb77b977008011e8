//! caskade.

use std::sync::Arc;

use caskade::{Cache, Retry, Update as Decision};

use crate::row::Row;
use crate::subject::{BOUND, Calls, Invalidation, Load, Subject, Update, unlisted};

const CALLS: Calls = Calls {
    loads: &[(Load::Plain, "get, insert")],
    invalidations: &[
        (Invalidation::One, "remove"),
        (Invalidation::All, "clear"),
        (Invalidation::Predicate, "retain"),
    ],
    updates: &[(Update::Once, "update"), (Update::Optimistic, "fetch_update")],
    is_bounded: true,
};

pub(super) fn build() -> Arc<dyn Subject> {
    let cache: Cache<u64, Row> =
        Cache::builder().max_entries(BOUND).build().expect("the settings are valid");
    Arc::new(cache)
}

impl Subject for Cache<u64, Row> {
    fn calls(&self) -> Calls {
        CALLS
    }

    fn get(&self, key: u64) -> Option<Row> {
        self.get(&key)
    }

    fn contains(&self, key: u64) -> bool {
        self.contains_key(&key)
    }

    fn insert(&self, key: u64, row: Row) {
        self.insert(key, row).expect("nobody locks");
    }

    fn remove(&self, key: u64) {
        self.remove(&key).expect("nobody locks");
    }

    fn load(&self, _call: &str, key: u64, read: &dyn Fn() -> Row) -> Row {
        Subject::get(self, key).unwrap_or_else(|| {
            let row = read();
            Subject::insert(self, key, row);
            row
        })
    }

    fn invalidate(&self, call: &str, key: u64) {
        match call {
            "remove" => Subject::remove(self, key),
            "clear" => self.clear(),
            "retain" => drop(self.retain(|_, _| false)),
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
            "update" => drop(self.update(key, changed).expect("nobody locks")),
            "fetch_update" => {
                self.fetch_update(key, Retry::default(), changed).expect("one rival at most");
            }
            _ => unlisted(call),
        }
    }
}
