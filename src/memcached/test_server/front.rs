//! [`Front`]: sockets and threads. One thread accepts, and each connection has one.
//!
//! Nothing is polled: whoever waits does so for a socket, or on the one condition variable. To stop,
//! all sockets are shut down and all threads joined.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Buf;
use parking_lot::{Condvar, Mutex, MutexGuard};
use socket2::{Domain, SockRef, Socket, Type};

use crate::memcached::double::{Double, LONGEST, Layer};
use crate::memcached::{Connection, Event, Flow, Output, Service};
use crate::time::{Clock, SystemClock};

const BACKLOG: i32 = 1024;
const BUFFER: usize = 16 * 1024;

/// The sockets of a server that runs.
pub(super) struct Front {
    listener: Arc<TcpListener>,
    acceptor: JoinHandle<()>,
}

/// What the threads of a server share.
pub(super) struct Shared {
    pub(super) service: Service,
    pub(super) double: Double,
    node: usize,
    state: Mutex<State>,
    /// The state has changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_stopping: bool,
    is_paused: bool,
    /// How many connections stall.
    stalled: usize,
    /// How often stalled connections were released.
    releases: u64,
    /// The number of the last connection.
    last: u64,
    open: BTreeMap<u64, Open>,
    /// Threads that have nothing more to do than to end.
    done: Vec<JoinHandle<()>>,
}

struct Open {
    stream: Arc<TcpStream>,
    thread: JoinHandle<()>,
    is_killed: bool,
}

/// Listens at `addr`, where connections that have ended may still linger.
pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // Elsewhere the option would let two servers have the same port.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Front {
    /// Serves whoever comes to `listener`.
    pub(super) fn start(listener: TcpListener, shared: &Arc<Shared>) -> io::Result<Self> {
        shared.state.lock().is_stopping = false;
        let (listener, shared) = (Arc::new(listener), Arc::clone(shared));
        let accepted = Arc::clone(&listener);
        let name = format!("memcached-{}", shared.node);
        let acceptor = thread::Builder::new().name(name).spawn(move || shared.accept(&accepted))?;
        Ok(Self { listener, acceptor })
    }

    /// Ends all connections, and waits until every thread has ended.
    pub(super) fn stop(self, shared: &Shared) {
        shared.change(|state| state.is_stopping = true);
        self.wake_acceptor();
        // A thread that has panicked has said so.
        let _ = self.acceptor.join();
        drop(self.listener);
        let (open, done) = shared
            .change(|state| (std::mem::take(&mut state.open), std::mem::take(&mut state.done)));
        for open in open.values() {
            let _ = open.stream.shutdown(Shutdown::Both);
        }
        let threads = open.into_values().map(|open| open.thread);
        for thread in threads.chain(done) {
            let _ = thread.join();
        }
    }

    /// Makes `accept` return. Only Linux does so for a socket that is shut down.
    fn wake_acceptor(&self) {
        if cfg!(target_os = "linux") {
            let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
        } else if let Ok(addr) = self.listener.local_addr() {
            let _ = TcpStream::connect(addr);
        }
    }
}

impl Shared {
    pub(super) fn new(service: Service, double: Double, node: usize) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { service, double, node, state, changed }
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let changed = change(&mut self.state.lock());
        self.changed.notify_all();
        changed
    }

    pub(super) fn set_paused(&self, is_paused: bool) {
        self.change(|state| state.is_paused = is_paused);
    }

    pub(super) fn release(&self) {
        self.change(|state| state.releases += 1);
    }

    pub(super) fn open_connections(&self) -> Vec<u64> {
        self.state.lock().open.keys().copied().collect()
    }

    /// Ends the connections that `is_meant` chooses.
    pub(super) fn kill(&self, is_meant: impl Fn(u64) -> bool) {
        self.change(|state| {
            for (_, open) in state.open.iter_mut().filter(|(number, _)| is_meant(**number)) {
                open.is_killed = true;
                let _ = open.stream.shutdown(Shutdown::Both);
            }
        });
    }

    /// Waits until there are `n` connections. Returns whether there are.
    pub(super) fn wait_for_connections(&self, n: usize, patience: Duration) -> bool {
        self.wait_until(patience, |state| state.open.len() == n)
    }

    /// Waits until `n` connections stall. Returns whether they do.
    pub(super) fn wait_for_stalled(&self, n: usize, patience: Duration) -> bool {
        self.wait_until(patience, |state| state.stalled == n)
    }

    fn wait_until(&self, patience: Duration, is_so: impl Fn(&State) -> bool) -> bool {
        let end = SystemClock.now() + patience;
        let mut state = self.state.lock();
        while !is_so(&state) {
            if self.changed.wait_until(&mut state, end).timed_out() {
                return is_so(&state);
            }
        }
        true
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            let accepted = listener.accept();
            let mut state = self.state.lock();
            while state.is_paused && !state.is_stopping {
                self.changed.wait(&mut state);
            }
            if state.is_stopping {
                return;
            }
            match accepted {
                Ok((stream, _)) => self.open(&mut state, stream),
                // Most likely there are too many files: somebody must go first.
                Err(_) => drop(self.changed.wait_for(&mut state, Duration::from_millis(10))),
            }
            let done = std::mem::take(&mut state.done);
            drop(state);
            for thread in done {
                let _ = thread.join();
            }
        }
    }

    fn open(self: &Arc<Self>, state: &mut MutexGuard<'_, State>, stream: TcpStream) {
        state.last += 1;
        let (number, stream, shared) = (state.last, Arc::new(stream), Arc::clone(self));
        let served = Arc::clone(&stream);
        let name = format!("memcached-{}-{number}", self.node);
        let thread = thread::Builder::new().name(name).spawn(move || {
            let _ended = Ended { shared: &shared, number };
            // What ends a connection early is the client's affair, or is meant. One that is reset
            // must not be ended in order before.
            let ended = Client::new(&shared, number, &served).serve();
            if ended.map_err(|error| error.kind()) != Err(io::ErrorKind::ConnectionReset) {
                let _ = served.shutdown(Shutdown::Both);
            }
            drop(served);
        });
        // Without a thread the connection is dropped.
        if let Ok(thread) = thread {
            state.open.insert(number, Open { stream, thread, is_killed: false });
            self.changed.notify_all();
        }
    }
}

/// Takes a connection off the list when its thread ends, by a panic as well.
struct Ended<'s> {
    shared: &'s Shared,
    number: u64,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.shared.change(|state| {
            if let Some(open) = state.open.remove(&self.number) {
                state.done.push(open.thread);
            }
        });
    }
}

/// One connection, seen from its thread.
struct Client<'s> {
    shared: &'s Shared,
    number: u64,
    stream: &'s TcpStream,
    layer: Layer,
    connection: Connection,
}

impl<'s> Client<'s> {
    fn new(shared: &'s Shared, number: u64, stream: &'s TcpStream) -> Self {
        let layer = shared.double.layer(shared.service.store(), shared.node, number);
        let connection = Connection::new(&shared.service);
        Self { shared, number, stream, layer, connection }
    }

    fn serve(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut buffer = vec![0; BUFFER];
        let mut out = Output::new();
        let mut flow = self.layer.connected(&mut out);
        loop {
            self.write(&mut out)?;
            let input = match flow {
                Flow::Close => return Ok(()),
                Flow::Write => 0,
                Flow::More => self.read(&mut buffer)?,
            };
            flow = self.connection.feed_through(&buffer[..input], &mut out, &mut self.layer);
        }
    }

    /// What the client sends next. Its end is an error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.pass_gate()?;
        Ok(read)
    }

    fn write(&mut self, out: &mut Output) -> io::Result<()> {
        let mut dribble = None;
        while !out.is_empty() {
            self.pass_gate()?;
            if let Some(event) = out.take_event() {
                match event {
                    Event::Dribble(pause) => dribble = Some(pause),
                    other => self.obey(other)?,
                }
                continue;
            }
            let chunk = out.chunk();
            let len = if dribble.is_some() { 1 } else { chunk.len() };
            let written = self.stream.write(&chunk[..len])?;
            out.advance(written);
            dribble.map_or(Ok(()), |pause| self.obey(Event::Pause(pause)))?;
        }
        Ok(())
    }

    /// Lets an event happen. One that ends the connection is an error.
    fn obey(&self, event: Event) -> io::Result<()> {
        match event {
            Event::Pause(time) => self.pause(time),
            Event::Stall => self.stall(),
            Event::Reset => {
                SockRef::from(self.stream).set_linger(Some(Duration::ZERO))?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    fn pause(&self, time: Duration) -> io::Result<()> {
        let end = SystemClock.now() + time.min(LONGEST);
        let mut state = self.shared.state.lock();
        while SystemClock.now() < end {
            self.stay(&state)?;
            self.shared.changed.wait_until(&mut state, end);
        }
        Ok(())
    }

    fn stall(&self) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        let releases = state.releases;
        state.stalled += 1;
        self.shared.changed.notify_all();
        while state.releases == releases && self.stay(&state).is_ok() {
            self.shared.changed.wait(&mut state);
        }
        state.stalled -= 1;
        self.stay(&state)
    }

    /// Waits while the server is paused.
    fn pass_gate(&self) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        self.stay(&state)?;
        while state.is_paused {
            self.shared.changed.wait(&mut state);
            self.stay(&state)?;
        }
        Ok(())
    }

    /// An error if the connection has to end.
    fn stay(&self, state: &State) -> io::Result<()> {
        let is_killed = state.open.get(&self.number).is_none_or(|open| open.is_killed);
        if state.is_stopping || is_killed {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}
