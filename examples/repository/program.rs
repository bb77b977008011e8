//! The program from its arguments to its exit code.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};

use crate::arguments::{self, Command, HELP, UsageError};
use crate::choice::Choice;
use crate::stories::{Ending, Story};
use crate::workload::{self, Outcome, Plan};

/// Why the program ends without success.
#[derive(Debug)]
enum Failure {
    Usage(UsageError),
    Database(rusqlite::Error),
    Output(io::Error),
    /// A repository that is to stay right did not.
    Wrong(Choice),
}

/// Runs the program and returns its exit code.
pub(crate) fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let Err(failure) = try_run(arguments, out) else { return 0 };
    // If standard error is gone as well, the exit code has to do.
    let _ = writeln!(err, "{failure}");
    failure.exit_code()
}

fn try_run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let plan = match arguments::parse(arguments).map_err(Failure::Usage)? {
        Command::Help => return Ok(out.write_all(HELP.as_bytes())?),
        Command::Run(plan) => plan,
    };
    let stories = tell_stories(out)?;
    let work = work(plan, out)?;
    match stories.or(work) {
        Some(wrong) => Err(Failure::Wrong(wrong)),
        None => Ok(()),
    }
}

/// Tells each story of each repository. Returns one that ended badly and should not have.
fn tell_stories(out: &mut dyn Write) -> Result<Option<Choice>, Failure> {
    let names = Choice::ALL.map(|choice| choice.name().to_owned());
    columns(out, "One thread is stopped, and a row", &names)?;
    let mut wrong = None;
    for story in Story::ALL {
        let mut endings = Vec::new();
        for choice in Choice::ALL {
            let ending = story.tell(choice)?;
            wrong = wrong.or((!ending.is_allowed(choice)).then_some(choice));
            endings.push(ending.to_string());
        }
        columns(out, &format!("  {}", story.summary()), &endings)?;
    }
    Ok(wrong)
}

fn columns(out: &mut dyn Write, first: &str, others: &[String]) -> io::Result<()> {
    let others: String = others.iter().map(|text| format!("{text:<14}")).collect();
    writeln!(out, "{first:<38}{}", others.trim_end())
}

impl Ending {
    fn is_allowed(&self, choice: Choice) -> bool {
        match choice {
            Choice::Naive => true,
            Choice::Transaction | Choice::Loader => !matches!(self, Self::Stale(_)),
            Choice::Fence => *self == Self::Right,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Right => "right",
            Self::OldAnswer => "old for once",
            Self::Stale(_) => "stale",
        })
    }
}

/// Lets the threads work on each repository. Returns one that was found wrong and should not have
/// been.
fn work(plan: Plan, out: &mut dyn Write) -> Result<Option<Choice>, Failure> {
    let Plan { operations, threads, seed } = plan;
    writeln!(out, "\n{operations} operations each, {threads} threads, seed {seed}")?;
    writeln!(
        out,
        "  {:<12}{:>8}{:>7}{:>12}{:>15}{:>8}{:>8}{:>12}{:>13}",
        "",
        "took",
        "hits",
        "transfers",
        "fills refused",
        "audits",
        "stale",
        "at the end",
        "old answers",
    )?;
    let mut wrong = None;
    for choice in Choice::ALL {
        let outcome = workload::run(plan, choice)?;
        row(out, choice, &outcome)?;
        let is_allowed = choice == Choice::Naive || outcome.is_right();
        wrong = wrong.or((!is_allowed).then_some(choice));
        for difference in outcome.lasting.iter().take(3) {
            writeln!(out, "    {difference}")?;
        }
    }
    Ok(wrong)
}

fn row(out: &mut dyn Write, choice: Choice, outcome: &Outcome) -> io::Result<()> {
    let Outcome { tally, lasting, stats, took } = outcome;
    let reads = (stats.hits + stats.misses).max(1);
    writeln!(
        out,
        "  {:<12}{:>6.1} s{:>5} %{:>12}{:>15}{:>8}{:>8}{:>12}{:>13}",
        choice.name(),
        took.as_secs_f64(),
        stats.hits * 100 / reads,
        tally.transfers,
        stats.fills_refused,
        tally.audits,
        tally.passing,
        lasting.len(),
        tally.old_answers,
    )
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Database(_) | Self::Output(_) | Self::Wrong(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "{error}\nTry --help."),
            Self::Database(error) => write!(f, "the database says: {error}"),
            Self::Output(error) => write!(f, "cannot print: {error}"),
            Self::Wrong(choice) => write!(f, "{}: out of date, and must not be", choice.name()),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}
