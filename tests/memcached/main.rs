//! memcached's protocols: what is asked, and the exact bytes of the answer.

mod changes;
mod framing;
mod meta;
mod others;
mod retrieval;
mod script;
mod statistics;
mod storage;
