//! Verbs for tests.

use std::io::Read;

use crate::process::{Server, until};

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

#[test]
fn a_fault_strikes_once_and_is_logged() {
    let server = Server::start(&["--control"]);
    let mut peer = server.connect();
    let fault = r#"caskade fault {"on": {"command": "get", "key": "user:*"}, "times": 1, "fault": {"error": "out of order"}}"#;
    assert_eq!(peer.ask(fault), "OK");
    assert_eq!(peer.ask("get other"), "END");
    assert_eq!(peer.ask("get user:1"), "SERVER_ERROR out of order");
    assert_eq!(peer.ask("get user:1"), "END");
    assert!(peer.ask("caskade faults").ends_with(r#""strikes":1}"#));
    assert_eq!(peer.line(), "END");

    let log = peer.list(r#"caskade log {"key": "user:1"}"#);
    assert_eq!(log.len(), 2);
    assert_eq!((&log[0]["command"], &log[0]["keys"][0]), (&"get".into(), &"user:1".into()));
    assert_eq!(log[0]["request"], "get user:1\r\n");
    assert_eq!(log[0]["answer"], "SERVER_ERROR out of order\r\n");
    assert_eq!(log[0]["faults"][0], "error");
    assert_eq!(log[1]["answer"], "END\r\n");
}

#[test]
fn faults_on_everything_leave_the_verbs_alone() {
    let server = Server::start(&["--control"]);
    let mut peer = server.connect();
    assert_eq!(peer.ask(r#"caskade fault {"fault": "out_of_memory"}"#), "OK");
    assert!(peer.ask("version").starts_with("SERVER_ERROR out of memory"));
    assert_eq!(peer.ask("caskade faults clear"), "OK");
    assert_eq!(peer.ask("version"), "VERSION 1.6.18");
}

#[test]
fn an_acknowledgement_is_lost_and_the_write_is_not() {
    let server = Server::start(&["--control"]);
    let (mut peer, mut other) = (server.connect(), server.connect());
    assert_eq!(other.ask(r#"caskade fault {"on":{"command":"set"},"fault":"lose_ack"}"#), "OK");
    peer.send(b"set k 0 0 1\r\nv\r\n");
    assert_eq!(peer.rest(), "");
    assert_eq!(other.get("k").as_deref(), Some("v"));
}

#[test]
fn a_connection_is_reset() {
    let server = Server::start(&["--control"]);
    let fault = r#"caskade fault {"on":{"command":"get"},"fault":"reset"}"#;
    assert_eq!(server.connect().ask(fault), "OK");
    let mut peer = server.connect();
    peer.send(b"get k\r\n");
    let mut rest = Vec::new();
    let error = peer.0.read_to_end(&mut rest).expect_err("no orderly end");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn answers_are_cut_dribbled_and_delayed() {
    let server = Server::start(&["--control"]);
    let mut other = server.connect();
    other.set("k", b"value");
    for (fault, answer) in [
        (r#"{"truncate": "mid_value"}"#, "VALUE k 0 5\r\nva"),
        (r#"{"truncate": {"bytes": 7}}"#, "VALUE k"),
    ] {
        let line =
            format!(r#"caskade fault {{"on":{{"command":"get"}},"times":1,"fault":{fault}}}"#);
        assert_eq!(other.ask(&line), "OK");
        let mut peer = server.connect();
        peer.send(b"get k\r\n");
        assert_eq!(peer.rest(), answer, "{fault}");
    }
    for fault in [r#"{"dribble": 0.1}"#, r#"{"delay": {"least_ms": 1, "most_ms": 2}}"#] {
        let line =
            format!(r#"caskade fault {{"on":{{"command":"get"}},"times":1,"fault":{fault}}}"#);
        assert_eq!(other.ask(&line), "OK");
        assert_eq!(other.get("k").as_deref(), Some("value"), "{fault}");
    }
}

#[test]
fn who_is_met_with_silence_is_let_go() {
    let mut server = Server::start(&["--control"]);
    let mut other = server.connect();
    assert_eq!(other.ask(r#"caskade fault {"on":{"command":"get"},"fault":"silence"}"#), "OK");
    let mut silent = server.connect();
    silent.send(b"get k\r\n");
    until("the get has come", || other.list(r#"caskade log {"command":"get"}"#).len() == 1);
    drop(silent);
    until("the client is gone", || other.stat("curr_connections") == 1);
    let mut silent = server.connect();
    silent.send(b"get k\r\n");
    until("the get has come", || other.list(r#"caskade log {"command":"get"}"#).len() == 2);
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(silent.rest(), "");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_rival_is_made_up() {
    let server = Server::start(&["--control"]);
    let mut peer = server.connect();
    peer.set("k", b"v");
    assert_eq!(peer.ask("caskade conflict k"), "OK");
    for outcome in ["EXISTS", "STORED"] {
        let line = peer.ask("gets k");
        let stamp = line.rsplit(' ').next().expect("a stamp");
        assert_eq!((peer.line().as_str(), peer.line().as_str()), ("v", "END"));
        peer.send(format!("cas k 0 0 1 {stamp}\r\nw\r\n").as_bytes());
        assert_eq!(peer.line(), outcome);
    }
    assert_eq!(peer.ask("caskade miss k 2"), "OK");
    assert_eq!((peer.get("k"), peer.get("k")), (None, None));
    assert_eq!(peer.get("k").as_deref(), Some("w"));
}

#[test]
fn items_are_shown() {
    let server = Server::start(&["--control"]);
    let mut peer = server.connect();
    peer.set("k", b"v");
    let item = peer.list("caskade snapshot");
    assert_eq!(item.len(), 1);
    assert_eq!((&item[0]["key"], &item[0]["value"]), (&"k".into(), &"v".into()));
    assert_eq!(peer.ask("caskade item k"), item[0].to_string());
    assert_eq!(peer.ask("caskade unlock k"), "NOT_FOUND");
}

#[test]
fn connections_can_be_refused() {
    let server = Server::start(&["--control"]);
    let mut peer = server.connect();
    assert_eq!(peer.ask("caskade help").split(' ').next(), Some("caskade"));
    let fault = r#"caskade fault {"on":{"command":"connect"},"times":1,"fault":"close"}"#;
    assert_eq!(peer.ask(fault), "OK");
    assert_eq!(server.connect().rest(), "");
    assert_eq!(server.connect().ask("version"), "VERSION 1.6.18");
}
