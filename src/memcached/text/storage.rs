//! `set`, `add`, `replace`, `append`, `prepend`, `cas`.

use bytes::Bytes;

use super::replies::{
    BAD_CHUNK, BAD_LINE, BUSY, ERROR, EXISTS, NO_MEMORY, NOT_FOUND, NOT_STORED, STORED, TOO_LARGE,
    is_old,
};
use super::{Action, MAX_KEY, Verb, Words, numbers};
use crate::bytes::{Mode, Put, Reason};
use crate::memcached::Output;
use crate::memcached::connection::State;

/// The end of a data block.
pub(super) const CRLF: &[u8] = b"\r\n";

/// A classic store with its data.
pub(super) struct Request<'b> {
    mode: Mode,
    key: &'b [u8],
    flags: u32,
    exptime: i64,
    cas: Option<u64>,
    is_quiet: bool,
    /// With what stands where its end should be.
    block: &'b [u8],
}

/// Something that will not be stored, whatever its data.
pub(super) struct TooLarge<'b> {
    pub(super) key: std::borrow::Cow<'b, [u8]>,
    /// The item that is there goes.
    pub(super) ends_old: bool,
    pub(super) is_quiet: bool,
}

/// What the line says about how to store.
struct Header<'b> {
    key: &'b [u8],
    flags: u32,
    exptime: i64,
    cas: Option<u64>,
}

/// What to do, and how many bytes after the line belong to it. `None` until the data is there.
#[inline]
pub(super) fn parse<'b>(
    verb: Verb,
    words: Words<'b>,
    rest: &'b [u8],
    state: &State,
) -> Option<(Action<'b>, usize)> {
    let compat = state.service.config().compat;
    let needed = if verb == Verb::Cas { 5 } else { 4 };
    let mut tail = words;
    let (fields, count) = tail.first::<5>();
    if is_old(compat) && !(needed..=needed + 1).contains(&(count + tail.count())) {
        return Some((Action::Reply(ERROR), 0));
    }
    let is_quiet = words.ends_in_noreply();
    let refused =
        |reply, skipped| Some((Action::Reply(if is_quiet { b"" } else { reply }), skipped));
    let Some(len) = (count >= 4).then(|| numbers::bytes(fields[3], compat)).flatten() else {
        return refused(BAD_LINE, 0);
    };
    let block_len = len + CRLF.len();
    let Some(header) = header(verb, &fields, state) else {
        return refused(BAD_LINE, if is_old(compat) { 0 } else { block_len });
    };
    let Header { key, flags, exptime, cas } = header;
    if !state.service.store().admits(key.len(), len, flags) {
        let ends_old = verb == Verb::Set;
        let refusal = TooLarge { key: key.into(), ends_old, is_quiet };
        return Some((Action::TooLarge(refusal), block_len));
    }
    let block = rest.get(..block_len)?;
    let mode = mode(verb);
    let request = Request { mode, key, flags, exptime, cas, is_quiet, block };
    Some((Action::Store(request), block_len))
}

#[inline]
fn header<'b>(verb: Verb, fields: &[&'b [u8]; 5], state: &State) -> Option<Header<'b>> {
    let [key, flags, exptime, _, unique] = *fields;
    if key.len() > MAX_KEY {
        return None;
    }
    let flags = numbers::client_flags(flags)?;
    let exptime = numbers::loose_exptime(exptime)?;
    let cas = if verb == Verb::Cas {
        Some(numbers::unsigned(unique, state.service.config().compat)?)
    } else {
        None
    };
    Some(Header { key, flags, exptime, cas })
}

fn mode(verb: Verb) -> Mode {
    match verb {
        Verb::Add => Mode::Add,
        Verb::Replace => Mode::Replace,
        Verb::Append => Mode::Append,
        Verb::Prepend => Mode::Prepend,
        _ => Mode::Set,
    }
}

/// Stores.
pub(super) fn execute(request: &Request<'_>, state: &mut State, out: &mut Output) {
    let reply = store(request, state);
    if !request.is_quiet {
        out.push(reply);
    }
}

fn store(request: &Request<'_>, state: &mut State) -> &'static [u8] {
    let &Request { mode, key, flags, exptime, cas, block, .. } = request;
    state.tally.cmd_set += 1;
    let Some(data) = block.strip_suffix(CRLF) else { return BAD_CHUNK };
    state.service.stats().details.note(key, |counts| counts.sets += 1);
    let seen = cas.map(|cas| state.comparable(cas));
    let value = Bytes::copy_from_slice(data);
    let put = Put { mode, value, flags, exptime, cas: seen, ..Put::default() };
    let stored = state.service.store().put(key, put).map_err(|error| error.reason());
    let tally = &mut state.tally;
    match stored {
        Ok(_) => {
            tally.total_items += 1;
            tally.cas_hits += u64::from(cas.is_some());
            STORED
        }
        Err(Reason::Absent) if cas.is_some() => {
            tally.cas_misses += 1;
            NOT_FOUND
        }
        Err(Reason::Absent | Reason::Exists) => NOT_STORED,
        // Its own data was not: this is what it came to with the item's.
        Err(Reason::TooLarge) => NOT_STORED,
        Err(Reason::Changed | Reason::Locked { .. }) => {
            tally.cas_badval += u64::from(cas.is_some());
            EXISTS
        }
        Err(Reason::Full) => {
            tally.store_no_memory += 1;
            NO_MEMORY
        }
        Err(_) => BUSY,
    }
}

/// Answers what is too large.
#[cold]
pub(super) fn refuse(request: &TooLarge<'_>, state: &mut State, out: &mut Output) {
    state.tally.store_too_large += 1;
    if request.ends_old {
        state.service.store().forget_overwritten(&request.key);
    }
    if !request.is_quiet {
        out.push(TOO_LARGE);
    }
}
