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
const PART: usize = 32;

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
    let looked = match { rest }.next() {
        None => service.store().read(first, |item| look(first, Some(item))).map(|found| {
            if found.is_none() {
                look(first, None);
            }
        }),
        Some(_) => service.store().read_many(keys.take_while(is_good), look),
    };
    let is_all = looked.is_ok() && is_good(&first) && rest.all(|key| is_good(&key));
    if !is_all {
        out.truncate(begin);
    }
    Some(is_all)
}

#[cold]
fn get_in_parts(keys: Words<'_>, shows_stamp: bool, state: &mut State, out: &mut Output) {
    if state.answered == 0 && keys.peek().is_none() {
        return out.push(too_few_words(state.service.config().compat));
    }
    in_parts(keys, state, out, |part, state, out| {
        look_up(part, shows_stamp, state, out);
        Ok(())
    });
}

/// As many items at a time as the client takes: who names half a million keys in a line would have all
/// their items in memory otherwise. A key that is too long is found before any is used; an item that is
/// locked, when those before it are under way.
fn in_parts(
    keys: Words<'_>,
    state: &mut State,
    out: &mut Output,
    mut answer: impl FnMut(Words<'_>, &mut State, &mut Output) -> Result<(), &'static [u8]>,
) {
    let mut all = keys;
    if state.answered == 0 && all.any(|key| key.len() > MAX_KEY) {
        return out.push(BAD_LINE);
    }
    let mut rest = keys.after(std::mem::take(&mut state.answered));
    while out.len() <= OUTPUT_LIMIT {
        let part = rest.split_off(PART);
        if part.peek().is_none() {
            return out.push(END);
        }
        if let Err(reply) = answer(part, state, out) {
            return out.push(reply);
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
    if words.len() > LONG && state.in_parts {
        return in_parts(words, state, out, |part, state, out| {
            touch_each(part, exptime, stamps, state, out)
        });
    }
    let touched = touch_each(words, exptime, stamps, state, out);
    out.push(touched.err().unwrap_or(END));
}

/// Appends the items there are, or nothing, if one cannot be touched: then the error.
fn touch_each(
    keys: Words<'_>,
    exptime: i64,
    stamps: Stamps,
    state: &mut State,
    out: &mut Output,
) -> Result<(), &'static [u8]> {
    let begin = out.len();
    for key in keys {
        let found = if key.len() > MAX_KEY {
            Err(BAD_LINE)
        } else {
            let touched = state.service.store().get_and_touch(key, exptime);
            touched.map_err(|error| match error.reason() {
                Reason::Locked { .. } => KEY_LOCKED,
                _ => BUSY,
            })
        };
        // What was found before goes.
        let found = found.inspect_err(|_| out.truncate(begin))?;
        count_touch(key, found.is_some(), state);
        if let Some(hit) = found {
            let item = View { value: &hit.value, flags: hit.flags, cas: hit.cas };
            push_item(key, item, stamps, out);
        }
    }
    Ok(())
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
