//! The best that any cache could make of a trace, knowing the future: Belady's rule.
//!
//! When the cache is full, the key whose next request is farthest away goes. That may be the key
//! that was just asked for: it then passes by without being kept. This is allowed because caches
//! with an admission filter do it too, and a rule that had to keep every key would not be above
//! theirs. For the same reason a key that is never asked for again is not kept.

use std::collections::{BinaryHeap, HashMap};

/// Stands for the next request of a key that is never asked for again.
const NEVER: u32 = u32::MAX;

/// When each request's key is asked for next.
#[derive(Debug, Clone)]
pub struct NextUses {
    times: Vec<u32>,
    unique: usize,
}

impl NextUses {
    /// Looks through the whole trace.
    ///
    /// # Panics
    ///
    /// If it has 2^32 requests or more.
    #[must_use]
    pub fn of(keys: &[u64]) -> Self {
        assert!(u32::try_from(keys.len()).is_ok(), "the trace is too long");
        let mut times = vec![NEVER; keys.len()];
        let mut upcoming = HashMap::with_hasher(ahash::RandomState::new());
        for (time, key) in keys.iter().enumerate().rev() {
            times[time] = upcoming.insert(*key, time as u32).unwrap_or(NEVER);
        }
        Self { times, unique: upcoming.len() }
    }

    /// How many different keys there are.
    #[must_use]
    pub fn unique(&self) -> usize {
        self.unique
    }
}

/// The largest number of hits possible with so many entries.
///
/// Keys in the cache are known by the time of their next request: each time belongs to one key.
#[must_use]
pub fn optimum(next_uses: &NextUses, capacity: usize) -> u64 {
    let mut awaited = vec![false; next_uses.times.len()]; // the key of that request is in the cache
    let mut farthest = BinaryHeap::new(); // those times, and times that are past
    let (mut hits, mut resident) = (0, 0);
    for (time, next) in next_uses.times.iter().copied().enumerate() {
        if awaited[time] {
            hits += 1;
            resident -= 1; // comes back below, if it is worth it
        }
        if next == NEVER {
            continue;
        }
        if resident == capacity {
            // Past times are smaller than all others: none is on top while anything is resident.
            match farthest.peek() {
                Some(victim) if *victim > next => awaited[*victim as usize] = false,
                _ => continue,
            }
            farthest.pop();
            resident -= 1;
        }
        awaited[next as usize] = true;
        farthest.push(next);
        resident += 1;
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Random;

    /// Tries every choice at every miss.
    fn by_trying_all(keys: &[u64], cache: &[u64], capacity: usize) -> u64 {
        let Some((key, rest)) = keys.split_first() else { return 0 };
        if cache.contains(key) {
            return 1 + by_trying_all(rest, cache, capacity);
        }
        let mut best = by_trying_all(rest, cache, capacity);
        if cache.len() < capacity {
            return best.max(by_trying_all(rest, &[cache, &[*key]].concat(), capacity));
        }
        for victim in 0..cache.len() {
            let mut cache = cache.to_vec();
            cache[victim] = *key;
            best = best.max(by_trying_all(rest, &cache, capacity));
        }
        best
    }

    #[test]
    fn nothing_does_better_on_tiny_traces() {
        let mut random = Random::new(1);
        for _ in 0..300 {
            let keys = 2 + random.below(4);
            let trace: Vec<u64> = (0..9).map(|_| random.below(keys) as u64).collect();
            for capacity in 1..4 {
                let best = by_trying_all(&trace, &[], capacity);
                let found = optimum(&NextUses::of(&trace), capacity);
                assert_eq!(found, best, "{trace:?} with {capacity}");
            }
        }
    }

    #[test]
    fn with_room_for_all_only_first_requests_miss() {
        let next_uses = NextUses::of(&[7, 8, 7, 7, 9, 8]);
        assert_eq!(next_uses.unique(), 3);
        assert_eq!(optimum(&next_uses, 3), 3);
    }

    #[test]
    fn of_a_loop_that_does_not_fit_a_part_is_kept() {
        let trace: Vec<u64> = (0..1000).map(|at| at % 10).collect();
        // Nine others come between two requests of a key; four entries serve four of ten keys.
        assert_eq!(optimum(&NextUses::of(&trace), 4), 4 * 99);
    }
}
