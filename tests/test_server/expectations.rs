//! The log, waiting, and expectations.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use caskade::memcached::test_server::{any, cmd, connects, writes};
use caskade::memcached::{Protocol, TestServer};

use crate::client::{Client, packet};

#[test]
fn the_log_has_everything() {
    let server = TestServer::start().unwrap();
    server.clock().freeze();
    server.clock().advance(Duration::from_secs(3));
    let mut client = Client::of(&server);
    client.set("a", "x");
    client.ask("get a b\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n");
    client.send("touch a 100 noreply\r\n");
    client.ask("mn\r\n", "MN\r\n");
    let records = server.log().records();
    let names: Vec<_> = records.iter().map(|record| record.command.as_str()).collect();
    assert_eq!(names, ["connect", "set", "get", "touch", "mn"]);
    let numbers: Vec<_> = records.iter().map(|record| record.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let get = &records[2];
    assert_eq!(get.keys, ["a", "b"]);
    assert_eq!(get.raw, "get a b\r\n");
    assert_eq!(get.outcome(), "VALUE a 0 1");
    assert_eq!((get.connection, get.protocol), (1, Protocol::Text));
    assert!(get.at >= Duration::from_secs(3));
    let touch = &records[3];
    assert_eq!((touch.exptime, touch.is_quiet), (Some(100), true));
    assert_eq!(touch.outcome(), "no answer");
    let text = server.log().to_string();
    assert!(text.contains("connection 1: set a -> STORED"), "{text}");

    let mut binary = Client::of(&server);
    binary.send(packet(0x0a, "", b"", b"", 0));
    binary.take(24);
    let noop = server.log().last().unwrap();
    assert_eq!((noop.command.as_str(), noop.protocol), ("noop", Protocol::Binary));
    assert_eq!(noop.outcome(), "status 0x0000");
    binary.send(packet(0x00, "k", b"", b"", 0));
    binary.take(24 + 9);
    assert_eq!(server.log().last().unwrap().outcome(), "status 0x0001: Not found");
    let connect = &server.log().records()[0];
    assert!(connect.to_string().ends_with("connection 1: connect"), "{connect}");
    server.log().clear();
    assert!(server.log().records().is_empty());
}

#[test]
fn the_log_shows_what_a_fault_has_left() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    server.faults().on(cmd("set")).once().truncate_after(3);
    client.send("set a 0 0 1\r\nx\r\n");
    client.rest();
    let record = server.log().last().unwrap();
    assert_eq!((&record.answer[..], &record.faults[..]), (&b"STO"[..], &["truncate"][..]));
}

#[test]
fn only_the_last_requests_are_kept() {
    let server = TestServer::builder().log_capacity(3).start().unwrap();
    let mut client = Client::of(&server);
    for _ in 0..5 {
        client.ask("mn\r\n", "MN\r\n");
    }
    let numbers: Vec<_> = server.log().records().iter().map(|record| record.number).collect();
    assert_eq!(numbers, [4, 5, 6]);
}

#[test]
fn waiting_ends_when_it_has_come() {
    let server = TestServer::start().unwrap();
    let addr = server.addr();
    let sender = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        std::io::Write::write_all(&mut stream, b"get a\r\nget b\r\n").unwrap();
        stream
    });
    let came = server.wait_for(cmd("get"), 2).unwrap();
    assert_eq!(came[1].keys, ["b"]);
    drop(sender.join().unwrap());
}

#[test]
fn waiting_in_vain_says_what_came_instead() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    client.ask("get usr:1\r\n", "END\r\n");
    let wait = |matcher| server.log().wait_for_within(matcher, 1, Duration::ZERO);
    let late = wait(cmd("get").key("user:*")).unwrap_err().to_string();
    assert!(late.contains("waited for 1 of `get` of `user:*`, and 0 came"), "{late}");
    assert!(late.contains("the key `usr:1` is not like `user:*`"), "{late}");
    let late = wait(connects().connection(2)).unwrap_err().to_string();
    assert!(late.contains("it came on connection 1"), "{late}");
}

#[test]
fn what_was_expected_and_came_is_fine() {
    let server = TestServer::start().unwrap();
    server.expect(cmd("set").key("user:*").times(1..));
    server.expect(cmd("get").times(2));
    server.expect(cmd("delete").never());
    server.expect_nothing_else();
    let mut client = Client::of(&server);
    client.set("user:1", "x");
    client.ask("get a\r\nget b\r\n", "END\r\nEND\r\n");
    server.verify().unwrap();
}

/// The message of the panic when a server is dropped.
fn last_words(server: TestServer) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(server))).expect_err("it panics");
    panic.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn what_has_not_come_panics_on_drop_with_the_nearest_miss() {
    let server = TestServer::start().unwrap();
    server.expect(cmd("set").key("user:*").times(1..));
    let mut client = Client::of(&server);
    client.set("usr:1", "x");
    client.set("session:1", "x");
    client.ask("get user:1\r\n", "END\r\n");
    let words = last_words(server);
    assert!(words.contains("expected `set` of `user:*` at least once"), "{words}");
    assert!(words.contains("it came never"), "{words}");
    assert!(words.contains("set usr:1 -> STORED"), "{words}");
    assert!(words.contains("the key `usr:1` is not like `user:*`"), "{words}");
    assert!(!words.contains("session"), "{words}");
}

#[test]
fn what_came_too_often_panics_as_well() {
    let server = TestServer::start().unwrap();
    server.expect(writes().key("k").times(1));
    let mut client = Client::of(&server);
    client.set("k", "x");
    client.set("k", "y");
    let words = last_words(server);
    assert!(words.starts_with("expected a write of `k` once, but it came 2 times, last as #3 "));
    assert!(words.ends_with(" connection 1: set k -> STORED"), "{words}");
}

#[test]
fn the_unexpected_is_told_with_the_nearest_expectation() {
    let server = TestServer::start().unwrap();
    server.expect(cmd("get").key("a").times(0..));
    server.expect(cmd("set").key("b").times(0..));
    server.expect_nothing_else();
    let mut client = Client::of(&server);
    client.ask("get a\r\n", "END\r\n");
    client.set("bb", "x");
    let unmet = server.verify().unwrap_err();
    let [problem] = unmet.problems() else { panic!("{unmet}") };
    assert!(problem.contains("unexpected: set bb"), "{problem}");
    assert!(problem.contains("`set` of `b`"), "{problem}");
    assert!(problem.contains("the key `bb` is not like `b`"), "{problem}");
    server.verify().unwrap(); // Told once.
}

#[test]
fn a_test_that_fails_already_is_not_made_worse() {
    let panic = catch_unwind(|| {
        let server = TestServer::start().unwrap();
        server.expect(any());
        panic!("the test's own reason");
    });
    let words = panic.unwrap_err();
    assert_eq!(words.downcast_ref::<&str>(), Some(&"the test's own reason"));
}
