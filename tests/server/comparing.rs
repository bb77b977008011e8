//! `--compare-with`: another server is asked as well.

use std::io::Read;
use std::process::{ChildStderr, Stdio};

use crate::process::{Peer, Server};

/// A server that compares its answers with those of `other`.
fn comparing(other: &Server) -> Server {
    let address = format!("127.0.0.1:{}", other.port());
    Server::start_with(&["--compare-with", &address], |command| {
        command.stderr(Stdio::piped());
    })
}

/// What a server has told until its end.
fn told(mut server: Server) -> String {
    let mut errors: ChildStderr = server.stderr();
    server.signal(rustix::process::Signal::TERM);
    server.wait();
    let mut text = String::new();
    errors.read_to_string(&mut text).expect("text");
    text
}

/// Sends a request and reads the answer up to that of a question behind it.
fn ask(peer: &mut Peer<std::net::TcpStream>, request: &[u8]) {
    peer.send(request);
    peer.send(b"mn\r\n");
    while peer.line() != "MN" {}
}

const SESSION: [&[u8]; 14] = [
    b"set a 5 0 2\r\n10\r\n",
    b"incr a 5\r\ndecr a 10\r\ngets a\r\n",
    b"set big 0 0 2000000\r\n",
    &[b'x'; 2_000_000],
    b"\r\nget big a nobody\r\n",
    b"add a 0 0 1\r\nx\r\nappend a 0 0 1\r\n0\r\n",
    b"ms m 2 c T100\r\nhi\r\nmg m s v f c t O123 k\r\n",
    b"md m I T30\r\nmg m v c\r\nmg m v c\r\n",
    b"set n 0 0 1 noreply\r\n1\r\nincr n x\r\nnonsense\r\n",
    b"gat 100 a m\r\ntouch a 0\r\ndelete a\r\ndelete a\r\n",
    b"cas nobody 0 0 1 77\r\nx\r\n",
    b"set v 0 0 24\r\nVERSION 1.6.18\r\nMN\r\nxxxx\r\n",
    b"get v\r\n",
    b"flush_all\r\nget v n\r\n",
];

#[test]
fn equal_servers_do_not_differ() {
    let other = Server::start(&[]);
    let server = comparing(&other);
    let mut peer = server.connect();
    ask(&mut peer, &SESSION.concat());
    drop(peer);
    assert_eq!(told(server), "");
    // It was asked indeed.
    assert_eq!(other.stat("cmd_flush"), 1);
}

#[test]
fn stamps_are_translated() {
    let other = Server::start(&[]);
    let server = comparing(&other);
    let mut peer = server.connect();
    for prefix in ["cas k 0 0 1 ", "ms k 1 C"] {
        peer.set("k", b"x");
        peer.send(b"gets k\r\n");
        let shown = peer.line();
        let stamp = shown.rsplit(' ').next().expect("a stamp").to_owned();
        assert_eq!([peer.line(), peer.line()], ["x", "END"]);
        ask(&mut peer, format!("{prefix}{stamp}\r\ny\r\n").as_bytes());
        ask(&mut peer, format!("{prefix}{stamp}\r\nz\r\n").as_bytes());
        assert_eq!(peer.get("k").as_deref(), Some("y"));
    }
    drop(peer);
    assert_eq!(told(server), "");
}

#[test]
fn a_difference_is_told_with_its_request() {
    let other = Server::start(&["-F"]);
    let server = comparing(&other);
    let mut peer = server.connect();
    peer.set("k", b"x");
    ask(&mut peer, b"flush_all\r\n");
    drop(peer);
    let told = told(server);
    assert!(told.starts_with("difference in request 2, at byte 0"), "{told}");
    assert!(told.contains("request flush_all\\r\\n\n  ours    OK\\r\\n\n"), "{told}");
    assert!(told.contains("theirs  CLIENT_ERROR flush_all not allowed\\r\\n"), "{told}");
}

#[test]
fn without_the_other_server_clients_are_served_and_somebody_is_told() {
    let other = Server::start(&[]);
    let server = comparing(&other);
    drop(other);
    assert_eq!(server.connect().ask("version"), "VERSION 1.6.18");
    assert!(told(server).starts_with("nothing is compared: "));
}

#[test]
fn an_end_on_one_side_only_ends_the_comparison() {
    let other = Server::start(&["-B", "binary"]);
    let server = comparing(&other);
    let mut peer = server.connect();
    assert_eq!(peer.ask("version"), "VERSION 1.6.18");
    assert_eq!(peer.ask("version"), "VERSION 1.6.18");
    drop(peer);
    let told = told(server);
    let expected =
        "comparison ends at request 1: the other server closes the connection\n  version\\r\\n\n";
    assert_eq!(told, expected);
}
