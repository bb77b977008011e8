//! Races and their tables.
//!
//! All contestants of a race take turns, several times over, so that a change in the machine's mood
//! hits all of them alike. What is printed is the median over all rounds that counted.

use std::fmt;

use crate::keys::Stream;
use crate::measure::{Job, Plan, Work, median, series};

/// One row of a table to be.
pub struct Contestant<'a> {
    name: String,
    between: Box<dyn Fn() + Sync + 'a>,
    work: Box<Work<'a>>,
    remark: Box<dyn Fn() -> String + 'a>,
}

impl<'a> Contestant<'a> {
    /// `work` is timed; see [`Work`].
    pub fn new(name: impl Into<String>, work: impl Fn(usize, &[u64]) -> u64 + Sync + 'a) -> Self {
        let (between, remark) = (Box::new(|| ()), Box::new(String::new));
        Self { name: name.into(), between, work: Box::new(work), remark }
    }

    /// Runs `between` before each round, outside the time taken.
    #[must_use]
    pub fn between(mut self, between: impl Fn() + Sync + 'a) -> Self {
        self.between = Box::new(between);
        self
    }

    /// Shows what `remark` says, once all is over.
    #[must_use]
    pub fn remark(mut self, remark: impl Fn() -> String + 'a) -> Self {
        self.remark = Box::new(remark);
        self
    }
}

/// How long to go on.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// How often the contestants take turns.
    pub turns: usize,
    /// How long each turn warms up, in milliseconds.
    pub warm_up: u64,
    /// How many rounds each turn should yield.
    pub wanted: usize,
    /// How many it may try for that.
    pub tries: usize,
}

/// Contestants at one workload.
pub struct Race<'a> {
    /// What is done.
    pub title: String,
    /// The keys of each thread.
    pub streams: &'a [Stream],
    /// For how many threads.
    pub threads: &'a [usize],
    /// Keys per thread and round; see [`Plan::keys`].
    pub keys: Option<usize>,
    /// The heading of the remarks, if there are any.
    pub remarks: Option<&'static str>,
    /// Who takes part. Ratios are to the first.
    pub contestants: Vec<Contestant<'a>>,
}

impl Race<'_> {
    /// Runs the race.
    #[must_use]
    pub fn run(&self, effort: Effort) -> Table {
        let turn = self.contestants.iter().flat_map(|contestant| {
            self.threads.iter().map(move |threads| self.job(contestant, *threads, effort))
        });
        let turn: Vec<Job<'_>> = turn.collect();
        let rounds = series(&turn.repeat(effort.turns));
        let laps = |at: usize| {
            let of_job = rounds.iter().skip(at).step_by(turn.len());
            of_job.flat_map(|rounds| rounds.counted.clone()).collect::<Vec<f64>>()
        };
        let columns = self.threads.len();
        let laps: Vec<Vec<Vec<f64>>> = (0..self.contestants.len())
            .map(|row| (0..columns).map(|column| laps(row * columns + column)).collect())
            .collect();
        let rows = self.contestants.iter().zip(&laps).map(|(contestant, laps)| Row {
            name: contestant.name.clone(),
            cells: laps.iter().map(|laps| median(laps)).collect(),
            fewest: laps.iter().map(Vec::len).min().unwrap_or(0),
            remark: (contestant.remark)(),
        });
        Table {
            title: self.title.clone(),
            threads: self.threads.to_vec(),
            rows: rows.collect(),
            remarks: self.remarks,
        }
    }

    fn job<'r>(
        &'r self,
        contestant: &'r Contestant<'_>,
        threads: usize,
        effort: Effort,
    ) -> Job<'r> {
        let Effort { warm_up, wanted, tries, .. } = effort;
        let plan = Plan { threads, keys: self.keys, warm_up, wanted, tries };
        let Contestant { between, work, .. } = contestant;
        Job { plan, streams: self.streams, between, work }
    }
}

/// What a race found out.
#[derive(Debug, Clone)]
pub struct Table {
    /// What was done.
    pub title: String,
    threads: Vec<usize>,
    rows: Vec<Row>,
    remarks: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Row {
    name: String,
    cells: Vec<Option<f64>>,
    fewest: usize,
    remark: String,
}

impl Table {
    /// Nanoseconds of one contestant, if a round counted.
    #[must_use]
    pub fn nanos(&self, name: &str, threads: usize) -> Option<f64> {
        let column = self.threads.iter().position(|count| *count == threads)?;
        self.rows.iter().find(|row| row.name == name)?.cells[column]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = &self.rows[0];
        writeln!(f, "### {}\n", self.title)?;
        write!(f, "| ns per operation |")?;
        for threads in &self.threads {
            write!(f, " {threads}T | ÷ {} |", first.name)?;
        }
        let scaling = if self.threads.len() > 1 { " 2T/1T |" } else { "" };
        let remarks = self.remarks.map(|heading| format!(" {heading} |")).unwrap_or_default();
        writeln!(f, "{scaling} rounds |{remarks}")?;
        let columns = 2 * self.threads.len()
            + 1
            + [scaling, &remarks].iter().filter(|c| !c.is_empty()).count();
        writeln!(f, "|---|{}", "---:|".repeat(columns))?;
        for row in &self.rows {
            write!(f, "| {} |", row.name)?;
            for (cell, base) in row.cells.iter().zip(&first.cells) {
                match cell {
                    Some(nanos) => write!(f, " {nanos:.1} | {} |", Ratio(*cell, *base))?,
                    None => write!(f, " no valid round | – |")?,
                }
            }
            if !scaling.is_empty() {
                write!(f, " {} |", Ratio(row.cells[1], row.cells[0]))?;
            }
            write!(f, " {} |", row.fewest)?;
            writeln!(
                f,
                "{}",
                if remarks.is_empty() { String::new() } else { format!(" {} |", row.remark) }
            )?;
        }
        Ok(())
    }
}

/// One measurement over another, or a dash.
#[derive(Debug, Clone, Copy)]
pub struct Ratio(pub Option<f64>, pub Option<f64>);

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(value), Some(base)) => write!(f, "{:.2}", value / base),
            _ => f.write_str("–"),
        }
    }
}
