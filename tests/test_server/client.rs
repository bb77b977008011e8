//! A client that sends and compares bytes. Deliberately knows no protocol.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use caskade::memcached::TestServer;

/// So long is waited for an answer before a test is given up.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

/// How a connection has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

impl Client {
    pub(crate) fn of(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.addr()).expect("the server is there");
        stream.set_read_timeout(Some(PATIENCE)).expect("it works");
        stream.set_nodelay(true).expect("it works");
        Self { stream }
    }

    pub(crate) fn send(&mut self, request: impl AsRef<[u8]>) {
        self.stream.write_all(request.as_ref()).expect("the server reads");
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        let mut answer = vec![0; len];
        self.stream.read_exact(&mut answer).expect("an answer of this length");
        answer
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, answer: impl AsRef<[u8]>) {
        let got = self.take(answer.as_ref().len());
        assert_eq!(got.escape_ascii().to_string(), answer.as_ref().escape_ascii().to_string());
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>, answer: impl AsRef<[u8]>) {
        self.send(request);
        self.expect(answer);
    }

    /// A request that is answered with one line, and that line without its end.
    pub(crate) fn line(&mut self, request: impl AsRef<[u8]>) -> String {
        self.send(request);
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(self.take(1));
        }
        String::from_utf8_lossy(&line[..line.len() - 2]).into_owned()
    }

    /// Whatever comes until the connection ends, and how it ends.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        let mut rest = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return (rest, End::Closed),
                Ok(read) => rest.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return (rest, End::Reset);
                }
                Err(error) => panic!("the connection is still open: {error}"),
            }
        }
    }

    /// Whether nothing has come that was not taken, and the connection is open.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("it works");
        let read = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("it works");
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    pub(crate) fn stop_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("it works");
    }

    /// Stores text, and insists that it is stored.
    #[track_caller]
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.ask(format!("set {key} 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
    }

    /// The stamp of an item that is there.
    #[track_caller]
    pub(crate) fn stamp(&mut self, key: &str) -> u64 {
        let head = self.line(format!("gets {key}\r\n"));
        let mut words = head.split(' ').skip(3);
        let len: usize = words.next().expect("a hit").parse().expect("it works");
        let stamp = words.next().expect("a stamp").parse().expect("it works");
        self.take(len + "\r\nEND\r\n".len());
        stamp
    }

    #[track_caller]
    pub(crate) fn cas(&mut self, key: &str, value: &str, stamp: u64) -> String {
        self.line(format!("cas {key} 0 0 {} {stamp}\r\n{value}\r\n", value.len()))
    }
}

/// A binary request.
pub(crate) fn packet(opcode: u8, key: &str, extras: &[u8], value: &[u8], cas: u64) -> Vec<u8> {
    let body = extras.len() + key.len() + value.len();
    let mut packet = vec![0x80, opcode];
    packet.extend(u16::try_from(key.len()).expect("it works").to_be_bytes());
    packet.push(u8::try_from(extras.len()).expect("it works"));
    packet.extend([0; 3]);
    packet.extend(u32::try_from(body).expect("it works").to_be_bytes());
    packet.extend(*b"opaq");
    packet.extend(cas.to_be_bytes());
    packet.extend_from_slice(extras);
    packet.extend_from_slice(key.as_bytes());
    packet.extend_from_slice(value);
    packet
}

/// A binary answer: status, opaque, stamp and body.
pub(crate) fn answer(client: &mut Client) -> (u16, [u8; 4], u64, Vec<u8>) {
    let header = client.take(24);
    assert_eq!(header[0], 0x81);
    let field = |from: usize, len: usize| &header[from..from + len];
    let len = u32::from_be_bytes(field(8, 4).try_into().expect("it works"));
    let body = client.take(len as usize);
    let status = u16::from_be_bytes(field(6, 2).try_into().expect("it works"));
    let cas = u64::from_be_bytes(field(16, 8).try_into().expect("it works"));
    (status, field(12, 4).try_into().expect("it works"), cas, body)
}
