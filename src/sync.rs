//! The only file that names atomics, locks and thread-locals, so that a model checker can stand in
//! for all of them at once.
//!
//! Three implementations: the real one, loom's under `cfg(caskade_loom)` and shuttle's under
//! `cfg(caskade_shuttle)`. Everything above is written once.
//!
//! Statistics use [`Tally`], a plain relaxed `std` counter in every implementation: nothing is
//! ever decided by one, so exploring its interleavings would only make the models larger.

#[cfg(not(any(caskade_loom, caskade_shuttle)))]
mod imp {
    #[cfg(feature = "bytes")]
    pub(crate) use std::sync::atomic::AtomicU32;
    pub(crate) use std::sync::atomic::{
        AtomicPtr, AtomicU8, AtomicU16, AtomicU64, compiler_fence, fence,
    };
    pub(crate) use std::thread_local;

    /// The stripe lock: `parking_lot`'s, one byte wide and never poisoned.
    pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

    pub(crate) type MutexGuard<'a, T> = parking_lot::MutexGuard<'a, T>;

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(parking_lot::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock()
        }

        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut()
        }
    }

    pub(crate) use std::thread::ThreadId;

    pub(crate) fn thread_id() -> ThreadId {
        std::thread::current().id()
    }

    /// Lets a loop that waits for another thread give way.
    pub(crate) fn yield_now() {
        std::thread::yield_now();
    }

    /// The same for a thread that may need longer to get a processor.
    #[expect(clippy::disallowed_methods, reason = "it waits for the scheduler, not for a time")]
    pub(crate) fn pause() {
        std::thread::sleep(std::time::Duration::from_micros(100));
    }

    /// Marks memory that the reclamation scheme must keep alive. Free of cost here; under loom it
    /// is a cell whose accesses are checked, so that a use after free fails the model.
    #[derive(Debug)]
    pub(crate) struct Canary;

    impl Canary {
        #[inline(always)]
        pub(crate) fn new() -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn observe(&self) {}

        #[inline(always)]
        pub(crate) fn destroy(&mut self) {}
    }
}

#[cfg(caskade_loom)]
mod imp {
    pub(crate) use loom::sync::MutexGuard;
    #[cfg(feature = "bytes")]
    pub(crate) use loom::sync::atomic::AtomicU32;
    pub(crate) use loom::sync::atomic::fence;
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU64};
    pub(crate) use loom::thread::ThreadId;
    pub(crate) use loom::thread::{yield_now, yield_now as pause};
    pub(crate) use loom::thread_local;

    pub(crate) fn thread_id() -> ThreadId {
        loom::thread::current().id()
    }

    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no model panics while it holds a lock")
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }

        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().expect("no model panics while it holds a lock")
        }
    }

    #[derive(Debug)]
    pub(crate) struct Canary(loom::cell::UnsafeCell<()>);

    impl Canary {
        pub(crate) fn new() -> Self {
            Self(loom::cell::UnsafeCell::new(()))
        }

        pub(crate) fn observe(&self) {
            self.0.with(|_| ());
        }

        pub(crate) fn destroy(&mut self) {
            self.0.with_mut(|_| ());
        }
    }
}

#[cfg(caskade_shuttle)]
mod imp {
    pub(crate) use shuttle::sync::MutexGuard;
    #[cfg(feature = "bytes")]
    pub(crate) use shuttle::sync::atomic::AtomicU32;
    pub(crate) use shuttle::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU64};
    pub(crate) use shuttle::thread::ThreadId;
    pub(crate) use shuttle::thread::{yield_now, yield_now as pause};
    pub(crate) use shuttle::thread_local;
    use std::sync::atomic::{AtomicBool, Ordering};

    pub(crate) fn thread_id() -> ThreadId {
        shuttle::thread::current().id()
    }

    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no schedule panics while it holds a lock")
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }

        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().expect("no schedule panics while it holds a lock")
        }
    }

    /// Shuttle runs one thread at a time, so a flag that outlives the value's `Drop` is enough to
    /// notice a read of reclaimed memory most of the time.
    #[derive(Debug)]
    pub(crate) struct Canary(AtomicBool);

    impl Canary {
        pub(crate) fn new() -> Self {
            Self(AtomicBool::new(false))
        }

        pub(crate) fn observe(&self) {
            assert!(!self.0.load(Ordering::Relaxed), "read of reclaimed memory");
        }

        pub(crate) fn destroy(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

pub(crate) use imp::*;

/// Declares a flag of each thread, false at first.
macro_rules! thread_flag {
    ($name:ident) => {
        #[cfg(not(any(caskade_loom, caskade_shuttle)))]
        std::thread_local! {
            static $name: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
        }
        // The checkers' macros take no `const`.
        #[cfg(any(caskade_loom, caskade_shuttle))]
        crate::sync::thread_local! {
            static $name: std::cell::Cell<bool> = std::cell::Cell::new(false);
        }
    };
}

pub(crate) use std::sync::atomic::Ordering;
pub(crate) use thread_flag;

/// True when a model checker stands in: sizes shrink so that small models reach every path.
pub(crate) const MODELLED: bool = cfg!(any(caskade_loom, caskade_shuttle));

/// A statistics counter: relaxed, never read to decide anything.
#[derive(Debug, Default)]
pub(crate) struct Tally(std::sync::atomic::AtomicU64);

impl Tally {
    /// Adds from any thread.
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Adds when the caller is the only thread that writes this counter: a load and a store, with
    /// no locked instruction.
    #[inline]
    pub(crate) fn add_alone(&self, n: u64) {
        let seen = self.0.load(Ordering::Relaxed);
        self.0.store(seen.wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets the counter, for one whose value is a hint.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A value on cache lines of its own, so that writers of its neighbours do not slow its readers.
/// 128 bytes because x86 prefetches lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);
