//! Statistics: counted by each connection for itself, added up for all.

use super::connection::State;
use crate::sync::Tally as Sum;

macro_rules! counters {
    ($($name:ident,)*) => {
        /// What one connection has counted since it last reported.
        #[derive(Debug, Default)]
        pub(super) struct Tally {
            $(pub(super) $name: u64,)*
            /// Whether anything was counted.
            pub(super) is_dirty: bool,
        }

        /// The sums over all connections.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Sum,)*
        }

        impl Counters {
            /// Adds what a connection has counted, and sets that to zero.
            pub(super) fn add(&self, tally: &mut Tally) {
                if !std::mem::take(&mut tally.is_dirty) {
                    return;
                }
                $(if tally.$name > 0 {
                    self.$name.add(std::mem::take(&mut tally.$name));
                })*
            }

            /// Sets all to zero.
            pub(super) fn reset(&self) {
                $(self.$name.set(0);)*
            }
        }
    };
}

counters! {
    cmd_get, cmd_set, cmd_flush, cmd_touch, cmd_meta,
    get_hits, get_misses, get_expired, get_flushed,
    delete_hits, delete_misses,
    incr_hits, incr_misses, decr_hits, decr_misses,
    cas_hits, cas_misses, cas_badval,
    touch_hits, touch_misses,
    store_too_large, store_no_memory,
    auth_cmds, auth_errors,
    bytes_read, bytes_written,
    total_items, total_connections, rejected_connections, idle_kicks,
    cmd_lock, lock_errors,
}

/// Shows every statistic of `group` to `each`; an empty name stands for the general ones. Returns
/// whether there is such a group.
pub(super) fn visit(group: &[u8], state: &State, each: &mut dyn FnMut(&[u8], &[u8])) -> bool {
    if !group.is_empty() {
        return false;
    }
    let stats = state.service.stats();
    let version = state.service.config().compat.version();
    each(b"version", version.as_bytes());
    let numbers: [(&str, u64); 5] = [
        ("curr_items", state.service.store().len() as u64),
        ("cmd_get", stats.cmd_get.get() + state.tally.cmd_get),
        ("cmd_set", stats.cmd_set.get() + state.tally.cmd_set),
        ("cmd_lock", stats.cmd_lock.get() + state.tally.cmd_lock),
        ("lock_errors", stats.lock_errors.get() + state.tally.lock_errors),
    ];
    for (name, number) in numbers {
        each(name.as_bytes(), itoa::Buffer::new().format(number).as_bytes());
    }
    true
}
