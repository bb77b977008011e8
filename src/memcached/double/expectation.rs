//! [`Expectation`]: what must come, verified at the end.

use std::error::Error;
use std::fmt;
use std::ops::{Range, RangeFrom, RangeInclusive, RangeToInclusive};

use super::log::Records;
use super::matcher::{CONNECT, Matcher, Miss};
use super::record::{Record, Seen, shown};

/// Requests that must come so many times. Made from a [`Matcher`], by itself for at least once, or
/// with [`Matcher::times`].
///
/// # Examples
///
/// ```
/// use caskade::memcached::double::{Expectation, cmd};
///
/// let once_or_more = Expectation::from(cmd("get"));
/// assert_eq!(once_or_more, cmd("get").times(1..));
/// assert_eq!(cmd("get").times(2).to_string(), "`get` 2 times");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Expectation {
    matcher: Matcher,
    times: Times,
}

/// How many times something must happen: a number or a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    least: u64,
    most: u64,
}

impl From<u64> for Times {
    fn from(times: u64) -> Self {
        Self { least: times, most: times }
    }
}

impl From<RangeFrom<u64>> for Times {
    fn from(range: RangeFrom<u64>) -> Self {
        Self { least: range.start, most: u64::MAX }
    }
}

impl From<Range<u64>> for Times {
    fn from(range: Range<u64>) -> Self {
        Self { least: range.start, most: range.end.saturating_sub(1) }
    }
}

impl From<RangeInclusive<u64>> for Times {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self { least: *range.start(), most: *range.end() }
    }
}

impl From<RangeToInclusive<u64>> for Times {
    fn from(range: RangeToInclusive<u64>) -> Self {
        Self { least: 0, most: range.end }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (_, 0) => f.write_str("never"),
            (1, 1) => f.write_str("once"),
            (least, most) if least == most => write!(f, "{least} times"),
            (1, u64::MAX) => f.write_str("at least once"),
            (least, u64::MAX) => write!(f, "at least {least} times"),
            (0, most) => write!(f, "at most {most} times"),
            (least, most) => write!(f, "{least} to {most} times"),
        }
    }
}

impl Matcher {
    /// Must come so many times: a number, or a range such as `1..`.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::double::cmd;
    ///
    /// assert_eq!(cmd("get").times(2).to_string(), "`get` 2 times");
    /// assert_eq!(cmd("get").times(1..=3).to_string(), "`get` 1 to 3 times");
    /// ```
    pub fn times(self, times: impl Into<Times>) -> Expectation {
        Expectation { matcher: self, times: times.into() }
    }

    /// Must not come.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.expect(cmd("flush_all").never());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn never(self) -> Expectation {
        self.times(0)
    }
}

impl From<Matcher> for Expectation {
    fn from(matcher: Matcher) -> Self {
        matcher.times(1..)
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.matcher, self.times)
    }
}

/// All expectations, with how often each was met.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    expected: Vec<(Expectation, u64)>,
    /// Whatever is not expected is a failure.
    nothing_else: bool,
    unexpected: Vec<String>,
}

impl Expectations {
    pub(super) fn add(&mut self, expectation: Expectation) {
        self.expected.push((expectation, 0));
    }

    pub(super) fn expect_nothing_else(&mut self) {
        self.nothing_else = true;
    }

    /// Counts a request.
    pub(super) fn count(&mut self, seen: &Seen<'_>) {
        let mut is_expected = seen.name == CONNECT;
        for (expectation, met) in &mut self.expected {
            if expectation.matcher.matches(seen) {
                *met += 1;
                is_expected = true;
            }
        }
        if self.nothing_else && !is_expected {
            let text = self.explain_unexpected(seen);
            self.unexpected.push(text);
        }
    }

    fn explain_unexpected(&self, seen: &Seen<'_>) -> String {
        let near = self.expected.iter().map(|(expectation, _)| expectation);
        let near = near.min_by_key(|it| distance(&it.matcher, seen));
        match near {
            None => format!("unexpected: {seen}; nothing was expected"),
            Some(near) => format!(
                "unexpected: {seen}; the nearest expectation is {near}, but {}",
                explain(&near.matcher, seen)
            ),
        }
    }

    /// What was not met, and begins anew.
    pub(super) fn take_failures(&mut self, records: &Records) -> Vec<String> {
        let Self { expected, unexpected, .. } = std::mem::take(self);
        let unmet = expected.into_iter().filter_map(|(expectation, met)| {
            let Times { least, most } = expectation.times;
            if met < least {
                let nearest = nearest(&expectation.matcher, records);
                return Some(format!(
                    "expected {expectation}, but it came {}; {nearest}",
                    counted(met)
                ));
            }
            let is_too_often = met > most;
            is_too_often.then(|| {
                let last = last(&expectation.matcher, records);
                format!("expected {expectation}, but it came {}{last}", counted(met))
            })
        });
        unmet.chain(unexpected).collect()
    }
}

fn counted(times: u64) -> String {
    match times {
        0 => "never".into(),
        1 => "once".into(),
        times => format!("{times} times"),
    }
}

/// The last request that is meant, if the log still has it.
fn last(matcher: &Matcher, records: &Records) -> String {
    let last = records.kept.iter().rev().find(|record| matcher.matches(&record.seen()));
    last.map_or_else(String::new, |record| format!(", last as {record}"))
}

/// The request that came nearest to what is meant without being it.
pub(super) fn nearest(matcher: &Matcher, records: &Records) -> String {
    let is_connect = matcher.command.as_deref() == Some(CONNECT);
    let others = records.kept.iter().filter(|record| {
        (record.command == CONNECT) == is_connect && !matcher.matches(&record.seen())
    });
    // Of several, the last.
    let nearest = others.rev().min_by_key(|record| distance(matcher, &record.seen()));
    match nearest {
        Some(record) => describe(matcher, record),
        None => "nothing else came".into(),
    }
}

fn describe(matcher: &Matcher, record: &Record) -> String {
    format!("the nearest is {record}, but {}", explain(matcher, &record.seen()))
}

/// How far `seen` is from what is meant: first how many conditions, then whether it is another
/// command, then how many letters.
fn distance(matcher: &Matcher, seen: &Seen<'_>) -> (usize, bool, usize) {
    let misses = matcher.misses(seen);
    let mut letters = 0;
    if misses.contains(&Miss::Key) {
        let pattern = matcher.key.as_deref().unwrap_or_default();
        let keys = seen.keys.iter().map(|key| edits(pattern.as_bytes(), key));
        letters += keys.min().unwrap_or(usize::MAX / 4);
    }
    if let (true, Some(name)) = (misses.contains(&Miss::Command), &matcher.command) {
        letters += edits(name.as_bytes(), seen.name.as_bytes());
    }
    (misses.len(), misses.contains(&Miss::Command), letters)
}

/// How many bytes must be changed, added or taken away.
fn edits(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, &left) in from.iter().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (at, &right) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

fn explain(matcher: &Matcher, seen: &Seen<'_>) -> String {
    let reasons = matcher.misses(seen).into_iter().map(|miss| match miss {
        Miss::Command => match &matcher.command {
            Some(name) => format!("the command is `{}`, not `{name}`", seen.name),
            None => format!("`{}` is of another kind", seen.name),
        },
        Miss::Key => {
            let pattern = matcher.key.as_deref().unwrap_or_default();
            match seen.keys.first() {
                None => format!("it has no key like `{pattern}`"),
                Some(key) => format!("the key `{}` is not like `{pattern}`", shown(key)),
            }
        }
        Miss::Connection => format!("it came on connection {}", seen.connection),
        Miss::Node => format!("it came to node {}", seen.node),
        Miss::Protocol => format!("it came in {:?}", seen.protocol),
    });
    reasons.collect::<Vec<_>>().join(", and ")
}

/// What was not as it should be when everything was over.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use caskade::memcached::double::cmd;
///
/// let server = TestServer::start()?;
/// server.expect(cmd("get").key("user:*"));
/// let unmet = server.verify().unwrap_err();
/// assert!(unmet.to_string().contains("`get` of `user:*` at least once"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    problems: Vec<String>,
}

impl Unmet {
    pub(super) fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// One sentence for each problem.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl Error for Unmet {}
