//! [`Item`]: what a store keeps under a key.

use std::borrow::Borrow;

use bytes::Bytes;

use super::requests::{Hit, LOCKED, Put, Role};
use super::store::ItemView;
use crate::stamp::Cas;
use crate::sync::{AtomicU8, AtomicU32, Ordering};

/// What an item takes beside its key and value, as memcached counts: the header, the stamp, and the
/// ends of key and value.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{ITEM_OVERHEAD, Store};
///
/// let store = Store::new();
/// store.set("key", "value", 0, 0)?;
/// assert_eq!(store.stats().weight, (3 + 5 + ITEM_OVERHEAD) as u64);
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
pub const ITEM_OVERHEAD: usize = 48 + 8 + 1 + 2;

/// What flags other than 0 take.
const FLAGS_BYTES: usize = 4;

/// A key of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(Box<[u8]>);

impl Key {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(key.into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

const STALE: u8 = 1;
/// Somebody has won the right to fill the item.
const WON: u8 = 2;
const FETCHED: u8 = 4;
const BINARY_KEY: u8 = 8;

/// A value with what belongs to it. A write makes a new item; only marks and the time of the last
/// use change in place.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) value: Bytes,
    pub(super) flags: u32,
    /// The second of the last use.
    used: AtomicU32,
    /// The stamp that a client has chosen; zero if the entry's own counts.
    pub(super) stamp: u64,
    marks: AtomicU8,
}

// Relaxed throughout: each is a number that stands for itself. Uses may be noted by anybody at any
// time; who is to fill the item is decided under the stripe lock.
impl Item {
    pub(super) fn new(value: Bytes, flags: u32, now: u32) -> Self {
        let (used, marks) = (AtomicU32::new(now), AtomicU8::new(0));
        Self { value, flags, used, stamp: 0, marks }
    }

    /// As it was looked at.
    pub(super) fn restored(view: &ItemView, now: u32) -> Self {
        let item = Self::new(view.value.clone(), view.flags, now).stamped(Some(view.cas));
        let marks = [
            (view.is_stale, STALE),
            (view.is_won, WON),
            (view.was_fetched, FETCHED),
            (view.binary_key, BINARY_KEY),
        ];
        marks.iter().filter(|(is_set, _)| *is_set).for_each(|&(_, mark)| item.mark(mark));
        item
    }

    /// What `put` asks to be stored.
    pub(super) fn of(put: Put, now: u32) -> Self {
        let item = Self::new(put.value, put.flags, now).stamped(put.stamp);
        item.with_binary_key(put.binary_key)
    }

    /// Under a stamp that the client has chosen; zero leaves it to the store.
    pub(super) fn stamped(mut self, stamp: Option<u64>) -> Self {
        self.stamp = stamp.unwrap_or(0);
        self
    }

    pub(super) fn with_binary_key(self, is_binary: bool) -> Self {
        if is_binary {
            self.mark(BINARY_KEY);
        }
        self
    }

    pub(super) fn marked_stale(self) -> Self {
        self.mark(STALE);
        self
    }

    pub(super) fn marked_won(self) -> Self {
        self.mark(WON);
        self
    }

    /// The same content, marks included, as a new item.
    pub(super) fn duplicate(&self) -> Self {
        Self {
            value: self.value.clone(),
            flags: self.flags,
            used: AtomicU32::new(self.used()),
            stamp: self.stamp,
            marks: AtomicU8::new(self.marks()),
        }
    }

    /// Another value in the place of this one, which keeps everything else.
    pub(super) fn with_value(&self, value: Bytes) -> Self {
        Self { value, stamp: 0, ..self.duplicate() }
    }

    pub(super) fn without_claim(self) -> Self {
        self.marks.fetch_and(!WON, Ordering::Relaxed);
        self
    }

    fn mark(&self, mark: u8) {
        self.marks.fetch_or(mark, Ordering::Relaxed);
    }

    fn marks(&self) -> u8 {
        self.marks.load(Ordering::Relaxed)
    }

    pub(super) fn is_stale(&self) -> bool {
        self.marks() & STALE != 0
    }

    pub(super) fn is_won(&self) -> bool {
        self.marks() & WON != 0
    }

    pub(super) fn was_fetched(&self) -> bool {
        self.marks() & FETCHED != 0
    }

    pub(super) fn has_binary_key(&self) -> bool {
        self.marks() & BINARY_KEY != 0
    }

    pub(super) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// Notes a use. Writes only what changes.
    #[inline]
    pub(super) fn note_use(&self, now: u32) {
        if self.marks() & FETCHED == 0 {
            self.mark(FETCHED);
        }
        self.note_time(now);
    }

    /// Notes something that is as good as a use but shows nobody the value.
    #[inline]
    pub(super) fn note_time(&self, now: u32) {
        if self.used() != now {
            self.used.store(now, Ordering::Relaxed);
        }
    }

    /// Whose turn it is to fill the item, if anybody's. The first who asks of one that is stale, or
    /// with a claim, wins. For holders of the stripe lock: a change of the item takes its marks along
    /// there, so a win that is marked outside could be lost.
    pub(super) fn claim(&self, claims: bool) -> Role {
        let role = self.role();
        if role == Role::None && (claims || self.is_stale()) {
            self.mark(WON);
            return Role::Won;
        }
        role
    }

    /// Whether somebody's turn has been taken, without taking it.
    pub(super) fn role(&self) -> Role {
        if self.is_won() { Role::Taken } else { Role::None }
    }

    /// The stamp that clients see. Nobody sees that of a locked item.
    #[inline]
    pub(super) fn cas(&self, own: Option<Cas>) -> u64 {
        match own {
            None => LOCKED,
            Some(own) if self.stamp == 0 => own.to_u64(),
            Some(_) => self.stamp,
        }
    }

    pub(super) fn hit(&self, own: Option<Cas>) -> Hit {
        Hit { value: self.value.clone(), flags: self.flags, cas: self.cas(own) }
    }
}

/// What an item of so many bytes of key and value weighs.
pub(super) fn weight(key: usize, value: usize, flags: u32) -> usize {
    ITEM_OVERHEAD + key + value + if flags == 0 { 0 } else { FLAGS_BYTES }
}
