//! [`Counter`]: the value types that count.

/// A value that [`increment`](crate::Cache::increment) and its relatives work on: the primitive
/// integers of up to 64 bits, signed and unsigned.
///
/// Sealed: a counter changes in place under the eyes of lock-free readers, which needs a type whose
/// every bit pattern is a value, and one that fits a machine word.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Counter, CounterError};
///
/// /// Counts in whatever type the cache has.
/// fn hit<V: Counter + From<u8>>(hits: &Cache<String, V>, page: &str) -> Result<V, CounterError> {
///     hits.increment(page, V::from(1)).map(|count| *count)
/// }
///
/// let hits = Cache::new();
/// hits.insert(String::from("/"), 6u64)?;
/// assert_eq!(hit(&hits, "/")?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Counter: sealed::Sealed + Copy + Send + Sync + 'static {
    #[doc(hidden)]
    fn wrapping_up(self, delta: Self) -> Option<Self>;
    #[doc(hidden)]
    fn saturating_down(self, delta: Self) -> Option<Self>;
    #[doc(hidden)]
    fn checked_up(self, delta: Self) -> Option<Self>;
    #[doc(hidden)]
    fn checked_down(self, delta: Self) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! counters {
    ($($number:ty),*) => {$(
        impl sealed::Sealed for $number {}

        impl Counter for $number {
            fn wrapping_up(self, delta: Self) -> Option<Self> {
                Some(self.wrapping_add(delta))
            }

            fn saturating_down(self, delta: Self) -> Option<Self> {
                Some(self.saturating_sub(delta))
            }

            fn checked_up(self, delta: Self) -> Option<Self> {
                self.checked_add(delta)
            }

            fn checked_down(self, delta: Self) -> Option<Self> {
                self.checked_sub(delta)
            }
        }
    )*};
}

counters!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
