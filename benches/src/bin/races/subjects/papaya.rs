//! papaya: no locks; a closure runs again if somebody else was faster.

use std::sync::Arc;

use papaya::HashMap;

use crate::row::Row;
use crate::subject::{Calls, Invalidation, Load, Subject, Update, unlisted};

const CALLS: Calls = Calls {
    loads: &[(Load::Loader, "get_or_insert_with"), (Load::Plain, "get, insert")],
    invalidations: &[
        (Invalidation::One, "remove"),
        (Invalidation::All, "clear"),
        (Invalidation::Predicate, "retain"),
    ],
    updates: &[(Update::Optimistic, "update")],
    is_bounded: false,
};

pub(super) fn build() -> Arc<dyn Subject> {
    Arc::new(HashMap::<u64, Row>::new())
}

impl Subject for HashMap<u64, Row> {
    fn calls(&self) -> Calls {
        CALLS
    }

    fn get(&self, key: u64) -> Option<Row> {
        self.pin().get(&key).copied()
    }

    fn insert(&self, key: u64, row: Row) {
        self.pin().insert(key, row);
    }

    fn remove(&self, key: u64) {
        self.pin().remove(&key);
    }

    fn load(&self, call: &str, key: u64, read: &dyn Fn() -> Row) -> Row {
        match call {
            "get_or_insert_with" => *self.pin().get_or_insert_with(key, read),
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
            "clear" => self.pin().clear(),
            "retain" => self.pin().retain(|_, _| false),
            _ => unlisted(call),
        }
    }

    fn update(&self, _call: &str, key: u64, change: &dyn Fn(&mut Row)) {
        let changed = |row: &Row| {
            let mut row = *row;
            change(&mut row);
            row
        };
        self.pin().update(key, changed).expect("the row is there");
    }
}
