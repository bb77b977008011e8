//! `get`, `gets`, `gat`, `gats`.

use super::replies::{BAD_EXPTIME, BAD_LINE, BUSY, END, KEY_LOCKED, is_old, too_few_words};
use super::{MAX_KEY, Words, numbers};
use crate::bytes::{Hit, Reason};
use crate::memcached::Output;
use crate::memcached::connection::State;

/// Answers with the items there are.
#[inline]
pub(super) fn get(mut keys: Words<'_>, shows_stamp: bool, state: &mut State, out: &mut Output) {
    let Some(first) = keys.next() else {
        return out.push(too_few_words(state.service.config().compat));
    };
    let begin = out.len();
    let mut next = Some(first);
    while let Some(key) = next {
        if key.len() > MAX_KEY {
            return fail(begin, BAD_LINE, out);
        }
        state.tally.cmd_get += 1;
        let found = state.service.store().get(key).unwrap_or_default();
        count_hit(key, found.is_some(), state);
        if let Some(hit) = found {
            push_hit(key, &hit, shows_stamp, state, out);
        }
        next = keys.next();
    }
    out.push(END);
}

/// The same, with a new expiry time for each.
pub(super) fn get_and_touch(
    mut words: Words<'_>,
    shows_stamp: bool,
    state: &mut State,
    out: &mut Output,
) {
    let compat = state.service.config().compat;
    let Some(exptime) = words.next() else { return out.push(too_few_words(compat)) };
    if !is_old(compat) && words.clone().next().is_none() {
        return out.push(BAD_LINE);
    }
    let Some(exptime) = numbers::exptime(exptime, compat) else { return out.push(BAD_EXPTIME) };
    let begin = out.len();
    for key in words {
        if key.len() > MAX_KEY {
            return fail(begin, BAD_LINE, out);
        }
        let found = match state.service.store().get_and_touch(key, exptime) {
            Ok(found) => found,
            Err(error) if matches!(error.reason(), Reason::Locked { .. }) => {
                return fail(begin, KEY_LOCKED, out);
            }
            Err(_) => return fail(begin, BUSY, out),
        };
        count_touch(key, found.is_some(), state);
        if let Some(hit) = found {
            push_hit(key, &hit, shows_stamp, state, out);
        }
    }
    out.push(END);
}

/// An error is the only answer: what was found before it goes.
#[cold]
fn fail(begin: usize, reply: &[u8], out: &mut Output) {
    out.truncate(begin);
    out.push(reply);
}

#[inline]
fn count_hit(key: &[u8], is_hit: bool, state: &mut State) {
    if is_hit {
        state.tally.get_hits += 1;
    } else {
        state.tally.get_misses += 1;
    }
    note_get(key, is_hit, state);
}

fn count_touch(key: &[u8], is_hit: bool, state: &mut State) {
    let tally = &mut state.tally;
    tally.cmd_touch += 1;
    if is_hit {
        tally.touch_hits += 1;
    } else {
        tally.touch_misses += 1;
    }
    note_get(key, is_hit, state);
}

#[inline]
fn note_get(key: &[u8], is_hit: bool, state: &State) {
    state.service.stats().details.note(key, |counts| {
        counts.gets += 1;
        counts.hits += u64::from(is_hit);
    });
}

#[inline]
fn push_hit(key: &[u8], hit: &Hit, shows_stamp: bool, state: &State, out: &mut Output) {
    out.push(b"VALUE ");
    out.push(key);
    out.push(b" ");
    out.push_number(hit.flags);
    out.push(b" ");
    out.push_number(hit.value.len());
    if shows_stamp {
        out.push(b" ");
        out.push_number(state.shown(hit.cas));
    }
    out.push(b"\r\n");
    out.push_value(&hit.value);
    out.push(b"\r\n");
}
