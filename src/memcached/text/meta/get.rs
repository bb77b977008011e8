//! `mg`

use super::flags::Flags;
use super::key::{self, Key};
use super::{
    END_OF_LINE, KEY_LOCKED_CODE, Words, key_and_flags, life, push_echo, push_flag, push_opaque,
    push_ttl,
};
use crate::bytes::{Fetch, Fetched, Metadata, Reason, Role};
use crate::memcached::Output;
use crate::memcached::connection::State;
use crate::memcached::text::replies::{BUSY, NO_MEMORY, is_old};

/// Reads, and what else the flags ask for.
#[inline]
pub(in crate::memcached::text) fn execute(words: Words<'_>, state: &mut State, out: &mut Output) {
    let (key, flags) = match key_and_flags(words, state) {
        Ok(parsed) => parsed,
        Err(complaint) => return out.push(complaint.reply),
    };
    let fetch = Fetch {
        quietly: flags.has(b'u'),
        touch: flags.exptime,
        vivify: flags.vivify_exptime(),
        stamp: flags.stamp,
        recache: flags.recache,
        recache_touched: flags.touches_before_recache(),
        metadata: flags.has_any(b"htl"),
    };
    let fetched = state.service.store().fetch(&key.bytes, fetch);
    count(&key, &flags, matches!(&fetched, Ok(Some(fetched)) if !fetched.is_new), state);
    match fetched {
        Ok(Some(fetched)) => push_hit(&key, &flags, &fetched, state, out),
        Ok(None) if flags.has(b'q') => {}
        Ok(None) => push_code(b"EN", &key, &flags, out),
        Err(error) => match error.reason() {
            Reason::Locked { .. } => push_code(KEY_LOCKED_CODE, &key, &flags, out),
            Reason::Full => out.push(NO_MEMORY),
            _ => out.push(BUSY),
        },
    }
}

/// A code and what every answer repeats.
fn push_code(code: &[u8], key: &Key<'_>, flags: &Flags<'_>, out: &mut Output) {
    out.push(code);
    push_echo(key, flags, out);
    out.push(END_OF_LINE);
}

#[inline]
fn count(key: &Key<'_>, flags: &Flags<'_>, is_hit: bool, state: &mut State) {
    let tally = &mut state.tally;
    let (hits, misses) = if flags.exptime.is_some() {
        tally.cmd_touch += 1;
        (&mut tally.touch_hits, &mut tally.touch_misses)
    } else {
        tally.cmd_get += 1;
        (&mut tally.get_hits, &mut tally.get_misses)
    };
    if is_hit {
        *hits += 1;
    } else {
        *misses += 1;
    }
    tally.cmd_meta += 1;
    state.service.stats().details.note(&key.bytes, |counts| {
        counts.gets += 1;
        counts.hits += u64::from(is_hit);
    });
}

#[inline]
fn push_hit(key: &Key<'_>, flags: &Flags<'_>, fetched: &Fetched, state: &State, out: &mut Output) {
    let value = &fetched.hit.value;
    let shows_value = flags.has(b'v') && !is_known(flags, fetched, state);
    if shows_value {
        out.push(b"VA ");
        out.push_number(value.len());
    } else {
        out.push(b"HD");
    }
    push_return_flags(key, flags, fetched, state, out);
    if fetched.role == Role::Taken {
        out.push(b" Z");
    }
    if fetched.is_stale {
        out.push(b" X");
    }
    if fetched.role == Role::Won {
        out.push(b" W");
    }
    out.push(END_OF_LINE);
    if shows_value {
        out.push_value(value);
        out.push(END_OF_LINE);
    }
}

/// Whether the client has this version. 1.6.18 does not ask.
fn is_known(flags: &Flags<'_>, fetched: &Fetched, state: &State) -> bool {
    let seen = flags.cas.filter(|_| !is_old(state.service.config().compat));
    seen.is_some_and(|seen| seen == state.shown(fetched.hit.cas))
}

#[inline]
fn push_return_flags(
    key: &Key<'_>,
    flags: &Flags<'_>,
    fetched: &Fetched,
    state: &State,
    out: &mut Output,
) {
    let hit = &fetched.hit;
    // What a flag of this request changes is seen by the flags behind it.
    let mut ttl = fetched.metadata.and_then(|seen| if fetched.is_new { None } else { seen.ttl });
    for flag in flags.words() {
        match flag[0] {
            b's' => push_flag(b" s", hit.value.len(), out),
            b'f' => push_flag(b" f", hit.flags, out),
            b'c' => push_flag(b" c", state.shown(hit.cas), out),
            b'k' => key::push_flag(&key.bytes, fetched.binary_key, out),
            b'O' => push_opaque(flag, out),
            b't' => push_ttl(ttl, out),
            b'T' => ttl = life(flags.exptime, state),
            b'N' if fetched.is_new => ttl = life(flags.vivify, state),
            b'h' | b'l' => push_metadata(flag[0], fetched.metadata, out),
            _ => {}
        }
    }
}

fn push_metadata(letter: u8, metadata: Option<Metadata>, out: &mut Output) {
    let Some(metadata) = metadata else { return };
    if letter == b'h' {
        push_flag(b" h", u8::from(metadata.was_fetched), out);
    } else {
        push_flag(b" l", metadata.idle, out);
    }
}
