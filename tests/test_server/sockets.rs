//! Clients in great number, slow ones, and those that vanish.

use caskade::memcached::TestServer;
use caskade::memcached::test_server::{cmd, connects};

use crate::client::{Client, End};

#[test]
fn three_hundred_connections_at_once() {
    let server = TestServer::start().unwrap();
    let mut clients: Vec<_> = (0..300).map(|_| Client::of(&server)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("set k{number} 0 0 1\r\nx\r\n"));
    }
    for client in &mut clients {
        client.expect("STORED\r\n");
    }
    assert_eq!(server.connections().len(), 300);
    assert_eq!(server.store().len(), 300);
    clients.truncate(10);
    assert!(server.wait_for_connections(10));
    server.kill_connections();
    for client in &mut clients {
        assert_eq!(client.rest(), (Vec::new(), End::Closed));
    }
    assert!(server.wait_for_connections(0));
}

#[test]
fn a_request_comes_byte_by_byte() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    for byte in b"set k 0 0 5\r\nhello\r\nget k\r\n" {
        client.send([*byte]);
    }
    client.expect("STORED\r\nVALUE k 0 5\r\nhello\r\nEND\r\n");
}

#[test]
fn who_stops_sending_gets_his_answers() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    client.send("set k 0 0 1\r\nx\r\nget k\r\nget unfinish");
    client.stop_sending();
    let answers = b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n".to_vec();
    assert_eq!(client.rest(), (answers, End::Closed));
    assert!(server.wait_for_connections(0));
}

#[test]
fn who_does_not_read_holds_nobody_up() {
    let server = TestServer::start().unwrap();
    let value = "v".repeat(1_000_000);
    server.store().set("large", value, 0, 0).unwrap();
    let mut lazy = Client::of(&server);
    // Much more than the sockets take.
    lazy.send("get large\r\n".repeat(50));
    server.wait_for(cmd("get"), 1).unwrap();
    Client::of(&server).set("k", "x");
    drop(server); // Does not wait for it either.
}

#[test]
fn large_values_arrive_whole() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    let value = "0123456789".repeat(100_000);
    client.set("large", &value);
    let answer = format!("VALUE large 0 1000000\r\n{value}\r\nEND\r\n");
    client.send("get large\r\n".repeat(5));
    for _ in 0..5 {
        client.expect(&answer);
    }
}

#[test]
fn a_paused_server_stands_still() {
    let server = TestServer::start().unwrap();
    let mut early = Client::of(&server);
    early.set("k", "1");
    server.pause();
    let mut late = Client::of(&server);
    early.send("set k 0 0 1\r\n2\r\n");
    late.send("version\r\n");
    assert!(early.is_silent() && late.is_silent());
    assert_eq!(server.store().get("k").unwrap().unwrap().value, "1");
    assert_eq!(server.log().count(&connects()), 1);
    server.resume();
    early.expect("STORED\r\n");
    late.expect("VERSION 1.6.18\r\n");
    server.pause();
    drop(server); // A paused server ends as well.
}

#[test]
fn quit_is_an_orderly_end() {
    let server = TestServer::start().unwrap();
    let mut client = Client::of(&server);
    client.send("set k 0 0 1\r\nx\r\nquit\r\nset k 0 0 1\r\ny\r\n");
    assert_eq!(client.rest(), (b"STORED\r\n".to_vec(), End::Closed));
    assert_eq!(server.store().get("k").unwrap().unwrap().value, "x");
}

#[test]
fn many_threads_may_use_one_server() {
    let server = TestServer::start().unwrap();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let server = &server;
            scope.spawn(move || {
                server.expect(cmd("set").key(format!("k{number}")).times(1));
                Client::of(server).set(&format!("k{number}"), "x");
            });
        }
    });
    server.verify().unwrap();
    assert_eq!(server.log().count(&cmd("set")), 4);
}
