//! When rules strike, and rules as data.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use caskade::memcached::TestServer;
use caskade::memcached::test_server::{Fault, Rule, any, cmd};

use crate::client::Client;

/// Which of so many requests meet a fault.
fn struck(client: &mut Client, requests: usize) -> Vec<bool> {
    (0..requests).map(|_| client.line("version\r\n").starts_with("SERVER_ERROR")).collect()
}

#[test]
fn rules_count() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    server.faults().on(any()).nth(2).times(2).error("no");
    assert_eq!(struck(&mut client, 5), [false, true, true, false, false]);
    server.faults().clear();
    let always = server.faults().on(any()).error("no");
    assert_eq!(struck(&mut client, 3), [true; 3]);
    assert_eq!(always.strikes(), 3);
    always.disarm();
    assert_eq!(struck(&mut client, 1), [false]);
}

#[test]
fn rules_count_for_each_key() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    server.faults().on(cmd("get").key("*")).once().per_key().error("no");
    for (key, answer) in [("a", "SERVER_ERROR no"), ("a", "END"), ("b", "SERVER_ERROR no")] {
        assert_eq!(client.line(format!("get {key}\r\n")), answer);
    }
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    let mut run = |seed| {
        server.faults().clear();
        server.faults().on(any()).probability(0.3, seed).error("no");
        struck(&mut client, 200)
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let share = first.iter().filter(|&&it| it).count();
    assert!((40..=80).contains(&share), "{share} of 200");
}

#[test]
fn a_rule_may_last_longer_than_any_clock() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    server.faults().on(any()).lasting(Duration::MAX).error("no");
    client.ask("get k\r\n", "SERVER_ERROR no\r\n");
}

#[test]
fn a_rule_lasts_by_the_servers_clock() {
    let server = TestServer::start().unwrap();
    server.clock().freeze();
    let mut client = Client::of(&server);
    server.faults().on(any()).lasting(Duration::from_secs(5)).error("no");
    server.clock().advance(Duration::from_millis(4999));
    assert_eq!(struck(&mut client, 2), [true, true]);
    server.clock().advance(Duration::from_millis(1));
    assert_eq!(struck(&mut client, 1), [false]);
}

#[test]
fn several_rules_strike_together_and_the_first_answers() {
    let server = TestServer::start().unwrap();
    server.store().set("k", "hello", 0, 0).unwrap();
    let mut client = Client::of(&server);
    server.faults().on(cmd("get")).evict();
    server.faults().on(any()).nth(2).error("first");
    server.faults().on(any()).nth(2).error("second");
    client.ask("get k\r\n", "END\r\n");
    client.ask("get k\r\n", "SERVER_ERROR first\r\n");
    let record = server.log().last().unwrap();
    assert_eq!(record.faults, ["evict", "error", "error"]);
}

#[test]
fn rules_are_data() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    server.faults().add(Rule::new(Fault::Error("no".into())).on(cmd("version")).nth(1));
    assert_eq!(struck(&mut client, 2), [true, false]);
    assert_eq!(server.faults().rules()[0].1, 1);
}

#[cfg(feature = "serde")]
#[test]
fn rules_are_read_from_json() {
    use caskade::memcached::Protocol;
    use caskade::memcached::test_server::{Delay, Place};

    let read = |text: &str| serde_json::from_str::<Rule>(text);
    let rule = r#"{"on": {"command": "set", "key": "user:*"}, "nth": 2, "fault": "lose_ack"}"#;
    assert_eq!(read(rule).unwrap(), Rule::new(Fault::LoseAck).on(cmd("set").key("user:*")).nth(2));
    for (text, fault) in [
        (r#""close""#, Fault::Close),
        (r#"{"stall": "mid_value"}"#, Fault::Stall(Place::MidValue)),
        (r#"{"truncate": {"bytes": 3}}"#, Fault::Truncate(Place::Bytes(3))),
        (r#"{"dribble": 0.5}"#, Fault::Dribble(Duration::from_micros(500))),
        (r#"{"answer": "END\r\n\u00ff"}"#, Fault::Answer(b"END\r\n\xff"[..].into())),
        (
            r#"{"delay": {"least_ms": 1, "most_ms": 2}}"#,
            Fault::Delay(Delay { least: Duration::from_millis(1), most: Duration::from_millis(2) }),
        ),
    ] {
        let rule = read(&format!(r#"{{"fault": {text}}}"#)).unwrap();
        assert_eq!(rule, Rule::new(fault));
        let written = serde_json::to_string(&rule).unwrap();
        assert_eq!(read(&written).unwrap(), rule, "{written}");
    }
    let rule =
        read(r#"{"on": {"protocol": "meta", "kind": "read"}, "lasts_ms": 1500, "fault": "miss"}"#);
    let rule = rule.unwrap();
    assert_eq!(rule.on.protocol, Some(Protocol::Meta));
    assert_eq!(rule.lasts, Some(Duration::from_millis(1500)));
    for wrong in [r#"{"fault": "explode"}"#, r#"{"nht": 1, "fault": "miss"}"#, "{}"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_delay_without_end_ends_with_the_server() {
    let server = TestServer::start().unwrap();
    let mut client = TcpStream::connect(server.addr()).unwrap();
    server.faults().on(cmd("get")).delay(Duration::MAX);
    client.write_all(b"get k\r\n").unwrap();
    let came = server.log().wait_for_within(cmd("get"), 1, Duration::MAX).unwrap();
    assert_eq!(came[0].outcome(), "END");
    // It neither answers nor hangs up.
    client.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    assert!(client.read(&mut [0; 1]).is_err());
}
