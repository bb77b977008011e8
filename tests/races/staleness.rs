//! A stale value stays one until it is refreshed, and goes in time.

use caskade::{Cache, Expiry, Lookup, ManualClock, Update};

use crate::scene::{GRACE, KEY, LIFE, SECOND, elsewhere};

type Use = (&'static str, fn(&Cache<u32, u64>));

/// What uses an entry without saying anything about its value.
const USES: [Use; 7] = [
    ("nothing", |_| ()),
    ("get", |c| assert_eq!(c.get(&KEY), Some(1))),
    ("get_many", |c| assert_eq!(c.get_many(&[KEY]), [Some(1)])),
    ("read", |c| assert_eq!(c.read(&KEY, |value| *value), Some(1))),
    ("update, Keep", |c| _ = c.update(KEY, |_| Update::Keep).unwrap()),
    ("a lock that is given back", |c| c.get_and_lock(&KEY).unwrap().unlock().unwrap()),
    ("a refresh that fails", |c| _ = c.try_get_or_load(&KEY, |_| Err::<u64, _>("down"))),
];

/// The lives that an entry may have had before.
const LIVES: [Expiry; 4] =
    [Expiry::Default, Expiry::Never, Expiry::After(LIFE), Expiry::After(SECOND)];

fn is_stale(cache: &Cache<u32, u64>) -> bool {
    match cache.lookup(&KEY) {
        Lookup::Stale(value, _) => *value == 1,
        Lookup::Hit(_) | Lookup::Miss(_) => false,
    }
}

#[test]
fn a_use_does_not_make_a_stale_value_fresh() {
    for (name, touch) in USES {
        for life in LIVES {
            for is_idle in [false, true] {
                let clock = ManualClock::new();
                let builder = Cache::builder().clock(clock.clone()).grace(GRACE);
                let builder = if is_idle { builder.time_to_idle(LIFE) } else { builder };
                let cache = builder.build().unwrap();
                cache.insert_with(KEY, 1, life).unwrap();
                cache.mark_stale(&KEY);
                for _ in 1..10 {
                    touch(&cache);
                    assert!(is_stale(&cache), "{name}, {life:?}, idle: {is_idle}");
                    clock.advance(GRACE / 10);
                }
                touch(&cache);
                clock.advance(GRACE / 10);
                assert_eq!(cache.get(&KEY), None, "{name}, {life:?}, idle: {is_idle}");
                cache.validate();
            }
        }
    }
}

#[test]
fn a_touch_says_that_a_value_is_good() {
    let cache = Cache::builder().grace(GRACE).build().unwrap();
    cache.insert(KEY, 1).unwrap();
    cache.mark_stale(&KEY);
    cache.touch(&KEY, Expiry::After(LIFE)).unwrap();
    assert!(matches!(cache.lookup(&KEY), Lookup::Hit(value) if *value == 1));
}

#[test]
fn inside_an_update_a_stale_value_is_seen_and_nobody_may_refresh_it() {
    let cache = Cache::builder().grace(GRACE).build().unwrap();
    cache.insert(KEY, 1).unwrap();
    cache.mark_stale(&KEY);
    let look = |_: Option<&u64>| {
        assert!(matches!(cache.lookup(&KEY), Lookup::Stale(value, None) if *value == 1));
        assert_eq!(cache.get_or_load(&KEY, |_| unreachable!("it could not be stored")), 1);
        Update::Keep
    };
    cache.update(2, look).unwrap();
    assert!(matches!(cache.lookup(&KEY), Lookup::Stale(_, Some(_))), "it is still to be refreshed");
}

#[test]
fn a_stale_value_is_refreshed_by_one_and_served_to_the_others() {
    let cache = Cache::builder().grace(GRACE).build().unwrap();
    cache.insert(KEY, 1).unwrap();
    cache.mark_stale(&KEY);
    let others = || {
        assert_eq!(cache.get_or_load(&KEY, |_| unreachable!("somebody is at it")), 1);
        assert_eq!(cache.get_many_or_load(&[KEY], |_| [(KEY, 9)]), [Some(1)]);
        assert!(matches!(cache.lookup(&KEY), Lookup::Stale(value, None) if *value == 1));
    };
    let refreshed = cache.get_or_load(&KEY, |_| {
        elsewhere(others);
        2
    });
    assert_eq!((refreshed, cache.get(&KEY)), (2, Some(2)));
    cache.mark_stale(&KEY);
    let Lookup::Stale(_, Some(token)) = cache.lookup(&KEY) else { unreachable!("it is stale") };
    assert_eq!(cache.get_or_load(&KEY, |_| unreachable!("somebody is at it")), 2);
    cache.fill(token, KEY, 3).unwrap();
    assert_eq!(cache.get(&KEY), Some(3));
    cache.validate();
}
