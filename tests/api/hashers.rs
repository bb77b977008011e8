//! Hashers that are constant, sequential, or made to hurt: the answers stay right, whatever the
//! distribution. How fast they come is another matter, and not tested.
//!
//! The adversaries undo the mixing that the crate applies to every hash, so that they decide
//! themselves about stripe, tag and home bucket. Should the mixing change, they become ordinary
//! bad hashers and the tests remain true.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use caskade::{Cache, Update};

const KEYS: u64 = 2000;

/// The inverse of the crate's mixing: the hash that is spread to `wanted`.
fn unspread(wanted: u64) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    // Newton's iteration doubles the number of right bits; every odd number is its own inverse in
    // the lowest three.
    let inverse =
        (0..5).fold(FACTOR, |x, _| x.wrapping_mul(2u64.wrapping_sub(FACTOR.wrapping_mul(x))));
    (wanted ^ (wanted >> 32)).wrapping_mul(inverse)
}

/// Hashes a key to what a function says.
#[derive(Clone, Copy, Debug)]
struct By(fn(u64) -> u64);

impl BuildHasher for By {
    type Hasher = Hashing;

    fn build_hasher(&self) -> Hashing {
        Hashing { by: self.0, key: 0 }
    }
}

struct Hashing {
    by: fn(u64) -> u64,
    key: u64,
}

impl Hasher for Hashing {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u64");
    }

    fn write_u64(&mut self, key: u64) {
        self.key = key;
    }

    fn finish(&self) -> u64 {
        (self.by)(self.key)
    }
}

const HASHERS: &[(&str, By)] = &[
    ("constant zero", By(|_| 0)),
    ("constant ones", By(|_| u64::MAX)),
    ("sequential", By(|key| key)),
    ("sequential from the top", By(|key| key.reverse_bits())),
    ("one bit", By(|key| key & 1)),
    ("same bucket, different tags", By(|key| unspread((key & 0x7f) << 32))),
    ("same low half, different stripes", By(|key| unspread((key << 48) | 5))),
    ("same low half, all else different", By(|key| unspread((key * 0x9E37_79B9) << 32 | 5))),
    ("same tag, different buckets", By(|key| unspread(key.reverse_bits() >> 32))),
    ("last bucket, so that probes wrap", By(|key| unspread((key << 32) | 0xffff_ffff))),
    ("two buckets at the ends", By(|key| unspread(if key % 2 == 0 { 0 } else { 0xffff_ffff }))),
];

/// Compares every key, present or absent, with what it should be.
fn check(cache: &Cache<u64, String, By>, expected: &HashMap<u64, String>, what: &str) {
    cache.validate();
    assert_eq!(cache.len(), expected.len(), "{what}");
    let keys: Vec<_> = (0..2 * KEYS).collect();
    let found = cache.get_many(&keys);
    for (key, found) in keys.iter().zip(found) {
        assert_eq!(found.as_ref(), expected.get(key), "{what}: key {key}");
    }
    let iterated: HashMap<_, _> = cache.iter().map(|(key, v)| (key, v.into_value())).collect();
    assert_eq!(&iterated, expected, "{what}: iteration");
}

fn with_each(stripes: usize, entries: usize, act: impl Fn(&Cache<u64, String, By>, &str)) {
    for &(name, hasher) in HASHERS {
        let builder = Cache::builder().stripes(stripes).initial_entries(entries).hasher(hasher);
        act(&builder.build().expect("valid"), name);
    }
}

fn store(
    cache: &Cache<u64, String, By>,
    expected: &mut HashMap<u64, String>,
    key: u64,
    text: String,
) {
    cache.insert(key, text.clone()).expect("free");
    expected.insert(key, text);
}

fn take(cache: &Cache<u64, String, By>, expected: &mut HashMap<u64, String>, key: u64) {
    assert_eq!(cache.remove(&key).expect("free"), expected.remove(&key));
}

/// Fills, thins, empties and refills: overflow counts rise beyond where they stick, at 255, and
/// the keys that raised them go and come again.
fn fill_thin_empty_refill(cache: &Cache<u64, String, By>, name: &str) {
    let mut expected = HashMap::new();
    for key in 0..KEYS {
        store(cache, &mut expected, key, format!("first {key}"));
    }
    check(cache, &expected, &format!("{name}, filled"));
    for key in (0..KEYS).filter(|key| key % 3 != 0) {
        take(cache, &mut expected, key);
    }
    check(cache, &expected, &format!("{name}, thinned"));
    for key in KEYS..KEYS + KEYS / 2 {
        store(cache, &mut expected, key, format!("second {key}"));
    }
    check(cache, &expected, &format!("{name}, mixed"));
    for key in (0..2 * KEYS).rev() {
        take(cache, &mut expected, key);
    }
    check(cache, &expected, &format!("{name}, emptied"));
    for key in 0..KEYS {
        store(cache, &mut expected, key, format!("third {key}"));
        if key % 2 == 0 {
            store(cache, &mut expected, key, format!("again {key}"));
        }
    }
    check(cache, &expected, &format!("{name}, refilled"));
}

#[test]
fn one_stripe_that_grows() {
    with_each(1, 0, fill_thin_empty_refill);
}

#[test]
fn one_stripe_with_room() {
    with_each(1, 4 * KEYS as usize, fill_thin_empty_refill);
}

#[test]
fn many_stripes() {
    with_each(64, 0, fill_thin_empty_refill);
}

#[test]
fn other_operations_find_the_right_key_among_many_of_one_hash() {
    with_each(1, 0, |cache, name| {
        for key in 0..300 {
            cache.add(key, format!("{key}")).unwrap();
        }
        for key in 0..300 {
            assert!(cache.add(key, String::new()).is_err(), "{name}: {key}");
            let cas = cache.get_with_cas(&key).unwrap().cas().unwrap();
            cache.compare_and_swap(&key, cas, format!("{key}!")).unwrap();
            let held = cache.get_and_lock(&key).unwrap();
            assert_eq!(held.value(), &format!("{key}!"), "{name}");
            held.write(format!("{key}?")).unwrap();
            cache.update(key, |old| Update::Put(format!("{}.", old.unwrap()))).unwrap();
        }
        for key in 0..300 {
            assert_eq!(cache.get(&key), Some(format!("{key}?.")), "{name}");
        }
        assert!(cache.replace(&300, String::new()).is_err());
        assert_eq!(cache.len(), 300);
    });
}

#[test]
fn a_lock_protects_its_key_and_none_that_hashes_alike() {
    with_each(1, 0, |cache, name| {
        for key in 0..20 {
            cache.insert(key, String::new()).unwrap();
        }
        let held = cache.get_and_lock(&7).unwrap();
        for key in (0..20).filter(|&key| key != 7) {
            assert!(cache.insert(key, String::from("free")).is_ok(), "{name}: {key}");
            assert_eq!(cache.lock_remaining(&key), None);
            assert!(cache.unlock(&key, held.cas()).is_err());
        }
        assert!(cache.insert(7, String::new()).is_err(), "{name}");
    });
}

#[test]
fn clearing_ends_all_probes() {
    with_each(1, 0, |cache, name| {
        let mut expected = HashMap::new();
        for key in 0..600 {
            cache.insert(key, String::new()).unwrap();
        }
        cache.clear();
        check(cache, &expected, &format!("{name}, cleared"));
        for key in 0..600 {
            store(cache, &mut expected, key, format!("{key}"));
        }
        check(cache, &expected, &format!("{name}, filled again"));
    });
}

#[test]
fn the_adversaries_hit_what_they_aim_at() {
    let spread = |hash: u64| {
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ (mixed >> 32)
    };
    for wanted in [0, 1, 5 << 32, u64::MAX, 0x0123_4567_89ab_cdef] {
        assert_eq!(spread(unspread(wanted)), wanted);
    }
}
