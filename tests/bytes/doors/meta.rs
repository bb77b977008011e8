//! By the meta commands.

use super::{Door, Line, joins_too_much};
use crate::model::{Answer, Fetch, Mode, Op, Put, Role, Seen};

pub(super) struct Meta(pub(super) Line);

impl Door for Meta {
    fn enter(&mut self, key: &[u8], op: &Op) -> Option<Answer> {
        let request = request(std::str::from_utf8(key).ok()?, op)?;
        let answer = self.0.ask(&request);
        Some(read(op, &answer))
    }

    fn blur(&self, op: &Op, answer: Answer) -> Answer {
        if request("k", op).is_none() {
            return answer;
        }
        match (op, answer) {
            // What a look at an item tells of who is to fill it is not asked for here.
            (Op::Get | Op::GetAndTouch(_), answer) => answer,
            (_, Answer::Locked) => Answer::Changed,
            (Op::Put(put), Answer::Absent) if put.cas.is_none() || joins(put.mode) => {
                Answer::NotStored
            }
            (Op::Put(_), Answer::Exists) => Answer::NotStored,
            (Op::Put(put), Answer::TooLarge) if joins_too_much(put) => Answer::NotStored,
            (_, answer) => answer,
        }
    }

    fn drops(&self, _: &Put) -> bool {
        true
    }
}

fn joins(mode: Mode) -> bool {
    matches!(mode, Mode::Append | Mode::Prepend)
}

fn flag<T: std::fmt::Display>(letter: char, token: Option<T>) -> String {
    token.map_or(String::new(), |token| format!(" {letter}{token}"))
}

fn request(key: &str, op: &Op) -> Option<Vec<u8>> {
    let line = match *op {
        Op::Put(ref put) => return put_request(key, put),
        // Of N and T the later one counts for an item that is new.
        Op::Fetch(Fetch { touch: Some(_), vivify: Some(_), .. }) => return None,
        Op::Fetch(Fetch { touch, vivify, recache }) => {
            // What flags change is seen by those behind them.
            let before = [flag('N', vivify), flag('R', recache)].concat();
            format!("mg {key}{before} v f c t h{}", flag('T', touch))
        }
        Op::Delete { cas, invalidate, touch, clear } => {
            // Without them, a new expiry time has no meaning.
            let touch = touch.filter(|_| invalidate || clear);
            let flags = [flag('C', cas), flag('T', touch)].concat();
            let (i, x) = (if invalidate { " I" } else { "" }, if clear { " x" } else { "" });
            format!("md {key}{i}{x}{flags}")
        }
        Op::Count { down, delta, vivify, cas } => {
            let initial = vivify.map(|(initial, _)| initial);
            let exptime = vivify.map(|(_, exptime)| exptime);
            let mode = if down { "MD" } else { "MI" };
            let flags = [flag('N', exptime), flag('J', initial), flag('C', cas)].concat();
            format!("ma {key} {mode} D{delta} v{flags}")
        }
        _ => return None,
    };
    Some(format!("{line}\r\n").into_bytes())
}

fn put_request(key: &str, put: &Put) -> Option<Vec<u8>> {
    let mode = match put.mode {
        Mode::Set => 'S',
        Mode::Add => 'E',
        Mode::Replace => 'R',
        Mode::Append => 'A',
        Mode::Prepend => 'P',
    };
    let invalidate = if put.invalidate { " I" } else { "" };
    let flags = [
        flag('F', Some(put.flags)),
        flag('T', Some(put.exptime)),
        flag('C', put.cas),
        flag('E', put.stamp),
        flag('N', put.vivify),
    ];
    let (len, flags) = (put.value.len(), flags.concat());
    let mut request = format!("ms {key} {len} M{mode}{invalidate}{flags}\r\n").into_bytes();
    request.extend(&put.value);
    request.extend(b"\r\n");
    Some(request)
}

fn read(op: &Op, answer: &[u8]) -> Answer {
    let end = answer.iter().position(|&byte| byte == b'\n').expect("a line");
    let line = std::str::from_utf8(&answer[..end - 1]).expect("a line of text");
    let words: Vec<&str> = line.split(' ').collect();
    match (words[0], op) {
        ("EN", _) => Answer::Miss,
        ("NF", _) => Answer::Absent,
        ("NS", _) => Answer::NotStored,
        ("EX", _) => Answer::Changed,
        ("HD", Op::Put(_) | Op::Delete { invalidate: true, .. }) => Answer::Stored,
        ("HD", _) => Answer::Done,
        ("VA", _) => value(op, &words, &answer[end + 1..]),
        ("SERVER_ERROR", _) => Answer::TooLarge,
        ("CLIENT_ERROR", Op::Count { .. }) => Answer::NotNumeric,
        _ => panic!("{op:?} is answered {line:?}"),
    }
}

fn value(op: &Op, words: &[&str], rest: &[u8]) -> Answer {
    let (value, rest) = rest.split_at(words[1].parse().expect("a length"));
    assert_eq!(rest, b"\r\n");
    if let Op::Count { .. } = op {
        let number = std::str::from_utf8(value).expect("digits").parse();
        return Answer::Number(number.expect("a number"));
    }
    let find = |letter| words[2..].iter().find_map(|word| word.strip_prefix(letter));
    let seen = Seen {
        value: value.to_vec(),
        flags: find('f').and_then(|text| text.parse().ok()).expect("flags"),
        cas: find('c').and_then(|text| text.parse().ok()).expect("a stamp"),
    };
    let role = match (find('W'), find('Z')) {
        (Some(_), None) => Role::Won,
        (None, Some(_)) => Role::Taken,
        (None, None) => Role::None,
        both => panic!("both won and lost: {both:?}"),
    };
    Answer::Fetched {
        seen,
        ttl: find('t').and_then(|text| text.parse().ok()),
        stale: find('X').is_some(),
        role,
        fetched: find('h') == Some("1"),
    }
}
