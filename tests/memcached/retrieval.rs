//! `get`, `gets`, `gat`, `gats`.

use caskade::memcached::{Connection, Flow, Output, Service};

use crate::script::{BOTH, NEW, OLD, play};

const BAD: &str = "CLIENT_ERROR bad command line format";

#[test]
fn hits_are_answered_in_order() {
    play(
        BOTH,
        &[
            ("get a", "END"),
            ("set a 1 0 1|x|set b 2 0 2|yy", "STORED|STORED"),
            ("get a b", "VALUE a 1 1|x|VALUE b 2 2|yy|END"),
            ("get none a  none b a ", "VALUE a 1 1|x|VALUE b 2 2|yy|VALUE a 1 1|x|END"),
            ("gets b a", "VALUE b 2 2 #|yy|VALUE a 1 1 #|x|END"),
            ("get noreply", "END"),
            ("set noreply 0 0 1|1", "STORED"),
            ("get noreply", "VALUE noreply 0 1|1|END"),
            ("get a HTTP/1.1", "VALUE a 1 1|x|END"),
        ],
    );
    play(OLD, &[("get", "ERROR"), ("gets", "ERROR"), ("bget a", "END"), ("  get  a", "END")]);
    play(NEW, &[("get", BAD), ("gets", BAD), ("bget a", "ERROR"), ("  get  a", "ERROR")]);
}

#[test]
fn a_long_line_of_keys_is_answered_in_parts() {
    for command in ["get", "gat 0"] {
        is_answered_in_parts(command);
    }
}

fn is_answered_in_parts(command: &str) {
    let service = Service::new();
    service.store().set("a", vec![b'x'; 1000], 0, 0).expect("there is room");
    let mut connection = Connection::new(&service);
    let request = format!("version\r\n{command}{}  \r\nmn\r\n", " a none".repeat(20_000));
    let mut out = Output::new();
    let mut flow = connection.feed(request.as_bytes(), &mut out);
    let mut answers = Vec::new();
    while flow == Flow::Write {
        assert!(out.len() < 1_000_000, "{} bytes at once", out.len());
        answers.extend(out.to_vec());
        out.clear();
        flow = connection.feed(b"", &mut out);
    }
    answers.extend(out.to_vec());
    let item = format!("VALUE a 0 1000\r\n{}\r\n", "x".repeat(1000));
    let all = format!("VERSION 1.6.18\r\n{}END\r\nMN\r\n", item.repeat(20_000));
    assert!(answers == all.as_bytes(), "{} bytes, not {}", answers.len(), all.len());
}

#[test]
fn a_long_line_with_a_bad_key_or_none_has_one_answer() {
    let service = Service::new();
    service.store().set("a", "x", 0, 0).expect("there is room");
    let mut connection = Connection::new(&service);
    let mut out = Output::new();
    let keys = " a".repeat(2000);
    let (long, blanks) = ("k".repeat(251), " ".repeat(3000));
    let bad = format!("get{keys} {long}\r\nget{blanks}\r\ngat 0{keys} {long}\r\n");
    assert_eq!(connection.feed(bad.as_bytes(), &mut out), Flow::More);
    assert_eq!(out.to_vec(), format!("{BAD}\r\nERROR\r\n{BAD}\r\n").as_bytes());
}

#[test]
fn long_values_come_whole() {
    play(
        BOTH,
        &[
            ("set a 0 0 5000|<5000>", "STORED"),
            ("set b 0 0 1|b", "STORED"),
            ("get a b a", "VALUE a 0 5000|<5000>|VALUE b 0 1|b|VALUE a 0 5000|<5000>|END"),
            ("mg a v", "VA 5000|<5000>"),
        ],
    );
}

#[test]
fn a_key_that_is_too_long_is_the_only_answer() {
    play(
        BOTH,
        &[
            ("set a 0 0 1|x|set b 0 0 5000|<5000>", "STORED|STORED"),
            ("get a", "VALUE a 0 1|x|END"),
            ("get a b <251>", BAD),
            ("version|get a b <251>|mn", "VERSION #.#.#|CLIENT_ERROR bad command line format|MN"),
            ("gets a <251> b", BAD),
            ("gat 0 a b <251>", BAD),
            ("get <250>", "END"),
        ],
    );
}

#[test]
fn gat_sets_a_new_expiry_time() {
    play(
        BOTH,
        &[
            ("set k 0 5 1|x", "STORED"),
            ("gets k", "VALUE k 0 1 #|x|END"),
            ("gat 100 none k", "VALUE k 0 1|x|END"),
            ("@50", ""),
            ("gats 0 k", "VALUE k 0 1 #|x|END"),
            ("cas k 0 0 1 $1|y", "STORED"), // the stamp has stayed
            ("@1000", ""),
            ("gat -1 k", "VALUE k 0 1|y|END"),
            ("get k", "END"),
            ("gat x k", "CLIENT_ERROR invalid exptime argument"),
        ],
    );
    play(OLD, &[("gat", "ERROR"), ("gat 0", "END"), ("gat +1 k", "END")]);
    play(
        NEW,
        &[("gat", BAD), ("gat 0", BAD), ("gat +1 k", "CLIENT_ERROR invalid exptime argument")],
    );
}

#[test]
fn expiry_times_are_seconds_moments_or_never() {
    play(
        BOTH,
        &[
            ("set a 0 1 1|a", "STORED"),
            ("set b 0 2592000 1|b", "STORED"),
            ("set c 0 2592001 1|c", "STORED"), // January 1970
            ("set d 0 -1 1|d", "STORED"),
            ("set e 0 1700000010 1|e", "STORED"),
            ("set f 0 1700000000 1|f", "STORED"), // when the store was made
            ("get a b c d e f", "VALUE a 0 1|a|VALUE b 0 1|b|VALUE e 0 1|e|END"),
            ("@1", ""),
            ("get a b e", "VALUE b 0 1|b|VALUE e 0 1|e|END"),
            ("@8", ""),
            ("get e", "VALUE e 0 1|e|END"),
            ("@1", ""),
            ("get e", "END"),
            ("@2591989", ""),
            ("get b", "VALUE b 0 1|b|END"),
            ("@1", ""),
            ("get b", "END"),
        ],
    );
}
