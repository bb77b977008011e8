//! A map under a mutex, as one writes it in five minutes: the subject that shows that the races find
//! something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::row::Row;
use crate::subject::{Calls, Invalidation, Load, Loading, Subject, Update, unlisted};

const CALLS: Calls = Calls {
    loads: &[
        (Load::Loader, "get, load, insert"),
        (Load::Async, "get, await, insert"),
        (Load::Plain, "get, insert"),
    ],
    invalidations: &[
        (Invalidation::One, "remove"),
        (Invalidation::All, "clear"),
        (Invalidation::Predicate, "retain"),
    ],
    updates: &[(Update::Once, "get, change, insert"), (Update::Once, "get_mut")],
    is_bounded: false,
};

#[derive(Debug, Default)]
struct Naive(Mutex<HashMap<u64, Row>>);

pub(super) fn build() -> Arc<dyn Subject> {
    Arc::new(Naive::default())
}

impl Naive {
    fn rows(&self) -> MutexGuard<'_, HashMap<u64, Row>> {
        self.0.lock().expect("nobody has panicked")
    }
}

impl Subject for Naive {
    fn calls(&self) -> Calls {
        CALLS
    }

    fn get(&self, key: u64) -> Option<Row> {
        self.rows().get(&key).copied()
    }

    fn insert(&self, key: u64, row: Row) {
        self.rows().insert(key, row);
    }

    fn remove(&self, key: u64) {
        self.rows().remove(&key);
    }

    fn load(&self, _call: &str, key: u64, read: &dyn Fn() -> Row) -> Row {
        self.get(key).unwrap_or_else(|| {
            let row = read();
            self.insert(key, row);
            row
        })
    }

    fn load_async<'a>(&'a self, _call: &str, key: u64, read: Loading<'static>) -> Loading<'a> {
        Box::pin(async move {
            if let Some(row) = self.get(key) {
                return row;
            }
            let row = read.await;
            self.insert(key, row);
            row
        })
    }

    fn invalidate(&self, call: &str, key: u64) {
        match call {
            "remove" => self.remove(key),
            "clear" => self.rows().clear(),
            "retain" => self.rows().retain(|_, _| false),
            _ => unlisted(call),
        }
    }

    fn update(&self, call: &str, key: u64, change: &dyn Fn(&mut Row)) {
        match call {
            "get, change, insert" => {
                let mut row = self.get(key).expect("the row is there");
                change(&mut row);
                self.insert(key, row);
            }
            "get_mut" => change(self.rows().get_mut(&key).expect("the row is there")),
            _ => unlisted(call),
        }
    }
}
