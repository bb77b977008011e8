//! What a connection answers, to the byte.

#![expect(clippy::unwrap_used, reason = "the tables of a test are tests too")]

mod binary;
mod locks;
mod packet;
