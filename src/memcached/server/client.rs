//! One client: read what is there, carry it out, write the answers.
//!
//! At most one read and one write for each time the client is woken, as long as it takes its answers.
//! While it does not, nothing is read: a client has at most what it asked for at once, and the
//! answers to no more than a part of that. Buffers belong to the thread; an idle client has none.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::task::coop::has_budget_remaining;
use tokio::time::Sleep;

use crate::memcached::{Connection, Event, Flow, Intercept, Output};
use crate::time::{Clock, SystemClock};

/// What is read at once.
const READ: usize = 16 * 1024;
/// How many pieces are written at once.
const PIECES: usize = 64;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// What a thread needs while it serves a client, and none of them keeps.
struct Scratch {
    input: Box<[u8]>,
    output: Output,
}

impl Scratch {
    fn new() -> Self {
        Self { input: vec![0; READ].into(), output: Output::new() }
    }
}

/// How long a client may take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    /// Between requests.
    pub(super) idle: Option<Duration>,
    /// To take anything of an answer.
    pub(super) write: Option<Duration>,
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By either side's wish.
    Closed,
    /// Nothing came for too long.
    Idle,
    /// It took nothing of its answers for too long.
    Stuck,
    /// It is to be reset.
    Reset,
}

/// What has come over a connection's output.
enum Trouble {
    None,
    /// Nothing is written before this.
    Pause(Pin<Box<Sleep>>),
    /// A byte at a time, with this long between them, and the next not before this.
    Dribble(Duration, Pin<Box<Sleep>>),
    /// Nothing is written any more.
    Stall,
}

/// A connection with its socket.
pub(super) struct Client<S, I> {
    stream: S,
    connection: Connection,
    intercept: I,
    /// What could not be written yet.
    unwritten: Output,
    /// Something is unwritten, or written and held back by what encrypts it.
    is_writing: bool,
    flow: Flow,
    trouble: Trouble,
    patience: Patience,
    /// When something last came or went, if anybody asks.
    active: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin, I: Intercept> Client<S, I> {
    pub(super) fn new(stream: S, connection: Connection, intercept: I, patience: Patience) -> Self {
        Self {
            stream,
            connection,
            intercept,
            unwritten: Output::new(),
            is_writing: false,
            flow: Flow::More,
            trouble: Trouble::None,
            patience,
            active: None,
            alarm: None,
        }
    }

    /// With something to write before anything is read.
    pub(super) fn greeted(mut self, output: Output, flow: Flow) -> Self {
        self.is_writing = !output.is_empty();
        (self.unwritten, self.flow) = (output, flow);
        self
    }

    /// Serves the client until it or the server ends. What it has asked for until then is answered.
    pub(super) async fn serve(&mut self, stop: &mut watch::Receiver<bool>) -> io::Result<End> {
        tokio::select! {
            biased;
            end = std::future::poll_fn(|context| self.poll(context)) => return end,
            _ = stop.wait_for(|&is_stopped| is_stopped) => {}
        }
        // What has come and was not announced yet, is now.
        tokio::task::yield_now().await;
        std::future::poll_fn(|context| self.poll_last(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<End>> {
        let poll = SCRATCH.with_borrow_mut(|scratch| self.poll_turns(context, scratch));
        if poll.is_pending() { self.poll_patience(context).map(Ok) } else { poll }
    }

    /// Goes on until there is nothing to write and nothing has come.
    fn poll_last(&mut self, context: &mut Context<'_>) -> Poll<io::Result<End>> {
        let poll = self.poll(context);
        let is_held_up = !matches!(self.trouble, Trouble::None);
        let is_done = (is_held_up || !self.is_writing) && has_budget_remaining();
        if poll.is_pending() && is_done { Poll::Ready(Ok(End::Closed)) } else { poll }
    }

    /// Takes turns until the socket has nothing more to give or takes nothing more.
    fn poll_turns(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<End>> {
        // What a panic may have left behind is another client's.
        scratch.output.clear();
        loop {
            if self.is_writing {
                if let Some(end) = ready!(self.poll_unwritten(context))? {
                    return Poll::Ready(Ok(end));
                }
            }
            let input = match self.flow {
                Flow::Close => return Poll::Ready(Ok(End::Closed)),
                Flow::Write => &[],
                Flow::More => {
                    let mut input = ReadBuf::new(&mut scratch.input);
                    ready!(Pin::new(&mut self.stream).poll_read(context, &mut input))?;
                    let count = input.filled().len();
                    if count == 0 {
                        return Poll::Ready(Ok(End::Closed));
                    }
                    &scratch.input[..count]
                }
            };
            self.active = None;
            let (output, intercept) = (&mut scratch.output, &mut self.intercept);
            self.flow = self.connection.feed_through(input, output, intercept);
            let written = poll_write(&mut self.stream, context, output);
            self.is_writing = written.is_pending() || !output.is_empty();
            if !output.is_empty() {
                self.unwritten = std::mem::take(output);
            }
            if let Poll::Ready(result) = written {
                result?;
            }
        }
    }

    /// Writes what is left, with whatever happens in between.
    fn poll_unwritten(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<End>>> {
        loop {
            ready!(self.poll_trouble(context))?;
            let before = self.unwritten.len();
            let written = match self.trouble {
                Trouble::Dribble(..) => poll_byte(&mut self.stream, context, &mut self.unwritten),
                _ => poll_write(&mut self.stream, context, &mut self.unwritten),
            };
            if self.unwritten.len() < before {
                self.active = None;
            }
            ready!(written)?;
            match self.unwritten.take_event() {
                Some(event) => {
                    if let Some(end) = self.meet(event) {
                        return Poll::Ready(Ok(Some(end)));
                    }
                }
                None if self.unwritten.is_empty() => {
                    self.unwritten = Output::new();
                    self.is_writing = false;
                    self.trouble = Trouble::None;
                    return Poll::Ready(Ok(None));
                }
                None => self.rest(),
            }
        }
    }

    fn meet(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Pause(time) => self.trouble = Trouble::Pause(sleep(time)),
            Event::Dribble(time) => self.trouble = Trouble::Dribble(time, sleep(Duration::ZERO)),
            Event::Stall => self.trouble = Trouble::Stall,
            Event::Close => return Some(End::Closed),
            Event::Reset => return Some(End::Reset),
        }
        None
    }

    /// After a byte of a dribble.
    fn rest(&mut self) {
        if let Trouble::Dribble(time, until) = &mut self.trouble {
            *until = sleep(*time);
        }
    }

    /// Ready when something may be written.
    fn poll_trouble(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.trouble {
            Trouble::None => return Poll::Ready(Ok(())),
            Trouble::Dribble(_, until) => return until.as_mut().poll(context).map(Ok),
            Trouble::Pause(until) => ready!(until.as_mut().poll(context)),
            Trouble::Stall => return self.poll_hang_up(context),
        }
        self.trouble = Trouble::None;
        Poll::Ready(Ok(()))
    }

    /// Throws away what comes, until the client gives up.
    fn poll_hang_up(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut room = [0; 512];
        loop {
            let mut input = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut input))?;
            if input.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
    }

    /// Ready when the client has taken too long. The alarm is set anew only when it goes off.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let (limit, end) = match (self.is_writing, &self.trouble) {
            (false, _) => (self.patience.idle, End::Idle),
            (true, Trouble::None) => (self.patience.write, End::Stuck),
            (true, _) => return Poll::Pending,
        };
        let Some(limit) = limit else { return Poll::Pending };
        let now = || SystemClock.now();
        let deadline = *self.active.get_or_insert_with(now) + limit;
        let alarm = self.alarm.get_or_insert_with(|| sleep(limit));
        if alarm.deadline() > deadline.into() {
            alarm.as_mut().reset(deadline.into());
        }
        loop {
            ready!(alarm.as_mut().poll(context));
            if now() >= deadline {
                return Poll::Ready(end);
            }
            alarm.as_mut().reset(deadline.into());
        }
    }

    pub(super) fn into_stream(self) -> S {
        self.stream
    }
}

fn sleep(time: Duration) -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep(time))
}

/// Writes all up to the next event.
fn poll_write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    output: &mut Output,
) -> Poll<io::Result<()>> {
    while !output.chunk().is_empty() {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let stream = Pin::new(&mut *stream);
        let written = match output.chunks_vectored(&mut slices) {
            1 => stream.poll_write(context, &slices[0]),
            count => stream.poll_write_vectored(context, &slices[..count]),
        };
        advance(output, ready!(written)?)?;
    }
    // Only what is encrypted on its way can still be held back.
    Pin::new(stream).poll_flush(context)
}

fn poll_byte<S: AsyncWrite + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    output: &mut Output,
) -> Poll<io::Result<()>> {
    if let Some(byte) = output.chunk().first() {
        let written = ready!(Pin::new(&mut *stream).poll_write(context, &[*byte]))?;
        advance(output, written)?;
    }
    Pin::new(stream).poll_flush(context)
}

fn advance(output: &mut Output, written: usize) -> io::Result<()> {
    if written == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    output.advance(written);
    Ok(())
}
