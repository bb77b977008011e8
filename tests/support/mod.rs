//! What several areas of tests use.

pub(crate) mod configs;
pub(crate) mod drops;
pub(crate) mod guarded;
pub(crate) mod polling;
pub(crate) mod settle;
