//! Bytes become operations on a store; after each, the model is asked what should have come of it.

use std::time::Duration;

use caskade::ManualClock;
use caskade::bytes::Store;

use crate::doors::{Door, call, open};
use crate::model::{Answer, Fetch, ITEM_LIMIT, Mode, Model, Op, Put};

/// One step of a script: what to do, to which key, and with what.
pub(crate) type Bytes = [u8; 8];

const KEYS: u8 = 3;

/// Runs a script through the door of that name. Panics at the first difference.
pub(crate) fn run(door: &str, script: &[Bytes]) {
    let clock = ManualClock::new();
    let builder = Store::builder().clock(clock.clone()).item_limit(ITEM_LIMIT);
    let store = builder.build().expect("valid settings");
    let door = open(door, &store);
    let mut runner = Runner {
        store,
        model: Model::default(),
        door,
        done: Vec::new(),
        old: vec![0, 1, u64::MAX],
    };
    for &bytes in script {
        if bytes[0] >= 232 {
            let halves = u64::from(bytes[1] % 8);
            clock.advance(Duration::from_millis(500) * halves as u32);
            runner.model.advance(halves);
        } else {
            runner.step(bytes);
        }
    }
    runner.store.validate();
}

struct Runner {
    store: Store,
    model: Model,
    door: Box<dyn Door>,
    done: Vec<(u8, Op, Answer)>,
    /// Stamps that were seen some time, and some that never were.
    old: Vec<u64>,
}

impl Runner {
    fn step(&mut self, bytes: Bytes) {
        let key = bytes[1] % KEYS;
        let op = self.op(bytes, key);
        let name = [b'a' + key];
        let answer = self.door.enter(&name, &op);
        let is_blurred = answer.is_some();
        let answer = answer.unwrap_or_else(|| call(&self.store, &name, &op));
        let drops = match &op {
            Op::Put(put) if is_blurred => self.door.drops(put),
            Op::Put(put) => put.mode == Mode::Set && put.cas.is_none(),
            _ => false,
        };
        let mut expected = self.model.apply(key, &op, drops);
        self.take_over_stamps(key, &op, &answer, &mut expected);
        if is_blurred {
            expected = self.door.blur(&op, expected);
        }
        self.done.push((key, op, answer));
        let (_, op, answer) = &self.done[self.done.len() - 1];
        assert_eq!(*answer, expected, "{op:?} after {:#?}", self.done);
        self.compare(key);
    }

    /// What the model cannot know is taken from the store's answer, or asked for.
    fn take_over_stamps(&mut self, key: u8, op: &Op, answer: &Answer, expected: &mut Answer) {
        match (answer, expected) {
            (Answer::Token(held), Answer::Token(expected)) => {
                expected.cas = held.cas;
                self.model.learn(key, held.cas, true);
                self.old.push(held.cas);
            }
            (Answer::Fetched { seen, .. }, Answer::Fetched { seen: expected, .. })
                if expected.cas == 0 =>
            {
                expected.cas = seen.cas;
                self.model.learn(key, seen.cas, true);
                self.old.push(seen.cas);
            }
            (Answer::Stored | Answer::Number(_), _) if self.model.has(key) => {
                let cas = self.store.read([b'a' + key], |item| item.cas);
                let cas = cas.expect("a good key").expect("it was just stored");
                let chosen = match op {
                    Op::Put(put) => put.stamp.filter(|&stamp| stamp != 0),
                    _ => None,
                };
                assert!(chosen.is_none_or(|chosen| chosen == cas), "{chosen:?} became {cas}");
                self.model.learn(key, cas, chosen.is_none());
                // To read it was a use.
                self.model.apply(key, &Op::Get, false);
                self.old.push(cas);
            }
            _ => {}
        }
    }

    /// A plain read of the key says the same on both sides.
    fn compare(&mut self, key: u8) {
        let answer = call(&self.store, &[b'a' + key], &Op::Get);
        let expected = self.model.apply(key, &Op::Get, false);
        assert_eq!(answer, expected, "a read after {:#?}", self.done);
    }

    fn op(&self, bytes: Bytes, key: u8) -> Op {
        match bytes[0] {
            0..80 => Op::Put(self.put(bytes, key)),
            80..115 => Op::Fetch(Fetch {
                touch: maybe(bytes[2], exptime(bytes[3])),
                vivify: maybe(bytes[4], exptime(bytes[5])),
                recache: maybe(bytes[6], exptime(bytes[7])),
            }),
            115..135 => Op::Delete {
                cas: self.stamp(bytes[2], key),
                invalidate: bytes[3] % 2 == 0,
                touch: maybe(bytes[4], exptime(bytes[5])),
                clear: bytes[6] % 4 == 0,
            },
            135..145 => Op::Touch(exptime(bytes[2])),
            145..155 => Op::GetAndTouch(exptime(bytes[2])),
            155..190 => Op::Count {
                down: bytes[2] % 2 == 0,
                delta: number(bytes[3]),
                vivify: maybe(bytes[4], (number(bytes[5]), exptime(bytes[6]))),
                cas: self.stamp(bytes[7], key),
            },
            190..210 => Op::Lock(u64::from(bytes[2] % 20)),
            210..225 => Op::Unlock(self.stamp(bytes[2] | 1, key).unwrap_or(5)),
            225..230 => Op::Flush(exptime(bytes[2])),
            _ => Op::Get,
        }
    }

    fn put(&self, bytes: Bytes, key: u8) -> Put {
        let mode = [Mode::Set, Mode::Add, Mode::Replace, Mode::Append, Mode::Prepend];
        Put {
            mode: mode[usize::from(bytes[2] % 5)],
            value: value(bytes[3]),
            flags: u32::from(bytes[4] % 3) * 1000,
            exptime: exptime(bytes[5]),
            cas: self.stamp(bytes[6], key),
            invalidate: bytes[7] & 1 == 0,
            vivify: maybe(bytes[7] >> 1, exptime(bytes[4])),
            stamp: maybe(bytes[7] >> 4, u64::from(bytes[6] % 5) * 1_000_000_007),
        }
    }

    /// No stamp, the item's own, its token, or any other.
    fn stamp(&self, byte: u8, key: u8) -> Option<u64> {
        let (cas, token) = self.model.stamps(key);
        match byte % 8 {
            0 | 2 | 4 => None,
            1 | 6 => cas.or(Some(3)),
            3 | 5 => token.or(cas).or(Some(3)),
            _ => Some(self.old[usize::from(byte / 8) % self.old.len()]),
        }
    }
}

/// Something in one of three cases.
fn maybe<T>(byte: u8, some: T) -> Option<T> {
    (byte % 3 == 0).then_some(some)
}

/// Short lives, so that they end within a script.
fn exptime(byte: u8) -> i64 {
    [0, 1, 2, 3, 5, 9, 0, -1][usize::from(byte % 8)]
}

fn number(byte: u8) -> u64 {
    [0, 1, 9, 10, 99, 1000, u64::MAX, u64::MAX - 1][usize::from(byte % 8)]
}

/// Numbers, texts, and values that fit alone but not in twos, or not at all.
fn value(byte: u8) -> Vec<u8> {
    match byte % 16 {
        0..9 => number(byte / 16).to_string().into_bytes(),
        9 => b"99 ".to_vec(),
        10 => Vec::new(),
        11 => vec![b'v'; 60],
        12 => vec![b'v'; 96],
        13 => vec![b'v'; 100],
        14 => vec![b'v'; 101],
        _ => b"text".to_vec(),
    }
}
