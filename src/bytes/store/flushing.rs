//! Flushing: now, or at a moment to come.

use super::Store;
use crate::bytes::RELATIVE_LIMIT;
use crate::sync::{AtomicU32, Mutex, Ordering};

/// The second at which everything is to be flushed, or `NEVER`.
pub(in crate::bytes) struct PendingFlush {
    at: AtomicU32,
    /// Held by whoever flushes.
    turn: Mutex<()>,
}

const NEVER: u32 = u32::MAX;

impl Default for PendingFlush {
    fn default() -> Self {
        Self { at: AtomicU32::new(NEVER), turn: Mutex::new(()) }
    }
}

impl Store {
    /// Removes everything that is there now; or, with a `delay` greater than 0, whatever is there at
    /// the second before the one that it names as an expiry time. A moment that is over removes the
    /// items that were not used since. Of several calls the last one counts.
    ///
    /// # Concurrency
    ///
    /// Goes stripe by stripe. What is stored after the call stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::ManualClock;
    /// use caskade::bytes::Store;
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(clock.clone()).build()?;
    /// store.set("k", "value", 0, 0)?;
    /// store.flush_all(10);
    /// assert!(store.get("k")?.is_some());
    /// clock.advance(Duration::from_secs(9));
    /// assert!(store.get("k")?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush_all(&self, delay: i64) {
        self.flush_if_due();
        let flush = &self.inner.flush;
        let _turn = flush.turn.lock();
        let now = self.second();
        let end = self.inner.calendar.end(delay, now).unwrap_or(0);
        let last = end.saturating_sub(1);
        let pending = if last > now { last } else { NEVER };
        // Relaxed: whoever finds nothing due yet is ordered before the flush, or comes while it runs.
        flush.at.store(pending, Ordering::Relaxed);
        if pending != NEVER {
            return;
        }
        if delay <= RELATIVE_LIMIT {
            self.inner.cache.clear();
        } else if end > 0 {
            self.inner.cache.retain(|_, item| item.used() > last);
        }
    }

    /// Carries out a flush whose time has come.
    #[inline]
    pub(super) fn flush_if_due(&self) {
        // Acquire, pairs with the Release store in `flush_due`: who finds that a flush was carried out
        // finds nothing of what it removed.
        if self.inner.flush.at.load(Ordering::Acquire) != NEVER {
            self.flush_due();
        }
    }

    #[cold]
    fn flush_due(&self) {
        let flush = &self.inner.flush;
        let _turn = flush.turn.lock();
        // Relaxed: under the turn, which orders all who store here.
        if flush.at.load(Ordering::Relaxed) <= self.second() {
            self.inner.cache.clear();
            // Release, pairs with the Acquire load in `flush_if_due`.
            flush.at.store(NEVER, Ordering::Release);
        }
    }
}
