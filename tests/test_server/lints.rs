//! Mistakes of clients: each found, and what is right not.

use caskade::bytes::Store;
use caskade::memcached::TestServer;
use caskade::memcached::test_server::{Lint, Strict};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::client::{Client, answer, packet};

fn lints(server: &TestServer) -> Vec<Lint> {
    server.findings().iter().map(|finding| finding.lint).collect()
}

#[test]
fn a_stamp_that_is_read_and_not_used_is_found() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    client.set("k", "1");
    client.stamp("k");
    client.set("k", "2");
    assert_eq!(lints(&server), [Lint::UnusedStamp]);
    let finding = &server.findings()[0];
    assert_eq!((&finding.key[..], finding.connection), (&b"k"[..], 1));
    assert_eq!(server.log().last().unwrap().number, finding.record);

    // Used, read without a stamp, or written by somebody who has not read.
    let stamp = client.stamp("k");
    assert_eq!(client.cas("k", "3", stamp), "STORED");
    client.set("k", "4");
    client.ask("get k\r\n", "VALUE k 0 1\r\n4\r\nEND\r\n");
    client.set("k", "5");
    client.stamp("k");
    Client::of(&server).set("k", "6");
    assert_eq!(server.findings().len(), 1);
}

#[test]
fn a_lost_update_is_found_in_each_protocol() {
    let server = TestServer::start().unwrap();
    let mut other = Client::of(&server);
    other.set("k", "1");

    let mut text = Client::of(&server);
    text.stamp("k");
    other.set("k", "2");
    text.set("k", "3");
    assert_eq!(lints(&server), [Lint::LostUpdate]);

    let mut meta = Client::of(&server);
    meta.line("mg k c\r\n");
    other.set("k", "4");
    meta.ask("ms k 1\r\n5\r\n", "HD\r\n");
    assert_eq!(lints(&server), [Lint::LostUpdate; 2]);

    let mut binary = Client::of(&server);
    binary.send(packet(0, "k", b"", b"", 0));
    answer(&mut binary);
    other.set("k", "6");
    binary.send(packet(1, "k", &[0; 8], b"7", 0));
    answer(&mut binary);
    assert_eq!(lints(&server), [Lint::LostUpdate; 3]);

    // Binary reads cannot but return stamps, so an unused one says nothing.
    binary.send(packet(0, "k", b"", b"", 0));
    answer(&mut binary);
    binary.send(packet(1, "k", &[0; 8], b"8", 0));
    answer(&mut binary);
    // An append loses nothing.
    text.stamp("k");
    other.set("k", "9");
    text.ask("append k 0 0 1\r\nx\r\n", "STORED\r\n");
    assert_eq!(server.findings().len(), 3);
}

#[test]
fn a_conflict_that_is_ignored_is_found() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    client.set("k", "1");
    let stamp = client.stamp("k");
    server.store().bump("k");
    assert_eq!(client.cas("k", "2", stamp), "EXISTS");
    client.set("k", "2");
    assert_eq!(lints(&server), [Lint::OverwrittenConflict]);

    // Read again after the conflict.
    let stamp = client.stamp("k");
    server.store().bump("k");
    assert_eq!(client.cas("k", "3", stamp), "EXISTS");
    client.ask("get k\r\n", "VALUE k 0 1\r\n2\r\nEND\r\n");
    client.set("k", "3");
    assert_eq!(server.findings().len(), 1);
}

#[test]
fn a_lock_that_has_lapsed_is_found() {
    let server = TestServer::start().unwrap();
    server.clock().freeze();
    server.store().set("k", "1", 0, 0).unwrap();
    let mut client = Client::of(&server);
    let mut lock_and_open = |pause| {
        client.send(packet(0x94, "k", b"", b"", 0));
        let (status, _, token, _) = answer(&mut client);
        assert_eq!(status, 0);
        server.clock().advance(pause);
        client.send(packet(0x95, "k", b"", b"", token));
        answer(&mut client).0
    };
    assert_eq!(lock_and_open(Duration::from_secs(14)), 0);
    assert_eq!(lints(&server), []);
    assert_ne!(lock_and_open(Duration::from_secs(15)), 0);
    assert_eq!(lints(&server), [Lint::LapsedUnlock]);
}

#[test]
fn thirty_one_days_are_found() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    let mut set = |exptime: i64| client.line(format!("set k 0 {exptime} 1\r\nx\r\n"));
    let day = 24 * 60 * 60;
    set(30 * day);
    set(server.store().unix_time() + 31 * day);
    set(-1);
    set(0);
    assert_eq!(lints(&server), []);
    set(31 * day);
    assert_eq!(lints(&server), [Lint::PastExptime]);
}

#[test]
fn keys_and_sizes_near_the_limits_are_found() {
    let server = TestServer::builder().store(|store| store.item_limit(1024)).start().unwrap();
    let mut client = Client::of(&server);
    client.line(format!("get {}\r\n", "k".repeat(250)));
    client.set("k", &"v".repeat(800));
    assert_eq!(lints(&server), []);
    client.line(format!("get {}\r\n", "k".repeat(251)));
    client.line("get a\tb\r\n");
    client.set("k", &"v".repeat(900));
    let found = lints(&server);
    assert_eq!(found, [Lint::LongKey, Lint::ControlKey, Lint::NearItemLimit]);
}

#[test]
fn the_binary_protocol_is_found_by_those_who_ask() {
    let server = TestServer::builder().deny(Lint::BinaryProtocol).start().unwrap();
    let mut client = Client::of(&server);
    for _ in 0..2 {
        client.send(packet(0x0a, "", b"", b"", 0));
        client.take(24);
    }
    assert_eq!(lints(&server), [Lint::BinaryProtocol], "once for each connection");
}

/// Reads a stamp and does not use it.
fn err(server: &TestServer) {
    let mut client = Client::of(server);
    client.set("k", "1");
    client.stamp("k");
    client.set("k", "2");
}

#[test]
fn strictness_is_a_choice() {
    let server = TestServer::builder().strict(Strict::Fail).start().unwrap();
    err(&server);
    let panic = catch_unwind(AssertUnwindSafe(|| drop(server))).unwrap_err();
    let words = panic.downcast_ref::<String>().unwrap();
    assert!(words.contains("UnusedStamp by #4 on connection 1, key `k`"), "{words}");

    let allowed = TestServer::builder().strict(Strict::Fail).allow(Lint::UnusedStamp);
    err(&allowed.start().unwrap());
    let off = TestServer::builder().strict(Strict::Off).start().unwrap();
    err(&off);
    assert_eq!(lints(&off), []);
}

#[test]
fn looking_is_no_use_of_an_item() {
    let store = Store::new();
    store.set("k", "1", 0, 0).unwrap();
    store.examine("k").unwrap();
    assert!(!store.examine("k").unwrap().was_fetched);
    store.get("k").unwrap();
    assert!(store.examine("k").unwrap().was_fetched);
}
