//! The stamps that one server has shown: other numbers on each, in the same order.

use std::collections::HashMap;

/// The stamps of one server.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// In which place each stamp first appeared.
    places: HashMap<u64, usize>,
    shown: Vec<u64>,
}

impl Stamps {
    /// What both servers should call `stamp`: its place in the order of first appearance.
    pub(super) fn name(&mut self, stamp: u64) -> String {
        if stamp == 0 {
            return "0".to_owned();
        }
        let next = self.shown.len();
        let place = *self.places.entry(stamp).or_insert(next);
        if place == next {
            self.shown.push(stamp);
        }
        format!("#{place}")
    }

    /// What `other` calls the stamp that is called `stamp` here. One that was not shown stays as it is.
    pub(super) fn translate(&self, stamp: u64, other: &Self) -> u64 {
        let place = self.places.get(&stamp);
        place.and_then(|&place| other.shown.get(place)).copied().unwrap_or(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_translated_by_the_order_of_their_appearance() {
        let (mut ours, mut theirs) = (Stamps::default(), Stamps::default());
        for (our, their) in [(900, 1), (700, 2), (900, 1)] {
            assert_eq!(ours.name(our), theirs.name(their));
        }
        assert_eq!([900, 700, 5].map(|stamp| ours.translate(stamp, &theirs)), [1, 2, 5]);
        assert_eq!((ours.name(0), ours.name(8)), ("0".into(), "#2".into()));
    }
}
