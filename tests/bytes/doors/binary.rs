//! By the binary protocol, with Couchbase's statuses.

use super::{Door, Line, joins_too_much};
use crate::model::{Answer, Mode, Op, Put, Seen};

pub(super) struct Binary(pub(super) Line);

impl Door for Binary {
    fn enter(&mut self, key: &[u8], op: &Op) -> Option<Answer> {
        let request = request(key, op)?;
        // Asked each time: a connection may ask as often as it likes.
        self.0.ask(&packet(0x1f, &[], b"model", &[0, 7], 0));
        let answer = self.0.ask(&request);
        Some(read(op, &answer))
    }

    fn blur(&self, op: &Op, answer: Answer) -> Answer {
        if request(b"k", op).is_none() {
            return answer;
        }
        match (op, answer) {
            (Op::Put(put), Answer::TooLarge) if joins_too_much(put) => Answer::NotStored,
            (Op::Put(put), Answer::Absent) if joins(put.mode) => Answer::NotStored,
            (Op::Put(_), Answer::Exists) => Answer::Changed,
            (Op::Get | Op::GetAndTouch(_), Answer::Miss) => Answer::Absent,
            (_, answer) => answer,
        }
    }

    fn drops(&self, put: &Put) -> bool {
        put.mode == Mode::Set
    }
}

fn joins(mode: Mode) -> bool {
    matches!(mode, Mode::Append | Mode::Prepend)
}

fn packet(op: u8, extras: &[u8], key: &[u8], value: &[u8], cas: u64) -> Vec<u8> {
    let mut packet = vec![0x80, op];
    packet.extend((key.len() as u16).to_be_bytes());
    packet.extend([extras.len() as u8, 0, 0, 0]);
    packet.extend(((extras.len() + key.len() + value.len()) as u32).to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet.extend(cas.to_be_bytes());
    packet.extend([extras, key, value].concat());
    packet
}

/// An expiry time as this protocol has it: there is none in the past.
fn seconds(exptime: i64) -> Option<[u8; 4]> {
    u32::try_from(exptime).ok().map(u32::to_be_bytes)
}

fn request(key: &[u8], op: &Op) -> Option<Vec<u8>> {
    Some(match *op {
        Op::Get => packet(0x00, &[], key, &[], 0),
        Op::Put(ref put) => return put_request(key, put),
        Op::Delete { cas, invalidate: false, clear: false, .. } if cas != Some(0) => {
            packet(0x04, &[], key, &[], cas.unwrap_or(0))
        }
        Op::Touch(exptime) => packet(0x1c, &seconds(exptime)?, key, &[], 0),
        Op::GetAndTouch(exptime) => packet(0x1d, &seconds(exptime)?, key, &[], 0),
        Op::Count { down, delta, vivify, cas: None } => {
            let (initial, exptime) = match vivify {
                Some((initial, exptime)) => (initial, seconds(exptime)?),
                None => (0, [0xff; 4]),
            };
            let extras = [&delta.to_be_bytes()[..], &initial.to_be_bytes(), &exptime].concat();
            packet(if down { 0x06 } else { 0x05 }, &extras, key, &[], 0)
        }
        Op::Lock(time) => packet(0x94, &(time as u32).to_be_bytes(), key, &[], 0),
        Op::Unlock(token) if token != 0 => packet(0x95, &[], key, &[], token),
        Op::Flush(delay) => packet(0x08, &seconds(delay)?, &[], &[], 0),
        _ => return None,
    })
}

fn put_request(key: &[u8], put: &Put) -> Option<Vec<u8>> {
    let with_cas = put.cas.is_some();
    if put.invalidate && with_cas || put.stamp.is_some() || put.cas == Some(0) {
        return None;
    }
    let op = match put.mode {
        Mode::Set => 0x01,
        Mode::Add if !with_cas => 0x02,
        Mode::Replace => 0x03,
        Mode::Append if put.vivify.is_none() && put.flags == 0 => 0x0e,
        Mode::Prepend if put.vivify.is_none() && put.flags == 0 => 0x0f,
        _ => return None,
    };
    let extras = match joins(put.mode) {
        true => Vec::new(),
        false => [put.flags.to_be_bytes(), seconds(put.exptime)?].concat(),
    };
    Some(packet(op, &extras, key, &put.value, put.cas.unwrap_or(0)))
}

fn read(op: &Op, answer: &[u8]) -> Answer {
    let (header, body) = answer.split_at(24);
    assert_eq!((header[0], &header[12..16]), (0x81, &[1, 2, 3, 4][..]));
    let cas = u64::from_be_bytes(header[16..].try_into().expect("eight bytes"));
    let seen = || Seen {
        value: body[4..].to_vec(),
        flags: u32::from_be_bytes(body[..4].try_into().expect("four bytes")),
        cas,
    };
    match (u16::from_be_bytes([header[6], header[7]]), op) {
        (0, Op::Get | Op::GetAndTouch(_)) => Answer::Hit(seen()),
        (0, Op::Lock(_)) => Answer::Token(seen()),
        (0, Op::Put(_)) => Answer::Stored,
        (0, Op::Count { .. }) => {
            Answer::Number(u64::from_be_bytes(body.try_into().expect("eight bytes")))
        }
        (0, _) => Answer::Done,
        (1, _) => Answer::Absent,
        (2, _) => Answer::Changed,
        (3, _) => Answer::TooLarge,
        (5, _) => Answer::NotStored,
        (6, _) => Answer::NotNumeric,
        (9, _) => Answer::Locked,
        (0x0e, _) => Answer::NotLocked,
        (status, _) => panic!("{op:?} is answered by status {status}"),
    }
}
