//! memcached's semantics over a [`Cache`](crate::Cache): byte strings with flags, and decimal counters.
//!
//! A [`Store`] does what memcached's commands do, with its results: how long an expiry time is, what
//! a counter does at the end of its range, what an item weighs, and what a store that fails leaves
//! behind. It speaks no protocol; that is what [`memcached`](crate::memcached) adds.
//!
//! # Examples
//!
//! ```
//! use caskade::bytes::Store;
//!
//! let store = Store::new();
//! store.set("greeting", "hello", 0, 60)?; // flags 0, for a minute
//! let hit = store.get("greeting")?.ok_or("gone")?;
//! assert_eq!(hit.value, "hello");
//! store.cas("greeting", "bye", 0, 60, hit.cas)?;
//!
//! store.set("visits", "41", 0, 0)?;
//! assert_eq!(store.increment("visits", 1)?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod decimal;
mod error;
mod exptime;
mod item;
mod requests;
mod store;

pub use builder::StoreBuilder;
pub use error::{Reason, StoreError};
pub use exptime::RELATIVE_LIMIT;
pub use item::ITEM_OVERHEAD;
pub use requests::{
    Count, Counted, Delete, Fetch, Fetched, Hit, LOCKED, Locked, Metadata, Mode, Put, Role, Stored,
    View,
};
pub use store::{ItemView, MAX_KEY, Store};
