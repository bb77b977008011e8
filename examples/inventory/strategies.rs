//! The strategies by which a thread takes parts from stock while others do the same.
//!
//! Each of them decides about one order on the cache entry of its part, and that write is the
//! moment the order is decided. Nothing is written to the database in here: a closure may run
//! several times, and an attempt may lose. Prices are read from it between look and write, which is
//! safe and gives the others time to get in between.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use caskade::{Cache, Clock, KeyLock, LockError, Refusal, Retry, RetryError, SystemClock, Update};

use crate::database::Reader;
use crate::orders::{Order, PartNumber};

/// Parts by number.
pub(crate) type Parts = Cache<PartNumber, Part>;

/// The cache entry of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: Arc<str>,
    pub(crate) stock: u32,
    /// How many orders for the part have been filled.
    pub(crate) sequence: u32,
}

/// How an order is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// `get_with_cas` and `compare_and_swap`, with a loop around them.
    ByHand,
    /// `fetch_update`, which is that loop.
    FetchUpdate,
    /// `fetch_update` that takes the key's lock after a few losses.
    FetchThenLock,
    /// `get_and_lock_within`, then write.
    KeyLock,
}

/// What became of an order, with the state of the part after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Filled; if not, the part was sold out.
    pub(crate) filled: bool,
    /// What the order costs, in cents.
    pub(crate) amount: i64,
    pub(crate) sequence: u32,
    pub(crate) left: u32,
}

/// What a strategy cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) filled: u64,
    pub(crate) sold_out: u64,
    /// Attempts lost because another thread got in between.
    pub(crate) conflicts: u64,
    /// Attempts beyond the first.
    pub(crate) retries: u64,
    /// Orders that found the key locked.
    pub(crate) lock_waits: u64,
    /// Time spent in pauses and queues.
    pub(crate) waiting: Duration,
}

/// A tally for each strategy, by its number.
pub(crate) type Tallies = [Tally; Strategy::ALL.len()];

/// Why an order could not be decided.
#[derive(Debug)]
pub(crate) enum OrderError {
    Database(rusqlite::Error),
    Lock(LockError),
    Refused(Refusal),
    GaveUp { attempts: u32 },
    NoSuchPart,
}

/// Conflicts after which a strategy gives up. Each one means that another order got through.
const MAX_CONFLICTS: u32 = 1_000;
/// How long a strategy waits for a locked key: longer than any lock holds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
const SHORTEST_PAUSE: Duration = Duration::from_micros(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// One thread's means to decide orders, with its count of what they cost.
#[derive(Debug)]
pub(crate) struct Desk<'s> {
    parts: &'s Parts,
    prices: Reader,
    tallies: Tallies,
}

impl<'s> Desk<'s> {
    pub(crate) fn new(parts: &'s Parts, prices: Reader) -> Self {
        Self { parts, prices, tallies: Default::default() }
    }

    /// Decides `order` by its strategy.
    pub(crate) fn decide(&mut self, order: &Order) -> Result<Decision, OrderError> {
        let strategy = Strategy::of(order);
        let mut tally = self.tallies[strategy as usize];
        let decision = match strategy {
            Strategy::ByHand => self.by_hand(order, &mut tally),
            Strategy::FetchUpdate => self.fetch_update(order, PATIENT, &mut tally),
            Strategy::FetchThenLock => self.fetch_update(order, TAKING_TURNS, &mut tally),
            Strategy::KeyLock => self.key_lock(order, &mut tally),
        }?;
        if decision.filled {
            tally.filled += 1;
        } else {
            tally.sold_out += 1;
        }
        self.tallies[strategy as usize] = tally;
        Ok(decision)
    }

    pub(crate) fn into_tallies(self) -> Tallies {
        self.tallies
    }

    /// Look, think, write if nobody has written meanwhile, and otherwise look again.
    fn by_hand(&self, order: &Order, tally: &mut Tally) -> Result<Decision, OrderError> {
        let mut conflicts = 0;
        let mut wait = Wait::default();
        loop {
            let seen = self.parts.get_with_cas(&*order.part).ok_or(OrderError::NoSuchPart)?;
            let Some(rest) = seen.take(order.quantity) else {
                return Ok(Decision::sold_out(&seen));
            };
            let Some(stamp) = seen.cas() else {
                tally.lock_waits += u64::from(wait.is_first());
                tally.retries += 1;
                wait.pause(self.parts, order, tally)?;
                continue;
            };
            let decision = self.filled(order, &rest)?;
            let Err(refused) = self.parts.compare_and_swap(&*order.part, stamp, rest) else {
                return Ok(decision);
            };
            match refused.refusal() {
                Refusal::Changed { .. } | Refusal::Locked { .. } => conflicts += 1,
                other => return Err(OrderError::Refused(other)),
            }
            tally.conflicts += 1;
            tally.retries += 1;
            if conflicts == MAX_CONFLICTS {
                return Err(OrderError::GaveUp { attempts: conflicts });
            }
        }
    }

    /// The same with the loop left to the cache.
    fn fetch_update(
        &self,
        order: &Order,
        retry: Retry,
        tally: &mut Tally,
    ) -> Result<Decision, OrderError> {
        // A look beforehand, because `fetch_update` does not tell what it waited for.
        tally.lock_waits += u64::from(self.parts.lock_remaining(&*order.part).is_some());
        let begun = SystemClock.now();
        let mut looks = 0;
        let mut working = Duration::ZERO;
        // What the closure thinks of the state it is shown. Each look replaces the thought before
        // it, and the last one is about the state that the cache accepted.
        let mut thought = Err(OrderError::NoSuchPart);
        let outcome = self.parts.fetch_update(order.part.clone(), retry, |part| {
            let look = SystemClock.now();
            looks += 1;
            let (next, update) = self.think(order, part);
            thought = next;
            working += look.elapsed();
            update
        });
        tally.waiting += begun.elapsed().saturating_sub(working);
        tally.conflicts += u64::saturating_sub(looks, 1);
        tally.retries += u64::from(outcome?.attempts() - 1);
        thought
    }

    fn think(
        &self,
        order: &Order,
        part: Option<&Part>,
    ) -> (Result<Decision, OrderError>, Update<Part>) {
        let Some(part) = part else { return (Err(OrderError::NoSuchPart), Update::Keep) };
        let Some(rest) = part.take(order.quantity) else {
            return (Ok(Decision::sold_out(part)), Update::Keep);
        };
        match self.filled(order, &rest) {
            Ok(decision) => (Ok(decision), Update::Put(rest)),
            Err(error) => (Err(error), Update::Keep),
        }
    }

    /// Keep the others out first, then look, think and write in peace.
    fn key_lock(&self, order: &Order, tally: &mut Tally) -> Result<Decision, OrderError> {
        for _ in 0..MAX_CONFLICTS {
            let held = self.lock(order, tally)?;
            let Some(rest) = held.value().take(order.quantity) else {
                return Ok(Decision::sold_out(held.value())); // dropping the lock unlocks
            };
            let decision = self.filled(order, &rest)?;
            if held.write(rest).is_ok() {
                return Ok(decision);
            }
            // The lock has lapsed before the write, and another thread has used that.
            tally.conflicts += 1;
            tally.retries += 1;
        }
        Err(OrderError::GaveUp { attempts: MAX_CONFLICTS })
    }

    /// Tries to lock the part, and queues for it if that fails.
    fn lock(
        &self,
        order: &Order,
        tally: &mut Tally,
    ) -> Result<KeyLock<PartNumber, Part>, OrderError> {
        match self.parts.get_and_lock(&*order.part) {
            Err(LockError::Locked { .. }) => {}
            other => return other.map_err(OrderError::Lock),
        }
        tally.lock_waits += 1;
        let begun = SystemClock.now();
        let held = self.parts.get_and_lock_within(&*order.part, Duration::ZERO, PATIENCE);
        tally.waiting += begun.elapsed();
        held.map_err(OrderError::Lock)
    }

    /// The decision to fill `order`, which leaves `rest`. Yields, as asking a database on another
    /// machine would, so that others get in between on a machine with few processors as well.
    fn filled(&self, order: &Order, rest: &Part) -> Result<Decision, OrderError> {
        let price = self.prices.price(&order.part)?.ok_or(OrderError::NoSuchPart)?;
        thread::yield_now();
        let amount = i64::from(price) * i64::from(order.quantity);
        Ok(Decision { filled: true, amount, sequence: rest.sequence, left: rest.stock })
    }
}

/// Pauses that grow up to five milliseconds, and enough of them for any lock to lapse meanwhile.
const PATIENT: Retry = Retry::attempts(10_000).pauses(SHORTEST_PAUSE, LONGEST_PAUSE);
/// Three losses, then a place in the lock's queue.
const TAKING_TURNS: Retry =
    Retry::attempts(1_000).pauses(SHORTEST_PAUSE, LONGEST_PAUSE).then_lock(3);

/// The pauses of one order that waits for a locked key without queueing for the lock.
#[derive(Default)]
struct Wait {
    begun: Option<Instant>,
    last: Duration,
}

impl Wait {
    fn is_first(&self) -> bool {
        self.begun.is_none()
    }

    /// Pauses twice as long as the last time, but not beyond the time at which the lock opens.
    fn pause(&mut self, parts: &Parts, order: &Order, tally: &mut Tally) -> Result<(), OrderError> {
        let now = SystemClock.now();
        let waited = now - *self.begun.get_or_insert(now);
        let remaining = parts.lock_remaining(&*order.part).unwrap_or_default();
        if waited > PATIENCE {
            return Err(OrderError::Refused(Refusal::Locked { remaining }));
        }
        self.last = (self.last * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        thread::park_timeout(self.last.min(remaining));
        tally.waiting += now.elapsed();
        Ok(())
    }
}

impl Part {
    /// The part after `quantity` of it are gone, or `None` if there are not so many.
    fn take(&self, quantity: u32) -> Option<Self> {
        let stock = self.stock.checked_sub(quantity)?;
        Some(Self { name: self.name.clone(), stock, sequence: self.sequence + 1 })
    }
}

impl Decision {
    fn sold_out(part: &Part) -> Self {
        Self { filled: false, amount: 0, sequence: part.sequence, left: part.stock }
    }
}

impl Strategy {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] =
        [Self::ByHand, Self::FetchUpdate, Self::FetchThenLock, Self::KeyLock];

    /// The strategy by which `order` goes. They take turns by line number, so that all of them work
    /// on the same parts at the same time.
    pub(crate) fn of(order: &Order) -> Self {
        Self::ALL[order.line as usize % Self::ALL.len()]
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ByHand => "compare-and-swap by hand",
            Self::FetchUpdate => "fetch_update",
            Self::FetchThenLock => "fetch_update, then lock",
            Self::KeyLock => "key lock",
        }
    }
}

impl Tally {
    pub(crate) fn orders(&self) -> u64 {
        self.filled + self.sold_out
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.filled += other.filled;
        self.sold_out += other.sold_out;
        self.conflicts += other.conflicts;
        self.retries += other.retries;
        self.lock_waits += other.lock_waits;
        self.waiting += other.waiting;
    }
}

impl From<rusqlite::Error> for OrderError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<RetryError<PartNumber>> for OrderError {
    fn from(error: RetryError<PartNumber>) -> Self {
        Self::GaveUp { attempts: error.attempts() }
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the database says: {error}"),
            Self::Lock(error) => write!(f, "the part cannot be locked: {error}"),
            Self::Refused(refusal) => write!(f, "the cache refuses the write: {refusal}"),
            Self::GaveUp { attempts } => write!(f, "gave up after {attempts} attempts"),
            Self::NoSuchPart => f.write_str("there is no such part"),
        }
    }
}

impl std::error::Error for OrderError {}
