//! [`Service`]: what all connections of a server share.

use std::fmt;
use std::sync::Arc;

use super::stats::Counters;
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
        }
    }
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
        Self { shared: Arc::new(Shared { store, config, stats: Counters::default() }) }
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
