//! Where clients come in: accepted, counted, handed to a worker.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::client::{Client, End, Patience};
use super::comparing::Comparing;
use super::control::Watched;
use super::listening::{self, SocketFile, Sockets};
use super::workers::Turns;
use crate::memcached::double::Double;
use crate::memcached::{Connection, Intercept, Output, Service};
use crate::sync::{AtomicU64, Ordering};

/// How long nobody is accepted after the system has refused to.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a client may take to hear that this is the end.
const GOODBYE: Duration = Duration::from_secs(10);
/// How long a client may take to agree on how to encrypt.
#[cfg(feature = "tls")]
const HANDSHAKE: Duration = Duration::from_secs(10);

const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

/// What all clients share.
pub(super) struct House {
    pub(super) service: Service,
    /// A place for each connection that may be open.
    pub(super) slots: Arc<Semaphore>,
    pub(super) patience: Patience,
    /// The server whose answers are compared with ours, if any.
    pub(super) other: Option<SocketAddr>,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) is_verbose: bool,
    /// Faults and a log, if there are to be.
    pub(super) double: Option<Double>,
    /// How many clients have come in.
    pub(super) clients: AtomicU64,
    /// What encrypts TCP connections, if they are to be.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
}

/// A socket that clients connect to.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    /// The file goes with the socket.
    Unix(UnixListener, #[expect(dead_code, reason = "held for its drop")] SocketFile),
}

/// A client's socket, not bound to a worker yet.
enum Guest {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    /// All that were bound.
    pub(super) fn all(sockets: Sockets) -> io::Result<Vec<Self>> {
        let tcp =
            sockets.tcp.into_iter().map(|socket| Ok(Self::Tcp(TcpListener::from_std(socket)?)));
        let unix = sockets.unix.into_iter();
        let unix = unix.map(|(socket, file)| Ok(Self::Unix(UnixListener::from_std(socket)?, file)));
        tcp.chain(unix).collect()
    }

    async fn accept(&self) -> io::Result<Guest> {
        match self {
            Self::Tcp(listener) => listener.accept().await?.0.into_std().map(Guest::Tcp),
            Self::Unix(listener, _) => listener.accept().await?.0.into_std().map(Guest::Unix),
        }
    }
}

impl Guest {
    /// Tells a client that there is no place, as far as that goes without waiting.
    fn turn_away(self) {
        let _ = match self {
            Self::Tcp(mut stream) => stream.write(TOO_MANY),
            Self::Unix(mut stream) => stream.write(TOO_MANY),
        };
    }
}

/// A listener with what it takes to let clients in.
pub(super) struct Door {
    listener: Listener,
    house: Arc<House>,
    turns: Turns,
}

impl Door {
    pub(super) fn new(listener: Listener, house: Arc<House>, turns: Turns) -> Self {
        Self { listener, house, turns }
    }

    /// Lets clients in, for ever.
    pub(super) async fn admit_all(mut self) {
        loop {
            match self.listener.accept().await {
                Ok(guest) => self.admit(guest),
                Err(error) => {
                    self.house.tell(format_args!("accept: {error}"));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn admit(&mut self, guest: Guest) {
        let stats = self.house.service.stats();
        let Ok(slot) = Arc::clone(&self.house.slots).try_acquire_owned() else {
            stats.rejected_connections.add(1);
            return guest.turn_away();
        };
        let house = Arc::clone(&self.house);
        self.turns.next().spawn(async move { house.attend(guest, slot).await });
    }
}

impl House {
    /// Serves a client to its end. Its place is free again when its socket is closed.
    async fn attend(&self, guest: Guest, slot: OwnedSemaphorePermit) {
        match self.serve(guest).await {
            Ok(end) => self.tell(format_args!("connection closed: {end:?}")),
            Err(error) => self.tell(format_args!("connection closed: {error}")),
        }
        drop(slot);
    }

    async fn serve(&self, guest: Guest) -> io::Result<End> {
        match guest {
            Guest::Tcp(stream) => {
                listening::prepare(&stream)?;
                self.serve_tcp(TcpStream::from_std(stream)?).await
            }
            Guest::Unix(stream) => Ok(self.talk(UnixStream::from_std(stream)?).await?.0),
        }
    }

    async fn serve_tcp(&self, stream: TcpStream) -> io::Result<End> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let handshake = Box::pin(tokio::time::timeout(HANDSHAKE, tls.accept(stream)));
            let stream = handshake.await??;
            // In a box of its own, so that plain connections are not as large.
            let (end, stream) = Box::pin(self.talk(stream)).await?;
            return reset_if(end, stream.get_ref().0);
        }
        let (end, stream) = self.talk(stream).await?;
        reset_if(end, &stream)
    }

    /// Serves a client, and says goodbye to one that is to be closed.
    async fn talk<S>(&self, stream: S) -> io::Result<(End, S)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connection = Connection::new(&self.service);
        if let Some(address) = self.other {
            let comparing = Comparing::with(address);
            let client = Client::new(stream, connection, comparing, self.patience);
            return Box::pin(self.talk_through(client)).await;
        }
        let Some(double) = &self.double else {
            return self.talk_through(Client::new(stream, connection, (), self.patience)).await;
        };
        // Relaxed: a number that nobody else has is all that is wanted.
        let number = self.clients.fetch_add(1, Ordering::Relaxed) + 1;
        let mut watched = Watched(double.layer(self.service.store(), 0, number));
        let mut output = Output::new();
        let flow = watched.0.connected(&mut output);
        let client = Client::new(stream, connection, watched, self.patience);
        Box::pin(self.talk_through(client.greeted(output, flow))).await
    }

    async fn talk_through<S, I>(&self, mut client: Client<S, I>) -> io::Result<(End, S)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        I: Intercept,
    {
        let end = client.serve(&mut self.stopped.clone()).await?;
        let mut stream = client.into_stream();
        match end {
            // What is encrypted ends with a word that the client has to take.
            End::Closed => {
                Box::pin(tokio::time::timeout(GOODBYE, stream.shutdown())).await??;
            }
            End::Idle => self.service.stats().idle_kicks.add(1),
            End::Stuck | End::Reset => {}
        }
        Ok((end, stream))
    }

    fn tell(&self, text: std::fmt::Arguments<'_>) {
        if self.is_verbose {
            super::say(text);
        }
    }
}

/// Sees to it that a connection that is to be reset is, when it is dropped.
fn reset_if(end: End, stream: &TcpStream) -> io::Result<End> {
    if end == End::Reset {
        SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
    }
    Ok(end)
}
