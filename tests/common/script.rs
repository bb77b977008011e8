//! Random scripts: bytes become operations, and each is compared with the model as it runs.
//!
//! The property test and the fuzz target share this, so what one of them finds the other can
//! replay. Eight bytes are one step; every eight bytes are a valid one. There is one thread: what
//! happens when operations overlap is the business of the linearizability test.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use caskade::{Cache, Cas, Clock, KeyLock, ManualClock};

use crate::common::execute::{Value, execute, locked_response};
use crate::common::model::{Change, Condition, Life, Lock, Op, Response, Rules, State, Step};

/// One step of a script: what to do, to which key, and with what.
pub(crate) type Bytes = [u8; 8];

/// How a cache is set up for a script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) stripes: usize,
    pub(crate) keys: usize,
    pub(crate) time_to_live: Option<Duration>,
    /// Whether all keys have the same hash.
    pub(crate) constant_hash: bool,
}

/// The setups that scripts run under.
pub(crate) const SETUPS: [Setup; 6] = [
    Setup { stripes: 1, keys: 4, time_to_live: None, constant_hash: false },
    Setup { stripes: 64, keys: 4, time_to_live: None, constant_hash: false },
    Setup { stripes: 1, keys: 4, time_to_live: Some(seconds(20)), constant_hash: false },
    Setup { stripes: 64, keys: 4, time_to_live: Some(seconds(20)), constant_hash: false },
    Setup { stripes: 4, keys: 4, time_to_live: Some(seconds(20)), constant_hash: true },
    // Enough keys that the table grows and buckets overflow.
    Setup { stripes: 1, keys: 40, time_to_live: None, constant_hash: true },
];

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const NANOSECOND: Duration = Duration::from_nanos(1);
const CENTURIES: Duration = Duration::from_secs(200 * 366 * 24 * 3600);

/// Short times, so that deadlines are met; few of them, so that some are met exactly.
const TIMES: [Duration; 8] = [
    NANOSECOND,
    seconds(1),
    seconds(2),
    seconds(5),
    seconds(9),
    seconds(10),
    seconds(15),
    seconds(30),
];
const LIVES: [Duration; 8] = [
    Duration::ZERO,
    NANOSECOND,
    seconds(1),
    seconds(10),
    seconds(20),
    seconds(30),
    CENTURIES,
    Duration::MAX,
];
/// Zero is the default; the last two are over the maximum.
const LOCK_TIMES: [Duration; 8] = [
    Duration::ZERO,
    NANOSECOND,
    seconds(1),
    seconds(5),
    seconds(10),
    seconds(15),
    seconds(16),
    Duration::MAX,
];
const VALUES: [u64; 8] = [0, 1, 2, 3, 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX];

/// A hasher that puts every key into the same place.
#[derive(Clone, Default)]
pub(crate) struct Constant;

impl Hasher for Constant {
    fn finish(&self) -> u64 {
        42
    }

    fn write(&mut self, _: &[u8]) {}
}

/// Runs a script on a fresh cache. A panic says where the cache and the model part.
pub(crate) fn run<V: Value>(setup: Setup, script: &[Bytes]) {
    if setup.constant_hash {
        Runner::<V, _>::new(setup, BuildHasherDefault::<Constant>::default()).run(script);
    } else {
        Runner::<V, _>::new(setup, ahash()).run(script);
    }
}

/// The default hasher, whose name the crate does not export.
fn ahash() -> std::hash::RandomState {
    std::hash::RandomState::new()
}

/// A `KeyLock` kept for later.
struct Held<V: Value, S: BuildHasher> {
    key: usize,
    lock: KeyLock<String, V, S>,
    until: Duration,
}

struct Runner<V: Value, S: BuildHasher> {
    handles: [Cache<String, V, S>; 3],
    clock: ManualClock,
    start: Instant,
    keys: Vec<String>,
    states: Vec<State>,
    held: Vec<Held<V, S>>,
    /// Stamps and tokens that some key had or has.
    pool: Vec<Cas>,
    drawn: HashSet<Cas>,
    /// A stamp of another cache.
    foreign: Cas,
    done: Vec<(usize, Op, Response)>,
}

impl<V: Value, S: BuildHasher> Runner<V, S> {
    fn new(setup: Setup, hasher: S) -> Self {
        let clock = ManualClock::new();
        let start = clock.now();
        let rules = Rules {
            time_to_live: setup.time_to_live,
            default_lock_time: seconds(9),
            max_lock_time: seconds(15),
        };
        let mut builder = Cache::builder()
            .hasher(hasher)
            .clock(clock.clone())
            .stripes(setup.stripes)
            .default_lock_time(rules.default_lock_time)
            .max_lock_time(rules.max_lock_time);
        if let Some(life) = rules.time_to_live {
            builder = builder.time_to_live(life);
        }
        let cache = builder.build().expect("the setups are valid");
        let stranger = Cache::new();
        let foreign = stranger.insert((), ()).expect("a new cache takes everything");
        Self {
            handles: [cache.clone(), cache.clone(), cache],
            clock,
            start,
            keys: (0..setup.keys).map(|index| format!("key {index}")).collect(),
            states: vec![State::new(rules); setup.keys],
            held: Vec::new(),
            pool: Vec::new(),
            drawn: HashSet::new(),
            foreign,
            done: Vec::new(),
        }
    }

    fn run(mut self, script: &[Bytes]) {
        for &bytes in script {
            self.step(bytes);
        }
        self.finish();
    }

    /// The kinds of steps: on a bare key, through a held `KeyLock`, on all keys.
    fn step(&mut self, bytes: Bytes) {
        let [kind, key, ..] = bytes;
        let key = usize::from(key) % self.keys.len();
        match kind {
            0..=9 => self.advance(*choose(&TIMES, bytes[2])),
            10..=11 => self.concerning_all(Op::Clear),
            12..=13 => self.get_many(),
            14..=15 => self.compare_all(),
            16..=31 => self.lock_and_hold(key, bytes),
            32..=63 => self.use_held(bytes),
            64..=75 => self.read_across(key, bytes),
            _ => {
                let op = self.op(key, bytes);
                self.apply(key, op);
            }
        }
    }

    fn cache(&self, key: usize) -> &Cache<String, V, S> {
        &self.handles[(self.done.len() + key) % self.handles.len()]
    }

    fn apply(&mut self, key: usize, op: Op) -> Response {
        let response = execute(self.cache(key), &self.keys[key], &op, self.start);
        self.compare(key, op, response);
        response
    }

    fn compare(&mut self, key: usize, op: Op, response: Response) {
        self.done.push((key, op, response));
        let drawn = self.states[key].drawn.len();
        if let Err(expected) = self.states[key].apply(&op, &response) {
            panic!("the last step should have said {expected:?}\n{self:?}");
        }
        for &fresh in &self.states[key].drawn[drawn..] {
            assert!(self.drawn.insert(fresh), "{fresh:?} was another key's already\n{self:?}");
        }
        if let Some(cas) = response.cas() {
            self.pool.push(cas);
        }
    }

    fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        for key in 0..self.keys.len() {
            self.states[key].apply(&Op::Advance(by), &Response::Done).expect("time passes");
        }
        self.done.push((0, Op::Advance(by), Response::Done));
    }

    /// An operation that has the same effect on every key.
    fn concerning_all(&mut self, op: Op) {
        let response = execute(self.cache(0), &self.keys[0], &op, self.start);
        for key in 0..self.keys.len() {
            self.compare(key, op, response);
        }
    }

    fn get_many(&mut self) {
        let values = self.cache(0).get_many(&self.keys);
        assert_eq!(values.len(), self.keys.len());
        for (key, value) in values.iter().enumerate() {
            self.compare(key, Op::GetMany, Response::Value(value.as_ref().map(V::number)));
        }
    }

    /// Both iterators show what the model has, and each entry once.
    fn compare_all(&mut self) {
        let number =
            |key: &str| self.keys.iter().position(|name| name == key).expect("a known key");
        let cloned: Vec<_> =
            self.cache(0).iter().map(|(key, v)| (number(&key), (v.number(), v.cas()))).collect();
        let session = self.cache(1).pin();
        let borrowed: Vec<_> =
            session.iter().map(|(key, v)| (number(key), (v.number(), v.cas()))).collect();
        drop(session);
        for shown in [cloned, borrowed] {
            let mut found = vec![None; self.keys.len()];
            for (key, entry) in shown {
                assert_eq!(found[key].replace(entry), None, "key {key} appears twice\n{self:?}");
            }
            for (key, entry) in found.into_iter().enumerate() {
                self.compare(key, Op::GetWithCas, Response::Versioned(entry));
            }
        }
        let live = self.states.iter().filter(|state| state.entry.is_some()).count();
        assert!((live..=self.keys.len()).contains(&self.cache(0).len()), "{self:?}");
    }

    fn lock_and_hold(&mut self, key: usize, bytes: Bytes) {
        let time = *choose(&LOCK_TIMES, bytes[2]);
        let locked = self.cache(key).get_and_lock_for(&self.keys[key], time);
        self.compare(key, Op::Lock(time), locked_response(&locked, self.start));
        let Ok(lock) = locked else { return };
        assert_eq!(*lock.key(), self.keys[key]);
        let until = lock.deadline() - self.start;
        self.held.push(Held { key, lock, until });
    }

    fn use_held(&mut self, bytes: Bytes) {
        let [_, _, choice, which, value, life, ..] = bytes;
        if self.held.is_empty() {
            return;
        }
        let Held { key, mut lock, until } = self.held.remove(usize::from(which) % self.held.len());
        let token = lock.cas();
        assert_eq!(lock.deadline() - self.start, until);
        assert_eq!(lock.remaining(), until.saturating_sub(self.states[key].now), "{self:?}");
        match choice % 8 {
            0 | 1 => {
                let (value, life) = (self.value(value), self.life(key, life, bytes[6]));
                let written = lock.write_with(V::of(value), life.expiry(self.start));
                let stored = written.map_err(|error| error.refusal());
                let op = Op::CompareAndSwap(token, value, life);
                self.compare(key, op, Response::Stored(stored));
            }
            2 => {
                let removed = lock.remove().map(|()| true).map_err(|error| error.refusal());
                self.compare(key, Op::CompareAndDiscard(token), Response::Discarded(removed));
            }
            3 => self.compare(key, Op::Unlock(token), Response::Unlocked(lock.unlock())),
            4 => {
                assert_eq!(lock.into_cas(), token);
            }
            5 | 6 => {
                let time = *choose(&LOCK_TIMES, value);
                let renewed = lock.renew(time).map(|()| lock.deadline() - self.start);
                self.compare(key, Op::RenewLock(token, time), Response::Renewed(renewed));
                self.held.push(Held { key, lock, until: renewed.unwrap_or(until) });
            }
            _ => {
                drop(lock);
                self.compare(key, Op::DropLock(token), Response::Done);
            }
        }
    }

    /// What a session has read stays as it was, whatever is written meanwhile.
    fn read_across(&mut self, key: usize, bytes: Bytes) {
        let handle = self.cache(key).clone();
        let session = handle.pin();
        let found = session.get(&self.keys[key]);
        let before = found.as_ref().map(|found| (found.number(), found.cas()));
        self.compare(key, Op::SessionGet, Response::Versioned(before));
        let op = self.op(key, [bytes[7], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], 0, 1]);
        self.apply(key, op);
        assert_eq!(found.map(|found| (found.number(), found.cas())), before, "{self:?}");
    }

    /// The end: all locks are dropped, and cache and model compared as wholes.
    fn finish(mut self) {
        self.compare_all();
        while let Some(Held { key, lock, .. }) = self.held.pop() {
            let token = lock.cas();
            drop(lock);
            self.compare(key, Op::DropLock(token), Response::Done);
        }
        // Whoever looks notices what has expired and lapsed; then the count is exact.
        for key in 0..self.keys.len() {
            self.apply(key, Op::GetWithCas);
            self.apply(key, Op::LockRemaining);
        }
        self.compare_all();
        let live = self.states.iter().filter(|state| state.entry.is_some()).count();
        assert_eq!(self.cache(0).len(), live, "{self:?}");
        assert_eq!(self.cache(0).is_empty(), live == 0);
        assert_eq!(self.cache(0).stats().entries, live as u64, "{self:?}");
        self.cache(0).validate();
        self.concerning_all(Op::Clear);
        assert_eq!(self.cache(0).len(), 0);
        self.cache(0).validate();
        self.compare_all();
    }

    fn lock_of(&self, key: usize) -> Option<Lock> {
        self.states[key].entry?.lock
    }

    fn is_locked(&self, key: usize) -> bool {
        self.lock_of(key).is_some_and(|lock| self.states[key].now < lock.until)
    }

    fn op(&self, key: usize, bytes: Bytes) -> Op {
        let [kind, _, stamp, which, value, life, time, other] = bytes;
        let cas = self.stamp(key, stamp, which);
        let number = self.value(value);
        let life = self.life(key, life, time);
        match kind % 40 {
            0 | 1 => Op::GetWithCas,
            2 => Op::Get,
            3 => Op::Read,
            4 => Op::ContainsKey,
            5 => Op::SessionGet,
            6 => Op::GetIfChanged(cas),
            7 | 8 => Op::Insert(number, life),
            9 => Op::Insert(number, Life::Default),
            10 | 11 => Op::Add(number),
            12 => Op::Replace(number),
            13..=15 => Op::Put(self.condition(other, cas), number, life),
            16..=18 => Op::CompareAndSwap(cas, number, life),
            19 => Op::CompareAndSwap(cas, number, Life::Default),
            20 => Op::Remove,
            21 => Op::Discard,
            22 => Op::CompareAndRemove(cas),
            23 => Op::CompareAndDiscard(cas),
            24 => Op::Touch(life),
            25 => Op::CompareAndTouch(cas, life),
            26 => Op::GetAndTouch(life),
            27 => Op::Update(self.change(other, number, life)),
            28 => Op::FetchUpdate(self.change(other, number, life)),
            // It would wait for somebody else's lock.
            29 if self.is_locked(key) => Op::LockRemaining,
            29 => Op::FetchUpdateLocked(self.change(other, number, life)),
            30 => Op::Lock(*choose(&LOCK_TIMES, time)),
            31 => Op::LockWithin(*choose(&LOCK_TIMES, time)),
            32 => Op::Unlock(cas),
            33 => Op::RenewLock(cas, *choose(&LOCK_TIMES, time)),
            34 => Op::LockRemaining,
            _ if !V::COUNTS => Op::Insert(number, life),
            35 => Op::Count(Step::Increment, number),
            36 => Op::Count(Step::Decrement, number),
            37 if other & 1 == 0 => Op::Count(Step::CheckedIncrement, number),
            37 => Op::Count(Step::CheckedDecrement, number),
            38 => Op::IncrementOrInsert(u64::from(other), number, life),
            _ => Op::DecrementOrInsert(u64::from(other), number, life),
        }
    }

    /// A stamp to offer: the one that stands, the lock's token, one of earlier, or a stranger's.
    fn stamp(&self, key: usize, choice: u8, which: u8) -> Cas {
        let entry = self.states[key].entry;
        let stamp = match choice % 16 {
            0..=5 => entry.map(|entry| entry.stamp),
            6..=10 => entry.and_then(|entry| entry.lock).map(|lock| lock.token),
            11..=12 => self.pool.iter().rev().nth(usize::from(which)).copied(),
            13..=14 => self.states[key].drawn.iter().rev().nth(usize::from(which) % 8).copied(),
            _ => None,
        };
        stamp.unwrap_or(self.foreign)
    }

    fn value(&self, byte: u8) -> u64 {
        VALUES.get(usize::from(byte) % 16).copied().unwrap_or(u64::from(byte))
    }

    fn life(&self, key: usize, choice: u8, which: u8) -> Life {
        let now = self.states[key].now;
        match choice % 16 {
            0..=3 => Life::Default,
            4..=6 => Life::Keep,
            7 => Life::Never,
            8..=12 => Life::After(*choose(&LIVES, which)),
            13 => Life::At(now.saturating_sub(*choose(&TIMES, which))),
            14 => Life::At(now + *choose(&TIMES, which)),
            _ => Life::At(seconds(60)),
        }
    }

    fn condition(&self, choice: u8, cas: Cas) -> Condition {
        match choice % 5 {
            0 => Condition::Always,
            1 => Condition::Absent,
            2 => Condition::Present,
            _ => Condition::Unchanged(cas),
        }
    }

    fn change(&self, choice: u8, number: u64, life: Life) -> Change {
        match choice % 5 {
            0 => Change::Put(number),
            1 => Change::PutWith(number, life),
            2 => Change::Add(number),
            3 => Change::Remove,
            _ => Change::Keep,
        }
    }
}

fn choose<T>(all: &[T; 8], byte: u8) -> &T {
    &all[usize::from(byte) % 8]
}

/// The script so far, to be read after a failure.
impl<V: Value, S: BuildHasher> fmt::Debug for Runner<V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, op, response) in &self.done {
            writeln!(f, "  key {key}: {op:?} -> {response:?}")?;
        }
        Ok(())
    }
}
