//! Tables of requests and their answers, and who plays them.
//!
//! A row is a request and its answer. `|` stands for the end of a line, and the last one is not
//! written; an empty answer is none. `<n>` is a word of n bytes. In an answer `#` stands for any
//! number, and remembers it; `$1` in a request is the first one remembered, and so on. A request that
//! begins with `@` is no request: `@5` lets five seconds pass, `@lock k` locks the key k for 15, and
//! `@raw` gives the rest of the row as it is, without an end of line. The answer `closed` is the end
//! of the connection.
//!
//! Every table is played in several ways, which must not make a difference: each request whole, each
//! byte for itself, and each request cut in two at every byte.

use std::time::Duration;

use caskade::ManualClock;
use caskade::bytes::{Store, StoreBuilder};
use caskade::memcached::{Compat, Config, Connection, Flow, Output, Service};

pub(crate) type Rows = [(&'static str, &'static str)];

pub(crate) const OLD: &[Compat] = &[Compat::V1_6_18];
pub(crate) const NEW: &[Compat] = &[Compat::V1_6_45];
pub(crate) const BOTH: &[Compat] = &[Compat::V1_6_18, Compat::V1_6_45];

/// The Unix time at which every table begins.
pub(crate) const BEGIN: i64 = 1_700_000_000;

/// Plays a table with default settings.
pub(crate) fn play(compats: &[Compat], rows: &Rows) {
    play_with(compats, |config| config, |store| store, rows);
}

/// Plays a table with other settings.
pub(crate) fn play_with(
    compats: &[Compat],
    config: impl Fn(Config) -> Config,
    store: impl Fn(StoreBuilder) -> StoreBuilder,
    rows: &Rows,
) {
    for &compat in compats {
        let mut settings = Config::default();
        settings.compat = compat;
        let settings = config(settings);
        let stage = || Stage::new(settings, &store);
        let longest = stage().play(rows, Cut::Nowhere);
        stage().play(rows, Cut::Everywhere);
        // A long one is nothing but data, most of it.
        let cuts = match longest {
            100_000.. => 3,
            1000.. => 100,
            _ => longest,
        };
        for at in 1..cuts {
            stage().play(rows, Cut::At(at));
        }
    }
}

/// How requests are cut into pieces.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Nowhere,
    At(usize),
    Everywhere,
}

pub(crate) struct Stage {
    clock: ManualClock,
    service: Service,
    connection: Connection,
    remembered: Vec<String>,
}

impl Stage {
    fn new(config: Config, build: &impl Fn(StoreBuilder) -> StoreBuilder) -> Self {
        let clock = ManualClock::new();
        let store = Store::builder().clock(clock.clone()).unix_start(BEGIN).stripes(1);
        let service = Service::with(build(store).build().expect("valid"), config);
        let connection = Connection::new(&service);
        Self { clock, service, connection, remembered: Vec::new() }
    }

    /// Plays all rows. Returns how long the longest request is.
    fn play(&mut self, rows: &Rows, cut: Cut) -> usize {
        let mut longest = 0;
        for (number, (request, expected)) in rows.iter().enumerate() {
            if self.direct(request) {
                continue;
            }
            let bytes = self.spell(request);
            longest = longest.max(bytes.len());
            let (answer, flow) = self.ask(&bytes, cut);
            let compat = self.service.config().compat;
            let place = format!("{compat:?}, row {number}, cut {cut:?}: {request}");
            if *expected == "closed" {
                assert_eq!((answer.as_slice(), flow), (&b""[..], Flow::Close), "{place}");
                continue;
            }
            assert_eq!(flow, Flow::More, "{place}");
            let expected = if expected.is_empty() { String::new() } else { lines(expected) };
            assert!(
                self.matches(&answer, expected.as_bytes()),
                "{place}\n got: {}\nwant: {}",
                answer.escape_ascii(),
                expected.escape_debug(),
            );
        }
        longest
    }

    /// Does what is no request.
    fn direct(&mut self, row: &str) -> bool {
        let Some(direction) = row.strip_prefix('@') else { return false };
        if let Ok(seconds) = direction.parse() {
            self.clock.advance(Duration::from_secs(seconds));
        } else if let Some(key) = direction.strip_prefix("lock ") {
            let locked = self.service.store().get_and_lock(key, Duration::from_secs(15));
            let locked = locked.expect("the key is there and not locked");
            self.remembered.push(locked.token.to_string());
        } else {
            return false;
        }
        true
    }

    fn spell(&self, request: &str) -> Vec<u8> {
        if let Some(raw) = request.strip_prefix("@raw") {
            return raw.as_bytes().to_vec();
        }
        let mut text = lines(request);
        for (index, number) in self.remembered.iter().enumerate() {
            text = text.replace(&format!("${}", index + 1), number);
        }
        text.into_bytes()
    }

    fn ask(&mut self, request: &[u8], cut: Cut) -> (Vec<u8>, Flow) {
        let pieces: Vec<&[u8]> = match cut {
            Cut::Nowhere => vec![request],
            Cut::At(at) => {
                let (first, second) = request.split_at(at.min(request.len()));
                vec![first, second]
            }
            // Long ones in longer pieces.
            Cut::Everywhere => request.chunks(1 + request.len() / 2000).collect(),
        };
        let mut out = Output::new();
        let mut flow = Flow::More;
        for piece in pieces {
            flow = self.connection.feed(piece, &mut out);
            while flow == Flow::Write {
                flow = self.connection.feed(&[], &mut out);
            }
            if flow == Flow::Close {
                break;
            }
        }
        (out.to_vec(), flow)
    }

    /// Whether the answer is what is expected, and remembers its numbers.
    fn matches(&mut self, mut answer: &[u8], expected: &[u8]) -> bool {
        let mut parts = expected.split(|&byte| byte == b'#');
        let Some(rest) = parts.next().and_then(|first| answer.strip_prefix(first)) else {
            return false;
        };
        answer = rest;
        for part in parts {
            let digits = answer.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (number, rest) = answer.split_at(digits);
            self.remembered.push(String::from_utf8_lossy(number).into());
            let Some(rest) = rest.strip_prefix(part) else { return false };
            if digits == 0 {
                return false;
            }
            answer = rest;
        }
        answer.is_empty()
    }
}

/// Text as it goes over the wire.
fn lines(text: &str) -> String {
    let mut wire = text.replace('|', "\r\n");
    while let Some(begin) = wire.find('<') {
        let Some(end) = wire[begin..].find('>').map(|end| begin + end) else { break };
        let Ok(count) = wire[begin + 1..end].parse() else { break };
        wire.replace_range(begin..=end, &"k".repeat(count));
    }
    wire + "\r\n"
}

#[test]
#[should_panic(expected = "row 1")]
fn a_wrong_answer_is_noticed() {
    play(BOTH, &[("set k 0 0 1|1", "STORED"), ("get k", "VALUE k 0 1|2|END")]);
}

#[test]
#[should_panic(expected = "row 0")]
fn a_wrong_end_is_noticed() {
    play(OLD, &[("set k 0 0 1|1", "STORED|")]);
}

#[test]
#[should_panic(expected = "row 0")]
fn an_answer_to_nothing_is_noticed() {
    play(NEW, &[("set k 0 0 1 noreply|1", "STORED")]);
}
