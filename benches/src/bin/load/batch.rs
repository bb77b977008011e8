//! Batches of requests with the one answer that is right.

use caskade_bench::keys::{Random, Zipf, value_of};

pub(crate) const KEYS: usize = 100_000;
const VALUE: usize = 100;
/// One write among so many requests.
const WRITES: usize = 10;

/// How requests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// One `get` with many keys.
    MultiGet,
    Meta,
    /// Reads with the flag `q`, ended by `mn`.
    MetaQuiet,
    Binary,
    /// `getkq`, ended by a no-op.
    BinaryQuiet,
}

/// Requests that are sent at once.
pub(crate) struct Batch {
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    /// Where the answer has stamps, eight bytes each; they are compared as zeros.
    stamps: Vec<usize>,
    pub(crate) operations: u64,
}

impl Batch {
    /// `depth` requests, the same ones for the same `seed`.
    pub(crate) fn new(kind: Kind, depth: usize, zipf: &Zipf, seed: usize) -> Self {
        let mut batch = Self::empty();
        let mut random = Random::new(seed as u64);
        let ranks: Vec<usize> = (0..depth).map(|_| zipf.draw(&mut random)).collect();
        match kind {
            Kind::MultiGet => batch.multi_get(&ranks),
            _ => {
                for rank in ranks {
                    let writes = random.below(WRITES) == 0;
                    batch.request(kind, rank, writes);
                }
            }
        }
        match kind {
            Kind::MetaQuiet => batch.pair(b"mn\r\n", b"MN\r\n"),
            Kind::BinaryQuiet => batch.packet(0x0a, b"", b"", b"", None),
            _ => {}
        }
        batch.operations = depth as u64;
        batch
    }

    fn empty() -> Self {
        Self { request: Vec::new(), answer: Vec::new(), stamps: Vec::new(), operations: 0 }
    }

    fn request(&mut self, kind: Kind, rank: usize, writes: bool) {
        let (key, value) = (key(rank), value(rank));
        match kind {
            Kind::Text | Kind::MultiGet if writes => self.text_set(&key, &value),
            Kind::Text | Kind::MultiGet => {
                self.request.extend(format!("get {key}\r\n").bytes());
                self.answer.extend(format!("VALUE {key} 0 {VALUE}\r\n{value}\r\nEND\r\n").bytes());
            }
            Kind::Meta | Kind::MetaQuiet if writes => {
                self.request.extend(format!("ms {key} {VALUE}\r\n{value}\r\n").bytes());
                self.answer.extend(b"HD\r\n");
            }
            Kind::Meta => {
                self.request.extend(format!("mg {key} v\r\n").bytes());
                self.answer.extend(format!("VA {VALUE}\r\n{value}\r\n").bytes());
            }
            Kind::MetaQuiet => {
                self.request.extend(format!("mg {key} q v k\r\n").bytes());
                self.answer.extend(format!("VA {VALUE} k{key}\r\n{value}\r\n").bytes());
            }
            Kind::Binary if writes => {
                self.packet(0x01, &[0; 8], key.as_bytes(), value.as_bytes(), Some(b""));
            }
            Kind::Binary => self.get_packet(0x00, &key, &value),
            Kind::BinaryQuiet => self.get_packet(0x0d, &key, &value),
        }
    }

    fn pair(&mut self, request: &[u8], answer: &[u8]) {
        self.request.extend(request);
        self.answer.extend(answer);
    }

    fn text_set(&mut self, key: &str, value: &str) {
        self.request.extend(format!("set {key} 0 0 {VALUE}\r\n{value}\r\n").bytes());
        self.answer.extend(b"STORED\r\n");
    }

    fn multi_get(&mut self, ranks: &[usize]) {
        self.request.extend(b"get");
        for &rank in ranks {
            let (key, value) = (key(rank), value(rank));
            self.request.extend(format!(" {key}").bytes());
            self.answer.extend(format!("VALUE {key} 0 {VALUE}\r\n{value}\r\n").bytes());
        }
        self.pair(b"\r\n", b"END\r\n");
    }

    /// A request that is answered by success, with a stamp if `stamped`.
    fn packet(&mut self, op: u8, extras: &[u8], key: &[u8], value: &[u8], stamped: Option<&[u8]>) {
        let body = [extras, key, value].concat();
        self.request.extend(header(0x80, op, key.len(), extras.len(), body.len()));
        self.request.extend(body);
        if stamped.is_some() {
            self.stamps.push(self.answer.len() + 16);
        }
        self.answer.extend(header(0x81, op, 0, 0, 0));
    }

    fn get_packet(&mut self, op: u8, key: &str, value: &str) {
        self.request.extend(header(0x80, op, key.len(), 0, key.len()));
        self.request.extend(key.bytes());
        self.stamps.push(self.answer.len() + 16);
        let shown = if op == 0x0d { key } else { "" };
        let body = 4 + shown.len() + value.len();
        self.answer.extend(header(0x81, op, shown.len(), 4, body));
        self.answer.extend([0; 4]);
        self.answer.extend(shown.bytes());
        self.answer.extend(value.bytes());
    }

    /// Overwrites the stamps of an answer, which nobody can foresee.
    pub(crate) fn forget_stamps(&self, answer: &mut [u8]) {
        for &at in &self.stamps {
            answer[at..at + 8].fill(0);
        }
    }
}

/// Batches that store every key.
pub(crate) fn all_sets() -> impl Iterator<Item = Batch> {
    (0..KEYS).step_by(100).map(|first| {
        let mut batch = Batch::empty();
        for rank in first..first + 100 {
            batch.text_set(&key(rank), &value(rank));
        }
        batch
    })
}

/// A header with neither opaque nor stamp nor status.
fn header(magic: u8, op: u8, key: usize, extras: usize, body: usize) -> Vec<u8> {
    let mut header = vec![magic, op];
    header.extend((key as u16).to_be_bytes());
    header.extend([extras as u8, 0, 0, 0]);
    header.extend((body as u32).to_be_bytes());
    header.extend([0; 12]);
    header
}

fn key(rank: usize) -> String {
    format!("key:{:016x}", caskade_bench::keys::key(rank))
}

fn value(rank: usize) -> String {
    let part = format!("{:08x}-", value_of(caskade_bench::keys::key(rank)));
    part.chars().cycle().take(VALUE).collect()
}
