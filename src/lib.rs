//! A concurrent in-process cache that does not lose updates.
//!
//! A [`Cache`] is a hash table cut into stripes. Reads take no lock. Every entry carries a version
//! stamp, a [`Cas`], that changes with every write; on it rest optimistic updates, key locks and
//! counters.
//!
//! * [Usage](#usage)
//! * [Updating without losing](#updating-without-losing)
//! * [Consistency](#consistency)
//! * [Locking keys](#locking-keys)
//! * [Expiry](#expiry)
//! * [Loading and invalidation](#loading-and-invalidation)
//! * [Bounds](#bounds)
//! * [Memory](#memory)
//! * [User code](#user-code)
//! * [Features](#features)
//! * [Names elsewhere](#names-elsewhere)
//!
//! # Usage
//!
//! ```
//! use caskade::Cache;
//!
//! let cache = Cache::new();
//! cache.insert(String::from("ada"), 36)?;
//! assert_eq!(cache.get("ada"), Some(36)); // a borrowed form of the key will do
//! assert_eq!(cache.remove("ada")?, Some(36));
//!
//! // A handle is cheap to clone and all handles share the entries.
//! let other = cache.clone();
//! std::thread::spawn(move || other.insert(String::from("bob"), 41)).join().unwrap()?;
//! assert!(cache.contains_key("bob"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Writes return a `Result`, because a key may be locked. What was refused comes back with the
//! error.
//!
//! Reads that stand alone clone the value. [`Cache::read`] shows it to a closure instead, and a
//! [`Session`] returns references and spares most of the cost of a read; [`Cache::get_many`] looks
//! many keys up at once.
//!
//! # Updating without losing
//!
//! Read, compute, write: if two threads do that at once, one result is lost. There are four ways
//! around it, from the cheapest to the strongest:
//!
//! * a counter: [`increment`](Cache::increment) and its relatives;
//! * a closure under the key's stripe lock: [`update`](Cache::update). Runs once, must be short;
//! * an optimistic update: [`get_with_cas`](Cache::get_with_cas), compute outside all locks,
//!   [`compare_and_swap`](Cache::compare_and_swap), again if somebody was faster.
//!   [`fetch_update`](Cache::fetch_update) is that loop, with bounded attempts, growing pauses and,
//!   if wanted, a key lock after too many losses;
//! * a key lock: [`get_and_lock`](Cache::get_and_lock), for work that takes time or must not be
//!   repeated.
//!
//! They can be mixed freely: all writes of a key are serialised, whatever method they came through.
//!
//! # Consistency
//!
//! Every operation on one key takes effect at one instant between its call and its return
//! (it is linearizable). Everything the writer of a value did before the write is visible to
//! whoever reads the value. A value and a stamp that are returned together belong to the same
//! write.
//!
//! Operations on several keys are not atomic: [`get_many`](Cache::get_many) and sessions look keys
//! up one by one, [`clear`](Cache::clear) goes stripe by stripe, [`len`](Cache::len) adds up
//! stripes. [`iter`](Cache::iter) sees an entry that is there all the while exactly once, and one
//! that comes, goes or changes meanwhile in its old state, its new state or not at all.
//! [`retain`](Cache::retain) and [`drain`](Cache::drain) walk in the same way; each of their removals
//! is an operation of its own.
//!
//! # Locking keys
//!
//! A [`KeyLock`] gives exclusive write access to one entry for a limited time: 15 seconds unless
//! said otherwise, and at most that unless the builder raises it. Others read the entry as before
//! but get no stamp, and their writes are refused with the time left. It is a token, not a guard: it
//! holds nothing inside the cache, can be sent to another thread or taken apart into a [`Cas`], and
//! if it is lost the key opens by itself.
//!
//! A lock does not change the version: after an unlock or a lapse the entry has the stamp it had
//! before. After a lapse the token is still good for one conditional write, as long as nobody has
//! written or locked the key since. Expiry beats a lock.
//!
//! # Expiry
//!
//! Every write can say how long the entry lives ([`Expiry`]); [`CacheBuilder::time_to_live`] sets
//! what holds if it does not, [`CacheBuilder::expiry_policy`] chooses by key and value, and
//! [`CacheBuilder::time_to_idle`] ends entries that nobody uses. From its deadline on an entry is
//! absent for every caller. Its memory goes soon after: whoever writes takes a few expired entries
//! out, and [`Cache::expire_due`] takes all of them. Time comes from a [`Clock`], in tests a
//! [`ManualClock`].
//!
//! # Loading and invalidation
//!
//! [`get_or_load`](Cache::get_or_load) and its relatives load what is absent: each key once at a time,
//! while all others who want it wait. [`Cache::lookup`] and [`Cache::fill`] are for those who do so by
//! hand, [`Cache::mark`] and [`Cache::fill_since`] for those who read in a database snapshot.
//!
//! Whoever changes the database afterwards invalidates what he changed
//! ([`invalidate`](Cache::invalidate), [`invalidate_many`](Cache::invalidate_many),
//! [`invalidate_all`](Cache::invalidate_all), [`invalidate_if`](Cache::invalidate_if), or a
//! [`Transaction`] that does so on commit). What was read before that and comes late is refused: a
//! stripe remembers for its keys the stamp below which a fill is too late. Keys share 64 such floors
//! in each stripe, so that a fill is refused in vain now and then; none is let in that should not be.
//! A [`Fence`] covers the moment between the database's commit and the invalidation as well. The
//! module [`database`] tells the whole story, with what can go wrong and which to pick.
//!
//! Removals and writes count as invalidations, and so do [`clear`](Cache::clear),
//! [`retain`](Cache::retain) and [`drain`](Cache::drain). An entry that was written and then evicted, or
//! has expired, leaves its stamp behind. What this cannot know is a change that nobody reports.
//!
//! With [`grace`](CacheBuilder::grace) or [`refresh_ahead`](CacheBuilder::refresh_ahead) a value that
//! should be loaded anew, or was [marked stale](Cache::mark_stale), is served to all but the one who
//! loads it.
//!
//! # Bounds
//!
//! A cache built with [`max_entries`](CacheBuilder::max_entries) or
//! [`max_weight`](CacheBuilder::max_weight) holds no more than that at any instant. Whoever inserts
//! into a full cache makes room first, within the key's own stripe, so that no insert waits for
//! another stripe. The bound is divided among the stripes; a value too heavy for its stripe's share
//! gets some of the others'.
//!
//! Who goes is decided by how lately and how often entries were used, with a memory of keys that
//! went before, so that neither a scan nor a burst drives out what is used again and again. A locked
//! entry goes only when there is no other in its stripe, an entry of weight zero never does.
//! [`CacheBuilder::removal_listener`] is told of whatever leaves.
//!
//! What has been removed and cannot be dropped yet, because somebody might still look at it, is
//! memory as well. Writers see to it that it is no more than about an eighth of the bound. A
//! [`Session`] that stays open can make it more ([`Stats::waiting_weight`]); writers do not wait for
//! it for long.
//!
//! # Memory
//!
//! An entry takes one allocation with 24 bytes beside key and value (values of up to 16 bytes count
//! 16), and between 11 and 17 bytes in its stripe's table, depending on when that last grew; stripes
//! grow out of step, so that 14 is the mean. That makes 62 bytes for `u64` to `u64`. Numbers of up
//! to 64 bits, `bool` and `char` as values change in place; any other value is replaced with its
//! node when it is overwritten. What was removed is dropped when no reader can see it any more, in
//! batches, by the threads that write; [`Cache::reclaim`] does it now.
//!
//! In a full bounded cache the table takes about 18 bytes an entry and eviction 19 to 21, with a
//! weigher 10 to 14 beyond that. An entry with a deadline takes 14 to 22 bytes. [`Stats`] has the sums.
//!
//! # User code
//!
//! `Hash`, `Eq`, `Clone` and closures may panic: the panic reaches the caller, the entry is as it
//! was, and nothing is poisoned. A panic in `Drop` of a value that is dropped later, by whatever
//! thread, and in a waker, is swallowed. Inside [`update`](Cache::update)'s closure the cache can be
//! read, where deadlines are judged by the clock alone; writes of any cache are refused there, and
//! [`clear`](Cache::clear), [`retain`](Cache::retain), [`drain`](Cache::drain),
//! [`reclaim`](Cache::reclaim), [`shrink_to_fit`](Cache::shrink_to_fit), [`stats`](Cache::stats),
//! [`stripe_loads`](Cache::stripe_loads) and [`lock_remaining`](Cache::lock_remaining), which have no
//! error to return, panic, as do the invalidations. Loaders run there, but nothing is stored.
//!
//! # Features
//!
//! None is on by default, and none costs anything where it is not used.
//!
//! | feature | adds | dependency |
//! |---|---|---|
//! | `serde` | `Cache::snapshot` and `Cache::restore`: entries with versions and remaining lives | serde |
//! | `metrics` | `Stats::record_metrics`: the statistics as metrics | metrics |
//! | `bytes` | `bytes::Store`: memcached's semantics for byte strings | bytes |
//! | `memcached` | `memcached::Connection`: its three protocols, without sockets | base64, itoa, memchr |
//! | `test-server` | `memcached::TestServer`: memcached in your tests | socket2 |
//! | `server` | the binary `caskade-server`, see `memcached::server` | clap, rustix, serde_json, socket2, tokio |
//! | `tls` | its switch `-Z` | tokio-rustls |
//!
//! # Names elsewhere
//!
//! | caskade | memcached | Couchbase |
//! |---|---|---|
//! | [`get`](Cache::get), [`get_many`](Cache::get_many) | `get` | get |
//! | [`get_with_cas`](Cache::get_with_cas) | `gets` | get |
//! | [`get_if_changed`](Cache::get_if_changed) | `mg` with `C` | |
//! | [`insert`](Cache::insert) | `set` | upsert |
//! | [`add`](Cache::add) | `add` | insert |
//! | [`replace`](Cache::replace) | `replace` | replace |
//! | [`compare_and_swap`](Cache::compare_and_swap) | `cas` | replace with CAS |
//! | [`remove`](Cache::remove), [`discard`](Cache::discard) | `delete` | remove |
//! | [`compare_and_remove`](Cache::compare_and_remove) | `md` with `C` | remove with CAS |
//! | [`touch`](Cache::touch), [`get_and_touch`](Cache::get_and_touch) | `touch`, `gat` | touch, getAndTouch |
//! | [`increment`](Cache::increment), [`decrement`](Cache::decrement) | `incr`, `decr` | increment, decrement |
//! | [`get_and_lock`](Cache::get_and_lock), [`unlock`](Cache::unlock) | | getAndLock, unlock |
//! | [`mark_stale`](Cache::mark_stale) | `md` with `I` | |
//! | [`clear`](Cache::clear) | `flush_all` | flush |

mod builder;
#[cfg(feature = "bytes")]
pub mod bytes;
mod cache;
mod counter;
#[doc = include_str!("database.md")]
pub mod database {}
mod epoch;
mod error;
mod expiry;
mod fence;
mod fill;
mod hash;
mod iter;
mod key_lock;
#[cfg(feature = "memcached")]
pub mod memcached;
mod policy;
mod put;
mod raw;
#[cfg(feature = "metrics")]
mod recording;
mod removal;
mod retry;
mod session;
#[cfg(feature = "serde")]
mod snapshot;
mod stamp;
mod stats;
mod store;
mod swallow;
mod sync;
mod time;
mod transaction;
mod update;
mod usage;
mod versioned;
mod wheel;

pub use builder::CacheBuilder;
pub use cache::Cache;
pub use counter::Counter;
pub use equivalent::Equivalent;
pub use error::{
    BuildError, CounterError, LockError, Refusal, RetryError, UnlockError, WriteError,
};
pub use expiry::Expiry;
pub use fence::Fence;
pub use fill::{FillToken, Loaded, Lookup, Mark};
pub use iter::{Drain, Iter};
pub use key_lock::KeyLock;
pub use put::Put;
pub use removal::{Cause, Removal};
pub use retry::Retry;
pub use session::{Ref, Session, SessionIter};
#[cfg(feature = "serde")]
pub use snapshot::{RestoreError, Restored, Snapshot};
pub use stamp::{Cas, InvalidCas};
pub use stats::{Stats, StripeLoad};
pub use time::{Clock, ManualClock, SystemClock};
pub use transaction::Transaction;
pub use update::{Retried, Update, Updated};
pub use versioned::{Reread, Versioned};

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
