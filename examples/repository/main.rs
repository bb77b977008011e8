//! Accounts in a SQLite database, a cache in front of them, and threads that read and transfer.
//!
//! ```text
//! cargo run --release --example repository
//! cargo run --release --example repository -- --help
//! ```
//!
//! Repositories answer the same questions. The naive one does what is usually done: a reader that
//! finds nothing in the cache reads the row and inserts it, a writer commits and removes the entry.
//! Each step is right, and the whole is not: a reader that has read before the commit can insert after
//! the removal, and the old row stays in the cache until somebody changes it again. The others do
//! the same with tokens, marks and transactions, one of them with fences as well ([`cached`]), and
//! with loaders ([`loading`]).
//!
//! First all of them are taken through three [`stories`], in which one thread is stopped at the worst moment.
//! Then each of them gets the same random operations of many threads ([`workload`]), while an
//! [`audit`] stops the threads at random moments and compares every row with its entry.
//!
//! The cache follows the database here. Where it is the other way round, see the example `inventory`.

mod arguments;
mod audit;
mod cached;
mod choice;
mod database;
mod loading;
mod naive;
mod program;
mod repository;
mod stories;
mod workload;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    program::run(std::env::args_os().skip(1), &mut out, &mut err).into()
}
