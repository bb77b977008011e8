//! Which public types may go between threads, as a table of facts in both directions.
//!
//! A type that must not be `Send` is checked with the same probe as one that must, so that a probe
//! that always says no, or always yes, fails.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use caskade::{
    BuildError, Cache, CacheBuilder, Cas, CounterError, Drain, Expiry, Iter, KeyLock, LockError,
    ManualClock, Put, Ref, Refusal, Reread, Retried, Retry, RetryError, Session, SessionIter,
    Stats, StripeLoad, SystemClock, UnlockError, Update, Updated, Versioned, WriteError,
};

/// Says whether `T` has a trait: the inherent constant exists only if the bound holds, and is then
/// preferred to the trait's.
struct Probe<T>(PhantomData<T>);

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T> Otherwise for Probe<T> {}

impl<T: Send> Probe<T> {
    const SEND: bool = true;
}

impl<T: Sync> Probe<T> {
    const SYNC: bool = true;
}

macro_rules! facts {
    ($($type:ty: $send:literal $sync:literal;)*) => {
        [$((stringify!($type), (Probe::<$type>::SEND, Probe::<$type>::SYNC), ($send, $sync))),*]
    };
}

type K = String;
type V = Vec<u8>;

/// A hasher that may be sent but not shared.
type Unshared = Cell<u8>;

#[test]
fn types_are_send_and_sync_as_they_should_be() {
    let facts = facts! {
        Cache<K, V>: true true;
        CacheBuilder<K, V>: true true;
        KeyLock<K, V>: true true;
        Session<'static, K, V, ahash::RandomState>: false false;
        Ref<'static, V>: false false;
        SessionIter<'static, K, V>: false false;
        Iter<'static, K, V>: false false;
        Drain<'static, K, V>: false false;
        ManualClock: true true;
        SystemClock: true true;
        Cas: true true;
        Put: true true;
        Retry: true true;
        Expiry: true true;
        Update<V>: true true;
        Updated: true true;
        Retried: true true;
        Versioned<V>: true true;
        Reread<V>: true true;
        Stats: true true;
        StripeLoad: true true;
        Refusal: true true;
        BuildError: true true;
        LockError: true true;
        UnlockError: true true;
        CounterError: true true;
        RetryError<K>: true true;
        WriteError<(K, V)>: true true;

        Cache<Rc<u8>, V>: false false;
        Cache<K, Rc<u8>>: false false;
        Cache<K, Cell<u8>>: false false;
        Cache<K, V, Unshared>: false false;
        Versioned<Rc<u8>>: false false;
        WriteError<Rc<u8>>: false false;
        Update<Cell<u8>>: true false;
    };
    let wrong: Vec<_> = facts.iter().filter(|(_, found, expected)| found != expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_probe_tells_yes_from_no() {
    let facts = facts! { u8: true true; Rc<u8>: false false; Cell<u8>: true false; };
    assert!(facts.iter().all(|(_, found, expected)| found == expected));
}

#[cfg(feature = "serde")]
#[test]
fn snapshots_go_where_their_entries_may() {
    use caskade::{RestoreError, Restored, Snapshot};
    let facts = facts! {
        Snapshot<K, V>: true true;
        Snapshot<Rc<u8>, V>: false false;
        Snapshot<K, Cell<u8>>: true false;
        Restored: true true;
        RestoreError: true true;
    };
    assert!(facts.iter().all(|(_, found, expected)| found == expected), "{facts:#?}");
}

fn is_send_and_static<T: Send + 'static>(_: &T) {}

#[test]
fn a_lock_and_a_cache_may_be_sent_away_for_good() {
    let cache = Cache::new();
    cache.insert(1, 1).unwrap();
    is_send_and_static(&cache);
    let held = cache.get_and_lock(&1).unwrap();
    is_send_and_static(&held);
}

#[test]
fn a_wait_may_be_sent_and_outlives_the_handle_it_came_from() {
    fn wait(cache: &Cache<u64, u64>) -> impl Future + Send + 'static {
        cache.get_and_lock_async(&7, Duration::ZERO, Duration::ZERO)
    }
    let cache = Cache::new();
    let waiting = wait(&cache);
    drop(cache);
    is_send_and_static(&waiting);
}

#[test]
fn handles_can_be_moved_when_pinned() {
    fn is_unpin<T: Unpin>() {}
    is_unpin::<Cache<K, V>>();
    is_unpin::<KeyLock<K, V>>();
}
