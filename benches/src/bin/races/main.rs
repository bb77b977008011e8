//! Races that caches win or lose: caskade and its peers, the same steps for all.
//!
//!     cargo run --release -p caskade-bench --features async_peers --bin races -- [--markdown]
//!
//! Every race is a fixed order of events: gates decide who goes on when, and nothing sleeps. Waits with
//! an end only observe that somebody does not return. A cell says what happened with the worst of the
//! calls that a subject has for it; where calls differ, the notes below have all of them.
//!
//! Without the feature `async_peers`, foyer and moka's cache for futures are left out.

mod abandon;
mod cell;
mod fill;
mod gate;
mod late;
mod panics;
mod row;
mod subject;
mod subjects;
mod table;
#[cfg(test)]
mod tests;
mod update;

use std::process::ExitCode;
use std::time::Instant;

use subjects::KINDS;
use table::Format;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let format = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [panics::CHILD, ..] => {
            panics::child(KINDS, &arguments[1..]);
            return ExitCode::SUCCESS;
        }
        [] => Format::Plain,
        ["--markdown"] => Format::Markdown,
        _ => {
            eprintln!("usage: races [--markdown]");
            return ExitCode::from(2);
        }
    };
    let started = Instant::now();
    KINDS.iter().for_each(fill::check);
    for section in table::sections() {
        if let Some(table) = table::show(&section, KINDS, format) {
            println!("{table}");
        }
    }
    println!("{}\n{}", table::key(), table::legend(KINDS));
    println!("{:.0} s in all.", started.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
