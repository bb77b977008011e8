//! A repair station's parts inventory: SQLite behind, a caskade cache in front, threads that order.
//!
//! ```text
//! cargo run --release --example inventory
//! cargo run --release --example inventory -- --help
//! ```
//!
//! Eight threads work through an orders file. They order parts by four strategies at once, on the
//! same parts: compare-and-swap by hand, `fetch_update`, `fetch_update` that takes turns after a few
//! losses, and key locks. Page views are counted with `increment_or_insert`. In the middle, a thread
//! dies with a key lock in its hand, and nobody does anything about it: the lock opens by itself. At
//! the end an audit compares file, database and cache to the last part.
//!
//! # How cache and database are kept in step
//!
//! * **The cache decides.** The entry of a part holds its stock and the number of orders filled so
//!   far, its sequence number. An order is decided by the one write of that entry which takes the
//!   parts, whatever the strategy. A refused order is decided by the look that found too little.
//! * **The database follows.** Whoever has won writes order and stock change in one transaction,
//!   after the write to the cache and outside all of its locks. The stock goes down by the quantity
//!   instead of being set, so it does not matter in which order the transactions come in.
//! * **Page counters are written behind**, every so many views and at the end. The database keeps the
//!   greater number, so a late write does no harm.
//! * **A failed transaction ends the run.** The cache is then ahead of the database, and is thrown
//!   away; the next run fills it from the database. An order counts as accepted once its row is
//!   there.
//!
//! While the station is open, the database may lag behind the cache, but by no more than what is in
//! the hands of the threads. This program is the only writer of the database; two of them would need
//! a cache that they share.

mod arguments;
mod audit;
mod crash;
mod database;
mod orders;
mod program;
mod report;
mod screen;
mod station;
mod strategies;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let terminal = out.is_terminal();
    program::run(std::env::args_os().skip(1), &mut out, &mut err, terminal).into()
}
