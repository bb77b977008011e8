//! What is sent: cases of batches of requests, in which stamps are named and not given.

use std::fmt;

use super::stamps::Stamps;

/// How many keys the requests of a case are about.
pub(crate) const KEYS: usize = 4;

/// The name of a key.
pub(crate) fn key_name(key: usize) -> Vec<u8> {
    format!("key:{key}").into_bytes()
}

/// Keys that are met now and then.
pub(crate) const ODD_KEYS: &[&[u8]] =
    &[&[b'k'; 250], &[b'k'; 249], b"\x01\x1f\x7f\x80\xff", b"tab\tin it", b"noreply"];

/// The only key that has large values. Of those memcached compares no stamp before it finds that they
/// are no number, so no stamp is sent for it.
pub(crate) const LARGE_KEY: &[u8] = &[b'k'; 250];

/// A key that only the binary protocol can name.
pub(crate) const BLANK_KEY: &[u8] = b"with a blank\r\n\0";

/// The same, as meta commands can name it.
pub(crate) const BLANK_KEY_IN_BASE64: &[u8] = b"d2l0aCBhIGJsYW5rDQoA";

/// Every key that the text protocol can name.
pub(crate) fn all_keys() -> impl Iterator<Item = Vec<u8>> {
    (0..KEYS).map(key_name).chain(ODD_KEYS.iter().map(|key| key.to_vec()))
}

/// All that is sent on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) batches: Vec<Batch>,
    /// What is sent at last and is not complete.
    pub(crate) rest: Vec<u8>,
}

/// Requests that are sent at once, in pieces.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) requests: Vec<Request>,
    /// Where the pieces end, taken modulo the length.
    pub(crate) splits: Vec<u16>,
}

/// One request, and perhaps bytes that are none.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) parts: Vec<Part>,
    /// The rows of the table that it is counted in.
    pub(crate) rows: Vec<String>,
    /// memcached may drop answers to requests before it that it has not written yet, so there should
    /// be none.
    pub(crate) goes_first: bool,
    /// Its answer shows values, which memcached holds until it is written.
    pub(crate) reads: bool,
    /// It changes a number: in place, unless somebody holds the value.
    pub(crate) counts: bool,
    /// It is a `quit`.
    pub(crate) is_farewell: bool,
    pub(crate) flushes: bool,
    /// It is a flush, and not one that says plainly that it means now.
    pub(crate) sets_flush_time: bool,
}

/// What the bytes of a request are put together from.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Bytes(Vec<u8>),
    /// A stamp in decimal.
    Decimal(Stamp),
    /// A stamp in eight bytes.
    Word(Stamp),
}

/// A stamp, told so that each server puts in its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// The one the key has before the batch.
    Last(usize),
    /// The one the key had before that.
    Stale(usize),
    /// A later one than the key has, which nobody has.
    Later(usize),
    Number(u64),
}

impl Stamp {
    /// The key it is about.
    pub(crate) fn key(self) -> Option<usize> {
        match self {
            Self::Last(key) | Self::Stale(key) | Self::Later(key) => Some(key),
            Self::Number(_) => None,
        }
    }
}

impl Request {
    pub(crate) fn new(parts: Vec<Part>, rows: Vec<String>) -> Self {
        Self {
            parts,
            rows,
            goes_first: false,
            reads: false,
            counts: false,
            is_farewell: false,
            flushes: false,
            sets_flush_time: false,
        }
    }

    fn stamps(&self) -> impl Iterator<Item = Stamp> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Bytes(_) => None,
            Part::Decimal(stamp) | Part::Word(stamp) => Some(*stamp),
        })
    }

    /// The bytes, for the server that `stamps` are of.
    pub(crate) fn encode(&self, stamps: &Stamps) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            match part {
                Part::Bytes(part) => bytes.extend_from_slice(part),
                Part::Decimal(stamp) => {
                    bytes.extend_from_slice(stamps.resolve(*stamp).to_string().as_bytes());
                }
                Part::Word(stamp) => {
                    bytes.extend_from_slice(&stamps.resolve(*stamp).to_be_bytes());
                }
            }
        }
        bytes
    }
}

impl Case {
    /// Leaves out whatever sets a time for a flush if there was a flush before: in memcached it can
    /// bring back what is gone, unless that was looked up since. That is not copied.
    pub(crate) fn without_second_flushes(mut self) -> Self {
        let mut is_flushed = false;
        for batch in &mut self.batches {
            batch.requests.retain(|request| {
                let kept = !is_flushed || !request.sets_flush_time;
                is_flushed |= request.flushes;
                kept
            });
        }
        self
    }

    /// Ends batches before requests that must be the first of one.
    pub(crate) fn with_first_ones_first(mut self) -> Self {
        let mut batches: Vec<Batch> = Vec::new();
        for batch in self.batches {
            let splits = batch.splits;
            batches.push(Batch { requests: Vec::new(), splits: splits.clone() });
            let mut has_read = false;
            for request in batch.requests {
                let is_split = request.goes_first || (has_read && request.counts);
                has_read = request.reads || (has_read && !is_split);
                if is_split {
                    batches.push(Batch { requests: Vec::new(), splits: splits.clone() });
                }
                batches.last_mut().expect("one was pushed").requests.push(request);
            }
        }
        batches.retain(|batch| !batch.requests.is_empty());
        self.batches = batches;
        self
    }
}

impl Batch {
    /// The keys whose stamps are needed.
    pub(crate) fn keys_of_stamps(&self) -> Vec<usize> {
        let mut keys: Vec<usize> =
            self.requests.iter().flat_map(|r| r.stamps().filter_map(Stamp::key)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The pieces in which the batch, and `ending` after it, is sent.
    pub(crate) fn pieces(&self, stamps: &Stamps, ending: &[u8]) -> Vec<Vec<u8>> {
        let mut bytes: Vec<u8> = self.requests.iter().flat_map(|r| r.encode(stamps)).collect();
        bytes.extend_from_slice(ending);
        let mut ends: Vec<usize> =
            self.splits.iter().map(|&at| usize::from(at) % bytes.len()).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        ends.dedup();
        let starts = std::iter::once(0).chain(ends.clone());
        starts.zip(ends).filter(|(a, b)| a < b).map(|(a, b)| bytes[a..b].to_vec()).collect()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) => f.write_str(&readable(bytes))?,
                Part::Decimal(stamp) | Part::Word(stamp) => write!(f, "<{stamp:?}>")?,
            }
        }
        Ok(())
    }
}

/// Bytes as text; long ones shortened.
pub(crate) fn readable(bytes: &[u8]) -> String {
    const SHOWN: usize = 400;
    if bytes.len() > SHOWN {
        let (head, tail) = (&bytes[..SHOWN / 2], &bytes[bytes.len() - SHOWN / 2..]);
        let left_out = bytes.len() - SHOWN;
        return format!("{} … {left_out} bytes … {}", head.escape_ascii(), tail.escape_ascii());
    }
    bytes.escape_ascii().to_string()
}
