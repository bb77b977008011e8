//! Doubly linked lists of places. A place is in one list at most, and is taken out of it in
//! constant time, so nothing outdated is ever kept.
//!
//! The links are an array by place, in pages that are made when somebody in them needs one: 10
//! bytes a place, no slack, and no long copy when the table is large.

use super::Place;

/// No place: the end of a list.
const NONE: Place = Place::MAX;

/// No list: the node is free.
const FREE: u16 = u16::MAX;

/// Lists in a group; a group has one bit for each.
pub(super) const GROUP: usize = 64;

/// Groups: one for each level of the wheel, and one for the lists of the current tick.
pub(super) const GROUPS: usize = 7;

/// The number of a list.
pub(super) type List = usize;

const PAGE: usize = 64;

type Page = [Node; PAGE];

/// Packed, because a sixth of the wheel's memory would be padding. It is only read and written
/// whole or by value.
#[derive(Clone, Copy)]
#[repr(Rust, packed(2))]
struct Node {
    next: Place,
    prev: Place,
    list: u16,
}

impl Node {
    const UNLINKED: Self = Self { next: NONE, prev: NONE, list: FREE };
}

const _: () = assert!(size_of::<Node>() == 10 && GROUPS * GROUP < FREE as usize);

pub(super) struct Lists {
    heads: [Place; GROUPS * GROUP],
    /// A bit for each list that is not empty.
    occupied: [u64; GROUPS],
    pages: Vec<Option<Box<Page>>>,
    len: usize,
}

impl Lists {
    pub(super) fn new() -> Self {
        let heads = [NONE; GROUPS * GROUP];
        Self { heads, occupied: [0; GROUPS], pages: Vec::new(), len: 0 }
    }

    /// How many places are in a list.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The lists of a group that are not empty, as bits.
    #[inline]
    pub(super) fn occupied(&self, group: usize) -> u64 {
        self.occupied[group]
    }

    #[inline]
    pub(super) fn is_empty(&self, list: List) -> bool {
        self.heads[list] == NONE
    }

    /// The list that `place` is in.
    #[inline]
    pub(super) fn list_of(&self, place: Place) -> Option<List> {
        let (page, at) = position(place);
        let node = self.pages.get(page)?.as_ref()?[at];
        (node.list != FREE).then_some(List::from(node.list))
    }

    /// Puts `place`, which is in no list, into one.
    #[inline]
    pub(super) fn push(&mut self, list: List, place: Place) {
        debug_assert!(self.list_of(place).is_none(), "a place is in one list at most");
        let next = self.heads[list];
        if next == NONE {
            self.occupied[list / GROUP] |= 1 << (list % GROUP);
        } else {
            self.linked(next).prev = place;
        }
        self.heads[list] = place;
        *self.node(place) = Node { next, prev: NONE, list: list as u16 };
        self.len += 1;
    }

    /// Takes a place out of a list.
    pub(super) fn pop(&mut self, list: List) -> Option<Place> {
        let place = self.heads[list];
        if place == NONE {
            return None;
        }
        self.remove(place);
        Some(place)
    }

    /// Takes `place` out of its list. False if it is in none.
    pub(super) fn remove(&mut self, place: Place) -> bool {
        let Some(list) = self.list_of(place) else { return false };
        let Node { next, prev, .. } = std::mem::replace(self.linked(place), Node::UNLINKED);
        if next != NONE {
            self.linked(next).prev = prev;
        }
        if prev != NONE {
            self.linked(prev).next = next;
        } else {
            self.heads[list] = next;
        }
        if self.is_empty(list) {
            self.occupied[list / GROUP] &= !(1 << (list % GROUP));
        }
        self.len -= 1;
        true
    }

    /// The same lists with other places; who has none there is left out.
    pub(super) fn relocated(self, to: impl Fn(Place) -> Option<Place>) -> Self {
        let mut moved = Self::new();
        // A page is freed when its nodes have moved, so that old and new do not add up.
        for (page, nodes) in self.pages.into_iter().enumerate() {
            for (at, node) in nodes.iter().flat_map(|nodes| nodes.iter()).enumerate() {
                let place = (page * PAGE + at) as Place;
                if node.list == FREE {
                    continue;
                }
                if let Some(place) = to(place) {
                    moved.push(List::from(node.list), place);
                }
            }
        }
        moved
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let pages = self.pages.iter().flatten().count();
        self.pages.capacity() * size_of::<Option<Box<Page>>>() + pages * size_of::<Page>()
    }

    /// Follows every list and compares with what the nodes say of themselves.
    ///
    /// # Panics
    ///
    /// If something does not add up.
    pub(super) fn validate(&self) {
        let mut met = 0;
        for (list, &head) in self.heads.iter().enumerate() {
            let bit = self.occupied[list / GROUP] >> (list % GROUP) & 1;
            assert_eq!(bit == 1, head != NONE, "the bit of list {list}");
            let (mut before, mut place) = (NONE, head);
            while place != NONE {
                let (page, at) = position(place);
                let node = self.pages[page].as_ref().expect("a linked place has a page")[at];
                assert_eq!({ node.prev }, before, "the way back from {place}");
                assert_eq!(List::from(node.list), list, "the list of {place}");
                met += 1;
                assert!(met <= self.len, "a list has a loop, or the count is wrong");
                (before, place) = (place, node.next);
            }
        }
        let nodes = self.pages.iter().flatten().flat_map(|page| page.iter());
        assert_eq!(met, nodes.filter(|node| node.list != FREE).count(), "a node is in no list");
        assert_eq!(met, self.len, "the count of places");
    }

    /// The node of a place that is in a list.
    #[inline]
    fn linked(&mut self, place: Place) -> &mut Node {
        let (page, at) = position(place);
        &mut self.pages[page].as_mut().expect("a linked place has a page")[at]
    }

    #[inline]
    fn node(&mut self, place: Place) -> &mut Node {
        let (page, at) = position(place);
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        &mut self.pages[page].get_or_insert_with(|| Box::new([Node::UNLINKED; PAGE]))[at]
    }
}

/// The page of a place, and where in the page it is.
#[inline]
fn position(place: Place) -> (usize, usize) {
    (place as usize / PAGE, place as usize % PAGE)
}
