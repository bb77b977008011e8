//! Requests of the text protocol: the classic commands and the meta commands, well-formed and not.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::case::{KEYS, LARGE_KEY, ODD_KEYS, Part, Request, Stamp, key_name};

/// A word of a command line.
#[derive(Clone, Debug)]
pub(crate) struct Word(Vec<Part>);

impl Word {
    fn new(word: impl AsRef<[u8]>) -> Self {
        Self(vec![Part::Bytes(word.as_ref().to_vec())])
    }

    /// A letter and a stamp.
    fn stamp(letter: &str, stamp: Stamp) -> Self {
        Self(vec![Part::Bytes(letter.as_bytes().to_vec()), Part::Decimal(stamp)])
    }
}

/// What goes wrong with a line.
#[derive(Clone, Debug)]
pub(crate) enum Slip {
    None,
    /// The word in this place is left out.
    Leave(usize),
    /// A word more.
    Insert(usize, &'static [u8]),
    /// Another word in this place.
    Replace(usize, &'static [u8]),
    /// This between two words in the place of one blank.
    Gap(usize, &'static [u8]),
    /// Before the first word.
    Lead(&'static [u8]),
    /// The end of the line.
    End(&'static [u8]),
}

/// What goes wrong with a value.
#[derive(Clone, Debug)]
pub(crate) enum DataSlip {
    None,
    /// Another end than carriage return and line feed.
    End(&'static [u8]),
    /// The length that is announced is off by so much.
    Length(i64),
    /// This in the place of the length.
    LengthText(&'static str),
}

/// One of these.
fn bytes_of(all: &'static [&'static [u8]]) -> impl Strategy<Value = &'static [u8]> {
    select(all)
}

pub(crate) fn slip() -> BoxedStrategy<Slip> {
    const WORDS: &[&[u8]] = &[
        b"0",
        b"1",
        b"-1",
        b"+1",
        b"abc",
        b"noreply",
        b"NOREPLY",
        b"1.5",
        b"99999999999999999999",
        b"4294967296",
        b"18446744073709551615",
        b"a\tb",
        b"\x01\xff",
        b"key:0",
        b"add",
        b"",
    ];
    let place = 0..7usize;
    prop_oneof![
        70 => Just(Slip::None),
        2 => place.clone().prop_map(Slip::Leave),
        2 => (place.clone(), select(WORDS)).prop_map(|(at, word)| Slip::Insert(at, word)),
        3 => (place.clone(), select(WORDS)).prop_map(|(at, word)| Slip::Replace(at, word)),
        2 => (place, bytes_of(&[b"  ", b"   ", b"\t", b""]))
            .prop_map(|(at, gap)| Slip::Gap(at, gap)),
        1 => bytes_of(&[b" ", b"   ", b"\t"]).prop_map(Slip::Lead),
        3 => bytes_of(&[b"\n", b" \r\n", b"   \n", b"\r\r\n"]).prop_map(Slip::End),
    ]
    .boxed()
}

fn data_slip() -> BoxedStrategy<DataSlip> {
    const LENGTHS: &[&str] =
        &["-1", "abc", "1a", "+3", "", "2147483647", "2147483648", "4294967297", "03", "0x3"];
    prop_oneof![
        40 => Just(DataSlip::None),
        1 => bytes_of(&[b"\n", b"", b"\r", b"\n\n", b"\rx", b" \r\n", b"abc\r\n"])
            .prop_map(DataSlip::End),
        1 => (-12..12i64).prop_map(DataSlip::Length),
        1 => select(LENGTHS).prop_map(DataSlip::LengthText),
    ]
    .boxed()
}

/// A line with its slip, and the value after it. Without the slip if then so much were announced
/// that nobody ever sends it.
fn assemble(words: &[Word], slip: &Slip, data: Option<(&[u8], &DataSlip)>) -> Vec<Part> {
    let parts = joined(words, slip, data);
    let Some((value, _)) = data else { return parts };
    let line: Vec<u8> = parts
        .iter()
        .flat_map(|part| if let Part::Bytes(bytes) = part { bytes } else { &b"0"[..] })
        .copied()
        .take_while(|&byte| byte != b'\n')
        .collect();
    let mut words_sent = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let name = words_sent.next().unwrap_or_default();
    let announced = words_sent.nth(if name == b"ms" { 1 } else { 3 }).unwrap_or_default();
    let announced: i64 = String::from_utf8_lossy(announced).trim().parse().unwrap_or(0);
    #[expect(clippy::cast_possible_truncation, reason = "as memcached does")]
    if i64::from(announced as i32) > value.len() as i64 + 50 {
        return joined(words, &Slip::None, data);
    }
    parts
}

fn joined(words: &[Word], slip: &Slip, data: Option<(&[u8], &DataSlip)>) -> Vec<Part> {
    let mut words = words.to_vec();
    let len = words.len();
    match slip {
        Slip::Leave(at) => drop(words.remove(at % len)),
        Slip::Insert(at, word) => words.insert(1 + at % len, Word::new(word)),
        Slip::Replace(at, word) => words[at % len] = Word::new(word),
        _ => {}
    }
    let mut parts = Vec::new();
    if let Slip::Lead(lead) = slip {
        parts.push(Part::Bytes(lead.to_vec()));
    }
    for (place, word) in words.into_iter().enumerate() {
        if place > 0 {
            let gap: &[u8] = match slip {
                Slip::Gap(at, gap) if 1 + at % len == place => gap,
                _ => b" ",
            };
            parts.push(Part::Bytes(gap.to_vec()));
        }
        parts.extend(word.0);
    }
    let end: &[u8] = if let Slip::End(end) = slip { end } else { b"\r\n" };
    parts.push(Part::Bytes(end.to_vec()));
    if let Some((value, slip)) = data {
        let end: &[u8] = if let DataSlip::End(end) = slip { end } else { b"\r\n" };
        parts.push(Part::Bytes([value, end].concat()));
    }
    parts
}

/// The length that a request announces for its value.
fn announced(value: &[u8], slip: &DataSlip) -> Word {
    match slip {
        DataSlip::LengthText(text) => Word::new(text),
        DataSlip::Length(off) => Word::new((value.len() as i64 + off).to_string()),
        _ => Word::new(value.len().to_string()),
    }
}

pub(crate) fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        30 => (0..KEYS).prop_map(key_name),
        3 => select(ODD_KEYS).prop_map(<[u8]>::to_vec),
        1 => Just(vec![b'k'; 251]),
    ]
}

/// A value: numbers of all kinds, and bytes of interesting lengths.
pub(crate) fn value() -> BoxedStrategy<Vec<u8>> {
    const NUMBERS: &[&str] = &[
        "0",
        "1",
        "9",
        "10",
        "99",
        "100",
        "999",
        "00012",
        " 12",
        "12 ",
        "+5",
        "-1",
        "",
        "1.5",
        "12abc",
        "18446744073709551615",
        "18446744073709551614",
        "18446744073709551616",
        "9999999999999999999",
        "0000000000000000000000001",
        "12\t",
        "1\x002",
        "5\r\n",
    ];
    prop_oneof![
        20 => select(NUMBERS).prop_map(|text| text.as_bytes().to_vec()),
        10 => "[a-z]{0,12}".prop_map(String::into_bytes),
        3 => vec(any::<u8>(), 0..40).prop_map(without_minus),
        2 => Just(b"in\r\ntwo lines\r\n".to_vec()),
        1 => select(&[1023usize, 1024, 1025, 2048, 5000, 16_384, 70_000][..])
            .prop_map(long_value),
    ]
    .boxed()
}

/// When a number is 2^63 or more, memcached looks for a minus sign in it and in whatever memory lies
/// behind it, so there should be none.
fn without_minus(mut value: Vec<u8>) -> Vec<u8> {
    for byte in &mut value {
        if *byte == b'-' {
            *byte = b'_';
        }
    }
    value
}

/// A long value. It has line feeds, for when it is taken for commands: of a line without an end
/// memcached takes only so much, depending on how it comes.
pub(crate) fn long_value(len: usize) -> Vec<u8> {
    (1..=len).map(|at| if at % 1000 == 0 { b'\n' } else { b'v' }).collect()
}

/// Values on both sides of the greatest that is taken; dear, so seldom.
pub(crate) fn large_value() -> impl Strategy<Value = Vec<u8>> {
    (1_048_240..1_048_290usize).prop_map(long_value)
}

/// The key under which `value` is stored.
pub(crate) fn key_for(value: &[u8], key: Vec<u8>) -> Vec<u8> {
    if value.len() > 500_000 { LARGE_KEY.to_vec() } else { key }
}

fn any_value() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![200 => value(), 1 => large_value()].boxed()
}

pub(crate) fn stamp() -> impl Strategy<Value = Stamp> {
    prop_oneof![
        8 => (0..KEYS).prop_map(Stamp::Last),
        3 => (0..KEYS).prop_map(Stamp::Stale),
        2 => (0..KEYS).prop_map(Stamp::Later),
        2 => Just(Stamp::Number(0)),
        1 => Just(Stamp::Number(u64::MAX)),
    ]
}

/// A stamp and the key it is most likely about.
fn stamp_and_key() -> impl Strategy<Value = (Stamp, Vec<u8>)> {
    (stamp(), 0..KEYS, 0..10u8).prop_map(|(stamp, other, is_other)| match stamp.key() {
        Some(of) if is_other > 0 => (stamp, key_name(of)),
        _ => (stamp, key_name(other)),
    })
}

fn flags() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        10 => Just("0"),
        5 => select(&["5", "65535", "4294967295"][..]),
        1 => select(&["4294967296", "-1", "abc", "+5", "1.5", "00", "5x"][..]),
    ]
}

/// Expiry times. Short ones are left out: they end when a second begins, and each server has its
/// own seconds.
pub(crate) fn exptime() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        20 => Just("0"),
        5 => select(&["100", "2592000", "2000000000"][..]),
        3 => select(&["-1", "-100", "2592001", "2147483647", "2147483648", "4294967295"][..]),
        1 => select(&["abc", "1.5", "+100", "", "99999999999999999999", "100x"][..]),
    ]
}

fn delta() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        10 => select(&["1", "5", "10", "100"][..]),
        4 => select(&["0", "18446744073709551615", "9223372036854775808"][..]),
        2 => select(&["-1", "18446744073709551616", "abc", "1.5", "+1", "0x1", "01"][..]),
    ]
}

fn noreply() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.15)
}

fn request(name: &str, has_noreply: bool, slip: &Slip, parts: Vec<Part>) -> Request {
    let mut row = name.to_owned();
    if has_noreply {
        row.push_str(" noreply");
    }
    if !matches!(slip, Slip::None) {
        row = format!("{name}, malformed");
    }
    Request::new(parts, vec![row])
}

fn line(name: &str, words: Vec<Word>, noreply: bool, slip: &Slip) -> Request {
    let mut all = vec![Word::new(name)];
    all.extend(words);
    if noreply {
        all.push(Word::new("noreply"));
    }
    request(name, noreply, slip, assemble(&all, slip, None))
}

fn storage() -> BoxedStrategy<Request> {
    let name = select(&["set", "set", "set", "add", "replace", "append", "prepend"][..]);
    (name, key(), flags(), exptime(), any_value(), noreply(), slip(), data_slip())
        .prop_map(|(name, key, flags, exptime, value, noreply, slip, data_slip)| {
            let mut words = vec![
                Word::new(name),
                Word::new(key_for(&value, key)),
                Word::new(flags),
                Word::new(exptime),
                announced(&value, &data_slip),
            ];
            if noreply {
                words.push(Word::new("noreply"));
            }
            request(name, noreply, &slip, assemble(&words, &slip, Some((&value, &data_slip))))
        })
        .boxed()
}

fn cas() -> BoxedStrategy<Request> {
    (stamp_and_key(), flags(), exptime(), any_value(), noreply(), slip(), data_slip())
        .prop_map(|((stamp, key), flags, exptime, value, noreply, slip, data_slip)| {
            let mut words = vec![
                Word::new("cas"),
                Word::new(key_for(&value, key)),
                Word::new(flags),
                Word::new(exptime),
                announced(&value, &data_slip),
                Word::stamp("", stamp),
            ];
            if noreply {
                words.push(Word::new("noreply"));
            }
            request("cas", noreply, &slip, assemble(&words, &slip, Some((&value, &data_slip))))
        })
        .boxed()
}

fn retrieval() -> BoxedStrategy<Request> {
    let name = select(&["get", "gets", "gat", "gats"][..]);
    (name, exptime(), vec(key(), 1..6), slip())
        .prop_map(|(name, exptime, keys, slip)| {
            let mut words = Vec::new();
            if name.starts_with("gat") {
                words.push(Word::new(exptime));
            }
            words.extend(keys.iter().map(Word::new));
            // If a key is too long, memcached drops what it has found, and what it has found before.
            let request = line(name, words, false, &slip);
            let bytes = request.encode(&Default::default());
            let goes_first = bytes.split(|&byte| byte == b' ').any(|word| word.len() > 250);
            if goes_first && !name.starts_with("gat") {
                // memcached has used the keys before it. That is not copied: what is refused does nothing.
                let words = vec![Word::new([b'k'; 251]), Word::new(key_name(0))];
                return Request {
                    goes_first,
                    reads: true,
                    ..line(name, words, false, &Slip::None)
                };
            }
            Request { goes_first, reads: true, ..request }
        })
        .boxed()
}

fn many_keys() -> BoxedStrategy<Request> {
    (select(&["get", "gets"][..]), 20..150usize)
        .prop_map(|(name, count)| {
            let words = (0..count).map(|at| Word::new(key_name(at % (KEYS + 2)))).collect();
            Request { reads: true, ..line(name, words, false, &Slip::None) }
        })
        .boxed()
}

fn counters() -> BoxedStrategy<Request> {
    (select(&["incr", "decr"][..]), key(), delta(), noreply(), slip())
        .prop_map(|(name, key, delta, noreply, slip)| {
            let words = vec![Word::new(key), Word::new(delta)];
            Request { counts: true, ..line(name, words, noreply, &slip) }
        })
        .boxed()
}

fn touch_and_delete() -> BoxedStrategy<Request> {
    let touch = (key(), exptime(), noreply(), slip()).prop_map(|(key, exptime, noreply, slip)| {
        line("touch", vec![Word::new(key), Word::new(exptime)], noreply, &slip)
    });
    let delete = (key(), select(&["", "", "", "", "0", "1"][..]), noreply(), slip()).prop_map(
        |(key, time, noreply, slip)| {
            let mut words = vec![Word::new(key)];
            words.extend((!time.is_empty()).then(|| Word::new(time)));
            line("delete", words, noreply, &slip)
        },
    );
    prop_oneof![touch, delete].boxed()
}

/// What is about no key. Delays of a flush that end within the next seconds are left out.
fn others() -> BoxedStrategy<Request> {
    let flush = (select(&["", "0", "-1", "100", "abc", "2592001"][..]), noreply(), slip());
    let flush = flush.prop_map(|(delay, noreply, slip)| {
        let words = (!delay.is_empty()).then(|| Word::new(delay));
        let slip = match slip {
            Slip::Insert(_, b"1" | b"+1") | Slip::Replace(_, b"1" | b"+1") => Slip::None,
            slip => slip,
        };
        let is_plain = matches!(slip, Slip::None) && matches!(delay, "" | "0" | "-1");
        let request = line("flush_all", words.into_iter().collect(), noreply, &slip);
        Request { flushes: true, sets_flush_time: !is_plain, ..request }
    });
    let verbosity =
        (select(&["0", "1", "", "abc", "-1"][..]), noreply()).prop_map(|(level, noreply)| {
            // What it is set to is set back at once: memcached would tell all it does.
            let words =
                (!level.is_empty()).then(|| Word::new(if level == "1" { "0" } else { level }));
            line("verbosity", words.into_iter().collect(), noreply, &Slip::None)
        });
    const ODD: &[&[u8]] = &[
        b"\r\n",
        b"\n",
        b" \r\n",
        b"x\r\n",
        b"GET key:0\r\n",
        b"Set key:0 0 0 1\r\n1\r\n",
        b"bogus a b\r\n",
        b"get\r\n",
        b"gets\r\n",
        b"gat\r\n",
        b"gat 0\r\n",
        b"gats 0\r\n",
        b"set\r\n",
        b"incr\r\n",
        b"touch\r\n",
        b"delete\r\n",
        b"cas key:0 0 0 1\r\n",
        b"verbosity\r\n",
        b"verbosity noreply\r\n",
        b"version extra words\r\n",
        b"stats foo\r\n",
        b"stats reset\r\n",
        b"stats reset x\r\n",
        b"stats detail\r\n",
        b"stats cachedump\r\n",
        b"flush_all 1 2 3\r\n",
        b"delete a b c d e\r\n",
        b"shutdown\r\n",
        b"shutdown later\r\n",
        b"cache_memlimit\r\n",
        b"cache_memlimit abc\r\n",
        b"cache_memlimit 1\r\n",
        b"cache_memlimit 1024\r\n",
        b"cache_memlimit 1024 noreply\r\n",
    ];
    let odd = select(ODD).prop_map(|bytes| Request {
        flushes: bytes.starts_with(b"flush_all"),
        sets_flush_time: bytes.starts_with(b"flush_all"),
        ..Request::new(
            vec![Part::Bytes(bytes.to_vec())],
            vec![format!("`{}`", bytes.trim_ascii_end().escape_ascii())],
        )
    });
    const CLOSING: &[&[u8]] =
        &[b"quit\r\n", b"quit now\r\n", b"GET / HTTP/1.1\r\n", b"bogus HTTP/1.0\r\n"];
    let closing = select(CLOSING).prop_map(|bytes| Request {
        // It closes without having written what it has to say, but for `quit`.
        goes_first: !bytes.starts_with(b"quit"),
        is_farewell: bytes.starts_with(b"quit"),
        ..Request::new(
            vec![Part::Bytes(bytes.to_vec())],
            vec![format!("`{}`", bytes.trim_ascii_end().escape_ascii())],
        )
    });
    prop_oneof![4 => flush, 2 => verbosity, 8 => odd, 1 => closing].boxed()
}

/// A request of the classic text protocol.
pub(crate) fn classic() -> BoxedStrategy<Request> {
    prop_oneof![
        12 => storage(),
        5 => cas(),
        8 => retrieval(),
        1 => many_keys(),
        6 => counters(),
        4 => touch_and_delete(),
        2 => others(),
    ]
    .boxed()
}

// Meta commands.

/// A flag of a meta command, with its row.
fn flag(command: &'static str) -> impl Strategy<Value = (String, Word)> {
    let plain: &'static [&'static str] = match command {
        "mg" => &["v", "v", "s", "t", "f", "c", "h", "l", "k", "q", "u", "s", "t", "f"],
        "ms" => &["c", "k", "q", "I", "k", "c", "b"],
        "md" => &["k", "q", "I", "x"],
        "ma" => &["v", "v", "t", "c", "k", "q", "s", "f"],
        _ => &["k", "q"],
    };
    let plain = select(plain).prop_map(|letter| (letter.to_owned(), Word::new(letter)));
    let tokens: &'static [&'static str] = match command {
        "mg" => &["T100", "T0", "N30", "N0", "R1000", "R10", "O123", "Oabc", "T-1", "E5"],
        "ms" => &[
            "T100",
            "T0",
            "T-1",
            "F5",
            "F0",
            "F4294967295",
            "MS",
            "ME",
            "MA",
            "MP",
            "MR",
            "N100",
            "O1",
        ],
        "md" => &["T30", "T0", "T-1", "O12"],
        "ma" => {
            &["N0", "N100", "J13", "J0", "D2", "D10", "MI", "MD", "M+", "M-", "Mi", "T100", "O1"]
        }
        _ => &["O1"],
    };
    let token = select(tokens).prop_map(|token| (token[..1].to_owned(), Word::new(token)));
    const ODD: &[&str] = &[
        "z",
        "E7",
        "Oaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "Oaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "T",
        "Tabc",
        "N",
        "Nx",
        "R",
        "Rx",
        "Fabc",
        "F",
        "F-1",
        "F4294967296",
        "Cabc",
        "C",
        "C-1",
        "Mx",
        "M",
        "MSS",
        "Me",
        "Dabc",
        "D-1",
        "D18446744073709551616",
        "J18446744073709551615",
        "Jx",
        "Pfoo",
        "Lfoo",
        "S3",
        "S",
        "!",
        "1",
        "V",
        "k1",
        "v2",
        "qq",
        "T2592001",
        "T2147483648",
        "N-1",
        "R-1",
        "b",
        "i",
        "a",
        "D0",
    ];
    let odd = select(ODD).prop_map(|token| (format!("{}…", &token[..1]), Word::new(token)));
    prop_oneof![12 => plain, 10 => token, 1 => odd]
}

fn meta_of(command: &'static str) -> BoxedStrategy<Request> {
    let flags = vec(flag(command), 0..6);
    let unique = prop::bool::weighted(0.95);
    let with_stamp = match command {
        "ms" | "md" | "ma" => 0.3,
        _ => 0.02,
    };
    let stamp = prop::option::weighted(with_stamp, stamp_and_key());
    let value = any_value();
    let binary_key = prop::option::weighted(
        0.06,
        select(&["a2V5OjA=", "a2V5OjE=", "AQL/", "a2V5", "====", "not/base64!"][..]),
    );
    (key(), flags, unique, stamp, binary_key, value, slip(), data_slip())
        .prop_map(move |(key, mut flags, unique, stamp, binary_key, value, slip, data_slip)| {
            let mut key = key;
            if let Some((stamp, of)) = stamp {
                key = of;
                flags.push(("C".to_owned(), Word::stamp("C", stamp)));
            }
            if command == "ms" {
                key = key_for(&value, key);
            }
            if let Some(encoded) = binary_key.filter(|_| value.len() < 500_000) {
                key = encoded.as_bytes().to_vec();
                flags.push(("b".to_owned(), Word::new("b")));
            }
            if unique {
                let mut seen = BTreeSet::new();
                flags.retain(|(row, _)| seen.insert(row.as_bytes()[0]));
            }
            // Of two faults, which it names is memcached's own affair.
            let mut is_faulty = flags.iter().any(|(row, _)| row == "b");
            flags
                .retain(|(row, _)| !row.ends_with('…') || !std::mem::replace(&mut is_faulty, true));
            if command == "ma" {
                flags.retain(|(_, word)| !is_long_opaque(word)); // it counts before it looks
                dismiss_times_of_growing(&mut flags);
            }
            if ["N", "T", "t"].iter().all(|letter| flags.iter().any(|(row, _)| row == letter)) {
                // memcached shows each of the two times, if it is asked in between. We, the last.
                flags.retain(|(row, _)| row != "t");
            }
            dismiss_negative_times(&mut flags);
            dismiss_long_opaques(&mut flags);
            let mut words = vec![Word::new(command), Word::new(key)];
            if command == "ms" {
                words.push(announced(&value, &data_slip));
            }
            let mut rows = vec![command.to_owned()];
            rows.extend(flags.iter().map(|(row, _)| format!("{command} {row}")));
            words.extend(flags.into_iter().map(|(_, word)| word));
            if !matches!(slip, Slip::None) {
                rows = vec![format!("{command}, malformed")];
            }
            let data = (command == "ms").then_some((&value[..], &data_slip));
            Request {
                reads: command == "mg",
                counts: command == "ma",
                ..Request::new(assemble(&words, &slip, data), rows)
            }
        })
        .boxed()
}

/// When a number becomes longer, memcached gives the new expiry time to the item that it has just
/// replaced. That is not copied; downwards no number becomes longer.
fn dismiss_times_of_growing(flags: &mut Vec<(String, Word)>) {
    const DOWN: [&[u8]; 2] = [b"MD", b"M-"];
    let is_down = |word: &Word| matches!(&word.0[..], [Part::Bytes(b)] if DOWN.contains(&&b[..]));
    if !flags.iter().any(|(_, word)| is_down(word)) {
        flags.retain(|(row, _)| !row.starts_with('T'));
    }
}

/// memcached shows the time that is left after `T-1`, and the like, as a huge number, for it forgets
/// the sign.
/// That is not copied, so it is not asked.
fn dismiss_negative_times(flags: &mut Vec<(String, Word)>) {
    const PAST: [&[u8]; 4] = [b"T-1", b"T2147483648", b"T2592001", b"N-1"];
    if flags.iter().any(|(row, _)| row == "t") {
        flags.retain(
            |(_, word)| !matches!(&word.0[..], [Part::Bytes(bytes)] if PAST.contains(&&bytes[..])),
        );
    }
}

/// memcached finds that an opaque is too long when it has done half of what it was asked for, or has
/// found something else. That is not copied, so there is nothing else.
fn dismiss_long_opaques(flags: &mut Vec<(String, Word)>) {
    if flags.iter().any(|(_, word)| is_long_opaque(word)) {
        let is_harmless = |row: &str| ["v", "s", "k", "q"].contains(&row);
        flags.retain(|(row, word)| is_long_opaque(word) || is_harmless(row));
        flags.push(("u".to_owned(), Word::new("u"))); // it would be a use
    }
}

fn is_long_opaque(word: &Word) -> bool {
    matches!(&word.0[..], [Part::Bytes(bytes)] if bytes.starts_with(b"O") && bytes.len() > 32)
}

/// A request of the meta commands. `mn` is not among them: it is what ends each batch.
pub(crate) fn meta() -> BoxedStrategy<Request> {
    prop_oneof![
        10 => meta_of("mg"),
        8 => meta_of("ms"),
        4 => meta_of("md"),
        5 => meta_of("ma"),
        1 => meta_of("me"),
    ]
    .boxed()
}

/// Something that is not complete: the start of a request.
pub(crate) fn rest() -> BoxedStrategy<Vec<u8>> {
    let whole =
        prop_oneof![classic(), meta()].prop_map(|request| request.encode(&Default::default()));
    (whole, any::<u16>())
        .prop_map(|(mut bytes, len)| {
            bytes.truncate(usize::from(len) % bytes.len().max(1));
            bytes
        })
        .boxed()
}
