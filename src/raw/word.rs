//! Values that are plain numbers live in atomic words and change in place; all others are
//! immutable and are replaced with their node.
//!
//! Which kind a value type is follows from the type alone, so the choice costs nothing at run
//! time. The list is closed on purpose: a type qualifies only if every bit pattern a writer can
//! store is a value, copying its bytes copies the value, and nobody can change it through `&V`.

use std::any::TypeId;
use std::mem::{ManuallyDrop, size_of};
use std::ops::Deref;
use std::ptr;

/// Whether values of type `V` live in words.
#[inline(always)]
pub(crate) fn is_word<V: 'static>() -> bool {
    macro_rules! any_of {
        ($($number:ty),*) => { $(TypeId::of::<V>() == TypeId::of::<$number>())||* };
    }
    any_of!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64, bool, char)
}

/// The bits of a word value.
#[inline(always)]
pub(crate) fn to_bits<V: 'static>(value: V) -> u64 {
    assert!(is_word::<V>());
    let value = ManuallyDrop::new(value);
    let mut bits = 0u64;
    // SAFETY: [W1] `V` is one of the numbers of `is_word`: at most eight bytes, all initialised,
    // and the two places do not overlap.
    unsafe {
        ptr::copy_nonoverlapping(
            ptr::from_ref(&*value).cast::<u8>(),
            ptr::from_mut(&mut bits).cast::<u8>(),
            size_of::<V>(),
        );
    }
    bits
}

/// The value whose bits [`to_bits`] gave.
#[inline(always)]
pub(crate) fn from_bits<V: 'static>(bits: u64) -> V {
    assert!(is_word::<V>());
    // SAFETY: [W1] the first `size_of::<V>()` bytes of `bits` are those of a valid number; the
    // read does not need alignment beyond the eight bytes of `bits`, which no such number exceeds.
    unsafe { ptr::from_ref(&bits).cast::<V>().read() }
}

/// A value as a reader sees it: a reference into its node, or the copied word.
pub(crate) struct ValueRef<'g, V> {
    repr: Repr<V>,
    node: std::marker::PhantomData<&'g V>,
}

union Repr<V> {
    bits: u64,
    shared: *const V,
}

// Not derived, because a derive would ask for `V: Copy`.
impl<V> Clone for Repr<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Repr<V> {}

impl<V> Clone for ValueRef<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for ValueRef<'_, V> {}

impl<'g, V: 'static> ValueRef<'g, V> {
    #[inline(always)]
    pub(super) fn shared(value: &'g V) -> Self {
        debug_assert!(!is_word::<V>());
        Self { repr: Repr { shared: value }, node: std::marker::PhantomData }
    }

    #[inline(always)]
    pub(super) fn word(bits: u64) -> Self {
        debug_assert!(is_word::<V>());
        Self { repr: Repr { bits }, node: std::marker::PhantomData }
    }
}

impl<V: 'static> Deref for ValueRef<'_, V> {
    type Target = V;

    #[inline(always)]
    fn deref(&self) -> &V {
        if is_word::<V>() {
            // SAFETY: `word` filled `bits`, because the kind follows from the type; [W1] makes its
            // first bytes a `V`, and a `Repr` is aligned like `u64`.
            unsafe { &*ptr::from_ref(&self.repr.bits).cast::<V>() }
        } else {
            // SAFETY: `shared` filled the pointer from a reference that outlives `'g`.
            unsafe { &*self.repr.shared }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trips<V: 'static + Copy + PartialEq + std::fmt::Debug>(values: &[V]) {
        assert!(is_word::<V>());
        for &value in values {
            let bits = to_bits(value);
            assert_eq!(from_bits::<V>(bits), value);
            assert_eq!(*ValueRef::<V>::word(bits), value);
        }
    }

    #[test]
    fn words_keep_their_value() {
        round_trips(&[0u8, 1, u8::MAX]);
        round_trips(&[0u16, u16::MAX]);
        round_trips(&[u64::MAX, 1 << 40]);
        round_trips(&[i64::MIN, -1]);
        round_trips(&[i32::MIN, -1]);
        round_trips(&[1.5f64, -0.0]);
        round_trips(&[true, false]);
        round_trips(&['a', '\u{10ffff}']);
    }

    #[test]
    fn other_types_are_not_words() {
        assert!(!is_word::<String>());
        assert!(!is_word::<&'static str>());
        assert!(!is_word::<std::sync::atomic::AtomicU64>());
        assert!(!is_word::<Option<u32>>());
        assert!(!is_word::<()>());
    }
}
