//! [`Connection`]: bytes in, bytes out.

use std::fmt;

use super::request::{Intercept, Protocol};
use super::stats::Tally;
use super::{Output, Service, binary, text};

/// More output than this is written before further requests are carried out.
pub(super) const OUTPUT_LIMIT: usize = 256 * 1024;

/// So much memory a connection keeps for what is incomplete, once it needs no more.
const HELD_LIMIT: usize = 16 * 1024;

/// What a connection wants next.
///
/// # Examples
///
/// ```
/// use caskade::memcached::{Connection, Flow, Output, Service};
///
/// let mut connection = Connection::new(&Service::new());
/// let mut out = Output::new();
/// assert_eq!(connection.feed(b"get k\r\n", &mut out), Flow::More);
/// assert_eq!(connection.feed(b"quit\r\n", &mut out), Flow::Close);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// More input.
    More,
    /// The output written, and then another call, with or without more input: there are requests
    /// left.
    Write,
    /// The output written, and then an end.
    Close,
}

/// One client's connection, without its socket.
///
/// It waits for whole requests and keeps what is incomplete. A value that is too large to be stored
/// is not kept. When it is dropped, it stops to count as a connection in `stats`.
///
/// # Concurrency
///
/// Requests take effect one after the other, in the order in which they come. Connections of one
/// [`Service`] may be fed by different threads at once.
///
/// # Examples
///
/// What a server does with a socket, here with any reader and writer:
///
/// ```
/// use bytes::Buf;
/// use caskade::memcached::{Connection, Flow, Output, Service};
/// use std::io::{self, Read, Write};
///
/// fn serve(service: &Service, from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
///     let mut connection = Connection::new(service);
///     let (mut room, mut out) = ([0; 16 * 1024], Output::new());
///     loop {
///         let count = from.read(&mut room)?;
///         let mut flow = connection.feed(&room[..count], &mut out);
///         loop {
///             while out.has_remaining() {
///                 let written = to.write(out.chunk())?;
///                 out.advance(written);
///             }
///             if flow != Flow::Write {
///                 break;
///             }
///             flow = connection.feed(&[], &mut out); // there are requests left
///         }
///         if count == 0 || flow == Flow::Close {
///             return Ok(());
///         }
///     }
/// }
///
/// let (mut from, mut to) = (&b"set k 0 0 1\r\nx\r\nget k\r\n"[..], Vec::new());
/// serve(&Service::new(), &mut from, &mut to)?;
/// assert_eq!(to, b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
/// # Ok::<(), io::Error>(())
/// ```
pub struct Connection {
    state: State,
    /// What has come and is not a complete request yet.
    input: Vec<u8>,
    /// How much of `input` is used.
    begin: usize,
    /// How much of what comes next is to be thrown away.
    skip: u64,
    protocol: Option<Protocol>,
    is_closed: bool,
}

/// What carrying out a request needs of its connection.
pub(super) struct State {
    pub(super) service: Service,
    pub(super) tally: Tally,
    /// The client has asked for Couchbase's statuses.
    pub(super) extended_errors: bool,
    /// How much of an incomplete line has been searched for its end.
    pub(super) scanned: usize,
    /// How much of a line of keys has been answered, if the rest waits for the output to be written.
    pub(super) answered: usize,
    /// A line of keys may be answered in parts.
    pub(super) in_parts: bool,
}

impl State {
    /// The stamp as clients see it.
    #[inline]
    pub(super) fn shown(&self, cas: u64) -> u64 {
        if self.service.config().cas { cas } else { 0 }
    }

    /// A client's stamp as the store may compare it. Without stamps on the wire none is the right
    /// one.
    #[inline]
    pub(super) fn comparable(&self, cas: u64) -> u64 {
        self.shown(cas)
    }
}

/// A parsed request.
pub(super) struct Parsed<C> {
    pub(super) command: C,
    /// How many bytes it takes, those that have not come yet and are not wanted included.
    pub(super) len: u64,
}

impl Connection {
    /// A connection to `service` on which nothing has come yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Connection, Service};
    ///
    /// let service = Service::new();
    /// let first = Connection::new(&service);
    /// let second = Connection::new(&service); // with the same items
    /// # drop((first, second));
    /// ```
    #[must_use]
    pub fn new(service: &Service) -> Self {
        service.stats().connection_opened();
        let state = State {
            service: service.clone(),
            tally: Tally::default(),
            extended_errors: false,
            scanned: 0,
            answered: 0,
            in_parts: false,
        };
        let protocol = service.config().protocol;
        Self { state, input: Vec::new(), begin: 0, skip: 0, protocol, is_closed: false }
    }

    /// Takes what has come, carries out the requests that are complete, and appends the answers to
    /// `out`. All of `input` is taken, even if requests are left for the next call
    /// ([`Flow::Write`]). After [`Flow::Close`] nothing is carried out any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Connection, Output, Service};
    ///
    /// let mut connection = Connection::new(&Service::new());
    /// let mut out = Output::new();
    /// let _ = connection.feed(b"set k 0 0 5\r\nhel", &mut out);
    /// assert!(out.is_empty()); // the request is not complete
    /// let _ = connection.feed(b"lo\r\n", &mut out);
    /// assert_eq!(out.to_vec(), b"STORED\r\n");
    /// ```
    pub fn feed(&mut self, input: &[u8], out: &mut Output) -> Flow {
        self.feed_through(input, out, &mut ())
    }

    /// [`feed`](Self::feed) with somebody who looks at every request first.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Connection, Flow, Intercept, Output, Request, Service};
    ///
    /// /// Counts what it sees.
    /// struct Counter(u32);
    ///
    /// impl Intercept for Counter {
    ///     fn request(
    ///         &mut self,
    ///         _: &Request<'_>,
    ///         execute: &mut dyn FnMut(&mut Output) -> Flow,
    ///         out: &mut Output,
    ///     ) -> Flow {
    ///         self.0 += 1;
    ///         execute(out)
    ///     }
    /// }
    ///
    /// let mut connection = Connection::new(&Service::new());
    /// let (mut counter, mut out) = (Counter(0), Output::new());
    /// let _ = connection.feed_through(b"get a\r\nget b\r\n", &mut out, &mut counter);
    /// assert_eq!(counter.0, 2);
    /// ```
    pub fn feed_through<I: Intercept>(
        &mut self,
        input: &[u8],
        out: &mut Output,
        intercept: &mut I,
    ) -> Flow {
        if self.is_closed {
            return Flow::Close;
        }
        let written = out.len();
        // Whoever stands between sees whole requests and whole answers.
        self.state.in_parts = !I::IS_ACTIVE;
        let mut held = std::mem::take(&mut self.input);
        let begin = std::mem::take(&mut self.begin);
        let (flow, used) = if held.is_empty() {
            self.run(input, out, intercept)
        } else {
            held.extend_from_slice(input);
            self.run(&held[begin..], out, intercept)
        };
        let tally = &mut self.state.tally;
        tally.bytes_read += input.len() as u64;
        tally.bytes_written += out.len().saturating_sub(written) as u64;
        tally.is_dirty = true;
        self.state.service.stats().add(tally);
        if held.is_empty() {
            held.extend_from_slice(&input[used..]);
        } else {
            self.begin = drop_used(&mut held, begin + used);
        }
        self.input = held;
        if flow == Flow::Close {
            self.is_closed = true;
            (self.input, self.begin) = (Vec::new(), 0);
        }
        flow
    }

    /// How many bytes are kept of requests that are not complete. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn held(&self) -> usize {
        self.input.len() - self.begin
    }

    /// Carries out the requests at the front of `input`. Returns how much of it was used.
    fn run<I: Intercept>(
        &mut self,
        input: &[u8],
        out: &mut Output,
        intercept: &mut I,
    ) -> (Flow, usize) {
        let mut used = 0;
        loop {
            let skipped = self.skip.min((input.len() - used) as u64);
            self.skip -= skipped;
            used += skipped as usize;
            let rest = &input[used..];
            if rest.is_empty() {
                return (Flow::More, used);
            }
            if out.len() > OUTPUT_LIMIT {
                return (Flow::Write, used);
            }
            let Some((flow, len)) = self.step(rest, out, intercept) else {
                return (Flow::More, used);
            };
            if flow == Flow::Close {
                return (flow, used);
            }
            let taken = len.min(rest.len() as u64);
            used += taken as usize;
            self.skip = len - taken;
            if flow == Flow::Write {
                return (flow, used);
            }
        }
    }

    /// Carries out the first request of `input`, if it is complete.
    #[inline]
    fn step<I: Intercept>(
        &mut self,
        input: &[u8],
        out: &mut Output,
        intercept: &mut I,
    ) -> Option<(Flow, u64)> {
        let first = input[0];
        let protocol = *self.protocol.get_or_insert(match first {
            0x80 => Protocol::Binary,
            _ => Protocol::Text,
        });
        let state = &mut self.state;
        if protocol == Protocol::Binary {
            let Parsed { command, len } = binary::parse(input, state)?;
            if !I::IS_ACTIVE {
                return Some((binary::execute(&command, state, out), len));
            }
            let mut request = binary::describe(&command, front(input, len));
            request.unread = len - request.raw.len() as u64;
            let mut execute = |out: &mut Output| binary::execute(&command, state, out);
            return Some((intercept.request(&request, &mut execute, out), len));
        }
        let Parsed { command, len } = text::parse(input, state)?;
        if !I::IS_ACTIVE {
            let flow = text::execute(&command, state, out);
            let is_whole = state.answered == 0;
            return Some((flow, if is_whole { len } else { 0 }));
        }
        let mut request = text::describe(&command, front(input, len));
        request.unread = len - request.raw.len() as u64;
        let mut execute = |out: &mut Output| text::execute(&command, state, out);
        Some((intercept.request(&request, &mut execute, out), len))
    }
}

/// As much of the first `len` bytes of `input` as is there.
fn front(input: &[u8], len: u64) -> &[u8] {
    &input[..usize::try_from(len).map_or(input.len(), |len| len.min(input.len()))]
}

/// Drops the first `used` bytes, once they are so many that moving the others is worth it. Returns how
/// many remain to be dropped.
fn drop_used(held: &mut Vec<u8>, used: usize) -> usize {
    if used <= held.len() / 2 {
        return used;
    }
    held.drain(..used);
    held.shrink_to(HELD_LIMIT.max(held.len()));
    0
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state.service.stats().connection_closed();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("protocol", &self.protocol)
            .field("waiting", &(self.input.len() - self.begin))
            .finish_non_exhaustive()
    }
}
