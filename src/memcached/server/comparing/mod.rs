//! Every request goes to another server as well, and what both answer is compared.
//!
//! Clients get our answers. Stamps are other numbers there; they are told apart by the order in which
//! they appear, and those in requests are translated. The other server is asked while the client
//! waits, and blocks the thread: this is for finding differences, not for speed.

mod replies;
mod stamps;

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use stamps::Stamps;

use crate::memcached::{Flow, Intercept, Output, Protocol, Request};

/// How long the other server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of a request or an answer is shown.
const SHOWN: usize = 300;

/// What follows each text request, so that it is seen when that has been answered.
const QUESTION: &[u8] = b"version\r\nmn\r\n";

/// The bytes in a packet that tell our questions from others.
const OPAQUE: [u8; 4] = *b"\xf0end";

/// One client's connection to the other server.
pub(in crate::memcached::server) struct Comparing {
    other: io::Result<TcpStream>,
    ours: Stamps,
    theirs: Stamps,
    count: u64,
}

impl Comparing {
    /// With the server at `address`. If it cannot be reached, the first request says so.
    pub(in crate::memcached::server) fn with(address: SocketAddr) -> Self {
        let other = TcpStream::connect_timeout(&address, PATIENCE).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        let other =
            other.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")));
        Self { other, ours: Stamps::default(), theirs: Stamps::default(), count: 0 }
    }

    fn compare(&mut self, request: &Request<'_>, flow: Flow, ours: &[u8]) {
        self.count += 1;
        let Ok(stream) = &mut self.other else { return };
        let forwarded = translated(request, &self.ours, &self.theirs);
        let answer = ask(stream, request, &forwarded);
        let is_over = flow == Flow::Close;
        match answer {
            Err(error) => self.give_up(request, &error.to_string()),
            Ok((_, is_closed)) if is_closed != is_over => {
                let which = if is_closed { "the other server" } else { "this one" };
                self.give_up(request, &format!("{which} closes the connection"));
            }
            Ok((theirs, _)) => self.judge(request, ours, &theirs),
        }
    }

    fn judge(&mut self, request: &Request<'_>, ours: &[u8], theirs: &[u8]) {
        let normalise = match request.protocol {
            Protocol::Binary => replies::binary,
            Protocol::Text | Protocol::Meta => replies::text,
        };
        let left = normalise(ours, &mut self.ours);
        let right = normalise(theirs, &mut self.theirs);
        if left != right {
            let at = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
            let mut text = format!("difference in request {}, at byte {at}", self.count);
            for (title, bytes) in [("request", request.raw), ("ours", &left), ("theirs", &right)] {
                let _ = write!(text, "\n  {title:7} {}", shown(bytes));
            }
            eprintln!("{text}");
        }
    }

    /// The two are out of step from here on.
    fn give_up(&mut self, request: &Request<'_>, why: &str) {
        eprintln!("comparison ends at request {}: {why}\n  {}", self.count, shown(request.raw));
        self.other = Err(io::ErrorKind::NotConnected.into());
    }
}

impl Intercept for Comparing {
    fn request(
        &mut self,
        request: &Request<'_>,
        execute: &mut dyn FnMut(&mut Output) -> Flow,
        out: &mut Output,
    ) -> Flow {
        if let (0, Err(error)) = (self.count, &self.other) {
            eprintln!("nothing is compared: {error}");
        }
        let mut answer = Output::new();
        let flow = execute(&mut answer);
        self.compare(request, flow, &answer.to_vec());
        out.append(&mut answer);
        flow
    }
}

/// Sends a request, and a question behind it. Returns what came before the answer to that, and
/// whether the server has closed the connection instead of it.
fn ask(
    stream: &mut TcpStream,
    request: &Request<'_>,
    forwarded: &[u8],
) -> io::Result<(Vec<u8>, bool)> {
    stream.write_all(forwarded)?;
    send_unread(stream, request.unread)?;
    let is_binary = request.protocol == Protocol::Binary;
    let question = if is_binary { packet(0x80) } else { QUESTION.to_vec() };
    stream.write_all(&question)?;
    let mut answer = Vec::new();
    let mut room = [0; 16 * 1024];
    loop {
        let count = match stream.read(&mut room) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            result => result?,
        };
        if count == 0 {
            return Ok((answer, true));
        }
        answer.extend_from_slice(&room[..count]);
        let end = if is_binary { packet_end(&answer) } else { text_end(&answer) };
        if let Some(end) = end {
            answer.truncate(end);
            return Ok((answer, false));
        }
    }
}

/// Sends something in the place of what was thrown away here as it came.
fn send_unread(stream: &mut TcpStream, count: u64) -> io::Result<()> {
    if count >= 2 {
        io::copy(&mut io::repeat(b'x').take(count - 2), stream)?;
    }
    stream.write_all(&b"\r\n"[..count.min(2) as usize])
}

fn packet(magic: u8) -> Vec<u8> {
    let mut packet = vec![0; 24];
    (packet[0], packet[1]) = (magic, 0x0a);
    packet[12..16].copy_from_slice(&OPAQUE);
    packet
}

fn packet_end(answer: &[u8]) -> Option<usize> {
    answer.ends_with(&packet(0x81)).then(|| answer.len() - 24)
}

/// Where the answer to the question begins, which is a line with a version and another.
fn text_end(answer: &[u8]) -> Option<usize> {
    let rest = answer.strip_suffix(b"\r\nMN\r\n")?;
    let begin = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    rest[begin..].starts_with(b"VERSION ").then_some(begin)
}

/// The request with the other server's stamps.
fn translated(request: &Request<'_>, ours: &Stamps, theirs: &Stamps) -> Vec<u8> {
    let mut raw = request.raw.to_vec();
    let Some(cas) = request.cas else { return raw };
    let other = ours.translate(cas, theirs);
    if request.protocol == Protocol::Binary {
        raw[16..24].copy_from_slice(&other.to_be_bytes());
        return raw;
    }
    let end = raw.iter().position(|&byte| byte == b'\n').unwrap_or(raw.len());
    let prefix = if request.protocol == Protocol::Meta { "C" } else { "" };
    let (old, new) = (format!("{prefix}{cas}"), format!("{prefix}{other}"));
    // The key may be the same number, but it comes first.
    let mut words: Vec<&[u8]> = raw[..end].split(|&byte| byte == b' ').collect();
    let is_old = |word: &&[u8]| word.strip_suffix(b"\r").unwrap_or(word) == old.as_bytes();
    let Some(place) = words.iter().skip(2).rposition(is_old) else { return raw };
    let new = match words[place + 2].ends_with(b"\r") {
        true => format!("{new}\r"),
        false => new,
    };
    words[place + 2] = new.as_bytes();
    [&words.join(&b' ')[..], &raw[end..]].concat()
}

fn shown(bytes: &[u8]) -> String {
    let more = if bytes.len() > SHOWN { "..." } else { "" };
    format!("{}{more}", bytes[..bytes.len().min(SHOWN)].escape_ascii())
}
