#![allow(dead_code, reason = "the store does not use it yet")]
//! Who is evicted: an adaptive two-queue CLOCK with ghosts.

mod ghost;
mod ring;

use crate::usage::{Queue, Usage};

use ghost::Ghosts;
use ring::{Ring, Slot};

const SMALL_GHOSTS: u64 = 256;
const MAIN_GHOSTS: u64 = 26;
const START: u64 = 3;
const LEAST: u64 = 1;
const MOST: u64 = 125;
const NEAR: u64 = 32;
const HORIZON: u64 = 320;
const MAIN_NEAR: u64 = 26;
const STEP: u64 = 2;
const WINDOW: u64 = 38;
const IDLE: u64 = 77;
const PATIENCE: u64 = 64;

/// `share` parts of 128.
fn part(of: u64, share: u64) -> u64 {
    ((u128::from(of) * u128::from(share)) >> 7).min(u128::from(u64::MAX)) as u64
}

pub(crate) type Place = u32;

pub(crate) trait Entries {
    fn usage(&self, place: Place) -> Option<&Usage>;
    fn hash(&self, place: Place) -> u64;
    fn may_go(&self, place: Place) -> bool;
    fn prefetch(&self, place: Place);
}

#[derive(Debug)]
pub(crate) struct Arrival {
    hash: u64,
    reuse: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Victim {
    pub(crate) place: Place,
    pub(crate) weight: u32,
}

#[derive(Debug)]
pub(crate) struct Policy {
    capacity: u64,
    small: Ring,
    main: Ring,
    target: u64,
    small_ghosts: Ghosts,
    main_ghosts: Ghosts,
    now: u32,
    outs: u32,
    filling: bool,
    weights: Option<Vec<u32>>,
    ghost_hits: u64,
}
