//! The two sides: memcached itself, in a process of its own, and a connection of ours.

use std::env;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::case::{BLANK_KEY_IN_BASE64, all_keys};

use caskade::ManualClock;
use caskade::bytes::Store;
use caskade::memcached::{Config, Connection, Flow, Output, Service};

/// How long a server may take to answer. Only one that does not answer at all takes that long.
const PATIENCE: Duration = Duration::from_secs(1);

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The answer that was waited for has come.
    Answered,
    /// The server has closed the connection.
    Closed,
    /// Nothing more comes: the server takes what was sent for part of an unfinished request.
    Waiting,
}

/// A file that a server can write its port to, and nobody else has.
fn port_file() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("caskade-differential-{}-{number}", std::process::id()))
}

/// The port that a server has written to `file`, once all of it is there.
fn port_in(file: &Path) -> Option<u16> {
    let text = fs::read_to_string(file).ok()?;
    let port = text.strip_suffix('\n')?.lines().find_map(|line| line.strip_prefix("TCP INET: "));
    port?.parse().ok()
}

/// One connection to a server.
pub(crate) trait Link {
    /// Sends pieces and reads until the answers end with `ending`.
    fn exchange(&mut self, pieces: &[Vec<u8>], ending: &[u8]) -> (Vec<u8>, End);
    /// Sends what is not complete, and nothing more ever; the answers to it.
    fn finish(&mut self, rest: &[u8]) -> Vec<u8>;
}

/// A server that cases are sent to.
pub(crate) trait Server {
    /// Forgets everything.
    fn clear(&mut self);
    fn connect(&mut self) -> Box<dyn Link>;
    /// Asks in the text protocol, on a connection of its own, for an answer that ends with one of
    /// `endings`.
    fn ask(&mut self, line: &[u8], endings: &[&[u8]]) -> Vec<u8>;
}

/// A process of memcached, ended when dropped.
pub(crate) struct Memcached {
    process: Child,
    port: u16,
    side: TcpStream,
}

impl Memcached {
    /// `None` if it is not installed, or is another version than ours claims to be.
    pub(crate) fn start() -> Option<Self> {
        // One thread, and room enough that nothing is ever evicted. Nobody else who holds items now
        // and then: a counter that is held is not changed in place.
        Self::start_with("-t 1 -m 1024 -o no_lru_maintainer,no_lru_crawler")
    }

    /// The same with other switches.
    pub(crate) fn start_with(switches: &str) -> Option<Self> {
        let file = port_file();
        let mut command = Command::new(env::var_os("MEMCACHED").unwrap_or("memcached".into()));
        command.args(["-p", "-1", "-l", "127.0.0.1", "-U", "0"]);
        command.env("MEMCACHED_PORT_FILENAME", &file);
        command.args(switches.split_ascii_whitespace());
        if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
            command.args(["-u", "nobody"]); // it does not run as root
        }
        let mut process = match command.stdin(Stdio::null()).spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => panic!("memcached cannot be started: {error}"),
        };
        let port = loop {
            if let Some(port) = port_in(&file) {
                break port;
            }
            assert!(process.try_wait().expect("a child").is_none(), "memcached has ended at once");
            thread::yield_now();
        };
        fs::remove_file(&file).expect("it is there");
        let side = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("memcached listens");
        side.set_nodelay(true).expect("a socket");
        side.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut this = Self { process, port, side };
        let version = this.ask(b"version\r\n", &[b"\r\n"]);
        let version = String::from_utf8_lossy(&version).trim_end().to_owned();
        (version == "VERSION 1.6.18").then_some(this)
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server for Memcached {
    fn clear(&mut self) {
        // Whoever is looked up after a flush is really gone. A later flush could bring back others.
        let names: Vec<Vec<u8>> = all_keys().map(|key| [b" ", &key[..]].concat()).collect();
        let lines =
            [b"flush_all\r\nget", &names.concat()[..], b"\r\nmg ", BLANK_KEY_IN_BASE64, b" b\r\n"]
                .concat();
        assert_eq!(self.ask(&lines, &[b"EN\r\n"]), b"OK\r\nEND\r\nEN\r\n");
    }

    fn connect(&mut self) -> Box<dyn Link> {
        let stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("memcached is there");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Box::new(Socket { stream })
    }

    fn ask(&mut self, line: &[u8], endings: &[&[u8]]) -> Vec<u8> {
        self.side.write_all(line).expect("memcached listens");
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !endings.iter().any(|ending| answer.ends_with(ending)) {
            let read = self.side.read(&mut buffer).expect("memcached answers");
            assert!(read > 0, "memcached has closed the connection");
            answer.extend_from_slice(&buffer[..read]);
        }
        answer
    }
}

struct Socket {
    stream: TcpStream,
}

impl Link for Socket {
    fn exchange(&mut self, pieces: &[Vec<u8>], ending: &[u8]) -> (Vec<u8>, End) {
        let Self { stream } = self;
        thread::scope(|scope| {
            let mut writer = stream.try_clone().expect("a socket");
            let mut write = move || {
                // A server that has closed the connection does not read the rest.
                let _ = pieces.iter().try_for_each(|piece| writer.write_all(piece));
            };
            if pieces.iter().map(Vec::len).sum::<usize>() > 16 * 1024 {
                scope.spawn(write);
            } else {
                write(); // there is room for that much, whether it is read or not
            }
            read_until(stream, Some(ending))
        })
    }

    fn finish(&mut self, rest: &[u8]) -> Vec<u8> {
        let sent = self.stream.write_all(rest);
        if sent.and_then(|()| self.stream.shutdown(Shutdown::Write)).is_err() {
            return Vec::new(); // closed already
        }
        read_until(&mut self.stream, None).0
    }
}

/// Reads until the answers end with `ending`, or there are no more.
fn read_until(stream: &mut TcpStream, ending: Option<&[u8]>) -> (Vec<u8>, End) {
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (answer, End::Closed),
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return (answer, End::Closed);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // What an unfinished request still waits for does not come.
                let _ = stream.shutdown(Shutdown::Both);
                return (answer, End::Waiting);
            }
            Err(error) => panic!("memcached cannot be read from: {error}"),
        }
        if ending.is_some_and(|ending| answer.ends_with(ending)) {
            return (answer, End::Answered);
        }
    }
}

/// Connections of ours, without sockets.
pub(crate) struct Ours {
    service: Service,
}

impl Ours {
    pub(crate) fn new() -> Self {
        // Time stands still, so that no second begins within a case.
        let store = Store::builder().clock(ManualClock::new()).build().expect("valid settings");
        Self { service: Service::with(store, Config::default()) }
    }
}

impl Server for Ours {
    fn clear(&mut self) {
        *self = Self::new();
    }

    fn connect(&mut self) -> Box<dyn Link> {
        Box::new(Connection::new(&self.service))
    }

    fn ask(&mut self, line: &[u8], endings: &[&[u8]]) -> Vec<u8> {
        let mut connection = Connection::new(&self.service);
        let answer = connection.exchange(&[line.to_vec()], b"").0;
        if !endings.iter().any(|ending| answer.ends_with(ending)) {
            return [&answer[..], b" (and no more)"].concat();
        }
        answer
    }
}

impl Link for Connection {
    fn exchange(&mut self, pieces: &[Vec<u8>], ending: &[u8]) -> (Vec<u8>, End) {
        let mut out = Output::new();
        let mut answer = Vec::new();
        let mut is_closed = false;
        for piece in pieces {
            let mut input = &piece[..];
            loop {
                let flow = self.feed(input, &mut out);
                answer.extend_from_slice(&out.to_vec());
                out.clear();
                input = &[];
                is_closed |= flow == Flow::Close;
                if flow != Flow::Write {
                    break;
                }
            }
        }
        let end = match () {
            () if is_closed => End::Closed,
            () if answer.ends_with(ending) => End::Answered,
            () => End::Waiting,
        };
        (answer, end)
    }

    fn finish(&mut self, rest: &[u8]) -> Vec<u8> {
        self.exchange(&[rest.to_vec()], b"").0
    }
}
