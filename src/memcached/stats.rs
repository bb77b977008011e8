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

            /// Shows all, with what a connection has counted and not added yet.
            fn visit(&self, tally: &Tally, each: &mut dyn FnMut(&[u8], &[u8])) {
                $({
                    let mut number = itoa::Buffer::new();
                    let number = number.format(self.$name.get() + tally.$name);
                    each(stringify!($name).as_bytes(), number.as_bytes());
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
    each(b"version", state.service.config().compat.version().as_bytes());
    state.service.stats().visit(&state.tally, each);
    true
}
