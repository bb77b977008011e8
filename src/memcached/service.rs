//! [`Service`]: what all connections of a server share.

use std::fmt;
use std::sync::Arc;

use super::stats::Counters;
use super::{Output, Protocol};
use crate::bytes::Store;

/// Which memcached is spoken.
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
/// use caskade::memcached::{Compat, Config, Connection, Output, Service};
///
/// let mut config = Config::default();
/// config.compat = Compat::V1_6_45;
/// let service = Service::with(Store::new(), config);
/// let mut out = Output::new();
/// let _ = Connection::new(&service).feed(b"version\r\n", &mut out);
/// assert_eq!(out.to_vec(), b"VERSION 1.6.45\r\n");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Compat {
    /// memcached 1.6.18, of January 2023.
    #[default]
    V1_6_18,
    /// memcached 1.6.45, of July 2026.
    V1_6_45,
}

impl Compat {
    /// What the command `version` answers.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Compat;
    ///
    /// assert_eq!(Compat::default().version(), "1.6.18");
    /// ```
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::V1_6_18 => "1.6.18",
            Self::V1_6_45 => "1.6.45",
        }
    }
}

/// What a server allows.
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
/// use caskade::memcached::{Config, Connection, Output, Service};
///
/// let mut config = Config::default(); // settings may be added: it has no literal outside the crate
/// config.flush = false;
/// let service = Service::with(Store::new(), config);
/// let mut out = Output::new();
/// let _ = Connection::new(&service).feed(b"flush_all\r\n", &mut out);
/// assert_eq!(out.to_vec(), b"CLIENT_ERROR flush_all not allowed\r\n");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Which memcached is spoken.
    pub compat: Compat,
    /// Whether `flush_all` is allowed.
    pub flush: bool,
    /// Whether items have stamps on the wire.
    pub cas: bool,
    /// How many connections a server takes; shown by `stats`.
    pub max_connections: u32,
    /// How many threads serve them; shown by `stats`.
    pub threads: u32,
    /// The port, shown by `stats settings`.
    pub port: u16,
    /// After how many seconds in which nothing comes a server closes a connection, 0 for never; shown
    /// by `stats`.
    pub idle_timeout: u32,
    /// The only protocol that is spoken; `None` to tell by the first byte.
    pub protocol: Option<Protocol>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            compat: Compat::default(),
            flush: true,
            cas: true,
            max_connections: 1024,
            threads: 4,
            port: 11211,
            idle_timeout: 0,
            protocol: None,
        }
    }
}

/// Text commands beyond memcached's.
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
/// use caskade::memcached::{Config, Connection, Extension, Output, Service};
/// use std::sync::Arc;
///
/// struct Ping;
///
/// impl Extension for Ping {
///     fn command(&self, words: &[&[u8]], out: &mut Output) -> bool {
///         let is_known = words == [b"ping"];
///         if is_known {
///             out.push(b"PONG\r\n");
///         }
///         is_known
///     }
/// }
///
/// let service = Service::with_extension(Store::new(), Config::default(), Arc::new(Ping));
/// let mut out = Output::new();
/// let _ = Connection::new(&service).feed(b"ping\r\npong\r\n", &mut out);
/// assert_eq!(out.to_vec(), b"PONG\r\nERROR\r\n");
/// ```
pub trait Extension: Send + Sync {
    /// Somebody has sent a line that begins with no command of memcached's. Whoever knows it appends
    /// an answer and says so; for the others there is `ERROR`.
    fn command(&self, words: &[&[u8]], out: &mut Output) -> bool;
}

/// A store with its settings and its statistics, shared by all connections to it.
///
/// A handle is cheap to clone, and all clones share everything.
///
/// # Concurrency
///
/// May be used by many threads at once. Connections share nothing but the store and sums of
/// statistics, which each adds to once for all requests that came together.
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
/// use caskade::memcached::{Config, Connection, Output, Service};
///
/// let store = Store::builder().memory_limit(16 << 20).build()?;
/// let service = Service::with(store, Config::default());
/// let mut out = Output::new();
/// let _ = Connection::new(&service).feed(b"set k 0 0 5\r\nvalue\r\n", &mut out);
/// assert_eq!(service.store().get("k")?.map(|hit| hit.value), Some("value".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    config: Config,
    stats: Counters,
    extension: Option<Arc<dyn Extension>>,
}

impl Service {
    /// A service over a new store, with default settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Service;
    ///
    /// assert!(Service::new().store().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with(Store::new(), Config::default())
    }

    /// A service over `store`.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::bytes::Store;
    /// use caskade::memcached::{Config, Service};
    ///
    /// let store = Store::builder().evicts(false).build()?;
    /// let service = Service::with(store.clone(), Config::default()); // the program keeps a handle
    /// store.set("k", "value", 0, 0)?;
    /// assert_eq!(service.store().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with(store: Store, config: Config) -> Self {
        Self::of(store, config, None)
    }

    /// A service over `store` with commands of its own.
    ///
    /// See [`Extension`] for an example.
    #[must_use]
    pub fn with_extension(store: Store, config: Config, extension: Arc<dyn Extension>) -> Self {
        Self::of(store, config, Some(extension))
    }

    fn of(store: Store, config: Config, extension: Option<Arc<dyn Extension>>) -> Self {
        let stats = Counters::default();
        Self { shared: Arc::new(Shared { store, config, stats, extension }) }
    }

    /// The store.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Service;
    ///
    /// let service = Service::new();
    /// service.store().set("k", "value", 0, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Service;
    ///
    /// assert_eq!(Service::new().config().port, 11211);
    /// ```
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(super) fn stats(&self) -> &Counters {
        &self.shared.stats
    }

    pub(super) fn extension(&self) -> Option<&dyn Extension> {
        self.shared.extension.as_deref()
    }
}

impl Default for Service {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("config", self.config()).finish_non_exhaustive()
    }
}
