//! Plays a case on two servers and tells the first difference.

use std::fmt::Write as _;

use super::case::{Batch, Case, KEYS, key_name, readable};
use super::replies;
use super::servers::{End, Server};
use super::stamps::Stamps;

/// How often a case is played until a difference counts. A second that begins in the middle of a
/// case makes a difference that does not come again.
const TRIALS: usize = 3;

/// Which protocol a case is in: what its batches end with, and how its answers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Text,
    Binary,
}

impl Wire {
    /// What follows each batch, so that it is seen when all of it has been answered.
    ///
    /// In the text protocol first a line that an unfinished value before it may swallow.
    fn sentinel(self) -> Vec<u8> {
        match self {
            Self::Text => [&[b'x'; 100][..], b"\r\nversion\r\nmn\r\n"].concat(),
            Self::Binary => packet(0x80),
        }
    }

    /// The last that is answered to it. No other requests are answered like this.
    fn ending(self) -> Vec<u8> {
        match self {
            Self::Text => b"VERSION 1.6.18\r\nMN\r\n".to_vec(),
            Self::Binary => packet(0x81),
        }
    }

    fn normalise(self, answer: &[u8], stamps: &mut Stamps) -> Vec<u8> {
        match self {
            Self::Text => replies::text(answer, stamps),
            Self::Binary => replies::binary(answer, stamps),
        }
    }
}

/// The packet of a noop with an opaque of its own.
fn packet(magic: u8) -> Vec<u8> {
    let mut packet = vec![0; 24];
    (packet[0], packet[1]) = (magic, 0x0a);
    packet[12..16].copy_from_slice(b"\xf0end");
    packet
}

/// What was sent at once, and what came back.
#[derive(Debug)]
struct Step {
    sent: String,
    answer: Vec<u8>,
    end: Option<End>,
    /// The client has asked for the end, and gets all answers before it.
    is_farewell: bool,
}

impl Step {
    /// Whether both are alike.
    ///
    /// A server that closes a connection drops answers that it has not written yet, and which these
    /// are depends on how the requests have come. And while it waits for the rest of what it will
    /// not take, it may have said so or not.
    fn agrees_with(&self, other: &Self) -> bool {
        let is_same = self.answer == other.answer;
        let begins_same =
            || self.answer.starts_with(&other.answer) || other.answer.starts_with(&self.answer);
        let may_lack = match self.end {
            Some(End::Closed) => !self.is_farewell,
            Some(End::Waiting) => true,
            Some(End::Answered) | None => false,
        };
        self.end == other.end && (is_same || (may_lack && begins_same()))
    }
}

/// The first difference, for people to read, if both do not answer alike.
pub(crate) fn difference(
    case: &Case,
    wire: Wire,
    theirs: &mut dyn Server,
    ours: &mut dyn Server,
) -> Option<String> {
    let mut found = None;
    for _ in 0..TRIALS {
        let (left, right) = (play(case, wire, theirs), play(case, wire, ours));
        found = Some(explain(&left, &right)?);
    }
    found
}

fn play(case: &Case, wire: Wire, server: &mut dyn Server) -> Vec<Step> {
    server.clear();
    let mut stamps = Stamps::default();
    let mut link = server.connect();
    let mut steps = Vec::new();
    let mut is_open = true;
    for batch in &case.batches {
        for key in batch.keys_of_stamps() {
            steps.push(look_at(key, server, &mut stamps));
        }
        let pieces = batch.pieces(&stamps, &wire.sentinel());
        let (answer, end) = link.exchange(&pieces, &wire.ending());
        let answer = wire.normalise(&answer, &mut stamps);
        let is_farewell = batch.requests.iter().any(|request| request.is_farewell);
        steps.push(Step { sent: describe(batch), answer, end: Some(end), is_farewell });
        if end != End::Answered {
            is_open = false;
            break;
        }
    }
    if is_open && !case.rest.is_empty() {
        let answer = wire.normalise(&link.finish(&case.rest), &mut stamps);
        let sent = format!("{} (the end)", readable(&case.rest));
        steps.push(Step { sent, answer, end: Some(End::Waiting), is_farewell: false });
    }
    drop(link);
    steps.extend((0..KEYS).map(|key| look_at(key, server, &mut stamps)));
    steps
}

/// All there is to know about the item under `key`; changes nothing.
fn look_at(key: usize, server: &mut dyn Server, stamps: &mut Stamps) -> Step {
    let line = [b"me ", &key_name(key)[..], b"\r\n"].concat();
    let answer = server.ask(&line, &[b"\r\n"]);
    if let Some(stamp) = stamp_of(&answer) {
        stamps.learn(key, stamp);
    }
    Step {
        sent: readable(&line),
        answer: replies::text(&answer, stamps),
        end: None,
        is_farewell: false,
    }
}

fn describe(batch: &Batch) -> String {
    let mut all = String::new();
    for request in &batch.requests {
        let _ = write!(all, "{request}\n    ");
    }
    all.trim_end().to_owned()
}

fn explain(theirs: &[Step], ours: &[Step]) -> Option<String> {
    let at = theirs.iter().zip(ours).position(|(left, right)| !left.agrees_with(right));
    let at = at.or((theirs.len() != ours.len()).then_some(theirs.len().min(ours.len())))?;
    let mut text = String::from("\nsent:\n");
    for step in theirs.iter().take(at + 1) {
        let _ = writeln!(text, "  - {}", step.sent);
    }
    let _ = write!(text, "memcached: {}", show(theirs.get(at)));
    let _ = write!(text, "ours:      {}", show(ours.get(at)));
    Some(text)
}

fn show(step: Option<&Step>) -> String {
    let Some(step) = step else { return String::from("nothing\n") };
    let mut text = String::new();
    for line in step.answer.split_inclusive(|&byte| byte == b'\n') {
        let _ = write!(text, "\n    {}", readable(line));
    }
    match step.end {
        None | Some(End::Answered) => {}
        Some(End::Closed) => text.push_str("\n    (closed)"),
        Some(End::Waiting) => text.push_str("\n    (waiting)"),
    }
    text.push('\n');
    text
}

/// The stamp in `me`'s answer.
fn stamp_of(answer: &[u8]) -> Option<u64> {
    let words = answer.trim_ascii_end().split(|&byte| byte == b' ');
    let mut digits = words.filter_map(|word| word.strip_prefix(b"cas="));
    digits.find_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
}
