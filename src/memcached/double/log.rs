//! [`Log`]: what has come, and waiting for what has not.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::Double;
use super::expectation::nearest;
use super::matcher::Matcher;
use super::record::Record;

/// How long is waited for requests unless said otherwise, in real time.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// All requests that have come, in the order in which they were carried out.
///
/// A request is in the log before its answer leaves, so whoever has an answer finds the request. Only
/// the last ten thousand are kept, unless the builder says otherwise.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use caskade::memcached::double::cmd;
/// use std::io::Write;
/// use std::net::TcpStream;
///
/// let server = TestServer::start()?;
/// let mut client = TcpStream::connect(server.addr())?;
/// client.write_all(b"get a\r\nget b\r\n")?;
/// server.wait_for(cmd("get"), 2)?;
///
/// assert_eq!(server.log().count(&cmd("get").key("a")), 1);
/// println!("{}", server.log());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Log {
    double: Double,
}

impl Log {
    pub(super) fn new(double: &Double) -> Self {
        Self { double: double.clone() }
    }

    /// All records.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// for record in server.log().records() {
    ///     println!("{record}"); // or all of them: println!("{}", server.log())
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.double.lock().records.kept.iter().cloned().collect()
    }

    /// The records of requests that `matcher` means.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::writes;
    ///
    /// let server = TestServer::start()?;
    /// // … the program under test …
    /// for write in server.log().matching(&writes().key("user:*")) {
    ///     assert!(write.exptime.is_some_and(|exptime| exptime > 0), "for ever: {write}");
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn matching(&self, matcher: &Matcher) -> Vec<Record> {
        self.double.lock().records.matching(matcher)
    }

    /// How many requests there were that `matcher` means.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::reads;
    ///
    /// let server = TestServer::start()?;
    /// assert_eq!(server.log().count(&reads().key("user:*")), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn count(&self, matcher: &Matcher) -> usize {
        self.double.lock().records.count(matcher)
    }

    /// The last request, new connections included.
    #[must_use]
    pub fn last(&self) -> Option<Record> {
        self.double.lock().records.kept.back().cloned()
    }

    /// Forgets everything. The numbers go on.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// // … what is not to be looked at …
    /// server.log().clear();
    /// assert!(server.log().records().is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn clear(&self) {
        self.double.lock().records.clear();
    }

    /// Waits until there are `n` requests in the log that `matcher` means, for at most
    /// [`PATIENCE`].
    ///
    /// # Errors
    ///
    /// [`TimedOut`], with what came instead.
    pub fn wait_for(&self, matcher: Matcher, n: usize) -> Result<Vec<Record>, TimedOut> {
        self.wait_for_within(matcher, n, PATIENCE)
    }

    /// The same for a time of one's own, in real time.
    ///
    /// # Errors
    ///
    /// [`TimedOut`], with what came instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    /// use std::time::Duration;
    ///
    /// let server = TestServer::start()?;
    /// let late = server.log().wait_for_within(cmd("get"), 1, Duration::ZERO);
    /// assert!(late.unwrap_err().to_string().contains("and 0 came"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait_for_within(
        &self,
        matcher: Matcher,
        n: usize,
        patience: Duration,
    ) -> Result<Vec<Record>, TimedOut> {
        let mut state = self.double.lock();
        let is_there =
            self.double.wait(&mut state, patience, |state| state.records.count(&matcher) >= n);
        if is_there {
            return Ok(state.records.matching(&matcher));
        }
        let came = state.records.count(&matcher);
        let nearest = nearest(&matcher, &state.records);
        Err(TimedOut {
            message: format!("waited for {n} of {matcher}, and {came} came; {nearest}"),
        })
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for record in self.records() {
            writeln!(f, "{record}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.records()).finish()
    }
}

/// Requests that were waited for in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut {
    message: String,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for TimedOut {}

/// The records that are kept.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) kept: VecDeque<Record>,
    pub(super) capacity: usize,
    /// What the kept ones take.
    bytes: usize,
    last: u64,
}

/// The oldest records go when all take more than this.
const MOST_BYTES: usize = 64 * 1024 * 1024;

impl Default for Records {
    fn default() -> Self {
        Self { kept: VecDeque::new(), capacity: 10_000, bytes: 0, last: 0 }
    }
}

impl Records {
    /// The number of the next record.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn push(&mut self, record: Record) {
        self.bytes += record.size();
        self.kept.push_back(record);
        while self.kept.len() > self.capacity.max(1) || self.bytes > MOST_BYTES {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.size();
        }
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }

    fn matching(&self, matcher: &Matcher) -> Vec<Record> {
        self.kept.iter().filter(|record| matcher.matches(&record.seen())).cloned().collect()
    }

    fn count(&self, matcher: &Matcher) -> usize {
        self.kept.iter().filter(|record| matcher.matches(&record.seen())).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memcached::Protocol;
    use bytes::Bytes;

    fn record(number: u64, size: usize) -> Record {
        Record {
            number,
            at: Duration::ZERO,
            node: 0,
            connection: 1,
            protocol: Protocol::Text,
            command: String::new(),
            keys: Vec::new(),
            cas: None,
            exptime: None,
            is_quiet: false,
            raw: Bytes::from(vec![0; size]),
            answer: Bytes::new(),
            faults: Vec::new(),
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
        let mut records = Records { capacity: 3, ..Records::default() };
        (0..5).for_each(|number| records.push(record(number, 10)));
        let numbers = |records: &Records| -> Vec<u64> {
            records.kept.iter().map(|record| record.number).collect()
        };
        assert_eq!(numbers(&records), [2, 3, 4]);
        records.push(record(5, MOST_BYTES - 500));
        assert_eq!(numbers(&records), [4, 5]);
        records.push(record(6, MOST_BYTES));
        assert!(records.kept.is_empty());
        records.push(record(7, 10));
        assert_eq!(numbers(&records), [7]);
    }
}
