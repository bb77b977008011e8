//! Statistics: counted by each connection for itself, added up for all.

mod details;
pub(super) mod listing;
pub(super) mod text;

use std::fmt::Write;

use super::connection::State;
use crate::sync::Tally as Sum;
pub(super) use details::Details;

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
            pub(super) curr_connections: Sum,
            /// What the cache had counted at the last reset.
            before: Before,
            pub(super) details: Details,
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
            fn set_to_zero(&self) {
                $(self.$name.set(0);)*
            }
        }
    };
}

/// What a store has counted when it was last set to zero, which it cannot be itself.
#[derive(Debug, Default)]
struct Before {
    evicted: Sum,
    expired: Sum,
}

impl Counters {
    pub(super) fn connection_opened(&self) {
        self.total_connections.add(1);
        self.curr_connections.add(1);
    }

    pub(super) fn connection_closed(&self) {
        self.curr_connections.sub(1);
    }

    /// Sets to zero what counts, and leaves what is. `stats` are those of the store.
    pub(super) fn reset(&self, stats: &crate::Stats) {
        self.set_to_zero();
        self.before.evicted.set(stats.evicted);
        self.before.expired.set(stats.expired);
    }
}

/// Shows the statistics of `group` by name and value. Whether there is such a group; `reset` is one,
/// and shows nothing.
pub(super) fn visit(group: &[u8], state: &mut State, each: &mut dyn FnMut(&[u8], &[u8])) -> bool {
    let State { service, tally, .. } = state;
    // What this connection has counted belongs into the answer.
    tally.is_dirty = true;
    service.stats().add(tally);
    if group == b"reset" {
        service.stats().reset(&service.store().stats());
        return true;
    }
    let mut text = String::new();
    listing::list(service, group, &mut |name, value| {
        text.clear();
        let _ = write!(text, "{value}"); // to a string, which does not fail
        each(name.as_bytes(), text.as_bytes());
    })
}

impl Tally {
    /// Counts an `incr` or `decr`.
    pub(super) fn count_change(&mut self, down: bool, is_hit: bool) {
        *match (down, is_hit) {
            (false, true) => &mut self.incr_hits,
            (false, false) => &mut self.incr_misses,
            (true, true) => &mut self.decr_hits,
            (true, false) => &mut self.decr_misses,
        } += 1;
    }
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
