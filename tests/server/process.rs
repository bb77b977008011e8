//! A server's process, and clients that talk to it over plain sockets.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use caskade::{Clock, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// When to give up on what should have come at once.
const PATIENCE: Duration = Duration::from_secs(20);

const PROGRAM: &str = env!("CARGO_BIN_EXE_caskade-server");

/// A server that has said that it is ready. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) ready: Value,
}

impl Server {
    /// Starts one on any free port, unless `switches` say otherwise.
    pub(crate) fn start(switches: &[&str]) -> Self {
        Self::start_with(switches, |_| {})
    }

    pub(crate) fn start_with(switches: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(PROGRAM);
        if !switches.iter().any(|switch| matches!(*switch, "-p" | "-s")) {
            command.args(["-p", "-1"]);
        }
        command.args(switches).stdin(Stdio::piped()).stdout(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().expect("the program is there");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("readable");
        let ready = serde_json::from_str(&line).expect("one line of JSON");
        Self { child, ready }
    }

    pub(crate) fn port(&self) -> u16 {
        let port = self.ready["tcp"].as_u64().expect("it listens on TCP");
        u16::try_from(port).expect("a port")
    }

    pub(crate) fn connect(&self) -> Peer<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).expect("it accepts");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time");
        Peer(BufReader::new(stream))
    }

    pub(crate) fn connect_to_file(&self) -> Peer<UnixStream> {
        let path = self.ready["unix"].as_str().expect("it listens on a UNIX socket");
        let stream = UnixStream::connect(path).expect("it accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time");
        Peer(BufReader::new(stream))
    }

    /// Connects until there is a place, and has an answer to `version`.
    pub(crate) fn connect_when_there_is_room(&self) -> Peer<TcpStream> {
        let mut found = None;
        until("there is a place", || {
            let mut peer = self.connect();
            // Who is turned away may find the connection reset.
            let answer = peer.try_ask("version");
            found = Some(peer);
            answer.is_ok_and(|answer| answer.starts_with("VERSION"))
        });
        found.expect("it was found")
    }

    /// Tries to connect until the server no longer listens.
    pub(crate) fn connect_until_refused(&self) {
        until("nobody listens", || TcpStream::connect(("127.0.0.1", self.port())).is_err());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("piped")
    }

    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("piped")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).expect("it is ours");
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("it has ended", || {
            status = self.child.try_wait().expect("it is ours");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// How many bytes of memory the process has.
    pub(crate) fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(path).expect("it is alive");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its size");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes * 1024
    }

    /// How many descriptors the process has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it is alive").count()
    }

    /// The number that `stats` gives for `name`.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        self.connect().stat(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server that is not to start, to its end.
pub(crate) fn run(switches: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(switches)
        .stdin(Stdio::null())
        .output()
        .expect("the program is there")
}

/// Tries until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = SystemClock.now();
    while !is_so() {
        assert!(SystemClock.now() - start < PATIENCE, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// A place for a file that no other test uses.
pub(crate) fn scratch_file(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{name}-{}-{number}", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A client.
pub(crate) struct Peer<S>(pub(crate) BufReader<S>);

impl<S: Read + Write> Peer<S> {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("it reads");
    }

    /// The next line, without its end; empty if the connection has ended.
    pub(crate) fn line(&mut self) -> String {
        self.try_line().expect("an answer in time")
    }

    fn try_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end_matches("\r\n").to_owned())
    }

    /// The first line of the answer to a command.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.try_ask(command).expect("an answer in time")
    }

    fn try_ask(&mut self, command: &str) -> io::Result<String> {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.try_line()
    }

    pub(crate) fn set(&mut self, key: &str, value: &[u8]) {
        let mut request = format!("set {key} 0 0 {}\r\n", value.len()).into_bytes();
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
        self.send(&request);
        assert_eq!(self.line(), "STORED");
    }

    pub(crate) fn get(&mut self, key: &str) -> Option<String> {
        if self.ask(&format!("get {key}")) == "END" {
            return None;
        }
        let value = self.line();
        assert_eq!(self.line(), "END");
        Some(value)
    }

    pub(crate) fn stat(&mut self, name: &str) -> u64 {
        let mut line = self.ask("stats");
        let mut found = None;
        while line != "END" {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, key, value] = words[..] else { panic!("{line}") };
            if key == name {
                found = value.parse().ok();
            }
            line = self.line();
        }
        found.unwrap_or_else(|| panic!("no number {name}"))
    }

    /// The lines of JSON with which a command is answered.
    pub(crate) fn list(&mut self, command: &str) -> Vec<Value> {
        let mut values = Vec::new();
        let mut line = self.ask(command);
        while line != "END" {
            values.push(serde_json::from_str(&line).expect("JSON"));
            line = self.line();
        }
        values
    }

    /// Reads to the end. A reset is an end as well.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("no end: {error}"),
            _ => String::from_utf8(rest).expect("text"),
        }
    }
}
