//! Bytes become a client's stream, which comes as a whole, and in pieces to another server: both
//! must answer the same. Run it with `cargo +nightly fuzz run wire -- -max_total_time=60`.
//!
//! The first byte says how many of the next ones are the sizes of the pieces, which are used in
//! turn; all else is the stream.

#![no_main]

use caskade::ManualClock;
use caskade::bytes::{ITEM_OVERHEAD, MAX_KEY, Store};
use caskade::memcached::{Config, Connection, Flow, Output, Service};
use libfuzzer_sys::fuzz_target;

/// The first byte of a binary request, and of an answer to one.
const REQUEST: u8 = 0x80;
const ANSWER: u8 = 0x81;

/// How long a binary header is, and which opcode asks for statistics.
const HEADER: usize = 24;
const STAT: u8 = 0x10;

const ITEM_LIMIT: usize = 2048;

const LONGEST_LINE: usize = 2048;

/// What a binary connection may keep: a request whose value may be stored.
const MOST_HELD: usize = HEADER + 20 + MAX_KEY + ITEM_LIMIT - ITEM_OVERHEAD;

fuzz_target!(|data: &[u8]| {
    let Some((&count, data)) = data.split_first() else { return };
    let (sizes, stream) = data.split_at(usize::from(count % 16).min(data.len()));
    if stream.first() != Some(&REQUEST) && has_long_line(stream) {
        return;
    }
    let whole = serve(std::iter::once(stream));
    let cut = serve(Pieces { sizes: sizes.iter().cycle(), stream });
    assert_eq!(whole.flow, cut.flow);
    assert!(whole.answers == cut.answers, "{:x?}\n{:x?}", whole.answers, cut.answers);
    assert_eq!(whole.items, cut.items);
});

/// Whether a line is so long that the connection ends unless its end has come: here as in memcached
/// it then matters how a stream comes.
fn has_long_line(stream: &[u8]) -> bool {
    stream.split(|&byte| byte == b'\n').any(|line| line.len() > LONGEST_LINE)
}

/// The stream in pieces of the given sizes, none of which is empty.
struct Pieces<'s, S> {
    sizes: S,
    stream: &'s [u8],
}

impl<'s, S: Iterator<Item = &'s u8>> Iterator for Pieces<'s, S> {
    type Item = &'s [u8];

    fn next(&mut self) -> Option<&'s [u8]> {
        let size = self.sizes.next().map_or(1, |&size| usize::from(size).max(1));
        let (piece, rest) = self.stream.split_at(size.min(self.stream.len()));
        self.stream = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

struct Outcome {
    answers: Vec<u8>,
    items: usize,
    flow: Flow,
}

/// What a new server answers to a stream that comes so.
fn serve<'s>(pieces: impl Iterator<Item = &'s [u8]>) -> Outcome {
    // Both draw the same stamps, so small that a stream can name them.
    let builder = Store::builder().stripes(1).stamp_seed(0);
    let builder = builder.clock(ManualClock::new()).unix_start(1_000_000_000);
    let builder = builder.item_limit(ITEM_LIMIT).memory_limit(64 * 1024);
    let store = builder.build().expect("the settings are valid");
    let service = Service::with(store.clone(), Config::default());
    let mut connection = Connection::new(&service);
    let (mut answers, mut flow) = (Vec::new(), Flow::More);
    let mut is_binary = false;
    for (index, mut piece) in pieces.enumerate() {
        is_binary |= index == 0 && piece.first() == Some(&REQUEST);
        loop {
            let mut out = Output::new();
            flow = connection.feed(piece, &mut out);
            answers.extend(out.to_vec());
            if flow != Flow::Write {
                break;
            }
            piece = &[];
        }
        assert!(!is_binary || connection.held() <= MOST_HELD, "{} are held", connection.held());
    }
    store.validate();
    let answers = if is_binary { binary_answers(&answers) } else { text_answers(&answers) };
    Outcome { answers, items: store.len(), flow }
}

/// Without statistics, some of which depend on how the stream came.
fn binary_answers(mut answers: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    while !answers.is_empty() {
        assert_eq!(answers[0], ANSWER);
        let body = u32::from_be_bytes(answers[8..12].try_into().expect("four bytes"));
        let (answer, rest) = answers.split_at(HEADER + body as usize);
        if answer[1] != STAT {
            kept.extend(answer);
        }
        answers = rest;
    }
    kept
}

/// Likewise.
fn text_answers(answers: &[u8]) -> Vec<u8> {
    let lines = answers.split_inclusive(|&byte| byte == b'\n');
    lines.filter(|line| !line.starts_with(b"STAT ")).flatten().copied().collect()
}
