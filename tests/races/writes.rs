//! Plain writes that land while somebody updates the same entry: nothing is lost, and what comes out is
//! what one after the other would have given.

use std::thread;

use caskade::{Cache, Expiry, Put, Retry, Update, Updated};

use crate::guarded::guarded;
use crate::scene::{KEY, SECOND};

type Act = fn(&Cache<u32, u64>);

/// A write, and what it makes of an entry with the value 0.
type Write = (&'static str, Act, Option<u64>);

const WRITES: [Write; 17] = [
    ("insert", |c| _ = c.insert(KEY, 100).unwrap(), Some(100)),
    ("insert of the same value", |c| _ = c.insert(KEY, 0).unwrap(), Some(0)),
    ("put", |c| _ = c.put(KEY, 100, Put::new()).unwrap(), Some(100)),
    ("replace", |c| _ = c.replace(&KEY, 100).unwrap(), Some(100)),
    (
        "compare_and_swap",
        |c| {
            let seen = c.get_with_cas(&KEY).unwrap().cas().unwrap();
            c.compare_and_swap(&KEY, seen, 100).unwrap();
        },
        Some(100),
    ),
    ("increment", |c| _ = c.increment(&KEY, 100).unwrap(), Some(100)),
    ("touch", |c| _ = c.touch(&KEY, Expiry::After(SECOND)).unwrap(), Some(0)),
    (
        "write under a key lock",
        |c| _ = c.get_and_lock(&KEY).unwrap().write(100).unwrap(),
        Some(100),
    ),
    ("update", |c| _ = c.update(KEY, |_| Update::Put(100)).unwrap(), Some(100)),
    ("fill_since", |c| _ = c.fill_since(&c.mark(), KEY, 100).unwrap(), Some(100)),
    ("remove", |c| assert_eq!(c.remove(&KEY).unwrap(), Some(0)), None),
    ("update, Remove", |c| _ = c.update(KEY, |_| Update::Remove).unwrap(), None),
    ("invalidate", |c| assert!(c.invalidate(&KEY)), None),
    ("clear", |c| c.clear(), None),
    ("retain", |c| assert_eq!(c.retain(|_, _| false), 1), None),
    ("drain", |c| assert_eq!(c.drain().count(), 1), None),
    ("fence", |c| drop(c.fence([&KEY], SECOND)), None),
];

fn cache() -> Cache<u32, u64> {
    let cache = Cache::builder().stripes(1).build().unwrap();
    cache.insert(KEY, 0).unwrap();
    cache
}

/// The update under observation. Absent counts as 1000, so that the result tells what it saw.
fn plus_one(seen: Option<u64>) -> u64 {
    seen.unwrap_or(1000) + 1
}

#[test]
fn a_write_within_fetch_update_is_not_lost() {
    for (name, write, left) in WRITES {
        let cache = cache();
        let mut seen = Vec::new();
        let change = |value: Option<&u64>| {
            if seen.is_empty() {
                write(&cache);
            }
            seen.push(value.copied());
            Update::Put(plus_one(value.copied()))
        };
        let retried = cache.fetch_update(KEY, Retry::default(), change).unwrap();
        assert_eq!(seen, [Some(0), left], "{name}: decided anew on what the write has left");
        assert_eq!(retried.attempts(), 2, "{name}");
        assert_eq!(cache.get(&KEY), Some(plus_one(left)), "{name}");
        cache.validate();
    }
}

#[test]
fn a_write_of_what_fetch_update_found_absent_is_not_lost() {
    for (decide, expected) in [(Update::Put(1), Some(1)), (Update::Remove, None)] {
        let cache = cache();
        cache.discard(&KEY).unwrap();
        let mut seen = Vec::new();
        let change = |value: Option<&u64>| {
            if seen.is_empty() {
                cache.insert(KEY, 100).unwrap();
            }
            seen.push(value.copied());
            decide
        };
        cache.fetch_update(KEY, Retry::default(), change).unwrap();
        assert_eq!(seen, [None, Some(100)]);
        assert_eq!(cache.get(&KEY), expected);
        cache.validate();
    }
    // Nothing comes between.
    let cache = cache();
    cache.discard(&KEY).unwrap();
    let before = cache.stats().writes;
    let removed = cache.fetch_update(KEY, Retry::default(), |_| Update::Remove).unwrap();
    assert_eq!((removed.updated(), removed.attempts()), (Updated::Kept(None), 1));
    assert_eq!(cache.stats().writes, before, "nothing was written");
}

#[test]
fn a_write_within_update_comes_after_it() {
    // That one has read a stamp before, and is refused.
    for (name, write, left) in WRITES.into_iter().filter(|(name, ..)| *name != "compare_and_swap") {
        let after = guarded(move || {
            let cache = cache();
            thread::scope(|scope| {
                let change = |_: Option<&u64>| {
                    scope.spawn(|| write(&cache));
                    // It may be on its way to the lock that this thread holds, or not yet.
                    thread::yield_now();
                    Update::Put(0)
                };
                cache.update(KEY, change).unwrap();
            });
            cache.validate();
            cache.get(&KEY)
        });
        assert_eq!(after, left, "{name}");
    }
}

#[test]
fn a_write_from_inside_update_is_refused() {
    let cache = cache();
    let change = |value: Option<&u64>| {
        let refused = cache.insert(KEY, 100).unwrap_err();
        assert_eq!(refused.into_rejected(), (KEY, 100), "and comes back");
        assert!(cache.fetch_update(KEY, Retry::default(), |_| Update::Remove).is_err());
        assert!(cache.remove(&KEY).is_err() && cache.increment(&KEY, 1).is_err());
        Update::Put(plus_one(value.copied()))
    };
    cache.update(KEY, change).unwrap();
    assert_eq!(cache.get(&KEY), Some(1));
    cache.validate();
}

#[test]
fn a_write_during_a_load_wins() {
    let writes: [(&str, Act); 6] = [
        ("insert", |c| _ = c.insert(KEY, 100).unwrap()),
        ("add", |c| _ = c.add(KEY, 100).unwrap()),
        ("put", |c| _ = c.put(KEY, 100, Put::new()).unwrap()),
        ("increment_or_insert", |c| {
            _ = c.increment_or_insert(KEY, 1, 100, Expiry::Default).unwrap();
        }),
        ("update", |c| _ = c.update(KEY, |_| Update::Put(100)).unwrap()),
        ("fetch_update", |c| {
            c.fetch_update(KEY, Retry::default(), |_| Update::Put(100)).unwrap();
        }),
    ];
    for (name, write) in writes {
        let cache = cache();
        cache.discard(&KEY).unwrap();
        let load = |_: &u32| {
            write(&cache);
            1
        };
        assert_eq!(cache.get_or_load(&KEY, load), 1, "{name}: its caller gets what was loaded");
        assert_eq!(cache.get(&KEY), Some(100), "{name}");
        assert_eq!(cache.get_or_load(&KEY, |_| unreachable!("it is there")), 100, "{name}");
        cache.validate();
    }
}
