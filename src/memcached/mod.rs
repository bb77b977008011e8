//! memcached's protocols: what a connection answers, without a socket.
//!
//! A [`Connection`] takes bytes and gives bytes. It speaks the text, meta and binary protocols, told
//! apart by the first byte of a connection, and does no input or output itself; time comes from its
//! store's clock. Many connections share a [`Service`].
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
