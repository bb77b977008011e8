//! Runs a model and records its history.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::checker::sync::atomic::{AtomicU64, Ordering};
use caskade::{Cache, CacheBuilder, Cas, Clock, Expiry, LockError, Refusal, Session, UnlockError};

use crate::spec::{Event, Response, linearizable};

/// What a thread of a model does. The first number is the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// As the first operation of a stage: values are words, which change in place.
    Word,
    /// As the first operation of a stage, or after `Word`: the cache holds so many entries at most.
    Bound(u64),
    Get(u64),
    /// Looks up through a session that stays pinned from before the look-up until after its value
    /// has been looked at once more.
    Session(u64),
    /// Looks the first key up through a session, which then lets go of the past and does the same
    /// as `Session` with the second.
    Refresh(u64, u64),
    /// Looks both keys up in a batch; recorded for each key.
    GetMany(u64, u64),
    Insert(u64, u64),
    /// Inserts with an absolute deadline, in seconds.
    InsertUntil(u64, u64, u64),
    TouchUntil(u64, u64),
    Remove(u64),
    Cas(u64, Seen, u64),
    /// Locks for ten seconds.
    Lock(u64),
    /// With the token of this thread's last lock.
    Unlock(u64),
    /// Renews this thread's last lock for thirty seconds.
    Renew(u64),
    Increment(u64),
    Clear,
    /// Moves the clock, in seconds.
    Tick(u64),
    /// Inserts this many keys that nobody looks at.
    Fill(u64),
    /// Overwrites such a key three times while the thread itself has a session.
    FillPinned,
    /// Removes one of them.
    RemoveFill(u64),
    /// Gives way, then lets the collector drop what it can.
    Reclaim,
}

/// Where a compare-and-swap takes its stamp from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The last stamp of the stage.
    Stage,
    /// The last stamp this thread has read.
    Last,
    /// The token of this thread's last lock.
    Token,
}

const LOCK_TIME: Duration = Duration::from_secs(10);
const RENEWED_TIME: Duration = Duration::from_secs(30);
const FILL: u64 = 100;

/// A clock that is part of the model. A read-modify-write may not return an old value.
#[derive(Clone)]
pub(crate) struct ModelClock {
    origin: Instant,
    seconds: Arc<AtomicU64>,
}

impl ModelClock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), seconds: Arc::new(AtomicU64::new(0)) }
    }

    fn advance(&self, by: u64) {
        self.seconds.fetch_add(by, Ordering::AcqRel);
    }

    fn at(&self, seconds: u64) -> Instant {
        self.origin + Duration::from_secs(seconds)
    }

    fn seconds(&self, instant: Instant) -> u64 {
        (instant - self.origin).as_secs()
    }
}

impl Clock for ModelClock {
    fn now(&self) -> Instant {
        self.at(self.seconds.fetch_add(0, Ordering::AcqRel))
    }

    /// No model waits for the clock.
    fn wake_at(&self, _: Instant, _: &std::task::Waker) {}
}

/// Every key has the same hash: one stripe, one home bucket, one tag.
#[derive(Clone, Copy, Default)]
pub(crate) struct SameHash;

impl std::hash::BuildHasher for SameHash {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self
    }
}

impl std::hash::Hasher for SameHash {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, _: &[u8]) {}
}

/// A value that is no word: overwriting it replaces the node.
#[derive(Clone, Copy, Debug)]
struct Boxed(u64);

/// What the harness needs of a cache, for both kinds of value.
trait Operations: Send + Sync {
    /// Shows responses to `lap` that came before the operation's end, and returns the others.
    fn run(
        &self,
        op: Op,
        given: u64,
        clock: &ModelClock,
        lap: &mut dyn FnMut(u64, Response),
    ) -> Vec<(u64, Response)>;

    fn validate(&self);

    fn len(&self) -> u64;
}

macro_rules! operations {
    ($value:ty, $make:expr, $number:expr, $increment:expr) => {
        impl Operations for Cache<u64, $value, SameHash> {
            fn validate(&self) {
                Cache::validate(self);
            }

            fn len(&self) -> u64 {
                Cache::len(self) as u64
            }

            fn run(
                &self,
                op: Op,
                given: u64,
                clock: &ModelClock,
                lap: &mut dyn FnMut(u64, Response),
            ) -> Vec<(u64, Response)> {
                let make = $make;
                let number = $number;
                let cas = |raw: u64| Cas::try_from(raw).expect("a stamp");
                let entry = |found: Option<(u64, Option<Cas>)>| {
                    found.map_or(Response::Absent, |(value, cas)| Response::Entry {
                        value,
                        cas: cas.map(Cas::to_u64),
                    })
                };
                // What a session has found stays as it was while others have their turn.
                let look_twice = |session: &Session<'_, u64, $value, SameHash>, key: u64| {
                    let found = session.get(&key);
                    let first = entry(found.as_ref().map(|found| (number(found), found.cas())));
                    crate::checker::thread::yield_now();
                    assert_eq!(first, entry(found.map(|found| (number(&found), found.cas()))));
                    first
                };
                let stored = |result: Result<Cas, Refusal>| match result {
                    Ok(cas) => Response::Stored(cas.to_u64()),
                    Err(refusal) => refused(refusal),
                };
                let one = |key: u64, response: Response| vec![(key, response)];
                match op {
                    Op::Word | Op::Bound(_) => vec![],
                    Op::Get(key) => {
                        let found = self.get_with_cas(&key);
                        one(key, entry(found.map(|found| (number(&found), found.cas()))))
                    }
                    Op::Session(key) => one(key, look_twice(&self.pin(), key)),
                    Op::Refresh(first, second) => {
                        let mut session = self.pin();
                        let found = session.get(&first);
                        lap(first, entry(found.map(|found| (number(&found), found.cas()))));
                        crate::checker::thread::yield_now();
                        session.refresh();
                        one(second, look_twice(&session, second))
                    }
                    Op::GetMany(first, second) => {
                        let mut found = Vec::new();
                        self.pin().visit_many(&[first, second], |&key, value| {
                            let value = value.map(|value| (number(&value), value.cas()));
                            found.push((key, entry(value)));
                        });
                        found
                    }
                    Op::Insert(key, value) => {
                        let result = self.insert(key, make(value));
                        one(key, stored(result.map_err(|error| error.refusal())))
                    }
                    Op::InsertUntil(key, value, at) => {
                        let result = self.insert_with(key, make(value), Expiry::At(clock.at(at)));
                        one(key, stored(result.map_err(|error| error.refusal())))
                    }
                    Op::TouchUntil(key, at) => {
                        let result = self.touch(&key, Expiry::At(clock.at(at)));
                        one(key, stored(result.map_err(|error| error.refusal())))
                    }
                    Op::Remove(key) => one(
                        key,
                        match self.discard(&key) {
                            Ok(true) => Response::Done,
                            Ok(false) => Response::Absent,
                            Err(error) => refused(error.refusal()),
                        },
                    ),
                    Op::Cas(key, _, value) => {
                        let result = self.compare_and_swap(&key, cas(given), make(value));
                        one(key, stored(result.map_err(|error| error.refusal())))
                    }
                    Op::Lock(key) => one(
                        key,
                        match self.get_and_lock_for(&key, LOCK_TIME) {
                            Ok(lock) => {
                                let deadline = clock.seconds(lock.deadline());
                                Response::Locked { token: lock.into_cas().to_u64(), deadline }
                            }
                            Err(LockError::Absent) => Response::Absent,
                            Err(LockError::Locked { .. }) => Response::RefusedLocked,
                            Err(error) => panic!("{error}"),
                        },
                    ),
                    Op::Unlock(key) => one(
                        key,
                        match self.unlock(&key, cas(given)) {
                            Ok(()) => Response::Done,
                            Err(error) => not_unlocked(error),
                        },
                    ),
                    Op::Renew(key) => one(
                        key,
                        match self.renew_lock(&key, cas(given), RENEWED_TIME) {
                            Ok(deadline) => {
                                Response::Locked { token: given, deadline: clock.seconds(deadline) }
                            }
                            Err(error) => not_unlocked(error),
                        },
                    ),
                    Op::Increment(key) => one(key, $increment(self, key)),
                    Op::Clear => {
                        self.clear();
                        vec![]
                    }
                    Op::Tick(by) => {
                        clock.advance(by);
                        vec![]
                    }
                    Op::Fill(count) => {
                        let first = FILL + self.len() as u64;
                        for key in first..first + count {
                            self.insert(key, make(0)).expect("nobody locks a filler");
                        }
                        vec![]
                    }
                    Op::FillPinned => {
                        let _session = self.pin();
                        for _ in 0..3 {
                            self.insert(FILL, make(0)).expect("nobody locks a filler");
                        }
                        vec![]
                    }
                    Op::RemoveFill(index) => {
                        self.discard(&(FILL + index)).expect("nobody locks a filler");
                        vec![]
                    }
                    Op::Reclaim => {
                        crate::checker::thread::yield_now();
                        self.reclaim();
                        vec![]
                    }
                }
            }
        }
    };
}

operations!(Boxed, |value: u64| Boxed(value), |value: &Boxed| value.0, |_: &Cache<
    u64,
    Boxed,
    SameHash,
>,
                                                                        _|
 -> Response {
    panic!("only words count")
});
operations!(
    u64,
    |value: u64| value,
    |value: &u64| *value,
    |cache: &Cache<u64, u64, SameHash>, key: u64| match cache.increment(&key, 1) {
        Ok(counted) => Response::Counted {
            value: *counted,
            cas: counted.cas().expect("a counter that moved is not locked").to_u64(),
        },
        Err(caskade::CounterError::Absent) => Response::Absent,
        Err(caskade::CounterError::Locked { .. }) => Response::RefusedLocked,
        Err(error) => panic!("{error}"),
    }
);

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Absent => Response::Absent,
        Refusal::Changed { .. } => Response::Changed,
        Refusal::Locked { .. } => Response::RefusedLocked,
        other => panic!("{other}"),
    }
}

fn not_unlocked(error: UnlockError) -> Response {
    match error {
        UnlockError::Absent => Response::Absent,
        UnlockError::NotLocked => Response::NotLocked,
        UnlockError::WrongToken { .. } => Response::RefusedLocked,
        other => panic!("{other}"),
    }
}

/// One run of a model: the cache, its clock and what happened so far.
struct Run {
    cache: Box<dyn Operations>,
    clock: ModelClock,
    bound: Option<u64>,
    /// Numbers the beginnings and ends of operations. It orders operations that do not overlap,
    /// as any two threads are that know of each other's order; inside an operation it orders
    /// nothing.
    time: AtomicU64,
    history: Mutex<Vec<Event>>,
}

/// What a thread remembers.
#[derive(Clone, Copy, Default)]
struct Memory {
    stage: u64,
    last: u64,
    token: u64,
}

impl Run {
    fn new(words: bool, bound: Option<u64>) -> Self {
        let clock = ModelClock::new();
        let cache: Box<dyn Operations> = if words {
            Box::new(build(bounded(Cache::<u64, u64>::builder(), bound), &clock))
        } else {
            Box::new(build(bounded(Cache::<u64, Boxed>::builder(), bound), &clock))
        };
        Self { cache, clock, bound, time: AtomicU64::new(0), history: Mutex::default() }
    }

    fn tick(&self) -> u64 {
        self.time.fetch_add(1, Ordering::AcqRel)
    }

    fn perform(&self, op: Op, memory: &mut Memory) {
        let given = match op {
            Op::Cas(_, Seen::Stage, _) => memory.stage,
            Op::Cas(_, Seen::Last, _) => memory.last,
            Op::Cas(_, Seen::Token, _) | Op::Unlock(_) | Op::Renew(_) => memory.token,
            _ => 0,
        };
        // Whoever has seen no stamp gives one that nobody was ever given.
        let given = if given == 0 { u64::MAX - 1 } else { given };
        let mut began = self.tick();
        let responses = self.cache.run(op, given, &self.clock, &mut |key, response| {
            let ended = self.tick();
            let event = Event { op, key, given, response, began, ended };
            self.history.lock().expect("no poison").push(event);
            began = self.tick();
        });
        let ended = self.tick();
        assert!(self.bound.is_none_or(|max| self.cache.len() <= max), "the bound is exceeded");
        let mut history = self.history.lock().expect("no poison");
        for &(key, response) in &responses {
            match response {
                Response::Entry { cas, .. } => memory.last = cas.unwrap_or(0),
                Response::Stored(stamp) => memory.stage = stamp,
                Response::Locked { token, .. } => memory.token = token,
                _ => {}
            }
            history.push(Event { op, key, given, response, began, ended });
        }
        if matches!(op, Op::Tick(_) | Op::Clear) {
            // Concerns every key: key 0 stands for all.
            history.push(Event { op, key: 0, given, response: Response::Done, began, ended });
        }
    }

    /// Whether somebody else can always go instead of a locked entry.
    fn spares_locked(&self, history: &[Event]) -> bool {
        let mut locked = history.iter().filter(|event| matches!(event.op, Op::Lock(_)));
        let first = locked.next().map(|event| event.key);
        self.bound > Some(1) && locked.all(|event| Some(event.key) == first)
    }

    fn assert_linearizable(&self) {
        let history = self.history.lock().expect("no poison");
        let mut keys: Vec<_> =
            history.iter().map(|event| event.key).filter(|&key| key > 0).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let events: Vec<_> = history
                .iter()
                .filter(|event| event.key == key || event.key == 0)
                .copied()
                .collect();
            // A new key that finds the cache full may make any other go.
            let evictors = history.iter().filter(|event| self.bound.is_some() && event.key != key);
            let evictors: Vec<_> = evictors.filter(|event| event.may_evict()).copied().collect();
            let explained = linearizable(&events, &evictors, self.spares_locked(&history));
            assert!(explained, "no order explains key {key}: {events:#?}");
        }
    }
}

fn bounded<V>(builder: CacheBuilder<u64, V>, bound: Option<u64>) -> CacheBuilder<u64, V> {
    match bound {
        Some(max) => builder.max_entries(max),
        None => builder,
    }
}

fn build<V: Send + Sync + 'static>(
    builder: CacheBuilder<u64, V>,
    clock: &ModelClock,
) -> Cache<u64, V, SameHash> {
    builder
        .max_lock_time(RENEWED_TIME)
        .hasher(SameHash)
        .clock(clock.clone())
        .stripes(1)
        .build()
        .expect("valid settings")
}

/// A model: what happens before the threads start, and what each of them does.
pub(crate) struct Model {
    stage: Vec<Op>,
    threads: Vec<Vec<Op>>,
}

impl Model {
    pub(crate) fn new(stage: Vec<Op>, threads: Vec<Vec<Op>>) -> Self {
        Self { stage, threads }
    }

    /// Runs the model in every way loom finds.
    #[cfg(caskade_loom)]
    pub(crate) fn check(self) {
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 50_000;
        builder.check(move || self.run());
    }

    /// Runs the model once, in the schedule of whoever calls.
    pub(crate) fn run(&self) {
        let words = self.stage.first() == Some(&Op::Word);
        let bound = self.stage.iter().find_map(|op| match op {
            Op::Bound(max) => Some(*max),
            _ => None,
        });
        let run = Arc::new(Run::new(words, bound));
        let mut memory = Memory::default();
        for &op in &self.stage {
            run.perform(op, &mut memory);
        }
        memory.last = memory.stage;
        let (last, rest) = self.threads.split_last().expect("a model has threads");
        let handles: Vec<_> = rest
            .iter()
            .cloned()
            .map(|ops| {
                let run = Arc::clone(&run);
                let mut memory = memory;
                crate::checker::thread::spawn(move || {
                    ops.iter().for_each(|&op| run.perform(op, &mut memory))
                })
            })
            .collect();
        last.iter().for_each(|&op| run.perform(op, &mut memory));
        for handle in handles {
            handle.join().expect("no thread of a model panics");
        }
        run.perform(Op::Get(1), &mut memory);
        run.assert_linearizable();
        run.cache.validate();
    }
}

/// Counts itself.
#[cfg(all(caskade_loom, not(crossbeam_loom)))]
struct Counted(Arc<std::sync::atomic::AtomicUsize>);

#[cfg(all(caskade_loom, not(crossbeam_loom)))]
impl Counted {
    fn new(alive: &Arc<std::sync::atomic::AtomicUsize>) -> Self {
        alive.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self(Arc::clone(alive))
    }
}

#[cfg(all(caskade_loom, not(crossbeam_loom)))]
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(all(caskade_loom, not(crossbeam_loom)))]
pub(crate) fn drops_are_exact() {
    loom::model(|| {
        let alive = Arc::default();
        let cache = build(Cache::<u64, Counted>::builder(), &ModelClock::new());
        cache.insert(1, Counted::new(&alive)).expect("stored");
        let other = cache.clone();
        let counter = Arc::clone(&alive);
        let writer = crate::checker::thread::spawn(move || {
            other.insert(1, Counted::new(&counter)).expect("stored");
            drop(other);
        });
        cache.read(&1, |_| ());
        cache.discard(&1).expect("not locked");
        writer.join().expect("no panic");
        cache.reclaim();
        drop(cache);
        let left = alive.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(left, 0, "{left} values were not dropped");
    });
}
