//! Random requests in all three protocols, sent to memcached and to a connection of ours: the
//! answers are the same to the byte, but for the numbers that stamps are.
//!
//! memcached is the one in the path, or the one that `MEMCACHED` names; it should be 1.6.18. What
//! cannot be the same is not asked, or made equal, each with its reason beside it.

mod binary;
mod case;
mod compare;
// The server compares in the same way.
#[path = "../../src/memcached/server/comparing/replies.rs"]
mod replies;
mod servers;
mod stamps;
mod table;
mod text;

use std::cell::RefCell;
use std::env;

use case::{Batch, Case, Request};
use compare::{Wire, difference};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use servers::{Memcached, Ours, Server};
use table::Table;

/// How many cases are played of each protocol, unless `CASKADE_CASES` says so.
const CASES: u32 = 1500;

fn case_of(request: BoxedStrategy<Request>, rest: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<Case> {
    let splits = prop_oneof![2 => vec(any::<u16>(), 0..1), 1 => vec(any::<u16>(), 1..6)];
    let batch =
        (vec(request, 1..8), splits).prop_map(|(requests, splits)| Batch { requests, splits });
    let rest = prop_oneof![4 => Just(Vec::new()), 1 => rest];
    (vec(batch, 1..6), rest)
        .prop_map(|(batches, rest)| {
            Case { batches, rest }.without_second_flushes().with_first_ones_first()
        })
        .boxed()
}

fn classic() -> BoxedStrategy<Case> {
    case_of(text::classic(), text::rest())
}

fn meta() -> BoxedStrategy<Case> {
    case_of(prop_oneof![1 => text::classic(), 2 => text::meta()].boxed(), text::rest())
}

fn packets() -> BoxedStrategy<Case> {
    case_of(binary::any_request(), binary::rest())
}

fn memcached() -> Option<Memcached> {
    needed(Memcached::start())
}

/// memcached, or nothing if it is not there and need not be.
fn needed(found: Option<Memcached>) -> Option<Memcached> {
    const LACKING: &str = "memcached 1.6.18 is not installed";
    if found.is_none() {
        let is_required = env::var_os("CASKADE_REQUIRE_MEMCACHED").is_some();
        assert!(!is_required, "{LACKING}, and CASKADE_REQUIRE_MEMCACHED says that it must be");
        eprintln!("\n*** SKIPPED: {LACKING}, nothing has been compared ***\n");
    }
    found
}

/// Plays random cases on both; panics with the first that they answer differently, made as short as
/// possible. What was compared.
fn play(
    cases: &BoxedStrategy<Case>,
    wire: Wire,
    theirs: &mut dyn Server,
    ours: &mut dyn Server,
) -> Table {
    let count = env::var("CASKADE_CASES").map_or(CASES, |count| count.parse().expect("a number"));
    let config = Config {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: 3000,
        ..Config::default()
    };
    // Always the same cases, unless a seed says otherwise.
    let mut seed = [7; 32];
    if let Ok(text) = env::var("CASKADE_SEED") {
        let len = text.len().min(32);
        seed[..len].copy_from_slice(&text.as_bytes()[..len]);
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let state = RefCell::new((theirs, ours, Table::default()));
    let result = runner.run(cases, |case| {
        let (theirs, ours, table) = &mut *state.borrow_mut();
        match difference(&case, wire, *theirs, *ours) {
            None => {
                table.count(&case);
                Ok(())
            }
            Some(difference) => Err(TestCaseError::fail(difference)),
        }
    });
    match result {
        Ok(()) => state.into_inner().2,
        Err(TestError::Fail(difference, _)) => panic!("the answers differ\n{difference}"),
        Err(TestError::Abort(reason)) => panic!("given up: {reason}"),
    }
}

/// The test itself: if two of memcached were told apart, it would be no use. For whoever changes it:
/// `cargo test --features memcached --test differential -- --ignored`.
mod memcached_itself {
    use super::*;

    fn agrees(cases: &BoxedStrategy<Case>, wire: Wire) {
        let (Some(mut left), Some(mut right)) = (memcached(), memcached()) else { return };
        play(cases, wire, &mut left, &mut right);
    }

    #[test]
    #[ignore = "says nothing of us"]
    fn agrees_with_itself_in_text() {
        agrees(&classic(), Wire::Text);
    }

    #[test]
    #[ignore = "says nothing of us"]
    fn agrees_with_itself_in_meta() {
        agrees(&meta(), Wire::Text);
    }

    #[test]
    #[ignore = "says nothing of us"]
    fn agrees_with_itself_in_binary() {
        agrees(&packets(), Wire::Binary);
    }
}

mod our_answers {
    use super::*;

    /// Whether these are the cases that everybody plays.
    fn are_the_usual() -> bool {
        env::var_os("CASKADE_CASES").is_none() && env::var_os("CASKADE_SEED").is_none()
    }

    fn are_memcacheds(
        cases: &BoxedStrategy<Case>,
        wire: Wire,
        title: &str,
        belongs: fn(&str) -> bool,
    ) {
        let Some(mut memcached) = memcached() else { return };
        let table = play(cases, wire, &mut memcached, &mut Ours::new());
        if are_the_usual() {
            table.keep(title, belongs);
        }
    }

    fn is_meta(row: &str) -> bool {
        let command = row.split([' ', ',']).next().unwrap_or_default();
        ["mg", "ms", "md", "ma", "me"].contains(&command)
    }

    #[test]
    fn are_memcacheds_in_text() {
        are_memcacheds(&classic(), Wire::Text, "Text", |_| true);
    }

    #[test]
    fn are_memcacheds_in_meta() {
        are_memcacheds(&meta(), Wire::Text, "Meta", is_meta);
    }

    #[test]
    fn are_memcacheds_in_binary() {
        are_memcacheds(&packets(), Wire::Binary, "Binary", |_| true);
    }

    /// Those that `stats` shows, in order. There is one more here, which says so.
    #[test]
    fn name_the_same_statistics() {
        let Some(mut memcached) = needed(Memcached::start_with("")) else { return };
        for request in ["stats\r\n", "stats settings\r\n"] {
            let theirs = names(&memcached.ask(request.as_bytes(), &[b"END\r\n"]));
            let mut ours = names(&Ours::new().ask(request.as_bytes(), &[b"END\r\n"]));
            ours.retain(|name| name != "caskade_version");
            assert_eq!(ours, theirs, "{request}");
            assert!(theirs.len() > 40, "{request}: {theirs:?}");
        }
    }

    fn names(answer: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(answer);
        let names = text.lines().filter_map(|line| line.strip_prefix("STAT ")?.split(' ').next());
        names.map(str::to_owned).collect()
    }
}
