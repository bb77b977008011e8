//! Replays a trace through a cache: every request is a look-up, and a miss is followed by an insert.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::keys::{Random, value_of};
use crate::{Limited, Payload};

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Look-ups that found the key.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// The most entries that were seen in the cache.
    pub peak: usize,
}

impl Outcome {
    /// Hits per request, in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        100.0 * self.hits as f64 / (self.hits + self.misses) as f64
    }
}

/// How many requests are done between two reports of progress, and at a time by one of several
/// threads.
const STRIDE: usize = 1 << 16;
const HAND: usize = 32;

/// One thread replays everything. `progress` hears how many requests were done since the last time.
///
/// # Panics
///
/// If the cache returns a wrong value.
pub fn replay(
    cache: &dyn Limited<u64>,
    capacity: usize,
    keys: &[u64],
    progress: &dyn Fn(u64),
) -> Outcome {
    let mut census = Census::new(cache, capacity, keys.len() as u64);
    let mut outcome = Outcome::default();
    for keys in keys.chunks(STRIDE) {
        requests(cache, keys, &mut census, &mut outcome);
        progress(keys.len() as u64);
    }
    census.count(cache);
    Outcome { peak: census.peak, ..outcome }
}

/// Several threads replay everything between them. They take short runs of requests in turn, so that
/// all of them are about the same place of the trace, as clients of one server would be.
///
/// # Panics
///
/// If the cache returns a wrong value.
pub fn replay_dealt_out(
    cache: &dyn Limited<u64>,
    capacity: usize,
    keys: &[u64],
    threads: usize,
) -> Outcome {
    let hands = AtomicUsize::new(0);
    let deal = || keys.chunks(HAND).nth(hands.fetch_add(1, Ordering::Relaxed));
    let one_thread = |thread: usize| {
        let mut census = Census::new(cache, capacity, thread as u64);
        let mut outcome = Outcome::default();
        while let Some(keys) = deal() {
            requests(cache, keys, &mut census, &mut outcome);
        }
        census.count(cache);
        Outcome { peak: census.peak, ..outcome }
    };
    std::thread::scope(|scope| {
        let one_thread = &one_thread;
        let threads: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || one_thread(thread))).collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().expect("no thread panicked"));
        outcomes.reduce(sum).unwrap_or_default()
    })
}

fn sum(one: Outcome, other: Outcome) -> Outcome {
    Outcome {
        hits: one.hits + other.hits,
        misses: one.misses + other.misses,
        peak: one.peak.max(other.peak),
    }
}

fn requests(cache: &dyn Limited<u64>, keys: &[u64], census: &mut Census, outcome: &mut Outcome) {
    for key in keys {
        if let Some(value) = cache.get(*key) {
            assert_eq!(value, value_of(*key), "the value of another key");
            outcome.hits += 1;
        } else {
            outcome.misses += 1;
            cache.insert(*key, u64::of(*key, 0));
            census.after_insert(cache);
        }
    }
}

/// Counts the entries, after every insert where that is cheap. Where it means a walk through all of
/// them, it is done at random, about twice while as many are inserted as there is room for.
struct Census {
    longest: usize,
    until_next: usize,
    random: Random,
    peak: usize,
}

impl Census {
    fn new(cache: &dyn Limited<u64>, capacity: usize, seed: u64) -> Self {
        let longest = if cache.counts_by_walking() { capacity.max(13) } else { 1 };
        Self { longest, until_next: 0, random: Random::new(seed), peak: 0 }
    }

    fn after_insert(&mut self, cache: &dyn Limited<u64>) {
        if self.until_next == 0 {
            self.count(cache);
            self.until_next = self.random.below(self.longest);
        } else {
            self.until_next -= 1;
        }
    }

    fn count(&mut self, cache: &dyn Limited<u64>) {
        self.peak = self.peak.max(cache.resident());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subject;
    use crate::made_up::mixed;
    use crate::subjects::{Lru, QuickCache, TidyMoka};

    #[test]
    fn lru_misses_what_it_must() {
        let lru = Lru::limited(2);
        let outcome = replay(&lru, 2, &[1, 2, 1, 3, 2, 1, 1], &|_| ());
        assert_eq!(outcome, Outcome { hits: 2, misses: 5, peak: 2 });
        assert_eq!(outcome.percent(), 200.0 / 7.0);
    }

    #[test]
    fn every_request_is_dealt_out_once() {
        let keys = mixed(10_000);
        let progress = AtomicUsize::new(0);
        let count = |requests| {
            progress.fetch_add(requests as usize, Ordering::Relaxed);
        };
        let one = replay(&QuickCache::limited(500), 500, &keys, &count);
        let many = replay_dealt_out(&QuickCache::limited(500), 500, &keys, 4);
        assert_eq!(one.hits + one.misses, 10_000);
        assert_eq!(many.hits + many.misses, 10_000);
        assert_eq!(progress.into_inner(), 10_000);
        // With room for all, threads miss what one misses, and what two of them miss together.
        let roomy = replay_dealt_out(&Lru::limited(10_000), 10_000, &keys, 4);
        let unique = crate::optimum::NextUses::of(&keys).unique();
        assert!(roomy.misses as usize >= unique && roomy.peak == unique);
    }

    #[test]
    fn tidy_moka_keeps_to_its_limit() {
        for capacity in [1, 20, 200] {
            let moka = TidyMoka::limited(capacity);
            for key in mixed(3_000) {
                moka.insert(key, 0);
                assert!(moka.resident() <= capacity);
            }
            moka.settle();
            assert!(moka.resident() >= capacity - capacity.min(8), "{capacity}");
        }
    }

    #[test]
    #[should_panic(expected = "the value of another key")]
    fn a_wrong_value_is_noticed() {
        let lru = Lru::limited(2);
        lru.insert(1, 0);
        let _ = replay(&lru, 2, &[1], &|_| ());
    }
}
