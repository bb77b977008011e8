//! Traces that nobody recorded, the same in every run.

use std::ops::Range;

use crate::keys::{Random, Zipf};

/// How popular keys are asked for in [`mixed`].
const POPULAR: Range<usize> = 0..4_000;
const LOOP: Range<usize> = 1_000_000..1_001_500;
const SCANS: usize = 2_000_000;

/// Requests that follow Zipf's distribution and nothing else.
#[must_use]
pub fn zipf(exponent: f64, keys: usize, requests: usize) -> Vec<u64> {
    let zipf = Zipf::new(keys, exponent);
    let mut random = Random::new(0x5EED_0002);
    (0..requests).map(|_| zipf.draw(&mut random) as u64).collect()
}

/// A little of everything that makes eviction hard: popularity after Zipf that drifts (every 25
/// requests another key becomes the most popular one), scans over keys that never come back, a loop
/// over keys that always do, and keys that are asked for twice in a row and then no more.
#[must_use]
pub fn mixed(requests: usize) -> Vec<u64> {
    let zipf = Zipf::new(POPULAR.len(), 0.9);
    let mut random = Random::new(0x5EED_0003);
    let mut trace = Vec::with_capacity(requests);
    let mut fresh = SCANS;
    let mut looping = LOOP.cycle();
    while trace.len() < requests {
        match random.below(100) {
            0 => (0..40 + random.below(400)).for_each(|_| {
                trace.push(fresh);
                fresh += 1;
            }),
            1 => trace.extend(looping.by_ref().take(200)),
            2..8 => {
                trace.extend([fresh, fresh]);
                fresh += 1;
            }
            _ => {
                let drift = trace.len() / 25;
                let popular = || (zipf.draw(&mut random) + drift) % LOOP.start;
                trace.extend(std::iter::repeat_with(popular).take(8));
            }
        }
    }
    trace.truncate(requests);
    trace.into_iter().map(|key| key as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trace_comes_out_every_time() {
        assert_eq!(mixed(5_000), mixed(5_000));
        assert_eq!(mixed(5_000), mixed(6_000)[..5_000]);
    }

    #[test]
    fn a_mix_has_all_its_parts() {
        let trace = mixed(10_000);
        let loops = trace.iter().filter(|key| LOOP.contains(&(**key as usize))).count();
        let fresh = trace.iter().filter(|key| **key >= SCANS as u64).count();
        for part in [loops, fresh, trace.len() - loops - fresh] {
            assert!(part > 1_000, "{loops} and {fresh} of {}", trace.len());
        }
    }

    #[test]
    fn a_larger_exponent_has_fewer_keys() {
        let unique = |exponent| {
            let mut trace = zipf(exponent, 10_000, 10_000);
            trace.sort_unstable();
            trace.dedup();
            trace.len()
        };
        assert!(unique(1.0) < unique(0.8));
    }
}
