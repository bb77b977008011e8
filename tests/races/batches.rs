//! Loads of many keys that overlap with each other.

use std::cell::Cell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Barrier;
use std::thread;

use caskade::{Cache, ManualClock};

use crate::guarded::guarded;
use crate::polling::Polled;
use crate::scene::{SECOND, elsewhere, pause};

type Values = Result<Vec<Option<u32>>, &'static str>;
type Batch<'c> = Polled<Pin<Box<dyn Future<Output = Values> + Send + 'c>>>;

/// Loads `keys`; each value is ten times its key, and `plus`. The loader is pending once.
fn batch<'c>(
    cache: &'c Cache<u32, u32>,
    keys: &'static [u32],
    plus: Result<u32, &'static str>,
) -> Batch<'c> {
    let load = move |keys: &[&u32]| {
        let keys: Vec<u32> = keys.iter().map(|&&key| key).collect();
        async move {
            pause().await;
            plus.map(|plus| keys.into_iter().map(move |key| (key, 10 * key + plus)))
        }
    };
    Batch::new(Box::pin(cache.try_get_many_or_load_async(keys, load)))
}

/// Two batches of the same two keys, each of which leads one and waits for the other.
fn crossed<'c>(
    cache: &'c Cache<u32, u32>,
    first: Result<u32, &'static str>,
    second: Result<u32, &'static str>,
) -> [Batch<'c>; 2] {
    let mut other = batch(cache, &[2], Ok(0));
    let mut first = batch(cache, &[1, 2], first);
    let mut second = batch(cache, &[2, 1], second);
    assert_eq!((other.poll(), first.poll()), (None, None));
    drop(other); // Now nobody loads key 2, and the first batch does not know yet.
    assert_eq!(second.poll(), None);
    [first, second]
}

#[test]
fn batches_in_opposite_order_wait_for_each_other_and_end() {
    for first_ends_first in [true, false] {
        let cache = Cache::new();
        let [mut first, mut second] = crossed(&cache, Ok(1), Ok(2));
        if first_ends_first {
            assert_eq!(first.poll(), None, "its own load is over; it waits for the other");
            assert_eq!(second.poll(), Some(Ok(vec![Some(22), Some(11)])));
            assert_eq!(first.poll(), Some(Ok(vec![Some(11), Some(22)])));
        } else {
            assert_eq!(second.poll(), None);
            assert_eq!(first.poll(), Some(Ok(vec![Some(11), Some(22)])));
            assert_eq!(second.poll(), Some(Ok(vec![Some(22), Some(11)])));
        }
        assert_eq!(cache.get_many(&[1, 2]), [Some(11), Some(22)]);
        cache.validate();
    }
}

#[test]
fn a_batch_that_fails_leaves_its_keys_to_the_other() {
    let cache = Cache::new();
    let [mut first, mut second] = crossed(&cache, Ok(1), Err("down"));
    assert_eq!(first.poll(), None);
    assert_eq!(second.poll(), Some(Err("down")));
    assert_eq!(first.poll(), None, "it loads the other key as well");
    assert_eq!(first.poll(), Some(Ok(vec![Some(11), Some(21)])));
    cache.validate();
}

#[test]
fn a_batch_that_is_dropped_leaves_its_keys_to_the_other() {
    for turns in [0, 1] {
        let cache = Cache::new();
        let [mut first, mut second] = crossed(&cache, Ok(1), Ok(2));
        (0..turns).for_each(|_| assert_eq!(first.poll(), None));
        drop(first);
        assert_eq!(
            second.poll(),
            if turns == 0 { None } else { Some(Ok(vec![Some(22), Some(11)])) }
        );
        if turns == 0 {
            assert_eq!(second.poll(), Some(Ok(vec![Some(22), Some(12)])));
        }
        cache.validate();
    }
}

#[test]
fn threads_that_load_in_opposite_order_do_not_deadlock() {
    guarded(|| {
        let cache: Cache<u32, u32> = Cache::builder().stripes(1).build().unwrap();
        let start = Barrier::new(2);
        let load = |round: u32, backwards: bool| {
            let mut keys: Vec<u32> = (4 * round..4 * round + 4).collect();
            if backwards {
                keys.reverse();
            }
            start.wait();
            let values = cache.get_many_or_load(&keys, |asked| {
                asked.iter().map(|&&key| (key, 10 * key)).collect::<Vec<_>>()
            });
            assert_eq!(values, keys.iter().map(|key| Some(10 * key)).collect::<Vec<_>>());
        };
        thread::scope(|scope| {
            for backwards in [false, true] {
                scope.spawn(move || (0..200).for_each(|round| load(round, backwards)));
            }
        });
        assert_eq!(cache.stats().loads, 800, "each key is loaded once");
        cache.validate();
    });
}

#[test]
fn what_a_batch_does_not_bring_is_left_to_who_waits_for_it() {
    let cache: Cache<u32, u32> = Cache::new();
    let mut waiting = Polled::new(cache.get_or_load_async(&2, async |_| 7));
    let values = cache.get_many_or_load(&[1, 2], |_| {
        assert_eq!(elsewhere(|| waiting.poll()), None);
        [(1, 10)]
    });
    assert_eq!(values, [Some(10), None]);
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.poll(), Some(7));
    cache.validate();
}

#[test]
fn only_the_key_that_was_invalidated_is_not_stored() {
    let cache: Cache<u32, u32> = Cache::builder().stripes(64).build().unwrap();
    let keys: Vec<u32> = (0..10).collect();
    let values = cache.get_many_or_load(&keys, |asked| {
        cache.invalidate(&5);
        asked.iter().map(|&&key| (key, key)).collect::<Vec<_>>()
    });
    assert_eq!(values, keys.iter().copied().map(Some).collect::<Vec<_>>());
    assert_eq!(cache.get(&5), None);
    assert!(cache.len() >= 7, "and now and then one that shares its floor");
    cache.validate();
}

/// The loader is not over before its last pair is there.
#[test]
fn pairs_that_are_made_on_demand_may_ask_for_their_own_keys() {
    guarded(|| {
        // Whoever waits for himself waits until this clock moves.
        let builder = Cache::<u32, u32>::builder().clock(ManualClock::new());
        let cache = builder.build().unwrap();
        let values = cache.get_many_or_load(&[1, 2], |_| {
            [1, 2].into_iter().map(|key| (key, cache.get_or_load(&key, |key| 10 * key) + 1))
        });
        assert_eq!(values, [Some(11), Some(21)]);
        let load = |_: &[&u32]| {
            let pairs = [3, 4].into_iter();
            let pairs = pairs.map(|key| (key, cache.get_or_load(&key, |key| 10 * key) + 1));
            async { Ok::<_, Infallible>(pairs) }
        };
        let mut batch = Polled::new(cache.try_get_many_or_load_async(&[3, 4], load));
        assert_eq!(batch.poll(), Some(Ok(vec![Some(31), Some(41)])));
        assert_eq!(cache.len(), 4);
        cache.validate();
    });
}

#[test]
fn pairs_that_panic_halfway_leave_no_key_stuck() {
    let cache: Cache<u32, u32> = Cache::new();
    let made = Cell::new(0);
    let loading = catch_unwind(AssertUnwindSafe(|| {
        cache.get_many_or_load(&[1, 2, 3], |_| {
            [1, 2, 3].into_iter().map(|key| {
                if made.replace(made.get() + 1) == 1 {
                    resume_unwind(Box::new("halfway"));
                }
                (key, key)
            })
        })
    }));
    assert!(loading.is_err());
    for key in [1, 2, 3] {
        let mut next = Polled::new(cache.get_or_load_async(&key, async |_| 7));
        assert!(elsewhere(|| next.poll()).is_some(), "key {key} is stuck");
    }
    cache.validate();
}

#[test]
fn keys_that_are_asked_for_twice_are_loaded_once() {
    let cache: Cache<u32, u32> = Cache::new();
    let calls = Cell::new(0);
    let load = |_: &[&u32]| {
        calls.set(calls.get() + 1);
        [(1, 10)] // and there is no 2
    };
    let expected = [Some(10), None, Some(10), None, None];
    let fence = cache.fence([&1, &2], SECOND);
    assert_eq!(cache.get_many_or_load(&[1, 2, 1, 2, 2], load), expected, "fenced");
    fence.release();
    assert_eq!(cache.get_many_or_load(&[1, 2, 1, 2, 2], load), expected);
    assert_eq!(calls.get(), 2);
    cache.validate();
}
