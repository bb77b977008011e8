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

use crate::{NumberSubject, Subject};

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
