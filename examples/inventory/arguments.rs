//! The command line, taken apart by hand.
//!
//! Knows which options there are and what they may say; opens nothing and does nothing.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A repair station's parts inventory: threads order parts from a SQLite database through a caskade
cache, one thread crashes with a key lock in its hand, and an audit checks that nothing was lost.

Usage: cargo run --release --example inventory -- [OPTIONS] [ORDERS FILE]

Options:
  --threads N         worker threads, 1 to 64 (default 8)
  --repeat N          run N times, one line for each, and stop at the first difference
  --database PATH     keep the database in PATH, a new file (default: a temporary file)
  --lock-time MS      how long a key lock holds, 1 to 5000 milliseconds (default 1000)
  --skip-bad-lines    report bad lines of the orders file and go on without them
  --quiet             print only what is wrong
  --help              print this

Exit code: 0 if the audit finds no difference; 1 if it does, or the run fails; 2 if the command line
or the orders file is wrong.
";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Run(Options),
}

/// How to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) orders: PathBuf,
    pub(crate) threads: u32,
    pub(crate) repeat: u32,
    pub(crate) database: Option<PathBuf>,
    pub(crate) lock_time: Duration,
    pub(crate) skip_bad_lines: bool,
    pub(crate) quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            orders: Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/inventory/orders.txt"),
            threads: 8,
            repeat: 1,
            database: None,
            lock_time: Duration::from_secs(1),
            skip_bad_lines: false,
            quiet: false,
        }
    }
}

/// What is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UsageError {
    UnknownOption(OsString),
    MissingValue(&'static str),
    BadNumber { option: &'static str, found: OsString, range: RangeInclusive<u32> },
    SecondFile(OsString),
}

/// Takes the arguments apart, without the program's name. Of an option given twice, the last counts.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut options = Options::default();
    let mut file_given = false;
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--skip-bad-lines") => options.skip_bad_lines = true,
            Some("--quiet") => options.quiet = true,
            Some("--threads") => options.threads = number("--threads", 1..=64, rest.next())?,
            Some("--repeat") => options.repeat = number("--repeat", 1..=1_000_000, rest.next())?,
            Some("--lock-time") => {
                let time = number("--lock-time", 1..=5_000, rest.next())?;
                options.lock_time = Duration::from_millis(time.into());
            }
            Some("--database") => {
                let path = rest.next().ok_or(UsageError::MissingValue("--database"))?;
                options.database = Some(path.into());
            }
            _ if is_option(&argument) => return Err(UsageError::UnknownOption(argument)),
            _ if file_given => return Err(UsageError::SecondFile(argument)),
            _ => {
                options.orders = argument.into();
                file_given = true;
            }
        }
    }
    Ok(Command::Run(options))
}

fn is_option(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().starts_with(b"-")
}

fn number(
    option: &'static str,
    range: RangeInclusive<u32>,
    found: Option<OsString>,
) -> Result<u32, UsageError> {
    let found = found.ok_or(UsageError::MissingValue(option))?;
    let number = found.to_str().and_then(|text| text.parse().ok());
    match number {
        Some(number) if range.contains(&number) => Ok(number),
        _ => Err(UsageError::BadNumber { option, found, range }),
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOption(found) => write!(f, "there is no option {}", found.display()),
            Self::MissingValue(option) => write!(f, "{option} needs a value"),
            Self::BadNumber { option, found, range } => {
                let (least, greatest) = (range.start(), range.end());
                let found = found.display();
                write!(f, "{option} needs a number from {least} to {greatest}, not {found:?}")
            }
            Self::SecondFile(found) => {
                write!(f, "one orders file is enough; what is {} for?", found.display())
            }
        }
    }
}

impl std::error::Error for UsageError {}
