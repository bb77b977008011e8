//! What the tests that check a cache against the model share: the model, and the calls that the
//! model's operations stand for.
//!
//! It names no test framework, so that the fuzz target can include it.

pub(crate) mod execute;
pub(crate) mod model;
