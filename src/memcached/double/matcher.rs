//! [`Matcher`]: which requests are meant.

use std::fmt;

use super::record::Seen;
use crate::memcached::Protocol;

/// Which requests are meant: by command, key, connection, node and protocol. What is not said
/// matches everything.
///
/// Made by [`cmd`], [`any`], [`reads`], [`writes`] and [`connects`], and narrowed by its methods.
/// Commands and keys are patterns in which `*` stands for any run of bytes and `?` for one; a command
/// may list alternatives with `|`.
///
/// # Examples
///
/// ```
/// use caskade::memcached::double::cmd;
///
/// let writes_of_users = cmd("set|cas").key("user:*");
/// assert_eq!(writes_of_users.to_string(), "`set|cas` of `user:*`");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Matcher {
    /// The command's name, as a pattern.
    pub command: Option<String>,
    /// What the command is for.
    pub kind: Option<Kind>,
    /// One of the keys, as a pattern.
    pub key: Option<String>,
    /// The number of the connection, counted from 1 on each node.
    pub connection: Option<u64>,
    /// The number of the node in a cluster, counted from 0.
    pub node: Option<usize>,
    /// The protocol.
    pub protocol: Option<Protocol>,
}

/// What a command is for, whatever its name in one protocol or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Kind {
    /// It returns items: `get`, `gets`, `gat`, `mg` and their binary relatives.
    Read,
    /// It stores, changes or removes items.
    Write,
    /// It stores a value whatever is there: `set`, and `ms` without a stamp.
    Overwrite,
    /// It depends on a stamp: `cas`, `ms` with `C`, binary requests with a stamp.
    Conditional,
}

/// Requests whose command's name matches `pattern`. A binary opcode has the name that protocol gives
/// it, such as `getkq`.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use caskade::memcached::double::cmd;
///
/// let server = TestServer::start()?;
/// server.faults().on(cmd("get*").key("user:*")).once().miss();
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn cmd(pattern: impl Into<String>) -> Matcher {
    Matcher { command: Some(pattern.into()), ..Matcher::default() }
}

/// All requests.
///
/// # Examples
///
/// ```
/// use caskade::memcached::double::any;
///
/// assert_eq!(any().key("k").to_string(), "anything of `k`");
/// ```
#[must_use]
pub fn any() -> Matcher {
    Matcher::default()
}

/// Requests that return items, in any protocol.
///
/// # Examples
///
/// ```
/// use caskade::memcached::double::reads;
///
/// assert_eq!(reads().key("k").to_string(), "a read of `k`");
/// ```
#[must_use]
pub fn reads() -> Matcher {
    Matcher { kind: Some(Kind::Read), ..Matcher::default() }
}

/// Requests that store, change or remove items, in any protocol.
///
/// # Examples
///
/// ```
/// use caskade::memcached::double::writes;
///
/// assert_eq!(writes().key("k").to_string(), "a write of `k`");
/// ```
#[must_use]
pub fn writes() -> Matcher {
    Matcher { kind: Some(Kind::Write), ..Matcher::default() }
}

/// Requests that depend on a stamp, in any protocol.
///
/// # Examples
///
/// ```
/// use caskade::memcached::double::swaps;
///
/// assert_eq!(swaps().key("k").to_string(), "a compare-and-swap of `k`");
/// ```
#[must_use]
pub fn swaps() -> Matcher {
    Matcher { kind: Some(Kind::Conditional), ..Matcher::default() }
}

/// New connections. No other matcher matches them.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use caskade::memcached::double::connects;
/// use std::net::TcpStream;
///
/// let server = TestServer::start()?;
/// let _client = TcpStream::connect(server.addr())?;
/// server.wait_for(connects(), 1)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn connects() -> Matcher {
    cmd(CONNECT)
}

/// The name under which a new connection is matched and logged.
pub(super) const CONNECT: &str = "connect";

impl Matcher {
    /// Only with a key that matches `pattern`.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::double::cmd;
    ///
    /// assert_eq!(cmd("set").key("user:?").to_string(), "`set` of `user:?`");
    /// ```
    #[must_use]
    pub fn key(mut self, pattern: impl Into<String>) -> Self {
        self.key = Some(pattern.into());
        self
    }

    /// Only on this connection, counted from 1 on each node.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::double::any;
    ///
    /// assert_eq!(any().connection(1).to_string(), "anything on connection 1");
    /// ```
    #[must_use]
    pub fn connection(mut self, number: u64) -> Self {
        self.connection = Some(number);
        self
    }

    /// Only on this node of a cluster, counted from 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::double::any;
    ///
    /// assert_eq!(any().node(2).to_string(), "anything on node 2");
    /// ```
    #[must_use]
    pub fn node(mut self, number: usize) -> Self {
        self.node = Some(number);
        self
    }

    /// Only in this protocol.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Protocol;
    /// use caskade::memcached::double::reads;
    ///
    /// assert_eq!(reads().protocol(Protocol::Meta).to_string(), "a read in meta");
    /// ```
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Whether `seen` is meant.
    pub(super) fn matches(&self, seen: &Seen<'_>) -> bool {
        self.misses(seen).is_empty()
    }

    /// The keys of `seen` that are meant.
    pub(super) fn keys<'s>(&self, seen: &'s Seen<'_>) -> impl Iterator<Item = &'s [u8]> {
        seen.keys.iter().copied().filter(|key| self.is_key(key))
    }

    pub(super) fn is_key(&self, key: &[u8]) -> bool {
        self.key.as_ref().is_none_or(|pattern| is_like(pattern.as_bytes(), key))
    }

    /// What of this does not hold for `seen`.
    pub(super) fn misses(&self, seen: &Seen<'_>) -> Vec<Miss> {
        let mut misses = Vec::new();
        if !self.is_command(seen) {
            misses.push(Miss::Command);
        }
        if self.key.is_some() && self.keys(seen).next().is_none() {
            misses.push(Miss::Key);
        }
        if self.connection.is_some_and(|number| number != seen.connection) {
            misses.push(Miss::Connection);
        }
        if self.node.is_some_and(|number| number != seen.node) {
            misses.push(Miss::Node);
        }
        if self.protocol.is_some_and(|protocol| protocol != seen.protocol) {
            misses.push(Miss::Protocol);
        }
        misses
    }

    fn is_command(&self, seen: &Seen<'_>) -> bool {
        let Some(pattern) = &self.command else {
            return seen.name != CONNECT && self.kind.is_none_or(|kind| seen.is(kind));
        };
        let mut alternatives = pattern.split('|');
        // A connection is matched only by its own name.
        let is_named = match seen.name {
            CONNECT => pattern == CONNECT,
            name => alternatives.any(|pattern| is_like(pattern.as_bytes(), name.as_bytes())),
        };
        is_named && self.kind.is_none_or(|kind| seen.is(kind))
    }
}

/// A condition of a matcher that a request does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    Command,
    Key,
    Connection,
    Node,
    Protocol,
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.command, self.kind) {
            (Some(name), _) if name == CONNECT => f.write_str("a new connection")?,
            (Some(name), _) => write!(f, "`{name}`")?,
            (None, None) => f.write_str("anything")?,
            (None, Some(Kind::Read)) => f.write_str("a read")?,
            (None, Some(Kind::Write)) => f.write_str("a write")?,
            (None, Some(Kind::Overwrite)) => f.write_str("an overwrite")?,
            (None, Some(Kind::Conditional)) => f.write_str("a compare-and-swap")?,
        }
        if let Some(key) = &self.key {
            write!(f, " of `{key}`")?;
        }
        if let Some(number) = self.connection {
            write!(f, " on connection {number}")?;
        }
        if let Some(number) = self.node {
            write!(f, " on node {number}")?;
        }
        match self.protocol {
            None => Ok(()),
            Some(Protocol::Text) => f.write_str(" in text"),
            Some(Protocol::Meta) => f.write_str(" in meta"),
            Some(Protocol::Binary) => f.write_str(" in binary"),
        }
    }
}

/// Whether `text` is like `pattern`.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on if what follows the last star does not fit: the star takes one byte more.
    let (mut at, mut read, mut retry) = (0, 0, None);
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, read));
                at += 1;
            }
            Some(&letter) if letter == b'?' || letter == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star, taken)) = retry else { return false };
                retry = Some((star, taken + 1));
                (at, read) = (star + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|&letter| letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_stars_and_question_marks() {
        for (pattern, text) in
            [("", ""), ("*", ""), ("a*c", "abbc"), ("a*bc", "abbbc"), ("?b*", "ab"), ("**a", "a")]
        {
            assert!(is_like(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a*c", "acb"), ("?", ""), ("a", "aa"), ("*b", "ba")] {
            assert!(!is_like(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }
}
