//! An epoch of our own, whose pin is a load and a store.
//!
//! ```text
//! reader   pin:    epoch ──▶ word, pinned ── light barrier ── asleep? ─▶ (rarely) a fence of its own
//!          unpin:            word, not pinned
//!
//! writer   defer:  garbage gets the epoch as its number; the epoch moves on
//!          collect: the lowest epoch that a reader may still hold is the horizon; garbage with
//!                   numbers below it goes
//! ```
//!
//! A pin must be visible before what is read under it, which elsewhere takes a locked instruction
//! in every pin. Here whoever collects finds out about each reader in one of three ways:
//!
//! * **It has pinned lately.** A word with an epoch above the garbage's number is proof enough,
//!   pinned or not: the thread has read that epoch, so whatever it looks at from then on is what was
//!   there after the garbage had been taken out. A pin that is not visible yet has read the same epoch
//!   or a later one. Busy readers need no barrier at all.
//! * **It is pinned** at an epoch below. Then the garbage waits.
//! * **It is not pinned, and has not been for a while.** It may be, invisibly. The collector puts it
//!   to sleep: it sets `asleep` and calls for the [`heavy`](barrier::heavy) barrier. By B1 a pin
//!   then is visible or will see that it is asleep, and in that case its thread executes a fence
//!   itself, once, and is awake. Until then it needs no barrier any more.
//!
//! So there is one heavy barrier for each time that a thread stops reading or goes on so slowly that
//! garbage piles up meanwhile, or that somebody cannot wait.
//!
//! Where the kernel has no such barrier, `crossbeam-epoch` stands in, and each pin here is one there.
#![expect(unsafe_code, reason = "in one of the two rooms where it is allowed")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;

use super::barrier::{self, Light};
#[cfg(not(caskade_loom))]
use super::crossbeam;
use super::slots::ThreadSlot;
use crate::sync::{AtomicU8, AtomicU64, Mutex, Ordering, Padded, fence};

type Deferred = Box<dyn FnOnce() + Send>;

/// A thread as a reader, on cache lines of its own.
struct Reader {
    /// Twice the epoch at the last pin, plus one while that lasts.
    word: AtomicU64,
    /// Whether the next pin needs a fence of its own: set by the collector, cleared by the thread.
    asleep: AtomicU8,
    /// How many guards the thread holds, and [`FLAGS`]. Its own business. Wide enough for all that
    /// can be forgotten in a lifetime.
    depth: Cell<u64>,
    light: Light,
    thread: ThreadSlot,
    /// The pin that stands for ours where the kernel has no barrier.
    #[cfg(not(caskade_loom))]
    stand_in: Cell<Option<crossbeam::Guard>>,
    /// Loom's statics are gone before its main thread ends.
    #[cfg(caskade_loom)]
    shared: Arc<Shared>,
}

// SAFETY: [E2] `depth` and `stand_in` are touched by the reader's own thread only, which reaches them
// through the thread-local pointer and its guards, which cannot be sent. All else is atomic or constant.
unsafe impl Sync for Reader {}
// SAFETY: as above; the reader's own thread is also who takes it off the list and drops it.
unsafe impl Send for Reader {}

/// In the depth of a reader whose thread is ending: its last guard takes it off the list.
const LEAVING: u64 = 1 << 63;

/// In the depth of a reader for which `crossbeam-epoch` stands in.
const FOREIGN: u64 = 1 << 62;

/// Below these there is nothing but the number of guards.
const FLAGS: u64 = LEAVING | FOREIGN;

/// As many deferrals may wait for readers that do nothing before these are put to sleep.
const PILE: u64 = if crate::sync::MODELLED { 1 } else { 8 };

/// Under a sanitizer garbage goes as soon as it may, so that it notices who still looks at it.
const EAGER: bool = cfg!(crossbeam_sanitize);

struct Shared {
    /// On a line of its own: every pin reads it, and it changes with every deferral.
    epoch: Padded<AtomicU64>,
    /// Who may be pinned. Whoever holds the lock may collect.
    readers: Mutex<Vec<Arc<Padded<Reader>>>>,
    /// Garbage with its numbers, which rise.
    waiting: Mutex<VecDeque<(u64, Deferred)>>,
}

impl Shared {
    // Zero is nobody's epoch.
    #[cfg(not(caskade_loom))]
    const fn new() -> Self {
        let epoch = Padded(AtomicU64::new(1));
        Self { epoch, readers: Mutex::new(Vec::new()), waiting: Mutex::new(VecDeque::new()) }
    }

    #[cfg(caskade_loom)]
    fn new() -> Self {
        let epoch = Padded(AtomicU64::new(1));
        Self { epoch, readers: Mutex::new(Vec::new()), waiting: Mutex::new(VecDeque::new()) }
    }
}

#[cfg(not(caskade_loom))]
mod statics {
    use super::*;

    pub(super) static SHARED: Shared = Shared::new();

    crate::sync::thread_local! {
        /// The thread's reader; null before its first pin and when it is ending.
        pub(super) static READER: Cell<*const Reader> = const { Cell::new(ptr::null()) };
        /// Takes the reader off the list when the thread ends.
        pub(super) static MEMBERSHIP: Membership = const { Membership(Cell::new(ptr::null())) };
    }
}

#[cfg(caskade_loom)]
mod statics {
    use super::*;

    loom::lazy_static! {
        pub(super) static ref SHARED: Arc<Shared> = Arc::new(Shared::new());
    }

    loom::thread_local! {
        pub(super) static READER: Cell<*const Reader> = Cell::new(ptr::null());
        pub(super) static MEMBERSHIP: Membership = Membership(Cell::new(ptr::null()));
    }
}

use statics::{MEMBERSHIP, READER, SHARED};

struct Membership(Cell<*const Reader>);

impl Drop for Membership {
    fn drop(&mut self) {
        let _ = READER.try_with(|reader| reader.set(ptr::null()));
        // SAFETY: [E3] it is on the list: only `leave` marks it, here, as one that may be taken off.
        if unsafe { self.0.get().as_ref() }.is_some_and(Reader::leave) {
            Reader::strike_off(self.0.get());
        }
    }
}

impl Reader {
    /// A reader for this thread, on the list.
    #[cold]
    fn enrol() -> *const Self {
        let mut readers = SHARED.readers.lock();
        // Acquire [O8], as in a pin.
        let epoch = SHARED.epoch.0.load(Ordering::Acquire);
        let reader = Arc::new(Padded(Self {
            word: AtomicU64::new(epoch << 1),
            asleep: AtomicU8::new(0),
            depth: Cell::new(if barrier::is_available() { 0 } else { FOREIGN }),
            light: Light::new(),
            thread: ThreadSlot::claim(),
            #[cfg(not(caskade_loom))]
            stand_in: Cell::new(None),
            #[cfg(caskade_loom)]
            shared: Arc::clone(&SHARED),
        }));
        readers.push(Arc::clone(&reader));
        drop(readers);
        let this = ptr::from_ref(&reader.0);
        if MEMBERSHIP.try_with(|membership| membership.0.set(this)).is_ok() {
            READER.with(|it| it.set(this));
        } else {
            // The thread is ending: this is for one guard, which takes it off the list again.
            reader.0.depth.set(reader.0.depth.get() | LEAVING);
        }
        this
    }

    #[inline(always)]
    fn enter(&self) {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        if depth == 0 {
            self.announce();
        } else if depth & FLAGS == depth {
            self.enter_specially();
        }
    }

    /// The first guard of a reader with flags.
    #[cold]
    fn enter_specially(&self) {
        if self.depth.get() & FOREIGN == 0 {
            return self.announce();
        }
        #[cfg(not(caskade_loom))]
        self.stand_in.set(Some(crossbeam::pin()));
    }

    /// Shows that the thread is pinned, at the present epoch.
    #[inline(always)]
    fn announce(&self) {
        // Acquire, pairs with the Release in `defer` [O8]: what was taken out before this epoch
        // began is not found any more.
        let epoch = SHARED.epoch.0.load(Ordering::Acquire);
        // Release, pairs with the Acquire in `state` [O9]: what was read under earlier pins was
        // read before anybody drops it.
        self.word.store(epoch << 1 | 1, Ordering::Release);
        self.light.pass();
        // Relaxed: B1 orders it after the store of the word.
        if self.asleep.load(Ordering::Relaxed) != 0 {
            self.wake();
        }
    }

    /// The only guard begins anew.
    fn refresh(&self, depth: u64) {
        if depth & FOREIGN == 0 {
            return self.announce();
        }
        #[cfg(not(caskade_loom))]
        if let Some(mut guard) = self.stand_in.take() {
            guard.refresh();
            self.stand_in.set(Some(guard));
        }
    }

    #[cold]
    fn wake(&self) {
        // Pairs with the fence in `survey` [O10]: the collector sees the word, or this thread sees
        // what was taken out before the collector looked.
        fence(Ordering::SeqCst);
        // Relaxed: whoever sees the word after the next unpin, with Acquire, sees this [O9].
        self.asleep.store(0, Ordering::Relaxed);
    }

    /// Whether the reader is to be struck off the list.
    #[inline(always)]
    fn exit(&self) -> bool {
        let depth = self.depth.get() - 1;
        self.depth.set(depth);
        if depth == 0 {
            self.retract();
            return false;
        }
        depth & FLAGS == depth && self.exit_specially()
    }

    /// That was the last guard of a reader with flags.
    #[cold]
    fn exit_specially(&self) -> bool {
        if self.depth.get() & FOREIGN == 0 {
            self.retract();
        }
        #[cfg(not(caskade_loom))]
        drop(self.stand_in.take());
        self.depth.get() & LEAVING != 0
    }

    #[inline(always)]
    fn retract(&self) {
        // Relaxed: the thread's own word.
        let word = self.word.load(Ordering::Relaxed);
        // Release, pairs with the Acquire in `state` [O9]: what was read under this pin was read
        // before anybody drops it.
        self.word.store(word & !1, Ordering::Release);
    }

    /// The thread is ending. Whether the reader is to be struck off the list: as long as there are
    /// guards it stays.
    fn leave(&self) -> bool {
        let depth = self.depth.get();
        self.depth.set(depth | LEAVING);
        depth & !FLAGS == 0
    }

    /// Takes the reader off the list and drops it.
    #[cold]
    fn strike_off(this: *const Self) {
        #[cfg(caskade_loom)]
        // SAFETY: [E3] it is still on the list.
        let shared = Arc::clone(unsafe { &(*this).shared });
        #[cfg(not(caskade_loom))]
        let shared = &SHARED;
        let mut readers = shared.readers.lock();
        let at = readers.iter().position(|reader| ptr::eq(&raw const reader.0, this));
        let gone = at.map(|at| readers.swap_remove(at));
        drop(readers);
        drop(gone);
    }
}

/// A pinned thread. While it lives, nothing that could be reached when it was made is dropped.
pub(crate) struct Guard {
    reader: *const Reader,
}

/// Pins the calling thread. Nested pins are cheaper still.
#[inline(always)]
pub(crate) fn pin() -> Guard {
    // It has nothing to drop, so that it is there as long as the thread is. (Where thread-locals are
    // not the system's own it may be null again in the end; then a reader is left behind, unpinned.)
    let mut reader = READER.with(Cell::get);
    if reader.is_null() {
        reader = Reader::enrol();
    }
    let guard = Guard { reader };
    guard.reader().enter();
    guard
}

impl Guard {
    #[inline(always)]
    fn reader(&self) -> &Reader {
        // SAFETY: [E3] a reader with guards is on the list.
        unsafe { &*self.reader }
    }

    /// The pinned thread's number: small, and its own for as long as it lives.
    #[inline(always)]
    pub(crate) fn thread(&self) -> usize {
        self.reader().thread.index()
    }

    /// Lets go of everything reached so far, unless there are other guards, and pins again at once.
    pub(crate) fn refresh(&mut self) {
        let depth = self.reader().depth.get();
        if depth & !FLAGS == 1 {
            self.reader().refresh(depth);
        }
    }
}

impl Drop for Guard {
    #[inline(always)]
    fn drop(&mut self) {
        if self.reader().exit() {
            Reader::strike_off(self.reader);
        }
    }
}

/// Runs `drop` once no thread that is pinned now is pinned any more, on whatever thread.
pub(crate) fn defer(drop: impl FnOnce() + Send + 'static) {
    #[cfg(not(caskade_loom))]
    if !barrier::is_available() {
        return crossbeam::defer(drop);
    }
    let deferred: Deferred = Box::new(drop);
    let mut waiting = SHARED.waiting.lock();
    // Relaxed: it is written under this lock only.
    let number = SHARED.epoch.0.load(Ordering::Relaxed);
    // Release, pairs with the Acquire in `announce` and `survey` [O8].
    SHARED.epoch.0.store(number + 1, Ordering::Release);
    waiting.push_back((number, deferred));
    let piled = waiting.len();
    std::mem::drop(waiting);
    collect(piled, PILE);
}

/// Runs what is due, whatever it takes to find out.
pub(crate) fn advance() {
    #[cfg(not(caskade_loom))]
    if !barrier::is_available() {
        return crossbeam::advance();
    }
    collect(usize::MAX, 1);
}

/// Runs what is due, of so many that are `piled` up. Puts readers to sleep if that makes `worthwhile`
/// more of them due.
fn collect(piled: usize, worthwhile: u64) {
    // The calling thread has pinned lately, then.
    drop(pin());
    // Whoever cannot wait must not rely on somebody who has looked already.
    let readers =
        if worthwhile == 1 { Some(SHARED.readers.lock()) } else { SHARED.readers.try_lock() };
    let Some(readers) = readers else { return };
    if piled < readers.len() / 4 {
        return; // To look at all readers is not worth it yet.
    }
    let horizon = horizon(&readers, if EAGER { 1 } else { worthwhile });
    drop(readers);
    while let Some(deferred) = take_due(horizon) {
        deferred();
    }
}

fn take_due(horizon: u64) -> Option<Deferred> {
    let mut waiting = SHARED.waiting.lock();
    let is_due = waiting.front().is_some_and(|(number, _)| *number < horizon);
    if is_due { waiting.pop_front().map(|(_, deferred)| deferred) } else { None }
}

type Readers = [Arc<Padded<Reader>>];

/// Garbage with numbers below this cannot be reached any more.
fn horizon(readers: &Readers, worthwhile: u64) -> u64 {
    let found = survey(readers);
    if found.pinned < found.idle.saturating_add(worthwhile) {
        return found.pinned.min(found.idle);
    }
    let is_in_the_way = |state| matches!(state, State::Idle(epoch) if epoch < found.pinned);
    let drowsy: Vec<_> =
        readers.iter().map(|reader| &reader.0).filter(|it| is_in_the_way(it.state())).collect();
    // Relaxed: the barrier makes it count.
    drowsy.iter().for_each(|reader| reader.asleep.store(1, Ordering::Relaxed));
    if barrier::heavy(readers.iter().map(|reader| &reader.0.light)) {
        let found = survey(readers);
        found.pinned.min(found.idle)
    } else {
        // Relaxed: nobody needs to see it, a fence more does no harm.
        drowsy.iter().for_each(|reader| reader.asleep.store(0, Ordering::Relaxed));
        found.idle
    }
}

/// What a collector sees of a reader.
enum State {
    /// Pinned at this epoch.
    Pinned(u64),
    /// Not pinned since this epoch, or invisibly so.
    Idle(u64),
    /// Not pinned, and cannot be without the collector's seeing it.
    Asleep,
}

impl Reader {
    fn state(&self) -> State {
        // Acquire, pairs with the Release in `announce` and `retract` [O9].
        let word = self.word.load(Ordering::Acquire);
        let epoch = word >> 1;
        if word & 1 == 1 {
            State::Pinned(epoch)
        // Relaxed, and after the word: a pin that has woken the reader and ended is seen with that.
        } else if self.asleep.load(Ordering::Relaxed) == 1 {
            State::Asleep
        } else {
            State::Idle(epoch)
        }
    }
}

/// The lowest epochs of readers, or the present one.
struct Survey {
    pinned: u64,
    idle: u64,
}

fn survey(readers: &Readers) -> Survey {
    // Relaxed: the fence makes an Acquire of it, which pairs with the Release in `defer` [O8]. All
    // that has a lower number was taken out before the fence.
    let now = SHARED.epoch.0.load(Ordering::Relaxed);
    // Pairs with the fence in `wake` [O10].
    fence(Ordering::SeqCst);
    let mut found = Survey { pinned: now, idle: now };
    for reader in readers {
        match reader.0.state() {
            State::Pinned(epoch) => found.pinned = found.pinned.min(epoch),
            State::Idle(epoch) => found.idle = found.idle.min(epoch),
            State::Asleep => {}
        }
    }
    found
}

/// As if all readers had been idle when a barrier came.
#[cfg(all(test, caskade_loom))]
pub(super) fn put_all_to_sleep() {
    let readers = SHARED.readers.lock();
    readers.iter().for_each(|reader| reader.0.asleep.store(1, Ordering::Relaxed));
}

#[cfg(all(test, not(caskade_loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Something deferred, and whether it was dropped.
    struct Probe(Arc<()>);

    impl Probe {
        fn deferred() -> Self {
            let alive = Arc::new(());
            let garbage = Arc::clone(&alive);
            defer(move || drop(garbage));
            Self(alive)
        }

        fn is_dropped(&self) -> bool {
            (0..100).for_each(|_| advance());
            Arc::strong_count(&self.0) == 1
        }

        /// Others may be pinned, for a moment.
        fn is_dropped_soon(&self) -> bool {
            (0..1_000_000).any(|_| {
                crate::sync::yield_now();
                self.is_dropped()
            })
        }
    }

    #[test]
    fn the_outermost_guard_counts() {
        let (outer, inner) = (pin(), pin());
        let probe = Probe::deferred();
        assert!(!probe.is_dropped());
        drop(outer);
        assert!(!probe.is_dropped());
        drop(inner);
        assert!(probe.is_dropped_soon());
    }

    #[test]
    fn a_refresh_lets_go_if_the_guard_is_the_only_one() {
        let mut guard = pin();
        let first = Probe::deferred();
        let other = pin();
        guard.refresh();
        assert!(!first.is_dropped(), "the other guard is older");
        drop(other);
        guard.refresh();
        assert!(first.is_dropped_soon());
        let second = Probe::deferred();
        assert!(!second.is_dropped());
    }

    #[test]
    fn idle_threads_are_put_to_sleep_and_wake() {
        let (to_thread, orders) = std::sync::mpsc::channel::<Probe>();
        let (answers, from_thread) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            drop(pin());
            answers.send(()).expect("somebody waits");
            let first = orders.recv().expect("a first probe");
            let _guard = pin();
            answers.send(()).expect("somebody waits");
            let second = orders.recv().expect("a second probe");
            assert!(!second.is_dropped(), "dropped under the guard of a thread that woke");
            drop(first);
        });
        from_thread.recv().expect("it has pinned");
        let first = Probe::deferred();
        assert!(first.is_dropped_soon(), "an idle thread is in the way");
        to_thread.send(first).expect("it waits");
        from_thread.recv().expect("it is pinned");
        to_thread.send(Probe::deferred()).expect("it waits");
        reader.join().expect("the reader found everything as it should be");
    }

    /// Held by a thread until after its reader has left.
    struct Keeper {
        guard: Option<Guard>,
        probe: Probe,
    }

    impl Drop for Keeper {
        fn drop(&mut self) {
            assert!(READER.with(Cell::get).is_null(), "the thread has not left");
            assert!(!self.probe.is_dropped(), "dropped under a guard");
            self.guard = None;
            assert!(self.probe.is_dropped_soon());
            let late = pin();
            let probe = Probe::deferred();
            assert!(!probe.is_dropped(), "dropped under a late guard");
            drop(late);
            assert!(probe.is_dropped_soon());
        }
    }

    #[test]
    fn guards_protect_when_their_thread_is_ending() {
        std::thread_local! {
            static KEPT: RefCell<Option<Keeper>> = const { RefCell::new(None) };
        }
        let thread = std::thread::spawn(|| {
            // First, so that it is the last to be destroyed.
            KEPT.with(|kept| {
                let guard = Some(pin());
                *kept.borrow_mut() = Some(Keeper { guard, probe: Probe::deferred() });
            });
        });
        thread.join().expect("the thread ended well");
    }
}
