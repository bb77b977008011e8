//! Counters: what happens at the edges of every integer type, creation, expiry and stamps.
//!
//! What locks and absence do to a counter is in the table of `key_lock.rs`; exact sums under
//! contention are in `stress.rs`.

use std::time::Duration;

use crate::support::configs::for_each_config;
use caskade::{Cache, CounterError, Expiry, ManualClock, Refusal};

/// For one type: wrap, stop and refuse at both ends, and leave the middle alone.
macro_rules! edges {
    ($($number:ident),*) => {$(
        #[test]
        fn $number() {
            let (least, greatest) = (<$number>::MIN, <$number>::MAX);
            for_each_config::<u64, $number>(
                |builder| builder,
                |cache| {
                    let from = |start: $number| {
                        cache.insert(1, start).unwrap();
                    };
                    let (up, down) =
                        (|by| *cache.increment(&1, by).unwrap(), |by| *cache.decrement(&1, by).unwrap());
                    from(greatest);
                    assert_eq!(up(1), least, "past the greatest comes the least");
                    from(greatest);
                    assert_eq!(up(greatest), greatest.wrapping_add(greatest));
                    from(greatest - 1);
                    assert_eq!(up(1), greatest);
                    from(least);
                    assert_eq!(down(1), least, "it stops at the least");
                    from(least + 1);
                    assert_eq!(down(1), least);
                    from(least + 1);
                    assert_eq!(down(greatest), least.wrapping_add(1).saturating_sub(greatest));
                    from(3);
                    assert_eq!((up(0), down(0)), (3, 3));

                    from(greatest);
                    let refused = cache.checked_increment(&1, 1).unwrap_err();
                    assert_eq!(refused, CounterError::OutOfRange);
                    assert_eq!(*cache.checked_increment(&1, 0).unwrap(), greatest);
                    assert_eq!(*cache.checked_decrement(&1, 1).unwrap(), greatest - 1);
                    assert_eq!(*cache.checked_increment(&1, 1).unwrap(), greatest);
                    from(least);
                    let refused = cache.checked_decrement(&1, 1).unwrap_err();
                    assert_eq!(refused, CounterError::OutOfRange);
                    assert_eq!(cache.get(&1), Some(least));
                    assert_eq!(*cache.checked_increment(&1, 1).unwrap(), least + 1);
                    assert_eq!(*cache.checked_decrement(&1, 1).unwrap(), least);
                },
            );
        }
    )*};
}

mod edges_of {
    use super::*;

    edges!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
}

#[test]
fn a_negative_step_goes_the_other_way() {
    let cache = Cache::new();
    cache.insert("n", 5i32).unwrap();
    assert_eq!(*cache.increment("n", -7).unwrap(), -2);
    assert_eq!(*cache.decrement("n", -7).unwrap(), 5);
    assert_eq!(*cache.decrement("n", i32::MIN).unwrap(), i32::MAX, "it stops at the greatest");
    assert_eq!(cache.checked_decrement("n", -1).unwrap_err(), CounterError::OutOfRange);
    cache.insert("n", i32::MIN).unwrap();
    assert_eq!(*cache.increment("n", -1).unwrap(), i32::MAX);
    assert_eq!(cache.checked_increment("n", 1).unwrap_err(), CounterError::OutOfRange);
}

#[test]
fn creating_a_counter_does_not_take_the_step() {
    let cache = Cache::new();
    assert_eq!(*cache.increment_or_insert("up", 5u8, 250, Expiry::Default).unwrap(), 250);
    assert_eq!(*cache.increment_or_insert("up", 5u8, 250, Expiry::Default).unwrap(), 255);
    assert_eq!(*cache.increment_or_insert("up", 5u8, 250, Expiry::Default).unwrap(), 4);
    assert_eq!(*cache.decrement_or_insert("down", 5u8, 9, Expiry::Default).unwrap(), 9);
    assert_eq!(*cache.decrement_or_insert("down", 5u8, 9, Expiry::Default).unwrap(), 4);
    assert_eq!(*cache.decrement_or_insert("down", 5u8, 9, Expiry::Default).unwrap(), 0);
    assert_eq!(cache.len(), 2);
}

#[test]
fn the_stamp_that_comes_back_is_that_of_the_entry() {
    let cache = Cache::new();
    let first = cache.increment_or_insert("n", 1u64, 1, Expiry::Default).unwrap();
    assert_eq!(cache.get_with_cas("n"), Some(first));
    let second = cache.increment("n", 1).unwrap();
    assert_ne!(first.cas(), second.cas());
    assert_eq!(cache.get_with_cas("n"), Some(second));
    cache.compare_and_swap("n", second.cas().unwrap(), 7).unwrap();
    assert!(cache.compare_and_swap("n", second.cas().unwrap(), 8).is_err());
    let same = cache.increment("n", 0).unwrap();
    assert_eq!(*same, 7);
    assert_eq!(cache.get_with_cas("n"), Some(same));
}

#[test]
fn a_refused_step_leaves_the_stamp() {
    let cache = Cache::new();
    let cas = cache.insert("n", 255u8).unwrap();
    assert!(cache.checked_increment("n", 1).is_err());
    assert_eq!(cache.get_with_cas("n").unwrap().cas(), Some(cas));
}

#[test]
fn a_step_keeps_the_expiry_and_a_window_starts_with_its_first_count() {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().unwrap();
    let second = Duration::from_secs(1);
    let window = Expiry::After(60 * second);
    for count in 1..=3u32 {
        assert_eq!(*cache.increment_or_insert("n", 1, 1, window).unwrap(), count);
        clock.advance(20 * second - Duration::from_nanos(u64::from(count == 3)));
    }
    assert_eq!(*cache.increment("n", 1).unwrap(), 4);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(cache.increment("n", 1).unwrap_err(), CounterError::Absent);
    assert_eq!(*cache.increment_or_insert("n", 1, 1, window).unwrap(), 1);
    clock.advance(60 * second);
    assert_eq!(*cache.decrement_or_insert("n", 1, 9, Expiry::Never).unwrap(), 9);
    clock.advance(10_000 * second);
    assert_eq!(cache.get("n"), Some(9));
}

#[test]
fn a_counter_created_with_an_expiry_in_the_past_is_absent() {
    let cache = Cache::new();
    let zero = Expiry::After(Duration::ZERO);
    assert_eq!(*cache.increment_or_insert("n", 1u64, 5, zero).unwrap(), 5);
    assert_eq!(cache.get("n"), None);
    assert_eq!(*cache.increment_or_insert("n", 1u64, 5, zero).unwrap(), 5);
}

#[test]
fn words_of_other_kinds_keep_their_value() {
    fn keeps<V: Copy + PartialEq + std::fmt::Debug + Send + Sync + 'static>(values: &[V]) {
        let cache = Cache::new();
        for &value in values.iter().chain(values) {
            cache.insert("v", value).expect("free");
            assert_eq!(cache.get("v"), Some(value));
            assert_eq!(cache.pin().get("v").map(|seen| *seen), Some(value));
            assert_eq!(cache.remove("v").expect("free"), Some(value));
        }
    }
    keeps(&[true, false]);
    keeps(&['a', '\0', '\u{10ffff}']);
    keeps(&[0.0f32, -1.5, f32::INFINITY, f32::MIN_POSITIVE]);
    keeps(&[0.0f64, -1.5, f64::NEG_INFINITY, f64::MAX]);
    keeps(&[(), ()]);
    keeps(&[[1u8; 100], [2; 100]]);
    keeps(&[u128::MAX, 0]);
}

#[test]
fn errors_say_what_is_the_matter() {
    let cache = Cache::new();
    assert_eq!(cache.increment("n", 1u8).unwrap_err().to_string(), "no such counter");
    cache.insert("n", 255).unwrap();
    let error = cache.checked_increment("n", 1).unwrap_err();
    assert_eq!(error.to_string(), "the counter would leave the range of its type");
    let _held = cache.get_and_lock("n").unwrap();
    let error = cache.increment("n", 1).unwrap_err();
    assert!(error.to_string().starts_with("the key is locked for 1"), "{error}");
}

#[test]
fn a_refused_step_that_may_create_gives_the_key_back() {
    let cache = Cache::new();
    cache.insert(String::from("n"), 1u64).unwrap();
    let held = cache.get_and_lock("n").unwrap();
    for up in [true, false] {
        let key = String::from("n");
        let address = key.as_ptr();
        let counted = if up {
            cache.increment_or_insert(key, 1, 1, Expiry::Default)
        } else {
            cache.decrement_or_insert(key, 1, 1, Expiry::Default)
        };
        let refused = counted.unwrap_err();
        assert!(matches!(refused.refusal(), Refusal::Locked { .. }));
        let key = refused.into_rejected();
        assert_eq!(key.as_ptr(), address);
    }
    drop(held);
    assert_eq!(cache.get("n"), Some(1));
}
