//! How the server ends.

use rustix::process::Signal;

use crate::process::{Server, scratch_file, until};

/// Many clients ask, and then the signal comes: every one of them has its answers.
///
/// Over a UNIX socket, where what has been sent has arrived.
fn answers_before_it_ends(signal: Signal, threads: &str) {
    let path = scratch_file("ending");
    let mut server = Server::start(&["-s", path.to_str().expect("text"), "-t", threads]);
    let mut peers: Vec<_> = (0..40).map(|_| server.connect_to_file()).collect();
    for peer in &mut peers {
        assert_eq!(peer.ask("mn"), "MN");
    }
    for peer in &mut peers {
        peer.send("version\r\n".repeat(100).as_bytes());
    }
    server.signal(signal);
    for peer in &mut peers {
        assert_eq!(peer.rest(), "VERSION 1.6.18\r\n".repeat(100));
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn terminated_it_answers_what_was_asked() {
    answers_before_it_ends(Signal::TERM, "1");
    answers_before_it_ends(Signal::TERM, "3");
}

#[test]
fn interrupted_it_answers_what_was_asked() {
    answers_before_it_ends(Signal::INT, "2");
}

#[test]
fn who_reads_late_has_all_answers() {
    let path = scratch_file("late");
    let mut server = Server::start(&["-s", path.to_str().expect("text"), "-t", "1"]);
    let mut peer = server.connect_to_file();
    let value = "x".repeat(1_000_000);
    peer.set("k", value.as_bytes());
    peer.send("get k\r\n".repeat(20).as_bytes());
    let first = peer.line();
    // The second does not fit into the socket, so the others have not been looked at.
    server.signal(Signal::TERM);
    until("nobody listens", || !path.exists());
    for number in 0..20 {
        let header = if number == 0 { first.clone() } else { peer.line() };
        assert_eq!(header, "VALUE k 0 1000000", "{number}");
        assert!(peer.line() == value);
        assert_eq!(peer.line(), "END");
    }
    assert_eq!(peer.rest(), "");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn it_ends_with_its_standard_input_if_asked() {
    let mut server = Server::start(&["--exit-with-stdin"]);
    let mut peer = server.connect_when_there_is_room();
    let stdin = server.stdin();
    peer.set("k", b"v");
    drop(stdin);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(peer.rest(), "");
}

#[test]
fn without_being_asked_it_outlives_its_standard_input() {
    let mut server = Server::start(&[]);
    drop(server.stdin());
    let mut peer = server.connect();
    peer.set("k", b"v");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn who_does_not_read_does_not_keep_it_when_told_twice() {
    let mut server = Server::start(&["--write-timeout", "0"]);
    let mut peer = server.connect_when_there_is_room();
    peer.set("k", &vec![b'x'; 1_000_000]);
    peer.send("get k\r\n".repeat(100).as_bytes());
    // Its answers are on their way when the first of them is.
    let _ = peer.line();
    server.signal(Signal::TERM);
    server.connect_until_refused();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
}
