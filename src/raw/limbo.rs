//! Limbo: memory that is unlinked and may still be looked at, on its way to being dropped.
//!
//! ```text
//! stripe ── retire ──▶ Batch ── hand over ──▶ epoch ── no reader left ──▶ due ── turns ──▶ dropped
//!           (lock)             (no lock)               (any thread)            (writers)
//! ```
//!
//! The epoch decides which thread learns that a batch may go, and that can be a reader in the midst
//! of a `get`. So all it does is to push the batch on a stack. Values are dropped by writers, after
//! they have let go of their stripe lock, and in bounded turns: a look-up never runs anybody's
//! `Drop`, and nobody pays for a whole cleared table.

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use crate::epoch;
use crate::swallow::swallow_panic;
use crate::sync::{AtomicPtr, MODELLED, Mutex, Ordering, Tally, pause, thread_flag, yield_now};

use super::node::{Detached, Node};
use super::spare;
use super::stripe::BatchSize;
use super::table::Table;
use super::word::ValueRef;

/// A node that was taken out of its table. Its owner keeps it until nobody needs to look at it any
/// more and then retires it; dropping it instead leaks it, for there may be readers.
#[must_use]
pub(crate) struct Unlinked<K, V>(*mut Node<K, V>);

// SAFETY: it owns the node, apart from readers that share it, as a batch does.
unsafe impl<K: Send + Sync, V: Send + Sync> Send for Unlinked<K, V> {}

impl<K, V: 'static> Unlinked<K, V> {
    pub(super) fn new(node: *mut Node<K, V>) -> Self {
        Self(node)
    }

    fn node(&self) -> &Node<K, V> {
        // SAFETY: whoever holds this has not retired the node, so it is alive.
        unsafe { &*self.0 }
    }

    pub(crate) fn key(&self) -> &K {
        self.node().key()
    }

    pub(crate) fn value(&self) -> ValueRef<'_, V> {
        self.node().value()
    }

    /// The stamp it had last.
    pub(crate) fn stamp(&self) -> u64 {
        self.node().stamp()
    }
}

/// A whole table that was taken out with its nodes. As [`Unlinked`], it is retired and not dropped.
#[must_use]
pub(crate) struct Cleared<K, V> {
    table: *mut Table<K, V>,
    count: usize,
}

// SAFETY: as for `Unlinked`.
unsafe impl<K: Send + Sync, V: Send + Sync> Send for Cleared<K, V> {}

impl<K, V: 'static> Cleared<K, V> {
    pub(super) fn new(table: *mut Table<K, V>, count: usize) -> Self {
        Self { table, count }
    }

    /// Key, value and last stamp of each node.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, ValueRef<'_, V>, u64)> {
        // SAFETY: whoever holds this has not retired the table, so it is alive.
        let table = unsafe { &*self.table };
        table.nodes().map(|node| {
            // SAFETY: the table has its nodes as long as it is not retired, and they go with it.
            let node = unsafe { &*node };
            (node.key(), node.value(), node.stamp())
        })
    }
}

/// What became of the nodes of a table that was replaced.
#[derive(Clone, Copy)]
pub(super) enum Nodes {
    /// They live on in the new table.
    MovedOn,
    /// They go with the table; so many.
    Included(usize),
}

/// A table on its way out, and the first bucket whose nodes are still there.
struct Gone<K, V> {
    table: *mut Table<K, V>,
    nodes: Nodes,
    next_bucket: usize,
}

/// Memory that is unlinked and may still be looked at. Dropping it drops what is in it.
pub(super) struct Batch<K, V> {
    nodes: Vec<*mut Node<K, V>>,
    locks: Vec<Detached>,
    tables: Vec<Gone<K, V>>,
    /// What the nodes weigh, as the cache's bound counts.
    weight: u64,
    /// The next batch on the stack.
    next: *mut Self,
}

// SAFETY: a batch owns what its pointers name, and nodes go between threads as their keys and
// values do.
unsafe impl<K: Send, V: Send> Send for Batch<K, V> {}

impl<K, V> Default for Batch<K, V> {
    fn default() -> Self {
        let (nodes, locks, tables) = (Vec::new(), Vec::new(), Vec::new());
        Self { nodes, locks, tables, weight: 0, next: ptr::null_mut() }
    }
}

impl<K, V> Batch<K, V> {
    /// Whether it is worth handing over. Tables go at once: there are few, and they are large.
    #[inline]
    pub(super) fn is_due(&self, full: BatchSize) -> bool {
        self.nodes.len() + self.locks.len() >= full.pieces
            || self.weight >= full.weight
            || !self.tables.is_empty()
    }

    /// How many values, lock records and tables there are.
    pub(super) fn pieces(&self) -> usize {
        let in_tables = self.tables.iter().map(|gone| match gone.nodes {
            Nodes::MovedOn => 1,
            Nodes::Included(count) => 1 + count,
        });
        self.nodes.len() + self.locks.len() + in_tables.sum::<usize>()
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn push_node(&mut self, node: Unlinked<K, V>, weight: u64, full: usize) {
        if self.nodes.capacity() == 0 {
            self.nodes.reserve_exact(full);
        }
        self.nodes.push(node.0);
        self.weight += weight;
    }

    pub(super) fn push_lock(&mut self, lock: Detached) {
        self.locks.push(lock);
    }

    pub(super) fn push_table(&mut self, table: *mut Table<K, V>, nodes: Nodes, weight: u64) {
        self.tables.push(Gone { table, nodes, next_bucket: 0 });
        self.weight += weight;
    }

    pub(super) fn push_cleared(&mut self, nodes: Cleared<K, V>, weight: u64) {
        self.push_table(nodes.table, Nodes::Included(nodes.count), weight);
    }

    /// Drops up to about `budget` pieces, and returns how many. All that is in it if the budget is
    /// not used up.
    fn drop_some(&mut self, budget: usize) -> usize {
        let mut dropped = 0;
        while dropped < budget {
            if let Some(node) = self.nodes.pop() {
                // SAFETY: the batch owns the node, once, and no reader holds it any more.
                let node = unsafe { Box::from_raw(node) };
                // Dropping runs the user's `Drop`. Its panic must not surface in whatever thread
                // happens to collect, nor keep the neighbours from being dropped.
                swallow_panic(|| spare::drop_and_keep(node));
                dropped += 1;
            } else if let Some(lock) = self.locks.pop() {
                drop(lock);
                dropped += 1;
            } else if let Some(closed) = self.open_table() {
                dropped += usize::from(closed);
            } else {
                break;
            }
        }
        dropped
    }

    /// Takes the nodes of one more bucket out of a table, or drops the table if there are none.
    /// Whether it has dropped one; nothing if there is no table.
    fn open_table(&mut self) -> Option<bool> {
        let gone = self.tables.last_mut()?;
        // SAFETY: the batch owns the table, made from a `Box`, and no reader holds it any more.
        let table = unsafe { &*gone.table };
        if matches!(gone.nodes, Nodes::Included(_)) && gone.next_bucket < table.len() {
            self.nodes.extend(table.bucket(gone.next_bucket).nodes());
            gone.next_bucket += 1;
            return Some(false);
        }
        let table = gone.table;
        self.tables.pop();
        // SAFETY: as above, and its nodes have been taken out or live on elsewhere.
        drop(unsafe { Box::from_raw(table) });
        Some(true)
    }

    fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.locks.is_empty() && self.tables.is_empty()
    }
}

impl<K, V> Drop for Batch<K, V> {
    fn drop(&mut self) {
        self.drop_some(usize::MAX);
    }
}

/// What a lock holder took out, to be handed over after the lock is released.
///
/// Whoever drops it instead leaks it: there may be readers.
pub(crate) struct Retired<K, V>(ManuallyDrop<Box<Batch<K, V>>>);

impl<K, V: 'static> Retired<K, V> {
    pub(super) fn new(batch: Box<Batch<K, V>>) -> Self {
        Self(ManuallyDrop::new(batch))
    }

    /// A batch for what was kept for a while after it was unlinked.
    pub(crate) fn empty() -> Self {
        Self::new(Box::default())
    }

    pub(crate) fn push(&mut self, node: Unlinked<K, V>, weight: u64) {
        self.0.push_node(node, weight, 1);
    }

    pub(crate) fn push_all(&mut self, nodes: Cleared<K, V>, weight: u64) {
        self.0.push_cleared(nodes, weight);
    }
}

/// The limbo of one cache. Its weight is in the unit of the cache's bound.
pub(crate) struct Limbo<K, V> {
    /// Values, tables and lock records that were handed over and are not dropped yet.
    pieces: Tally,
    /// What they weigh.
    weight: Tally,
    /// Above this weight writers help the collector along.
    limit: Tally,
    /// Held by whoever advances the epoch for the sake of the limit.
    helping: Mutex<()>,
    /// How often a writer over the limit gives way before it gives up.
    patience: Tally,
    /// Batches that no reader can see any more, newest first.
    due: AtomicPtr<Batch<K, V>>,
    /// Batches taken from `due` by writers, the first of them perhaps dropped in part.
    opened: Mutex<VecDeque<Box<Batch<K, V>>>>,
}

// The thread is dropping limbo's values already, whose `Drop` may write to a cache.
thread_flag!(DROPPING);

/// How many pieces a writer drops in its turn: more than it has handed over, so that limbo empties.
const TURN: usize = 128;

/// The same where limbo is over its limit.
const LONG_TURN: usize = 256;

/// What was retired is due two advances of the epoch later; one more to seal this thread's bag.
const ADVANCES: usize = 4;

/// How often a writer gives way at most: for about twenty milliseconds, once.
const MOST_PATIENCE: u64 = if MODELLED { 1 } else { 200 };

/// How often it does so without going to sleep.
const YIELDS: u64 = 16;

/// The limit where the cache has no bound to derive one from. In models the second piece is one too
/// many, but over `crossbeam-epoch` that would make them too large.
pub(crate) const DEFAULT_LIMIT: u64 = if MODELLED && !cfg!(crossbeam_loom) { 1 } else { 4096 };

impl<K, V> Limbo<K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn new(limit: u64) -> Self {
        let limbo = Self {
            pieces: Tally::default(),
            weight: Tally::default(),
            limit: Tally::default(),
            helping: Mutex::new(()),
            patience: Tally::default(),
            due: AtomicPtr::new(ptr::null_mut()),
            opened: Mutex::new(VecDeque::new()),
        };
        limbo.set_limit(limit);
        limbo.patience.set(MOST_PATIENCE);
        limbo
    }

    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.set(limit);
    }

    /// How many pieces wait.
    pub(crate) fn pieces(&self) -> u64 {
        self.pieces.get()
    }

    /// What the waiting values weigh.
    pub(crate) fn weight(&self) -> u64 {
        self.weight.get()
    }

    /// Lets `retired` be dropped when no reader can see it any more, and drops some of what has
    /// come so far.
    ///
    /// The caller holds no stripe lock: dropping runs user code.
    pub(crate) fn take(self: &Arc<Self>, retired: Retired<K, V>) {
        let batch = ManuallyDrop::into_inner(retired.0);
        self.pieces.add(batch.pieces() as u64);
        self.weight.add(batch.weight);
        let limbo = Arc::clone(self);
        epoch::defer(move || limbo.push(batch));
        self.turn(TURN);
        if self.is_over() {
            self.help();
        }
    }

    fn is_over(&self) -> bool {
        self.weight.get() > self.limit.get()
    }

    fn push(&self, batch: Box<Batch<K, V>>) {
        let batch = Box::into_raw(batch);
        // Relaxed: a guess, which the exchange checks.
        let mut newest = self.due.load(Ordering::Relaxed);
        loop {
            // SAFETY: the batch came from a `Box` and is nobody else's until it is on the stack.
            unsafe { (*batch).next = newest };
            // Release, pairs with the Acquire in `take_due` [O7]: whoever takes the batch sees what
            // is in it. Relaxed on failure, as above.
            let pushed =
                self.due.compare_exchange_weak(newest, batch, Ordering::Release, Ordering::Relaxed);
            match pushed {
                Ok(_) => return,
                Err(other) => newest = other,
            }
        }
    }

    /// Takes everything off the stack.
    fn take_due(&self, into: &mut VecDeque<Box<Batch<K, V>>>) {
        // Acquire, pairs with the Release in `push` [O7]. Everything goes at once, so nobody can
        // push a batch back that somebody else is about to unchain.
        let mut newest = self.due.swap(ptr::null_mut(), Ordering::Acquire);
        while !newest.is_null() {
            // SAFETY: `push` made the pointer from a `Box`, and the swap gave it to this thread.
            let batch = unsafe { Box::from_raw(newest) };
            newest = batch.next;
            into.push_back(batch);
        }
    }

    /// Drops up to `budget` pieces that no reader can see.
    pub(crate) fn turn(&self, budget: usize) -> usize {
        DROPPING.with(|dropping| {
            if dropping.replace(true) {
                return 0; // From within a `Drop` of limbo's own: it will go on.
            }
            let dropped = self.drop_due(budget);
            dropping.set(false);
            dropped
        })
    }

    fn drop_due(&self, budget: usize) -> usize {
        let mut dropped = 0;
        while dropped < budget {
            let Some(mut batch) = self.next_due() else { break };
            dropped += batch.drop_some(budget - dropped);
            if batch.is_empty() {
                self.weight.sub(batch.weight);
            } else {
                self.opened.lock().push_front(batch);
            }
        }
        self.pieces.sub(dropped as u64);
        dropped
    }

    fn next_due(&self) -> Option<Box<Batch<K, V>>> {
        let mut opened = self.opened.lock();
        if opened.is_empty() {
            self.take_due(&mut opened);
        }
        opened.pop_front()
    }

    /// Advances the epoch and drops what is due, giving way to whoever holds it back, until limbo is
    /// within its limit or patience ends. A thread that was pinned and only off its processor is
    /// gone soon; one that stays costs less patience each time.
    #[cold]
    fn help(&self) {
        let patience = self.patience.get();
        for round in 0..patience {
            // One is enough: whoever pins may lose the processor as well.
            if let Some(_helping) = self.helping.try_lock() {
                epoch::advance();
                if self.turn(LONG_TURN) >= LONG_TURN {
                    return; // Nobody holds anything back, there is just much to drop.
                }
            }
            if !self.is_over() {
                self.patience.set(MOST_PATIENCE.min(2 * patience));
                return;
            }
            if round < YIELDS { yield_now() } else { pause() }
        }
        self.patience.set(1.max(patience / 2));
    }

    /// Drops everything that no reader can see.
    pub(crate) fn empty(&self) -> usize {
        collect();
        self.turn(usize::MAX)
    }
}

/// Has the epoch hand back all that no reader can see, of every cache.
pub(crate) fn collect() {
    for _ in 0..ADVANCES {
        epoch::advance();
    }
}

impl<K, V> Drop for Limbo<K, V> {
    fn drop(&mut self) {
        // Acquire as in `take_due`, although whoever gave up the last handle has ordered the rest
        // before this: it costs nothing here.
        let mut newest = self.due.load(Ordering::Acquire);
        while !newest.is_null() {
            // SAFETY: as in `take_due`; whoever had the last handle owns the stack.
            let batch = unsafe { Box::from_raw(newest) };
            newest = batch.next;
        }
    }
}
