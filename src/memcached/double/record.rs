//! [`Record`]: a request as the log keeps it.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::matcher::{CONNECT, Kind};
use crate::memcached::{Protocol, Request};

/// So much of a request, and of its answer, is kept.
const KEPT: usize = 64 * 1024;

/// A request that has come, and what became of it.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
///
/// let server = TestServer::start()?;
/// let mut client = TcpStream::connect(server.addr())?;
/// client.write_all(b"get k\r\n")?;
/// client.read_exact(&mut [0; 5])?; // END
///
/// let record = server.log().last().ok_or("nothing came")?;
/// assert_eq!(record.command, "get");
/// assert_eq!(record.keys, ["k"]);
/// assert_eq!(record.answer, "END\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Its place among all requests, counted from 1. No two have the same, on whatever node.
    pub number: u64,
    /// When it came, by the server's clock, since the server was started.
    pub at: Duration,
    /// The node of a cluster, counted from 0.
    pub node: usize,
    /// The connection, counted from 1 on each node.
    pub connection: u64,
    /// The protocol.
    pub protocol: Protocol,
    /// The command's name, `connect` for a new connection, or `?` for what is no command.
    pub command: String,
    /// The keys, in order; those that came in base64 decoded.
    pub keys: Vec<Bytes>,
    /// The stamp it depends on, if it does.
    pub cas: Option<u64>,
    /// The expiry time it sets, if it sets one.
    pub exptime: Option<i64>,
    /// The client wants no answer, or not to everything.
    pub is_quiet: bool,
    /// What came, up to 64 KiB of it.
    pub raw: Bytes,
    /// What was answered, up to 64 KiB of it; with a fault, what was left of it.
    pub answer: Bytes,
    /// The faults that it met.
    pub faults: Vec<&'static str>,
}

impl Record {
    /// How many bytes it takes, more or less.
    pub(super) fn size(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| key.len() + size_of::<Bytes>()).sum();
        size_of::<Self>() + keys + self.raw.len() + self.answer.len()
    }

    /// The first line of the answer, as text; for a binary answer its status, and of an error what it
    /// says.
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
    /// client.write_all(b"delete k\r\n")?;
    /// assert_eq!(server.wait_for(cmd("delete"), 1)?[0].outcome(), "NOT_FOUND");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn outcome(&self) -> String {
        if self.answer.is_empty() {
            return "no answer".into();
        }
        if let (Protocol::Binary, Some(header)) = (self.protocol, self.answer.first_chunk()) {
            return binary_outcome(header, &self.answer);
        }
        let line = self.answer.split(|&byte| byte == b'\r').next().unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    }

    pub(super) fn seen(&self) -> Seen<'_> {
        Seen {
            name: &self.command,
            protocol: self.protocol,
            keys: self.keys.iter().map(|key| &key[..]).collect(),
            cas: self.cas,
            exptime: self.exptime,
            is_quiet: self.is_quiet,
            raw: &self.raw,
            node: self.node,
            connection: self.connection,
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "#{} {:.3?} node {} connection {}: ",
            self.number, self.at, self.node, self.connection
        )?;
        write!(f, "{}", self.seen())?;
        // Nobody expects an answer to a connection.
        if self.command != CONNECT || !self.answer.is_empty() {
            write!(f, " -> {}", self.outcome())?;
        }
        for fault in &self.faults {
            write!(f, " [{fault}]")?;
        }
        Ok(())
    }
}

/// The status, and behind an error its text.
fn binary_outcome(header: &[u8; 24], answer: &[u8]) -> String {
    let status = u16::from_be_bytes([header[6], header[7]]);
    let before =
        24 + usize::from(header[4]) + usize::from(u16::from_be_bytes([header[2], header[3]]));
    let body = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
    match answer.get(before..answer.len().min(24 + body)) {
        Some(text) if status != 0 && !text.is_empty() => {
            format!("status {status:#06x}: {}", String::from_utf8_lossy(text))
        }
        _ => format!("status {status:#06x}"),
    }
}

/// A request with where it came from.
#[derive(Clone, Debug)]
pub(super) struct Seen<'a> {
    pub(super) name: &'a str,
    pub(super) protocol: Protocol,
    pub(super) keys: Vec<&'a [u8]>,
    pub(super) cas: Option<u64>,
    pub(super) exptime: Option<i64>,
    pub(super) is_quiet: bool,
    pub(super) raw: &'a [u8],
    pub(super) node: usize,
    pub(super) connection: u64,
}

impl<'a> Seen<'a> {
    pub(super) fn new(request: &'a Request<'a>, node: usize, connection: u64) -> Self {
        Self {
            name: request.name,
            protocol: request.protocol,
            keys: request.keys.clone(),
            cas: request.cas,
            exptime: request.exptime,
            is_quiet: request.is_quiet,
            raw: request.raw,
            node,
            connection,
        }
    }

    /// The key that a meta command names in base64, as what it stands for.
    pub(super) fn decoded_key(&self) -> Option<Vec<u8>> {
        if self.protocol != Protocol::Meta || self.flag(b'b').is_none() {
            return None;
        }
        STANDARD.decode(self.keys.first()?).ok()
    }

    /// A new connection.
    pub(super) fn connect(node: usize, connection: u64) -> Self {
        Self {
            name: CONNECT,
            protocol: Protocol::Text,
            keys: Vec::new(),
            cas: None,
            exptime: None,
            is_quiet: false,
            raw: &[],
            node,
            connection,
        }
    }

    pub(super) fn record(&self, number: u64, at: Duration, answer: &[u8]) -> Record {
        let kept = |bytes: &[u8]| Bytes::copy_from_slice(&bytes[..bytes.len().min(KEPT)]);
        Record {
            number,
            at,
            node: self.node,
            connection: self.connection,
            protocol: self.protocol,
            command: self.name.into(),
            keys: self.keys.iter().map(|key| Bytes::copy_from_slice(key)).collect(),
            cas: self.cas,
            exptime: self.exptime,
            is_quiet: self.is_quiet,
            raw: kept(self.raw),
            answer: kept(answer),
            faults: Vec::new(),
        }
    }

    /// The command's name without the mark of the quiet ones.
    pub(super) fn verb(&self) -> &'a str {
        match self.protocol {
            Protocol::Binary => self.name.strip_suffix('q').unwrap_or(self.name),
            Protocol::Text | Protocol::Meta => self.name,
        }
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        match kind {
            Kind::Read => self.is_read(),
            Kind::Write => self.is_write(),
            Kind::Overwrite => self.is_overwrite(),
            Kind::Conditional => self.cas.is_some() && self.is_write(),
        }
    }

    fn is_read(&self) -> bool {
        matches!(self.verb(), "get" | "gets" | "gat" | "gats" | "bget" | "getk" | "gatk" | "mg")
            || self.is_lock()
    }

    fn is_write(&self) -> bool {
        matches!(
            self.verb(),
            "set"
                | "add"
                | "replace"
                | "append"
                | "prepend"
                | "cas"
                | "delete"
                | "incr"
                | "increment"
                | "decr"
                | "decrement"
                | "touch"
                | "flush"
                | "flush_all"
                | "ms"
                | "md"
                | "ma"
        )
    }

    fn is_overwrite(&self) -> bool {
        match self.verb() {
            "set" => self.cas.is_none(),
            // Without a mode, or with that of `set`.
            "ms" => self.cas.is_none() && matches!(self.flag(b'M'), None | Some(b"S" | b"s")),
            _ => false,
        }
    }

    /// Whether it locks a key, under whichever name.
    pub(super) fn is_lock(&self) -> bool {
        matches!(self.verb(), "getl" | "get_locked" | "get_and_lock" | "lock")
    }

    /// Whether it opens a key's lock.
    pub(super) fn is_unlock(&self) -> bool {
        matches!(self.verb(), "unl" | "unlock" | "unlock_key")
    }

    /// Whether a read asks for the stamp. A binary one cannot but be told it.
    pub(super) fn asks_for_stamp(&self) -> bool {
        match self.verb() {
            "gets" | "gats" => true,
            "mg" => self.flag(b'c').is_some(),
            _ => false,
        }
    }

    /// The token of a meta command's flag.
    pub(super) fn flag(&self, letter: u8) -> Option<&'a [u8]> {
        let line = self.raw.split(|&byte| byte == b'\r' || byte == b'\n').next()?;
        let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let first = if self.name == "ms" { 3 } else { 2 };
        words.nth(first - 1)?;
        words.find_map(|word| (word[0] == letter).then_some(&word[1..]))
    }
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for key in &self.keys {
            write!(f, " {}", shown(key))?;
        }
        self.cas.map_or(Ok(()), |cas| write!(f, " (stamp {cas})"))
    }
}

/// Bytes as text, with escapes for what is none.
pub(super) fn shown(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::new(), |mut text, chunk| {
        text.extend(chunk.valid().chars().flat_map(|letter| {
            let escaped = letter.is_control().then(|| letter.escape_default());
            let plain = (!letter.is_control()).then_some(letter);
            escaped.into_iter().flatten().chain(plain)
        }));
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        text
    })
}
