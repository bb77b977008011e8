//! How much each entry weighs, by its place. Without weights each weighs one, and nothing is kept.

use super::Place;

#[derive(Debug)]
pub(super) struct Weights(Option<Vec<u32>>);

impl Weights {
    pub(super) fn new(weighted: bool) -> Self {
        Self(weighted.then(Vec::new))
    }

    #[inline]
    pub(super) fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> u32 {
        self.0.as_ref().map_or(1, |kept| kept.get(place as usize).copied().unwrap_or(0))
    }

    #[inline]
    pub(super) fn set(&mut self, place: Place, weight: u32) {
        if self.are_kept() {
            self.keep(place, weight);
        }
    }

    fn keep(&mut self, place: Place, weight: u32) {
        let Some(kept) = &mut self.0 else { return };
        let at = place as usize;
        if at >= kept.len() {
            if at >= kept.capacity() {
                kept.reserve_exact(at + at / 4 + 1 - kept.len());
            }
            kept.resize(at + 1, 0);
        }
        kept[at] = weight;
    }

    #[inline]
    pub(super) fn take(&mut self, place: Place) -> u32 {
        let weight = self.get(place);
        self.set(place, 0);
        weight
    }

    pub(super) fn relocate(&mut self, to: impl Fn(Place) -> Option<Place>) {
        let Some(kept) = &mut self.0 else { return };
        let old = std::mem::take(kept);
        for (place, weight) in (0..).zip(old).filter(|(_, weight)| *weight > 0) {
            if let Some(place) = to(place) {
                self.set(place, weight);
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.capacity() * size_of::<u32>())
    }

    /// All of them, where they are kept.
    pub(super) fn sum(&self) -> Option<u64> {
        self.0.as_ref().map(|kept| kept.iter().copied().map(u64::from).sum())
    }
}
