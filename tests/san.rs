//! A short mix of everything on real threads, for the thread sanitizer.
//!
//! Deliberately without libtest, scoped threads, channels and `Arc`s that end on another thread:
//! the standard library is not instrumented, and each of these is reported without being a race.
//! Threads are spawned and joined, the caches are leaked, and nobody waits for a key lock, which
//! would share an `Arc`'d waker. Runs for `CASKADE_SAN_SECONDS` (4 if not set):
//!
//! ```text
//! RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" CARGO_TARGET_DIR=target/tsan \
//!   cargo +nightly test --target x86_64-unknown-linux-gnu --test san
//! ```

use std::thread;
use std::time::Duration;

use caskade::{Cache, Clock, Expiry, Retry, SystemClock, Update};

const THREADS: u64 = 4;
const KEYS: u64 = 32;

type Texts = Cache<u64, String>;
type Numbers = Cache<u64, u64>;

fn main() {
    let seconds = std::env::var("CASKADE_SAN_SECONDS").ok();
    let seconds = seconds.map_or(4.0, |text| text.parse().expect("a number of seconds"));
    let share = Duration::from_secs_f64(seconds / 3.0);
    let texts: &'static Texts = leaked(1);
    let numbers: &'static Numbers = leaked(2);
    warm_up(texts);
    run(share, move |dice| on_texts(texts, dice));
    run(share, move |dice| on_numbers(numbers, dice));
    run(share, growing);
    println!("{} texts, {} numbers", texts.len(), numbers.len());
    assert!(texts.iter().all(|(key, text)| is_whole(key, text.value())));
}

/// Makes the crate's lazy statics before there are threads: the sanitizer does not see that the
/// standard library's `LazyLock` orders their making before their use.
fn warm_up(texts: &'static Texts) {
    ignore(texts.get(&0));
}

fn leaked<V: Send + Sync + 'static>(stripes: usize) -> &'static Cache<u64, V> {
    let life = Duration::from_millis(2);
    let cache = Cache::builder().stripes(stripes).time_to_live(life).build();
    Box::leak(Box::new(cache.expect("valid")))
}

/// Runs `step` again and again on several threads.
fn run(time: Duration, step: impl Fn(&mut Dice) + Copy + Send + 'static) {
    let end = SystemClock.now() + time;
    let work = move |own| {
        let mut dice = Dice(own);
        while SystemClock.now() < end {
            (0..50).for_each(|_| step(&mut dice));
        }
    };
    let threads: Vec<_> = (1..=THREADS).map(|own| thread::spawn(move || work(own))).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn text(key: u64, extra: u64) -> String {
    format!("{key}:{extra}:{key}")
}

fn is_whole(key: u64, text: &str) -> bool {
    let key = key.to_string();
    text.split(':').next() == Some(&key) && text.split(':').next_back() == Some(&key)
}

/// What an operation returns does not matter here.
fn ignore<T>(_: T) {}

fn on_texts(cache: &'static Texts, dice: &mut Dice) {
    let key = dice.below(KEYS);
    let fresh = text(key, dice.below(1 << 30));
    let short = Duration::from_nanos(1 + dice.below(20_000));
    match dice.below(16) {
        0 | 1 => ignore(cache.insert(key, fresh)),
        2 => ignore(cache.add(key, fresh)),
        3 => {
            let seen = cache.get_with_cas(&key).and_then(|seen| seen.cas());
            ignore(seen.map(|seen| cache.compare_and_swap(&key, seen, fresh)));
        }
        4 => ignore(cache.remove(&key)),
        5 => ignore(cache.touch(&key, Expiry::After(short))),
        6 => ignore(cache.get_and_lock_for(&key, short).map(|held| held.into_cas())),
        7 => ignore(cache.get_and_lock(&key).map(|held| held.write(fresh))),
        8 => ignore(cache.update(key, |_| Update::Put(fresh))),
        9 => {
            let retry = Retry::attempts(4);
            ignore(cache.fetch_update(key, retry, |_| Update::Put(fresh.clone())));
        }
        10 => {
            let session = cache.pin();
            let seen = session.get(&key);
            ignore(cache.insert(key, fresh));
            assert!(seen.is_none_or(|seen| is_whole(key, &seen)));
        }
        11 => assert!(cache.iter().all(|(key, seen)| is_whole(key, seen.value()))),
        12 if dice.below(20) == 0 => cache.clear(),
        12 => ignore(cache.stats()),
        _ => assert!(cache.get(&key).is_none_or(|seen| is_whole(key, &seen))),
    }
}

fn on_numbers(cache: &'static Numbers, dice: &mut Dice) {
    let key = dice.below(4);
    let short = Expiry::After(Duration::from_nanos(1 + dice.below(20_000)));
    match dice.below(10) {
        0..=2 => ignore(cache.increment_or_insert(key, 1, 1, Expiry::Never)),
        3 => ignore(cache.decrement(&key, 1)),
        4 => ignore(cache.insert_with(key, 7, short)),
        5 => ignore(cache.get_and_lock(&key).map(|held| held.into_cas())),
        6 => ignore(cache.remove(&key)),
        7 => ignore(cache.get_many(&[0, 1, 2, 3])),
        _ => ignore(cache.get_with_cas(&key)),
    }
}

/// A cache of its own that grows, so that tables and threads' garbage change hands. It is leaked
/// like the others: the last drop of an `Arc` looks like a race in a `std` that is not instrumented.
fn growing(dice: &mut Dice) {
    let cache: &Texts = leaked(1);
    for key in 0..40 {
        ignore(cache.insert(key, text(key, dice.below(100))));
    }
    assert!(cache.iter().all(|(key, seen)| is_whole(key, seen.value())));
}
