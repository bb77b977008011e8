//! What each method does, area by area: one program, because building is most of a test run.

#[path = "../support/mod.rs"]
mod support;

mod basic;
mod bound;
mod cas;
mod counter;
mod drain;
mod drops;
mod expiry;
mod fills;
mod full;
mod hashers;
mod idle;
mod iteration;
mod key_lock;
mod loading;
mod memory;
mod panics;
mod reentry;
mod retain;
mod retry;
mod shrink;
mod stats;
mod waiting;
