//! Random scripts of operations: after each, the cache says what the sequential model says.
//!
//! Numbers, which change in place, and text, which is replaced, under several setups, with several
//! handles, stamps of every kind and a clock moved by hand. One thread.

mod common;
#[path = "common/script.rs"]
mod script;

use caskade::{Cache, Retry, Update, Updated};
use common::execute::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use script::{Bound, Bytes, SETUPS, run};

fn follows_the_model<V: Value>(setup: usize) {
    let default = ProptestConfig::default();
    // A case takes less than a millisecond, unless writers have to help to free memory: so little
    // is allowed to wait in a cache of a few entries that tests side by side hold each other up.
    let is_bounded = SETUPS[setup].bound != Bound::None;
    let cases = if is_bounded { default.cases.div_ceil(4) } else { default.cases * 8 };
    let config = ProptestConfig { cases, failure_persistence: None, ..default };
    let script = vec(any::<Bytes>(), 1..20 * SETUPS[setup].keys.max(10));
    proptest!(config, |(script in script)| run::<V>(SETUPS[setup], &script));
}

#[test]
fn an_update_that_locks_and_keeps_tells_the_stamp_like_any_other() {
    let cache = Cache::new();
    let stored = cache.insert("k", 1).unwrap();
    let keep = |_: Option<&i32>| Update::Keep;
    let plain = cache.fetch_update("k", Retry::attempts(1), keep).unwrap();
    let locking = cache.fetch_update("k", Retry::attempts(1).then_lock(0), keep).unwrap();
    assert_eq!(*plain, Updated::Kept(Some(stored)));
    assert_eq!(locking, plain);
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
    listener 6
    few_entries_and_listener 7
    few_entries_with_time_to_live 8
    many_entries_in_one_place_and_listener 9
    weight_with_time_to_live_and_listener 10
    weight_in_many_stripes_and_listener 11
    weight_in_many_stripes_with_time_to_live 12
    one_key_with_grace_and_refresh 13
    many_stripes_with_refresh 14
    constant_hash_with_grace_and_listener 15
    few_entries_with_grace_and_listener 16
    weight_in_many_stripes_with_grace 17
}
