//! Bytes become operations on a cache, and each answer is compared with the sequential model.
//!
//! The script runner is the one of the property test. Run it with
//! `cargo +nightly fuzz run ops -- -max_total_time=60`.

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/script.rs"]
mod script;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use script::{Bytes, SETUPS, run};

#[derive(Arbitrary, Debug)]
struct Input {
    setup: u8,
    texts: bool,
    script: Vec<Bytes>,
}

fuzz_target!(|input: Input| {
    let setup = SETUPS[usize::from(input.setup) % SETUPS.len()];
    if input.texts {
        run::<String>(setup, &input.script);
    } else {
        run::<u64>(setup, &input.script);
    }
});
