//! Two threads that each write a key and then read the other's. The harness cannot show this: its
//! record of who came before whom orders the threads.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use caskade::Cache;
use loom::thread;

#[derive(Clone, Default)]
struct Plain;

impl BuildHasher for Plain {
    type Hasher = Number;

    fn build_hasher(&self) -> Number {
        Number(0)
    }
}

struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers")
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Writes one key and says what is in the other. It reads first, so that its thread is known.
fn write_and_read(cache: &Cache<u64, u64, Plain>, mine: u64, other: u64) -> Option<u64> {
    cache.get(&mine);
    cache.insert(mine, 1).expect("nobody locks a key");
    cache.get(&other)
}

#[test]
fn one_of_two_writers_sees_the_other() {
    loom::model(|| {
        let cache = Cache::builder().stripes(2).hasher(Plain).build();
        let cache = Arc::new(cache.expect("the settings are valid"));
        for key in [1, 2] {
            cache.insert(key, 0).expect("nobody locks a key");
        }
        let is_alone = |load: &caskade::StripeLoad| load.entries == 1;
        assert!(cache.stripe_loads().iter().all(is_alone), "a lock would order the writers");
        let theirs = {
            let cache = Arc::clone(&cache);
            thread::spawn(move || write_and_read(&cache, 1, 2))
        };
        let mine = write_and_read(&cache, 2, 1);
        let theirs = theirs.join().expect("no panic");
        assert!(mine == Some(1) || theirs == Some(1), "both came first");
    });
}
