//! The test server over real sockets: each fault, the log, expectations, lints, restarts, snapshots.

mod client;
mod clock;
mod expectations;
mod faults;
mod lints;
mod rules;
mod sockets;
