//! crate docs to come

mod builder;
mod cache;
mod counter;
mod epoch;
mod error;
mod expiry;
mod hash;
mod iter;
mod key_lock;
mod put;
mod raw;
mod retry;
mod session;
mod stamp;
mod stats;
mod store;
mod sync;
mod time;
mod update;
mod versioned;

pub use builder::CacheBuilder;
pub use cache::Cache;
pub use counter::Counter;
pub use equivalent::Equivalent;
pub use error::{
    BuildError, CounterError, LockError, Refusal, RetryError, UnlockError, WriteError,
};
pub use expiry::Expiry;
pub use iter::Iter;
pub use key_lock::KeyLock;
pub use put::Put;
pub use retry::Retry;
pub use session::{Ref, Session, SessionIter};
pub use stamp::{Cas, InvalidCas};
pub use stats::Stats;
pub use time::{Clock, ManualClock, SystemClock};
pub use update::{Update, Updated};
pub use versioned::{Reread, Versioned};
