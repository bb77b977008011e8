//! `version`, `verbosity`, `flush_all`, and the commands that turn knobs.
//!
//! Most knobs turn nothing here: what they tune does not exist. They are answered as memcached
//! answers them, so that who sets them goes on.

use super::replies::{BAD_EXPTIME, BAD_LINE, ERROR, OK, is_old, too_few_words};
use super::{Verb, Words, numbers};
use crate::memcached::Output;
use crate::memcached::connection::State;

/// Carries out a command that concerns no single item.
pub(super) fn execute(verb: Verb, words: Words<'_>, state: &mut State, out: &mut Output) {
    let reply = match verb {
        Verb::Version => return version(state, out),
        Verb::FlushAll => flush_all(words, state),
        Verb::Verbosity => verbosity(words, state),
        Verb::CacheMemlimit => cache_memlimit(words, state),
        Verb::Shutdown => shutdown(state),
        Verb::Slabs => slabs(words),
        Verb::Lru => lru(words),
        Verb::Watch => b"CLIENT_ERROR watch commands not allowed\r\n",
        _ => ERROR,
    };
    let may_be_quiet = matches!(verb, Verb::FlushAll | Verb::Verbosity | Verb::CacheMemlimit);
    if !(may_be_quiet && reply != ERROR && words.ends_in_noreply()) {
        out.push(reply);
    }
}

fn version(state: &State, out: &mut Output) {
    out.push(b"VERSION ");
    out.push(state.service.config().compat.version().as_bytes());
    out.push(b"\r\n");
}

fn flush_all(mut words: Words<'_>, state: &mut State) -> &'static [u8] {
    let config = *state.service.config();
    let ends_in_noreply = words.ends_in_noreply();
    let ([delay, second], count) = words.first::<2>();
    if is_old(config.compat) && words.next().is_some() {
        return ERROR;
    }
    state.tally.cmd_flush += 1;
    if !config.flush {
        return b"CLIENT_ERROR flush_all not allowed\r\n";
    }
    let is_bare = count == 0 || count == 1 && ends_in_noreply && second.is_empty();
    let delay = if is_bare { Some(0) } else { numbers::exptime(delay, config.compat) };
    let Some(delay) = delay else { return BAD_EXPTIME };
    state.service.store().flush_all(delay);
    OK
}

fn verbosity(mut words: Words<'_>, state: &State) -> &'static [u8] {
    let compat = state.service.config().compat;
    let ([level], count) = words.first::<1>();
    if count == 0 {
        return too_few_words(compat);
    }
    if is_old(compat) && words.count() > 1 {
        return ERROR;
    }
    if numbers::unsigned(level, compat).is_some() { OK } else { BAD_LINE }
}

fn cache_memlimit(mut words: Words<'_>, state: &State) -> &'static [u8] {
    const LEAST: u64 = 8;
    let ([megabytes], count) = words.first::<1>();
    let compat = state.service.config().compat;
    if count == 0 || words.count() > 1 {
        return ERROR;
    }
    match numbers::unsigned(megabytes, compat) {
        None => ERROR,
        Some(..LEAST) => b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n",
        Some(megabytes) => {
            let limit = megabytes.saturating_mul(1024 * 1024);
            match state.service.store().set_memory_limit(limit) {
                Ok(()) => OK,
                Err(_) => b"MEMLIMIT_ADJUST_FAILED input value is out of bounds or another command caused a conflict\r\n",
            }
        }
    }
}

fn shutdown(state: &State) -> &'static [u8] {
    if is_old(state.service.config().compat) {
        b"ERROR: shutdown not enabled\r\n"
    } else {
        b"SERVER_ERROR: shutdown not enabled\r\n"
    }
}

fn slabs(mut words: Words<'_>) -> &'static [u8] {
    let (words, count) = words.first::<3>();
    let is_number = |word| numbers::loose_exptime(word).is_some();
    match words {
        [b"reassign", from, to] if count == 3 => {
            if is_number(from) && is_number(to) {
                b"NOSPARE source class has no spare pages\r\n"
            } else {
                BAD_LINE
            }
        }
        [b"automove", b"0" | b"1" | b"2", _] => OK,
        [b"automove", level, _] if count > 1 && !is_number(level) => BAD_LINE,
        _ => ERROR,
    }
}

fn lru(mut words: Words<'_>) -> &'static [u8] {
    let (words, count) = words.first::<5>();
    match words {
        [b"mode", b"flat" | b"segmented", ..] => OK,
        [b"temp_ttl", ttl, ..] if numbers::loose_exptime(ttl).is_some() => OK,
        [b"tune", ..] if count == 5 => OK,
        _ => ERROR,
    }
}
