//! Threads work on few keys; what they saw must be explained by the sequential model.
//!
//! Histories are short and many. Threads that are not stopped on purpose overlap seldom, so this
//! finds what happens often; the rare orders are the business of the model checkers.

#[expect(dead_code, reason = "bounds are the business of the property test")]
mod common;
#[path = "common/wgl.rs"]
mod wgl;

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::RandomState;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use caskade::{
    Cache, Cas, Clock, Expiry, Fence, LockError, ManualClock, Refusal, SystemClock, Updated,
};
use common::execute::{Right, Value, execute, fill, get_or_load, look_up};
use common::model::{Change, Condition, Life, Looked, Op, Response, Rules, State, Step, Taken};
use wgl::{Timed, is_linearizable};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const RULES: Rules = Rules {
    time_to_live: None,
    default_lock_time: seconds(2),
    max_lock_time: seconds(3),
    grace: Duration::ZERO,
    refresh_ahead: Duration::ZERO,
    load_time: seconds(1000), // Longer than any round, so that nobody loads beside a loader.
    max: None,
    weigh: None,
};

/// The checker itself, on histories written by hand. Each is given as `(op, response, from, to)`.
mod checker {
    use super::*;

    fn cas(number: u64) -> Cas {
        Cas::try_from(number).expect("a stamp")
    }

    fn stored(number: u64) -> Response {
        Response::Stored(Ok(cas(number)))
    }

    fn versioned(value: u64, stamp: u64) -> Response {
        Response::Versioned(Some((value, Some(cas(stamp)))))
    }

    fn masked(value: u64) -> Response {
        Response::Versioned(Some((value, None)))
    }

    fn insert(value: u64) -> Op {
        Op::Insert(value, Life::Default)
    }

    fn swap(seen: u64, value: u64) -> Op {
        Op::CompareAndSwap(cas(seen), value, Life::Default)
    }

    /// The response to a lock taken for a second.
    fn locked(token: u64) -> Response {
        Response::Locked(Ok(Taken { token: cas(token), value: 1, until: seconds(1) }))
    }

    fn explained(history: &[(Op, Response, u64, u64)]) -> bool {
        let start = SystemClock.now();
        let at = |second| start + seconds(second);
        let timed = |&(op, response, from, to): &(Op, Response, u64, u64)| Timed {
            op,
            response,
            invoked: at(from),
            returned: at(to),
        };
        is_linearizable(&State::new(RULES), &history.iter().map(timed).collect::<Vec<_>>())
    }

    #[test]
    fn an_overlapping_read_may_see_either_value() {
        for seen in [versioned(1, 10), versioned(2, 20)] {
            assert!(explained(&[
                (insert(1), stored(10), 0, 1),
                (insert(2), stored(20), 2, 5),
                (Op::GetWithCas, seen, 3, 4),
            ]));
        }
    }

    #[test]
    fn an_order_is_found_that_differs_from_the_order_of_calls() {
        assert!(explained(&[
            (swap(20, 3), stored(30), 0, 9),
            (insert(1), stored(10), 1, 9),
            (swap(10, 2), stored(20), 2, 9),
            (Op::Remove, Response::Removed(Ok(Some(3))), 3, 9),
        ]));
    }

    #[test]
    fn a_lost_update_is_rejected() {
        let add =
            |stamp, seen| Response::Updated(Ok(Updated::Stored(cas(stamp))), Some(Some(seen)));
        let first = (insert(0), stored(10), 0, 1);
        let add_one = Op::FetchUpdate(Change::Add(1));
        assert!(explained(&[first, (add_one, add(20, 0), 2, 5), (add_one, add(30, 1), 2, 5)]));
        assert!(!explained(&[first, (add_one, add(20, 0), 2, 5), (add_one, add(30, 0), 2, 5)]));
        assert!(!explained(&[
            first,
            (swap(10, 1), stored(20), 2, 5),
            (swap(10, 2), stored(30), 2, 5)
        ]));
    }

    #[test]
    fn a_stale_read_after_a_finished_write_is_rejected() {
        let history = |from| {
            explained(&[
                (insert(1), stored(10), 0, 1),
                (insert(2), stored(20), 2, 3),
                (Op::Get, Response::Value(Some(1)), from, 6),
            ])
        };
        assert!(history(3));
        assert!(!history(4));
    }

    #[test]
    fn two_reads_that_see_two_writes_in_different_orders_are_rejected() {
        let one = (insert(1), stored(10), 0, 9);
        let two = (insert(2), stored(20), 0, 9);
        let get = |value, from| (Op::Get, Response::Value(Some(value)), from, from + 1);
        assert!(explained(&[one, two, get(1, 1), get(2, 3)]));
        assert!(explained(&[one, two, get(2, 1), get(1, 3)]));
        assert!(!explained(&[one, two, get(1, 1), get(2, 3), get(1, 5)]));
    }

    #[test]
    fn a_torn_pair_of_value_and_stamp_is_rejected() {
        let history = |value, stamp| {
            explained(&[
                (insert(1), stored(10), 0, 1),
                (Op::Count(Step::Increment, 1), Response::Counted(Ok((2, cas(20)))), 2, 5),
                (Op::GetWithCas, versioned(value, stamp), 2, 5),
            ])
        };
        assert!(history(1, 10) && history(2, 20));
        assert!(!history(1, 20));
        assert!(!history(2, 10));
    }

    #[test]
    fn a_stamp_that_comes_back_is_rejected() {
        let history = |again| {
            explained(&[
                (insert(1), stored(10), 0, 1),
                (Op::Discard, Response::Discarded(Ok(true)), 2, 3),
                (insert(1), stored(again), 4, 5),
            ])
        };
        assert!(history(20));
        assert!(!history(10));
    }

    #[test]
    fn a_token_that_was_a_version_is_rejected() {
        let history = |token| {
            explained(&[
                (insert(1), stored(10), 0, 1),
                (insert(1), stored(20), 2, 3),
                (Op::Lock(seconds(1)), locked(token), 4, 5),
            ])
        };
        assert!(history(30));
        assert!(!history(20));
        assert!(!history(10));
    }

    #[test]
    fn two_locks_at_once_are_rejected() {
        let lock = Op::Lock(seconds(1));
        let refused = Response::Locked(Err(LockError::Locked { remaining: seconds(1) }));
        let first = (insert(1), stored(10), 0, 1);
        assert!(explained(&[first, (lock, refused, 2, 5), (lock, locked(30), 2, 5)]));
        assert!(!explained(&[first, (lock, locked(20), 2, 5), (lock, locked(30), 2, 5)]));
    }

    /// Whoever decides without the stripe lock that a lock has lapsed produces these: a writer that
    /// read the clock before the deadline answers after a reader that read it later.
    #[test]
    fn a_lapse_that_only_a_reader_saw_is_rejected() {
        let first = (insert(1), stored(10), 0, 1);
        let lock = (Op::Lock(seconds(1)), locked(20), 2, 3);
        let advance = (Op::Advance(seconds(1)), Response::Done, 5, 6);
        let renew = (Op::RenewLock(cas(20), seconds(3)), Response::Renewed(Ok(seconds(3))), 4, 9);
        let get = |seen| (Op::GetWithCas, seen, 7, 8);
        assert!(explained(&[first, lock, advance, renew, get(masked(1))]));
        assert!(!explained(&[first, lock, advance, renew, get(versioned(1, 10))]));

        let remaining = seconds(1);
        let refused = Response::Stored(Err(Refusal::Locked { remaining }));
        let swap = |from| (swap(10, 2), refused, from, from + 5);
        assert!(explained(&[first, lock, advance, swap(4), get(versioned(1, 10))]));
        assert!(!explained(&[first, lock, advance, swap(7), get(versioned(1, 10))]));
    }

    /// A writer reads the clock, the clock moves, a reader misses, and only then the write is seen.
    #[test]
    fn a_life_counts_from_any_moment_of_the_call() {
        let put = Op::Put(Condition::Always, 1, Life::After(seconds(2)));
        let advance = |from| (Op::Advance(seconds(1)), Response::Done, from, from + 1);
        let get = |seen, from| (Op::Get, Response::Value(seen), from, from + 1);
        let history = |called| {
            explained(&[
                advance(2),
                (put, stored(10), called, 7),
                get(None, 4),
                get(Some(1), 8),
                advance(10),
                get(None, 12),
            ])
        };
        assert!(history(0) && history(3));
        assert!(!history(4));
    }

    #[test]
    fn a_fill_from_before_an_invalidation_is_rejected() {
        let history = |found, to, filled| {
            explained(&[
                (Op::Lookup(1), Response::LookedUp(Looked::Miss), 0, 1),
                (Op::Invalidate, Response::Is(found), 2, to),
                (Op::Fill(1, 7, Life::Default), filled, 4, 5),
            ])
        };
        let refused = Response::Stored(Err(Refusal::Invalidated));
        assert!(history(false, 3, refused) && history(false, 6, refused));
        assert!(history(true, 6, stored(10)));
        assert!(!history(false, 6, stored(10)) && !history(false, 3, stored(10)));
    }

    #[test]
    fn a_fill_that_is_refused_for_nothing_is_rejected() {
        let looked_up = (Op::Lookup(1), Response::LookedUp(Looked::Miss), 0, 1);
        let fill = Op::Fill(1, 7, Life::Default);
        assert!(explained(&[looked_up, (fill, stored(10), 2, 3)]));
        assert!(!explained(&[
            looked_up,
            (fill, Response::Stored(Err(Refusal::Invalidated)), 2, 3)
        ]));
        let get = (Op::Get, Response::Value(Some(7)), 0, 3);
        assert!(!explained(&[looked_up, get]), "from nowhere");
    }

    #[test]
    fn who_waits_gets_what_is_loaded_and_who_comes_after_an_invalidation_does_not() {
        let loaded = Response::Value(Some(7));
        let history = |life, followed, invalidated| {
            explained(&[
                (Op::Join(1, 7), Response::Done, 0, 1),
                (Op::Join(2, 8), loaded, followed, 9),
                (Op::Invalidate, Response::Is(false), invalidated, invalidated + 1),
                (Op::Conclude(1, 7, life), loaded, 6, 7),
                (Op::Get, Response::Value(None), 8, 9),
            ])
        };
        for life in [None, Some(Life::Default)] {
            assert!(history(life, 2, 2) && history(life, 3, 2));
            assert!(!history(life, 4, 2));
        }
        assert!(history(None, 6, 20), "it came while the load was under way");
        assert!(!history(None, 8, 20), "nothing is there, and nobody loads");
        assert!(!history(Some(Life::Default), 2, 20), "what was loaded is not there");
    }
}

/// A small generator of random numbers; the same seed gives the same round, as far as the
/// scheduler allows.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// What kinds of operations there are. A round uses a few of them, so that they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    ReadVersioned,
    ReadIfChanged,
    Insert,
    InsertExpiring,
    Add,
    Replace,
    Swap,
    Remove,
    RemoveUnchanged,
    Touch,
    Update,
    FetchUpdate,
    Lock,
    Unlock,
    Renew,
    LockRemaining,
    Count,
    CountOrInsert,
    Clear,
    Advance,
    Lookup,
    Mark,
    Fill,
    Load,
    Invalidate,
    MarkStale,
    Fence,
}

const KINDS: [Kind; 28] = [
    Kind::Read,
    Kind::ReadVersioned,
    Kind::ReadIfChanged,
    Kind::Insert,
    Kind::InsertExpiring,
    Kind::Add,
    Kind::Replace,
    Kind::Swap,
    Kind::Remove,
    Kind::RemoveUnchanged,
    Kind::Touch,
    Kind::Update,
    Kind::FetchUpdate,
    Kind::Lock,
    Kind::Unlock,
    Kind::Renew,
    Kind::LockRemaining,
    Kind::Count,
    Kind::CountOrInsert,
    Kind::Clear,
    Kind::Advance,
    Kind::Lookup,
    Kind::Mark,
    Kind::Fill,
    Kind::Load,
    Kind::Invalidate,
    Kind::MarkStale,
    Kind::Fence,
];

fn op<V: Value>(kind: Kind, known: &[Cas], dice: &mut Dice) -> Op {
    let cas = dice.one_of(known);
    let value = dice.below(1000) as u64;
    let short = seconds(1 + dice.below(2) as u64);
    let lives = [Life::Default, Life::Keep, Life::Never, Life::After(short), Life::At(short)];
    let life = dice.one_of(&lives);
    let condition = [Condition::Always, Condition::Present, Condition::Unchanged(cas)];
    let step = [Step::Increment, Step::Decrement, Step::CheckedIncrement, Step::CheckedDecrement];
    let change = [
        Change::Add(1),
        Change::Put(value),
        Change::PutWith(value, life),
        Change::Remove,
        Change::Keep,
    ];
    match kind {
        Kind::Read => dice.one_of(&[Op::Get, Op::Read, Op::GetMany, Op::ContainsKey]),
        Kind::ReadVersioned => dice.one_of(&[Op::GetWithCas, Op::SessionGet]),
        Kind::ReadIfChanged => Op::GetIfChanged(cas),
        Kind::Insert => Op::Insert(value, Life::Default),
        Kind::InsertExpiring => Op::Put(dice.one_of(&condition), value, Life::After(short)),
        Kind::Add => Op::Add(value),
        Kind::Replace => Op::Replace(value),
        Kind::Swap => Op::CompareAndSwap(cas, value, life),
        Kind::Remove => dice.one_of(&[Op::Remove, Op::Discard]),
        Kind::RemoveUnchanged => {
            dice.one_of(&[Op::CompareAndRemove(cas), Op::CompareAndDiscard(cas)])
        }
        Kind::Touch => {
            dice.one_of(&[Op::Touch(life), Op::CompareAndTouch(cas, life), Op::GetAndTouch(life)])
        }
        Kind::Update => Op::Update(dice.one_of(&change)),
        Kind::FetchUpdate => Op::FetchUpdate(dice.one_of(&change)),
        Kind::Lock => dice.one_of(&[Op::Lock(short), Op::LockWithin(short)]),
        Kind::Unlock => dice.one_of(&[Op::Unlock(cas), Op::DropLock(cas)]),
        Kind::Renew => Op::RenewLock(cas, short),
        Kind::LockRemaining => Op::LockRemaining,
        Kind::Count if V::COUNTS => Op::Count(dice.one_of(&step), 1),
        Kind::CountOrInsert if V::COUNTS => dice.one_of(&[
            Op::IncrementOrInsert(1, value, life),
            Op::DecrementOrInsert(1, value, life),
        ]),
        Kind::Count | Kind::CountOrInsert => Op::Update(Change::Add(1)),
        Kind::Clear => Op::Clear,
        Kind::Advance => Op::Advance(short),
        Kind::Invalidate => Op::Invalidate,
        Kind::MarkStale => Op::MarkStale,
        Kind::Lookup | Kind::Mark | Kind::Fill | Kind::Load | Kind::Fence => {
            unreachable!("they have something to keep")
        }
    }
}

const KEYS: [&str; 3] = ["a", "b", "c"];

/// An operation on `KEYS[.0]`; `Mark`, `Clear` and `Advance` concern all keys.
type Done = (usize, Timed);

/// One round: a cache, threads, and what they saw.
struct Round<V: Value> {
    cache: Cache<String, V, RandomState>,
    clock: ManualClock,
    start: Instant,
    rules: Rules,
    keys: usize,
    kinds: Vec<Kind>,
    /// Per thread.
    most_ops: usize,
    begun: Vec<Done>,
}

impl<V: Value> Round<V> {
    fn new(dice: &mut Dice, threads: usize) -> Self {
        let clock = ManualClock::new();
        let rules = Rules {
            time_to_live: dice.one_of(&[None, Some(seconds(2))]),
            grace: dice.one_of(&[Duration::ZERO, seconds(1)]),
            refresh_ahead: dice.one_of(&[Duration::ZERO, seconds(1)]),
            ..RULES
        };
        let mut builder = Cache::builder()
            .hasher(RandomState::new())
            .clock(clock.clone())
            .stripes(dice.one_of(&[1, 4]))
            .default_lock_time(rules.default_lock_time)
            .max_lock_time(rules.max_lock_time)
            .grace(rules.grace)
            .refresh_ahead(rules.refresh_ahead)
            .load_time(rules.load_time);
        if let Some(life) = rules.time_to_live {
            builder = builder.time_to_live(life);
        }
        let start = clock.now();
        let cache = builder.build().expect("the settings are valid");
        let mut kinds = vec![Kind::Read, Kind::ReadVersioned];
        if dice.below(2) == 0 {
            kinds
                .extend(dice.one_of(&[[Kind::Lookup, Kind::Fill], [Kind::Load, Kind::Invalidate]]));
        }
        kinds.extend((0..1 + dice.below(5)).map(|_| dice.one_of(&KINDS)));
        let keys = 1 + dice.below(KEYS.len());
        let (most_ops, begun) = (48 / threads, Vec::new());
        let mut round = Self { cache, clock, start, rules, keys, kinds, most_ops, begun };
        round.begun = round.begin(dice);
        round
    }

    /// Carries out an operation and takes the time before and after.
    fn timed(&self, key: usize, op: Op) -> Timed {
        timed(op, || match op {
            Op::Advance(by) => {
                self.clock.advance(by);
                Response::Done
            }
            _ => execute(&self.cache, KEYS[key], &op, self.start),
        })
    }

    /// An operation that hands out rights to fill, or uses them, or keeps others from it.
    fn fill(
        &self,
        key: usize,
        kind: Kind,
        rights: &mut Rights<V>,
        dice: &mut Dice,
    ) -> Vec<(usize, Timed)> {
        if kind == Kind::Fence {
            return vec![rights.release().unwrap_or_else(|| rights.put_up_fence(&self.cache, key))];
        }
        let cache = &self.cache;
        let number = rights.number();
        let value = dice.below(1000) as u64;
        let usable = rights.kept.iter().position(|(_, of, _)| of.is_none_or(|of| of == key));
        let steps = match (kind, usable) {
            (Kind::Load, _) => self.load(key, number, value, dice),
            (Kind::Mark, _) => vec![timed(Op::Mark(number), || {
                rights.kept.push((number, None, Right::Mark(cache.mark())));
                Response::Done
            })],
            (Kind::Fill, Some(place)) => {
                let (number, _, right) = rights.kept.swap_remove(place);
                let (life, expiry) = (Life::Default, Expiry::Default);
                let op = Op::Fill(number, value, life);
                vec![timed(op, || fill(cache, KEYS[key], right, value, expiry))]
            }
            _ => vec![timed(Op::Lookup(number), || {
                let (response, right) = look_up(cache, KEYS[key]);
                rights.kept.extend(right.map(|right| (number, Some(key), right)));
                response
            })],
        };
        steps.into_iter().map(|timed| (key, timed)).collect()
    }

    /// A load is one operation until its loader is called, and one from there on.
    fn load(&self, key: usize, number: u64, value: u64, dice: &mut Dice) -> Vec<Timed> {
        let life = dice.one_of(&[None, Some(Life::Default), Some(Life::Default)]);
        let brought = dice.one_of(&[None, Some((value, life)), Some((value, life))]);
        let invoked = SystemClock.now();
        let mut joined = None;
        let loaded = get_or_load(&self.cache, KEYS[key], self.start, false, || {
            joined = Some(SystemClock.now());
            (0..dice.below(3)).for_each(|_| std::thread::yield_now());
            brought
        });
        let returned = SystemClock.now();
        let join = Op::Join(number, value);
        let Some(called) = joined else {
            return vec![Timed { op: join, response: Response::Value(loaded), invoked, returned }];
        };
        let (op, response) = match brought {
            Some((value, life)) => (Op::Conclude(number, value, life), Response::Value(loaded)),
            None => (Op::GiveUp(number), Response::Done),
        };
        let join = Timed { op: join, response: Response::Done, invoked, returned: called };
        vec![join, Timed { op, response, invoked: called, returned }]
    }

    /// The first step on each key, before the threads start.
    fn begin(&self, dice: &mut Dice) -> Vec<Done> {
        let first = |key| {
            let op = if dice.below(4) == 0 { Op::Discard } else { Op::Insert(7, Life::Default) };
            (key, self.timed(key, op))
        };
        (0..self.keys).map(first).collect()
    }

    /// What one of the threads does. Only thread 0 moves the clock.
    fn work(&self, thread: usize, mut dice: Dice) -> Vec<Done> {
        let mut known: [Vec<Cas>; 3] = Default::default();
        for (key, first) in &self.begun {
            known[*key].push(Cas::try_from(5).expect("five is a stamp"));
            known[*key].extend(first.response.cas());
        }
        let count = 2 + dice.below(self.most_ops - 1);
        let mut rights = Rights { given: 1000 * thread as u64, kept: Vec::new(), fence: None };
        let mut done = Vec::with_capacity(count + 2);
        while done.len() < count {
            let key = dice.below(self.keys);
            let mut kind = dice.one_of(&self.kinds);
            if kind == Kind::Advance && thread != 0 {
                kind = Kind::Read;
            }
            let recent = &known[key][known[key].len().saturating_sub(3)..];
            let steps = match kind {
                Kind::Lookup | Kind::Mark | Kind::Fill | Kind::Load | Kind::Fence => {
                    self.fill(key, kind, &mut rights, &mut dice)
                }
                _ => vec![(key, self.timed(key, op::<V>(kind, recent, &mut dice)))],
            };
            known[key].extend(steps.iter().filter_map(|(_, timed)| timed.response.cas()));
            done.extend(steps);
        }
        done.extend(rights.release());
        done
    }

    /// The last steps, after the threads.
    fn end(&self) -> Vec<Done> {
        let last = |op| (0..self.keys).map(move |key| (key, self.timed(key, op)));
        last(Op::LockRemaining).chain(last(Op::GetWithCas)).collect()
    }

    fn check(&self, done: &[Done]) {
        let mut owners = HashMap::new();
        for key in 0..self.keys {
            let history: Vec<Timed> = done
                .iter()
                .filter(|(of, timed)| *of == key || concerns_all(&timed.op))
                .filter(|(_, timed)| !gave_up(timed))
                .map(|(_, timed)| *timed)
                .collect();
            let mut start = State::new(self.rules);
            if self.keys > 1 {
                start.fills.neighbours = u64::MAX; // Who shares a floor, and when, is not known.
            }
            if !is_linearizable(&start, &history) {
                panic!("no order explains this with {:?}:\n{}", self.rules, listing(&history));
            }
            for cas in history.iter().filter_map(|timed| timed.response.cas()) {
                let owner = *owners.entry(cas).or_insert(key);
                assert_eq!(owner, key, "{cas:?} was given to two keys");
            }
        }
    }
}

/// Carries out `act` and takes the time before and after.
fn timed(op: Op, act: impl FnOnce() -> Response) -> Timed {
    let invoked = SystemClock.now();
    let response = act();
    Timed { op, response, invoked, returned: SystemClock.now() }
}

/// What a thread may fill with, each with its number and its key; marks are for all. And its fence.
struct Rights<V: Value> {
    given: u64,
    kept: Vec<(u64, Option<usize>, Right)>,
    fence: Option<(u64, usize, Fence<String, V, RandomState>)>,
}

impl<V: Value> Rights<V> {
    fn number(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    /// For longer than any round.
    fn put_up_fence(&mut self, cache: &Cache<String, V, RandomState>, key: usize) -> Done {
        let (number, time) = (self.number(), seconds(1000));
        let put_up = timed(Op::Fence(number, time), || {
            self.fence = Some((number, key, cache.fence([KEYS[key]], time)));
            Response::Done
        });
        (key, put_up)
    }

    fn release(&mut self) -> Option<Done> {
        let (number, key, fence) = self.fence.take()?;
        let released = timed(Op::Release(number), || {
            fence.release();
            Response::Done
        });
        Some((key, released))
    }
}

fn concerns_all(op: &Op) -> bool {
    matches!(op, Op::Clear | Op::Advance(_) | Op::Mark(_))
}

/// An optimistic update that lost against another writer did nothing, and says so.
fn gave_up(timed: &Timed) -> bool {
    matches!((timed.op, timed.response), (Op::FetchUpdate(_), Response::Updated(Err(_), _)))
}

fn listing(history: &[Timed]) -> String {
    let start = history.iter().map(|timed| timed.invoked).min().expect("not empty");
    let mut history = history.to_vec();
    history.sort_by_key(|timed| timed.invoked);
    history.iter().fold(String::new(), |mut text, timed| {
        let (from, to) = (timed.invoked - start, timed.returned - start);
        let _ = writeln!(text, "  {from:?} to {to:?}: {:?} -> {:?}", timed.op, timed.response);
        text
    })
}

/// Where the threads of a test meet. They spin, so that they leave together.
struct Gate {
    threads: usize,
    arrived: AtomicUsize,
    broken: AtomicBool,
}

impl Gate {
    fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }

    fn pass(&self) {
        let number = self.arrived.fetch_add(1, Ordering::AcqRel);
        let all = (number / self.threads + 1) * self.threads;
        for spins in 0.. {
            if self.arrived.load(Ordering::Acquire) >= all {
                return;
            }
            assert!(!self.broken.load(Ordering::Relaxed), "another thread has panicked");
            if spins % 256 == 255 {
                std::thread::yield_now();
            }
        }
    }
}

/// Lets the other threads out if this one panics.
struct Member<'a>(&'a Gate);

impl Drop for Member<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// Rounds of each test, unless `CASKADE_ROUNDS` says how many: fewer under a sanitizer.
fn rounds() -> u64 {
    std::env::var("CASKADE_ROUNDS").map_or(30_000, |count| count.parse().expect("a number"))
}

/// Held by the test whose threads are running: they need the processors for themselves, or else
/// they seldom meet.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same threads for all rounds. Thread 0, which is the caller, prepares and checks.
fn histories_are_linearizable<V: Value>(threads: usize) {
    let _alone = alone();
    let rounds = rounds();
    let gate = Gate::new(threads);
    let current = RwLock::new(Round::<V>::new(&mut Dice(0), threads));
    let done = Mutex::new(Vec::new());
    let work = |seed: u64, thread: usize| {
        gate.pass();
        let mine = {
            let round = current.read().expect("no thread has panicked");
            gate.pass();
            round.work(thread, Dice((seed << 8) + thread as u64))
        };
        done.lock().expect("no thread has panicked").extend(mine);
        gate.pass();
    };
    std::thread::scope(|scope| {
        for thread in 1..threads {
            let (gate, work) = (&gate, &work);
            scope.spawn(move || {
                let _member = Member(gate);
                (0..rounds).for_each(|seed| work(seed, thread));
            });
        }
        let _member = Member(&gate);
        for seed in 0..rounds {
            let round = Round::new(&mut Dice(!seed), threads);
            *current.write().expect("no thread has panicked") = round;
            work(seed, 0);
            let round = current.read().expect("no thread has panicked");
            let seen = std::mem::take(&mut *done.lock().expect("no thread has panicked"));
            round.check(&[round.begun.clone(), seen, round.end()].concat());
        }
    });
}

#[test]
fn two_threads_on_numbers_are_linearizable() {
    histories_are_linearizable::<u64>(2);
}

#[test]
fn two_threads_on_texts_are_linearizable() {
    histories_are_linearizable::<String>(2);
}

#[test]
fn three_threads_on_numbers_are_linearizable() {
    histories_are_linearizable::<u64>(3);
}

#[test]
fn four_threads_on_texts_are_linearizable() {
    histories_are_linearizable::<String>(4);
}

/// Each thread takes the key's lock for its update and waits for it: nobody gives up, and nobody
/// writes in between.
#[test]
fn updates_that_take_turns_are_linearizable() {
    let _alone = alone();
    let clock = ManualClock::new();
    let start = clock.now();
    for _ in 0..rounds() / 20 {
        let cache = Cache::builder().clock(clock.clone()).build().expect("valid settings");
        let timed = |op| {
            let invoked = SystemClock.now();
            let response = execute::<u64, _>(&cache, KEYS[0], &op, start);
            Timed { op, response, invoked, returned: SystemClock.now() }
        };
        let mut history = vec![timed(Op::Insert(0, Life::Default))];
        let ops = [Op::FetchUpdateLocked(Change::Add(1)), Op::Get];
        let work = || (0..8).map(|index| timed(ops[index % 2])).collect::<Vec<_>>();
        std::thread::scope(|scope| {
            let workers = [(); 3].map(|()| scope.spawn(work));
            history.extend(workers.into_iter().flat_map(|worker| worker.join().expect("works")));
        });
        history.push(timed(Op::Get));
        assert_eq!(history[history.len() - 1].response, Response::Value(Some(12)));
        assert!(is_linearizable(&State::new(RULES), &history), "{}", listing(&history));
    }
}
