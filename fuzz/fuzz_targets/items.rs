//! Bytes become operations on a store of byte strings, by call or through a connection in one of the
//! protocols, and each answer is compared with the sequential model.
//!
//! The script runner is the one of the property test. Run it with
//! `cargo +nightly fuzz run items -- -max_total_time=60`.

#![no_main]

#[path = "../../tests/bytes/doors/mod.rs"]
mod doors;
#[path = "../../tests/bytes/model.rs"]
mod model;
#[path = "../../tests/bytes/script.rs"]
mod script;

use arbitrary::Arbitrary;
use doors::DOORS;
use libfuzzer_sys::fuzz_target;
use script::{Bytes, run};

#[derive(Arbitrary, Debug)]
struct Input {
    door: u8,
    script: Vec<Bytes>,
}

fuzz_target!(|input: Input| run(DOORS[usize::from(input.door) % DOORS.len()], &input.script));
