//! What is printed after a run: the table of strategies, the audit, or one line for all of it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use crate::audit::Findings;
use crate::orders::OrderBook;
use crate::station::Service;
use crate::strategies::{Strategy, Tally};

/// Prints what each strategy did.
pub(crate) fn strategies(out: &mut dyn Write, service: &Service) -> io::Result<()> {
    writeln!(out, "\nStrategies")?;
    writeln!(
        out,
        "  {:<24}{:>8}{:>8}{:>10}{:>11}{:>9}{:>12}{:>11}",
        "", "orders", "filled", "sold out", "conflicts", "retries", "lock waits", "waiting"
    )?;
    let mut total = Tally::default();
    for (strategy, tally) in Strategy::ALL.into_iter().zip(service.tallies) {
        total += tally;
        row(out, strategy.name(), &tally)?;
    }
    row(out, "together", &total)?;
    writeln!(
        out,
        "  conflicts: another thread wrote first; lock waits: orders that found the part locked."
    )
}

fn row(out: &mut dyn Write, name: &str, tally: &Tally) -> io::Result<()> {
    writeln!(
        out,
        "  {name:<24}{:>8}{:>8}{:>10}{:>11}{:>9}{:>12}{:>11}",
        grouped(tally.orders()),
        grouped(tally.filled),
        grouped(tally.sold_out),
        grouped(tally.conflicts),
        grouped(tally.retries),
        grouped(tally.lock_waits),
        seconds(tally.waiting),
    )
}

/// Prints what the audit compared and what it thinks of it.
pub(crate) fn audit(out: &mut dyn Write, book: &OrderBook, findings: &Findings) -> io::Result<()> {
    let totals = &findings.totals;
    let number = |number: i64| grouped(number);
    writeln!(out, "\nAudit")?;
    writeln!(
        out,
        "  parts   {} delivered - {} ordered = {}; database {}, cache {}",
        number(totals.delivered),
        number(totals.taken),
        number(totals.delivered - totals.taken),
        number(totals.in_database),
        number(totals.in_cache),
    )?;
    writeln!(
        out,
        "  orders  {} in the file; database {}: {} filled + {} sold out",
        grouped(book.orders().count()),
        grouped(totals.filled + totals.sold_out),
        grouped(totals.filled),
        grouped(totals.sold_out),
    )?;
    writeln!(
        out,
        "  pages   {} views in the file; database {}, counters {}",
        number(totals.views_in_file),
        number(totals.views_in_database),
        number(totals.views_counted),
    )?;
    if let Some(time) = totals.reopened_after {
        writeln!(out, "  lock    {} from the crash to the next order for the part", seconds(time))?;
    }
    if findings.differences.is_empty() {
        writeln!(out, "  Everything agrees, part by part, order by order, page by page.")?;
    }
    Ok(())
}

/// Prints what does not agree.
pub(crate) fn differences(err: &mut dyn Write, findings: &Findings) -> io::Result<()> {
    match findings.differences.len() {
        0 => return Ok(()),
        1 => writeln!(err, "The audit found a difference:")?,
        count => writeln!(err, "The audit found {} differences:", grouped(count))?,
    }
    for difference in &findings.differences {
        writeln!(err, "  {difference}")?;
    }
    Ok(())
}

/// A run in one line.
pub(crate) fn line(
    out: &mut dyn Write,
    run: (u32, u32),
    service: &Service,
    findings: &Findings,
) -> io::Result<()> {
    let mut total = Tally::default();
    service.tallies.into_iter().for_each(|tally| total += tally);
    let verdict = if findings.differences.is_empty() { "agrees" } else { "DIFFERS" };
    let (number, of) = run;
    writeln!(
        out,
        "run {number:>3} of {of}  {verdict}  {}  {} orders  {:>4} conflicts  {:>4} lock waits  \
         lock open after {}",
        seconds(service.took),
        grouped(total.orders()),
        grouped(total.conflicts),
        grouped(total.lock_waits),
        findings.totals.reopened_after.map_or("-".into(), seconds),
    )
}

/// A whole number with a space between its groups of three.
pub(crate) fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let from_right = digits.len() - index;
        if from_right % 3 == 0 && text.ends_with(|last: char| last.is_ascii_digit()) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A time in seconds with three decimals.
pub(crate) fn seconds(time: Duration) -> String {
    let mut text = String::new();
    write!(text, "{:.3} s", time.as_secs_f64()).expect("a String takes everything");
    text
}
