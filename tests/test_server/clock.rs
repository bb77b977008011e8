//! The clock, snapshots, restarts and clusters.

use std::time::Duration;

use caskade::ManualClock;
use caskade::memcached::test_server::{Cluster, Keep, cmd};
use caskade::memcached::{Compat, TestServer};

use crate::client::{Client, End, answer, packet};

#[test]
fn time_passes_when_it_is_told_to() {
    let server = TestServer::builder().clock(ManualClock::new()).start().unwrap();
    let mut client = Client::of(&server);
    client.ask("set k 0 10 1\r\nx\r\n", "STORED\r\n");
    server.clock().advance(Duration::from_secs(9));
    client.ask("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
    server.clock().advance(Duration::from_secs(1));
    client.ask("get k\r\n", "END\r\n");
}

#[test]
fn one_of_two_memcacheds_is_spoken() {
    for (compat, version) in [(Compat::V1_6_18, "1.6.18"), (Compat::V1_6_45, "1.6.45")] {
        let server = TestServer::builder().compat(compat).start().unwrap();
        Client::of(&server).ask("version\r\n", format!("VERSION {version}\r\n"));
    }
}

#[test]
fn a_snapshot_comes_back_with_its_stamps() {
    let server = TestServer::builder().clock(ManualClock::new()).start().unwrap();
    let mut client = Client::of(&server);
    client.set("kept", "1");
    client.ask("set dying 7 100 1\r\nx\r\n", "STORED\r\n");
    client.set("gone", "1");
    let stamp = client.stamp("kept");
    let before = server.snapshot();
    assert_eq!(before.len(), 3);

    client.set("kept", "2");
    client.ask("delete gone\r\n", "DELETED\r\n");
    client.ask("touch dying 200\r\n", "TOUCHED\r\n");
    server.store().set("flagged", "x", 1, 0).unwrap();
    let flagged = server.snapshot();
    server.store().set("flagged", "x", 2, 0).unwrap();
    let text = flagged.diff(&server.snapshot()).to_string();
    assert!(text.starts_with("~ flagged: flags 1 -> 2, stamp "), "{text}");
    assert!(server.store().evict("flagged"));
    client.set("new", "binary \x01");
    server.clock().advance(Duration::from_secs(10));
    let after = server.snapshot();
    let diff = before.diff(&after);
    let text = diff.to_string();
    let lines: Vec<_> = text.lines().collect();
    let end = before.get("dying").unwrap().expires.unwrap();
    assert_eq!(lines[0], format!("~ dying: expires at {end} -> at {}", end + 100));
    assert!(lines[1].starts_with("- gone: value \"1\""), "{text}");
    assert!(lines[2].starts_with("~ kept: value \"1\" -> \"2\", stamp "), "{text}");
    assert!(lines[3].starts_with("+ new: value \"binary \\x01\""), "{text}");
    assert!(after.diff(&after).is_empty());

    assert_eq!(server.restore(&before), 3);
    assert_eq!(before.diff(&server.snapshot()).to_string(), "");
    assert_eq!(client.cas("kept", "3", stamp), "STORED");
    server.clock().advance(Duration::from_secs(89));
    client.ask("get dying\r\n", "VALUE dying 7 1\r\nx\r\nEND\r\n");
    server.clock().advance(Duration::from_secs(1));
    assert_eq!(server.restore(&before), 2, "one has expired since");
}

#[test]
fn a_snapshot_shows_locks_and_marks() {
    let server = TestServer::start().unwrap();
    server.store().set("k", "1", 0, 0).unwrap();
    let before = server.snapshot();
    let mut client = Client::of(&server);
    client.send(packet(0x94, "k", b"", b"", 0));
    answer(&mut client);
    let locked = server.snapshot();
    assert!(before.diff(&locked).to_string().contains("locked false -> true"));
    assert_eq!(locked.get("k").unwrap().cas, before.get("k").unwrap().cas);
    assert!(server.store().lapse_lock("k"));
    Client::of(&server).ask("md k I\r\n", "HD\r\n");
    let stale = server.snapshot();
    assert!(before.diff(&stale).to_string().contains("stale false -> true"));
    server.restore(&stale);
    assert!(stale.diff(&server.snapshot()).is_empty());
}

#[test]
fn a_restart_keeps_the_port_and_what_it_is_told_to() {
    let mut server = TestServer::start().unwrap();
    let addr = server.addr();
    let mut client = Client::of(&server);
    client.set("k", "hello");
    server.restart(Keep::Data).unwrap();
    assert_eq!(server.addr(), addr);
    assert_eq!(client.rest().0, b"", "old connections are gone");
    let mut client = Client::of(&server);
    client.ask("get k\r\n", "VALUE k 0 5\r\nhello\r\nEND\r\n");
    assert_eq!(server.connections(), [2], "numbers go on");
    server.restart(Keep::Nothing).unwrap();
    let mut client = Client::of(&server);
    client.ask("get k\r\n", "END\r\n");
    let mut stats = String::new();
    client.send("stats\r\n");
    while !stats.ends_with("END\r\n") {
        stats.push(char::from(client.take(1)[0]));
    }
    assert!(stats.contains("STAT cmd_set 0\r\n"), "{stats}");
}

#[test]
fn a_stopped_server_refuses() {
    let mut server = TestServer::start().unwrap();
    server.stop();
    let refused = std::net::TcpStream::connect(server.addr()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    server.stop();
    server.restart(Keep::Data).unwrap();
    Client::of(&server).set("k", "x");
}

#[test]
fn a_cluster_has_one_clock_and_one_log() {
    let mut cluster = Cluster::start(3).unwrap();
    cluster.clock().freeze();
    cluster.expect(cmd("set").node(2).times(1));
    let mut clients: Vec<_> = cluster.nodes().iter().map(Client::of).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.ask(format!("set k{number} 0 10 1\r\nx\r\n"), "STORED\r\n");
    }
    assert_eq!(cluster.nodes_with("k1"), [1]);
    let nodes: Vec<_> = cluster.log().matching(&cmd("set")).iter().map(|it| it.node).collect();
    assert_eq!(nodes, [0, 1, 2]);
    cluster.clock().advance(Duration::from_secs(10));
    for (number, client) in clients.iter_mut().enumerate() {
        client.ask(format!("get k{number}\r\n"), "END\r\n");
    }
    cluster.faults().on(cmd("version").node(1)).error("no");
    clients[0].ask("version\r\n", "VERSION 1.6.18\r\n");
    clients[1].ask("version\r\n", "SERVER_ERROR no\r\n");

    cluster.stop(1);
    assert_eq!(clients[1].rest(), (Vec::new(), End::Closed));
    assert!(std::net::TcpStream::connect(cluster.addrs()[1]).is_err());
    clients[2].ask("mn\r\n", "MN\r\n");
    cluster.restart(1, Keep::Nothing).unwrap();
    Client::of(&cluster[1]).ask("mn\r\n", "MN\r\n");
    cluster.verify().unwrap();
}

#[test]
fn a_cluster_verifies_once_at_its_end() {
    let cluster = Cluster::start(2).unwrap();
    cluster.expect(cmd("get"));
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(cluster)));
    let panic = dropped.unwrap_err();
    let words = panic.downcast_ref::<String>().unwrap();
    assert_eq!(words, "expected `get` at least once, but it came never; nothing else came");
}
