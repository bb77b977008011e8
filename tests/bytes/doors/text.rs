//! By the classic text commands.

use super::{Door, Line, joins_too_much};
use crate::model::{Answer, Mode, Op, Put, Seen};

pub(super) struct Text(pub(super) Line);

impl Door for Text {
    fn enter(&mut self, key: &[u8], op: &Op) -> Option<Answer> {
        let request = request(std::str::from_utf8(key).ok()?, op)?;
        let answer = self.0.ask(&request);
        Some(read(op, &answer))
    }

    fn blur(&self, op: &Op, answer: Answer) -> Answer {
        let Some(_) = request("k", op) else { return answer };
        let Op::Put(put) = op else { return answer };
        match answer {
            Answer::Locked => Answer::Changed,
            Answer::Absent | Answer::Exists if put.cas.is_none() => Answer::NotStored,
            Answer::TooLarge if joins_too_much(put) => Answer::NotStored,
            other => other,
        }
    }
}

fn joins(mode: Mode) -> bool {
    matches!(mode, Mode::Append | Mode::Prepend)
}

fn request(key: &str, op: &Op) -> Option<Vec<u8>> {
    let line = match op {
        Op::Get => format!("gets {key}"),
        Op::Put(put) => return put_request(key, put),
        Op::Delete { cas: None, invalidate: false, clear: false, .. } => format!("delete {key}"),
        Op::Touch(exptime) => format!("touch {key} {exptime}"),
        Op::GetAndTouch(exptime) => format!("gats {exptime} {key}"),
        Op::Count { down: false, delta, vivify: None, cas: None } => format!("incr {key} {delta}"),
        Op::Count { down: true, delta, vivify: None, cas: None } => format!("decr {key} {delta}"),
        Op::Flush(delay) => format!("flush_all {delay}"),
        _ => return None,
    };
    Some(format!("{line}\r\n").into_bytes())
}

fn put_request(key: &str, put: &Put) -> Option<Vec<u8>> {
    let name = match (put.mode, put.cas) {
        (Mode::Set, Some(_)) => "cas",
        (_, Some(_)) => return None,
        (Mode::Set, None) => "set",
        (Mode::Add, None) => "add",
        (Mode::Replace, None) => "replace",
        (Mode::Append, None) => "append",
        (Mode::Prepend, None) => "prepend",
    };
    if put.invalidate && put.cas.is_some() || put.stamp.is_some() {
        return None;
    }
    if joins(put.mode) && (put.vivify.is_some() || put.flags != 0) {
        return None;
    }
    let cas = put.cas.map_or(String::new(), |cas| format!(" {cas}"));
    let (flags, exptime, len) = (put.flags, put.exptime, put.value.len());
    let mut request = format!("{name} {key} {flags} {exptime} {len}{cas}\r\n").into_bytes();
    request.extend(&put.value);
    request.extend(b"\r\n");
    Some(request)
}

fn read(op: &Op, answer: &[u8]) -> Answer {
    match answer {
        b"STORED\r\n" => Answer::Stored,
        b"NOT_STORED\r\n" => Answer::NotStored,
        b"EXISTS\r\n" => Answer::Changed,
        b"NOT_FOUND\r\n" => Answer::Absent,
        b"DELETED\r\n" | b"TOUCHED\r\n" | b"OK\r\n" => Answer::Done,
        b"END\r\n" => Answer::Miss,
        b"SERVER_ERROR object too large for cache\r\n" => Answer::TooLarge,
        b"SERVER_ERROR key is locked\r\n" => Answer::Locked,
        b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n" => Answer::NotNumeric,
        _ if matches!(op, Op::Count { .. }) => {
            let text = std::str::from_utf8(answer).expect("a number");
            Answer::Number(text.trim_end_matches("\r\n").parse().expect("a number"))
        }
        _ => Answer::Hit(hit(answer)),
    }
}

/// What an answer with one value and its stamp shows.
fn hit(answer: &[u8]) -> Seen {
    let end = answer.iter().position(|&byte| byte == b'\n').expect("a line");
    let line = std::str::from_utf8(&answer[..end - 1]).expect("a line of text");
    let words: Vec<&str> = line.split(' ').collect();
    let &["VALUE", _, flags, len, cas] = &words[..] else { panic!("{line:?} shows no value") };
    let len: usize = len.parse().expect("a length");
    let (value, rest) = answer[end + 1..].split_at(len);
    assert_eq!(rest, b"\r\nEND\r\n");
    Seen {
        value: value.to_vec(),
        flags: flags.parse().expect("flags"),
        cas: cas.parse().expect("a stamp"),
    }
}
