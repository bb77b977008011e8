//! Each kind of fault, and when it strikes.

use std::sync::Arc;
use std::time::Duration;

use caskade::ManualClock;
use caskade::bytes::Store;
use caskade::memcached::double::Double;
use caskade::memcached::test_server::{any, cmd, connects, reads, swaps};
use caskade::memcached::{Config, Connection, Extension, Output, Service, TestServer};

use crate::client::{Client, End, answer, packet};

const GET_K: &str = "get k\r\n";
const HELLO: &str = "VALUE k 0 5\r\nhello\r\nEND\r\n";

/// A server with an item, and a client of it.
fn scene() -> (TestServer, Client) {
    let server = TestServer::start().expect("a free port");
    server.store().set("k", "hello", 0, 0).expect("there is room");
    let client = Client::of(&server);
    (server, client)
}

#[test]
fn a_lost_acknowledgement_leaves_the_write_done() {
    let (server, mut client) = scene();
    let fault = server.faults().on(cmd("set").key("user:*")).nth(2).lose_ack();
    client.set("user:1", "a");
    client.set("other", "b");
    client.send("set user:2 0 0 1\r\nc\r\nget k\r\n");
    assert_eq!(client.rest(), (Vec::new(), End::Closed));
    assert_eq!(server.store().get("user:2").unwrap().unwrap().value, "c");
    assert_eq!(server.log().count(&cmd("get")), 0, "what follows is not carried out");
    assert_eq!(fault.strikes(), 1);
    Client::of(&server).set("user:3", "d");
}

#[test]
fn a_connection_closed_before_leaves_the_write_undone() {
    let (server, mut client) = scene();
    server.faults().on(cmd("set")).once().close();
    client.send("set k 0 0 1\r\nx\r\n");
    assert_eq!(client.rest(), (Vec::new(), End::Closed));
    Client::of(&server).ask(GET_K, HELLO);
}

#[test]
fn a_reset_is_no_orderly_end() {
    let (server, mut client) = scene();
    server.faults().on(cmd("set")).once().reset();
    client.send("set k 0 0 1\r\nx\r\n");
    assert_eq!(client.rest(), (Vec::new(), End::Reset));
    let mut client = Client::of(&server);
    client.ask(GET_K, HELLO);
    server.faults().on(cmd("set")).once().lose_ack_and_reset();
    client.send("set k 0 0 5\r\nworld\r\n");
    assert_eq!(client.rest(), (Vec::new(), End::Reset));
    Client::of(&server).ask(GET_K, HELLO.replace("hello", "world"));
}

#[test]
fn errors_come_in_the_protocol_of_the_request() {
    let (server, mut client) = scene();
    server.faults().on(cmd("get|mg")).times(2).error("busy");
    client.ask(GET_K, "SERVER_ERROR busy\r\n");
    client.ask("mg k v\r\n", "SERVER_ERROR busy\r\n");
    client.ask(GET_K, HELLO);

    server.faults().on(cmd("get")).times(1).error("busy");
    let mut binary = Client::of(&server);
    binary.send(packet(0, "k", b"", b"", 0));
    assert_eq!(answer(&mut binary), (0x84, *b"opaq", 0, b"busy".to_vec()));
    binary.send(packet(0, "k", b"", b"", 0));
    assert_eq!(answer(&mut binary).0, 0);
}

#[test]
fn without_memory_a_set_ends_the_old_value() {
    let (server, mut client) = scene();
    server.faults().on(cmd("set|add")).times(2).out_of_memory();
    client.ask("add k 0 0 1\r\nx\r\n", "SERVER_ERROR out of memory storing object\r\n");
    client.ask(GET_K, HELLO);
    client.ask("set k 0 0 1\r\nx\r\n", "SERVER_ERROR out of memory storing object\r\n");
    client.ask(GET_K, "END\r\n");

    server.faults().on(cmd("set")).once().out_of_memory();
    let mut binary = Client::of(&server);
    binary.send(packet(1, "k", &[0; 8], b"x", 0));
    assert_eq!(answer(&mut binary).0, 0x82);
}

#[test]
fn noreply_silences_a_fault_as_well() {
    let (server, mut client) = scene();
    server.faults().on(cmd("set")).once().error("busy");
    client.send("set k 0 0 1 noreply\r\nx\r\n");
    client.ask(GET_K, HELLO);
}

#[test]
fn any_bytes_can_be_the_answer() {
    let (server, mut client) = scene();
    server.faults().on(cmd("get")).once().answer("VALUE k 0 99\r\n");
    client.ask(GET_K, "VALUE k 0 99\r\n");
    client.ask(GET_K, HELLO);
}

#[test]
fn silence_lasts_until_the_release() {
    let (server, mut client) = scene();
    server.faults().on(cmd("set")).once().silence();
    client.send("set k 0 0 1\r\nx\r\nget k\r\n");
    assert!(server.wait_for_stalled(1));
    assert!(client.is_silent());
    assert_eq!(server.log().count(&cmd("get")), 0, "what follows waits");
    server.release();
    client.expect(HELLO);
    assert!(server.wait_for_stalled(0));
}

#[test]
fn an_answer_stalls_in_the_middle_of_the_value() {
    let (server, mut client) = scene();
    server.faults().on(cmd("get")).once().stall_mid_value();
    client.ask(GET_K, "VALUE k 0 5\r\nhe");
    assert!(client.is_silent());
    assert!(server.wait_for_stalled(1));
    server.release();
    client.expect("llo\r\nEND\r\n");

    server.faults().on(cmd("get")).once().stall_after(7);
    client.ask(GET_K, "VALUE k");
    assert!(client.is_silent());
    drop(server); // Does not wait for it.
    assert_eq!(client.rest().0, b"");
}

#[test]
fn an_answer_is_cut_off() {
    let (server, mut client) = scene();
    server.faults().on(cmd("get|mg")).truncate_mid_value();
    client.send(GET_K);
    assert_eq!(client.rest(), (b"VALUE k 0 5\r\nhe".to_vec(), End::Closed));
    let mut client = Client::of(&server);
    client.send("mg k v\r\n");
    assert_eq!(client.rest(), (b"VA 5\r\nhe".to_vec(), End::Closed));
    let mut binary = Client::of(&server);
    binary.send(packet(0, "k", b"", b"", 0));
    assert_eq!(binary.rest().0.len(), 24 + 4 + 2, "flags, and two bytes of the value");

    server.faults().clear();
    server.faults().on(cmd("set")).truncate_after(3);
    let mut client = Client::of(&server);
    client.send("set a 0 0 1\r\nx\r\n");
    assert_eq!(client.rest(), (b"STO".to_vec(), End::Closed));
    let mut client = Client::of(&server);
    client.send("set a 0 0 1\r\nx\r\nget a\r\n");
    assert_eq!(client.rest(), (b"STO".to_vec(), End::Closed));
}

#[test]
fn a_dribbled_answer_is_whole_in_the_end() {
    let (server, mut client) = scene();
    server.faults().on(cmd("get")).once().dribble(Duration::from_micros(1));
    client.send(GET_K);
    client.expect(HELLO);
    client.ask("version\r\n", "VERSION 1.6.18\r\n");
}

#[test]
fn a_delayed_answer_delays_those_behind_it() {
    let (server, mut client) = scene();
    let hour = Duration::from_secs(3600);
    server.faults().on(cmd("get")).once().delay(hour);
    client.send(GET_K);
    client.send("version\r\n");
    server.wait_for(cmd("get"), 1).unwrap();
    assert!(client.is_silent());
    assert_eq!(server.log().count(&cmd("version")), 0);
    let mut other = Client::of(&server);
    other.ask(GET_K, HELLO);
    server.kill_connection(1);
    assert_eq!(client.rest().0, b"", "an hour has not passed");

    server.faults().on(cmd("get")).delay_between(Duration::ZERO, Duration::from_millis(2), 1);
    other.ask(GET_K, HELLO);
}

#[test]
fn garbage_is_the_same_for_the_same_seed() {
    let (server, mut client) = scene();
    let mut garbage = || {
        server.faults().clear();
        server.faults().on(cmd("get")).once().garbage(32, 7);
        client.send(GET_K);
        client.take(32)
    };
    let (first, second) = (garbage(), garbage());
    assert_eq!(first, second);
    assert!(!first.starts_with(b"VALUE"));
}

#[test]
fn an_opaque_comes_back_wrong() {
    let (server, mut client) = scene();
    server.faults().on(any()).times(2).wrong_opaque();
    client.ask("mg k s Oab\r\n", "HD s5 O0b\r\n");
    let mut binary = Client::of(&server);
    binary.send(packet(0, "k", b"", b"", 0));
    let (status, opaque, ..) = answer(&mut binary);
    assert_eq!((status, &opaque[..3]), (0, &b"opa"[..]));
    assert_ne!(opaque[3], b'q');
    binary.send(packet(0, "k", b"", b"", 0));
    assert_eq!(answer(&mut binary).1, *b"opaq");
}

#[test]
fn a_miss_hides_what_stays_there() {
    let (server, mut client) = scene();
    server.store().set("other", "x", 0, 0).unwrap();
    let stamp = server.store().examine("k").unwrap().cas;
    server.faults().miss_next("k", 2);
    client.ask("get other k\r\n", "VALUE other 0 1\r\nx\r\nEND\r\n");
    client.ask("mg k v\r\n", "EN\r\n");
    client.ask(GET_K, HELLO);
    assert_eq!(client.stamp("k"), stamp, "it is the same item");
    server.faults().on(cmd("add").key("k")).once().miss();
    client.ask("add k 0 0 1\r\nx\r\n", "STORED\r\n");
    assert_ne!(client.stamp("k"), stamp, "what was stored meanwhile stays");
}

#[test]
fn an_item_is_evicted_just_before() {
    let (server, mut client) = scene();
    server.faults().on(reads().key("k")).nth(2).evict();
    client.ask(GET_K, HELLO);
    client.ask(GET_K, "END\r\n");
    assert_eq!(server.store().len(), 0);
}

#[test]
fn the_nth_swap_of_a_key_meets_a_conflict() {
    let (server, mut client) = scene();
    server.faults().force_conflict("k", 2);
    let stamp = client.stamp("k");
    assert_eq!(client.cas("k", "one", stamp), "STORED");
    client.ask("touch k 60\r\n", "TOUCHED\r\n");
    let stamp = client.stamp("k");
    let before = server.store().examine("k").unwrap();
    assert_eq!(client.cas("k", "two", stamp), "EXISTS");
    let item = server.store().examine("k").unwrap();
    assert_eq!(item.value, "one", "only the stamp has changed");
    assert_eq!(item.expires, before.expires);
    assert_ne!(item.cas, stamp);
    let again = client.stamp("k");
    assert_eq!(client.cas("k", "two", again), "STORED");
}

#[test]
fn forced_conflicts_reach_the_other_protocols() {
    let (server, mut client) = scene();
    server.faults().on(swaps().key("k")).times(2).conflict();
    let stamp = client.stamp("k");
    client.ask(format!("ms k 1 C{stamp}\r\nx\r\n"), "EX\r\n");
    let mut binary = Client::of(&server);
    binary.send(packet(0, "k", b"", b"", 0));
    let (_, _, stamp, _) = answer(&mut binary);
    binary.send(packet(1, "k", &[0; 8], b"x", stamp));
    assert_eq!(answer(&mut binary).0, 2);
}

#[test]
fn a_lock_lapses_just_before_it_is_opened() {
    let (server, _) = scene();
    let mut client = Client::of(&server);
    server.faults().on(cmd("unlock")).once().lapse_lock();
    client.send(packet(0x94, "k", b"", b"", 0));
    let (status, _, token, _) = answer(&mut client);
    assert_eq!(status, 0);
    client.send(packet(0x95, "k", b"", b"", token));
    assert_ne!(answer(&mut client).0, 0);
    assert_eq!(server.store().examine("k").unwrap().locked_for, None);
}

#[test]
fn connections_are_refused_in_many_ways() {
    let (server, mut first) = scene();
    first.ask(GET_K, HELLO);
    let faults = server.faults();
    faults.on(connects()).nth(1).close();
    faults.on(connects()).nth(2).answer("ERROR Too many open connections\r\n");
    faults.on(connects()).nth(2).hang_up();
    faults.on(connects()).nth(3).silence();
    first.ask(GET_K, HELLO);
    assert_eq!(Client::of(&server).rest(), (Vec::new(), End::Closed));
    let refusal = b"ERROR Too many open connections\r\n".to_vec();
    assert_eq!(Client::of(&server).rest(), (refusal, End::Closed));
    let mut mute = Client::of(&server);
    mute.send(GET_K);
    server.wait_for(connects(), 4).unwrap();
    assert!(mute.is_silent());
    Client::of(&server).ask(GET_K, HELLO);
    assert!(mute.is_silent());
}

#[test]
fn a_key_in_base64_is_meant_as_what_it_stands_for() {
    let (server, mut client) = scene();
    server.faults().on(cmd("mg").key("k")).once().evict();
    client.ask("mg aw== b v\r\n", "EN\r\n");
    assert_eq!(server.log().last().unwrap().keys, ["k"]);
}

#[test]
fn a_command_of_ones_own_may_change_faults() {
    struct Control(Double);

    impl Extension for Control {
        fn command(&self, words: &[&[u8]], out: &mut Output) -> bool {
            self.0.faults().on(cmd("version")).error("no");
            out.push(self.0.log().count(&any()).to_string().as_bytes());
            words == [b"fault"]
        }
    }

    let double = Double::new(ManualClock::new());
    let control = Arc::new(Control(double.clone()));
    let service = Service::with_extension(Store::new(), Config::default(), control);
    let mut layer = double.layer(service.store(), 0, 1);
    let mut out = Output::new();
    let mut connection = Connection::new(&service);
    let _ = connection.feed_through(b"version\r\nfault\r\nversion\r\n", &mut out, &mut layer);
    assert_eq!(out.to_vec(), b"VERSION 1.6.18\r\n1SERVER_ERROR no\r\n");
}

#[test]
fn a_connection_can_be_meant_alone() {
    let (server, mut first) = scene();
    first.ask(GET_K, HELLO);
    let mut second = Client::of(&server);
    server.faults().on(any().connection(2)).error("only you");
    second.ask(GET_K, "SERVER_ERROR only you\r\n");
    first.ask(GET_K, HELLO);
}

#[test]
fn faults_that_meet_at_one_answer_get_along() {
    let ends: [fn(&TestServer); 4] = [
        |server| _ = server.faults().on(any()).hang_up(),
        |server| _ = server.faults().on(any()).truncate_after(20),
        |server| _ = server.faults().on(any()).truncate_mid_value(),
        |server| _ = server.faults().on(any()).stall_after(20),
    ];
    for end in ends {
        let (server, mut client) = scene();
        end(&server);
        server.faults().on(any()).garbage(2, 1);
        client.send(GET_K);
        client.take(2);
        drop(server);
    }
    // An answer that announces more than it has.
    let text = (GET_K.into(), &b"VALUE k 0 18446744073709551615\r\nab"[..]);
    let binary = (packet(0x0a, "", b"", b"", 0), &[0xff; 40][..]);
    for (request, lie) in [text, binary] {
        let (server, mut client) = scene();
        server.faults().on(any()).answer(lie.to_vec());
        server.faults().on(any()).stall_mid_value();
        client.send(request);
        client.take(1);
    }
}

#[test]
fn times_may_be_as_long_as_they_can() {
    let (server, mut client) = scene();
    let lasting = server.faults().on(cmd("get")).lasting(Duration::MAX).miss();
    client.ask(GET_K, "END\r\n");
    assert_eq!(lasting.strikes(), 1);
    assert!(server.log().wait_for_within(cmd("get"), 1, Duration::MAX).is_ok());
    for _ in 0..2 {
        server.faults().on(any()).delay(Duration::MAX);
    }
    client.send(GET_K);
    server.wait_for(cmd("get"), 2).expect("it comes");
    drop(server); // does not wait for the answer
    assert_eq!(client.rest(), (Vec::new(), End::Closed));
}
