//! Random scripts of operations: after each, the cache says what the sequential model says.
//!
//! Numbers, which change in place, and text, which is replaced, under several setups, with several
//! handles, stamps of every kind and a clock moved by hand. One thread.

mod common;
#[path = "common/script.rs"]
mod script;

use std::future::Future;
use std::hash::BuildHasherDefault;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use caskade::{Cache, ManualClock, Retry, Update, Updated};
use common::execute::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use script::{Bytes, Constant, SETUPS, run};

fn follows_the_model<V: Value>(setup: usize) {
    let default = ProptestConfig::default();
    // A case takes less than a millisecond.
    let cases = default.cases * 8;
    let config = ProptestConfig { cases, failure_persistence: None, ..default };
    let script = vec(any::<Bytes>(), 1..20 * SETUPS[setup].keys.max(10));
    proptest!(config, |(script in script)| run::<V>(SETUPS[setup], &script));
}

#[test]
#[ignore = "says `Kept(None)`, as if the key were still locked"]
fn an_update_that_locks_and_keeps_tells_the_stamp_like_any_other() {
    let cache = Cache::new();
    let stored = cache.insert("k", 1).unwrap();
    let keep = |_: Option<&i32>| Update::Keep;
    let plain = cache.fetch_update("k", Retry::attempts(1), keep).unwrap();
    let locking = cache.fetch_update("k", Retry::attempts(1).then_lock(0), keep).unwrap();
    assert_eq!(plain, Updated::Kept(Some(stored)));
    assert_eq!(locking, plain);
}

/// Polls once, with a waker that does nothing: whoever is woken here asks again by itself.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
#[ignore = "keys of the same hash share a place in the queue"]
fn a_wait_for_one_key_does_not_hold_up_a_wait_for_another() {
    let hasher = BuildHasherDefault::<Constant>::default();
    let cache = Cache::builder().hasher(hasher).clock(ManualClock::new()).build().unwrap();
    cache.insert("a", 1).unwrap();
    cache.insert("b", 2).unwrap();
    let patience = Duration::from_secs(10);
    let a = cache.get_and_lock("a").unwrap();
    let _b = cache.get_and_lock("b").unwrap();
    let mut for_b = pin!(cache.get_and_lock_async("b", Duration::ZERO, patience));
    let mut for_a = pin!(cache.get_and_lock_async("a", Duration::ZERO, patience));
    assert!(poll_once(for_b.as_mut()).is_pending());
    assert!(poll_once(for_a.as_mut()).is_pending());
    drop(a);
    assert!(poll_once(for_b.as_mut()).is_pending());
    assert!(poll_once(for_a.as_mut()).is_ready());
}

macro_rules! setups {
    ($($name:ident $index:literal)*) => {$(
        mod $name {
            use super::follows_the_model;

            #[test]
            fn numbers_follow_the_model() {
                follows_the_model::<u64>($index);
            }

            #[test]
            fn texts_follow_the_model() {
                follows_the_model::<String>($index);
            }
        }
    )*};
}

setups! {
    one_stripe 0
    many_stripes 1
    one_stripe_with_time_to_live 2
    many_stripes_with_time_to_live 3
    constant_hash 4
    many_keys_in_one_place 5
}
