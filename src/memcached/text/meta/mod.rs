//! The meta commands: two letters, a key, and flags of one letter, some with a token.

pub(super) mod arithmetic;
pub(super) mod debug;
pub(super) mod delete;
mod flags;
pub(super) mod get;
pub(super) mod key;
pub(super) mod set;

use super::replies::{BAD_LINE, is_old, too_few_words};
use super::{MAX_KEY, Words, numbers};
use crate::memcached::Output;
use crate::memcached::connection::State;
use flags::{Complaint, Flags};
use key::Key;

const END_OF_LINE: &[u8] = b"\r\n";
const KEY_LOCKED_CODE: &[u8] = b"EX";

/// Key and flags of a command without data.
#[inline]
fn key_and_flags<'b>(words: Words<'b>, state: &State) -> Result<(Key<'b>, Flags<'b>), Complaint> {
    let compat = state.service.config().compat;
    let mut rest = words;
    let key = rest.next().ok_or(Complaint::of_line(too_few_words(compat)))?;
    if key.len() > MAX_KEY {
        return Err(Complaint::of_line(BAD_LINE));
    }
    if words.exceeds(word_limit(state)) {
        return Err(Complaint::of_line(b"CLIENT_ERROR options flags are too long\r\n"));
    }
    let mut flags = Flags::parse(key, rest, compat)?;
    Ok((Key::new(key, &mut flags), flags))
}

/// How many words may follow a command.
fn word_limit(state: &State) -> usize {
    if is_old(state.service.config().compat) { 18 } else { 19 }
}

/// Appends what every answer repeats: the key and the opaque, in the order of the flags.
#[inline]
fn push_echo(key: &Key<'_>, flags: &Flags<'_>, out: &mut Output) {
    for flag in flags.words() {
        match flag[0] {
            b'O' => push_opaque(flag, out),
            b'k' => key.push(out),
            _ => {}
        }
    }
}

#[inline]
fn push_opaque(flag: &[u8], out: &mut Output) {
    out.push(b" ");
    out.push(flag);
}

#[inline]
fn push_flag(letter: &[u8; 2], number: impl itoa::Integer, out: &mut Output) {
    out.push(letter);
    out.push_number(number);
}

/// The seconds left, or -1 for ever.
#[inline]
fn push_ttl(left: Option<u32>, out: &mut Output) {
    match left {
        Some(left) => push_flag(b" t", left, out),
        None => out.push(b" t-1"),
    }
}

/// How many seconds something lives that is given `exptime` now.
fn life(exptime: Option<i64>, state: &State) -> Option<u32> {
    state.service.store().life(exptime?)
}
