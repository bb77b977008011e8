//! `ms`

use bytes::Bytes;

use super::flags::{Cause, Complaint, Flags};
use super::key::Key;
use super::{BAD_LINE, END_OF_LINE, MAX_KEY, Words, is_old, numbers, push_flag, push_opaque};
use super::{too_few_words, word_limit};
use crate::bytes::{Mode, Put, Reason, Stored};
use crate::memcached::connection::State;
use crate::memcached::text::Action;
use crate::memcached::text::replies::{BAD_CHUNK, BUSY, NO_MEMORY};
use crate::memcached::text::storage::{CRLF, TooLarge};
use crate::memcached::{Compat, Output};

/// A store with its data.
pub(in crate::memcached::text) struct Request<'b> {
    key: Key<'b>,
    flags: Flags<'b>,
    mode: Mode,
    /// With what stands where its end should be.
    block: &'b [u8],
}

/// What to do, and how many bytes after the line belong to it. `None` until the data is there.
#[inline]
pub(in crate::memcached::text) fn parse<'b>(
    words: Words<'b>,
    rest: &'b [u8],
    state: &State,
) -> Option<(Action<'b>, usize)> {
    let compat = state.service.config().compat;
    let len = match announced(words, compat) {
        Ok(len) => len,
        Err(reply) => return Some((Action::Reply(reply), 0)),
    };
    let block_len = len + CRLF.len();
    let (key, flags, mode) = match header(words, state) {
        Ok(header) => header,
        Err(complaint) => {
            let keeps_data = match complaint.cause {
                Cause::Line => is_old(compat),
                Cause::NoFlag => true,
                Cause::Flag | Cause::Opaque => false,
            };
            let skipped = if keeps_data { 0 } else { block_len };
            return Some((Action::Reply(complaint.reply), skipped));
        }
    };
    if !state.service.store().admits(key.bytes.len(), len, flags.client_flags) {
        let refusal = TooLarge { key: key.bytes, ends_old: true, is_quiet: false };
        return Some((Action::TooLarge(refusal), block_len));
    }
    let block = rest.get(..block_len)?;
    Some((Action::MetaStore(Request { key, flags, mode, block }), block_len))
}

/// How many bytes of data the line announces.
#[inline]
fn announced(mut words: Words<'_>, compat: Compat) -> Result<usize, &'static [u8]> {
    let ([key, len], count) = words.first::<2>();
    match count {
        0 => Err(too_few_words(compat)),
        1 => Err(BAD_LINE),
        _ if is_old(compat) && key.len() > MAX_KEY => Err(BAD_LINE),
        _ => numbers::bytes(len, compat).ok_or(BAD_LINE),
    }
}

#[inline]
fn header<'b>(words: Words<'b>, state: &State) -> Result<(Key<'b>, Flags<'b>, Mode), Complaint> {
    let compat = state.service.config().compat;
    let mut rest = words;
    let ([key, _], _) = rest.first::<2>();
    if key.len() > MAX_KEY {
        return Err(Complaint::of_line(BAD_LINE));
    }
    if words.exceeds(word_limit(state)) {
        return Err(Complaint::of_line(too_many_words(compat)));
    }
    let mut flags = Flags::parse(key, rest, compat)?;
    let key = Key::new(key, &mut flags);
    let mode = match flags.mode {
        None | Some(b'S') => Mode::Set,
        Some(b'E') => Mode::Add,
        Some(b'A') => Mode::Append,
        Some(b'P') => Mode::Prepend,
        Some(b'R') => Mode::Replace,
        Some(_) => {
            return Err(Complaint::of_flag(b"CLIENT_ERROR invalid mode for ms M token\r\n"));
        }
    };
    Ok((key, flags, mode))
}

fn too_many_words(compat: Compat) -> &'static [u8] {
    if is_old(compat) {
        b"CLIENT_ERROR options flags too long\r\n"
    } else {
        b"CLIENT_ERROR options flags are too long\r\n"
    }
}

/// Stores.
pub(in crate::memcached::text) fn execute(
    request: &Request<'_>,
    state: &mut State,
    out: &mut Output,
) {
    let Request { key, flags, mode, block } = request;
    state.tally.cmd_meta += 1;
    state.tally.cmd_set += 1;
    let Some(data) = block.strip_suffix(CRLF) else { return out.push(BAD_CHUNK) };
    state.service.stats().details.note(&key.bytes, |counts| counts.sets += 1);
    let put = Put {
        mode: *mode,
        value: Bytes::copy_from_slice(data),
        flags: flags.client_flags,
        exptime: flags.exptime.unwrap_or(0),
        cas: flags.cas.map(|cas| state.comparable(cas)),
        invalidate: flags.has(b'I'),
        vivify: flags.vivify.filter(|_| !is_old(state.service.config().compat)),
        stamp: flags.stamp,
        binary_key: key.is_binary,
    };
    let stored = state.service.store().put(&key.bytes, put).map_err(|error| error.reason());
    let compares = flags.cas.is_some() && matches!(mode, Mode::Set | Mode::Replace);
    count(compares, stored, state);
    let code: &[u8] = match stored {
        Ok(_) if flags.has(b'q') => return,
        Ok(_) => b"HD",
        Err(Reason::Absent) if compares => b"NF",
        Err(Reason::Absent | Reason::Exists | Reason::TooLarge) => b"NS",
        Err(Reason::Changed | Reason::Locked { .. }) => b"EX",
        Err(Reason::Full) => {
            state.service.store().forget_overwritten(&key.bytes);
            return out.push(NO_MEMORY);
        }
        Err(_) => return out.push(BUSY),
    };
    out.push(code);
    push_return_flags(request, data.len(), stored.ok(), state, out);
    out.push(END_OF_LINE);
}

fn count(compares: bool, stored: Result<Stored, Reason>, state: &mut State) {
    let tally = &mut state.tally;
    match stored {
        Ok(_) => {
            tally.total_items += 1;
            tally.cas_hits += u64::from(compares);
        }
        Err(Reason::Absent) => tally.cas_misses += u64::from(compares),
        Err(Reason::Changed) => tally.cas_badval += u64::from(compares),
        Err(Reason::Full) => tally.store_no_memory += 1,
        Err(_) => {}
    }
}

#[inline]
fn push_return_flags(
    request: &Request<'_>,
    data_len: usize,
    stored: Option<Stored>,
    state: &State,
    out: &mut Output,
) {
    for flag in request.flags.words() {
        match flag[0] {
            b'O' => push_opaque(flag, out),
            b'k' => request.key.push(out),
            b'c' => push_flag(b" c", stored.map_or(0, |stored| state.shown(stored.cas)), out),
            b's' if !is_old(state.service.config().compat) => {
                push_flag(b" s", stored.map_or(data_len, |stored| stored.size), out);
            }
            _ => {}
        }
    }
}
