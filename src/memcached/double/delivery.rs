//! How an answer gets to the client, if something goes wrong.

use std::time::Duration;

use bytes::Bytes;

use super::faults::Strike;
use super::record::Seen;
use super::rule::{Fault, Place};
use crate::memcached::{Event, Output, Protocol};

/// The length of a binary header.
const HEADER: usize = 24;

/// Statuses that binary errors have.
const OUT_OF_MEMORY: u16 = 0x82;
const INTERNAL_ERROR: u16 = 0x84;

/// What a request is answered without being carried out, if a fault says so.
pub(super) fn refusal(strikes: &[Strike], seen: &Seen<'_>) -> Option<Vec<u8>> {
    strikes.iter().find_map(|strike| match &strike.fault {
        Fault::Error(text) => Some(error(seen, text, INTERNAL_ERROR)),
        Fault::OutOfMemory => {
            let text = match seen.protocol {
                Protocol::Binary => "Out of memory",
                Protocol::Text | Protocol::Meta => "out of memory storing object",
            };
            Some(error(seen, text, OUT_OF_MEMORY))
        }
        Fault::Answer(bytes) => Some(bytes.to_vec()),
        Fault::Close | Fault::Reset | Fault::Silence => Some(Vec::new()),
        _ => None,
    })
}

/// An error in the request's protocol.
fn error(seen: &Seen<'_>, text: &str, status: u16) -> Vec<u8> {
    match seen.protocol {
        Protocol::Binary => binary_error(seen.raw, text, status),
        // `noreply` silences everything, and a quiet meta command only what is good.
        Protocol::Text if seen.is_quiet => Vec::new(),
        Protocol::Text | Protocol::Meta => format!("SERVER_ERROR {text}\r\n").into_bytes(),
    }
}

fn binary_error(request: &[u8], text: &str, status: u16) -> Vec<u8> {
    let mut answer = vec![0; HEADER];
    answer[0] = 0x81;
    answer[1] = request.get(1).copied().unwrap_or(0);
    answer[6..8].copy_from_slice(&status.to_be_bytes());
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    answer[8..12].copy_from_slice(&len.to_be_bytes());
    if let Some(opaque) = request.get(12..16) {
        answer[12..16].copy_from_slice(opaque);
    }
    answer.extend_from_slice(text.as_bytes());
    answer
}

/// An answer, and what becomes of it on its way.
#[derive(Debug)]
pub(super) struct Delivery {
    bytes: Vec<u8>,
    pause: Duration,
    dribble: Option<Duration>,
    end: Option<End>,
}

/// Where an answer ends before its end, and how.
#[derive(Clone, Copy, Debug)]
struct End {
    at: usize,
    event: Event,
}

impl Delivery {
    /// The way of `bytes` under these faults.
    pub(super) fn new(bytes: Vec<u8>, strikes: &mut [Strike], seen: &Seen<'_>) -> Self {
        let mut delivery = Self { bytes, pause: Duration::ZERO, dribble: None, end: None };
        for strike in strikes {
            delivery.meet(strike, seen);
        }
        delivery
    }

    fn meet(&mut self, strike: &mut Strike, seen: &Seen<'_>) {
        match strike.fault {
            Fault::Close | Fault::LoseAck => self.end_at(0, Event::Close),
            Fault::Reset | Fault::LoseAckAndReset => self.end_at(0, Event::Reset),
            Fault::HangUp => self.end_at(self.bytes.len(), Event::Close),
            Fault::Silence => self.end_at(0, Event::Stall),
            Fault::Truncate(place) => self.end_at(self.position(place, seen), Event::Close),
            Fault::Stall(place) => self.end_at(self.position(place, seen), Event::Stall),
            Fault::Dribble(pause) => self.dribble = Some(pause),
            Fault::Delay(delay) => {
                let span = delay.most.saturating_sub(delay.least);
                let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
                let more = Duration::from_nanos(strike.random.up_to(span));
                self.pause = self.pause.saturating_add(delay.least).saturating_add(more);
            }
            Fault::Garbage(count) => {
                self.bytes =
                    std::iter::repeat_with(|| strike.random.next() as u8).take(count).collect();
            }
            Fault::WrongOpaque => self.mistake_opaque(seen),
            _ => {}
        }
    }

    fn end_at(&mut self, at: usize, event: Event) {
        self.end.get_or_insert(End { at, event });
    }

    fn position(&self, place: Place, seen: &Seen<'_>) -> usize {
        match place {
            Place::Bytes(count) => count.min(self.bytes.len()),
            Place::MidValue => self.mid_value(seen),
        }
    }

    /// The middle of the first value, or of the whole.
    fn mid_value(&self, seen: &Seen<'_>) -> usize {
        let value = match seen.protocol {
            Protocol::Binary => binary_value(&self.bytes),
            Protocol::Text | Protocol::Meta => text_value(&self.bytes),
        };
        let (begin, end) = value.unwrap_or((0, self.bytes.len()));
        begin + (end.min(self.bytes.len()) - begin) / 2
    }

    /// Changes the opaque, where there is one.
    fn mistake_opaque(&mut self, seen: &Seen<'_>) {
        if seen.protocol == Protocol::Binary {
            let mut at = 0;
            while let Some(header) = self.bytes.get_mut(at..at + HEADER) {
                header[15] ^= 0xff;
                let body = [header[8], header[9], header[10], header[11]];
                at += HEADER + u32::from_be_bytes(body) as usize;
            }
            return;
        }
        let line = self.bytes.iter().position(|&byte| byte == b'\r').unwrap_or(0);
        let opaque = self.bytes[..line].windows(2).position(|pair| pair == b" O");
        if let Some(first) = opaque.map(|at| at + 2).filter(|&at| at < line) {
            self.bytes[first] = if self.bytes[first] == b'0' { b'1' } else { b'0' };
        }
    }

    /// What the client gets of the answer, as far as can be told.
    pub(super) fn visible(&self) -> &[u8] {
        &self.bytes[..self.end.map_or(self.bytes.len(), |end| end.at)]
    }

    /// Whether something happens between the bytes.
    pub(super) fn has_events(&self) -> bool {
        self.end.is_some() || self.dribble.is_some() || !self.pause.is_zero()
    }

    /// Whether the connection ends with it.
    pub(super) fn is_last(&self) -> bool {
        self.end.is_some_and(|end| matches!(end.event, Event::Close | Event::Reset))
    }

    pub(super) fn write(self, out: &mut Output) {
        if !self.pause.is_zero() {
            out.push_event(Event::Pause(self.pause));
        }
        let bytes = Bytes::from(self.bytes);
        let Some(End { at, event }) = self.end else {
            return push(out, &bytes, self.dribble);
        };
        push(out, &bytes.slice(..at), self.dribble);
        out.push_event(event);
        // A stalled connection goes on where it was, if it does.
        if event == Event::Stall {
            push(out, &bytes.slice(at..), self.dribble);
        }
    }
}

fn push(out: &mut Output, bytes: &Bytes, dribble: Option<Duration>) {
    let Some(pause) = dribble else { return out.push_value(bytes) };
    for byte in bytes {
        out.push(&[*byte]);
        out.push_event(Event::Pause(pause));
    }
}

/// Where the value of the first answer is.
fn binary_value(bytes: &[u8]) -> Option<(usize, usize)> {
    let header = bytes.get(..HEADER)?;
    let key = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let body = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
    let begin = HEADER + usize::from(header[4]) + key;
    (begin < HEADER + body).then_some((begin, HEADER + body))
}

/// The same in text: behind a line that begins with `VALUE` or `VA`.
fn text_value(bytes: &[u8]) -> Option<(usize, usize)> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let words = std::str::from_utf8(&bytes[..line]).ok()?;
    let mut words = words.split(' ');
    let len = match words.next()? {
        "VALUE" => words.nth(2)?,
        "VA" => words.next()?,
        _ => return None,
    };
    let len: usize = len.parse().ok()?;
    Some((line + 2, line + 2 + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found() {
        assert_eq!(text_value(b"VALUE k 0 5\r\nhello\r\nEND\r\n"), Some((13, 18)));
        assert_eq!(text_value(b"VA 5 f0\r\nhello\r\n"), Some((9, 14)));
        assert_eq!(text_value(b"STORED\r\n"), None);
        let mut binary = binary_error(&[0x80, 5], "abcd", 1);
        assert_eq!(binary_value(&binary), Some((24, 28)));
        binary[3] = 4; // all of it is a key
        assert_eq!(binary_value(&binary), None);
    }
}
