//! User code that panics in the middle of an operation: `Hash`, `Eq` and `Clone` of keys, `Clone`
//! and `Drop` of values, closures and wakers.
//!
//! The bug class: an operation takes several steps, user code unwinds out of the middle, the caller
//! catches it, and the table is left half changed, locked, or with something leaked. So every
//! operation is run again and again, with the panic at its first call of user code, its second, and
//! so on until it comes through. After each panic the entry must be as it was, must not be locked,
//! must be writable, and in the end everything that was made must have been dropped once.

use std::future::Future;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::support::drops::{Counted, Register};
use crate::support::settle::settles;
use caskade::{Cache, Cas, Expiry, ManualClock, Put, Retry, Update};

/// What is thrown: not a message, so that no hook prints a backtrace.
struct Injected;

fn explode() -> ! {
    resume_unwind(Box::new(Injected))
}

/// Whether `act` unwinds with an [`Injected`].
fn explodes<R>(act: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => Some(result),
        Err(panic) if panic.is::<Injected>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// Where a panic may be set off.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    Hash,
    Eq,
    KeyClone,
    ValueClone,
    Closure,
}

const POINTS: [Point; 5] =
    [Point::Hash, Point::Eq, Point::KeyClone, Point::ValueClone, Point::Closure];

/// How many more passes each point lets through; negative if it never goes off.
#[derive(Debug)]
struct Traps([AtomicI64; 5]);

impl Traps {
    fn new() -> Arc<Self> {
        Arc::new(Self(std::array::from_fn(|_| AtomicI64::new(-1))))
    }

    fn set(&self, point: Point, passes: i64) {
        self.0[point as usize].store(passes, Ordering::SeqCst);
    }

    fn disarm(&self) {
        POINTS.into_iter().for_each(|point| self.set(point, -1));
    }

    fn pass(&self, point: Point) {
        if self.0[point as usize].fetch_sub(1, Ordering::SeqCst) == 0 {
            explode();
        }
    }
}

struct Key {
    id: Counted,
    traps: Arc<Traps>,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.traps.pass(Point::Hash);
        self.id.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.traps.pass(Point::Eq);
        self.id == other.id
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        self.traps.pass(Point::KeyClone);
        Self { id: self.id.clone(), traps: Arc::clone(&self.traps) }
    }
}

struct Value {
    id: Counted,
    number: u64,
    traps: Arc<Traps>,
}

impl Clone for Value {
    fn clone(&self) -> Self {
        self.traps.pass(Point::ValueClone);
        Self { id: self.id.clone(), number: self.number, traps: Arc::clone(&self.traps) }
    }
}

/// A cache with one entry, 2 under key 1, and what it takes to run an operation on it.
struct Scene {
    cache: Cache<Key, Value>,
    traps: Arc<Traps>,
    register: Register,
    version: Cas,
    /// A stamp that the entry does not carry.
    stale: Cas,
}

impl Scene {
    fn new(filled: bool) -> Self {
        let (traps, register) = (Traps::new(), Register::default());
        let cache = Cache::builder().stripes(1).clock(ManualClock::new()).build().expect("valid");
        let stale = Cas::try_from(1).expect("valid");
        let mut scene = Self { cache, traps, register, version: stale, stale };
        scene.cache.insert(scene.key(0), scene.value(0)).expect("free");
        if filled {
            scene.version = scene.cache.insert(scene.key(1), scene.value(2)).expect("free");
        }
        scene
    }

    fn key(&self, number: u64) -> Key {
        Key { id: self.register.make(number), traps: Arc::clone(&self.traps) }
    }

    fn value(&self, number: u64) -> Value {
        Value { id: self.register.make(number), number, traps: Arc::clone(&self.traps) }
    }

    fn state(&self) -> Option<(u64, Option<Cas>)> {
        self.cache.get_with_cas(&self.key(1)).map(|v| (v.number, v.cas()))
    }

    /// Everything that must hold after the end, whatever happened before.
    fn finish(self, what: &str) {
        self.cache.insert(self.key(1), self.value(5)).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(self.state().map(|state| state.0), Some(5), "{what}");
        self.cache.insert(self.key(9), self.value(9)).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(self.cache.len(), 3, "{what}");
        let Self { cache, register, .. } = self;
        drop(cache);
        assert!(settles(|| register.alive() == 0), "{what}: {} leaked", register.alive());
    }
}

type Operation = fn(&Scene, Key, Value);

fn change(
    scene: &Scene,
    update: impl Fn(Option<u64>) -> Update<Value>,
) -> impl FnMut(Option<&Value>) -> Update<Value> {
    let traps = Arc::clone(&scene.traps);
    move |seen| {
        traps.pass(Point::Closure);
        update(seen.map(|seen| seen.number))
    }
}

/// Operations that may change key 1. Whether it exists beforehand is the flag.
const WRITES: &[(&str, bool, Operation)] = &[
    ("insert", true, |s, k, v| ignore(s.cache.insert(k, v))),
    ("insert new", false, |s, k, v| ignore(s.cache.insert(k, v))),
    ("add", true, |s, k, v| ignore(s.cache.add(k, v))),
    ("add new", false, |s, k, v| ignore(s.cache.add(k, v))),
    ("put", true, |s, k, v| ignore(s.cache.put(k, v, Put::new().if_unchanged(s.version)))),
    ("replace", true, |s, k, v| ignore(s.cache.replace(&k, v))),
    ("replace none", false, |s, k, v| ignore(s.cache.replace(&k, v))),
    ("compare_and_swap", true, |s, k, v| ignore(s.cache.compare_and_swap(&k, s.version, v))),
    ("remove", true, |s, k, _| ignore(s.cache.remove(&k))),
    ("discard", true, |s, k, _| ignore(s.cache.discard(&k))),
    ("compare_and_remove", true, |s, k, _| ignore(s.cache.compare_and_remove(&k, s.version))),
    ("touch", true, |s, k, _| ignore(s.cache.touch(&k, Expiry::After(Duration::from_secs(9))))),
    ("get_and_touch", true, |s, k, _| {
        ignore(s.cache.get_and_touch(&k, Expiry::After(Duration::from_secs(9))));
    }),
    ("update", true, |s, k, v| {
        let mut v = Some(v);
        let mut asked = change(s, |_| Update::Keep);
        ignore(s.cache.update(k, |seen| {
            let _ = asked(seen);
            v.take().map_or(Update::Keep, Update::Put)
        }));
    }),
    ("update new", false, |s, k, v| {
        let mut v = Some(v);
        let mut asked = change(s, |_| Update::Keep);
        ignore(s.cache.update(k, |seen| {
            let _ = asked(seen);
            v.take().map_or(Update::Keep, Update::Put)
        }));
    }),
    ("update to nothing", true, |s, k, _| {
        ignore(s.cache.update(k, change(s, |_| Update::Remove)));
    }),
    ("fetch_update", true, |s, k, _| {
        ignore(s.cache.fetch_update(k, Retry::default(), change(s, |_| Update::Put(s.value(9)))));
    }),
    ("fetch_update new", false, |s, k, _| {
        ignore(s.cache.fetch_update(k, Retry::default(), change(s, |_| Update::Put(s.value(9)))));
    }),
    ("KeyLock::write", true, |s, k, v| {
        let held = s.cache.get_and_lock(&k);
        ignore(held.map(|held| held.write(v)));
    }),
    ("KeyLock::remove", true, |s, k, _| {
        let held = s.cache.get_and_lock(&k);
        ignore(held.map(|held| held.remove()));
    }),
    ("get_and_lock_within", true, |s, k, v| {
        let held = s.cache.get_and_lock_within(&k, Duration::ZERO, Duration::ZERO);
        ignore(held.map(|held| held.write(v)));
    }),
    ("get", true, |s, k, _| ignore(s.cache.get(&k))),
    ("get_with_cas", true, |s, k, _| ignore(s.cache.get_with_cas(&k))),
    ("get_if_changed", true, |s, k, _| ignore(s.cache.get_if_changed(&k, s.stale))),
    ("get_many", true, |s, k, _| ignore(s.cache.get_many(&[k, s.key(0)]))),
    ("contains_key", true, |s, k, _| ignore(Some(s.cache.contains_key(&k)))),
    ("iter", true, |s, _, _| ignore(s.cache.iter().collect::<Vec<_>>())),
    ("read", true, |s, k, _| {
        s.cache.read(&k, |_| s.traps.pass(Point::Closure));
    }),
    ("visit_many", true, |s, k, _| {
        s.cache.pin().visit_many(&[k, s.key(0)], |_, _| s.traps.pass(Point::Closure));
    }),
];

/// The same closures under the key's own lock, which `fetch_update` takes after its losses.
const ESCALATED: &[(&str, bool, Operation)] = &[("fetch_update under lock", true, |s, k, _| {
    let retry = Retry::attempts(3).then_lock(0);
    ignore(s.cache.fetch_update(k, retry, change(s, |_| Update::Put(s.value(9)))));
})];

const UNLOCK: Operation = |s, k, _| {
    let held = s.cache.get_and_lock(&k);
    ignore(held.map(|held| held.unlock()));
};

/// What an operation returns does not matter here.
fn ignore<T>(_: T) {}

/// Runs `operation` with the panic at each of its calls of `point`; how many there were.
fn inject(name: &str, filled: bool, operation: Operation, point: Point) -> i64 {
    for passes in 0.. {
        let what = format!("{name}, panic {passes} at {point:?}");
        let scene = Scene::new(filled);
        let (key, value) = (scene.key(1), scene.value(9));
        let before = scene.state();
        scene.traps.set(point, passes);
        let outcome = explodes(|| operation(&scene, key, value));
        scene.traps.disarm();
        if outcome.is_none() {
            // The value's clone is taken after the entry has gone or been touched.
            let after_the_fact = point == Point::ValueClone
                && ["remove", "compare_and_remove", "get_and_touch"].contains(&name);
            if !after_the_fact {
                assert_eq!(scene.state(), before, "{what}: the entry is as it was");
            }
        }
        scene.finish(&what);
        if outcome.is_some() {
            return passes;
        }
    }
    unreachable!("an operation calls user code a bounded number of times")
}

#[test]
fn a_panic_anywhere_leaves_the_entry_as_it_was() {
    let mut panics = [0; POINTS.len()];
    for &(name, filled, operation) in WRITES {
        for point in POINTS {
            panics[point as usize] += inject(name, filled, operation, point);
        }
    }
    assert!(panics.iter().all(|&count| count > 3), "each point went off: {panics:?}");
}

#[test]
fn a_panic_in_the_closure_of_an_escalated_update_unlocks_the_key() {
    for &(name, filled, operation) in ESCALATED {
        assert!(inject(name, filled, operation, Point::Closure) > 0);
    }
}

#[test]
fn a_panic_in_the_key_of_an_escalated_update_unlocks_the_key() {
    for &(name, filled, operation) in ESCALATED {
        for point in [Point::Hash, Point::Eq, Point::KeyClone] {
            inject(name, filled, operation, point);
        }
    }
}

#[test]
fn a_panic_in_the_key_of_an_unlock_leaves_no_lock() {
    for point in [Point::Hash, Point::Eq] {
        inject("KeyLock::unlock", true, UNLOCK, point);
    }
}

// Numbers take other paths: no clone of the key, no new node.

#[test]
fn a_panic_leaves_a_number_as_it_was() {
    type Count = fn(&Cache<Key, u64>, Key);
    let operations: [Count; 8] = [
        |c, k| ignore(c.insert(k, 9)),
        |c, k| ignore(c.replace(&k, 9)),
        |c, k| ignore(c.increment(&k, 1)),
        |c, k| ignore(c.checked_decrement(&k, 1)),
        |c, k| ignore(c.increment_or_insert(k, 1, 9, Expiry::Never)),
        |c, k| ignore(c.remove(&k)),
        |c, k| ignore(c.touch(&k, Expiry::After(Duration::from_secs(1)))),
        |c, k| ignore(c.update(k, |_| explode())),
    ];
    for operation in operations {
        for point in [Point::Hash, Point::Eq] {
            let (traps, register) = (Traps::new(), Register::default());
            let key = || Key { id: register.make(1), traps: Arc::clone(&traps) };
            let cache = Cache::<_, u64>::builder().stripes(1).build().unwrap();
            let version = cache.insert(key(), 2).unwrap();
            let given = key();
            traps.set(point, 0);
            assert!(explodes(|| operation(&cache, given)).is_none());
            traps.disarm();
            let seen = cache.get_with_cas(&key()).map(|v| (*v, v.cas()));
            assert_eq!(seen, Some((2, Some(version))));
            cache.increment(&key(), 3).unwrap();
            assert_eq!(cache.get(&key()), Some(5));
            drop(cache);
            assert!(settles(|| register.alive() == 0));
        }
    }
}

// Drop.

/// Panics when it is dropped, if told so.
struct Explosive(bool, Arc<AtomicUsize>);

impl Drop for Explosive {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        if self.0 {
            explode();
        }
    }
}

#[test]
fn a_panic_in_the_drop_of_a_reclaimed_value_is_swallowed_and_spares_its_neighbours() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let value = |explosive| Explosive(explosive, Arc::clone(&dropped));
    let cache = Cache::new();
    for round in 0..3 {
        for key in 0..100 {
            cache.insert(key, value(key % 3 == 0)).unwrap();
        }
        assert_eq!(cache.len(), 100, "round {round}");
    }
    for key in 0..20 {
        assert!(cache.discard(&key).unwrap());
    }
    cache.clear();
    assert!(settles(|| {
        cache.reclaim();
        dropped.load(Ordering::SeqCst) == 300 && cache.stats().waiting == 0
    }));
    cache.insert(1, value(true)).unwrap();
    drop(cache);
    assert!(settles(|| dropped.load(Ordering::SeqCst) == 301));
}

#[test]
fn a_panic_in_the_drop_of_a_refused_value_is_the_callers_own() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let cache = Cache::new();
    cache.insert(1, Explosive(false, Arc::clone(&dropped))).unwrap();
    let refused = cache.add(1, Explosive(true, Arc::clone(&dropped))).unwrap_err();
    assert!(explodes(|| drop(refused)).is_none());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert!(cache.discard(&1).unwrap());
}

#[test]
fn a_panic_in_the_drop_of_a_key_that_is_not_used_comes_after_the_write() {
    struct Explosive(u64, bool);
    impl Drop for Explosive {
        fn drop(&mut self) {
            if self.1 {
                explode();
            }
        }
    }
    impl Hash for Explosive {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }
    impl PartialEq for Explosive {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Explosive {}

    let cache = Cache::new();
    cache.insert(Explosive(1, false), 1u64).unwrap();
    // A number changes in place, so the second key is superfluous.
    assert!(explodes(|| cache.insert(Explosive(1, true), 2)).is_none());
    assert_eq!(cache.get(&Explosive(1, false)), Some(2));
    cache.insert(Explosive(1, false), 3).unwrap();
}

// Wakers.

struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        explode();
    }
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

fn locked_cache() -> (Cache<&'static str, u64>, ManualClock, Cas) {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().expect("valid");
    cache.insert("k", 1).expect("free");
    let token = cache.get_and_lock("k").expect("free").into_cas();
    (cache, clock, token)
}

#[test]
fn a_panic_in_a_waker_is_swallowed() {
    let (cache, _, token) = locked_cache();
    let waker = Waker::from(Arc::new(Bomb));
    let mut waiting = pin!(cache.get_and_lock_async("k", Duration::ZERO, PATIENCE));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(cache.unlock("k", token), Ok(()));
    assert_eq!(cache.lock_remaining("k"), None);
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    cache.insert("other", 1).unwrap();
}

/// Two waiters, the first of which panics when woken by `act`; whether the second was woken.
fn second_is_woken(act: impl FnOnce(&Cache<&'static str, u64>, &ManualClock)) -> bool {
    let (cache, clock, _) = locked_cache();
    let (bomb, bell) = (Waker::from(Arc::new(Bomb)), Arc::new(Bell::default()));
    let ring = Waker::from(Arc::clone(&bell));
    let mut first = pin!(cache.get_and_lock_async("k", Duration::ZERO, PATIENCE));
    let mut second = pin!(cache.get_and_lock_async("k", Duration::ZERO, PATIENCE));
    assert!(first.as_mut().poll(&mut Context::from_waker(&bomb)).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&ring)).is_pending());
    act(&cache, &clock);
    bell.0.load(Ordering::SeqCst) > 0
}

#[test]
fn a_panic_in_a_waker_does_not_keep_clear_from_waking_the_others() {
    assert!(second_is_woken(|cache, _| cache.clear()));
}

#[test]
fn a_panic_in_a_waker_does_not_keep_the_clock_from_waking_the_others() {
    assert!(second_is_woken(|_, clock| clock.advance(PATIENCE)));
}

#[test]
fn a_panicking_update_that_notices_an_expiry_wakes_the_waiter() {
    let (cache, clock, token) = locked_cache();
    let second = Duration::from_secs(1);
    cache.put("k", 1, Put::new().if_unchanged(token).expires_after(second)).unwrap();
    let _held = cache.get_and_lock("k").unwrap();
    let bell = Arc::new(Bell::default());
    let ring = Waker::from(Arc::clone(&bell));
    let mut waiting = pin!(cache.get_and_lock_async("k", Duration::ZERO, PATIENCE));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&ring)).is_pending());
    clock.advance(second);
    assert!(explodes(|| cache.update("k", |_| explode())).is_none());
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
}

// What cannot be caught.

/// A key whose `Eq` panics every time once it is told to.
#[derive(Clone, Debug)]
struct Stubborn(Arc<AtomicUsize>);

impl Hash for Stubborn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        0u8.hash(state);
    }
}

impl PartialEq for Stubborn {
    fn eq(&self, _: &Self) -> bool {
        if self.0.load(Ordering::SeqCst) > 0 {
            explode();
        }
        true
    }
}

impl Eq for Stubborn {}

const CHILD: &str = "CASKADE_PANICS_CHILD";

#[test]
fn a_key_that_panics_every_time_does_not_abort_the_process() {
    const NAME: &str = "a_key_that_panics_every_time_does_not_abort_the_process";
    if std::env::var_os(CHILD).is_some() {
        let stubborn = Arc::new(AtomicUsize::new(0));
        let cache = Cache::new();
        cache.insert(Stubborn(Arc::clone(&stubborn)), String::new()).unwrap();
        let held = cache.get_and_lock(&Stubborn(Arc::clone(&stubborn))).unwrap();
        stubborn.store(1, Ordering::SeqCst);
        assert!(explodes(|| held.write(String::new())).is_none());
        return;
    }
    let test = std::process::Command::new(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--include-ignored"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(test.status.success(), "{:?}", test.status);
}
