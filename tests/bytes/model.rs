//! The rules of a store of byte strings, one operation after the other, over an ordinary map.
//!
//! The model does not know which stamps a store draws. It is told what the store says it drew, and
//! insists that it is new.

use std::collections::{BTreeMap, BTreeSet};

/// Time in the model: half seconds since the store was made.
pub(crate) type Half = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
}

/// What is asked of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Get,
    Put(Put),
    Fetch(Fetch),
    Delete { cas: Option<u64>, invalidate: bool, touch: Option<i64>, clear: bool },
    Touch(i64),
    GetAndTouch(i64),
    Count { down: bool, delta: u64, vivify: Option<(u64, i64)>, cas: Option<u64> },
    Lock(u64),
    Unlock(u64),
    Flush(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) mode: Mode,
    pub(crate) value: Vec<u8>,
    pub(crate) flags: u32,
    pub(crate) exptime: i64,
    pub(crate) cas: Option<u64>,
    pub(crate) invalidate: bool,
    pub(crate) vivify: Option<i64>,
    pub(crate) stamp: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) touch: Option<i64>,
    pub(crate) vivify: Option<i64>,
    pub(crate) recache: Option<i64>,
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Miss,
    Hit(Seen),
    Fetched {
        seen: Seen,
        ttl: Option<u64>,
        stale: bool,
        role: Role,
        fetched: bool,
    },
    /// Stored under a stamp that the model has no opinion on.
    Stored,
    Number(u64),
    /// Locked, with what was read.
    Token(Seen),
    Done,
    /// What some protocols say of several of the following.
    NotStored,
    Absent,
    Exists,
    Changed,
    TooLarge,
    NotNumeric,
    Locked,
    NotLocked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) value: Vec<u8>,
    pub(crate) flags: u32,
    /// All ones for a locked item.
    pub(crate) cas: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    None,
    Won,
    Taken,
}

#[derive(Clone, Debug)]
struct Item {
    value: Vec<u8>,
    flags: u32,
    cas: u64,
    /// The second from which it is gone.
    end: Option<u64>,
    stale: bool,
    won: bool,
    fetched: bool,
    lock: Option<Lock>,
}

#[derive(Clone, Copy, Debug)]
struct Lock {
    token: u64,
    until: Half,
}

/// Whether an item under a key of one byte may be so large.
pub(crate) fn fits(value: usize, flags: u32) -> bool {
    OVERHEAD + 1 + value + if flags == 0 { 0 } else { 4 } <= ITEM_LIMIT
}

/// All items of a store.
#[derive(Debug, Default)]
pub(crate) struct Model {
    items: BTreeMap<u8, Item>,
    now: Half,
    /// The second at which all is flushed.
    flush: Option<u64>,
    /// Every stamp that the store has drawn.
    drawn: BTreeSet<u64>,
}

/// The largest item of the stores that are compared, key and overhead included.
pub(crate) const ITEM_LIMIT: usize = 160;

/// What an item takes beside key and value, without flags.
const OVERHEAD: usize = 59;

const DEFAULT_LOCK: u64 = 15;

impl Model {
    pub(crate) fn advance(&mut self, halves: Half) {
        self.now += halves;
    }

    fn second(&self) -> u64 {
        self.now / 2
    }

    fn end(&self, exptime: i64) -> Option<u64> {
        match exptime {
            0 => None,
            ..0 => Some(0),
            _ => Some(self.second() + exptime as u64),
        }
    }

    fn left(&self, end: Option<u64>) -> Option<u64> {
        end.map(|end| end.saturating_sub(self.second()))
    }

    /// Makes real what time has done.
    fn settle(&mut self) {
        let second = self.second();
        if self.flush.is_some_and(|at| at <= second) {
            self.items.clear();
            self.flush = None;
        }
        self.items.retain(|_, item| item.end.is_none_or(|end| end > second));
    }

    /// The stamp under which a look at the item shows it.
    fn seen(&self, item: &Item) -> Seen {
        let cas = if self.is_locked(item) { u64::MAX } else { item.cas };
        Seen { value: item.value.clone(), flags: item.flags, cas }
    }

    fn is_locked(&self, item: &Item) -> bool {
        item.lock.is_some_and(|lock| self.now < lock.until)
    }

    /// What the store must answer. Stamps that it draws are learnt by [`learn`](Self::learn).
    ///
    /// `drops`: whether a value that is too large ends the item that it was to replace.
    pub(crate) fn apply(&mut self, key: u8, op: &Op, drops: bool) -> Answer {
        self.settle();
        match op {
            Op::Get => self.get(key),
            Op::Put(put) => self.put(key, put, drops),
            Op::Fetch(fetch) => self.fetch(key, *fetch),
            &Op::Delete { cas, invalidate, touch, clear } => {
                self.delete(key, cas, invalidate, touch, clear)
            }
            &Op::Touch(exptime) => match self.touch(key, exptime) {
                Answer::Hit(_) => Answer::Done,
                Answer::Miss => Answer::Absent,
                other => other,
            },
            &Op::GetAndTouch(exptime) => self.touch(key, exptime),
            &Op::Count { down, delta, vivify, cas } => self.count(key, (down, delta), vivify, cas),
            &Op::Lock(seconds) => self.lock(key, seconds),
            &Op::Unlock(token) => self.unlock(key, token),
            &Op::Flush(delay) => self.flush(delay),
        }
    }

    /// The store says that the item has this stamp now, which it drew if `is_drawn`; or that this
    /// is the token of its lock.
    pub(crate) fn learn(&mut self, key: u8, cas: u64, is_drawn: bool) {
        if is_drawn {
            assert!(cas != 0 && cas != u64::MAX && self.drawn.insert(cas), "{cas} is not new");
        }
        if let Some(item) = self.items.get_mut(&key) {
            match &mut item.lock {
                Some(lock) if lock.token == 0 => lock.token = cas,
                _ => item.cas = cas,
            }
        }
    }

    /// Whether an item is there, without a look at it.
    pub(crate) fn has(&mut self, key: u8) -> bool {
        self.settle();
        self.items.contains_key(&key)
    }

    /// The stamp and the last token of an item that is there.
    pub(crate) fn stamps(&self, key: u8) -> (Option<u64>, Option<u64>) {
        let item = self.items.get(&key);
        (item.map(|item| item.cas), item.and_then(|item| item.lock).map(|lock| lock.token))
    }

    fn get(&mut self, key: u8) -> Answer {
        let Some(item) = self.items.get_mut(&key) else { return Answer::Miss };
        item.fetched = true;
        let item = item.clone();
        Answer::Hit(self.seen(&item))
    }

    fn put(&mut self, key: u8, put: &Put, drops: bool) -> Answer {
        if !fits(put.value.len(), put.flags) {
            if drops && self.items.get(&key).is_some_and(|item| !self.is_locked(item)) {
                self.items.remove(&key);
            }
            return Answer::TooLarge;
        }
        let joins = matches!(put.mode, Mode::Append | Mode::Prepend);
        let fresh = |end| Item {
            value: put.value.clone(),
            flags: put.flags,
            cas: put.stamp.unwrap_or(0),
            end,
            stale: false,
            won: false,
            fetched: false,
            lock: None,
        };
        let Some(old) = self.items.get(&key).cloned() else {
            let is_condition = put.cas.is_some() || put.mode == Mode::Replace;
            let end = match put.mode {
                Mode::Add => self.end(put.exptime),
                Mode::Set if !is_condition => self.end(put.exptime),
                _ if joins && put.vivify.is_some() => self.end(put.vivify.unwrap_or(0)),
                _ => return Answer::Absent,
            };
            self.items.insert(key, fresh(end));
            return Answer::Stored;
        };
        if put.mode == Mode::Add {
            return Answer::Exists;
        }
        let opens = put.cas.is_some() && old.lock.map(|lock| lock.token) == put.cas;
        if self.is_locked(&old) && !opens {
            return Answer::Locked;
        }
        match put.cas {
            None => {}
            Some(0) if joins => {}
            Some(cas) if cas == old.cas || opens => {}
            Some(cas) if put.invalidate && !joins && cas != 0 && cas < old.cas => {
                let late = Item { stale: true, won: old.won, ..fresh(old.end) };
                self.items.insert(key, late);
                return Answer::Stored;
            }
            Some(_) => return Answer::Changed,
        }
        if !joins {
            let end = self.end(put.exptime);
            self.items.insert(key, fresh(end));
            return Answer::Stored;
        }
        let value = match put.mode {
            Mode::Append => [&old.value[..], &put.value].concat(),
            _ => [&put.value[..], &old.value].concat(),
        };
        if !fits(value.len(), old.flags) {
            return Answer::TooLarge;
        }
        self.items.insert(key, Item { value, flags: old.flags, ..fresh(old.end) });
        Answer::Stored
    }

    fn fetch(&mut self, key: u8, fetch: Fetch) -> Answer {
        let Some(item) = self.items.get(&key).cloned() else {
            let Some(exptime) = fetch.vivify else { return Answer::Miss };
            let ttl = self.left(self.end(exptime));
            let item = Item {
                value: Vec::new(),
                flags: 0,
                cas: 0,
                end: self.end(exptime),
                stale: false,
                won: true,
                fetched: false,
                lock: None,
            };
            let seen = self.seen(&item);
            self.items.insert(key, Item { fetched: true, ..item });
            return Answer::Fetched { seen, ttl, stale: false, role: Role::Won, fetched: false };
        };
        if self.is_locked(&item) && fetch.touch.is_some() {
            return Answer::Locked;
        }
        let ttl = self.left(item.end);
        let claims = ttl.zip(fetch.recache).is_some_and(|(ttl, n)| (ttl as i64) < n);
        let role = match item.won {
            true => Role::Taken,
            // Who cannot write cannot fill.
            false if self.is_locked(&item) => Role::None,
            false if item.stale || claims => Role::Won,
            false => Role::None,
        };
        let end = fetch.touch.map_or(item.end, |exptime| self.end(exptime));
        let kept = self.items.get_mut(&key).expect("it is there");
        (kept.end, kept.fetched) = (end, true);
        kept.won |= role == Role::Won;
        if fetch.touch.is_some() {
            kept.lock = None;
        }
        let (seen, stale, fetched) = (self.seen(&item), item.stale, item.fetched);
        Answer::Fetched { seen, ttl, stale, role, fetched }
    }

    fn delete(
        &mut self,
        key: u8,
        cas: Option<u64>,
        invalidate: bool,
        touch: Option<i64>,
        clear: bool,
    ) -> Answer {
        let Some(old) = self.items.get(&key).cloned() else { return Answer::Absent };
        let opens = cas.is_some() && old.lock.map(|lock| lock.token) == cas;
        if self.is_locked(&old) && !opens {
            return Answer::Locked;
        }
        if cas.is_some_and(|cas| cas != old.cas) && !opens {
            return Answer::Changed;
        }
        if !invalidate && !clear {
            self.items.remove(&key);
            return Answer::Done;
        }
        let mut kept = Item { lock: None, ..old };
        if clear {
            kept =
                Item { value: Vec::new(), flags: 0, end: None, stale: false, won: false, ..kept };
            kept.fetched = false;
        }
        if let Some(exptime) = touch {
            kept.end = self.end(exptime);
        }
        if invalidate {
            (kept.stale, kept.won, kept.cas) = (true, false, 0);
        }
        self.items.insert(key, kept);
        if invalidate { Answer::Stored } else { Answer::Done }
    }

    fn touch(&mut self, key: u8, exptime: i64) -> Answer {
        let Some(item) = self.items.get(&key).cloned() else { return Answer::Miss };
        if self.is_locked(&item) {
            return Answer::Locked;
        }
        let end = self.end(exptime);
        let kept = self.items.get_mut(&key).expect("it is there");
        (kept.end, kept.fetched, kept.lock) = (end, true, None);
        Answer::Hit(self.seen(&item))
    }

    fn count(
        &mut self,
        key: u8,
        (down, delta): (bool, u64),
        vivify: Option<(u64, i64)>,
        cas: Option<u64>,
    ) -> Answer {
        let Some(old) = self.items.get(&key).cloned() else {
            let Some((initial, exptime)) = vivify else { return Answer::Absent };
            let item = Item {
                value: initial.to_string().into(),
                flags: 0,
                cas: 0,
                end: self.end(exptime),
                stale: false,
                won: false,
                fetched: false,
                lock: None,
            };
            self.items.insert(key, item);
            return Answer::Number(initial);
        };
        if self.is_locked(&old) {
            return Answer::Locked;
        }
        if old.value.is_empty() {
            return Answer::NotNumeric;
        }
        if cas.is_some_and(|cas| cas != 0 && cas != old.cas) {
            return Answer::Changed;
        }
        let text = std::str::from_utf8(&old.value).unwrap_or("x");
        // Whatever comes behind a blank is not looked at.
        let digits = text.split_once(' ').map_or(text, |(digits, _)| digits);
        let Ok(number) = digits.parse::<u64>() else {
            return Answer::NotNumeric;
        };
        let number = if down { number.saturating_sub(delta) } else { number.wrapping_add(delta) };
        let value = format!("{number:<width$}", width = old.value.len()).into_bytes();
        let grows = value.len() > old.value.len();
        let mut item = Item { value, cas: 0, lock: None, ..old };
        if grows {
            (item.stale, item.won, item.fetched) = (false, false, false);
        }
        self.items.insert(key, item);
        Answer::Number(number)
    }

    fn lock(&mut self, key: u8, seconds: u64) -> Answer {
        let Some(item) = self.items.get(&key).cloned() else { return Answer::Absent };
        if self.is_locked(&item) {
            return Answer::Locked;
        }
        let seconds = if seconds == 0 || seconds > 15 { DEFAULT_LOCK } else { seconds };
        let until = self.now + 2 * seconds;
        let kept = self.items.get_mut(&key).expect("it is there");
        (kept.lock, kept.fetched) = (Some(Lock { token: 0, until }), true);
        Answer::Token(Seen { cas: 0, ..self.seen(&Item { lock: None, ..item }) })
    }

    fn unlock(&mut self, key: u8, token: u64) -> Answer {
        let Some(item) = self.items.get(&key).cloned() else { return Answer::Absent };
        if !self.is_locked(&item) {
            return Answer::NotLocked;
        }
        if item.lock.map(|lock| lock.token) != Some(token) {
            return Answer::Locked;
        }
        self.items.get_mut(&key).expect("it is there").lock = None;
        Answer::Done
    }

    fn flush(&mut self, delay: i64) -> Answer {
        self.flush = None;
        if delay <= 1 {
            self.items.clear();
        } else {
            self.flush = Some(self.second() + delay as u64 - 1);
        }
        Answer::Done
    }
}
