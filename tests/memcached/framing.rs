//! Lines: where they end, what they may begin with, and how long they may be.

use std::sync::{Arc, Mutex};

use caskade::bytes::Store;
use caskade::memcached::{
    Config, Connection, Extension, Flow, Intercept, Output, Protocol, Request, Service,
};

use crate::script::{BOTH, NEW, OLD, play};

const BAD: &str = "CLIENT_ERROR bad command line format";

#[test]
fn a_line_ends_at_its_line_feed() {
    play(BOTH, &[("@rawmn\nmn\r\nmn \n", "MN|MN|MN")]);
    play(BOTH, &[("@rawget a\r\r\n", "END")]); // the first one belongs to the key
    play(OLD, &[("", "ERROR"), (" ", "ERROR"), ("x", "ERROR"), ("  mn", "MN")]);
    play(NEW, &[("", BAD), (" ", BAD), ("x", BAD), ("  mn", "ERROR")]);
    play(BOTH, &[("GET k", "ERROR"), ("mx", "ERROR"), ("nothing at all", "ERROR")]);
}

#[test]
fn quit_ends_the_connection() {
    play(BOTH, &[("mn", "MN"), ("quit", "closed"), ("mn", "closed")]);
    play(BOTH, &[("quit now|mn", "closed")]);
    play(BOTH, &[("quitx", "ERROR")]);
}

#[test]
fn earlier_answers_come_before_the_end() {
    let mut out = Output::new();
    let flow = Connection::new(&Service::new()).feed(b"mn\r\nquit\r\nmn\r\n", &mut out);
    assert_eq!((flow, out.to_vec()), (Flow::Close, b"MN\r\n".to_vec()));
}

#[test]
fn who_speaks_http_is_gone() {
    play(BOTH, &[("POST / HTTP/1.1", "closed")]);
    play(BOTH, &[("PUT HTTP/", "closed")]);
    play(BOTH, &[("HTTP/1.1 is no last word", "ERROR")]);
}

#[test]
fn a_line_without_end_is_gone() {
    for (text, limit) in [("incr ", 2048), ("set ", 2048), ("gat ", 2048), ("get ", 1 << 20)] {
        for begin in [text.to_owned(), format!("  {text}")] {
            let mut connection = Connection::new(&Service::new());
            let mut out = Output::new();
            assert_eq!(connection.feed(begin.as_bytes(), &mut out), Flow::More);
            let rest = vec![b'x'; limit - begin.len()];
            for piece in rest.chunks(1000) {
                assert_eq!(connection.feed(piece, &mut out), Flow::More, "{text}");
            }
            assert_eq!(connection.feed(b"x", &mut out), Flow::Close, "{text}");
            assert!(out.is_empty());
        }
    }
}

#[test]
fn a_long_get_is_answered() {
    let keys = "key ".repeat(10_000);
    let line = format!("get {keys}\r\n");
    let mut connection = Connection::new(&Service::new());
    let mut out = Output::new();
    for piece in line.as_bytes().chunks(777) {
        assert_eq!(connection.feed(piece, &mut out), Flow::More);
    }
    assert_eq!(out.to_vec(), b"END\r\n");
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let mut requests = Vec::new();
    let mut answers = Vec::new();
    for n in 0..500 {
        requests
            .extend(format!("set k{n} {n} 0 4\r\n{n:04}\r\nget k{n}\r\nmg k{n} v f\r\n").bytes());
        let value = format!("{n:04}\r\n");
        answers.extend(format!("STORED\r\nVALUE k{n} {n} 4\r\n{value}END\r\n").bytes());
        answers.extend(format!("VA 4 f{n}\r\n{value}").bytes());
    }
    for size in [1, 7, 4096, requests.len()] {
        let mut connection = Connection::new(&Service::new());
        let mut out = Output::new();
        for piece in requests.chunks(size) {
            assert_eq!(connection.feed(piece, &mut out), Flow::More);
        }
        assert!(out.to_vec() == answers, "pieces of {size}");
    }
}

#[test]
fn much_output_is_written_before_more_is_made() {
    let store = Store::new();
    store.set("k", vec![b'x'; 100_000], 0, 0).unwrap();
    let mut connection = Connection::new(&Service::with(store, Config::default()));
    let mut out = Output::new();
    let mut total = 0;
    let mut flow = connection.feed(&b"get k\r\n".repeat(100), &mut out);
    let mut rounds = 0;
    while flow == Flow::Write {
        assert!(out.len() < 400_000);
        total += out.len();
        out.clear();
        flow = connection.feed(&[], &mut out);
        rounds += 1;
    }
    assert_eq!(total + out.len(), 100 * ("VALUE k 0 100000\r\n\r\nEND\r\n".len() + 100_000));
    assert!(rounds > 20);
}

struct Shout;

impl Extension for Shout {
    fn command(&self, words: &[&[u8]], out: &mut Output) -> bool {
        if words.first() != Some(&&b"shout"[..]) {
            return false;
        }
        for word in &words[1..] {
            out.push(&word.to_ascii_uppercase());
            out.push(b"\r\n");
        }
        true
    }
}

#[test]
fn an_extension_is_asked_before_an_error() {
    for (request, answer) in [
        ("shout a  bc\r\n", "A\r\nBC\r\n"),
        ("whisper a\r\n", "ERROR\r\n"),
        ("version\r\n", "VERSION 1.6.18\r\n"),
    ] {
        let service = Service::with_extension(Store::new(), Config::default(), Arc::new(Shout));
        let mut out = Output::new();
        let flow = Connection::new(&service).feed(request.as_bytes(), &mut out);
        assert_eq!((flow, out.to_vec()), (Flow::More, answer.as_bytes().to_vec()));
    }
}

/// Notes what it sees.
#[derive(Default)]
struct Witness(Mutex<Vec<String>>);

impl Intercept for &Witness {
    fn request(
        &mut self,
        request: &Request<'_>,
        execute: &mut dyn FnMut(&mut Output) -> Flow,
        out: &mut Output,
    ) -> Flow {
        let Request { protocol, name, keys, cas, exptime, is_quiet, raw, .. } = request;
        let protocol = if *protocol == Protocol::Meta { "meta" } else { "text" };
        let keys: Vec<_> = keys.iter().map(|key| key.escape_ascii().to_string()).collect();
        self.0.lock().expect("not poisoned").push(format!(
            "{protocol} {name} [{}] cas {cas:?} exptime {exptime:?} quiet {is_quiet} raw {}",
            keys.join(" "),
            raw.len(),
        ));
        execute(out)
    }
}

#[test]
fn requests_are_described() {
    let rows = [
        ("get a b\r\n", "text get [a b] cas None exptime None quiet false raw 9"),
        ("gats 5 a b\r\n", "text gats [a b] cas None exptime Some(5) quiet false raw 12"),
        ("set k 1 2 3\r\nabc\r\n", "text set [k] cas None exptime Some(2) quiet false raw 18"),
        (
            "cas k 1 -2 3 4 noreply\r\nabc\r\n",
            "text cas [k] cas Some(4) exptime Some(-2) quiet true raw 29",
        ),
        ("append k 1 2 1\r\na\r\n", "text append [k] cas None exptime None quiet false raw 19"),
        ("touch k 9 noreply\r\n", "text touch [k] cas None exptime Some(9) quiet true raw 19"),
        ("incr k 9\r\n", "text incr [k] cas None exptime None quiet false raw 10"),
        ("delete k\r\n", "text delete [k] cas None exptime None quiet false raw 10"),
        ("mg k v T5 C7 q\r\n", "meta mg [k] cas Some(7) exptime Some(5) quiet true raw 16"),
        ("ms k 1 T5 C7\r\nx\r\n", "meta ms [k] cas Some(7) exptime Some(5) quiet false raw 17"),
        ("md k q\r\n", "meta md [k] cas None exptime None quiet true raw 8"),
        ("mn\r\n", "meta mn [] cas None exptime None quiet false raw 4"),
        ("flush_all noreply\r\n", "text flush_all [] cas None exptime None quiet true raw 19"),
        ("what is this\r\n", "text ? [] cas None exptime None quiet false raw 14"),
        ("set k 0 0 2000000\r\n", "text set [k] cas None exptime Some(0) quiet false raw 19"),
    ];
    let witness = Witness::default();
    let mut connection = Connection::new(&Service::new());
    let mut out = Output::new();
    for (request, _) in rows {
        let flow = connection.feed_through(request.as_bytes(), &mut out, &mut &witness);
        assert_eq!(flow, Flow::More, "{request}");
    }
    let seen = witness.0.into_inner().unwrap();
    let described: Vec<_> = rows.iter().map(|(_, described)| described.to_string()).collect();
    assert_eq!(seen, described);
}
