//! The subjects, each behind [`Subject`](crate::Subject) in a file of its own.
//!
//! All hash with `ahash::RandomState`, none is given its size in advance unless it cannot work
//! without, and all are large enough never to evict.

mod caskade;
mod dashmap;
mod moka;
mod papaya;
mod quick_cache;
mod scc_index;
mod scc_map;

pub use caskade::Caskade;
pub use dashmap::DashMap;
pub use moka::Moka;
pub use papaya::Papaya;
pub use quick_cache::QuickCache;
pub use scc_index::SccIndex;
pub use scc_map::SccMap;

use crate::{NumberSubject, Payload, Subject};

/// Every subject for numbers, empty. `entries` is how many it will hold.
#[must_use]
pub fn numbers(entries: usize) -> Vec<Box<dyn NumberSubject>> {
    vec![
        Box::new(Caskade::new()),
        Box::new(Papaya::new()),
        Box::new(SccMap::new()),
        Box::new(SccIndex::new()),
        Box::new(DashMap::new()),
        Box::new(QuickCache::new(entries)),
        Box::new(Moka::new(entries)),
    ]
}

/// Every subject for values of another kind.
#[must_use]
pub fn with_values<V: Payload>(entries: usize) -> Vec<Box<dyn Subject<V>>> {
    vec![
        Box::new(Caskade::new()),
        Box::new(Papaya::new()),
        Box::new(SccMap::new()),
        Box::new(DashMap::new()),
        Box::new(QuickCache::new(entries)),
        Box::new(Moka::new(entries)),
    ]
}
