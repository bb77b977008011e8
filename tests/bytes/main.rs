//! The store of byte strings: what memcached's commands do, whichever way they come.

mod doors;
mod model;
mod rules;
mod script;

use proptest::collection::vec;
use proptest::prelude::*;

use doors::DOORS;
use script::{Bytes, run};

/// Random scripts: after each step the store says what the model says.
fn follows_the_model(door: &str) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let config = ProptestConfig { cases: config.cases * 4, ..config };
    proptest!(config, |(script in vec(any::<Bytes>(), 1..120))| run(door, &script));
}

macro_rules! doors {
    ($($name:ident $index:literal)*) => {$(
        #[test]
        fn $name() {
            follows_the_model(DOORS[$index]);
        }
    )*};
}

doors! {
    calls_follow_the_model 0
    text_follows_the_model 1
    meta_follows_the_model 2
    binary_follows_the_model 3
}
