//! The striped table: the one place where readers meet writers without a lock.
//!
//! Unsafe code lives here and in `epoch`. What this module offers upward is safe: shared
//! references bound to a guard for readers, and [`Held`], a stripe whose lock is taken, for
//! writers. It knows nodes, slots and deadlines; what an operation *means* is decided in `store`.
//!
//! ```text
//! Stripe ── table ──▶ Table: [ Bucket | Bucket | Bucket | … ]        one cache line a bucket
//!    └──── lock          meta: tag tag tag tag tag tag tag ovf       seven tags, overflow count
//!                        slots: ● ● ● ● ● ● ●  ──▶ Node { state, times, hash, key, value }
//! ```
//!
//! # Invariants
//!
//! * **R1** A node found under a guard lives until the guard is dropped. (Nodes are retired after
//!   they were unlinked, by E1.)
//! * **R2** A node found under the stripe lock lives until the lock is released or the holder
//!   unlinks it: only lock holders unlink.
//! * **R3** Within one table a key keeps its slot as long as it is present. Growing builds a new
//!   table and publishes it; the old one never changes again.
//! * **R4** A node that was never published has one owner.
//! * **R5** A lock record named by `times` lives as long as its node, or until it has been taken
//!   out of `times` and retired.
//! * **R6** The overflow count of a bucket is at least the number of present keys that passed it,
//!   full, on the way from their home bucket to their slot. So a probe may end where it is zero.
//! * **W1** A word type is a number of at most eight bytes without padding or drop glue.
//!
//! # Orderings
//!
//! Each is cited where it is used; the loom models that fail without it are in `tests/loom`.
//!
//! | | Release | Acquire | what it carries |
//! |---|---|---|---|
//! | **O1** | slot, on publish, replace and unlink | slot, in a probe | the node's contents; what came before a removal |
//! | **O2** | table pointer, on growth | table pointer, in a probe | the new table's buckets |
//! | **O3** | `state` | `state` | the cell it names; the doubt set before it |
//! | **O4** | word cell | word cell | earlier values of `state` |
//! | **O5** | `times` | `times` | the `state` it belongs to; the lock record |
//! | **O6** | bucket meta | bucket meta | what came before a removal, for who sees it by the tag |
//! | **O7** | limbo's stack, on push | limbo's stack, when it is taken | what is in the batches |
//!
//! O8 to O11 are the epoch's own.
//!
//! No model shows O7: a reader's thread would have to push a batch just between a writer's unpin and
//! its look at the stack, and loom does not come to stop the writer there.
#![expect(unsafe_code, reason = "one of the two rooms where it is allowed")]

mod bucket;
mod limbo;
mod node;
mod prefetch;
mod spare;
mod stripe;
mod table;
mod word;

pub(crate) use limbo::{Cleared, DEFAULT_LIMIT, Limbo, Retired, Unlinked, collect};
pub(crate) use node::{BlankLock, LockState, Node, Standing, View, entry_bytes};
pub(crate) use stripe::{BatchSize, Entries, Held, Occupied, Search, Stripe};
pub(crate) use table::At;
pub(crate) use word::{ValueRef, from_bits, is_word, to_bits};
