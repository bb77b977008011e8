//! `incr`, `decr`, `touch`, `delete`.

use super::replies::{
    BAD_DELTA, BAD_EXPTIME, BAD_LINE, BUSY, DELETED, ERROR, KEY_LOCKED, NO_MEMORY, NOT_FOUND,
    NOT_NUMERIC, TOUCHED, is_old, too_few_words,
};
use super::words::NOREPLY;
use super::{MAX_KEY, Words, numbers};
use crate::bytes::{Count, Reason};
use crate::memcached::connection::State;
use crate::memcached::{Compat, Output};

const DELETE_USAGE: &[u8] =
    b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";

/// `incr` and `decr`.
pub(super) fn count(words: Words<'_>, down: bool, state: &mut State, out: &mut Output) {
    let counted = key_and_argument(words, state.service.config().compat)
        .and_then(|(key, delta)| changed(key, delta, down, state));
    match counted {
        // Who says too much or too little has not asked for silence.
        Err(reply) if reply == ERROR => out.push(reply),
        _ if words.ends_in_noreply() => {}
        Ok(number) => {
            out.push_number(number);
            out.push(b"\r\n");
        }
        Err(reply) => out.push(reply),
    }
}

/// The words of a command that has a key, an argument and nothing else.
fn key_and_argument(mut words: Words<'_>, compat: Compat) -> Result<(&[u8], &[u8]), &'static [u8]> {
    let ([key, argument], count) = words.first::<2>();
    if count < 2 {
        return Err(too_few_words(compat));
    }
    if is_old(compat) && words.count() > 1 {
        return Err(ERROR);
    }
    if key.len() > MAX_KEY { Err(BAD_LINE) } else { Ok((key, argument)) }
}

fn changed(key: &[u8], delta: &[u8], down: bool, state: &mut State) -> Result<u64, &'static [u8]> {
    let compat = state.service.config().compat;
    let delta = numbers::unsigned(delta, compat).ok_or(BAD_DELTA)?;
    let count = Count { down, delta, ..Count::default() };
    let counted = state.service.store().count(key, count);
    match counted {
        Ok(counted) => {
            state.tally.count_change(down, true);
            Ok(counted.number)
        }
        Err(error) => Err(refusal(error.reason(), || state.tally.count_change(down, false))),
    }
}

/// How a change of one item is refused; `miss` is called if there is none.
fn refusal(reason: Reason, miss: impl FnOnce()) -> &'static [u8] {
    match reason {
        Reason::Absent => {
            miss();
            NOT_FOUND
        }
        Reason::NotNumeric => NOT_NUMERIC,
        Reason::Locked { .. } => KEY_LOCKED,
        Reason::Full => NO_MEMORY,
        _ => BUSY,
    }
}

/// `touch`.
pub(super) fn touch(words: Words<'_>, state: &mut State, out: &mut Output) {
    let reply = touched(words, state).unwrap_or_else(|refused| refused);
    if reply == ERROR || !words.ends_in_noreply() {
        out.push(reply);
    }
}

fn touched(words: Words<'_>, state: &mut State) -> Result<&'static [u8], &'static [u8]> {
    let compat = state.service.config().compat;
    let (key, exptime) = key_and_argument(words, compat)?;
    let exptime = numbers::exptime(exptime, compat).ok_or(BAD_EXPTIME)?;
    let touched = state.service.store().touch(key, exptime);
    let tally = &mut state.tally;
    tally.cmd_touch += 1;
    match touched {
        Ok(()) => {
            tally.touch_hits += 1;
            Ok(TOUCHED)
        }
        Err(error) => Err(refusal(error.reason(), || tally.touch_misses += 1)),
    }
}

/// `delete`.
pub(super) fn delete(words: Words<'_>, state: &mut State, out: &mut Output) {
    let compat = state.service.config().compat;
    let mut rest = words;
    let Some(key) = rest.next() else { return out.push(too_few_words(compat)) };
    // What 1.6.18 takes for the key cannot ask for silence as well.
    let mut is_quiet = words.ends_in_noreply();
    if is_old(compat) {
        let (extra, count) = rest.first::<2>();
        is_quiet &= count > 0;
        let usage = match (count, extra) {
            _ if rest.next().is_some() => Err(ERROR),
            (0, _) | (1, [b"0" | NOREPLY, _]) | (2, [b"0", NOREPLY]) => Ok(()),
            _ => Err(DELETE_USAGE),
        };
        if let Err(reply) = usage {
            return out.push(if is_quiet && reply == DELETE_USAGE { b"" } else { reply });
        }
    }
    let reply = deleted(key, state);
    if !is_quiet {
        out.push(reply);
    }
}

fn deleted(key: &[u8], state: &mut State) -> &'static [u8] {
    if key.len() > MAX_KEY {
        return BAD_LINE;
    }
    state.service.stats().details.note(key, |counts| counts.deletes += 1);
    match state.service.store().delete(key) {
        Ok(()) => {
            state.tally.delete_hits += 1;
            DELETED
        }
        Err(error) => refusal(error.reason(), || state.tally.delete_misses += 1),
    }
}
