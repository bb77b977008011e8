//! One entry: a single allocation with key, value and three words of state.
//!
//! ```text
//! state   63 ............................. 1 | 0        the stamp, and which cell holds a word value
//!         stamp                              | parity
//!
//! times   0                                  no deadline and no lock: readers read no clock
//!         1                                  in doubt: a writer is between two states; ask under the lock
//!         even   expires << 1                the entry expires at that tick
//!         odd    address of a KeyLock | 1    the key is or was locked; the record has the deadlines
//! ```
//!
//! | field | written by | read by |
//! |---|---|---|
//! | `state` | stripe lock holder | anyone |
//! | `times` | stripe lock holder | anyone |
//! | `usage` | anyone | the eviction policy |
//! | `hash`, `key` | nobody after publication | anyone |
//! | value | nobody after publication | anyone |
//! | cell `parity` | nobody while `state` names it | anyone |
//! | cell `1 - parity` | stripe lock holder | readers that are about to notice that `state` moved |

use std::mem::{self, ManuallyDrop};
use std::ptr;

use crate::hash::Low;
use crate::sync::{AtomicU64, Canary, Ordering, yield_now};
use crate::time::Tick;
use crate::usage::Usage;

use super::prefetch::prefetch;
use super::spare;
use super::word::{ValueRef, is_word, to_bits};

const IN_DOUBT: u64 = 1;

/// A key lock, attached to its node through `times`. Apart from the lapse it never changes.
#[derive(Debug)]
#[repr(align(8))]
pub(crate) struct LockRecord {
    canary: Canary,
    /// When the entry itself expires.
    expires: Option<Tick>,
    /// When the lock lapses; zero once the lapse has been made real.
    deadline: AtomicU64,
    /// The stamp that opens the lock. Only stripe lock holders look at it.
    token: u64,
}

impl LockRecord {
    fn new(expires: Option<Tick>, deadline: Tick, token: u64) -> Self {
        let deadline = AtomicU64::new(deadline.raw());
        Self { canary: Canary::new(), expires, deadline, token }
    }
}

impl Drop for LockRecord {
    fn drop(&mut self) {
        self.canary.destroy();
    }
}

/// What a stripe lock holder sees of a key lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockState {
    pub(crate) token: u64,
    /// `None` once the lapse has been made real. The token stays known until the next write.
    pub(crate) deadline: Option<Tick>,
}

/// In this order, so that what a look-up reads lies together at the front: of nodes 48 bytes
/// apart, fewer then straddle a cache line where it matters.
#[repr(C)]
pub(crate) struct Node<K, V> {
    state: AtomicU64,
    times: AtomicU64,
    key: K,
    body: Body<V>,
    hash: Low,
    usage: Usage,
    canary: Canary,
}

/// `cells` if `V` is a word, `value` if not; the type alone decides.
union Body<V> {
    cells: ManuallyDrop<[AtomicU64; 2]>,
    value: ManuallyDrop<V>,
}

/// One consistent look at a node: the value, its stamp and its deadlines at a single instant.
pub(crate) struct View<'g, V> {
    pub(crate) stamp: u64,
    pub(crate) value: ValueRef<'g, V>,
    times: u64,
}

/// What a reader may conclude without the stripe lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Live,
    /// Live and locked: the stamp is nobody's business.
    Masked,
    /// The clock calls the entry expired; the stripe lock must confirm it.
    Expired,
    /// The clock calls its lock lapsed; the stripe lock must confirm it.
    Lapsed,
    /// A deadline is changing at this moment: only the stripe lock can tell.
    InDoubt,
}

impl<V> View<'_, V> {
    /// Whether the entry has neither deadline nor lock, so that no clock is needed.
    #[inline(always)]
    pub(crate) fn is_timeless(&self) -> bool {
        self.times == 0
    }

    /// The deadline, if the entry has one and neither lock nor doubt.
    pub(crate) fn expires(&self) -> Option<Tick> {
        if self.times & 1 == 0 { unpack_expiry(self.times) } else { None }
    }
}

/// The bytes of an entry's allocation.
pub(crate) fn entry_bytes<K, V>() -> usize {
    size_of::<Node<K, V>>()
}

impl<K, V: 'static> Node<K, V> {
    /// A node that nobody sees yet; `prepare` completes it.
    #[inline]
    pub(crate) fn boxed(hash: Low, key: K, value: V) -> Box<Self> {
        let body = if is_word::<V>() {
            let cells = [AtomicU64::new(to_bits(value)), AtomicU64::new(0)];
            Body { cells: ManuallyDrop::new(cells) }
        } else {
            Body { value: ManuallyDrop::new(value) }
        };
        let (state, times) = (AtomicU64::new(0), AtomicU64::new(0));
        let usage = Usage::new();
        spare::boxed(Self { state, times, hash, usage, canary: Canary::new(), key, body })
    }

    /// Sets what is known only under the stripe lock.
    pub(super) fn prepare(&mut self, stamp: u64, expires: Option<Tick>) {
        self.state = AtomicU64::new(stamp << 1);
        self.times = AtomicU64::new(pack_expiry(expires));
    }

    /// Takes an unpublished node apart.
    pub(crate) fn into_parts(self) -> (K, V) {
        let mut node = ManuallyDrop::new(self);
        // SAFETY: [R4] the node was never published, so this is the only owner, and it is in a
        // `ManuallyDrop`, so `key` is not dropped a second time.
        let key = unsafe { ptr::read(&raw const node.key) };
        let value = if is_word::<V>() {
            // SAFETY: the kind follows from the type. A node that was never published has its
            // value in the first cell.
            let cells = unsafe { &mut node.body.cells };
            super::word::from_bits(cells[0].load(Ordering::Relaxed))
        } else {
            // SAFETY: the kind follows from the type; as with `key`, nobody drops it again.
            unsafe { ManuallyDrop::take(&mut node.body.value) }
        };
        (key, value)
    }

    /// Starts loading what whoever evicts looks at.
    #[inline(always)]
    pub(super) fn prefetch(node: *const Self) {
        prefetch(node);
        prefetch(node.wrapping_byte_add(mem::offset_of!(Self, usage)));
    }

    #[inline(always)]
    pub(crate) fn key(&self) -> &K {
        self.canary.observe();
        &self.key
    }

    pub(crate) fn low_hash(&self) -> Low {
        self.hash
    }

    #[inline(always)]
    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    #[inline(always)]
    fn cells(&self) -> &[AtomicU64; 2] {
        debug_assert!(is_word::<V>());
        // SAFETY: the callers have checked that `V` is a word, so `boxed` filled `cells`.
        unsafe { &self.body.cells }
    }

    #[inline(always)]
    fn value_at(&self, state: u64) -> ValueRef<'_, V> {
        if is_word::<V>() {
            // Acquire, pairs with the Release store in `set_cell` [O4]: a reader that sees a later
            // write's value here also sees that `state` has moved, and starts again.
            ValueRef::word(self.cells()[(state & 1) as usize].load(Ordering::Acquire))
        } else {
            // SAFETY: the kind follows from the type, so `boxed` filled `value`, which nobody
            // changes before the node is dropped.
            ValueRef::shared(unsafe { &self.body.value })
        }
    }

    /// Looks at the node without a lock. The caller holds a guard that keeps it alive (R1).
    #[inline(always)]
    pub(crate) fn view(&self) -> View<'_, V> {
        self.canary.observe();
        loop {
            // Acquire, pairs with the Release store of `state` in `set_state` [O3]: the cell it
            // names and the mark of doubt set before it are seen with it.
            let state = self.state.load(Ordering::Acquire);
            // Acquire, pairs with the Release stores in `set_times` [O5]: a deadline set after a
            // change of `state` is not seen without that change.
            let times = self.times.load(Ordering::Acquire);
            let value = self.value_at(state);
            // Relaxed: the two Acquire loads above keep this one behind them, and whatever they
            // saw is at most as new as what it returns [O4, O5].
            if self.state.load(Ordering::Relaxed) == state {
                return View { stamp: state >> 1, value, times };
            }
            // A write has finished meanwhile, so somebody made progress.
            if crate::sync::MODELLED {
                yield_now();
            }
        }
    }

    /// What a reader may conclude at `now` from its view of this node, without the stripe lock.
    ///
    /// `now` must be sampled after the view was taken: a deadline in the future then was in the
    /// future at the instant of the view as well.
    pub(crate) fn standing(&self, view: &View<'_, V>, now: Tick) -> Standing {
        if view.times == IN_DOUBT {
            return Standing::InDoubt;
        }
        let Some(record) = self.record(view.times) else {
            return if unpack_expiry(view.times).is_some_and(|at| at <= now) {
                Standing::Expired
            } else {
                Standing::Live
            };
        };
        record.canary.observe();
        // Relaxed: the word stands for itself. `times` has brought the record's contents [O5], an
        // outdated deadline sends the reader to the stripe lock, and a lapse made real stays so.
        let deadline = record.deadline.load(Ordering::Relaxed);
        if record.expires.is_some_and(|at| at <= now) {
            Standing::Expired
        } else if deadline == 0 {
            Standing::Live
        } else if now.raw() < deadline {
            Standing::Masked
        } else {
            Standing::Lapsed
        }
    }

    /// The deadline in a view without doubt, locked or not.
    pub(crate) fn deadline(&self, view: &View<'_, V>) -> Option<Tick> {
        self.record(view.times).map_or_else(|| unpack_expiry(view.times), |record| record.expires)
    }

    /// The lock record that a value of `times` names.
    ///
    /// It is alive as long as the node or the guard that protects the reader (R5).
    fn record(&self, times: u64) -> Option<&LockRecord> {
        if !names_record(times) {
            return None;
        }
        let record = ptr::with_exposed_provenance::<LockRecord>((times & !1) as usize);
        // SAFETY: [R5] an odd value of `times` is the address of a record that is retired only
        // after it was taken out of `times`.
        Some(unsafe { &*record })
    }

    // What follows is for holders of the stripe lock. They are alone in writing, so they may read
    // their own words Relaxed: the lock has ordered them after every earlier write.

    /// The present stamp.
    pub(super) fn stamp(&self) -> u64 {
        self.state.load(Ordering::Relaxed) >> 1 // Relaxed: under the stripe lock
    }

    fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed) // Relaxed: under the stripe lock
    }

    pub(super) fn is_timeless(&self) -> bool {
        self.times() == 0
    }

    pub(super) fn expires(&self) -> Option<Tick> {
        let times = self.times();
        self.record(times).map_or_else(|| unpack_expiry(times), |record| record.expires)
    }

    pub(super) fn lock_state(&self) -> Option<LockState> {
        let record = self.record(self.times())?;
        let deadline = record.deadline.load(Ordering::Relaxed); // Relaxed: under the stripe lock
        Some(LockState { token: record.token, deadline: Tick::from_raw(deadline) })
    }

    /// Gives the entry a new stamp, a new deadline and, if it is a word, a new value. Takes away
    /// the lock record if there is one; the caller retires it.
    pub(super) fn rewrite(
        &self,
        stamp: u64,
        expires: Option<Tick>,
        bits: Option<u64>,
    ) -> Option<Detached> {
        let before = self.times();
        let after = pack_expiry(expires);
        if before != after {
            // A reader may see the old stamp or the new one, but neither with the other's
            // deadline: between the two, the stripe lock must tell.
            self.set_times(IN_DOUBT);
        }
        match bits {
            Some(bits) => self.set_word(stamp, bits),
            None => self.set_state(stamp << 1 | self.parity()),
        }
        if before != after {
            self.set_times(after);
        }
        self.take_record(before)
    }

    /// The same for an entry that has neither deadline nor lock and gets neither.
    #[inline(always)]
    pub(super) fn rewrite_timeless(&self, stamp: u64, bits: u64) {
        debug_assert!(self.is_timeless());
        self.set_word(stamp, bits);
    }

    /// Which cell holds the word value.
    fn parity(&self) -> u64 {
        self.state.load(Ordering::Relaxed) & 1 // Relaxed: under the stripe lock
    }

    /// The bits of a word value, as the stripe lock holder sees them.
    pub(super) fn bits(&self) -> u64 {
        self.cells()[self.parity() as usize].load(Ordering::Relaxed) // Relaxed: under the stripe lock
    }

    /// The value, as the stripe lock holder sees it.
    pub(super) fn value(&self) -> ValueRef<'_, V> {
        self.value_at(self.state.load(Ordering::Relaxed)) // Relaxed: under the stripe lock
    }

    /// Attaches a key lock. Gives back the record of a lapsed one, for the caller to retire.
    pub(super) fn attach(&self, mut fresh: Box<LockRecord>) -> Option<Detached> {
        debug_assert!(self.lock_state().is_none_or(|lock| lock.deadline.is_none()));
        fresh.expires = self.expires();
        let before = self.times();
        self.set_times(Box::into_raw(fresh).expose_provenance() as u64 | 1);
        self.take_record(before)
    }

    /// Detaches the key lock, leaving the stamp as it is. Gives back its record to retire.
    pub(super) fn detach(&self) -> Option<Detached> {
        let before = self.times();
        let expires = self.expires();
        self.set_times(pack_expiry(expires));
        self.take_record(before)
    }

    /// Moves the lock's deadline; `None` makes a lapse real.
    pub(super) fn set_deadline(&self, deadline: Option<Tick>) {
        if let Some(record) = self.record(self.times()) {
            // Relaxed: as in `standing`.
            record.deadline.store(deadline.map_or(0, Tick::raw), Ordering::Relaxed);
        }
    }

    /// Changes the word and the stamp: fills the cell that `state` does not name, then moves `state`.
    #[inline(always)]
    fn set_word(&self, stamp: u64, bits: u64) {
        let parity = self.parity();
        self.set_cell(parity ^ 1, bits);
        self.set_state(stamp << 1 | (parity ^ 1));
    }

    fn set_cell(&self, cell: u64, bits: u64) {
        // Release, pairs with the Acquire in `value_at` [O4]: it publishes every earlier store of
        // `state`, so a reader that meets this value under an older `state` notices. With Relaxed
        // a reader could pair the value two writes later with the stamp it read first.
        self.cells()[cell as usize].store(bits, Ordering::Release);
    }

    fn set_state(&self, state: u64) {
        // Release, pairs with the Acquire in `view` [O3]: whoever sees the new state sees the cell
        // it names filled, and sees that the deadlines are in doubt if they are about to change.
        self.state.store(state, Ordering::Release);
    }

    fn set_times(&self, times: u64) {
        // Release, pairs with the Acquire in `view` [O5]: a reader that sees a deadline or a lock
        // record sees the `state` it belongs to, and the record's contents.
        self.times.store(times, Ordering::Release);
    }

    /// The record named by `times`, which has just been overwritten.
    fn take_record(&self, times: u64) -> Option<Detached> {
        names_record(times).then(|| Detached(times))
    }
}

fn names_record(times: u64) -> bool {
    times & 1 == 1 && times != IN_DOUBT
}

/// A lock record that no node names any more. Readers may still look at it, so it is retired; only
/// when it is dropped does it become a `Box` again.
pub(super) struct Detached(u64);

impl Drop for Detached {
    fn drop(&mut self) {
        let record = ptr::with_exposed_provenance_mut::<LockRecord>((self.0 & !1) as usize);
        // SAFETY: [R5] `attach` made the address from a `Box`; it was taken out of `times` exactly
        // once, and whoever drops this has waited until no reader can hold the address.
        drop(unsafe { Box::from_raw(record) });
    }
}

/// A lock record for `Node::attach`, made before the stripe lock is taken and completed under it.
pub(crate) struct BlankLock(Box<LockRecord>);

impl BlankLock {
    pub(crate) fn new() -> Self {
        Self(Box::new(LockRecord {
            canary: Canary::new(),
            expires: None,
            deadline: AtomicU64::new(0),
            token: 0,
        }))
    }

    pub(super) fn fill(mut self, deadline: Tick, token: u64) -> Box<LockRecord> {
        *self.0 = LockRecord::new(None, deadline, token);
        self.0
    }
}

impl<K, V> Drop for Node<K, V> {
    fn drop(&mut self) {
        self.canary.destroy();
        let times = self.times.load(Ordering::Relaxed); // Relaxed: `&mut self`, nobody else is here
        drop(names_record(times).then(|| Detached(times)));
        self.body.drop_value();
    }
}

impl<V> Body<V> {
    fn drop_value(&mut self) {
        if mem::needs_drop::<V>() {
            // SAFETY: no word needs dropping, so `boxed` filled `value`, and a node is dropped once.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}

#[inline(always)]
fn pack_expiry(expires: Option<Tick>) -> u64 {
    expires.map_or(0, |at| at.raw() << 1)
}

#[inline(always)]
fn unpack_expiry(times: u64) -> Option<Tick> {
    debug_assert!(times & 1 == 0);
    Tick::from_raw(times >> 1)
}
