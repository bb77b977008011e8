//! User code that panics at each step of a load. Whoever waits gets a value all the same, the next one
//! loads, and no key is stuck.
//!
//! Each load is run again and again, with the panic in the first call of some user code, in the
//! second, and so on until it is not reached any more.

use std::cell::Cell;
use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use caskade::{Cache, Expiry, Lookup};

use crate::polling::Polled;
use crate::scene::{GRACE, elsewhere, pause};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Loader,
    KeyHash,
    KeyEq,
    KeyClone,
    ValueClone,
    ExpiryPolicy,
    Weigher,
    Listener,
}

const POINTS: [Point; 8] = [
    Point::Loader,
    Point::KeyHash,
    Point::KeyEq,
    Point::KeyClone,
    Point::ValueClone,
    Point::ExpiryPolicy,
    Point::Weigher,
    Point::Listener,
];

thread_local! {
    /// Where this thread panics, and how many calls there come through before.
    static TRAP: Cell<Option<(Point, usize)>> = const { Cell::new(None) };
}

/// User code of this kind is called.
fn pass(point: Point) {
    match TRAP.get() {
        Some((trapped, 0)) if trapped == point => {
            TRAP.set(None);
            resume_unwind(Box::new("trapped")); // So that no hook prints it.
        }
        Some((trapped, calls)) if trapped == point => TRAP.set(Some((point, calls - 1))),
        _ => {}
    }
}

#[derive(Debug)]
struct Key(u32);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        pass(Point::KeyHash);
        self.0.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        pass(Point::KeyEq);
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        pass(Point::KeyClone);
        Self(self.0)
    }
}

#[derive(Debug)]
struct Value(u32);

impl Clone for Value {
    fn clone(&self) -> Self {
        pass(Point::ValueClone);
        Self(self.0)
    }
}

const KEY: Key = Key(1);
const KEYS: [Key; 3] = [Key(0), KEY, Key(2)];

/// With a value that is stale, or without one.
fn cache(is_stale: bool) -> Cache<Key, Value> {
    let builder = Cache::builder().stripes(1).grace(GRACE);
    let builder = builder.max_weight(1000, |_, _| {
        pass(Point::Weigher);
        1
    });
    let builder = builder.expiry_policy(|_, _| {
        pass(Point::ExpiryPolicy);
        Expiry::Never
    });
    let cache = builder.removal_listener(|_| pass(Point::Listener)).build().unwrap();
    if is_stale {
        cache.insert(KEY, Value(0)).unwrap();
        cache.mark_stale(&KEY);
    }
    cache
}

type Follower<'c> = Polled<Pin<Box<dyn Future<Output = Value> + Send + 'c>>>;

/// Somebody on another thread who wants the value.
fn join(cache: &Cache<Key, Value>) -> (Follower<'_>, Option<Value>) {
    let mut follower = Follower::new(Box::pin(cache.get_or_load_async(&KEY, async |_| Value(9))));
    let got = elsewhere(|| follower.poll());
    (follower, got)
}

/// A way to load, which calls its second argument while it does.
type Load = (&'static str, fn(&Cache<Key, Value>, &mut dyn FnMut()));

const LOADS: [Load; 6] = [
    ("get_or_load", |cache, meanwhile| {
        cache.get_or_load(&KEY, |_| load(meanwhile));
    }),
    ("try_get_or_load_async", |cache, meanwhile| {
        let load = async |_: &Key| {
            pause().await;
            let value = load(meanwhile);
            pause().await;
            Ok::<_, Infallible>(value)
        };
        let mut loading = Polled::new(cache.try_get_or_load_async(&KEY, load));
        while loading.poll().is_none() {}
    }),
    ("get_many_or_load", |cache, meanwhile| {
        cache.get_many_or_load(&KEYS, |keys| pairs(keys.len(), meanwhile));
    }),
    ("try_get_many_or_load_async", |cache, meanwhile| {
        let load = |keys: &[&Key]| {
            let pairs = pairs(keys.len(), meanwhile);
            async {
                pause().await;
                Ok::<_, Infallible>(pairs)
            }
        };
        let mut loading = Polled::new(cache.try_get_many_or_load_async(&KEYS, load));
        while loading.poll().is_none() {}
    }),
    ("lookup, fill", |cache, meanwhile| {
        let (Lookup::Miss(token) | Lookup::Stale(_, Some(token))) = cache.lookup(&KEY) else {
            return;
        };
        let _ = cache.fill(token, KEY, load(meanwhile));
    }),
    ("mark, fill_since", |cache, meanwhile| {
        let mark = cache.mark();
        let _ = cache.fill_since(&mark, KEY, load(meanwhile));
    }),
];

fn load(meanwhile: &mut dyn FnMut()) -> Value {
    pass(Point::Loader);
    meanwhile();
    pass(Point::Loader);
    Value(1)
}

/// In another order than they are asked for.
fn pairs(count: usize, meanwhile: &mut dyn FnMut()) -> impl Iterator<Item = (Key, Value)> + use<> {
    meanwhile();
    let keys = [Key(2), KEY, Key(0)];
    keys.into_iter().take(count.max(2)).map(|key| {
        pass(Point::Loader);
        (key, Value(1))
    })
}

#[test]
fn no_panic_leaves_a_key_stuck() {
    let mut panics = 0;
    for (name, run) in LOADS {
        for point in POINTS {
            for is_stale in [false, true] {
                for calls in 0.. {
                    eprintln!("{name}: {point:?} panics after {calls} calls; stale: {is_stale}");
                    if !panics_once(run, is_stale, (point, calls)) {
                        break;
                    }
                    panics += 1;
                }
            }
        }
    }
    assert!(panics > 100, "only {panics} panics");
}

/// Whether user code has panicked.
fn panics_once(
    run: fn(&Cache<Key, Value>, &mut dyn FnMut()),
    is_stale: bool,
    trap: (Point, usize),
) -> bool {
    let cache = cache(is_stale);
    let mut early = None;
    TRAP.set(Some(trap));
    let ended = catch_unwind(AssertUnwindSafe(|| run(&cache, &mut || early = Some(join(&cache)))));
    let has_panicked = TRAP.take().is_none();
    // A listener's panic is nobody's business.
    assert_eq!(ended.is_err(), has_panicked && trap.0 != Point::Listener);
    if let Some((mut follower, got)) = early {
        got.or_else(|| elsewhere(|| follower.poll())).expect("who waits is stuck");
    }
    join(&cache).1.expect("who comes next is stuck");
    for key in KEYS {
        let mut next = Polled::new(cache.get_or_load_async(&key, async |_| Value(9)));
        assert!(elsewhere(|| next.poll()).is_some(), "{key:?} is stuck");
    }
    assert!(cache.get(&KEY).is_some());
    cache.insert(KEY, Value(5)).unwrap();
    assert_eq!(cache.get(&KEY).map(|value| value.0), Some(5));
    cache.validate();
    has_panicked
}

#[test]
fn a_transaction_that_panics_at_one_key_invalidates_the_others() {
    for is_committed in [true, false] {
        for calls in 0..4 {
            let cache = cache(false);
            let mut changes = cache.transaction();
            for key in 0..4 {
                cache.insert(Key(key), Value(key)).unwrap();
                changes.invalidate(Key(key));
            }
            TRAP.set(Some((Point::KeyHash, calls)));
            let end = || if is_committed { changes.commit() } else { drop(changes) };
            assert!(catch_unwind(AssertUnwindSafe(end)).is_err(), "its caller hears of it");
            assert!(TRAP.take().is_none());
            assert_eq!(cache.len(), 1, "only the key that panicked is left; {is_committed}");
            cache.validate();
        }
    }
}

/// Panics when it is woken, or when it is dropped for good.
struct Touchy {
    panics_when_woken: bool,
}

impl Wake for Touchy {
    fn wake(self: Arc<Self>) {
        if self.panics_when_woken {
            resume_unwind(Box::new("woken"));
        }
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            resume_unwind(Box::new("dropped"));
        }
    }
}

#[test]
fn a_waker_that_panics_is_the_business_of_its_owner() {
    for panics_when_woken in [true, false] {
        for lands in [true, false] {
            let cache: Cache<u32, u32> = Cache::new();
            let loader = async |_: &u32| {
                pause().await;
                1
            };
            let mut leader = Polled::new(cache.get_or_load_async(&1, loader));
            assert!(leader.poll().is_none());
            let mut touchy = Box::pin(cache.get_or_load_async(&1, async |_| 2));
            let waker = Waker::from(Arc::new(Touchy { panics_when_woken }));
            assert!(touchy.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            // The alarm, which the clock keeps, holds another clone; so dropping ours is safe.
            drop(waker);
            let mut other = Polled::new(cache.get_or_load_async(&1, async |_| 3));
            assert!(other.poll().is_none());
            if lands {
                assert_eq!(leader.poll(), Some(1));
            } else {
                drop(leader);
            }
            assert_eq!(other.wakes(), 1, "the others are woken all the same");
            assert_eq!(other.poll(), Some(if lands { 1 } else { 3 }));
            let _ = catch_unwind(AssertUnwindSafe(|| drop(touchy)));
            assert!(cache.contains_key(&1));
            cache.validate();
        }
    }
}
