//! A thousand servers leave no thread and no file behind. A program of its own, and a single test, so
//! that nobody else in the process opens anything.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use caskade::memcached::TestServer;
use caskade::memcached::test_server::any;
use caskade::{Clock, SystemClock};

/// How many files the process has open, and how many threads.
fn held() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).expect("readable").count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

fn start_use_and_stop(number: usize) {
    let mut server = TestServer::start().expect("there are ports");
    let mut client = TcpStream::connect(server.addr()).expect("the server is there");
    client.write_all(b"set k 0 0 1\r\nx\r\n").expect("it reads");
    let mut answer = [0; 8];
    client.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"STORED\r\n");
    match number % 4 {
        0 => drop(client),
        1 => {
            // Stalled in the middle of an answer.
            server.faults().on(any()).stall_after(1);
            client.write_all(b"get k\r\n").expect("it reads");
            client.read_exact(&mut [0]).expect("a letter");
        }
        2 => server.stop(),
        _ => {}
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "counts by /proc")]
fn a_thousand_servers_leave_nothing_behind() {
    start_use_and_stop(0);
    let before = held();
    for number in 0..1000 {
        start_use_and_stop(number);
    }
    // A thread that was joined is on the system's list for a moment yet.
    let end = SystemClock.now() + Duration::from_secs(10);
    while held() != before && SystemClock.now() < end {
        std::thread::yield_now();
    }
    assert_eq!(held(), before);
}
