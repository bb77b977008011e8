//! The steps about fills: look-ups, tokens and marks, invalidations, fences, transactions and loads.

use std::hash::BuildHasher;
use std::time::Duration;

use caskade::{Expiry, Fence, Refusal};

use super::{Bound, Bytes, LIVES, Need, Runner, TIMES, choose};
use crate::common::execute::{Right, Value, fill, get_or_load, look_up};
use crate::common::model::{Life, Looked, Op, Response};

/// What a caller of several steps keeps from one to the other, each with its number.
pub(super) struct Kept<V: Value, S: BuildHasher> {
    given: u64,
    /// With the key that the token is for; marks are for all.
    rights: Vec<(u64, Option<usize>, Right)>,
    fences: Vec<Standing<V, S>>,
}

/// A fence around these keys.
struct Standing<V: Value, S: BuildHasher> {
    number: u64,
    keys: Vec<usize>,
    /// Around all keys.
    all: bool,
    fence: Fence<String, V, S>,
}

impl<V: Value, S: BuildHasher> Default for Kept<V, S> {
    fn default() -> Self {
        Self { given: 0, rights: Vec::new(), fences: Vec::new() }
    }
}

impl<V: Value, S: BuildHasher> Kept<V, S> {
    fn number(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    /// Few, so that they are used.
    fn keep(&mut self, number: u64, key: Option<usize>, right: Right) {
        if self.rights.len() == 6 {
            self.rights.remove(0);
        }
        self.rights.push((number, key, right));
    }
}

impl<V: Value, S: BuildHasher> Runner<V, S> {
    pub(super) fn fill_step(&mut self, key: usize, bytes: Bytes) {
        let [_, _, choice, which, ..] = bytes;
        match choice % 24 {
            0..=2 => _ = self.look_up(key),
            3 => self.look_up_twice(key),
            4..=8 => self.fill(key, bytes),
            9 => self.mark(),
            10 => _ = self.apply(key, Op::Invalidate),
            11 => self.invalidate_many(key, which),
            12 => self.remove_if(which),
            13..=14 => _ = self.apply(key, Op::MarkStale),
            15 | 16 if self.kept.fences.len() > 1 => self.release(which),
            15 => self.fence(key, bytes),
            16 => self.fence_all(*choose(&TIMES, which)),
            17 => self.release(which),
            18..=19 => self.transaction(key, bytes),
            20..=22 => self.load_one(key, bytes),
            _ => self.load_many(key, bytes),
        }
    }

    /// Compares a call that concerns fills of `key`, whose floor others may share. If it began one,
    /// time has passed for all.
    fn check_fill(&mut self, key: usize, op: Op, response: Response) {
        let others = self.states.iter().enumerate().filter(|&(other, _)| other != key);
        let neighbours = others.map(|(_, state)| state.fills.floor).max().unwrap_or(0);
        self.states[key].fills.neighbours = neighbours;
        self.check(key, op, response);
        let begun = self.states[key].fills.begun;
        for state in &mut self.states {
            state.fills.begun = begun;
        }
    }

    /// Says whether there is an entry that is due for a refresh.
    fn look_up(&mut self, key: usize) -> bool {
        let number = self.kept.number();
        let (response, right) = look_up(self.cache(key), &self.keys[key]);
        self.check_fill(key, Op::Lookup(number), response);
        self.settle(Need::Nobody);
        if let Some(token) = right {
            self.kept.keep(number, Some(key), token);
        }
        matches!(response, Response::LookedUp(Looked::Stale(..)))
    }

    /// Whoever comes second has no right to refresh.
    fn look_up_twice(&mut self, key: usize) {
        if !self.look_up(key) {
            self.apply(key, Op::MarkStale);
            self.look_up(key);
        }
        self.look_up(key);
    }

    fn mark(&mut self) {
        let number = self.kept.number();
        let mark = self.cache(0).mark();
        for key in 0..self.keys.len() {
            self.check(key, Op::Mark(number), Response::Done);
        }
        self.settle(Need::Nobody);
        self.kept.keep(number, None, Right::Mark(mark));
    }

    /// Fills with a kept token or mark.
    fn fill(&mut self, key: usize, bytes: Bytes) {
        let [_, _, _, which, value, life, time, other] = bytes;
        if self.kept.rights.is_empty() {
            self.look_up(key);
            return;
        }
        // More often than not the newest, which nothing has come in the way of.
        let back = which.trailing_ones() as usize % self.kept.rights.len();
        let place = self.kept.rights.len() - 1 - back;
        let (number, owner, right) = self.kept.rights.remove(place);
        let value = self.value(value);
        if owner.is_some_and(|owner| owner != key) && other % 8 == 0 && !self.setup.constant_hash {
            return self.fill_with_wrong_token(key, right, value);
        }
        let key = owner.unwrap_or(key);
        let life = self.life(key, life, time);
        if let Right::Mark(mark) = &right {
            self.kept.keep(number, None, Right::Mark(mark.clone()));
        }
        let expiry = life.expiry(self.start);
        let response = fill(self.cache(key), &self.keys[key], right, value, expiry);
        self.check_fill(key, Op::Fill(number, value, life), response);
        self.settle(Need::Key(key));
    }

    fn fill_with_wrong_token(&mut self, key: usize, right: Right, value: u64) {
        let expiry = Expiry::Never;
        let response = fill(self.cache(key), &self.keys[key], right, value, expiry);
        let refused = Response::Stored(Err(Refusal::WrongToken));
        assert_eq!(response, refused, "a token of another key\n{self:?}");
    }

    /// The key and some of those after it, each once.
    fn some_keys(&self, key: usize, count: u8) -> Vec<usize> {
        let count = (1 + usize::from(count % 3)).min(self.keys.len());
        (key..key + count).map(|key| key % self.keys.len()).collect()
    }

    fn names(&self, keys: &[usize]) -> Vec<String> {
        keys.iter().map(|&key| self.keys[key].clone()).collect()
    }

    /// These keys were invalidated; what each of them answered is not known.
    fn check_invalidated(&mut self, keys: &[usize]) {
        for &key in keys {
            let was_there = self.states[key].entry.is_some();
            self.check(key, Op::Invalidate, Response::Is(was_there));
        }
    }

    fn invalidate_many(&mut self, key: usize, count: u8) {
        let keys = self.some_keys(key, count);
        let there = keys.iter().filter(|&&key| self.states[key].entry.is_some()).count();
        let found = self.cache(key).invalidate_many(&self.names(&keys));
        assert_eq!(found, there, "{self:?}");
        self.check_invalidated(&keys);
        self.settle(Need::Nobody);
    }

    fn remove_if(&mut self, choice: u8) {
        let op = Op::RemoveIf { odd: choice & 1 == 1, breaks_locks: choice & 2 == 2 };
        self.concerning_all(op, Need::Nobody);
    }

    fn fence(&mut self, key: usize, bytes: Bytes) {
        if self.setup.constant_hash {
            return self.fence_all(*choose(&TIMES, bytes[6])); // It would be around all, too.
        }
        let (number, time) = (self.kept.number(), *choose(&TIMES, bytes[6]));
        let keys = self.some_keys(key, bytes[3]);
        let fence = self.cache(key).fence(&self.names(&keys), time);
        for &key in &keys {
            self.check(key, Op::Fence(number, time), Response::Done);
        }
        self.settle(Need::Nobody);
        self.kept.fences.push(Standing { number, keys, all: false, fence });
    }

    fn fence_all(&mut self, time: Duration) {
        let number = self.kept.number();
        let fence = self.cache(0).fence_all(time);
        let keys: Vec<usize> = (0..self.keys.len()).collect();
        for &key in &keys {
            self.check(key, Op::Clear, Response::Done);
            self.check(key, Op::Fence(number, time), Response::Done);
        }
        self.settle(Need::Nobody);
        self.kept.fences.push(Standing { number, keys, all: true, fence });
    }

    fn release(&mut self, which: u8) {
        if self.kept.fences.is_empty() {
            return;
        }
        let place = usize::from(which) % self.kept.fences.len();
        let Standing { number, keys, all, fence } = self.kept.fences.remove(place);
        let stands = self.states[keys[0]].has_fence(number);
        assert_eq!(fence.release(), stands, "whether the fence has stood until now\n{self:?}");
        for key in keys {
            let was_there = Response::Is(self.states[key].is_there());
            match (stands, all) {
                (true, _) => self.check(key, Op::Release(number), Response::Done),
                (false, true) => self.check(key, Op::Clear, Response::Done),
                (false, false) => self.check(key, Op::Invalidate, was_there),
            }
        }
        self.settle(Need::Nobody);
    }

    /// Nothing happens until it is decided.
    fn transaction(&mut self, key: usize, bytes: Bytes) {
        let [_, _, _, which, _, end, _, all] = bytes;
        let keys = self.some_keys(key, which);
        let mut transaction = self.cache(key).transaction();
        self.names(&keys).into_iter().for_each(|name| transaction.invalidate(name));
        let is_of_all = all % 4 == 0;
        if is_of_all {
            transaction.invalidate_all();
        }
        self.apply(key, Op::GetWithCas);
        match end % 3 {
            0 => return transaction.rollback(),
            1 => transaction.commit(),
            _ => drop(transaction),
        }
        if is_of_all {
            (0..self.keys.len()).for_each(|key| self.check(key, Op::Clear, Response::Done));
        } else {
            self.check_invalidated(&keys);
        }
        self.settle(Need::Nobody);
    }

    /// A loader that brings something, fails, or does something about its key first.
    fn load_one(&mut self, key: usize, bytes: Bytes) {
        let [_, _, _, meanwhile, value, life, time, end] = bytes;
        let (number, value) = (self.kept.number(), self.value(value));
        let life = match end % 8 {
            0 => None,
            1..=3 => Some(Life::Default),
            4 => Some(Life::After(*choose(&LIVES, time))),
            _ => Some(self.life(key, life, time)),
        };
        let brought = (end % 16 != 15).then_some((value, life));
        let (handle, name, start) = (self.cache(key).clone(), self.keys[key].clone(), self.start);
        let mut began = None;
        let loaded = get_or_load(&handle, &name, start, time & 1 == 0, || {
            self.check_fill(key, Op::Join(number, value), Response::Done);
            self.settle(Need::Nobody);
            match meanwhile % 8 {
                0 => _ = self.apply(key, Op::Invalidate),
                1 => _ = self.apply(key, Op::MarkStale),
                2..=3 => {
                    let op = self.op(key, [meanwhile / 4, 0, bytes[5], 0, 5, 0, time, end]);
                    self.apply(key, op);
                }
                _ => {}
            }
            began = Some(self.fills_refused());
            brought
        });
        let Some(refused_before) = began else {
            self.check_fill(key, Op::Join(number, value), Response::Value(loaded));
            return self.settle(Need::Nobody);
        };
        assert_eq!(loaded, brought.map(|(value, _)| value), "{self:?}");
        self.states[key].refuses_loads = self.fills_refused() > refused_before;
        let (op, response) = concluded(number, loaded, life);
        self.check_fill(key, op, response);
        self.settle(Need::Key(key));
        self.apply(key, Op::GetWithCas);
    }

    fn fills_refused(&self) -> u64 {
        self.cache(0).stats().fills_refused
    }

    /// Several keys at once. Where there is a bound, nobody could tell who had to go for whom.
    fn load_many(&mut self, key: usize, bytes: Bytes) {
        let [_, _, _, count, value, _, _, forgets] = bytes;
        if self.setup.bound != Bound::None {
            return self.load_one(key, bytes);
        }
        let keys = self.some_keys(key, count);
        // So that every stamp is known that was there before.
        keys.iter().for_each(|&key| _ = self.apply(key, Op::GetWithCas));
        let (names, handle, value) =
            (self.names(&keys), self.cache(key).clone(), self.value(value));
        let mut asked = Vec::new();
        let forgotten = usize::from(forgets) % 4;
        let values = handle.get_many_or_load(&names, |missing| {
            asked = names.iter().map(|name| missing.contains(&name)).collect();
            let brought = names.iter().enumerate().filter(|&(place, _)| place != forgotten);
            brought.map(|(_, name)| (name.clone(), V::of(value))).collect::<Vec<_>>()
        });
        asked.resize(keys.len(), false);
        let values: Vec<_> = values.iter().map(|value| value.as_ref().map(V::number)).collect();
        let numbers: Vec<u64> = keys.iter().map(|_| self.kept.number()).collect();
        for (place, &key) in keys.iter().enumerate() {
            let served = Response::Value(values[place]);
            let response = if asked[place] { Response::Done } else { served };
            self.check_fill(key, Op::Join(numbers[place], value), response);
        }
        for (place, &key) in keys.iter().enumerate().filter(|&(place, _)| asked[place]) {
            let shown = self.cache(key).get_with_cas(&self.keys[key]).and_then(|found| found.cas());
            self.states[key].refuses_loads = shown.is_none_or(|cas| self.drawn.contains(&cas));
            let (op, response) = concluded(numbers[place], values[place], Some(Life::Default));
            self.check_fill(key, op, response);
            assert_eq!(values[place], (place != forgotten).then_some(value), "{self:?}");
        }
        self.settle(Need::Nobody);
        keys.iter().for_each(|&key| _ = self.apply(key, Op::GetWithCas));
    }
}

/// How a load ends that returns this.
fn concluded(number: u64, returned: Option<u64>, life: Option<Life>) -> (Op, Response) {
    match returned {
        Some(value) => (Op::Conclude(number, value, life), Response::Value(Some(value))),
        None => (Op::GiveUp(number), Response::Done),
    }
}
