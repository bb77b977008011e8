#![doc = include_str!("../server.md")]

mod arguments;
mod client;
mod comparing;
mod control;
mod door;
mod front;
mod lacking;
mod listening;
mod readiness;
mod stopping;
#[cfg(feature = "tls")]
mod tls;
mod workers;

use std::io::{self, Write};
use std::process::ExitCode;

use arguments::Stop;

/// A command line that cannot be honoured, as memcached has it.
const USAGE: u8 = 64;
/// The system refuses something.
const SYSTEM: u8 = 71;

/// Runs a server as the process's command line says, until it is told to end.
///
/// This is all that the binary `caskade-server` does.
#[must_use]
pub fn main() -> ExitCode {
    let settings = match arguments::parse(std::env::args_os()) {
        Ok(settings) => settings,
        Err(Stop::Answer(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Stop::Refusal(text)) => {
            say(format_args!("{}", text.trim_end()));
            return ExitCode::from(USAGE);
        }
    };
    for warning in &settings.warnings {
        say(format_args!("warning: {warning}"));
    }
    match front::run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            say(format_args!("error: {text}"));
            ExitCode::from(SYSTEM)
        }
    }
}

/// Tells whoever started the server something. Nobody need listen.
fn say(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}
