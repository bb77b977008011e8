//! memcached's protocols: what is asked, and the exact bytes of the answer.

#![expect(clippy::unwrap_used, reason = "the tables of a test are tests too")]

mod binary;
mod changes;
mod framing;
mod locks;
mod meta;
mod others;
mod packet;
mod retrieval;
mod script;
mod statistics;
mod storage;
