//! [`Service`]: what all connections of a server share.

use std::fmt;
use std::sync::Arc;

use super::stats::Counters;
use super::{Output, Protocol};
use crate::bytes::Store;

/// Which memcached is spoken.
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
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::V1_6_18 => "1.6.18",
            Self::V1_6_45 => "1.6.45",
        }
    }
}

/// What a server allows.
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
            protocol: None,
        }
    }
}

/// Commands beyond memcached's own.
pub trait Extension: Send + Sync {
    /// A line of the text protocol has come whose first word is no command of memcached's. Appends
    /// the answer and returns true, or returns false if it is none of its own either.
    fn command(&self, words: &[&[u8]], out: &mut Output) -> bool;
}

/// A store with its settings and its statistics, shared by all connections to it.
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    config: Config,
    stats: Counters,
    extension: Option<Box<dyn Extension>>,
}

impl Service {
    /// A service over a new store, with default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Store::new(), Config::default())
    }

    /// A service over `store`.
    #[must_use]
    pub fn with(store: Store, config: Config) -> Self {
        Self::from_parts(store, config, None)
    }

    /// A service over `store` with commands beyond memcached's.
    #[must_use]
    pub fn extended(store: Store, config: Config, extension: impl Extension + 'static) -> Self {
        Self::from_parts(store, config, Some(Box::new(extension)))
    }

    fn from_parts(store: Store, config: Config, extension: Option<Box<dyn Extension>>) -> Self {
        Self { shared: Arc::new(Shared { store, config, stats: Counters::default(), extension }) }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Offers a line that is no command of memcached's to the extension, if there is one.
    pub(super) fn extend(&self, words: &[&[u8]], out: &mut Output) -> bool {
        let extension = self.shared.extension.as_ref();
        extension.is_some_and(|extension| extension.command(words, out))
    }

    pub(super) fn stats(&self) -> &Counters {
        &self.shared.stats
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
