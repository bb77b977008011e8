//! `get`, `gets`, `gat`, `gats`.

use super::replies::{BAD_EXPTIME, BAD_LINE, BUSY, END, KEY_LOCKED, is_old, too_few_words};
use super::{MAX_KEY, Words, numbers};
use crate::bytes::{Reason, View};
use crate::memcached::Output;
use crate::memcached::connection::State;
use crate::memcached::stats::Details;

/// Answers with the items there are.
#[inline]
pub(super) fn get(keys: Words<'_>, shows_stamp: bool, state: &mut State, out: &mut Output) {
    let mut rest = keys;
    let Some(first) = rest.next() else {
        return out.push(too_few_words(state.service.config().compat));
    };
    let State { service, tally, .. } = state;
    let stamps = Stamps { are_shown: shows_stamp, are_real: service.config().cas };
    let details = &service.stats().details;
    let mut look = |key: &[u8], item: Option<View<'_>>| {
        let is_hit = item.is_some();
        tally.cmd_get += 1;
        *if is_hit { &mut tally.get_hits } else { &mut tally.get_misses } += 1;
        note_get(key, is_hit, details);
        if let Some(item) = item {
            push_item(key, item, stamps, out);
        }
    };
    // A key that is too long is found before anything is answered: then the error is all.
    let looked = match rest.next() {
        None => service.store().read(first, |item| look(first, Some(item))).map(|found| {
            if found.is_none() {
                look(first, None);
            }
        }),
        Some(_) => service.store().read_many(keys, look),
    };
    out.push(if looked.is_ok() { END } else { BAD_LINE });
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
