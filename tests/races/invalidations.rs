//! Every way to make sure that an old row is not seen any more.

use caskade::{Expiry, Fence, Retry, Update};

use crate::loads::token;
use crate::scene::{GRACE, KEY, LIFE, ROOM, Row, SECOND, Scene};

pub(crate) struct Invalidation<V: Row> {
    pub(crate) name: &'static str,
    pub(crate) act: Act<V>,
    pub(crate) needs: Needs,
    /// In a cache with grace time the old row may still be served, but as a stale one.
    pub(crate) is_gentle: bool,
}

/// Changes the row in the database, and does to the cache what belongs to it.
pub(crate) enum Act<V: Row> {
    Done(fn(&Scene<V>)),
    /// A fence that stands until the load is over.
    Lasting(fn(&Scene<V>) -> Fence<u32, V>),
}

/// What makes it an invalidation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// A grace time.
    Grace,
    /// An entry of the old row: what happens to it by itself says nothing about one on its way.
    Entry,
}

pub(crate) fn invalidations<V: Row>() -> Vec<Invalidation<V>> {
    let new = |name, act| Invalidation { name, act, needs: Needs::Nothing, is_gentle: false };
    let done = |name, act| new(name, Act::Done(act));
    let lasting = |name, act| new(name, Act::Lasting(act));
    let of_entry = |name, act| Invalidation { needs: Needs::Entry, ..done(name, act) };
    let gentle = |name, act| Invalidation { is_gentle: true, ..done(name, act) };
    vec![
        // Invalidation proper.
        done("invalidate", |s| {
            s.commit();
            s.cache.invalidate(&KEY);
        }),
        done("invalidate_many", |s| {
            s.commit();
            s.cache.invalidate_many(&[0, KEY]);
        }),
        done("invalidate_all", |s| {
            s.commit();
            s.cache.invalidate_all();
        }),
        done("clear", |s| {
            s.commit();
            s.cache.clear();
        }),
        done("invalidate_if", |s| {
            s.commit();
            s.cache.invalidate_if(|key, _| *key == KEY);
        }),
        done("retain", |s| {
            s.commit();
            s.cache.retain(|key, _| *key != KEY);
        }),
        done("drain", |s| {
            s.commit();
            s.cache.drain().for_each(drop);
        }),
        gentle("mark_stale", |s| {
            s.commit();
            s.cache.mark_stale(&KEY);
        }),
        Invalidation {
            needs: Needs::Grace,
            ..gentle("mark_stale, with grace", |s| {
                s.commit();
                s.cache.mark_stale(&KEY);
            })
        },
        // Removal.
        done("remove", |s| {
            s.commit();
            s.cache.remove(&KEY).unwrap();
        }),
        done("discard", |s| {
            s.commit();
            s.cache.discard(&KEY).unwrap();
        }),
        done("update, Remove", |s| {
            s.commit();
            s.cache.update(KEY, |_| Update::Remove).unwrap();
        }),
        done("fetch_update, Remove", |s| {
            s.commit();
            s.cache.fetch_update(KEY, Retry::default(), |_| Update::Remove).unwrap();
        }),
        done("compare_and_remove", |s| {
            s.commit();
            let seen = s.cache.get_with_cas(&KEY).and_then(|value| value.cas());
            let seen = seen.unwrap_or_else(|| s.cache.insert(KEY, s.row()).unwrap());
            s.cache.compare_and_remove(&KEY, seen).unwrap();
        }),
        // A write, and what may happen to the entry afterwards.
        done("insert", |s| {
            s.cache.insert(KEY, s.commit()).unwrap();
        }),
        done("update, Put", |s| {
            s.cache.update(KEY, |_| Update::Put(s.commit())).unwrap();
        }),
        done("fetch_update, Put", |s| {
            s.cache.fetch_update(KEY, Retry::default(), |_| Update::Put(s.commit())).unwrap();
        }),
        done("insert, write under a key lock", |s| {
            s.cache.insert(KEY, s.commit()).unwrap();
            s.cache.get_and_lock(&KEY).unwrap().write(s.commit()).unwrap();
        }),
        done("insert, remove", |s| {
            s.cache.insert(KEY, s.commit()).unwrap();
            s.cache.remove(&KEY).unwrap();
        }),
        done("insert, compare_and_remove", |s| {
            let seen = s.cache.insert(KEY, s.commit()).unwrap();
            s.cache.compare_and_remove(&KEY, seen).unwrap();
        }),
        done("insert, compare_and_discard", |s| {
            let seen = s.cache.insert(KEY, s.commit()).unwrap();
            s.cache.compare_and_discard(&KEY, seen).unwrap();
        }),
        done("insert, remove under a key lock", |s| {
            s.cache.insert(KEY, s.commit()).unwrap();
            s.cache.get_and_lock(&KEY).unwrap().remove().unwrap();
        }),
        done("insert, lock, invalidate", |s| {
            s.cache.insert(KEY, s.commit()).unwrap();
            let held = s.cache.get_and_lock(&KEY).unwrap();
            s.cache.invalidate(&KEY);
            drop(held);
        }),
        done("insert, drain", |s| {
            s.cache.insert(KEY, s.commit()).unwrap();
            s.cache.drain().for_each(drop);
        }),
        done("insert, evict", |s| {
            s.cache.insert(KEY, s.commit()).unwrap();
            evict(s);
        }),
        done("insert, expire", |s| {
            insert_briefly(s);
            s.clock.advance(SECOND + GRACE);
        }),
        done("insert, expire, sweep", |s| {
            insert_briefly(s);
            s.clock.advance(SECOND + GRACE);
            assert_eq!(s.cache.expire_due(), 1);
        }),
        of_entry("evict", |s| {
            s.commit();
            evict(s);
        }),
        of_entry("expire", |s| {
            s.cache.touch(&KEY, Expiry::Default).unwrap();
            s.commit();
            s.clock.advance(LIFE + GRACE);
        }),
        // Transactions.
        done("transaction", |s| {
            let mut changes = s.cache.transaction();
            changes.invalidate(KEY);
            s.commit();
            changes.commit();
        }),
        done("transaction, dropped", |s| {
            let mut changes = s.cache.transaction();
            changes.invalidate(KEY);
            s.commit();
            drop(changes);
        }),
        done("transaction over all", |s| {
            let mut changes = s.cache.transaction();
            changes.invalidate_all();
            s.commit();
            changes.commit();
        }),
        // Fences.
        done("fence, released", |s| {
            within(s, s.cache.fence([&KEY], SECOND), drop);
        }),
        done("fence, lapsed", |s| {
            within(s, s.cache.fence([&KEY], SECOND), |fence| lapse(s, fence));
        }),
        done("fence_all, released", |s| {
            within(s, s.cache.fence_all(SECOND), drop);
        }),
        done("fence_all, lapsed", |s| {
            within(s, s.cache.fence_all(SECOND), |fence| lapse(s, fence));
        }),
        lasting("fence, standing", |s| within(s, s.cache.fence([&KEY], SECOND), |fence| fence)),
        lasting("fence_all, standing", |s| within(s, s.cache.fence_all(SECOND), |fence| fence)),
    ]
}

/// The row changes within a fence. Others read it before it does, and store it then, or after the end.
fn within<V: Row, R>(
    s: &Scene<V>,
    fence: Fence<u32, V>,
    end: impl FnOnce(Fence<u32, V>) -> R,
) -> R {
    let (mark, early, late) = (s.cache.mark(), token(s), token(s));
    assert_eq!(s.newcomer().value().version(), s.version(), "a fence keeps nobody from loading");
    let old = s.row();
    s.cache.fill(early, KEY, old.clone()).unwrap_err();
    s.commit();
    assert_eq!(s.cache.get(&KEY).map(|seen| seen.version()), None, "nor lets it be stored");
    let ended = end(fence);
    s.cache.fill(late, KEY, old.clone()).unwrap_err();
    s.cache.fill_since(&mark, KEY, old).unwrap_err();
    ended
}

/// Nobody releases the fence.
fn lapse<V: Row>(s: &Scene<V>, fence: Fence<u32, V>) {
    std::mem::forget(fence);
    s.clock.advance(SECOND);
}

fn insert_briefly<V: Row>(s: &Scene<V>) {
    s.cache.insert_with(KEY, s.commit(), Expiry::After(SECOND)).unwrap();
}

/// Room becomes so scarce that others drive the key out.
fn evict<V: Row>(s: &Scene<V>) {
    s.cache.set_bound(1).unwrap();
    s.cache.insert(1000, V::of(0)).unwrap();
    s.cache.insert(1001, V::of(0)).unwrap();
    s.cache.set_bound(ROOM).unwrap();
    assert!(!s.cache.contains_key(&KEY), "the key is not evicted");
}
