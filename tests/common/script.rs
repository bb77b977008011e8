//! Random scripts: bytes become operations, and each is compared with the model as it runs.
//!
//! The property test and the fuzz target share this, so what one of them finds the other can
//! replay. Eight bytes are one step; every eight bytes are a valid one. There is one thread: what
//! happens when operations overlap is the business of the linearizability test.
//!
//! The model cannot know whom a full cache evicts. It is told by the removal listener, or else by a
//! look at every key after every step; what is checked is that it had to be.

mod fill_steps;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use caskade::{BuildError, Cache, Cas, Cause, Clock, KeyLock, ManualClock};

use crate::common::execute::{Value, execute, locked_response};
use crate::common::model::{
    Change, Condition, Entry, Life, Lock, Op, Response, Rules, State, Step, unseen,
};
use fill_steps::Kept;

/// One step of a script: what to do, to which key, and with what.
pub(crate) type Bytes = [u8; 8];

/// How a cache is set up for a script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) stripes: usize,
    pub(crate) keys: usize,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) refresh_ahead: Duration,
    /// Whether all keys have the same hash.
    pub(crate) constant_hash: bool,
    pub(crate) bound: Bound,
    /// Whether there is a removal listener.
    pub(crate) listens: bool,
}

/// The bound to begin with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    None,
    Entries(u64),
    Weight(u64),
}

const PLAIN: Setup = Setup {
    stripes: 1,
    keys: 4,
    time_to_live: None,
    grace: Duration::ZERO,
    refresh_ahead: Duration::ZERO,
    constant_hash: false,
    bound: Bound::None,
    listens: false,
};
const LIFE: Option<Duration> = Some(seconds(20));
const STALE: Setup =
    Setup { time_to_live: LIFE, grace: seconds(10), refresh_ahead: seconds(5), ..PLAIN };

/// The setups that scripts run under.
pub(crate) const SETUPS: [Setup; 18] = [
    PLAIN,
    Setup { stripes: 64, ..PLAIN },
    Setup { time_to_live: LIFE, ..PLAIN },
    Setup { stripes: 64, time_to_live: LIFE, ..PLAIN },
    Setup { stripes: 4, time_to_live: LIFE, constant_hash: true, ..PLAIN },
    // Enough keys that the table grows and buckets overflow.
    Setup { keys: 40, constant_hash: true, ..PLAIN },
    Setup { stripes: 4, time_to_live: LIFE, listens: true, ..PLAIN },
    Setup { keys: 8, bound: Bound::Entries(3), listens: true, ..PLAIN },
    Setup { keys: 12, bound: Bound::Entries(5), time_to_live: LIFE, ..PLAIN },
    Setup { keys: 40, bound: Bound::Entries(20), constant_hash: true, listens: true, ..PLAIN },
    Setup { keys: 10, bound: Bound::Weight(20), time_to_live: LIFE, listens: true, ..PLAIN },
    // Most values are heavier than the share of a stripe.
    Setup { stripes: 4, keys: 12, bound: Bound::Weight(24), listens: true, ..PLAIN },
    Setup { stripes: 4, keys: 12, bound: Bound::Weight(24), time_to_live: LIFE, ..PLAIN },
    // Alone, a key's fills are refused for its own sake only.
    Setup { keys: 1, ..STALE },
    Setup { stripes: 64, grace: Duration::ZERO, ..STALE },
    Setup { constant_hash: true, refresh_ahead: Duration::ZERO, listens: true, ..STALE },
    Setup { keys: 8, bound: Bound::Entries(4), listens: true, ..STALE },
    Setup { stripes: 4, keys: 12, bound: Bound::Weight(24), ..STALE },
];

/// What values weigh where weight is bounded: up to twelve, which is more than some bounds.
fn weigh(number: u64) -> u32 {
    (number % 13) as u32
}

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

/// What a listener was told.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    key: usize,
    value: u64,
    cas: Cas,
    cause: Cause,
}

impl Told {
    /// Whether it is told of this entry.
    fn is_of(&self, entry: &Entry) -> bool {
        self.value == entry.value && (entry.stamp == self.cas || entry.stamp == unseen())
    }
}

/// Whose need for room may have made others go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Need {
    Nobody,
    /// This key's, if a larger value was stored under it.
    Key(usize),
    /// The bound's: it was lowered.
    Bound,
}

struct Runner<V: Value, S: BuildHasher> {
    setup: Setup,
    handles: [Cache<String, V, S>; 3],
    clock: ManualClock,
    start: Instant,
    keys: Vec<String>,
    states: Vec<State>,
    held: Vec<Held<V, S>>,
    kept: Kept<V, S>,
    /// Stamps and tokens that some key had or has.
    pool: Vec<Cas>,
    drawn: HashSet<Cas>,
    /// A stamp of another cache.
    foreign: Cas,
    /// What the listener writes down.
    log: Arc<Mutex<Vec<Told>>>,
    /// What it has, and the model has not been told.
    told: VecDeque<Told>,
    /// What the model's entries weighed after the last step, by key; nothing for no entry.
    weighed: Vec<Option<u32>>,
    /// Whether the last operation needed room, and what there would be if nobody had made way.
    grew: bool,
    unevicted: u64,
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
            grace: setup.grace,
            refresh_ahead: setup.refresh_ahead,
            load_time: seconds(5),
            max: match setup.bound {
                Bound::None => None,
                Bound::Entries(max) | Bound::Weight(max) => Some(max),
            },
            weigh: if let Bound::Weight(_) = setup.bound { Some(weigh) } else { None },
        };
        let log = Arc::default();
        let mut builder = Cache::builder()
            .hasher(hasher)
            .clock(clock.clone())
            .stripes(setup.stripes)
            .default_lock_time(rules.default_lock_time)
            .max_lock_time(rules.max_lock_time)
            .grace(rules.grace)
            .refresh_ahead(rules.refresh_ahead)
            .load_time(rules.load_time);
        if let Some(life) = rules.time_to_live {
            builder = builder.time_to_live(life);
        }
        builder = match setup.bound {
            Bound::None => builder,
            Bound::Entries(max) => builder.max_entries(max),
            Bound::Weight(max) => builder
                .max_weight(max, |_: &String, value: &V| weigh(value.number()))
                .initial_entries(256 * setup.stripes),
        };
        if setup.listens {
            builder = builder.removal_listener(write_down(Arc::clone(&log)));
        }
        let cache = builder.build().expect("the setups are valid");
        let stranger = Cache::new();
        let foreign = stranger.insert((), ()).expect("a new cache takes everything");
        Self {
            setup,
            handles: [cache.clone(), cache.clone(), cache],
            clock,
            start,
            keys: (0..setup.keys).map(|index| format!("key {index}")).collect(),
            states: vec![State::new(rules); setup.keys],
            held: Vec::new(),
            kept: Kept::default(),
            pool: Vec::new(),
            drawn: HashSet::new(),
            foreign,
            log,
            told: VecDeque::new(),
            weighed: vec![None; setup.keys],
            grew: false,
            unevicted: 0,
            done: Vec::new(),
        }
    }

    fn run(mut self, script: &[Bytes]) {
        for &bytes in script {
            self.step(bytes);
        }
        self.finish();
    }

    /// The kinds of steps: on a bare key, through a held `KeyLock`, on all keys, and about fills.
    fn step(&mut self, bytes: Bytes) {
        let [kind, key, ..] = bytes;
        let key = usize::from(key) % self.keys.len();
        match kind {
            0..=9 => self.advance(*choose(&TIMES, bytes[2])),
            10..=11 => self.concerning_all(Op::Clear, Need::Nobody),
            12..=13 => self.get_many(),
            14..=15 => self.compare_all(),
            16..=31 => self.lock_and_hold(key, bytes),
            32..=63 => self.use_held(bytes),
            64..=75 => self.read_across(key, bytes),
            76..=79 => self.expire_due(),
            80..=87 => self.set_bound(u64::from(bytes[2] % 24)),
            88..=139 => self.fill_step(key, bytes),
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
        if matches!(op, Op::Get | Op::Read | Op::ContainsKey | Op::GetWithCas | Op::SessionGet) {
            let missed = self.states[key].expired.is_some_and(|_| self.setup.listens);
            assert!(!missed, "a look-up did not make the expiry real\n{self:?}");
        }
        response
    }

    /// Compares one call on one key, and what else it did.
    fn compare(&mut self, key: usize, op: Op, response: Response) {
        self.check(key, op, response);
        self.settle(Need::Key(key));
    }

    /// Compares what a call answered, and which removals of its own key it has told.
    fn check(&mut self, key: usize, op: Op, response: Response) {
        self.done.push((key, op, response));
        self.listen();
        let overdue = self.states[key].expired;
        if overdue.is_some_and(|entry| self.next_expiry(key).is_some_and(|told| told.is_of(&entry)))
        {
            self.expect_expiry(key);
        }
        let drawn = self.states[key].drawn.len();
        if let Err(expected) = self.states[key].apply(&op, &response) {
            panic!("the last step should have said {expected:?}\n{self:?}");
        }
        let state = &self.states[key];
        let weight = state.entry.or(state.expired).map(|entry| entry.weight);
        self.grew = state.stored && weight > self.weighed[key];
        self.unevicted = self.load();
        for &fresh in &self.states[key].drawn[drawn..] {
            assert!(self.drawn.insert(fresh), "{fresh:?} was another key's already\n{self:?}");
        }
        if let Some(cas) = response.cas() {
            self.pool.push(cas);
        }
        if let Some((entry, cause)) = self.states[key].gone.filter(|_| self.setup.listens) {
            let told = self.take_told(key);
            let is_it = told.as_ref().is_some_and(|told| told.cause == cause && told.is_of(&entry));
            assert!(is_it, "told {told:?}, not {cause:?} of {entry:?}\n{self:?}");
        }
        self.expect_expiry(key);
    }

    fn listen(&mut self) {
        self.told.extend(self.log.lock().expect("listeners do not panic").drain(..));
    }

    /// The first removal of `key` that the model does not know of.
    fn take_told(&mut self, key: usize) -> Option<Told> {
        let index = self.told.iter().position(|told| told.key == key)?;
        self.told.remove(index)
    }

    /// The expiry that is the next that is told of `key`, if it is one.
    fn next_expiry(&self, key: usize) -> Option<&Told> {
        let next = self.told.iter().find(|told| told.key == key)?;
        (next.cause == Cause::Expired).then_some(next)
    }

    /// If the next that is told of `key` is an expiry, it must be one.
    fn expect_expiry(&mut self, key: usize) {
        if self.next_expiry(key).is_some() {
            let told = self.take_told(key).expect("found just now");
            let expired = self.states[key].expired.take();
            let is_it = expired.is_some_and(|entry| told.is_of(&entry));
            assert!(is_it, "{told:?}, but {expired:?} has expired\n{self:?}");
        }
    }

    /// Tells the model what a step did to other keys, and checks that it had to be and is enough.
    fn settle(&mut self, need: Need) {
        let may_evict = match need {
            Need::Nobody => false,
            Need::Key(_) => self.grew,
            Need::Bound => true,
        };
        self.listen();
        if !self.setup.listens && self.setup.bound != Bound::None {
            self.look_for_evicted();
        }
        let mut evicted = Vec::new();
        while let Some(told) = self.told.pop_front() {
            if told.cause == Cause::Evicted {
                assert!(may_evict, "nobody needed room: {told:?}\n{self:?}");
                evicted.push(self.evict(&told, need));
            } else {
                self.told.push_front(told.clone());
                self.expect_expiry(told.key);
                assert_ne!(self.told.front(), Some(&told), "nobody did this\n{self:?}");
            }
        }
        for gone in &evicted {
            self.assert_locked_goes_last(gone, need);
        }
        self.assert_room_was_needed(&evicted);
        self.assert_within_bound();
        self.weighed =
            self.states.iter().map(|state| state.entry.map(|entry| entry.weight)).collect();
    }

    /// Without a listener it takes a look to learn who is gone. It also ends what has expired.
    fn look_for_evicted(&mut self) {
        for key in 0..self.keys.len() {
            let is_there = self.handles[0].contains_key(&self.keys[key]);
            let state = &mut self.states[key];
            state.expired = None;
            match state.entry {
                Some(entry) if !is_there => {
                    let (value, cas) = (entry.value, entry.stamp);
                    self.told.push_back(Told { key, value, cas, cause: Cause::Evicted });
                }
                entry => assert_eq!(is_there, entry.is_some(), "{key} is there\n{self:?}"),
            }
        }
    }

    /// The model's entry of the key goes.
    fn evict(&mut self, told: &Told, need: Need) -> Entry {
        let key = told.key;
        assert_ne!(need, Need::Key(key), "a write evicts its own key\n{self:?}");
        let state = &mut self.states[key];
        let gone = state.evict().filter(|gone| told.is_of(gone));
        let gone = gone.unwrap_or_else(|| panic!("{told:?}\n{self:?}"));
        assert_ne!(gone.weight, 0, "what weighs nothing is pinned: {told:?}\n{self:?}");
        // Without a listener it is not known who went first.
        if self.setup.listens {
            self.assert_locked_goes_last(&gone, need);
        }
        gone
    }

    /// A locked entry goes only if all others of its stripe are locked, or are not to go at all.
    fn assert_locked_goes_last(&self, gone: &Entry, need: Need) {
        let now = self.states[0].now;
        let is_locked = |entry: &Entry| entry.lock.is_some_and(|lock| now < lock.until);
        if !is_locked(gone) || self.stripes() > 1 {
            return;
        }
        let others = self.states.iter().enumerate().filter(|(other, _)| need != Need::Key(*other));
        let mut others = others.filter_map(|(_, state)| state.entry.or(state.expired));
        let spared = others.find(|entry| entry.weight > 0 && !is_locked(entry));
        assert_eq!(spared, None, "{gone:?} was locked, but not all others\n{self:?}");
    }

    /// Whoever was evicted last had to go: there was too much with it. Without a listener it is not
    /// known who was the last.
    fn assert_room_was_needed(&self, evicted: &[Entry]) {
        let weights = evicted.iter().map(|entry| u64::from(entry.weight));
        let last =
            if self.setup.listens { weights.clone().next_back() } else { weights.clone().max() };
        let Some(max) = self.states[0].rules.max else { return };
        if let (Some(last), 1) = (last, self.stripes()) {
            let before = self.unevicted;
            let after = before - weights.sum::<u64>();
            assert!(after + last > max, "{before} to {after} of {max}\n{self:?}");
        }
    }

    /// What the cache holds, as far as the model knows.
    fn load(&self) -> u64 {
        let entries = self.states.iter().filter_map(|state| state.entry.or(state.expired));
        entries.map(|entry| u64::from(entry.weight)).sum()
    }

    fn count(&self) -> usize {
        self.states.iter().filter(|state| state.entry.or(state.expired).is_some()).count()
    }

    fn live(&self) -> usize {
        self.states.iter().filter(|state| state.entry.is_some()).count()
    }

    fn stripes(&self) -> usize {
        if let Bound::Entries(_) = self.setup.bound { 1 } else { self.setup.stripes }
    }

    fn assert_within_bound(&mut self) {
        let (len, most) = (self.cache(0).len(), self.count());
        // Where nobody listens, what has expired may be there or not.
        let least = if self.setup.listens { most } else { self.live() };
        assert!((least..=most).contains(&len), "{len} entries, not {least} to {most}\n{self:?}");
        let Some(max) = self.states[0].rules.max else { return };
        let load = self.load();
        assert!(load <= max, "{load} of {max}\n{self:?}");
        if self.done.len() % 8 == 0 {
            let stats = self.cache(0).stats();
            assert_eq!((stats.weight, stats.bound), (load, Some(max)), "{self:?}");
            // Whoever asks takes a few of the expired along.
            self.listen();
            for key in 0..self.keys.len() {
                self.expect_expiry(key);
            }
            assert!(self.told.is_empty(), "{self:?}");
        }
    }

    fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        for key in 0..self.keys.len() {
            self.states[key].apply(&Op::Advance(by), &Response::Done).expect("time passes");
        }
        self.done.push((0, Op::Advance(by), Response::Done));
        self.settle(Need::Nobody);
    }

    /// An operation that has the same effect on every key.
    fn concerning_all(&mut self, op: Op, need: Need) {
        let before = self.load();
        let response = execute(self.cache(0), &self.keys[0], &op, self.start);
        for key in 0..self.keys.len() {
            self.check(key, op, response);
        }
        self.unevicted = before;
        self.settle(need);
    }

    fn set_bound(&mut self, max: u64) {
        if self.setup.bound == Bound::None {
            return;
        }
        if max == 0 {
            assert_eq!(self.cache(0).set_bound(0), Err(BuildError::Bound));
        } else {
            self.concerning_all(Op::SetBound(max), Need::Bound);
        }
    }

    /// Afterwards nothing is there that has expired.
    fn expire_due(&mut self) {
        let overdue = self.count() - self.live();
        let found = self.cache(0).expire_due() as usize;
        for key in 0..self.keys.len() {
            self.check(key, Op::ExpireDue, Response::Done);
            let left = self.states[key].expired.take();
            assert!(left.is_none() || !self.setup.listens, "{left:?} is left\n{self:?}");
        }
        let least = if self.setup.listens { overdue } else { 0 };
        assert!((least..=overdue).contains(&found), "{found} were found, not {overdue}\n{self:?}");
        self.settle(Need::Nobody);
    }

    fn get_many(&mut self) {
        let values = self.cache(0).get_many(&self.keys);
        assert_eq!(values.len(), self.keys.len());
        for (key, value) in values.iter().enumerate() {
            self.check(key, Op::GetMany, Response::Value(value.as_ref().map(V::number)));
        }
        self.settle(Need::Nobody);
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
                self.check(key, Op::GetWithCas, Response::Versioned(entry));
            }
        }
        self.settle(Need::Nobody);
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
                if stored.is_ok() {
                    self.compare(key, op, Response::Stored(stored));
                } else {
                    // The lock is gone with its handle.
                    self.check(key, op, Response::Stored(stored));
                    self.compare(key, Op::DropLock(token), Response::Done);
                }
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
        let live = self.live();
        assert_eq!(self.cache(0).len(), live, "{self:?}");
        assert_eq!(self.cache(0).is_empty(), live == 0);
        assert_eq!(self.cache(0).stats().entries, live as u64, "{self:?}");
        self.cache(0).validate();
        assert_eq!(self.told, [], "{self:?}");
        self.concerning_all(Op::Clear, Need::Nobody);
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
            0..=5 => entry.map(|entry| entry.stamp).filter(|&stamp| stamp != unseen()),
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

/// A listener that keeps what it is told.
fn write_down<V: Value>(
    log: Arc<Mutex<Vec<Told>>>,
) -> impl Fn(&caskade::Removal<'_, String, V>) + Send + Sync + 'static {
    move |removal| {
        let number = removal.key().strip_prefix("key ").and_then(|number| number.parse().ok());
        log.lock().expect("listeners do not panic").push(Told {
            key: number.expect("a known key"),
            value: removal.value().number(),
            cas: removal.cas(),
            cause: removal.cause(),
        });
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
