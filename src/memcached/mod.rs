//! memcached's protocols: what a connection answers, without a socket.
//!
//! A [`Connection`] takes bytes and gives bytes. It speaks the text, meta and binary protocols, told
//! apart by the first byte of a connection, and does no input or output itself; time comes from its
//! store's clock. Many connections share a [`Service`].
//!
//! Which memcached is spoken is a setting, [`Compat`]: they differ in what they take for a malformed
//! line, in a few meta flags, and in some texts.
//!
//! # Deviations
//!
//! What was compared, and how often, is a table: [`compatibility`]. The answers are memcached's to the
//! byte, but for what it does by accident or for what does not exist here:
//!
//! - An item that [expires at once](crate::bytes::Store) shows `t0`, where memcached shows a number
//!   near 2^32.
//! - After a key that is too long, 1.6.45 sends an empty line behind the error. Here there is none.
//! - A `get` line without an end may grow to 1 MiB, there without limit. Other lines end at 2048
//!   bytes, as there.
//! - `ma` with `T` on a number that becomes longer: there the new expiry time is lost.
//! - A `get` that is refused because one of its keys is too long does not lose the answers to requests
//!   before it; with more than 2 KiB of keys, it has read none of them.
//! - A second `flush_all` with a delay brings nothing back that the first has removed.
//! - Whether `incr` finds a number of 2^63 and more depends there on what lies behind it in memory.
//! - A counter keeps its width even while a `get` of it is on its way out.
//! - A wrong opaque is refused before anything is done; memcached notices it when it answers. Of several
//!   faults of a line it may be another that is named.
//! - `lru_crawler metadump` may be pipelined. `lru_crawler disable` does not forbid it.
//! - Stamps begin at 1024 and do not count up by one. They are unique, never zero, and rise
//!   for each key, unless a client chooses one.
//! - `watch`, `extstore` and `refresh_certs` have nothing to act on and are refused; what tunes slabs
//!   and the LRU is answered as there and changes nothing. All items are of size class 1.
//! - `stats` shows 0 for what does not exist, and has `caskade_version` besides. `get_expired` and
//!   `get_flushed` stay 0; what has expired is counted as `reclaimed` when it is noticed.
//!   `stats detail` keeps at most 10 000 prefixes and lists them in order.
//! - A whole line is needed before a connection is closed for speaking HTTP, whatever its first letter.
//!
//! Key locks, which only the binary protocol can take, are ours. What may not write a locked key is
//! told so: classic stores `EXISTS`, meta commands `EX`, all others `SERVER_ERROR key is locked`. Reads
//! show such an item with the stamp 18446744073709551615.
//!
//! # Examples
//!
//! ```
//! use caskade::memcached::{Connection, Output, Service};
//!
//! let service = Service::new();
//! let mut connection = Connection::new(&service);
//! let mut out = Output::new();
//! connection.feed(b"set k 0 0 5\r\nhello\r\nget k\r\n", &mut out);
//! assert_eq!(out.to_vec(), b"STORED\r\nVALUE k 0 5\r\nhello\r\nEND\r\n");
//! ```

mod binary;
#[doc = include_str!("compatibility.md")]
pub mod compatibility {}
mod connection;
#[cfg(any(feature = "test-server", feature = "server"))]
pub mod double;
mod output;
mod request;
#[cfg(feature = "server")]
pub mod server;
mod service;
mod stats;
#[cfg(feature = "test-server")]
pub mod test_server;
mod text;

pub use connection::{Connection, Flow};
pub use output::{Event, Output};
pub use request::{Intercept, Protocol, Request};
pub use service::{Compat, Config, Extension, Service};
#[cfg(feature = "test-server")]
pub use test_server::TestServer;
