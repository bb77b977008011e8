//! `md`

use super::{END_OF_LINE, Words, is_old, key_and_flags, push_echo};
use crate::bytes::{Delete, Reason};
use crate::memcached::Output;
use crate::memcached::connection::State;
use crate::memcached::text::replies::{BUSY, NO_MEMORY};

/// Removes, or marks as stale.
pub(in crate::memcached::text) fn execute(words: Words<'_>, state: &mut State, out: &mut Output) {
    let (key, flags) = match key_and_flags(words, state) {
        Ok(parsed) => parsed,
        Err(complaint) if is_old(state.service.config().compat) => {
            return out.push(complaint.vaguely());
        }
        Err(complaint) => return out.push(complaint.reply),
    };
    let delete = Delete {
        cas: flags.cas.map(|cas| state.comparable(cas)),
        invalidate: flags.has(b'I'),
        touch: flags.exptime,
        clear_value: flags.has(b'x'),
        flags: flags.client_flags,
        stamp: flags.stamp,
    };
    state.tally.cmd_meta += 1;
    state.service.stats().details.note(&key.bytes, |counts| counts.deletes += 1);
    let removed = state.service.store().remove(&key.bytes, delete).map_err(|error| error.reason());
    let code = match removed {
        Ok(()) => {
            state.tally.delete_hits += u64::from(!delete.invalidate);
            if flags.has(b'q') {
                return;
            }
            b"HD"
        }
        Err(reason) => {
            state.tally.delete_misses += 1;
            match reason {
                Reason::Absent => b"NF",
                Reason::Changed | Reason::Locked { .. } => b"EX",
                Reason::Full => return out.push(NO_MEMORY),
                _ => return out.push(BUSY),
            }
        }
    };
    out.push(code);
    push_echo(&key, &flags, out);
    out.push(END_OF_LINE);
}
