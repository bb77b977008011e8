//! Asking the processor for memory before it is needed.

/// Starts loading a line; does nothing where there is no such instruction. Any address will do.
#[inline(always)]
pub(super) fn prefetch<T>(address: *const T) {
    #[cfg(all(target_arch = "x86_64", not(any(caskade_loom, caskade_shuttle))))]
    // SAFETY: a prefetch has no effect on memory and faults on no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(caskade_loom, caskade_shuttle)))))]
    let _ = address;
}
