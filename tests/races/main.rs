//! Races between those who load values and those who invalidate them, move by move.
//!
//! A cache stands before a database of one row. Somebody loads the row; at one of three moments
//! somebody else changes it and invalidates the key:
//!
//! ```text
//! loader        begins ─────── reads the row ─────── stores it ──────────▶
//! invalidation         before it reads      before it stores     when it is stored
//! ```
//!
//! [`table`] crosses every way to load ([`loads`]) with every way to invalidate ([`invalidations`]) at
//! each moment, and asks the same of every cell: from the invalidation on nobody sees the old row,
//! nobody is stuck, and everybody gets a value.
//!
//! The other modules have what does not fit into a table: writes that land within updates
//! ([`writes`]), leaders and followers that go away ([`walkouts`]), user code that panics
//! ([`panics`]), loads of many keys that overlap ([`batches`]), and what does not make a stale value
//! fresh ([`staleness`]).
//!
//! Nothing here sleeps or hopes for a schedule. Loaders call back at each moment, futures are polled
//! by hand, another thread is spawned where one is needed and runs to its end, and time is a
//! `ManualClock`.

#![expect(clippy::unwrap_used, reason = "the tables of a test are tests too")]

#[path = "../support/guarded.rs"]
mod guarded;
#[path = "../support/polling.rs"]
mod polling;

mod batches;
mod invalidations;
mod loads;
mod panics;
mod scene;
mod staleness;
mod table;
mod walkouts;
mod writes;
