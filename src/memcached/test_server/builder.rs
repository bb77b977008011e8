//! [`TestServerBuilder`]: every setting of a test server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use super::front::{self, Front, Shared};
use super::{Cluster, TestServer};
use crate::bytes::{Store, StoreBuilder};
use crate::memcached::double::{Double, Lint, Strict};
use crate::memcached::{Compat, Config, Service};
use crate::time::ManualClock;

/// Builds a [`TestServer`] or a [`Cluster`].
///
/// # Examples
///
/// ```
/// use caskade::ManualClock;
/// use caskade::memcached::test_server::Strict;
/// use caskade::memcached::{Compat, TestServer};
///
/// let server = TestServer::builder()
///     .compat(Compat::V1_6_45)
///     .clock(ManualClock::new()) // frozen from the start
///     .strict(Strict::Fail)
///     .start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub struct TestServerBuilder {
    addr: SocketAddr,
    config: Config,
    clock: Option<ManualClock>,
    store: Box<dyn Fn(StoreBuilder) -> StoreBuilder + Send + Sync>,
    strict: Strict,
    lints: Vec<(Lint, bool)>,
    log_capacity: Option<usize>,
}

impl TestServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            addr: (Ipv4Addr::LOCALHOST, 0).into(),
            config: Config::default(),
            clock: None,
            store: Box::new(|builder| builder),
            strict: Strict::default(),
            lints: Vec::new(),
            log_capacity: None,
        }
    }

    /// Where to listen. Default: a free port of 127.0.0.1.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use std::net::SocketAddr;
    ///
    /// let any_port: SocketAddr = "127.0.0.1:0".parse()?;
    /// let server = TestServer::builder().addr(any_port).start()?;
    /// assert_ne!(server.addr().port(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn addr(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.addr = addr.into();
        self
    }

    /// Which memcached is spoken.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Compat, TestServer};
    ///
    /// let server = TestServer::builder().compat(Compat::V1_6_45).start()?;
    /// assert_eq!(server.service().config().compat.version(), "1.6.45");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn compat(mut self, compat: Compat) -> Self {
        self.config.compat = compat;
        self
    }

    /// What the server allows. Takes the place of [`compat`](Self::compat).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Config, TestServer};
    ///
    /// let mut config = Config::default();
    /// config.flush = false; // flush_all is refused
    /// let server = TestServer::builder().config(config).start()?;
    /// # drop(server);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The clock, frozen or running as it is. Default: one that follows real time.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::ManualClock;
    /// use caskade::memcached::TestServer;
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new(); // stands still, and the program under test may have it as well
    /// let server = TestServer::builder().clock(clock.clone()).start()?;
    /// server.store().set("k", "value", 0, 10)?;
    /// clock.advance(Duration::from_secs(10));
    /// assert_eq!(server.store().get("k")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The settings of the store; its clock is the server's.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::builder()
    ///     .store(|store| store.memory_limit(8 << 20).unix_start(1_000_000_000))
    ///     .start()?;
    /// assert_eq!(server.store().unix_time(), 1_000_000_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn store(
        mut self,
        settings: impl Fn(StoreBuilder) -> StoreBuilder + Send + Sync + 'static,
    ) -> Self {
        self.store = Box::new(settings);
        self
    }

    /// What becomes of mistakes. Default: they are collected.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::Strict;
    ///
    /// let server = TestServer::builder().strict(Strict::Fail).start()?;
    /// drop(server); // nothing was found
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn strict(mut self, strict: Strict) -> Self {
        self.strict = strict;
        self
    }

    /// Does not look for this mistake.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::test_server::{Lint, Strict};
    ///
    /// let server = TestServer::builder().strict(Strict::Fail).allow(Lint::UnusedStamp).start()?;
    /// # drop(server);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn allow(mut self, lint: Lint) -> Self {
        self.lints.push((lint, false));
        self
    }

    /// Looks for this mistake, if it is one that usually is not looked for.
    pub fn deny(mut self, lint: Lint) -> Self {
        self.lints.push((lint, true));
        self
    }

    /// How many requests the log keeps. Default: the last ten thousand.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::builder().log_capacity(1_000_000).start()?; // for a long test
    /// # drop(server);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn log_capacity(mut self, records: usize) -> Self {
        self.log_capacity = Some(records);
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    ///
    /// If the port is taken, there are no more threads, or the store's settings do not fit.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use std::net::TcpStream;
    ///
    /// let server = TestServer::builder().start()?;
    /// assert!(TcpStream::connect(server.addr()).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start(self) -> io::Result<TestServer> {
        let this = self.with_clock();
        let mut server = this.start_node(&this.double(), 0)?;
        server.verifies = true;
        Ok(server)
    }

    /// Starts several servers with one clock and one log.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Compat, TestServer};
    ///
    /// let cluster = TestServer::builder().compat(Compat::V1_6_45).start_cluster(3)?;
    /// assert_eq!(cluster.addrs().len(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start_cluster(self, count: usize) -> io::Result<Cluster> {
        Cluster::build(&self.with_clock(), count)
    }

    /// With a clock, by default one that runs.
    fn with_clock(mut self) -> Self {
        self.clock.get_or_insert_with(|| {
            let clock = ManualClock::new();
            clock.resume();
            clock
        });
        self
    }

    pub(super) fn present_clock(&self) -> ManualClock {
        self.clock.clone().unwrap_or_default()
    }

    pub(super) fn double(&self) -> Double {
        let double = Double::new(self.present_clock());
        double.set_strict(self.strict);
        for &(lint, is_active) in &self.lints {
            double.set_lint(lint, is_active);
        }
        if let Some(records) = self.log_capacity {
            double.set_log_capacity(records);
        }
        double
    }

    /// Starts one server; nobody verifies its expectations yet.
    pub(super) fn start_node(&self, double: &Double, node: usize) -> io::Result<TestServer> {
        let clock = self.present_clock();
        let store = (self.store)(Store::builder()).clock(clock.clone()).build();
        let store = store.map_err(io::Error::other)?;
        let listener = front::listen(self.addr)?;
        let addr = listener.local_addr()?;
        let mut config = self.config;
        config.port = addr.port();
        let shared = Shared::new(Service::with(store, config), double.clone(), node).into();
        let front = Front::start(listener, &shared)?;
        Ok(TestServer { addr, clock, shared, front: Some(front), verifies: false })
    }
}

impl std::fmt::Debug for TestServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestServerBuilder")
            .field("addr", &self.addr)
            .field("config", &self.config)
            .field("strict", &self.strict)
            .finish_non_exhaustive()
    }
}
