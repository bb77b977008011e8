#![doc = include_str!("guide.md")]

mod builder;
mod cluster;
mod front;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Service;
use super::double::Double;
use crate::bytes::Store;
use crate::time::ManualClock;

pub use super::double::{
    Armed, Delay, Diff, Expectation, Fault, Faults, Finding, Kind, Lint, Log, Matcher, PATIENCE,
    Place, Record, Rule, Snapshot, Strict, TimedOut, Times, Unmet, When, any, cmd, connects, reads,
    swaps, writes,
};
pub use builder::TestServerBuilder;
pub use cluster::Cluster;

use front::{Front, Shared};

/// A memcached for a test, inside its process.
///
/// It listens on a free port of 127.0.0.1, has its items to itself, and is gone with all its threads
/// when it is dropped. Then it verifies what was [expected](Self::expect), and panics if that did not
/// come, unless a panic is under way already.
///
/// # Concurrency
///
/// One thread accepts, and each connection has one. All methods can be called while clients are
/// served.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
///
/// let server = TestServer::start()?;
/// server.store().set("greeting", "hello", 0, 0)?;
///
/// let mut client = TcpStream::connect(server.addr())?;
/// client.write_all(b"get greeting\r\n")?;
/// let mut answer = [0; 32];
/// client.read_exact(&mut answer)?;
/// assert_eq!(&answer, b"VALUE greeting 0 5\r\nhello\r\nEND\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestServer {
    addr: SocketAddr,
    clock: ManualClock,
    shared: Arc<Shared>,
    /// `None` while it is stopped.
    front: Option<Front>,
    /// Expectations are verified on drop.
    verifies: bool,
}

/// What a server still has after a restart.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use caskade::memcached::test_server::Keep;
///
/// let mut server = TestServer::start()?;
/// server.store().set("k", "value", 0, 0)?;
/// server.restart(Keep::Data)?;
/// assert_eq!(server.store().len(), 1);
/// server.restart(Keep::Nothing)?;
/// assert_eq!(server.store().len(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Its items, as after an interruption of the network. Locks hold on.
    Data,
    /// Nothing: neither items nor statistics, as after a crash.
    Nothing,
}

impl TestServer {
    /// Starts a server with default settings.
    ///
    /// # Errors
    ///
    /// If there is no free port, or no more thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// assert!(server.addr().ip().is_loopback());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// A builder with default settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Config, TestServer};
    ///
    /// let mut config = Config::default();
    /// config.cas = false; // as `memcached -C`
    /// let server = TestServer::builder().config(config).start()?;
    /// # drop(server);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::new()
    }

    /// Where it listens. Stays the same through restarts.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address as text, such as `127.0.0.1:38273`, for clients that want one.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// let url = format!("memcache://{}", server.address());
    /// # assert!(url.starts_with("memcache://127.0.0.1:"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn address(&self) -> String {
        self.addr.to_string()
    }

    /// The items: what stands behind the port, to fill, look at and change. What is done here is not
    /// in the log and meets no faults.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// server.store().set("user:1", "ada", 0, 60)?;
    /// assert_eq!(server.log().records().len(), 0); // no client did that
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn store(&self) -> &Store {
        self.shared.service.store()
    }

    /// Store, settings and statistics.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.shared.service
    }

    /// The clock: it follows real time until it is frozen, and can be advanced and set. All time that
    /// clients see comes from it; pauses between bytes are real.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use std::time::Duration;
    ///
    /// let server = TestServer::start()?;
    /// server.clock().freeze(); // so that no second passes by itself
    /// server.store().set("session", "x", 0, 1800)?;
    /// server.clock().advance(Duration::from_secs(1800));
    /// assert_eq!(server.store().get("session")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The faults.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("set").key("user:*")).nth(2).lose_ack();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.double.faults()
    }

    /// The log of all requests.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::cmd;
    ///
    /// let server = TestServer::start()?;
    /// // … the program under test …
    /// assert_eq!(server.log().count(&cmd("flush_all")), 0, "{}", server.log());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn log(&self) -> Log {
        self.shared.double.log()
    }

    /// The mistakes of clients that were found.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// // … the program under test …
    /// assert!(server.findings().is_empty(), "{:?}", server.findings());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.shared.double.findings()
    }

    /// Faults, log, expectations and lints together.
    #[must_use]
    pub fn double(&self) -> &Double {
        &self.shared.double
    }

    /// Expects requests from now on, at least once or as often as [`Matcher::times`] says. Verified
    /// when the server is dropped, or by [`verify`](Self::verify).
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::cmd;
    ///
    /// let server = TestServer::start().unwrap();
    /// server.expect(cmd("set").key("user:*").times(1..));
    /// drop(server); // panics: it did not come
    /// ```
    pub fn expect(&self, expectation: impl Into<Expectation>) {
        self.shared.double.expect(expectation);
    }

    /// From now on requests that meet no expectation are a failure. Connections may come.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::{cmd, reads};
    ///
    /// let server = TestServer::start()?;
    /// server.expect(cmd("version").times(0..)); // clients ask it when they connect
    /// server.expect(reads().times(0..));
    /// server.expect_nothing_else();
    /// assert!(server.verify().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn expect_nothing_else(&self) {
        self.shared.double.expect_nothing_else();
    }

    /// Verifies all expectations now, and begins anew without any.
    ///
    /// # Errors
    ///
    /// [`Unmet`], with a sentence for each, and the request that came nearest.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::writes;
    ///
    /// let server = TestServer::start()?;
    /// server.expect(writes().times(1..));
    /// let unmet = server.verify().unwrap_err();
    /// assert_eq!(unmet.problems().len(), 1);
    /// assert!(server.verify().is_ok()); // it has been told
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn verify(&self) -> Result<(), Unmet> {
        self.shared.double.verify()
    }

    /// Waits until `n` requests have come that `matcher` means, those before the call included, for
    /// at most [`PATIENCE`] of real time. Returns them.
    ///
    /// # Errors
    ///
    /// [`TimedOut`], with what came instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::connects;
    /// use std::net::TcpStream;
    ///
    /// let server = TestServer::start()?;
    /// let _client = TcpStream::connect(server.addr())?;
    /// assert_eq!(server.wait_for(connects(), 1)?[0].connection, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for(&self, matcher: Matcher, n: usize) -> Result<Vec<Record>, TimedOut> {
        self.shared.double.log().wait_for(matcher, n)
    }

    /// Waits until there are exactly `n` connections, for at most [`PATIENCE`]. Returns whether there
    /// are.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use std::net::TcpStream;
    ///
    /// let server = TestServer::start()?;
    /// let _client = TcpStream::connect(server.addr())?;
    /// assert!(server.wait_for_connections(1));
    /// assert_eq!(server.connections(), [1]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn wait_for_connections(&self, n: usize) -> bool {
        self.shared.wait_for_connections(n, PATIENCE)
    }

    /// The numbers of the open connections.
    #[must_use]
    pub fn connections(&self) -> Vec<u64> {
        self.shared.open_connections()
    }

    /// Closes all connections. New ones are welcome.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use std::io::Read;
    /// use std::net::TcpStream;
    ///
    /// let server = TestServer::start()?;
    /// let mut client = TcpStream::connect(server.addr())?;
    /// assert!(server.wait_for_connections(1));
    /// server.kill_connections();
    /// let end = client.read(&mut [0; 1]);
    /// assert!(matches!(end, Ok(0) | Err(_)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill_connections(&self) {
        self.shared.kill(|_| true);
    }

    /// Closes one connection.
    pub fn kill_connection(&self, number: u64) {
        self.shared.kill(|other| other == number);
    }

    /// Stands still, as a stopped process does: connections are neither accepted nor answered.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    /// use std::time::Duration;
    ///
    /// let server = TestServer::start()?;
    /// server.pause();
    /// let mut client = TcpStream::connect(server.addr())?; // by the system, not the server
    /// client.write_all(b"version\r\n")?;
    /// client.set_read_timeout(Some(Duration::from_millis(1)))?;
    /// assert!(client.read(&mut [0; 16]).is_err());
    ///
    /// server.resume();
    /// client.set_read_timeout(None)?;
    /// client.read_exact(&mut [0; 16])?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pause(&self) {
        self.shared.set_paused(true);
    }

    /// Goes on after a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.shared.set_paused(false);
    }

    /// Waits until exactly `n` connections stall, for at most [`PATIENCE`]. Returns whether they do.
    ///
    /// A client may have half of an answer, and the log the request, a moment before the connection
    /// stalls.
    #[must_use]
    pub fn wait_for_stalled(&self, n: usize) -> bool {
        self.shared.wait_for_stalled(n, PATIENCE)
    }

    /// Lets the connections go on that stall at present: they write what is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::any;
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(any()).once().stall_after(4);
    /// let mut client = TcpStream::connect(server.addr())?;
    /// client.write_all(b"version\r\n")?;
    /// assert!(server.wait_for_stalled(1));
    /// // … does the program notice that it waits for too long? …
    /// server.release();
    /// client.read_exact(&mut [0; 16])?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn release(&self) {
        self.shared.release();
    }

    /// Stops: all connections are closed, all threads have ended, and whoever comes is refused. The
    /// items stay for a [`restart`](Self::restart). Without effect on a stopped server.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use std::net::TcpStream;
    ///
    /// let mut server = TestServer::start()?;
    /// server.stop();
    /// assert!(TcpStream::connect(server.addr()).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stop(&mut self) {
        if let Some(front) = self.front.take() {
            front.stop(&self.shared);
        }
    }

    /// Stops, and starts again on the same port.
    ///
    /// # Errors
    ///
    /// If somebody else has taken the port meanwhile, or there is no more thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::Keep;
    ///
    /// let mut server = TestServer::start()?;
    /// server.store().set("k", "value", 0, 0)?;
    /// server.restart(Keep::Data)?;
    /// assert_eq!(server.store().len(), 1);
    /// server.restart(Keep::Nothing)?;
    /// assert!(server.store().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restart(&mut self, keep: Keep) -> io::Result<()> {
        self.stop();
        if keep == Keep::Nothing {
            self.store().flush_all(0);
            self.shared.service.stats().reset(&self.store().stats());
        }
        self.front = Some(Front::start(front::listen(self.addr)?, &self.shared)?);
        Ok(())
    }

    /// All items, as they are between two requests.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// server.store().set("a", "1", 0, 0)?;
    /// let before = server.snapshot();
    /// server.store().delete("a")?;
    /// assert!(!before.diff(&server.snapshot()).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.double.undisturbed(|| Snapshot::of(self.store()))
    }

    /// Makes the items those of `snapshot`, with their stamps. An item that has expired since stays
    /// away, and locks are open. Returns how many items there are.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// server.store().set("a", "1", 0, 0)?;
    /// let before = server.snapshot();
    /// server.store().flush_all(0);
    /// assert_eq!(server.restore(&before), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(&self, snapshot: &Snapshot) -> usize {
        self.shared.double.undisturbed(|| snapshot.restore_to(self.store()))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        if self.verifies {
            verify_at_end(&self.shared.double);
        }
    }
}

/// Panics if something was expected and did not come, unless a panic is under way.
fn verify_at_end(double: &Double) {
    if let (Err(unmet), false) = (double.verify(), std::thread::panicking()) {
        panic!("{unmet}");
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("addr", &self.addr)
            .field("is_running", &self.front.is_some())
            .finish_non_exhaustive()
    }
}
