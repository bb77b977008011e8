//! What stands around a server in tests: faults, a log, expectations, and lints.
//!
//! A [`Double`] is shared by all connections of a server, or of several. Each connection goes through
//! a [`Layer`] of its own, an [`Intercept`] that sees every request before and after it is carried
//! out. [`TestServer`](super::TestServer) comes with one; a server without faults does without, at no
//! cost.
//!
//! While a double is there, requests are carried out one at a time, so the order of the log is the
//! order of what has happened.

mod delivery;
mod expectation;
mod faults;
mod lint;
mod log;
mod matcher;
mod random;
mod record;
mod rule;
mod snapshot;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard, ReentrantMutex};

use super::{Flow, Intercept, Output, Request};
use crate::bytes::{ItemView, Store};
use crate::time::{Clock, SystemClock};

pub use expectation::{Expectation, Times, Unmet};
pub use faults::{Armed, Faults, When};
pub use lint::{Finding, Lint, Strict};
pub use log::{Log, PATIENCE, TimedOut};
pub use matcher::{Kind, Matcher, any, cmd, connects, reads, swaps, writes};
pub use record::Record;
pub use rule::{Delay, Fault, Place, Rule};
pub use snapshot::{Diff, Snapshot};

use delivery::Delivery;
use expectation::Expectations;
use faults::{Rules, Strike};
use lint::Lints;
use log::Records;
use record::Seen;

/// The faults, the log, the expectations and the lints of a server. Clones are handles of the same.
///
/// # Examples
///
/// Without a socket:
///
/// ```
/// use caskade::ManualClock;
/// use caskade::memcached::double::{Double, cmd};
/// use caskade::memcached::{Connection, Output, Service};
///
/// let service = Service::new();
/// let double = Double::new(ManualClock::new());
/// double.faults().on(cmd("version")).once().error("not today");
///
/// let mut layer = double.layer(service.store(), 0, 1);
/// let mut out = Output::new();
/// let _ = Connection::new(&service).feed_through(b"version\r\n", &mut out, &mut layer);
/// assert_eq!(out.to_vec(), b"SERVER_ERROR not today\r\n");
/// assert_eq!(double.log().count(&cmd("version")), 1);
/// ```
#[derive(Clone)]
pub struct Double {
    shared: Arc<Shared>,
}

struct Shared {
    /// Held while a request is carried out, which may call back to change faults.
    turn: ReentrantMutex<()>,
    state: Mutex<State>,
    /// Something has come.
    changed: Condvar,
    clock: Box<dyn Clock>,
    start: Instant,
}

#[derive(Debug, Default)]
struct State {
    rules: Rules,
    records: Records,
    expectations: Expectations,
    lints: Lints,
}

impl Double {
    /// A double without faults that tells the time by `clock`, which should be that of the stores.
    #[must_use]
    pub fn new(clock: impl Clock) -> Self {
        let start = clock.now();
        let (turn, state) = (ReentrantMutex::default(), Mutex::default());
        let (changed, clock) = (Condvar::new(), Box::new(clock));
        Self { shared: Arc::new(Shared { turn, state, changed, clock, start }) }
    }

    /// What one connection to `store` goes through; node and connection are what matchers and the log
    /// call it by.
    #[must_use]
    pub fn layer(&self, store: &Store, node: usize, connection: u64) -> Layer {
        Layer { double: self.clone(), store: store.clone(), node, connection }
    }

    /// The faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::new(self)
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> Log {
        Log::new(self)
    }

    /// How many requests the log keeps; fewer, if they take more than 64 MiB.
    pub fn set_log_capacity(&self, records: usize) {
        self.lock().records.capacity = records;
    }

    /// Adds an expectation. Requests count that come from now on.
    pub fn expect(&self, expectation: impl Into<Expectation>) {
        self.lock().expectations.add(expectation.into());
    }

    /// From now on requests that meet no expectation are a failure.
    pub fn expect_nothing_else(&self) {
        self.lock().expectations.expect_nothing_else();
    }

    /// What becomes of mistakes.
    pub fn set_strict(&self, strict: Strict) {
        self.lock().lints.strict = strict;
    }

    /// Looks for a mistake, or does not.
    pub fn set_lint(&self, lint: Lint, is_active: bool) {
        self.lock().lints.set(lint, is_active);
    }

    /// The mistakes that were found.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.lock().lints.findings.clone()
    }

    /// Verifies all expectations, and with [`Strict::Fail`] that no mistake was found, and begins
    /// anew without any.
    ///
    /// # Errors
    ///
    /// [`Unmet`], with a sentence for each.
    pub fn verify(&self) -> Result<(), Unmet> {
        let mut state = self.lock();
        let State { expectations, records, lints, .. } = &mut *state;
        let mut problems = expectations.take_failures(records);
        if lints.strict == Strict::Fail {
            problems.extend(lints.findings.drain(..).map(|finding| finding.to_string()));
        }
        if problems.is_empty() { Ok(()) } else { Err(Unmet::new(problems)) }
    }

    /// Does something while no request is carried out.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// let sum = server.double().undisturbed(|| {
    ///     let of = |key| server.store().examine(key).map_or(0, |item| item.value.len());
    ///     of("a") + of("b") // both as they were at one moment
    /// });
    /// # assert_eq!(sum, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn undisturbed<R>(&self, act: impl FnOnce() -> R) -> R {
        let _turn = self.shared.turn.lock();
        act()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }

    fn now(&self) -> Instant {
        self.shared.clock.now()
    }

    /// Waits until `is_so`, for so long in real time. Returns whether it is.
    fn wait(
        &self,
        state: &mut MutexGuard<'_, State>,
        patience: Duration,
        mut is_so: impl FnMut(&State) -> bool,
    ) -> bool {
        let end = later(SystemClock.now(), patience);
        while !is_so(state) {
            if self.shared.changed.wait_until(state, end).timed_out() {
                return is_so(state);
            }
        }
        true
    }
}

/// The moment `time` after `start`, or one that nobody lives to see.
pub(super) fn later(start: Instant, time: Duration) -> Instant {
    const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    start + time.min(FOREVER)
}

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Double").finish_non_exhaustive()
    }
}

/// What one connection's requests go through.
#[derive(Debug)]
pub struct Layer {
    double: Double,
    store: Store,
    node: usize,
    connection: u64,
}

impl Layer {
    /// To be called once, when the connection was accepted: faults of [`connects`] strike here.
    pub fn connected(&mut self, out: &mut Output) -> Flow {
        let seen = Seen::connect(self.node, self.connection);
        let _turn = self.double.shared.turn.lock();
        let (mut strikes, number) = self.begin(&seen);
        let answer = delivery::refusal(&strikes, &seen).unwrap_or_default();
        let delivery = Delivery::new(answer, &mut strikes, &seen);
        self.finish(&seen, number, &strikes, delivery, Flow::More, out)
    }

    /// The faults that strike at a request, and its number in the log.
    fn begin(&self, seen: &Seen<'_>) -> (Vec<Strike>, u64) {
        let now = self.double.now();
        let mut state = self.double.lock();
        (state.rules.strike(seen, now), state.records.next_number())
    }

    /// Carries a request out, unless a fault forbids it. Returns the answer.
    fn carry_out(
        &self,
        seen: &Seen<'_>,
        number: u64,
        strikes: &[Strike],
        execute: &mut dyn FnMut(&mut Output) -> Flow,
    ) -> (Vec<u8>, Flow) {
        if let Some(answer) = delivery::refusal(strikes, seen) {
            self.drop_unstorable(seen, strikes);
            return (answer, Flow::More);
        }
        let hidden = self.prepare(strikes);
        self.double.lock().lints.before(seen, &self.store, number);
        let mut answer = Output::new();
        let flow = execute(&mut answer);
        self.show_again(&hidden);
        let answer = answer.to_vec();
        self.double.lock().lints.after(seen, &self.store, number, &answer);
        (answer, flow)
    }

    /// A set that finds no memory has ended the old value all the same.
    fn drop_unstorable(&self, seen: &Seen<'_>, strikes: &[Strike]) {
        let is_full = strikes.iter().any(|strike| strike.fault == Fault::OutOfMemory);
        if is_full && seen.is(Kind::Overwrite) {
            seen.keys.iter().for_each(|key| self.store.forget_overwritten(key));
        }
    }

    /// Does to the items what the faults say. Returns those that are hidden for the moment.
    fn prepare(&self, strikes: &[Strike]) -> Vec<ItemView> {
        let mut hidden = Vec::new();
        for strike in strikes {
            for key in &strike.keys {
                match strike.fault {
                    Fault::Evict => drop(self.store.evict(key)),
                    Fault::LapseLock => drop(self.store.lapse_lock(key)),
                    Fault::Conflict => drop(self.store.bump(key)),
                    Fault::Miss => hidden.extend(self.hide(key)),
                    _ => {}
                }
            }
        }
        hidden
    }

    fn hide(&self, key: &Bytes) -> Option<ItemView> {
        let item = self.store.examine(key).filter(|item| item.locked_for.is_none())?;
        self.store.evict(key).then_some(item)
    }

    fn show_again(&self, hidden: &[ItemView]) {
        for item in hidden {
            if self.store.examine(&item.key).is_none() {
                self.store.restore_item(item);
            }
        }
    }

    /// Logs a request and sends its answer on its way.
    fn finish(
        &self,
        seen: &Seen<'_>,
        number: u64,
        strikes: &[Strike],
        delivery: Delivery,
        flow: Flow,
        out: &mut Output,
    ) -> Flow {
        let at = self.double.now().saturating_duration_since(self.double.shared.start);
        let mut record = seen.record(number, at, delivery.visible());
        record.faults = strikes.iter().map(|strike| strike.fault.name()).collect();
        {
            let mut state = self.double.lock();
            state.records.push(record);
            state.expectations.count(seen);
        }
        self.double.shared.changed.notify_all();
        let flow = match (delivery.is_last(), delivery.has_events(), flow) {
            (true, ..) | (.., Flow::Close) => Flow::Close,
            (_, true, _) => Flow::Write,
            (.., flow) => flow,
        };
        delivery.write(out);
        flow
    }
}

impl Intercept for Layer {
    fn request(
        &mut self,
        request: &Request<'_>,
        execute: &mut dyn FnMut(&mut Output) -> Flow,
        out: &mut Output,
    ) -> Flow {
        let wire = Seen::new(request, self.node, self.connection);
        let decoded = wire.decoded_key();
        let keys = decoded.as_ref().map_or(wire.keys.clone(), |key| vec![&key[..]]);
        let seen = Seen { keys, ..wire.clone() };
        let _turn = self.double.shared.turn.lock();
        let (mut strikes, number) = self.begin(&seen);
        let (answer, flow) = self.carry_out(&seen, number, &strikes, execute);
        let delivery = Delivery::new(answer, &mut strikes, &seen);
        self.finish(&seen, number, &strikes, delivery, flow, out)
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.double.lock().lints.forget(self.node, self.connection);
    }
}
