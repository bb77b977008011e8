//! What the benchmarks of caskade share: the subjects, the keys and the stop-watch.
//!
//! * [`subjects`]: caskade and its peers behind one trait, [`Subject`], each in a file of its own.
//! * [`keys`]: key sets and access patterns with fixed seeds, drawn before anything is timed.
//! * [`measure`]: threads pinned to cores, started together, and rounds that are thrown away if
//!   they did not really run side by side.
//! * [`task`]: what is done to a subject while time is taken, and how to tell that it was done right.
//! * [`table`]: races of several contestants and the Markdown tables that come out.
//! * [`ours`]: the one place that knows how a caskade with a limit is built.
//! * [`trace`], [`made_up`]: recorded requests and requests that were never recorded.
//! * [`replay`], [`optimum`]: what a cache, and the best possible one, make of them.
//!
//! Every program that measures time uses mimalloc as its allocator, and every subject hashes with
//! `ahash::RandomState`. Numbers are comparable within one run of one program only.
//!
//! This crate holds no assertion about speed. Whether a number is good is decided by whoever reads
//! the tables (`full_cache` and `hit_ratio` print goals beside them), except for memory (`src/bin/memory.rs`) and instructions (`instructions.sh`), which
//! do not depend on the machine's mood.

pub mod keys;
pub mod made_up;
pub mod measure;
pub mod optimum;
pub mod ours;
pub mod replay;
pub mod subject;
pub mod subjects;
pub mod table;
pub mod task;
pub mod trace;

pub use subject::{Limited, NumberSubject, Payload, Subject};
pub use task::{Form, Task};
