//! By the methods of the store.

use std::time::Duration;

use caskade::bytes::{self, Reason, Store, StoreError};

use crate::model::{Answer, Fetch, Mode, Op, Put, Role, Seen};

use super::Door;

pub(super) struct Call(pub(super) Store);

impl Door for Call {
    fn enter(&mut self, key: &[u8], op: &Op) -> Option<Answer> {
        Some(call(&self.0, key, op))
    }

    fn blur(&self, _: &Op, answer: Answer) -> Answer {
        answer
    }
}

/// By the methods of the store.
pub(crate) fn call(store: &Store, key: &[u8], op: &Op) -> Answer {
    match op {
        Op::Get => store.get(key).map_or_else(refused, |hit| hit.map_or(Answer::Miss, hit_of)),
        Op::Put(put) => store.put(key, put_of(put)).map_or_else(refused, |_| Answer::Stored),
        Op::Fetch(fetch) => match store.fetch(key, fetch_of(*fetch)) {
            Ok(None) => Answer::Miss,
            Ok(Some(fetched)) => fetched_of(fetched),
            Err(error) => refused(error),
        },
        &Op::Delete { cas, invalidate, touch, clear } => {
            let delete = bytes::Delete {
                cas,
                invalidate,
                touch,
                clear_value: clear,
                ..bytes::Delete::default()
            };
            let done = if invalidate { Answer::Stored } else { Answer::Done };
            store.remove(key, delete).map_or_else(refused, |()| done)
        }
        &Op::Touch(exptime) => store.touch(key, exptime).map_or_else(refused, |()| Answer::Done),
        &Op::GetAndTouch(exptime) => store
            .get_and_touch(key, exptime)
            .map_or_else(refused, |hit| hit.map_or(Answer::Miss, hit_of)),
        &Op::Count { down, delta, vivify, cas } => {
            let count = bytes::Count {
                down,
                delta,
                vivify: vivify.map(|(_, exptime)| exptime),
                initial: vivify.map_or(0, |(initial, _)| initial),
                cas,
                ..bytes::Count::default()
            };
            store.count(key, count).map_or_else(refused, |counted| Answer::Number(counted.number))
        }
        &Op::Lock(seconds) => match store.get_and_lock(key, Duration::from_secs(seconds)) {
            Ok(held) => {
                let value = held.value.to_vec();
                Answer::Token(Seen { value, flags: held.flags, cas: held.token })
            }
            Err(error) => refused(error),
        },
        &Op::Unlock(token) => store.unlock(key, token).map_or_else(refused, |()| Answer::Done),
        &Op::Flush(delay) => {
            store.flush_all(delay);
            Answer::Done
        }
    }
}

fn put_of(put: &Put) -> bytes::Put {
    bytes::Put {
        mode: match put.mode {
            Mode::Set => bytes::Mode::Set,
            Mode::Add => bytes::Mode::Add,
            Mode::Replace => bytes::Mode::Replace,
            Mode::Append => bytes::Mode::Append,
            Mode::Prepend => bytes::Mode::Prepend,
        },
        value: put.value.clone().into(),
        flags: put.flags,
        exptime: put.exptime,
        cas: put.cas,
        invalidate: put.invalidate,
        vivify: put.vivify,
        stamp: put.stamp,
        binary_key: false,
    }
}

fn fetch_of(Fetch { touch, vivify, recache }: Fetch) -> bytes::Fetch {
    bytes::Fetch { touch, vivify, recache, metadata: true, ..bytes::Fetch::default() }
}

fn hit_of(hit: bytes::Hit) -> Answer {
    Answer::Hit(Seen { value: hit.value.to_vec(), flags: hit.flags, cas: hit.cas })
}

fn fetched_of(fetched: bytes::Fetched) -> Answer {
    let metadata = fetched.metadata.expect("it was asked for");
    let hit = fetched.hit;
    Answer::Fetched {
        seen: Seen { value: hit.value.to_vec(), flags: hit.flags, cas: hit.cas },
        ttl: metadata.ttl.map(u64::from),
        stale: fetched.is_stale,
        role: match fetched.role {
            bytes::Role::None => Role::None,
            bytes::Role::Won => Role::Won,
            bytes::Role::Taken => Role::Taken,
        },
        fetched: metadata.was_fetched,
    }
}

fn refused(error: StoreError) -> Answer {
    match error.reason() {
        Reason::Absent => Answer::Absent,
        Reason::Exists => Answer::Exists,
        Reason::Changed => Answer::Changed,
        Reason::TooLarge => Answer::TooLarge,
        Reason::NotNumeric => Answer::NotNumeric,
        Reason::Locked { .. } => Answer::Locked,
        Reason::NotLocked => Answer::NotLocked,
        other => panic!("nothing here is refused as {other:?}"),
    }
}
