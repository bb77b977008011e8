//! `ma`

use super::flags::Flags;
use super::key::Key;
use super::{
    END_OF_LINE, KEY_LOCKED_CODE, Words, key_and_flags, life, push_echo, push_flag, push_opaque,
    push_ttl,
};
use crate::bytes::{Count, Counted, LOCKED, Reason};
use crate::memcached::Output;
use crate::memcached::connection::State;
use crate::memcached::text::replies::{BUSY, NO_MEMORY, NOT_NUMERIC};

/// Changes a counter.
pub(in crate::memcached::text) fn execute(words: Words<'_>, state: &mut State, out: &mut Output) {
    let (key, flags) = match key_and_flags(words, state) {
        Ok(parsed) => parsed,
        Err(complaint) => return out.push(complaint.vaguely()),
    };
    let down = match flags.mode {
        None | Some(b'I' | b'+') => false,
        Some(b'D' | b'-') => true,
        Some(_) => return out.push(b"CLIENT_ERROR invalid mode for ma M token\r\n"),
    };
    let count = Count {
        down,
        delta: flags.delta,
        vivify: flags.vivify_exptime(),
        initial: flags.initial,
        touch: flags.exptime,
        cas: flags.cas.map(|cas| comparable(cas, state)),
        stamp: flags.stamp,
    };
    let counted = state.service.store().count(&key.bytes, count).map_err(|error| error.reason());
    tally(down, counted, state);
    let code = match counted {
        Ok(counted) if flags.has(b'q') && !counted.is_new => return,
        Ok(counted) => return push_counted(&key, &flags, counted, state, out),
        Err(Reason::Absent) => b"NF",
        Err(Reason::Changed) => b"EX",
        Err(Reason::Locked { .. }) => KEY_LOCKED_CODE,
        Err(Reason::NotNumeric) => return out.push(NOT_NUMERIC),
        Err(Reason::Full) => return out.push(NO_MEMORY),
        Err(_) => return out.push(BUSY),
    };
    out.push(code);
    push_echo(&key, &flags, out);
    out.push(END_OF_LINE);
}

/// Zero asks for no stamp. If there are none on the wire, any other is a wrong one.
fn comparable(cas: u64, state: &State) -> u64 {
    if cas == 0 || state.service.config().cas { cas } else { LOCKED }
}

fn tally(down: bool, counted: Result<Counted, Reason>, state: &mut State) {
    state.tally.cmd_meta += 1;
    match counted {
        Ok(counted) if counted.is_new => state.tally.total_items += 1,
        Ok(_) => state.tally.count_change(down, true),
        Err(Reason::Absent) => state.tally.count_change(down, false),
        Err(_) => {}
    }
}

fn push_counted(
    key: &Key<'_>,
    flags: &Flags<'_>,
    counted: Counted,
    state: &State,
    out: &mut Output,
) {
    let mut buffer = itoa::Buffer::new();
    let number = buffer.format(counted.number);
    if flags.has(b'v') {
        out.push(b"VA ");
        out.push_number(number.len());
    } else {
        out.push(b"HD");
    }
    // What a flag of this request changes is seen by the flags behind it.
    let mut ttl = if counted.is_new { None } else { counted.ttl };
    for flag in flags.words() {
        match flag[0] {
            b'c' => push_flag(b" c", state.shown(counted.cas), out),
            b't' => push_ttl(ttl, out),
            b'T' => ttl = life(flags.exptime, state),
            b'N' if counted.is_new => ttl = life(flags.vivify, state),
            b'k' => key.push(out),
            b'O' => push_opaque(flag, out),
            _ => {}
        }
    }
    out.push(END_OF_LINE);
    if flags.has(b'v') {
        out.push(number.as_bytes());
        out.push(END_OF_LINE);
    }
}
