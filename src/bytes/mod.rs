//! memcached's semantics over a [`Cache`](crate::Cache): byte strings with flags, and decimal counters.
//!
//! A [`Store`] does what memcached's commands do, with its results: how long an expiry time is, what
//! a counter does at the end of its range, what an item weighs, and what a store that fails leaves
//! behind. It speaks no protocol; that is what the module `memcached` adds.
//!
//! A store holds 64 MiB and evicts beyond that, unless it is [built](StoreBuilder) otherwise. Each
//! operation has a short form ([`get`](Store::get), [`set`](Store::set), [`delete`](Store::delete),
//! [`increment`](Store::increment), …) and there are four full ones with everything that memcached's
//! meta commands can say: [`put`](Store::put), [`fetch`](Store::fetch), [`remove`](Store::remove) and
//! [`count`](Store::count). Keys are whatever is `AsRef<[u8]>`, values whatever is
//! `Into<`[`Bytes`](::bytes::Bytes)`>`: texts, vectors and static slices. Any other slice wants
//! `to_owned()`, or `Bytes::copy_from_slice`.
//!
//! What is refused is a [`StoreError`]: it has a [`Reason`], and gives back the value that was not
//! stored. A look-up that finds nothing is no error.
//!
//! # Updating without losing
//!
//! Read with the stamp, compute, store on condition that the stamp is the same, again if somebody was
//! faster:
//!
//! ```
//! use caskade::bytes::{Reason, Store, StoreError};
//!
//! fn add_word(store: &Store, key: &str, word: &str) -> Result<u64, StoreError> {
//!     loop {
//!         let Some(hit) = store.get(key)? else {
//!             match store.add(key, word.to_owned(), 0, 0) {
//!                 Err(error) if error.reason() == Reason::Exists => continue,
//!                 added => return added,
//!             }
//!         };
//!         let words = [&hit.value[..], b" ", word.as_bytes()].concat();
//!         match store.cas(key, words, hit.flags, 0, hit.cas) {
//!             Err(error) if error.reason() == Reason::Changed => {}
//!             stored => return stored,
//!         }
//!     }
//! }
//!
//! let store = Store::new();
//! add_word(&store, "log", "one")?;
//! add_word(&store, "log", "two")?;
//! assert_eq!(store.get("log")?.map(|hit| hit.value), Some("one two".into()));
//! # Ok::<(), StoreError>(())
//! ```
//!
//! Each of these writes says anew when the item expires; here never. If the item is locked, the write
//! is refused with [`Reason::Locked`], which tells for how long. For
//! work that takes time there is [`get_and_lock`](Store::get_and_lock), for numbers
//! [`increment`](Store::increment), to lengthen a value [`append`](Store::append).
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
