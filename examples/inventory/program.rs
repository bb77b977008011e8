//! The program from its arguments to its exit code.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::arguments::{self, Command, HELP, Options, UsageError};
use crate::audit::{self, Findings};
use crate::database::DatabaseFile;
use crate::orders::{BadLine, OrderBook};
use crate::report::{self, grouped};
use crate::screen::{Screen, Style};
use crate::station::{Service, ServiceError, Station};

/// Why the program ends without success.
#[derive(Debug)]
pub(crate) enum Failure {
    Usage(UsageError),
    OrdersUnreadable { path: PathBuf, error: io::Error },
    BadLines { path: PathBuf, lines: Vec<BadLine> },
    NothingToDo { path: PathBuf },
    DatabaseFile { path: Option<PathBuf>, error: io::Error },
    Service(ServiceError),
    Audit(rusqlite::Error),
    Differences(Findings),
    Output(io::Error),
}

/// Runs the program; `terminal` says whether `out` is one. Returns the exit code.
pub(crate) fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
    terminal: bool,
) -> u8 {
    match try_run(arguments, out, err, terminal) {
        Ok(()) => 0,
        Err(failure) => {
            // If standard error is gone as well, the exit code has to do.
            let _ = failure.explain(err);
            failure.exit_code()
        }
    }
}

fn try_run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
    terminal: bool,
) -> Result<(), Failure> {
    let options = match arguments::parse(arguments).map_err(Failure::Usage)? {
        Command::Help => return Ok(out.write_all(HELP.as_bytes())?),
        Command::Run(options) => options,
    };
    let book = read_orders(&options, err)?;
    let file = match options.database.clone() {
        Some(path) => DatabaseFile::create(path),
        None => DatabaseFile::temporary(),
    };
    let file =
        file.map_err(|error| Failure::DatabaseFile { path: options.database.clone(), error })?;
    if options.repeat > 1 {
        return repeat(&options, &book, &file, out);
    }
    let style = match (options.quiet, terminal) {
        (true, _) => Style::Silent,
        (false, true) => Style::Terminal,
        (false, false) => Style::Lines,
    };
    once(&options, &book, &file, out, style)
}

fn read_orders(options: &Options, err: &mut dyn Write) -> Result<OrderBook, Failure> {
    let path = options.orders.clone();
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) => return Err(Failure::OrdersUnreadable { path, error }),
    };
    let (book, lines) = OrderBook::parse(&text);
    if !lines.is_empty() && !options.skip_bad_lines {
        return Err(Failure::BadLines { path, lines });
    }
    for bad in &lines {
        writeln!(err, "{}: {bad}; skipped", shown(&path))?;
    }
    if book.tasks.is_empty() {
        return Err(Failure::NothingToDo { path });
    }
    Ok(book)
}

/// One run with all that there is to see.
fn once(
    options: &Options,
    book: &OrderBook,
    file: &DatabaseFile,
    out: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    if style != Style::Silent {
        introduce(options, book, file, out)?;
    }
    let mut screen = Screen::new(out, style);
    let (service, findings) = serve_and_audit(options, book, file, &mut screen)?;
    screen.finish()?;
    if style != Style::Silent {
        report::strategies(out, &service)?;
        report::audit(out, book, &findings)?;
    }
    verdict(findings)
}

/// Many runs, each in one line, until one differs.
fn repeat(
    options: &Options,
    book: &OrderBook,
    file: &DatabaseFile,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for run in 1..=options.repeat {
        let mut screen = Screen::new(out, Style::Silent);
        let (service, findings) = serve_and_audit(options, book, file, &mut screen)?;
        if !options.quiet {
            report::line(out, (run, options.repeat), &service, &findings)?;
            out.flush()?;
        }
        verdict(findings)?;
    }
    if !options.quiet {
        writeln!(out, "{} runs, and the audit found no difference.", grouped(options.repeat))?;
    }
    Ok(())
}

fn serve_and_audit(
    options: &Options,
    book: &OrderBook,
    file: &DatabaseFile,
    screen: &mut Screen<'_>,
) -> Result<(Service, Findings), Failure> {
    let station = Station::open(book, file, options.lock_time)?;
    let service = station.serve(options.threads, |event| screen.show(&event))?;
    let findings = audit::audit(book, &station, &service, file.path()).map_err(Failure::Audit)?;
    Ok((service, findings))
}

fn verdict(findings: Findings) -> Result<(), Failure> {
    if findings.differences.is_empty() { Ok(()) } else { Err(Failure::Differences(findings)) }
}

fn introduce(
    options: &Options,
    book: &OrderBook,
    file: &DatabaseFile,
    out: &mut dyn Write,
) -> io::Result<()> {
    let orders = book.orders().count();
    let database = match file.is_temporary() {
        true => "a temporary SQLite file".into(),
        false => shown(file.path()),
    };
    writeln!(out, "Repair station: {} threads at work", options.threads)?;
    writeln!(
        out,
        "  orders    {}: {} orders for {} parts, {} page views",
        shown(&options.orders),
        grouped(orders),
        grouped(book.deliveries.len()),
        grouped(book.tasks.len() - orders),
    )?;
    writeln!(out, "  database  {database}, with the cache in front\n")
}

/// A path as short as it can be from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::OrdersUnreadable { .. }
            | Self::BadLines { .. }
            | Self::NothingToDo { .. }
            | Self::DatabaseFile { .. } => 2,
            Self::Service(_) | Self::Audit(_) | Self::Differences(_) | Self::Output(_) => 1,
        }
    }

    fn explain(&self, err: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Differences(findings) => report::differences(err, findings),
            Self::BadLines { path, lines } => {
                for bad in lines {
                    writeln!(err, "{}: {bad}", shown(path))?;
                }
                writeln!(err, "{self}")
            }
            Self::Usage(_) => writeln!(err, "{self}\nTry --help."),
            _ => writeln!(err, "{self}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "{error}"),
            Self::OrdersUnreadable { path, error } => {
                write!(f, "cannot read the orders file {}: {error}", shown(path))
            }
            Self::BadLines { lines, .. } => {
                let (count, noun) = counted(lines.len());
                write!(f, "{count} bad {noun}; nothing was done. ")?;
                f.write_str("To go on without bad lines, give --skip-bad-lines.")
            }
            Self::NothingToDo { path } => {
                write!(f, "{}: no orders and no page views in it", shown(path))
            }
            Self::DatabaseFile { path: Some(path), error } => {
                write!(f, "cannot create the database {}: {error}", shown(path))
            }
            Self::DatabaseFile { path: None, error } => {
                write!(f, "cannot create a temporary database: {error}")
            }
            Self::Service(error) => write!(f, "the run broke off: {error}"),
            Self::Audit(error) => write!(f, "the audit cannot read the database: {error}"),
            Self::Differences(findings) => {
                let (count, _) = counted(findings.differences.len());
                write!(f, "{count} found by the audit")
            }
            Self::Output(error) => write!(f, "cannot print: {error}"),
        }
    }
}

fn counted(lines: usize) -> (String, &'static str) {
    (grouped(lines), if lines == 1 { "line" } else { "lines" })
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}
