//! Time: the [`Clock`] a cache reads, [`ManualClock`] for tests, and the ticks deadlines are kept in.
//!
//! Expiry and the lapse of a key lock are comparisons with a clock, never timers: an entry whose
//! deadline has passed is gone for every caller from that instant on, whether or not its memory
//! has been reclaimed.

use std::collections::BinaryHeap;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::swallow::swallow_panic;

/// What a cache takes the time from.
///
/// The default is [`SystemClock`]. Tests use a [`ManualClock`], or any implementation of their own.
///
/// An implementation must be monotone: no thread may see an instant earlier than one that was seen
/// before, by itself or by a thread it has synchronised with.
///
/// # Examples
///
/// The time of a simulation, in which nobody waits for key locks:
///
/// ```
/// use caskade::{Cache, Clock, Expiry};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::{Duration, Instant};
///
/// struct Simulation {
///     start: Instant,
///     seconds: AtomicU64,
/// }
///
/// impl Clock for Simulation {
///     fn now(&self) -> Instant {
///         self.start + Duration::from_secs(self.seconds.load(Ordering::Acquire))
///     }
/// }
///
/// let clock = Arc::new(Simulation { start: Instant::now(), seconds: AtomicU64::new(0) });
/// let cache = Cache::builder().clock(Arc::clone(&clock)).build()?;
/// cache.insert_with("k", 1, Expiry::After(Duration::from_secs(3)))?;
/// clock.seconds.fetch_add(3, Ordering::Release);
/// assert_eq!(cache.get("k"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    ///
    /// # Concurrency
    ///
    /// Called under a stripe lock at times: it must be quick and must not call into a cache.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, Clock, Expiry, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// let closing_time = clock.now() + Duration::from_secs(60);
    /// cache.insert_with("k", 1, Expiry::At(closing_time))?;
    /// assert_eq!(cache.get("k"), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn now(&self) -> Instant;

    /// Arranges that `waker` is woken once [`now`](Self::now) has reached `at`; waking it earlier
    /// as well, or more than once, does no harm. Called only when a caller waits for a
    /// key lock, or for a value that another caller loads.
    ///
    /// The default serves clocks that run with real time. A clock that is moved by hand must wake
    /// its waiters when it is moved.
    ///
    /// # Examples
    ///
    /// A clock that is made from another passes the alarm on:
    ///
    /// ```
    /// use caskade::{Cache, Clock, ManualClock};
    /// use std::task::Waker;
    /// use std::time::{Duration, Instant};
    ///
    /// /// Another clock, put forward.
    /// struct Ahead(ManualClock, Duration);
    ///
    /// impl Clock for Ahead {
    ///     fn now(&self) -> Instant {
    ///         self.0.now() + self.1
    ///     }
    ///
    ///     fn wake_at(&self, at: Instant, waker: &Waker) {
    ///         self.0.wake_at(at - self.1, waker);
    ///     }
    /// }
    ///
    /// let clock = ManualClock::new();
    /// let ahead = Ahead(clock.clone(), Duration::from_secs(3600));
    /// let cache = Cache::builder().clock(ahead).build()?;
    /// cache.insert("k", 1)?;
    /// let token = cache.get_and_lock("k")?.into_cas();
    /// let patience = Duration::from_secs(20);
    /// let next = std::thread::scope(|scope| {
    ///     let waiter = scope.spawn(|| cache.get_and_lock_within("k", Duration::ZERO, patience));
    ///     clock.advance(Duration::from_secs(15)); // the first lock lapses, which wakes the waiter
    ///     waiter.join().unwrap()
    /// })?;
    /// assert_ne!(next.cas(), token);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn wake_at(&self, at: Instant, waker: &Waker) {
        TIMER.schedule(SystemClock.now() + at.saturating_duration_since(self.now()), waker.clone());
    }
}

impl<C: Clock + ?Sized> Clock for Box<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn wake_at(&self, at: Instant, waker: &Waker) {
        (**self).wake_at(at, waker);
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn wake_at(&self, at: Instant, waker: &Waker) {
        (**self).wake_at(at, waker);
    }
}

/// The operating system's monotone clock, [`Instant::now`]; the default of every cache.
///
/// # Examples
///
/// Named where the clock is chosen at run time:
///
/// ```
/// use caskade::{Cache, Clock, ManualClock, SystemClock};
/// use std::sync::Arc;
///
/// let in_test = true;
/// let clock: Arc<dyn Clock> =
///     if in_test { Arc::new(ManualClock::new()) } else { Arc::new(SystemClock) };
/// let cache = Cache::builder().clock(Arc::clone(&clock)).build()?;
/// cache.insert("k", 1)?;
/// assert_eq!(cache.get("k"), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place where time enters")]
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that a test moves.
///
/// It starts frozen. It can be advanced, set, and released to follow real time until it is frozen
/// again; it never goes back. Clones are handles of the same clock, so one clock can drive several
/// caches. Whoever waits for a key lock is woken when the clock is moved to the lock's deadline or
/// past it.
///
/// # Examples
///
/// ```
/// use caskade::{Cache, Expiry, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let cache = Cache::builder().clock(clock.clone()).build()?;
/// cache.insert_with("k", 1, Expiry::After(Duration::from_secs(60)))?;
///
/// clock.advance(Duration::from_secs(59));
/// assert_eq!(cache.get("k"), Some(1));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(cache.get("k"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ManualClock {
    shared: Arc<Mutex<ManualState>>,
}

struct ManualState {
    /// The instant shown while frozen; the instant real time was joined at while following.
    shown: Instant,
    /// The real instant at which following began; `None` while frozen.
    following: Option<Instant>,
    sleepers: BinaryHeap<Sleeper>,
}

impl ManualState {
    fn now(&self) -> Instant {
        match self.following {
            Some(since) => self.shown + SystemClock.now().saturating_duration_since(since),
            None => self.shown,
        }
    }

    /// Moves the clock to `to` unless that is in its past, and takes out whoever is due.
    fn move_to(&mut self, to: Instant) -> Vec<Waker> {
        let to = to.max(self.now());
        self.shown = to;
        if self.following.is_some() {
            self.following = Some(SystemClock.now());
        }
        take_due(&mut self.sleepers, to)
    }
}

impl ManualClock {
    /// A frozen clock that shows the present instant.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::new();
    /// let start = clock.now();
    /// assert_eq!(clock.now(), start); // time stands still
    /// ```
    #[must_use]
    pub fn new() -> Self {
        let state =
            ManualState { shown: SystemClock.now(), following: None, sleepers: BinaryHeap::new() };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// Moves the clock forward by `by`, frozen or not.
    ///
    /// # Panics
    ///
    /// If that is later than an `Instant` can express.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Cache, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cache = Cache::builder().clock(clock.clone()).build()?;
    /// cache.insert("k", 1)?;
    /// let held = cache.get_and_lock("k")?;
    /// assert!(cache.insert("k", 2).is_err());
    /// clock.advance(Duration::from_secs(15)); // the lock lapses
    /// cache.insert("k", 2)?;
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.shared.lock();
            let to = state.now() + by;
            state.move_to(to)
        };
        wake_all(due);
    }

    /// Moves the clock forward to `to`. An instant in the clock's past leaves it where it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Clock, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let start = clock.now();
    /// clock.set(start + Duration::from_secs(60)); // the next event of a simulation
    /// clock.set(start); // has no effect
    /// assert_eq!(clock.now(), start + Duration::from_secs(60));
    /// ```
    pub fn set(&self, to: Instant) {
        let due = self.shared.lock().move_to(to);
        wake_all(due);
    }

    /// Stops the clock at the instant it shows. Without effect on a frozen clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::new();
    /// clock.resume();
    /// clock.freeze();
    /// let shown = clock.now();
    /// assert_eq!(clock.now(), shown);
    /// ```
    pub fn freeze(&self) {
        let mut state = self.shared.lock();
        state.shown = state.now();
        state.following = None;
    }

    /// Lets the clock follow real time from the instant it shows. Without effect on a clock that
    /// does already.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::new();
    /// let start = clock.now();
    /// clock.resume();
    /// while clock.now() == start {
    ///     std::thread::yield_now();
    /// }
    /// clock.freeze();
    /// assert!(clock.now() > start);
    /// ```
    pub fn resume(&self) {
        let mut state = self.shared.lock();
        if state.following.is_some() {
            return;
        }
        let (real, shown) = (SystemClock.now(), state.shown);
        state.following = Some(real);
        // They stay with this clock as well, which may be moved or frozen before they are due.
        let sleepers: Vec<_> = state.sleepers.iter().map(Sleeper::clone).collect();
        drop(state);
        for Sleeper { at, waker } in sleepers {
            TIMER.schedule(real + at.saturating_duration_since(shown), waker);
        }
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("ManualClock")
            .field("now", &state.now())
            .field("frozen", &state.following.is_none())
            .finish_non_exhaustive()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.shared.lock().now()
    }

    fn wake_at(&self, at: Instant, waker: &Waker) {
        let mut state = self.shared.lock();
        let now = state.now();
        let follows = state.following.is_some();
        state.sleepers.push(Sleeper { at, waker: waker.clone() });
        let due = take_due(&mut state.sleepers, now);
        drop(state);
        wake_all(due);
        if follows && at > now {
            TIMER.schedule(SystemClock.now() + (at - now), waker.clone());
        }
    }
}

/// Sleeps for a random time up to `longest`, so that those who lost together do not meet again.
#[expect(clippy::disallowed_methods, reason = "this is the place where time enters")]
pub(crate) fn pause(longest: Duration) {
    use std::hash::{BuildHasher, RandomState};
    let span = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    if span == 0 || crate::sync::MODELLED {
        crate::sync::yield_now();
        return;
    }
    let random = u128::from(RandomState::new().hash_one(span));
    // The high half of the product is uniform below `span`.
    let share = (random * u128::from(span)) >> 64;
    std::thread::sleep(Duration::from_nanos(u64::try_from(share).unwrap_or(span)));
}

/// Somebody to wake at an instant. Ordered so that the earliest is the greatest, which is what a
/// `BinaryHeap` gives first.
#[derive(Clone)]
struct Sleeper {
    at: Instant,
    waker: Waker,
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.at.cmp(&self.at)
    }
}

fn take_due(sleepers: &mut BinaryHeap<Sleeper>, now: Instant) -> Vec<Waker> {
    let mut due = Vec::new();
    while sleepers.peek().is_some_and(|first| first.at <= now) {
        due.extend(sleepers.pop().map(|first| first.waker));
    }
    due
}

/// Wakes everybody. A waker is foreign code; a panic in one is swallowed, so that it neither takes
/// the others' alarm away nor surfaces in a thread that has nothing to do with it.
pub(crate) fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        swallow_panic(|| waker.wake());
    }
}

/// Wakes those who wait for a key lock to lapse in real time. Its thread exists only while
/// somebody waits; nothing else in the crate has a thread.
static TIMER: LazyLock<Timer> = LazyLock::new(Timer::default);

#[derive(Default)]
struct Timer {
    state: Mutex<TimerState>,
    changed: Condvar,
}

#[derive(Default)]
struct TimerState {
    sleepers: BinaryHeap<Sleeper>,
    running: bool,
}

impl Timer {
    fn schedule(&'static self, at: Instant, waker: Waker) {
        let mut state = self.state.lock();
        state.sleepers.push(Sleeper { at, waker });
        if state.running {
            self.changed.notify_one();
            return;
        }
        let spawned =
            std::thread::Builder::new().name("caskade-timer".into()).spawn(move || self.run());
        match spawned {
            Ok(_) => state.running = true,
            // Without a thread nobody could be woken in time, so everybody is woken now: a waiter
            // that finds its lock still held asks again, which is slow but never stuck.
            Err(_) => {
                let everybody = std::mem::take(&mut state.sleepers);
                drop(state);
                wake_all(everybody.into_iter().map(|sleeper| sleeper.waker).collect());
            }
        }
    }

    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            let due = take_due(&mut state.sleepers, SystemClock.now());
            if !due.is_empty() {
                drop(state);
                wake_all(due);
                state = self.state.lock();
                continue;
            }
            let Some(next) = state.sleepers.peek().map(|first| first.at) else {
                state.running = false;
                return;
            };
            self.changed.wait_until(&mut state, next);
        }
    }
}

/// A point in a cache's time: nanoseconds since shortly before the cache was built. Never zero, so
/// that zero can mean "no deadline".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

/// Ticks fit 62 bits (146 years); what lies beyond counts as never.
const TICK_LIMIT: u64 = 1 << 62;

impl Tick {
    pub(crate) fn from_raw(raw: u64) -> Option<Self> {
        (raw != 0).then_some(Self(raw))
    }

    pub(crate) fn raw(self) -> u64 {
        self.0
    }

    /// `None` if the sum lies beyond the end of time.
    pub(crate) fn checked_add(self, by: Duration) -> Option<Self> {
        let by = u64::try_from(by.as_nanos()).ok()?;
        self.0.checked_add(by).filter(|&raw| raw < TICK_LIMIT).map(Self)
    }

    /// The sum, or the end of time.
    pub(crate) fn saturating_add(self, by: Duration) -> Self {
        self.checked_add(by).unwrap_or(Self(TICK_LIMIT))
    }

    /// This tick or the one before, whichever has `mark` for its lowest bit.
    pub(crate) fn marked(self, mark: bool) -> Self {
        if self.is_marked() == mark { self } else { Self(1.max(self.0 - 1)) }
    }

    pub(crate) fn is_marked(self) -> bool {
        self.0 & 1 == 1
    }

    /// How long from `now` until this tick; zero if it has passed.
    pub(crate) fn since(self, now: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(now.0))
    }
}

/// A clock with the origin its ticks are counted from.
pub(crate) struct TimeSource {
    clock: Box<dyn Clock>,
    origin: Instant,
}

impl TimeSource {
    pub(crate) fn new(clock: Box<dyn Clock>) -> Self {
        let origin = clock.now();
        Self { clock, origin }
    }

    pub(crate) fn now(&self) -> Tick {
        self.tick(self.clock.now()).unwrap_or(Tick(TICK_LIMIT))
    }

    /// The tick of `instant`; the first one for an instant before the origin, `None` for one
    /// beyond the end of time.
    pub(crate) fn tick(&self, instant: Instant) -> Option<Tick> {
        Tick(1).checked_add(instant.saturating_duration_since(self.origin))
    }

    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        self.origin + Duration::from_nanos(tick.0 - 1)
    }

    pub(crate) fn wake_at(&self, at: Tick, waker: &Waker) {
        self.clock.wake_at(self.instant(at), waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_manual_clock_moves_only_forward() {
        let clock = ManualClock::new();
        let start = clock.now();
        clock.advance(Duration::from_secs(5));
        clock.set(start);
        assert_eq!(clock.now() - start, Duration::from_secs(5));
        clock.resume();
        clock.freeze();
        assert!(clock.now() >= start + Duration::from_secs(5));
    }

    #[test]
    fn a_manual_clock_wakes_those_it_passes() {
        let clock = ManualClock::new();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        for seconds in [1, 2, 3] {
            let at = clock.now() + Duration::from_secs(seconds);
            clock.wake_at(at, &Waker::from(count.clone()));
        }
        clock.advance(Duration::from_secs(2));
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        clock.wake_at(clock.now(), &Waker::from(count.clone()));
        assert_eq!(count.0.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn ticks_saturate_instead_of_wrapping() {
        let source = TimeSource::new(Box::new(ManualClock::new()));
        let now = source.now();
        assert_eq!(now.checked_add(Duration::MAX), None);
        assert_eq!(now.checked_add(Duration::from_secs(u64::MAX / 1_000_000_000)), None);
        let later = now.checked_add(Duration::from_nanos(7)).expect("in range");
        assert_eq!(later.since(now), Duration::from_nanos(7));
        assert_eq!(now.since(later), Duration::ZERO);
        assert_eq!(source.tick(source.instant(later)), Some(later));
    }
}
