//! The binary protocol: every opcode, every status, every way to break the framing.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::packet::{Client, FRESH, Packet, answer, ask};
use caskade::ManualClock;
use caskade::bytes::{Put, Store};
use caskade::memcached::{
    Compat, Config, Connection, Flow, Intercept, Output, Protocol, Request, Service,
};

const NOT_FOUND: &str = "Not found";
const EXISTS: &str = "Data exists for key.";
const TOO_LARGE: &str = "Too large.";
const INVALID: &str = "Invalid arguments";
const NOT_STORED: &str = "Not stored.";
const NOT_NUMERIC: &str = "Non-numeric server-side value for incr or decr";
const UNKNOWN: &str = "Unknown command";

/// A store with an item `k` of flags 7 and stamp 77, and a number `n` of stamp 88.
fn furnished(config: Config) -> Client {
    let client = Client::with(config);
    let item = Put { value: "v".into(), flags: 7, stamp: Some(77), ..Put::default() };
    client.service.store().put("k", item).unwrap();
    let number = Put { value: "10".into(), stamp: Some(88), ..Put::default() };
    client.service.store().put("n", number).unwrap();
    client
}

/// The default settings, with a change.
fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// A set, add or replace.
fn store(opcode: u8, key: &str, value: &str) -> Packet {
    ask(opcode).number(7).number(0).key(key).value(value)
}

/// An incr or decr by 3 that makes a counter of 5 unless it is told not to.
fn count(opcode: u8, key: &str, exptime: u32) -> Packet {
    ask(opcode).long(3).long(5).number(exptime).key(key)
}

/// A failure with its text.
fn failure(opcode: u8, status: u16, text: &str) -> Packet {
    answer(opcode, status).value(text)
}

/// A hit with the item `k` as it was furnished.
fn hit(opcode: u8) -> Packet {
    answer(opcode, 0).number(7).value("v").cas(77)
}

fn number(opcode: u8, number: u64) -> Packet {
    answer(opcode, 0).value(number.to_be_bytes()).cas(FRESH)
}

/// A request and its answers, on a connection that goes on.
type Row = (Packet, Vec<Packet>);

fn reads() -> Vec<Row> {
    vec![
        (ask(0x00).key("k"), vec![hit(0x00)]),
        (ask(0x00).key("k").cas(5), vec![hit(0x00)]), // no stamp is looked at
        (ask(0x00).key("m"), vec![failure(0x00, 1, NOT_FOUND)]),
        (ask(0x09).key("k"), vec![hit(0x09)]),
        (ask(0x09).key("m"), vec![]),
        (ask(0x0c).key("k"), vec![hit(0x0c).key("k")]),
        (ask(0x0c).key("m"), vec![answer(0x0c, 1).key("m")]),
        (ask(0x0d).key("k"), vec![hit(0x0d).key("k")]),
        (ask(0x0d).key("m"), vec![]),
        (ask(0x1c).number(9).key("k"), vec![answer(0x1c, 0).number(7).cas(77)]),
        (ask(0x1c).number(9).key("k").cas(5), vec![answer(0x1c, 0).number(7).cas(77)]),
        (ask(0x1c).number(9).key("m"), vec![failure(0x1c, 1, NOT_FOUND)]),
        (ask(0x1d).number(9).key("k"), vec![hit(0x1d)]),
        (ask(0x1d).number(9).key("m"), vec![failure(0x1d, 1, NOT_FOUND)]),
        (ask(0x1e).number(9).key("k"), vec![hit(0x1e)]),
        (ask(0x1e).number(9).key("m"), vec![]),
        (ask(0x23).number(9).key("k"), vec![hit(0x23).key("k")]),
        (ask(0x23).number(9).key("m"), vec![answer(0x23, 1).key("m")]),
        (ask(0x24).number(9).key("k"), vec![hit(0x24).key("k")]),
        (ask(0x24).number(9).key("m"), vec![]),
    ]
}

/// All that stores, in its loud form; the quiet forms are derived.
fn writes() -> Vec<Row> {
    let stored = |opcode| vec![answer(opcode, 0).cas(FRESH)];
    let big = "x".repeat(1_048_513); // fits without flags, and not with them
    let huge = "x".repeat(1_048_517);
    let mut rows = vec![
        (store(0x01, "k", "w"), stored(0x01)),
        (store(0x01, "m", ""), stored(0x01)),
        (store(0x01, "k", "w").cas(77), stored(0x01)),
        (store(0x01, "k", "w").cas(78), vec![failure(0x01, 2, EXISTS)]),
        (store(0x01, "m", "w").cas(77), vec![failure(0x01, 1, NOT_FOUND)]),
        (store(0x01, "k", &big), vec![failure(0x01, 3, TOO_LARGE)]),
        (ask(0x01).long(0).key("k").value(&big), stored(0x01)),
        (store(0x02, "m", "w"), stored(0x02)),
        (store(0x02, "k", "w"), vec![failure(0x02, 2, EXISTS)]),
        (store(0x02, "k", "w").cas(77), stored(0x02)),
        (store(0x02, "k", "w").cas(78), vec![failure(0x02, 2, EXISTS)]),
        (store(0x02, "m", "w").cas(77), vec![failure(0x02, 1, NOT_FOUND)]),
        (store(0x02, "m", &big), vec![failure(0x02, 3, TOO_LARGE)]),
        (store(0x03, "k", "w"), stored(0x03)),
        (store(0x03, "m", "w"), vec![failure(0x03, 1, NOT_FOUND)]),
        (store(0x03, "k", "w").cas(77), stored(0x03)),
        (store(0x03, "k", "w").cas(78), vec![failure(0x03, 2, EXISTS)]),
        (store(0x03, "m", "w").cas(77), vec![failure(0x03, 1, NOT_FOUND)]),
        (store(0x03, "k", &big), vec![failure(0x03, 3, TOO_LARGE)]),
    ];
    for opcode in [0x0e, 0x0f] {
        let join = |key: &str, value: &str| ask(opcode).key(key).value(value);
        rows.extend([
            (join("k", "w"), stored(opcode)),
            (join("k", "w").cas(77), stored(opcode)),
            (join("k", "w").cas(78), vec![failure(opcode, 2, EXISTS)]),
            (join("m", "w"), vec![failure(opcode, 5, NOT_STORED)]),
            (join("m", "w").cas(77), vec![failure(opcode, 5, NOT_STORED)]),
            (join("k", &big), vec![failure(opcode, 5, NOT_STORED)]), // too large only together
            (join("k", &huge), vec![failure(opcode, 3, TOO_LARGE)]),
        ]);
    }
    for (opcode, result) in [(0x05, 13), (0x06, 7)] {
        rows.extend([
            (count(opcode, "n", 0), vec![number(opcode, result)]),
            (count(opcode, "n", 0).cas(88), vec![number(opcode, result)]),
            (count(opcode, "n", 0).cas(89), vec![failure(opcode, 2, EXISTS)]),
            (count(opcode, "n", u32::MAX), vec![number(opcode, result)]),
            (count(opcode, "m", 0), vec![number(opcode, 5)]),
            (count(opcode, "m", 0).cas(88), vec![number(opcode, 5)]),
            (count(opcode, "m", u32::MAX), vec![failure(opcode, 1, NOT_FOUND)]),
            (count(opcode, "k", 0), vec![failure(opcode, 6, NOT_NUMERIC)]),
        ]);
    }
    rows.extend([
        (ask(0x04).key("k"), vec![answer(0x04, 0)]),
        (ask(0x04).key("k").cas(77), vec![answer(0x04, 0)]),
        (ask(0x04).key("k").cas(78), vec![failure(0x04, 2, EXISTS)]),
        (ask(0x04).key("m"), vec![failure(0x04, 1, NOT_FOUND)]),
        (ask(0x08), vec![answer(0x08, 0)]),
        (ask(0x08).number(0), vec![answer(0x08, 0)]),
        (ask(0x08).number(60), vec![answer(0x08, 0)]),
    ]);
    rows
}

/// The same requests with the opcodes of those who do not want to hear of success.
fn quiet_writes() -> Vec<Row> {
    let quiet = |opcode: u8| match opcode {
        0x01..=0x06 | 0x08 => opcode + 0x10,
        0x0e | 0x0f => opcode + 0x0b,
        _ => panic!("{opcode:#x} has no quiet form"),
    };
    let mut rows = writes();
    for (request, answers) in &mut rows {
        request.opcode = quiet(request.opcode);
        answers.retain(|answer| answer.status != 0);
        for answer in answers {
            answer.opcode = request.opcode;
        }
    }
    rows
}

fn others() -> Vec<Row> {
    let mut rows = vec![
        (ask(0x0a), vec![answer(0x0a, 0)]),
        (ask(0x0b), vec![answer(0x0b, 0).value("1.6.18")]),
        (ask(0x10).key("reset"), vec![answer(0x10, 0)]),
        (ask(0x10).key("nonsense"), vec![failure(0x10, 1, NOT_FOUND)]),
        (ask(0x1f).key("who").value([0, 7]), vec![answer(0x1f, 0).value([0, 7])]),
        (ask(0x94).key("m"), vec![failure(0x94, 1, NOT_FOUND)]),
        (ask(0x94).key("k"), vec![answer(0x94, 0).number(7).value("v").cas(FRESH)]),
        (ask(0x94).number(5).key("k"), vec![answer(0x94, 0).number(7).value("v").cas(FRESH)]),
        (ask(0x94).key("k").cas(77), vec![failure(0x94, 4, INVALID)]),
        (ask(0x95).key("k"), vec![failure(0x95, 4, INVALID)]),
        (ask(0x95).key("k").cas(77), vec![failure(0x95, 0x86, "Temporary failure")]),
    ];
    for opcode in [0x21, 0x22] {
        let plain = ask(opcode).key("PLAIN").value("\0who\0secret");
        rows.push((plain, vec![failure(opcode, 0x81, UNKNOWN)]));
    }
    rows.push((ask(0x20), vec![failure(0x20, 0x81, UNKNOWN)]));
    let known = [0x07, 0x10, 0x17, 0x1f, 0x20, 0x21, 0x22, 0x94, 0x95];
    let known: Vec<u8> = (0..0x1b).chain(0x1c..0x1f).chain(0x23..0x25).chain(known).collect();
    for opcode in (0..=u8::MAX).filter(|opcode| !known.contains(opcode)) {
        rows.push((ask(opcode), vec![failure(opcode, 0x81, UNKNOWN)]));
        let full = ask(opcode).number(1).key("key").value("a value");
        rows.push((full, vec![failure(opcode, 0x81, UNKNOWN)]));
    }
    rows
}

/// Requests that end the connection, and what comes back before.
fn endings() -> Vec<(Vec<u8>, Vec<Packet>)> {
    let long_key = "k".repeat(251);
    let mut shapes = vec![ask(0x77).key(&long_key), ask(0x08).number(0).key("k")];
    for opcode in [0x00, 0x09, 0x0c, 0x0d, 0x04, 0x14, 0x95] {
        shapes.push(ask(opcode));
        shapes.push(ask(opcode).number(0).key("k"));
        shapes.push(ask(opcode).key("k").value("v"));
        shapes.push(ask(opcode).key(&long_key));
    }
    for opcode in [0x01, 0x02, 0x03, 0x11, 0x12, 0x13] {
        shapes.push(ask(opcode).long(0).value("v"));
        shapes.push(ask(opcode).key("k").value("v"));
        shapes.push(ask(opcode).long(0).number(0).key("k").value("v"));
        shapes.push(ask(opcode).long(0).key(&long_key));
    }
    for opcode in [0x0e, 0x0f, 0x19, 0x1a] {
        shapes.push(ask(opcode).value("v"));
        shapes.push(ask(opcode).long(0).key("k").value("v"));
    }
    for opcode in [0x05, 0x06, 0x15, 0x16] {
        shapes.push(ask(opcode).long(0).long(0).number(0));
        shapes.push(ask(opcode).long(0).long(0).key("k"));
        shapes.push(count(opcode, "n", 0).value("v"));
    }
    for opcode in [0x1c, 0x1d, 0x1e, 0x23, 0x24] {
        shapes.push(ask(opcode).key("k"));
        shapes.push(ask(opcode).number(0));
        shapes.push(ask(opcode).number(0).key("k").value("v"));
    }
    for opcode in [0x07, 0x0a, 0x0b, 0x17] {
        shapes.push(ask(opcode).key("k"));
        shapes.push(ask(opcode).number(0));
        shapes.push(ask(opcode).value("v"));
    }
    for opcode in [0x08, 0x18] {
        shapes.push(ask(opcode).long(0));
        shapes.push(ask(opcode).value("v"));
    }
    for opcode in [0x21, 0x22] {
        shapes.push(ask(opcode));
        shapes.push(ask(opcode).number(0).key("PLAIN"));
    }
    shapes.push(ask(0x20).key("PLAIN"));
    shapes.push(ask(0x10).number(0));
    shapes.push(ask(0x10).value("v"));
    shapes.push(ask(0x94));
    shapes.push(ask(0x94).long(0).key("k"));
    shapes.push(ask(0x94).key("k").value("v"));
    shapes.push(ask(0x1f).key("who").value([0]));
    shapes.push(ask(0x1f).number(0).key("who"));
    shapes.push(ask(0x1f).key("who").value([0; 1026]));
    let refused = |request: Packet| {
        let refusal = failure(request.opcode, 4, INVALID);
        (request.bytes(), vec![refusal])
    };
    let mut rows: Vec<_> = shapes.into_iter().map(refused).collect();
    // A body that is shorter than what it is said to contain.
    for opcode in [0x00, 0x01, 0x77] {
        let mut bytes = ask(opcode).long(0).key("k").bytes();
        bytes[11] -= 1;
        rows.push((bytes, vec![failure(opcode, 0x81, UNKNOWN)]));
    }
    rows.push((answer(0x0a, 0).bytes(), vec![]));
    rows.push((b"get k\r\n".to_vec(), vec![]));
    rows.push((ask(0x07).bytes(), vec![answer(0x07, 0)]));
    rows.push((ask(0x17).bytes(), vec![]));
    rows
}

/// What comes back from a furnished server if `stream` comes in `pieces`.
fn answers<'s>(pieces: impl IntoIterator<Item = &'s [u8]>) -> (Vec<Packet>, Flow) {
    let mut client = furnished(Config::default());
    let (mut bytes, mut flow) = (Vec::new(), Flow::More);
    for piece in pieces {
        let (more, then) = client.send(piece);
        bytes.extend(more);
        flow = then;
    }
    let packets = Packet::read_all(&bytes).into_iter();
    (packets.map(Packet::without_drawn_stamp).collect(), flow)
}

/// Ways to cut a stream in two, and to single bytes; of a long one only its ends.
fn cuts(stream: &[u8]) -> Vec<Vec<&[u8]>> {
    let long = stream.len() > 2000;
    let ends = [1, 23, 24, 32, 33, 34, stream.len() - 25, stream.len() - 24, stream.len() - 1];
    let places = (1..stream.len()).filter(|at| !long || ends.contains(at));
    let mut cuts: Vec<Vec<&[u8]>> = places
        .map(|at| {
            let (first, second) = stream.split_at(at);
            vec![first, second]
        })
        .collect();
    cuts.push(vec![stream]);
    cuts.push(stream.chunks(if long { 4096 } else { 1 }).collect());
    cuts
}

#[test]
fn each_request_has_its_answer_however_it_comes() {
    let rows = [reads(), writes(), quiet_writes(), others()].concat();
    for (request, mut expected) in rows {
        // What follows shows that the connection goes on, in step.
        let stream = [request.bytes(), ask(0x0a).bytes()].concat();
        expected.push(answer(0x0a, 0));
        for cut in cuts(&stream) {
            assert_eq!(answers(cut), (expected.clone(), Flow::More), "{request:?}");
        }
    }
}

#[test]
fn what_is_no_request_ends_the_connection() {
    for (request, expected) in endings() {
        // The first packet makes it a binary connection, and the last is not answered any more.
        let stream = [ask(0x0a).bytes(), request.clone(), ask(0x0a).bytes()].concat();
        let expected: Vec<_> = [answer(0x0a, 0)].into_iter().chain(expected).collect();
        for cut in cuts(&stream) {
            assert_eq!(answers(cut), (expected.clone(), Flow::Close), "{request:x?}");
        }
    }
}

#[test]
fn no_opcode_is_forgotten() {
    let rows = [reads(), writes(), quiet_writes(), others()].concat();
    let mut seen: BTreeSet<u8> = rows.iter().map(|(request, _)| request.opcode).collect();
    seen.extend(endings().iter().map(|(bytes, _)| bytes[1]));
    assert_eq!(seen.len(), 256);
}

fn get(client: &mut Client, key: &str) -> Packet {
    client.ask(&ask(0x00).key(key))
}

#[test]
fn the_stamp_of_an_answer_is_the_items() {
    let mut client = furnished(Config::default());
    let requests = [
        store(0x01, "a", "1"),
        store(0x02, "b", "1"),
        store(0x03, "a", "2"),
        store(0x01, "k", "1").cas(77),
        ask(0x0e).key("a").value("3"),
        ask(0x0f).key("a").value("1"),
        count(0x05, "a", 0),
        count(0x06, "a", 0),
        count(0x05, "c", 0),
    ];
    let mut last = 0;
    for request in requests {
        let stored = client.ask(&request);
        assert_eq!((stored.status, stored.cas != last), (0, true), "{request:?}");
        last = stored.cas;
        let key = String::from_utf8(request.key.clone()).unwrap();
        assert_eq!(get(&mut client, &key).cas, last, "{request:?}");
        let conditional = client.ask(&store(0x01, &key, "9").cas(last));
        assert_eq!(conditional.status, 0, "{request:?}");
    }
}

#[test]
fn what_is_stored_is_read() {
    let mut client = furnished(Config::default());
    for (opcode, key) in [(0x01, "k"), (0x02, "m"), (0x03, "n"), (0x11, "k"), (0x12, "o")] {
        client.ask_all(&ask(opcode).number(9).number(0).key(key).value([0, 255, 10]));
        let found = get(&mut client, key);
        assert_eq!((&found.value[..], &found.extras[..]), (&[0, 255, 10][..], &[0, 0, 0, 9][..]));
    }
    client.ask(&ask(0x0e).key("k").value("end"));
    client.ask_all(&ask(0x1a).key("k").value("begin"));
    let found = get(&mut client, "k");
    assert_eq!(
        (&found.value[..], &found.extras[..]),
        (&b"begin\0\xff\nend"[..], &[0, 0, 0, 9][..])
    );
    // A long value leaves by another way than a short one.
    let long: Vec<u8> = (0..100_000).map(|n| (n % 251) as u8).collect();
    client.ask(&store(0x01, "k", "").value(&long));
    assert_eq!(get(&mut client, "k").value, long);
    assert_eq!(client.ask(&ask(0x23).number(0).key("k")).value, long);
}

#[test]
fn counters_keep_their_width_and_their_range() {
    let mut client = furnished(Config::default());
    let mut counted = |opcode, delta: u64, text: &str| {
        let answer = client.ask(&ask(opcode).long(delta).long(0).number(0).key("n"));
        assert_eq!(get(&mut client, "n").value, text.as_bytes());
        u64::from_be_bytes(answer.value[..].try_into().unwrap())
    };
    assert_eq!(counted(0x06, 1, "9 "), 9);
    assert_eq!(counted(0x06, 50, "0 "), 0);
    assert_eq!(counted(0x05, u64::MAX, "18446744073709551615"), u64::MAX);
    assert_eq!(counted(0x05, 3, "2                   "), 2);
}

#[test]
fn a_value_that_is_too_large_ends_the_old_one_of_a_set_alone() {
    let head = |opcode: u8, len: u32| {
        let mut bytes = store(opcode, "k", "").bytes();
        if matches!(opcode, 0x0e | 0x19) {
            bytes = ask(opcode).key("k").bytes();
        }
        let body = len + bytes.len() as u32 - 24;
        bytes[8..12].copy_from_slice(&body.to_be_bytes());
        bytes
    };
    let cases = [
        (0x01, 0, false),
        (0x11, 0, false),
        (0x01, 78, false), // not even a stamp saves it
        (0x02, 0, true),
        (0x03, 0, true),
        (0x0e, 0, true),
        (0x19, 0, true),
    ];
    for (opcode, cas, stays) in cases {
        let mut client = furnished(Config::default());
        let mut bytes = head(opcode, 5_000_000);
        bytes[16..24].copy_from_slice(&u64::to_be_bytes(cas));
        // The answer does not wait for the value.
        let (answer, flow) = client.send(&bytes);
        assert_eq!(Packet::read_all(&answer), [failure(opcode, 3, TOO_LARGE)]);
        assert_eq!(flow, Flow::More);
        assert_eq!(client.service.store().get("k").unwrap().is_some(), stays, "{opcode:#x}");
        // The value is thrown away as it comes.
        for _ in 0..50 {
            assert_eq!(client.send(&[0; 100_000]), (Vec::new(), Flow::More));
            assert_eq!(client.connection.held(), 0);
        }
        assert_eq!(client.ask(&ask(0x0a)).opcode, 0x0a);
    }
}

#[test]
fn no_claim_makes_a_connection_keep_much() {
    for opcode in 0..=u8::MAX {
        for (extras, key) in [(0u8, 0u16), (0, 3), (4, 3), (8, 3), (20, 3), (255, 3), (8, u16::MAX)]
        {
            let mut client = furnished(Config::default());
            let _ = client.send(&ask(0x0a).bytes());
            let mut head = ask(opcode).bytes();
            head[2..4].copy_from_slice(&key.to_be_bytes());
            head[4] = extras;
            head[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
            let _ = client.send(&head);
            for _ in 0..10 {
                let _ = client.send(&[1; 1000]);
                assert!(client.connection.held() == 0, "{opcode:#x} {extras} {key}");
            }
        }
    }
}

#[test]
fn an_item_expires_when_its_second_comes() {
    let touch = |opcode| ask(opcode).number(10).key("k");
    let store = |opcode: u8| ask(opcode).number(7).number(10).key("k").value("v");
    let requests =
        [store(0x01), store(0x03), store(0x11), touch(0x1c), touch(0x1d), touch(0x1e), touch(0x23)];
    for request in requests {
        let mut client = furnished(Config::default());
        client.ask_all(&request);
        client.clock.advance(Duration::from_secs(9));
        assert_eq!(get(&mut client, "k").status, 0, "{request:?}");
        client.clock.advance(Duration::from_secs(1));
        assert_eq!(get(&mut client, "k").status, 1, "{request:?}");
    }
    let mut client = furnished(Config::default());
    client.ask(&count(0x05, "counter", 10));
    client.clock.advance(Duration::from_secs(10));
    assert_eq!(get(&mut client, "counter").status, 1);
}

#[test]
fn an_expiry_time_has_no_sign() {
    let mut client = Client::new();
    client.ask(&ask(0x01).number(0).number(u32::MAX).key("k").value("v"));
    client.clock.advance(Duration::from_secs(3600 * 24 * 365));
    assert_eq!(get(&mut client, "k").status, 0);
}

#[test]
fn a_flush_comes_at_once_or_when_it_is_due() {
    let mut client = furnished(Config::default());
    client.ask(&ask(0x08).number(10));
    assert_eq!(get(&mut client, "k").status, 0);
    client.clock.advance(Duration::from_secs(10));
    assert_eq!(get(&mut client, "k").status, 1);
    for opcode in [0x08, 0x18] {
        client.ask(&store(0x01, "k", "v"));
        client.ask_all(&ask(opcode));
        assert_eq!(get(&mut client, "k").status, 1);
    }
}

#[test]
fn a_flush_may_be_forbidden() {
    let mut client = furnished(config(|config| config.flush = false));
    for opcode in [0x08, 0x18] {
        assert_eq!(client.ask(&ask(opcode)), failure(opcode, 0x20, "Auth failure."));
        assert_eq!(get(&mut client, "k").status, 0);
    }
}

#[test]
fn a_full_store_says_so() {
    let clock = ManualClock::new();
    let builder = Store::builder().clock(clock.clone()).stripes(1).evicts(false);
    let store_of = builder.memory_limit(2000).item_limit(1500).build().unwrap();
    let mut client = Client::over(store_of, clock, Config::default());
    let value = "v".repeat(1000);
    assert_eq!(client.ask(&store(0x01, "a", &value)).status, 0);
    let full = |opcode| failure(opcode, 0x82, "Out of memory allocating item");
    for opcode in [0x01, 0x02, 0x11, 0x12] {
        assert_eq!(client.ask(&store(opcode, "b", &value)), full(opcode));
    }
    assert_eq!(client.ask(&store(0x01, "n", &"9".repeat(19))).status, 0);
    let mut filler = 0;
    while client.ask(&store(0x02, &format!("f{filler}"), "")).status == 0 {
        filler += 1;
    }
    let counted = client.ask(&ask(0x05).long(1).long(u64::MAX).number(0).key("counter"));
    assert_eq!(counted, failure(0x05, 0x82, "Out of memory incrementing value"));
    // As if it were too large: the old value of a set ends, even of one that names its stamp.
    for (opcode, stays) in [(0x03, true), (0x0e, true), (0x01, false)] {
        let stamp = get(&mut client, "n").cas;
        let mut request = store(opcode, "n", &value).cas(stamp);
        if opcode == 0x0e {
            request.extras.clear();
        }
        assert_eq!(client.ask(&request), full(opcode));
        assert_eq!(get(&mut client, "n").status == 0, stays, "{opcode:#x}");
    }
}

#[test]
fn a_server_without_stamps_shows_none() {
    let mut client = Client::with(config(|config| config.cas = false));
    let requests = [
        store(0x01, "k", "v"),
        store(0x02, "n", "10"),
        ask(0x00).key("k"),
        ask(0x0c).key("k"),
        ask(0x1c).number(0).key("k"),
        ask(0x1d).number(0).key("k"),
        ask(0x0e).key("k").value("v"),
        count(0x05, "n", 0),
        // A stamp to store under is not looked at,
        store(0x01, "k", "v").cas(5),
        store(0x01, "new", "v").cas(5),
        ask(0x0e).key("k").value("v").cas(5),
    ];
    for request in requests {
        let answer = client.ask(&request);
        assert_eq!((answer.status, answer.cas), (0, 0), "{request:?}");
    }
    // and one to remove or count under is never the right one.
    for request in [ask(0x04).key("k"), count(0x05, "n", 0), store(0x02, "k", "v")] {
        assert_eq!(client.ask(&request.cas(5)).status, 2);
    }
    // A lock has a token all the same.
    let locked = client.ask(&ask(0x94).key("k"));
    assert!(locked.status == 0 && locked.cas != 0);
    assert_eq!(get(&mut client, "k").cas, 0);
    assert_eq!(client.ask(&store(0x01, "k", "w")).status, 2);
    assert_eq!(client.ask(&store(0x01, "k", "w").cas(5)).status, 2);
    assert_eq!(client.ask(&store(0x01, "k", "w").cas(locked.cas)).status, 0);
    assert_eq!(get(&mut client, "k").value, b"w");
}

#[test]
fn the_version_is_the_chosen_one() {
    let mut client = Client::with(config(|config| config.compat = Compat::V1_6_45));
    assert_eq!(client.ask(&ask(0x0b)).value, b"1.6.45");
}

/// The general statistics, by name.
fn stats(client: &mut Client) -> Vec<(String, String)> {
    let mut answers = client.ask_all(&ask(0x10));
    assert_eq!(answers.pop(), Some(answer(0x10, 0)));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    answers.into_iter().map(|pair| (text(pair.key), text(pair.value))).collect()
}

/// What `request` adds to the statistics.
fn counted(client: &mut Client, request: &Packet) -> Vec<String> {
    // What counts commands, and what came of them.
    const COUNTS: [&str; 9] =
        ["cmd_", "get_", "delete_", "incr_", "decr_", "cas_", "touch_", "store_", "total_items"];
    let counts = |client: &mut Client| {
        let mut counts = stats(client);
        counts.retain(|(name, _)| COUNTS.iter().any(|count| name.starts_with(count)));
        counts
    };
    let before = counts(client);
    client.ask_all(request);
    let changed = counts(client).into_iter().zip(before).filter(|(after, before)| after != before);
    let names = changed.map(|(after, before)| {
        let count = |pair: &(String, String)| pair.1.parse::<u64>().unwrap();
        assert_eq!((count(&after), &after.0), (count(&before) + 1, &before.0));
        after.0
    });
    names.collect()
}

#[test]
fn commands_count_as_in_memcached() {
    let big = "x".repeat(1_048_600);
    let cases = [
        (store(0x01, "k", "v"), "cmd_set total_items"),
        (store(0x11, "k", "v"), "cmd_set total_items"),
        (store(0x02, "k", "v"), "cmd_set"),
        (store(0x03, "m", "v"), "cmd_set"),
        (ask(0x0e).key("m").value("v"), "cmd_set"),
        (ask(0x0e).key("k").value("v"), "cmd_set total_items"),
        (ask(0x0e).key("k").value("v").cas(5), "cmd_set"),
        (store(0x01, "k", "v").cas(5), "cmd_set cas_badval"),
        (store(0x01, "m", "v").cas(5), "cmd_set cas_misses"),
        (store(0x01, "k", "v").cas(77), "cmd_set cas_hits total_items"),
        (store(0x01, "k", &big), ""),
        (ask(0x00).key("k"), "cmd_get get_hits"),
        (ask(0x00).key("m"), "cmd_get get_misses"),
        (ask(0x09).key("m"), "cmd_get get_misses"),
        (ask(0x1c).number(0).key("k"), "cmd_touch touch_hits"),
        (ask(0x1d).number(0).key("m"), "cmd_touch touch_misses"),
        (count(0x05, "n", 0), "incr_hits"),
        (count(0x06, "n", 0), "decr_hits"),
        (count(0x05, "m", 0), "total_items"),
        (count(0x05, "m", u32::MAX), "incr_misses"),
        (count(0x06, "m", u32::MAX), "decr_misses"),
        (count(0x05, "n", 0).cas(5), ""),
        (count(0x05, "k", 0), ""),
        (ask(0x04).key("k"), "delete_hits"),
        (ask(0x04).key("m"), "delete_misses"),
        (ask(0x04).key("k").cas(5), ""),
        (ask(0x08), "cmd_flush"),
        (ask(0x0a), ""),
        (ask(0x77), ""),
    ];
    for (request, expected) in cases {
        let mut client = furnished(Config::default());
        let mut names = counted(&mut client, &request);
        names.sort_unstable();
        let mut expected: Vec<_> = expected.split_whitespace().collect();
        expected.sort_unstable();
        assert_eq!(names, expected, "{request:?}");
    }
}

#[test]
fn a_reset_sets_counts_to_zero() {
    let mut client = furnished(Config::default());
    client.ask(&store(0x01, "k", "v"));
    let sets = ("cmd_set".to_owned(), "1".to_owned());
    assert!(stats(&mut client).contains(&sets));
    // In one feed with what counts before and after it.
    let all = [store(0x01, "k", "v"), ask(0x10).key("reset"), store(0x01, "k", "v")];
    let _ = client.send(&all.map(|request| request.bytes()).concat());
    assert!(stats(&mut client).contains(&sets));
}

/// Keeps what it sees of each request.
#[derive(Default)]
struct Notes(Vec<String>);

impl Intercept for Notes {
    fn request(
        &mut self,
        request: &Request<'_>,
        execute: &mut dyn FnMut(&mut Output) -> Flow,
        out: &mut Output,
    ) -> Flow {
        let keys: Vec<_> =
            request.keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
        assert_eq!(request.protocol, Protocol::Binary);
        self.0.push(format!(
            "{} {} {:?} {:?} {} {}",
            request.name,
            keys.join(","),
            request.cas,
            request.exptime,
            request.is_quiet,
            request.raw.len(),
        ));
        execute(out)
    }
}

#[test]
fn an_intercept_sees_each_request() {
    let cases = [
        (ask(0x0d).key("k"), "getkq k None None true 25"),
        (ask(0x11).number(0).number(9).key("k").value("v"), "setq k None Some(9) true 34"),
        (ask(0x0e).key("k").value("v").cas(5), "append k Some(5) None false 26"),
        (ask(0x1c).number(9).key("k"), "touch k None Some(9) false 29"),
        (ask(0x1d).number(9).key("k"), "gat k None Some(9) false 29"),
        (count(0x06, "k", u32::MAX), "decr k None Some(4294967295) false 45"),
        (ask(0x94).number(5).key("k"), "get_locked k None None false 29"),
        (ask(0x95).key("k").cas(5), "unlock k Some(5) None false 25"),
        (ask(0x1f).key("who").value([0, 7]), "hello  None None false 29"),
        (ask(0x10).key("items"), "stat  None None false 29"),
        (ask(0x21).key("PLAIN"), "sasl_auth  None None false 29"),
        (ask(0x18).number(9), "flushq  None None true 28"),
        (ask(0x77).key("what"), "?  None None false 28"),
        (ask(0x00), "get  None None false 24"),
    ];
    for (request, note) in cases {
        let mut notes = Notes::default();
        let (mut direct, mut through) = (Output::new(), Output::new());
        let flow = Connection::new(&Service::new()).feed(&request.bytes(), &mut direct);
        let mut connection = Connection::new(&Service::new());
        assert_eq!(connection.feed_through(&request.bytes(), &mut through, &mut notes), flow);
        assert_eq!(notes.0, [note]);
        assert_eq!(through.to_vec(), direct.to_vec());
    }
}
