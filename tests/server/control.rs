//! Verbs for tests.

use crate::process::Server;

#[test]
fn without_control_the_verbs_are_unknown() {
    let server = Server::start(&[]);
    let mut peer = server.connect();
    for verb in ["debugtime p", "caskade freeze"] {
        assert_eq!(peer.ask(verb), "ERROR");
    }
}

#[test]
fn frozen_time_does_not_pass_and_moved_time_does() {
    let server = Server::start(&["--control"]);
    let mut peer = server.connect();
    assert_eq!(peer.ask("caskade freeze"), "OK");
    peer.send(b"set k 0 10 1\r\nv\r\n");
    assert_eq!(peer.line(), "STORED");
    assert_eq!(peer.ask("caskade advance 8"), "OK");
    assert_eq!(peer.get("k").as_deref(), Some("v"));
    // From another connection as well.
    assert_eq!(server.connect().ask("debugtime 2"), "OK");
    assert_eq!(peer.get("k"), None);
}

#[test]
fn debugtime_is_memcacheds() {
    let server = Server::start(&["--control"]);
    let mut peer = server.connect();
    assert_eq!(peer.ask("debugtime p"), "OK");
    let uptime = peer.stat("uptime");
    assert_eq!(peer.ask("debugtime 100"), "OK");
    assert_eq!(peer.stat("uptime"), uptime + 100);
    assert_eq!(peer.ask("debugtime r"), "OK");
    assert_eq!(peer.ask("debugtime soon"), "ERROR");
    assert!(peer.ask("debugtime -1").starts_with("CLIENT_ERROR"));
}

#[test]
fn the_clock_is_set_and_shown() {
    let server = Server::start(&["--control"]);
    let mut peer = server.connect();
    assert_eq!(peer.ask("caskade freeze"), "OK");
    assert_eq!(peer.ask("caskade set 4000000000"), "OK");
    assert_eq!(peer.ask("caskade time"), "{\"time\":4000000000.0}");
    assert_eq!(peer.stat("time"), 4_000_000_000);
    assert!(peer.ask("caskade set 1").starts_with("CLIENT_ERROR"));
}

#[test]
fn items_are_evicted_and_everything_reset() {
    let server = Server::start(&["--control"]);
    let mut peer = server.connect();
    peer.set("k", b"v");
    peer.set("l", b"v");
    assert_eq!(peer.ask("caskade evict k"), "OK");
    assert_eq!(peer.ask("caskade evict k"), "NOT_FOUND");
    assert_eq!(peer.get("l").as_deref(), Some("v"));
    assert_eq!(peer.ask("caskade reset"), "OK");
    assert_eq!(peer.get("l"), None);
    assert!(peer.ask("caskade bogus").starts_with("CLIENT_ERROR"));
    assert!(peer.ask("caskade help").starts_with("caskade freeze"));
}
