//! [`Lint`]: mistakes that a cache lets pass and a test should not.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use bytes::Bytes;

use super::matcher::Kind;
use super::record::{Seen, shown};
use crate::bytes::{ITEM_OVERHEAD, MAX_KEY, RELATIVE_LIMIT, Store};
use crate::memcached::Protocol;

/// From this share of what an item may take on, in percent, it is near the limit.
const NEAR: usize = 90;

/// A mistake in how a client uses the cache.
///
/// Each is looked for on one connection at a time: what a client reads on one and writes on another
/// is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Lint {
    /// An item was read, somebody else has changed it, and the reader has stored over it without a
    /// stamp: that change is lost. Looked for after reads that return stamps.
    LostUpdate,
    /// An item was read with its stamp by a text or meta command, and stored over without it. Nothing
    /// is lost this time; with another client in between it would be.
    UnusedStamp,
    /// A conditional write was told of a conflict, and without another read the same client has
    /// stored over the item.
    OverwrittenConflict,
    /// A lock had lapsed when its holder opened it: others may have written meanwhile.
    LapsedUnlock,
    /// An expiry time of more than 30 days counts as a Unix time, and that has passed: a number of
    /// seconds from now was meant, and the item is gone at once.
    PastExptime,
    /// A key of more than 250 bytes.
    LongKey,
    /// A key with control characters.
    ControlKey,
    /// An item of more than 90 percent of what one may take.
    NearItemLimit,
    /// The binary protocol, which memcached wants to be rid of. Not reported unless it is
    /// [denied](crate::memcached::test_server::TestServerBuilder::deny) by name.
    BinaryProtocol,
}

impl Lint {
    const DEFAULT: [Self; 8] = [
        Self::LostUpdate,
        Self::UnusedStamp,
        Self::OverwrittenConflict,
        Self::LapsedUnlock,
        Self::PastExptime,
        Self::LongKey,
        Self::ControlKey,
        Self::NearItemLimit,
    ];
}

/// What becomes of mistakes.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use caskade::memcached::test_server::Strict;
///
/// let server = TestServer::builder().strict(Strict::Off).start()?;
/// # drop(server);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Strict {
    /// Nobody looks for them.
    Off,
    /// They are collected, for those who ask.
    #[default]
    Collect,
    /// The server does not pass its verification, and so panics when it is dropped.
    Fail,
}

/// A mistake that was found.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use caskade::memcached::test_server::{Lint, cmd};
/// use std::io::Write;
/// use std::net::TcpStream;
///
/// let server = TestServer::start()?;
/// let mut client = TcpStream::connect(server.addr())?;
/// client.write_all(b"set k 0 31536000 1\r\nx\r\n")?; // a year, it was meant
/// server.wait_for(cmd("set"), 1)?;
/// let findings = server.findings();
/// assert_eq!((findings[0].lint, &findings[0].key[..]), (Lint::PastExptime, &b"k"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Which.
    pub lint: Lint,
    /// The number of the request in the log.
    pub record: u64,
    /// The node of a cluster.
    pub node: usize,
    /// The connection.
    pub connection: u64,
    /// The key that is concerned.
    pub key: Bytes,
    /// What has happened, and what is wrong with it.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lint, record, connection, key, message, .. } = self;
        write!(
            f,
            "{lint:?} by #{record} on connection {connection}, key `{}`: {message}",
            shown(key)
        )
    }
}

/// What was found, and what is remembered to find more.
#[derive(Debug)]
pub(super) struct Lints {
    pub(super) strict: Strict,
    active: BTreeSet<Lint>,
    pub(super) findings: Vec<Finding>,
    clients: HashMap<(usize, u64), Client>,
}

impl Default for Lints {
    fn default() -> Self {
        Self {
            strict: Strict::default(),
            active: Lint::DEFAULT.into(),
            findings: Vec::new(),
            clients: HashMap::new(),
        }
    }
}

/// What a client has done that matters later.
#[derive(Debug, Default)]
struct Client {
    reads: HashMap<Bytes, Read>,
    /// Keys of conditional writes that met a conflict.
    conflicts: HashSet<Bytes>,
    locks: HashSet<Bytes>,
    speaks_binary: bool,
}

#[derive(Debug)]
struct Read {
    stamp: u64,
    /// The client has asked for the stamp.
    was_asked: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Good,
    Conflict,
    Failed,
}

impl Lints {
    pub(super) fn set(&mut self, lint: Lint, is_active: bool) {
        if is_active {
            self.active.insert(lint);
        } else {
            self.active.remove(&lint);
        }
    }

    pub(super) fn forget(&mut self, node: usize, connection: u64) {
        self.clients.remove(&(node, connection));
    }

    /// Looks at a request before it is carried out.
    pub(super) fn before(&mut self, seen: &Seen<'_>, store: &Store, record: u64) {
        if self.strict == Strict::Off {
            return;
        }
        let mut found = self.judge_protocol(seen);
        found.extend(seen.keys.iter().flat_map(|key| judge_key(key)));
        found.extend(judge_exptime(seen, store));
        found.extend(judge_size(seen, store));
        if seen.is(Kind::Overwrite) {
            found.extend(self.judge_overwrite(seen, store));
        }
        self.report(seen, record, found);
    }

    /// Looks at the answer of a request that was carried out.
    pub(super) fn after(&mut self, seen: &Seen<'_>, store: &Store, record: u64, answer: &[u8]) {
        if self.strict == Strict::Off {
            return;
        }
        let ending = ending(seen, answer);
        let client = self.clients.entry((seen.node, seen.connection)).or_default();
        let mut found = Vec::new();
        for key in &seen.keys {
            if seen.is_unlock() {
                found.extend(client.note_unlock(key, ending, store));
            } else if seen.is(Kind::Read) {
                client.note_read(key, seen, ending, store);
            } else if seen.is(Kind::Write) {
                client.note_write(key, seen, ending);
            }
        }
        self.report(seen, record, found);
    }

    fn report(&mut self, seen: &Seen<'_>, record: u64, found: Vec<Found>) {
        let Seen { node, connection, .. } = *seen;
        let active = found.into_iter().filter(|found| self.active.contains(&found.lint));
        self.findings.extend(active.map(|Found { lint, key, message }| Finding {
            lint,
            record,
            node,
            connection,
            key,
            message,
        }));
    }

    fn judge_protocol(&mut self, seen: &Seen<'_>) -> Vec<Found> {
        if seen.protocol != Protocol::Binary {
            return Vec::new();
        }
        let client = self.clients.entry((seen.node, seen.connection)).or_default();
        if std::mem::replace(&mut client.speaks_binary, true) {
            return Vec::new();
        }
        let message = "the binary protocol is deprecated";
        vec![Found::new(Lint::BinaryProtocol, b"", message)]
    }

    /// Stores that do not look at what is there.
    fn judge_overwrite(&self, seen: &Seen<'_>, store: &Store) -> Vec<Found> {
        let Some(client) = self.clients.get(&(seen.node, seen.connection)) else {
            return Vec::new();
        };
        let judge = |key: &&[u8]| client.judge_overwrite(key, seen, store);
        seen.keys.iter().filter_map(judge).collect()
    }
}

impl Client {
    fn judge_overwrite(&self, key: &[u8], seen: &Seen<'_>, store: &Store) -> Option<Found> {
        let name = seen.name;
        if self.conflicts.contains(key) {
            let message = format!(
                "a conflict was answered to this client, and its `{name}` \
                stores over what it has not read"
            );
            return Some(Found::new(Lint::OverwrittenConflict, key, message));
        }
        let read = self.reads.get(key)?;
        let present = store.examine(key)?;
        if present.cas != read.stamp {
            let message = format!(
                "read with the stamp {}, changed to {} by somebody else, and now lost by `{name}`",
                read.stamp, present.cas
            );
            return Some(Found::new(Lint::LostUpdate, key, message));
        }
        let message = format!("read with its stamp, and `{name}` does not use it");
        read.was_asked.then(|| Found::new(Lint::UnusedStamp, key, message))
    }

    fn note_read(&mut self, key: &[u8], seen: &Seen<'_>, ending: Ending, store: &Store) {
        if seen.is_lock() && ending == Ending::Good {
            self.locks.insert(Bytes::copy_from_slice(key));
            return;
        }
        self.conflicts.remove(key);
        let was_asked = seen.asks_for_stamp();
        if !was_asked && seen.protocol != Protocol::Binary {
            self.reads.remove(key);
            return;
        }
        if let Some(item) = store.examine(key) {
            self.reads.insert(Bytes::copy_from_slice(key), Read { stamp: item.cas, was_asked });
        }
    }

    fn note_write(&mut self, key: &[u8], seen: &Seen<'_>, ending: Ending) {
        if ending == Ending::Conflict {
            if seen.is(Kind::Conditional) {
                self.conflicts.insert(Bytes::copy_from_slice(key));
            }
            return;
        }
        self.conflicts.remove(key);
        self.reads.remove(key);
        if seen.is(Kind::Conditional) && ending == Ending::Good {
            // A write with the token has opened the lock.
            self.locks.remove(key);
        }
    }

    fn note_unlock(&mut self, key: &[u8], ending: Ending, store: &Store) -> Option<Found> {
        let was_ours = self.locks.remove(key);
        if !was_ours || ending == Ending::Good {
            return None;
        }
        let message = match store.examine(key).map(|item| item.locked_for) {
            None => "the lock has lapsed, and the item is gone",
            Some(None) => "the lock has lapsed",
            Some(Some(_)) => "the lock has lapsed, and somebody else has it",
        };
        Some(Found::new(Lint::LapsedUnlock, key, message))
    }
}

struct Found {
    lint: Lint,
    key: Bytes,
    message: String,
}

impl Found {
    fn new(lint: Lint, key: &[u8], message: impl Into<String>) -> Self {
        Self { lint, key: Bytes::copy_from_slice(key), message: message.into() }
    }
}

fn judge_key(key: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    if key.len() > MAX_KEY {
        let message = format!("{} bytes; a key has at most {MAX_KEY}", key.len());
        found.push(Found::new(Lint::LongKey, key, message));
    }
    if key.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
        let message = "control characters and blanks have no place in a key";
        found.push(Found::new(Lint::ControlKey, key, message));
    }
    found
}

fn judge_exptime(seen: &Seen<'_>, store: &Store) -> Option<Found> {
    let exptime = seen.exptime.filter(|&exptime| exptime > RELATIVE_LIMIT)?;
    let key = seen.keys.first()?;
    let now = store.unix_time();
    let message = format!(
        "{exptime} is more than 30 days and so counts as a Unix time, which it is {} seconds past",
        now.saturating_sub(exptime)
    );
    (exptime < now).then(|| Found::new(Lint::PastExptime, key, message))
}

fn judge_size(seen: &Seen<'_>, store: &Store) -> Option<Found> {
    let key = seen.keys.first()?;
    let len = value_len(seen)?;
    let (size, limit) = (ITEM_OVERHEAD + key.len() + len, store.item_limit());
    let message = format!("the item takes {size} bytes, and one may take {limit}");
    (size.saturating_mul(100) > limit.saturating_mul(NEAR))
        .then(|| Found::new(Lint::NearItemLimit, key, message))
}

/// How long the value is that a request brings.
fn value_len(seen: &Seen<'_>) -> Option<usize> {
    let brings =
        matches!(seen.verb(), "set" | "add" | "replace" | "append" | "prepend" | "cas" | "ms");
    if !brings {
        return None;
    }
    if seen.protocol == Protocol::Binary {
        let header = seen.raw.get(..24)?;
        let body = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let key = usize::from(u16::from_be_bytes([header[2], header[3]]));
        return body.checked_sub(key + usize::from(header[4]));
    }
    let line = seen.raw.split(|&byte| byte == b'\r' || byte == b'\n').next()?;
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let len = words.nth(if seen.name == "ms" { 2 } else { 4 })?;
    std::str::from_utf8(len).ok()?.parse().ok()
}

fn ending(seen: &Seen<'_>, answer: &[u8]) -> Ending {
    if seen.protocol == Protocol::Binary {
        return match answer.get(6..8) {
            None | Some([0, 0]) => Ending::Good,
            Some([0, 2]) => Ending::Conflict,
            Some(_) => Ending::Failed,
        };
    }
    let starts = |words: &[&str]| words.iter().any(|word| answer.starts_with(word.as_bytes()));
    if starts(&["EXISTS", "EX ", "EX\r"]) {
        Ending::Conflict
    } else if starts(&["NOT_", "N", "ERROR", "CLIENT_ERROR", "SERVER_ERROR", "EN\r", "EN "]) {
        Ending::Failed
    } else {
        Ending::Good
    }
}
