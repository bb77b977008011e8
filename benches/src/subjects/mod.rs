//! The subjects, each behind [`Subject`] in a file of its own.
//!
//! All hash with `ahash::RandomState`. Those in [`NUMBERS`] and [`STRINGS`] are not given their size
//! in advance unless they cannot work without, and are large enough never to evict. Those of
//! [`limited`] evict.

mod caskade;
mod dashmap;
mod lru;
mod moka;
mod papaya;
mod quick_cache;
mod scc_index;
mod scc_map;

pub use caskade::Caskade;
pub use dashmap::DashMap;
pub use lru::Lru;
pub use moka::{Moka, TidyMoka};
pub use papaya::Papaya;
pub use quick_cache::QuickCache;
pub use scc_index::SccIndex;
pub use scc_map::SccMap;

use crate::{Limited, NumberSubject, Payload, Subject, ours};

/// One kind of subject: its name and how to make an empty one for so many entries.
#[derive(Debug)]
pub struct Kind<T: ?Sized> {
    /// What the tables call it.
    pub name: &'static str,
    /// An empty subject for this many entries.
    pub new: fn(usize) -> Box<T>,
}

/// Every subject, with numbers for values. caskade comes first.
pub static NUMBERS: [Kind<dyn NumberSubject>; 7] = [
    Kind { name: "caskade", new: |_| Box::new(Caskade::new()) },
    Kind { name: "papaya", new: |_| Box::new(Papaya::new()) },
    Kind { name: "scc HashMap", new: |_| Box::new(SccMap::new()) },
    Kind { name: "scc HashIndex", new: |_| Box::new(SccIndex::new()) },
    Kind { name: "dashmap", new: |_| Box::new(DashMap::new()) },
    Kind { name: "quick_cache", new: |entries| Box::new(QuickCache::new(entries)) },
    Kind { name: "moka", new: |entries| Box::new(Moka::new(entries)) },
];

/// Every subject, with 100-byte strings for values. caskade comes first.
pub static STRINGS: [Kind<dyn Subject<String>>; 6] = [
    Kind { name: "caskade", new: |_| Box::new(Caskade::new()) },
    Kind { name: "papaya", new: |_| Box::new(Papaya::new()) },
    Kind { name: "scc HashMap", new: |_| Box::new(SccMap::new()) },
    Kind { name: "dashmap", new: |_| Box::new(DashMap::new()) },
    Kind { name: "quick_cache", new: |entries| Box::new(QuickCache::new(entries)) },
    Kind { name: "moka", new: |entries| Box::new(Moka::new(entries)) },
];

/// One kind of cache with a limit.
#[derive(Debug)]
pub struct LimitedKind<V: Payload> {
    /// What the tables call it.
    pub name: &'static str,
    /// An empty cache that holds so many entries.
    pub new: fn(usize) -> Box<dyn Limited<V>>,
    /// Whether it is bound to hold no more than that at any moment.
    pub strict: bool,
}

/// Every cache with a limit, as their users get them. caskade comes first.
#[must_use]
pub fn limited<V: Payload>() -> [LimitedKind<V>; 3] {
    [
        LimitedKind {
            name: ours::NAME,
            new: |capacity| Box::new(Caskade::limited(capacity)),
            strict: true,
        },
        LimitedKind {
            name: "quick_cache",
            new: |capacity| Box::new(QuickCache::limited(capacity)),
            strict: false,
        },
        LimitedKind {
            name: "moka",
            new: |capacity| Box::new(Moka::limited(capacity)),
            strict: false,
        },
    ]
}
