//! Loom models of the shipped code.
//!
//! A model is a table row: a few operations to set the stage, and what two or three threads do.
//! Loom runs it in every interleaving with at most `LOOM_MAX_PREEMPTIONS` preemptions and with
//! every value the memory model lets a load return. In each of these executions the recorded
//! history is checked against a sequential specification (`spec.rs`): is there an order of the
//! operations, compatible with who finished before whom began, that explains every response?
//!
//! Run with
//!
//! ```sh
//! RUSTFLAGS="--cfg caskade_loom" LOOM_MAX_PREEMPTIONS=2 cargo test --release --test loom
//! ```
//!
//! over the strict stand-in for the epoch, with `--cfg caskade_epoch` added over our own, and with
//! `--cfg crossbeam_loom` over `crossbeam-epoch`. What loom does not see: load buffering, and the parking of
//! `parking_lot`, for which its own mutex stands in.
#![cfg(caskade_loom)]

mod buffering;
mod fills;
mod harness;
mod spec;

/// The model checker the harness runs under.
mod checker {
    pub(crate) use loom::{sync, thread};
}

use harness::{Model, Op::*, Seen};

/// Declares models: name, operations of the stage, operations of each thread.
macro_rules! models {
    ($($(#[$doc:meta])* $name:ident: [$($stage:expr),*] $( | [$($op:expr),*])+;)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            Model::new(vec![$($stage),*], vec![$(vec![$($op),*]),+]).check();
        }
    )*};
}

const A: u64 = 1;
const B: u64 = 2;
const C: u64 = 3;

models! {
    // Publication, replacement and removal.
    overwrite_against_reads: [Insert(A, 1)] | [Get(A), Get(A)] | [Insert(A, 2)];
    remove_and_insert_against_reads: [Insert(A, 1)] | [Get(A), Get(A)] | [Remove(A), Insert(A, 2)];
    slot_reused_by_another_key: [Insert(B, 1)] | [Get(A), Get(A)] | [Remove(B), Insert(A, 2)];
    insert_against_reads: [] | [Get(A), Get(A)] | [Insert(A, 1)];
    stale_tag_word: [Insert(B, 1)] | [Get(A)] | [Get(A)] | [Remove(B), Insert(A, 2)];

    // Compare-and-swap: one winner.
    two_swaps_one_winner: [Insert(A, 1)]
        | [Cas(A, Seen::Stage, 2)] | [Cas(A, Seen::Stage, 3)] | [Get(A)];
    swap_against_remove_and_insert: [Insert(A, 1)]
        | [Cas(A, Seen::Stage, 2)] | [Remove(A), Insert(A, 3)];

    // Key locks.
    lock_and_write_against_swap: [Insert(A, 1)]
        | [Lock(A), Cas(A, Seen::Token, 2)] | [Get(A), Cas(A, Seen::Last, 3)];
    lock_and_write_against_lapse: [Insert(A, 1)]
        | [Lock(A), Cas(A, Seen::Token, 2)] | [Get(A)] | [Tick(20)];
    unlock_against_lapse_and_relock: [Insert(A, 1)]
        | [Lock(A), Unlock(A)] | [Get(A)] | [Tick(20), Lock(A)];
    unlock_and_read_against_lapse_and_write: [Insert(A, 1)]
        | [Lock(A), Unlock(A), Get(A)] | [Tick(20), Insert(A, 2)];
    lock_and_write_against_two_reads_and_lapse: [Insert(A, 1)]
        | [Lock(A), Cas(A, Seen::Token, 2)] | [Get(A), Get(A)] | [Tick(20)];
    relock_against_reads: [Insert(A, 1)] | [Lock(A), Tick(20), Lock(A)] | [Get(A), Get(A)];
    lapse_against_lock: [Insert(A, 1)] | [Lock(A), Tick(20)] | [Lock(A)] | [Get(A)];
    late_write_against_lapse_and_write: [Insert(A, 1)]
        | [Lock(A), Cas(A, Seen::Token, 2)] | [Tick(20), Insert(A, 3)] | [Get(A)];
    remove_and_insert_against_lock: [Insert(A, 1)]
        | [Remove(A), Insert(A, 2)] | [Lock(A), Unlock(A)];
    renew_against_lapse: [Insert(A, 1)] | [Lock(A), Renew(A)] | [Tick(20)] | [Get(A), Get(A)];

    // Expiry.
    expiry_against_overwrite: [InsertUntil(A, 1, 10)]
        | [Get(A), Get(A)] | [Tick(20)] | [Insert(A, 2)];
    expiry_against_touch: [InsertUntil(A, 1, 10)] | [Get(A)] | [Tick(20)] | [TouchUntil(A, 40), Get(A)];
    touch_that_shortens: [InsertUntil(A, 1, 90)]
        | [Get(A), Get(A)] | [Tick(20)] | [TouchUntil(A, 10)];
    late_touch_against_write_that_expired: [Insert(A, 1)]
        | [TouchUntil(A, 40)] | [Tick(20), InsertUntil(A, 2, 15)];
    expiry_against_swap: [InsertUntil(A, 1, 10)]
        | [Get(A), Get(A)] | [Tick(20)] | [Cas(A, Seen::Stage, 2)];
    expired_removed_twice: [InsertUntil(A, 1, 10)] | [Get(A)] | [Get(A)] | [Tick(20), Insert(A, 2)];
    expiry_beats_lock: [InsertUntil(A, 1, 15)] | [Lock(A), Cas(A, Seen::Token, 2)] | [Get(A)] | [Tick(20)];

    // Words: in place, value and stamp together.
    word_overwrite_against_reads: [Word, Insert(A, 1)] | [Get(A), Get(A)] | [Insert(A, 2), Insert(A, 3)];
    counters_lose_nothing: [Word, Insert(A, 1)] | [Increment(A)] | [Increment(A)] | [Get(A)];
    two_steps_against_reads: [Word, Insert(A, 1)] | [Increment(A), Increment(A)] | [Get(A), Get(A)];
    locked_counter: [Word, Insert(A, 1)] | [Lock(A), Unlock(A), Increment(A)] | [Get(A), Get(A)];
    lapse_against_step: [Word, Insert(A, 1)] | [Lock(A)] | [Tick(20), Increment(A)] | [Get(A)];
    word_touch_against_reads: [Word, InsertUntil(A, 1, 10)]
        | [Get(A), Get(A)] | [Tick(20)] | [InsertUntil(A, 2, 40)];
    word_swap_against_swap: [Word, Insert(A, 1)]
        | [Cas(A, Seen::Stage, 2)] | [Cas(A, Seen::Stage, 3)] | [Get(A)];
    word_write_against_lock: [Word, Insert(A, 1)]
        | [Lock(A), Cas(A, Seen::Token, 2)] | [Insert(A, 3), Insert(A, 4)] | [Get(A)];
    word_write_against_expiry: [Word, InsertUntil(A, 1, 10)]
        | [Insert(A, 2), Insert(A, 3)] | [Tick(20)] | [Get(A), Get(A)];
    word_lock_and_write: [Word, Insert(A, 1)]
        | [Lock(A), Cas(A, Seen::Token, 2)] | [Get(A), Get(A)] | [Tick(20)];

    // Growth, clear, overflow, batches, sessions.
    growth_against_read_and_write: [Insert(A, 1), Fill(4)] | [Fill(1)] | [Get(A)] | [Insert(A, 2)];
    growth_and_write_against_reads: [Insert(A, 1), Fill(4)] | [Fill(1), Insert(A, 2)] | [Get(A), Get(A)];
    growth_and_step_against_reads: [Word, Insert(A, 1), Fill(4)]
        | [Fill(1), Increment(A)] | [Get(A), Get(A)];
    clear_against_read_and_write: [Insert(A, 1)] | [Clear] | [Get(A)] | [Insert(A, 2)];
    clear_and_insert_against_reads: [Insert(A, 1)] | [Clear, Insert(A, 2)] | [Get(A), Get(A)];
    /// `A` lies in the second bucket, behind seven others of the same home.
    overflow_falls_and_rises: [Fill(7), Insert(A, 1)]
        | [Get(A)] | [RemoveFill(0)] | [Insert(B, 2)];
    overflowed_key_moves_forward: [Fill(7), Insert(A, 1)]
        | [Get(A)] | [RemoveFill(0), Remove(A), Insert(A, 2)];
    session_across_growth_and_remove: [Insert(A, 1), Fill(4)]
        | [Session(A)] | [Fill(1), Remove(A)];
    refresh_against_remove: [Insert(A, 1), Insert(B, 1)]
        | [Refresh(A, A)] | [Remove(A), Insert(A, 2)];
    /// Each thread has pinned before, because the first pin of a thread advances the epoch.
    refresh_against_overwrite_and_reclaim: [Insert(B, 1), Insert(A, 1), Get(B)]
        | [Get(B), Refresh(B, A)] | [Insert(A, 2), Reclaim];
    /// More waits than is allowed, and a session holds it back: the writer helps in vain, waits for
    /// nobody and drops nothing too early.
    helping_writer_against_session: [Insert(A, 1)]
        | [Session(A)] | [Insert(A, 2), Insert(A, 3), Get(A)];
    /// The session is the writer's own, so that waiting for it would never end.
    helping_writer_in_a_session: [Insert(A, 1)] | [FillPinned, Insert(A, 2)] | [Get(A)];
    batch_against_writes: [Insert(A, 1), Insert(B, 1)]
        | [GetMany(A, B)] | [Insert(A, 2), Remove(B)];

    // Bounds: whoever is new makes another go.
    eviction_against_reads: [Bound(1), Insert(A, 1)] | [Get(A), Get(A)] | [Insert(B, 2)];
    eviction_and_return_against_reads: [Bound(1), Insert(A, 1)]
        | [Get(A), Get(A)] | [Insert(B, 2), Insert(A, 3)];
    eviction_against_swap: [Bound(1), Insert(A, 1)]
        | [Cas(A, Seen::Stage, 2)] | [Insert(B, 3)] | [Get(A)];
    /// `A` goes although it is locked: there is nobody else.
    eviction_against_lock_and_write: [Bound(1), Insert(A, 1)]
        | [Lock(A), Cas(A, Seen::Token, 2)] | [Insert(B, 3)] | [Get(A)];
    eviction_spares_the_locked: [Bound(2), Insert(A, 1), Insert(B, 1)]
        | [Lock(A), Cas(A, Seen::Token, 2)] | [Insert(C, 3)];
    eviction_of_the_lapsed: [Bound(2), Insert(A, 1), Insert(B, 1)]
        | [Lock(A), Cas(A, Seen::Token, 2)] | [Tick(20), Insert(C, 3)];
    refused_write_evicts_nobody: [Bound(2), Insert(A, 1), Insert(B, 1)]
        | [Lock(B), Insert(B, 2)] | [Get(A)];
    eviction_against_remove: [Bound(2), Insert(A, 1), Insert(B, 1)] | [Remove(A)] | [Insert(C, 1)];
    eviction_against_expiry: [Bound(1), InsertUntil(A, 1, 10)]
        | [Get(A)] | [Tick(20)] | [Insert(B, 2)];
}

/// Dropping the cache drops every value exactly once, those in flight included. Over the stand-in
/// only: `crossbeam-epoch` drops what is left in its bags when it sees fit.
#[cfg(not(crossbeam_loom))]
#[test]
fn every_value_is_dropped_once() {
    harness::drops_are_exact();
}
