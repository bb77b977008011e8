//! The stamps one server has shown: other numbers on each, in the same order.

use std::collections::HashMap;

use super::case::{KEYS, Stamp};

/// The stamps of one server in one case.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    /// In which place each stamp first appeared.
    places: HashMap<u64, usize>,
    /// What each key has had, as far as was asked.
    of_keys: [Vec<u64>; KEYS],
}

impl Stamps {
    /// What both servers should call `stamp`: its place in the order of first appearance.
    pub(crate) fn name(&mut self, stamp: u64) -> String {
        if stamp == 0 {
            return "0".to_owned();
        }
        let next = self.places.len() + 1;
        format!("#{}", self.places.entry(stamp).or_insert(next))
    }

    /// The key has this stamp now.
    pub(crate) fn learn(&mut self, key: usize, stamp: u64) {
        let known = &mut self.of_keys[key];
        if known.last() != Some(&stamp) {
            known.push(stamp);
        }
    }

    /// What this server puts in for `stamp`.
    pub(crate) fn resolve(&self, stamp: Stamp) -> u64 {
        let known = |key: usize, back: usize| {
            self.of_keys[key].iter().rev().nth(back).copied().unwrap_or(1)
        };
        match stamp {
            Stamp::Last(key) => known(key, 0),
            Stamp::Stale(key) => known(key, 1),
            Stamp::Later(key) => known(key, 0).wrapping_add(1 << 32),
            Stamp::Number(number) => number,
        }
    }
}
