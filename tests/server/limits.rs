//! What clients can take: connections, memory, time.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::process::{Peer, Server, until};

#[test]
fn who_is_one_too_many_is_told_and_turned_away() {
    let server = Server::start(&["-c", "3"]);
    let mut peers: Vec<_> = (0..3).map(|_| server.connect_when_there_is_room()).collect();
    assert_eq!(server.connect().rest(), "ERROR Too many open connections\r\n");
    assert_eq!(peers[0].ask("version"), "VERSION 1.6.18");
    assert_eq!(peers[0].stat("rejected_connections"), 1);
    peers.pop();
    let mut late = server.connect_when_there_is_room();
    assert_eq!(late.stat("curr_connections"), 3);
}

#[test]
fn who_says_nothing_for_too_long_is_closed() {
    let server = Server::start(&["-o", "idle_timeout=1"]);
    let mut idle = server.connect();
    assert_eq!(idle.ask("version"), "VERSION 1.6.18");
    assert_eq!(idle.rest(), "");
    assert_eq!(server.stat("idle_kicks"), 1);
}

#[test]
fn half_a_request_is_no_reason_to_stay() {
    let server = Server::start(&["-o", "idle_timeout=1"]);
    let mut idle = server.connect();
    idle.send(b"set k 0 0 100\r\nabc");
    assert_eq!(idle.rest(), "");
}

/// Sends `request` until the server takes nothing more. Reads nothing.
fn flood(peer: &mut Peer<TcpStream>, request: &[u8]) {
    let stream = peer.0.get_mut();
    stream.set_nonblocking(true).expect("a socket");
    let chunk = request.repeat(100_000_usize.div_ceil(request.len()));
    loop {
        match stream.write(&chunk) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).expect("a socket");
}

#[test]
fn who_asks_and_never_reads_costs_little_memory() {
    let server = Server::start(&["-t", "1"]);
    let mut other = server.connect();
    other.set("large", &vec![b'x'; 1_000_000]);
    other.set("small", &[b'x'; 900]);
    let before = server.resident();
    let mut peers: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        flood(peer, if number % 2 == 0 { b"get large\r\n" } else { b"get small\r\n" });
    }
    // Everybody else is served meanwhile.
    assert_eq!(other.ask("version"), "VERSION 1.6.18");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 12 << 20, "{grown} bytes");
}

#[test]
fn who_names_many_keys_costs_little_memory() {
    let server = Server::start(&["-t", "1"]);
    let mut peer = server.connect();
    peer.set("k", &[b'x'; 1000]);
    let before = server.resident();
    peer.send(format!("get{}\r\n", " k".repeat(100_000)).as_bytes());
    assert_eq!(peer.line(), "VALUE k 0 1000");
    assert_eq!(server.connect().ask("version"), "VERSION 1.6.18");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
    let mut count = 1;
    while peer.line().len() == 1000 && peer.line() != "END" {
        count += 1;
    }
    assert_eq!(count, 100_000);
}

#[test]
fn who_takes_nothing_for_too_long_is_closed() {
    let server = Server::start(&["-c", "1", "--write-timeout", "1"]);
    let mut peer = server.connect_when_there_is_room();
    peer.set("k", &vec![b'x'; 1_000_000]);
    flood(&mut peer, b"get k\r\n");
    // The only place is free again.
    let mut next = server.connect_when_there_is_room();
    assert_eq!(next.ask("version"), "VERSION 1.6.18");
}

/// How many connections a test may open: thousands, if the system lets it.
fn affordable() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Whether it could be raised is seen below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    most.saturating_sub(200).min(4000)
}

#[test]
fn thousands_of_connections_are_cheap_and_leave_nothing_behind() {
    let count = affordable();
    let server = Server::start(&["-t", "2", "-c", "5000"]);
    let _ = server.connect_when_there_is_room();
    let descriptors = server.descriptors();
    let before = server.resident();
    let mut peers: Vec<_> = (0..count).map(|_| server.connect()).collect();
    for peer in &mut peers {
        assert_eq!(peer.ask("version"), "VERSION 1.6.18");
    }
    let each = server.resident().saturating_sub(before) / count;
    assert!(each < 4096, "{each} bytes");
    drop(peers);
    until("all descriptors are closed", || server.descriptors() <= descriptors);
}
