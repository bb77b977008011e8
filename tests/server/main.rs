//! The binary `caskade-server`, as a process of its own: how it starts, what it refuses, how much it
//! lets clients take, and how it ends.
//!
//! Nothing here waits for a time: each step is answered or ends, and time-outs are there to fail.

mod comparing;
mod control;
mod ending;
mod limits;
mod process;
mod starting;
#[cfg(feature = "tls")]
mod tls;
