//! Races that caches win or lose: caskade and its peers, the same steps for all.
//!
//!     cargo run --release -p caskade-bench --features async_peers --bin races -- [--markdown] [--costs]
//!
//! Every race is a fixed order of events: gates decide who goes on when, and nothing sleeps. Waits with
//! an end only observe that somebody does not return. A cell says what happened with the worst of the
//! calls that a subject has for it; where calls differ, the notes below have all of them.
//!
//! With `--costs` there are no races, but a table of what loads and invalidations cost.
//!
//! Without the feature `async_peers`, foyer and moka's cache for futures are left out.

mod abandon;
mod cell;
mod costs;
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

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [panics::CHILD, ..] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        panics::child(KINDS, &arguments[1..]);
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| !["--markdown", "--costs"].contains(&argument.as_str())) {
        eprintln!("usage: races [--markdown] [--costs]");
        return ExitCode::from(2);
    }
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let format = if has("--markdown") { Format::Markdown } else { Format::Plain };
    let started = Instant::now();
    if has("--costs") {
        println!("{}", costs::show(format));
    } else {
        race(format);
    }
    println!("{:.0} s in all.", started.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

fn race(format: Format) {
    KINDS.iter().for_each(fill::check);
    for section in table::sections() {
        if let Some(table) = table::show(&section, KINDS, format) {
            println!("{table}");
        }
    }
    println!("{}\n{}", table::key(), table::legend(KINDS));
}
