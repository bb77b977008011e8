//! A memory barrier with two unequal sides.
//!
//! Between two threads that each write one word and then read the other's, both need a full
//! barrier, or both may miss the other's write. Here the side that runs on every pin is
//! [`Light`], which only keeps the compiler from reordering, and the other side, which runs seldom,
//! is [`heavy`]: the kernel has every processor that runs a thread of this process execute a full
//! barrier, and a thread that is not running executed one when it lost its processor. So
//!
//! > **B1.** For each light barrier and each heavy one: what was written before the light one is
//! > visible after the heavy one, or what was written or visible before the heavy one is visible
//! > after the light one.
//!
//! Which is what two fences that are sequentially consistent promise each other. Two light ones
//! promise nothing.

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(any(caskade_loom, miri))
))]
mod imp {
    use std::sync::LazyLock;

    use libc::{
        MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
        SYS_membarrier, c_int, syscall,
    };

    use crate::sync::{Ordering, compiler_fence};

    #[expect(unsafe_code, reason = "in one of the two rooms where it is allowed")]
    fn membarrier(command: c_int) -> bool {
        // SAFETY: the call takes three numbers and touches no memory of ours.
        unsafe { syscall(SYS_membarrier, command, 0, 0) == 0 }
    }

    /// Whether the kernel does this: since Linux 4.14, unless a sandbox forbids it. Valgrind does not
    /// know it; whoever counts instructions there insists.
    pub(crate) fn is_available() -> bool {
        static REGISTERED: LazyLock<bool> =
            LazyLock::new(|| membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
        cfg!(caskade_epoch) || *REGISTERED
    }

    /// One thread's light side.
    pub(crate) struct Light;

    impl Light {
        pub(crate) fn new() -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn pass(&self) {
            compiler_fence(Ordering::SeqCst);
        }
    }

    /// False if there was no barrier, and so no promise.
    pub(crate) fn heavy<'a>(_: impl Iterator<Item = &'a Light>) -> bool {
        membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)
            // A process that was put to disk and back may have to register again.
            || membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
                && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    }
}

/// Nowhere else is there such a barrier.
#[cfg(not(any(
    caskade_loom,
    all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))
)))]
mod imp {
    pub(crate) fn is_available() -> bool {
        false
    }

    pub(crate) struct Light;

    impl Light {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn pass(&self) {}
    }

    pub(crate) fn heavy<'a>(_: impl Iterator<Item = &'a Light>) -> bool {
        false
    }
}

/// Loom knows neither kernels nor compilers. Two changes of one word stand for B1: one of them comes
/// first, and what was before it is visible after the other. Each thread has a word of its own, so
/// that light sides do not meet each other. A model may also do without the heavy side, and then the
/// light one is nothing, as it is for the processor.
#[cfg(caskade_loom)]
mod imp {
    use std::cell::Cell;

    use crate::sync::{AtomicU64, Ordering};

    std::thread_local! {
        /// Loom runs all threads of a model on one thread.
        static ABSENT: Cell<bool> = const { Cell::new(false) };
    }

    #[cfg(test)]
    pub(crate) fn set_absent(absent: bool) {
        ABSENT.with(|it| it.set(absent));
    }

    pub(crate) fn is_available() -> bool {
        true
    }

    pub(crate) struct Light(AtomicU64);

    impl Light {
        pub(crate) fn new() -> Self {
            Self(AtomicU64::new(0))
        }

        pub(crate) fn pass(&self) {
            heavy(std::iter::once(self));
        }
    }

    pub(crate) fn heavy<'a>(lights: impl Iterator<Item = &'a Light>) -> bool {
        let absent = ABSENT.with(Cell::get);
        if !absent {
            lights.for_each(|light| {
                light.0.fetch_add(1, Ordering::AcqRel); // AcqRel: that is what B1 says
            });
        }
        !absent
    }
}

pub(super) use imp::*;
