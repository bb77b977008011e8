//! The command line, taken apart by hand.

use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::workload::Plan;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Accounts in a SQLite database with a cache in front. A naive repository goes stale; others that use
fill tokens, marks, transactions and fences do not. Many threads, and an audit that compares all.

Usage: cargo run --release --example repository -- [OPTIONS]

Options:
  --operations N   how many random operations each repository gets (default 200000)
  --threads N      worker threads, 1 to 64 (default 4)
  --seed N         decides which operations they are (default 1)
  --help           print this

Exit code: 0 if only the naive repository was found wrong; 1 if another was, or the run fails; 2 if
the command line is wrong.
";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Run(Plan),
}

/// What is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UsageError {
    UnknownOption(OsString),
    MissingValue(&'static str),
    BadNumber { option: &'static str, found: OsString, range: RangeInclusive<u64> },
}

/// What is done if nothing is said.
pub(crate) const DEFAULT: Plan = Plan { operations: 200_000, threads: 4, seed: 1 };

/// Takes the arguments apart, without the program's name. Of an option given twice, the last counts.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut plan = DEFAULT;
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--operations") => {
                plan.operations = number("--operations", 1..=u64::from(u32::MAX), rest.next())?;
            }
            Some("--threads") => {
                let threads = number("--threads", 1..=64, rest.next())?;
                plan.threads = threads.try_into().expect("at most 64");
            }
            Some("--seed") => plan.seed = number("--seed", 0..=u64::MAX, rest.next())?,
            _ => return Err(UsageError::UnknownOption(argument)),
        }
    }
    Ok(Command::Run(plan))
}

fn number(
    option: &'static str,
    range: RangeInclusive<u64>,
    found: Option<OsString>,
) -> Result<u64, UsageError> {
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
            Self::UnknownOption(found) => {
                write!(f, "there is no option {}", Path::new(found).display())
            }
            Self::MissingValue(option) => write!(f, "{option} needs a value"),
            Self::BadNumber { option, found, range } => {
                let (least, greatest) = (range.start(), range.end());
                write!(f, "{option} needs a number from {least} to {greatest}, not {found:?}")
            }
        }
    }
}

impl std::error::Error for UsageError {}
