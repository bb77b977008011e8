//! `get`, `gets`, `gat`, `gats`.

use super::replies::{BAD_EXPTIME, BAD_LINE, BUSY, END, KEY_LOCKED, is_old, too_few_words};
use super::{MAX_KEY, Words, numbers};
use crate::bytes::{Reason, View};
use crate::memcached::Output;
use crate::memcached::connection::{OUTPUT_LIMIT, State};
use crate::memcached::stats::Details;

/// A line with more bytes of keys than this is answered in parts.
const LONG: usize = 2048;
/// So many keys are answered at once.
const PART: usize = 256;

/// Answers with the items there are.
#[inline]
pub(super) fn get(keys: Words<'_>, shows_stamp: bool, state: &mut State, out: &mut Output) {
    if keys.len() > LONG && state.in_parts {
        return get_in_parts(keys, shows_stamp, state, out);
    }
    let answer = match look_up(keys, shows_stamp, state, out) {
        Some(true) => END,
        Some(false) => BAD_LINE,
        None => too_few_words(state.service.config().compat),
    };
    out.push(answer);
}

/// Appends the items there are, or, if a key is too long, nothing: then false. The keys before it have
/// been used all the same. `None` without a key.
#[inline]
fn look_up(
    keys: Words<'_>,
    shows_stamp: bool,
    state: &mut State,
    out: &mut Output,
) -> Option<bool> {
    let mut rest = keys;
    let first = rest.next()?;
    let State { service, tally, .. } = state;
    let stamps = Stamps { are_shown: shows_stamp, are_real: service.config().cas };
    let details = &service.stats().details;
    let begin = out.len();
    let mut look = |key: &[u8], item: Option<View<'_>>| {
        let is_hit = item.is_some();
        tally.cmd_get += 1;
        *if is_hit { &mut tally.get_hits } else { &mut tally.get_misses } += 1;
        note_get(key, is_hit, details);
        if let Some(item) = item {
            push_item(key, item, stamps, out);
        }
    };
    let is_good = |key: &&[u8]| key.len() <= MAX_KEY;
    let looked = match rest.next() {
        None => service.store().read(first, |item| look(first, Some(item))).map(|found| {
            if found.is_none() {
                look(first, None);
            }
        }),
        Some(_) => service.store().read_many(keys.take_while(is_good), look),
    };
    let is_all = looked.is_ok() && { keys }.all(|key| is_good(&key));
    if !is_all {
        out.truncate(begin);
    }
    Some(is_all)
}

/// As many items at a time as the client takes: who names half a million keys in a line would have all
/// their items in memory otherwise.
#[cold]
fn get_in_parts(keys: Words<'_>, shows_stamp: bool, state: &mut State, out: &mut Output) {
    if state.answered == 0 {
        let (mut first, mut all) = (keys, keys);
        if first.next().is_none() {
            return out.push(too_few_words(state.service.config().compat));
        }
        if all.any(|key| key.len() > MAX_KEY) {
            return out.push(BAD_LINE);
        }
    }
    let mut rest = keys.after(std::mem::take(&mut state.answered));
    while out.len() <= OUTPUT_LIMIT {
        let part = rest.split_off(PART);
        if look_up(part, shows_stamp, state, out).is_none() {
            return out.push(END);
        }
    }
    state.answered = keys.len() - rest.len();
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
    let stamps = Stamps { are_shown: shows_stamp, are_real: state.service.config().cas };
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
            let item = View { value: &hit.value, flags: hit.flags, cas: hit.cas };
            push_item(key, item, stamps, out);
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

fn count_touch(key: &[u8], is_hit: bool, state: &mut State) {
    let tally = &mut state.tally;
    tally.cmd_touch += 1;
    if is_hit {
        tally.touch_hits += 1;
    } else {
        tally.touch_misses += 1;
    }
    note_get(key, is_hit, &state.service.stats().details);
}

#[inline]
fn note_get(key: &[u8], is_hit: bool, details: &Details) {
    details.note(key, |counts| {
        counts.gets += 1;
        counts.hits += u64::from(is_hit);
    });
}

/// What of an item's stamp an answer tells.
#[derive(Clone, Copy)]
struct Stamps {
    are_shown: bool,
    /// If not, all are shown as zero.
    are_real: bool,
}

#[inline]
fn push_item(key: &[u8], item: View<'_>, stamps: Stamps, out: &mut Output) {
    out.push(b"VALUE ");
    out.push(key);
    out.push(b" ");
    out.push_number(item.flags);
    out.push(b" ");
    out.push_number(item.value.len());
    if stamps.are_shown {
        out.push(b" ");
        out.push_number(if stamps.are_real { item.cas } else { 0 });
    }
    out.push(b"\r\n");
    out.push_value(item.value);
    out.push(b"\r\n");
}
