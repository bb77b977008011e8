//! The subjects, each in a file of its own.

mod caskade;
mod dashmap;
#[cfg(feature = "async_peers")]
mod foyer;
mod moka;
#[cfg(feature = "async_peers")]
mod moka_future;
mod naive;
mod papaya;
mod quick_cache;

use crate::subject::Kind;

pub(crate) const CASKADE: Kind = Kind { name: "caskade", build: caskade::build };
pub(crate) const NAIVE: Kind = Kind { name: "naive", build: naive::build };

/// One in which the row is there and due for a refresh.
#[cfg(test)]
pub(crate) const CASKADE_STALE: Kind =
    Kind { name: "caskade, a stale row", build: caskade::build_stale };

/// All of them, in the order of the table.
pub(crate) const KINDS: &[Kind] = &[
    CASKADE,
    Kind { name: "moka", build: moka::build },
    #[cfg(feature = "async_peers")]
    Kind { name: "moka::future", build: moka_future::build },
    Kind { name: "quick_cache", build: quick_cache::build },
    #[cfg(feature = "async_peers")]
    Kind { name: "foyer", build: foyer::build },
    Kind { name: "papaya", build: papaya::build },
    Kind { name: "dashmap", build: dashmap::build },
    NAIVE,
];
