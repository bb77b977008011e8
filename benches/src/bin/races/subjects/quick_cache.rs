//! quick_cache: a load leaves a placeholder, and fills it if it is still there.

use std::convert::Infallible;
use std::sync::Arc;

use quick_cache::sync::{Cache, EntryAction, GuardResult};

use crate::row::Row;
use crate::subject::{BOUND, Calls, Invalidation, Load, Loading, Subject, Update, unlisted};

const CALLS: Calls = Calls {
    loads: &[
        (Load::Loader, "get_or_insert_with"),
        (Load::Async, "get_or_insert_async"),
        (Load::Guarded, "get_value_or_guard, guard.insert"),
        (Load::Plain, "get, insert"),
    ],
    invalidations: &[
        (Invalidation::One, "remove"),
        (Invalidation::All, "clear"),
        (Invalidation::Predicate, "retain"),
        (Invalidation::Predicate, "remove_if"),
    ],
    updates: &[(Update::Once, "entry")],
    is_bounded: true,
};

pub(super) fn build() -> Arc<dyn Subject> {
    Arc::new(Cache::<u64, Row>::new(BOUND as usize))
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

    fn load(&self, call: &str, key: u64, read: &dyn Fn() -> Row) -> Row {
        match call {
            "get_or_insert_with" => {
                let Ok(row) = self.get_or_insert_with(&key, || Ok::<_, Infallible>(read()));
                row
            }
            "get_value_or_guard, guard.insert" => match self.get_value_or_guard(&key, None) {
                GuardResult::Value(row) => row,
                GuardResult::Guard(guard) => {
                    let row = read();
                    let _ = guard.insert(row);
                    row
                }
                GuardResult::Timeout => unreachable!("there is no timeout"),
            },
            "get, insert" => Subject::get(self, key).unwrap_or_else(|| {
                let row = read();
                Subject::insert(self, key, row);
                row
            }),
            _ => unlisted(call),
        }
    }

    fn load_async<'a>(&'a self, _call: &str, key: u64, read: Loading<'static>) -> Loading<'a> {
        Box::pin(async move {
            let read = async { Ok::<_, Infallible>(read.await) };
            let Ok(row) = self.get_or_insert_async(&key, read).await;
            row
        })
    }

    fn invalidate(&self, call: &str, key: u64) {
        match call {
            "remove" => Subject::remove(self, key),
            "clear" => self.clear(),
            "retain" => self.retain(|_, _| false),
            "remove_if" => drop(self.remove_if(&key, |_| true)),
            _ => unlisted(call),
        }
    }

    fn update(&self, _call: &str, key: u64, change: &dyn Fn(&mut Row)) {
        let _ = self.entry(&key, None, |_, row| {
            change(row);
            EntryAction::Retain(())
        });
    }
}
