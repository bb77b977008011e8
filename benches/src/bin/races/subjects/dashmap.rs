//! dashmap: closures and guards run under the lock of a shard.

use std::sync::Arc;

use dashmap::DashMap;

use crate::row::Row;
use crate::subject::{Calls, Invalidation, Load, Subject, Update, unlisted};

const CALLS: Calls = Calls {
    loads: &[(Load::Loader, "entry.or_insert_with"), (Load::Plain, "get, insert")],
    invalidations: &[
        (Invalidation::One, "remove"),
        (Invalidation::All, "clear"),
        (Invalidation::Predicate, "retain"),
    ],
    updates: &[(Update::Once, "get_mut"), (Update::Once, "alter")],
    is_bounded: false,
};

pub(super) fn build() -> Arc<dyn Subject> {
    Arc::new(DashMap::<u64, Row>::new())
}

impl Subject for DashMap<u64, Row> {
    fn calls(&self) -> Calls {
        CALLS
    }

    fn get(&self, key: u64) -> Option<Row> {
        self.get(&key).map(|row| *row)
    }

    fn insert(&self, key: u64, row: Row) {
        self.insert(key, row);
    }

    fn remove(&self, key: u64) {
        self.remove(&key);
    }

    fn load(&self, call: &str, key: u64, read: &dyn Fn() -> Row) -> Row {
        match call {
            "entry.or_insert_with" => *self.entry(key).or_insert_with(read),
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
            "remove" => Subject::remove(self, key),
            "clear" => self.clear(),
            "retain" => self.retain(|_, _| false),
            _ => unlisted(call),
        }
    }

    fn update(&self, call: &str, key: u64, change: &dyn Fn(&mut Row)) {
        match call {
            "get_mut" => change(&mut self.get_mut(&key).expect("the row is there")),
            "alter" => self.alter(&key, |_, mut row| {
                change(&mut row);
                row
            }),
            _ => unlisted(call),
        }
    }
}
