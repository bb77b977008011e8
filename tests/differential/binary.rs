//! Requests of the binary protocol, well-formed and not.

use proptest::prelude::*;
use proptest::sample::select;

use super::case::{BLANK_KEY, KEYS, ODD_KEYS, Part, Request, Stamp, key_name};
use super::text;

/// What a command has between its header and its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extras {
    None,
    FlagsAndExptime,
    Counter,
    Exptime,
    /// An expiry time, or nothing.
    Delay,
}

/// Opcode, name, extras, whether there is a key, whether there is a value.
type Shape = (u8, &'static str, Extras, bool, bool);

const SHAPES: &[Shape] = &[
    (0x00, "get", Extras::None, true, false),
    (0x01, "set", Extras::FlagsAndExptime, true, true),
    (0x02, "add", Extras::FlagsAndExptime, true, true),
    (0x03, "replace", Extras::FlagsAndExptime, true, true),
    (0x04, "delete", Extras::None, true, false),
    (0x05, "increment", Extras::Counter, true, false),
    (0x06, "decrement", Extras::Counter, true, false),
    (0x09, "getq", Extras::None, true, false),
    (0x0a, "noop", Extras::None, false, false),
    (0x0b, "version", Extras::None, false, false),
    (0x0c, "getk", Extras::None, true, false),
    (0x0d, "getkq", Extras::None, true, false),
    (0x0e, "append", Extras::None, true, true),
    (0x0f, "prepend", Extras::None, true, true),
    (0x11, "setq", Extras::FlagsAndExptime, true, true),
    (0x12, "addq", Extras::FlagsAndExptime, true, true),
    (0x13, "replaceq", Extras::FlagsAndExptime, true, true),
    (0x14, "deleteq", Extras::None, true, false),
    (0x15, "incrementq", Extras::Counter, true, false),
    (0x16, "decrementq", Extras::Counter, true, false),
    (0x19, "appendq", Extras::None, true, true),
    (0x1a, "prependq", Extras::None, true, true),
    (0x1c, "touch", Extras::Exptime, true, false),
    (0x1d, "gat", Extras::Exptime, true, false),
    (0x1e, "gatq", Extras::Exptime, true, false),
    (0x23, "gatk", Extras::Exptime, true, false),
    (0x24, "gatkq", Extras::Exptime, true, false),
];

const RARE: &[Shape] =
    &[(0x08, "flush", Extras::Delay, false, false), (0x18, "flushq", Extras::Delay, false, false)];

const LAST: &[Shape] =
    &[(0x07, "quit", Extras::None, false, false), (0x17, "quitq", Extras::None, false, false)];

/// Opcodes that nobody knows. Without a body: memcached takes the length of one off the stream
/// twice, so that the connection is out of step after it, which is not copied. And without those of
/// Couchbase that are known here.
const UNKNOWN: &[u8] = &[0x1b, 0x25, 0x30, 0x40, 0x50, 0x90, 0xff];

/// What goes wrong with a packet.
#[derive(Clone, Copy, Debug)]
enum Slip {
    None,
    /// Another magic byte.
    Magic(u8),
    /// Extras that are longer or shorter.
    Extras(i8),
    /// A key where none belongs, or none where one belongs.
    Key,
    LongKey,
    /// A value where none belongs, or none where one belongs.
    Value,
    /// The length of the body says less than that of key and extras.
    ShortBody,
    /// Bytes that nobody looks at.
    Ignored(u8),
}

fn slip() -> BoxedStrategy<Slip> {
    prop_oneof![
        200 => Just(Slip::None),
        1 => select(&[0x81u8, 0x00, b'g', 0xff][..]).prop_map(Slip::Magic),
        2 => prop_oneof![Just(-1i8), Just(1), Just(4), Just(-4), Just(8)].prop_map(Slip::Extras),
        2 => Just(Slip::Key),
        1 => Just(Slip::LongKey),
        2 => Just(Slip::Value),
        1 => Just(Slip::ShortBody),
        4 => any::<u8>().prop_map(Slip::Ignored),
    ]
    .boxed()
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        30 => (0..KEYS).prop_map(key_name),
        2 => select(ODD_KEYS).prop_map(<[u8]>::to_vec),
        1 => Just(BLANK_KEY.to_vec()),
    ]
}

fn exptime() -> impl Strategy<Value = u32> {
    prop_oneof![
        10 => Just(0),
        5 => select(&[100, 2_592_000, 2_000_000_000][..]),
        2 => select(&[2_592_001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fffe][..]),
    ]
}

fn value() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        300 => text::value(),
        1 => text::large_value(),
    ]
    .boxed()
}

/// The numbers a packet may need, whether it does or not.
#[derive(Clone, Debug)]
struct Numbers {
    flags: u32,
    exptime: u32,
    delta: u64,
    initial: u64,
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let delta = prop_oneof![5 => 0..12u64, 1 => Just(u64::MAX), 1 => any::<u64>()];
    let initial = prop_oneof![5 => 0..200u64, 1 => Just(u64::MAX)];
    let flags = prop_oneof![3 => Just(0), 1 => any::<u32>()];
    (flags, exptime(), delta, initial).prop_map(|(flags, exptime, delta, initial)| Numbers {
        flags,
        exptime,
        delta,
        initial,
    })
}

fn extras(shape: Extras, numbers: &Numbers) -> Vec<u8> {
    let Numbers { flags, exptime, delta, initial } = numbers;
    match shape {
        Extras::None => Vec::new(),
        Extras::FlagsAndExptime => [flags.to_be_bytes(), exptime.to_be_bytes()].concat(),
        Extras::Counter => {
            let words = [delta.to_be_bytes(), initial.to_be_bytes()].concat();
            [&words[..], &exptime.to_be_bytes()].concat()
        }
        Extras::Exptime => exptime.to_be_bytes().to_vec(),
        // A delay that ends within the next seconds is left out: each server has its own seconds.
        Extras::Delay => match flags % 3 {
            0 => Vec::new(),
            1 => 0u32.to_be_bytes().to_vec(),
            _ => 100u32.to_be_bytes().to_vec(),
        },
    }
}

/// A stamp to depend on, mostly none. Together with the key it is about.
fn stamp_and_key() -> impl Strategy<Value = (Stamp, Vec<u8>)> {
    let stamp = prop_oneof![3 => Just(Stamp::Number(0)), 1 => text::stamp()];
    (stamp, key(), 0..KEYS).prop_map(|(stamp, key, other)| match stamp {
        Stamp::Number(0) => (stamp, key),
        _ => (stamp, key_name(stamp.key().unwrap_or(other))),
    })
}

fn packet(shapes: &'static [Shape]) -> BoxedStrategy<Request> {
    let opaque = select(vec![*b"\0\0\0\0", *b"\0\0\0\x01", *b"\xff\xff\xff\xff", *b"abcd"]);
    (select(shapes), stamp_and_key(), numbers(), value(), opaque, slip())
        .prop_map(|(shape, (stamp, key), numbers, value, opaque, slip)| {
            build(shape, stamp, key, &numbers, value, opaque, slip)
        })
        .boxed()
}

fn build(
    shape: Shape,
    stamp: Stamp,
    key: Vec<u8>,
    numbers: &Numbers,
    value: Vec<u8>,
    opaque: [u8; 4],
    slip: Slip,
) -> Request {
    let (opcode, name, kind, mut has_key, mut has_value) = shape;
    let mut extras = extras(kind, numbers);
    let (mut magic, mut ignored) = (0x80, 0);
    let mut key = if has_value { text::key_for(&value, key) } else { key };
    match slip {
        Slip::None | Slip::ShortBody => {}
        Slip::Magic(other) => magic = other,
        Slip::Extras(by) => extras.resize((extras.len() as i64 + i64::from(by)).max(0) as usize, 0),
        Slip::Key => has_key = !has_key,
        Slip::LongKey => key = vec![b'k'; 251],
        // To a touch with a value memcached answers first, and then takes the value for a packet.
        Slip::Value => has_value = !has_value && kind != Extras::Exptime,
        Slip::Ignored(byte) => ignored = byte,
    }
    if !has_key {
        key.clear();
    }
    let value = if has_value { value } else { Vec::new() };
    let mut len = (extras.len() + key.len() + value.len()) as u32;
    if matches!(slip, Slip::ShortBody) {
        len = len.saturating_sub(value.len() as u32 + 1);
    }
    let mut header = vec![magic, opcode];
    header.extend_from_slice(&(key.len() as u16).to_be_bytes());
    header.extend_from_slice(&[extras.len() as u8, ignored, ignored, ignored]);
    header.extend_from_slice(&len.to_be_bytes());
    header.extend_from_slice(&opaque);
    let row = match slip {
        Slip::None if stamp == Stamp::Number(0) => name.to_owned(),
        Slip::None => format!("{name} with cas"),
        _ => format!("{name}, malformed"),
    };
    let parts =
        vec![Part::Bytes(header), Part::Word(stamp), Part::Bytes([extras, key, value].concat())];
    let flushes = matches!(opcode, 0x08 | 0x18);
    let sets_flush_time = flushes && numbers.flags % 3 == 2;
    let goes_first = !matches!(slip, Slip::None | Slip::Ignored(_)); // the connection may be closed
    let counts = kind == Extras::Counter;
    let reads = !counts && !has_value && has_key;
    let request = Request::new(parts, vec![row]);
    Request { goes_first, reads, counts, flushes, sets_flush_time, ..request }
}

fn unknown() -> impl Strategy<Value = Request> {
    select(UNKNOWN).prop_map(|opcode| {
        let mut packet = vec![0; 24];
        (packet[0], packet[1], packet[15]) = (0x80, opcode, 7);
        Request::new(vec![Part::Bytes(packet)], vec!["unknown opcode".to_owned()])
    })
}

/// Authentication, where there is none. In its proper shape alone: with or without what belongs there,
/// memcached closes the connection, which is not copied.
fn sasl() -> BoxedStrategy<Request> {
    let mut packet = vec![0; 24];
    (packet[0], packet[1]) = (0x80, 0x20);
    let request = Request::new(vec![Part::Bytes(packet)], vec!["sasl list".to_owned()]);
    Just(request).boxed()
}

/// Statistics without values that are a server's own: their reset, and a group that is not.
fn stat() -> impl Strategy<Value = Request> {
    select(&["reset", "bogus"][..]).prop_map(|group| {
        let mut packet = vec![0; 24];
        (packet[0], packet[1], packet[3], packet[11]) =
            (0x80, 0x10, group.len() as u8, group.len() as u8);
        packet.extend_from_slice(group.as_bytes());
        Request::new(vec![Part::Bytes(packet)], vec![format!("stat {group}")])
    })
}

/// A request of the binary protocol.
pub(crate) fn any_request() -> BoxedStrategy<Request> {
    prop_oneof![
        100 => packet(SHAPES),
        3 => packet(RARE),
        1 => packet(LAST),
        1 => unknown(),
        1 => stat(),
        1 => sasl(),
    ]
    .boxed()
}

/// Something that is not complete: the start of a packet.
pub(crate) fn rest() -> BoxedStrategy<Vec<u8>> {
    (packet(SHAPES), any::<u16>())
        .prop_map(|(request, len)| {
            let mut bytes = request.encode(&Default::default());
            bytes.truncate(usize::from(len) % bytes.len());
            bytes
        })
        .boxed()
}
