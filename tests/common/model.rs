//! The sequential model: what the documentation says that each operation on a key does.
//!
//! One [`State`] is one key and the time. Stamps cannot be predicted, so an operation is applied
//! together with the response that was observed: where the rules ask for a fresh stamp, any stamp
//! will do that the key never had before, neither as a version nor as a token.
//!
//! The model expires at once what the cache expires when somebody looks; no caller may see the
//! difference, except for a removal listener, so the model remembers what has expired. Whom a full
//! cache evicts is not its business either: whoever runs it says so. It knows nothing of stripes,
//! memory, waiting or statistics.

mod fills;

use std::time::{Duration, Instant};

use caskade::{Cas, Cause, CounterError, Expiry, LockError, Refusal, UnlockError, Updated};

pub(crate) use fills::Fills;

/// The settings that the rules depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) default_lock_time: Duration,
    pub(crate) max_lock_time: Duration,
    pub(crate) grace: Duration,
    pub(crate) refresh_ahead: Duration,
    pub(crate) load_time: Duration,
    /// The bound, if there is one: of the number of entries, or of their weight.
    pub(crate) max: Option<u64>,
    pub(crate) weigh: Option<fn(u64) -> u32>,
}

/// [`Expiry`] with the instant counted from the start of the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    Default,
    Keep,
    Never,
    After(Duration),
    At(Duration),
}

impl Life {
    pub(crate) fn expiry(self, start: Instant) -> Expiry {
        match self {
            Self::Default => Expiry::Default,
            Self::Keep => Expiry::Keep,
            Self::Never => Expiry::Never,
            Self::After(life) => Expiry::After(life),
            Self::At(at) => Expiry::At(start + at),
        }
    }
}

/// What must hold of the entry for a write to take place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Condition {
    Always,
    Absent,
    Present,
    Unchanged(Cas),
}

/// What an update closure decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Put(u64),
    PutWith(u64, Life),
    /// What is there plus this much, so that a lost update shows.
    Add(u64),
    Remove,
    Keep,
}

/// How a counter moves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Increment,
    Decrement,
    CheckedIncrement,
    CheckedDecrement,
}

/// One call, on one key. `Mark`, `RemoveIf`, `Advance`, `Clear`, `SetBound` and `ExpireDue` concern
/// all keys.
///
/// A load is two operations, because others come in between: `Join` up to the moment at which the
/// loader is called, if it is, and `Conclude` or `GiveUp` from its end. Those who call number what
/// they get: tokens, marks, loads and fences.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Get,
    Read,
    GetMany,
    ContainsKey,
    GetWithCas,
    SessionGet,
    GetIfChanged(Cas),
    Insert(u64, Life),
    Add(u64),
    Replace(u64),
    Put(Condition, u64, Life),
    CompareAndSwap(Cas, u64, Life),
    Remove,
    Discard,
    CompareAndRemove(Cas),
    CompareAndDiscard(Cas),
    Touch(Life),
    CompareAndTouch(Cas, Life),
    GetAndTouch(Life),
    Update(Change),
    FetchUpdate(Change),
    /// The form that locks the key before its first attempt.
    FetchUpdateLocked(Change),
    Lock(Duration),
    LockWithin(Duration),
    Unlock(Cas),
    RenewLock(Cas, Duration),
    LockRemaining,
    /// The `Drop` of a `KeyLock`, which does not say what came of it.
    DropLock(Cas),
    Count(Step, u64),
    IncrementOrInsert(u64, u64, Life),
    DecrementOrInsert(u64, u64, Life),
    /// Hands out the token with this number, if any.
    Lookup(u64),
    Mark(u64),
    /// With the token of this number, or since the mark.
    Fill(u64, u64, Life),
    /// `get_or_load`, with a loader that will bring this value.
    Join(u64, u64),
    /// The loader has brought the value; without a life it is not to be stored.
    Conclude(u64, u64, Option<Life>),
    /// The loader has failed.
    GiveUp(u64),
    Invalidate,
    /// `invalidate_if` or `retain`: what is odd, or what is even, goes.
    RemoveIf {
        odd: bool,
        breaks_locks: bool,
    },
    MarkStale,
    Fence(u64, Duration),
    Release(u64),
    Clear,
    SetBound(u64),
    ExpireDue,
    Advance(Duration),
}

/// What a caller sees of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Response {
    Value(Option<u64>),
    Versioned(Option<(u64, Option<Cas>)>),
    Unchanged,
    Is(bool),
    Stored(Result<Cas, Refusal>),
    Removed(Result<Option<u64>, Refusal>),
    Discarded(Result<bool, Refusal>),
    Touched(Result<Option<(u64, Option<Cas>)>, Refusal>),
    /// What came of the update, and what the closure last saw if it was called.
    Updated(Result<Updated, Refusal>, Option<Option<u64>>),
    Locked(Result<Taken, LockError>),
    Unlocked(Result<(), UnlockError>),
    /// The instant, counted from the start, at which the lock then opens by itself.
    Renewed(Result<Duration, UnlockError>),
    Remaining(Option<Duration>),
    Counted(Result<(u64, Cas), CounterError>),
    CountedOrMade(Result<(u64, Cas), Refusal>),
    LookedUp(Looked),
    Done,
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Looked {
    Hit((u64, Option<Cas>)),
    /// Whether the refresh is the caller's to make.
    Stale((u64, Option<Cas>), bool),
    Miss,
}

/// What a caller learns with a lock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Taken {
    pub(crate) token: Cas,
    pub(crate) value: u64,
    /// Counted from the start.
    pub(crate) until: Duration,
}

impl Response {
    /// The stamp or token that the caller learnt.
    pub(crate) fn cas(&self) -> Option<Cas> {
        match *self {
            Self::Versioned(found) | Self::Touched(Ok(found)) => found.and_then(|(_, cas)| cas),
            Self::Stored(Ok(cas))
            | Self::Counted(Ok((_, cas)))
            | Self::CountedOrMade(Ok((_, cas))) => Some(cas),
            Self::Locked(Ok(taken)) => Some(taken.token),
            Self::Stored(Err(refusal)) => match refusal {
                Refusal::Exists { current } => current,
                Refusal::Changed { current } => Some(current),
                _ => None,
            },
            Self::Updated(Ok(updated), _) => updated.cas(),
            Self::LookedUp(_) => self.seen(),
            _ => None,
        }
    }

    /// The stamp that it shows of what was there before.
    fn seen(&self) -> Option<Cas> {
        match *self {
            Self::Versioned(found) => found.and_then(|(_, cas)| cas),
            Self::LookedUp(Looked::Hit((_, cas)) | Looked::Stale((_, cas), _)) => cas,
            Self::Updated(Ok(Updated::Kept(cas)), _) => cas,
            Self::Stored(Err(refusal))
            | Self::Removed(Err(refusal))
            | Self::Discarded(Err(refusal))
            | Self::Touched(Err(refusal)) => match refusal {
                Refusal::Exists { current } => current,
                Refusal::Changed { current } => Some(current),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Stands for a stamp that nobody has seen: a fresh one that should have been handed out, or that of
/// an entry that somebody wrote without learning it.
pub(crate) fn unseen() -> Cas {
    Cas::try_from(1).expect("one is a stamp")
}

/// One key: its entry, the time, and every stamp it ever had.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) rules: Rules,
    /// Since the clock started.
    pub(crate) now: Duration,
    /// What relative deadlines of the next operation count from, if not from `now`: a reading of
    /// the clock that the operation took earlier, but after it was called.
    pub(crate) reading: Option<Duration>,
    pub(crate) entry: Option<Entry>,
    /// What has expired and may still be in the cache, because nobody has looked at it.
    pub(crate) expired: Option<Entry>,
    /// What the last operation made leave, and why.
    pub(crate) gone: Option<(Entry, Cause)>,
    /// Whether it stored a value.
    pub(crate) stored: bool,
    /// Versions and tokens, in the order in which they were seen.
    pub(crate) drawn: Vec<Cas>,
    pub(crate) fills: Fills,
    /// Whether a load is refused that may be, where nobody sees whether it was.
    pub(crate) refuses_loads: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) value: u64,
    pub(crate) stamp: Cas,
    /// How many fills had begun when the stamp was drawn.
    pub(crate) written: u64,
    pub(crate) weight: u32,
    pub(crate) expires: Option<Duration>,
    /// Stays after a lapse, because the token does.
    pub(crate) lock: Option<Lock>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lock {
    pub(crate) token: Cas,
    pub(crate) until: Duration,
}

/// Deadlines from here on count as never.
const END_OF_TIME: Duration = Duration::from_secs(146 * 31_557_600);

impl State {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: Duration::ZERO,
            reading: None,
            entry: None,
            expired: None,
            gone: None,
            stored: false,
            drawn: Vec::new(),
            fills: Fills::default(),
            refuses_loads: false,
        }
    }

    /// Applies an operation. The error is what the rules say should have been observed; a stamp of
    /// one in it stands for any fresh one. The state is then of no more use.
    pub(crate) fn apply(&mut self, op: &Op, observed: &Response) -> Result<(), Response> {
        (self.gone, self.stored) = (None, false);
        self.learn(observed.seen());
        let expected = self.respond(*op, observed);
        self.expire();
        if expected == *observed { Ok(()) } else { Err(expected) }
    }

    fn respond(&mut self, op: Op, observed: &Response) -> Response {
        let offered = observed.cas();
        match op {
            Op::Get | Op::Read | Op::GetMany => Response::Value(self.value()),
            Op::ContainsKey => Response::Is(self.entry.is_some()),
            Op::GetWithCas | Op::SessionGet => Response::Versioned(self.versioned()),
            Op::GetIfChanged(seen) if self.stamp() == Some(seen) => Response::Unchanged,
            Op::GetIfChanged(_) => Response::Versioned(self.versioned()),
            Op::Insert(value, life) => self.put(Condition::Always, value, life, offered),
            Op::Add(value) => self.put(Condition::Absent, value, Life::Default, offered),
            Op::Replace(value) => self.put_known(Condition::Present, value, Life::Default, offered),
            Op::Put(condition, value, life) => self.put(condition, value, life, offered),
            Op::CompareAndSwap(seen, value, life) => {
                self.put_known(Condition::Unchanged(seen), value, life, offered)
            }
            Op::Remove => match self.remove(Condition::Present) {
                Err(Refusal::Absent) => Response::Removed(Ok(None)),
                removed => Response::Removed(removed.map(Some)),
            },
            Op::Discard => match self.remove(Condition::Present) {
                Err(Refusal::Absent) => Response::Discarded(Ok(false)),
                removed => Response::Discarded(removed.map(|_| true)),
            },
            Op::CompareAndRemove(seen) => {
                Response::Removed(self.remove(Condition::Unchanged(seen)).map(Some))
            }
            Op::CompareAndDiscard(seen) => {
                Response::Discarded(self.remove(Condition::Unchanged(seen)).map(|_| true))
            }
            Op::Touch(life) => {
                let touched = self.touch(Condition::Present, life, offered);
                Response::Stored(touched.map(|(_, cas)| cas))
            }
            Op::CompareAndTouch(seen, life) => {
                let touched = self.touch(Condition::Unchanged(seen), life, offered);
                Response::Stored(touched.map(|(_, cas)| cas))
            }
            Op::GetAndTouch(life) => match self.touch(Condition::Present, life, offered) {
                Err(Refusal::Absent) => Response::Touched(Ok(None)),
                touched => Response::Touched(touched.map(|(value, cas)| Some((value, Some(cas))))),
            },
            Op::Update(change) | Op::FetchUpdate(change) => self.update(change, offered),
            Op::FetchUpdateLocked(change) => {
                self.end_lapsed_lock();
                self.update(change, offered)
            }
            Op::Lock(time) | Op::LockWithin(time) => Response::Locked(self.lock(time, offered)),
            Op::Unlock(token) => Response::Unlocked(self.unlock(token)),
            Op::RenewLock(token, time) => Response::Renewed(self.renew(token, time)),
            Op::LockRemaining => Response::Remaining(self.held().map(|lock| lock.until - self.now)),
            Op::DropLock(token) => {
                let _ = self.unlock(token);
                Response::Done
            }
            Op::Count(step, delta) => Response::Counted(self.count(step, delta, offered)),
            Op::IncrementOrInsert(delta, initial, life) => {
                self.count_or_insert(Step::Increment, delta, initial, life, offered)
            }
            Op::DecrementOrInsert(delta, initial, life) => {
                self.count_or_insert(Step::Decrement, delta, initial, life, offered)
            }
            Op::Lookup(number) => self.look_up(number, observed),
            Op::Mark(number) => {
                self.fills.begin(number);
                Response::Done
            }
            Op::Fill(number, value, life) => self.fill(number, value, life, observed),
            Op::Join(number, value) => self.join(number, value, observed),
            Op::Conclude(number, value, life) => {
                self.conclude(number, value, life);
                Response::Value(Some(value))
            }
            Op::GiveUp(number) => {
                self.fills.finish(number);
                Response::Done
            }
            Op::Invalidate => Response::Is(self.take_out().is_some()),
            Op::RemoveIf { odd, breaks_locks } => {
                self.fills.raise_floor();
                let is_due = self.value().is_some_and(|value| (value % 2 == 1) == odd);
                if is_due && (breaks_locks || self.held().is_none()) {
                    self.take_out();
                }
                Response::Done
            }
            Op::MarkStale => Response::Is(self.mark_stale()),
            Op::Fence(number, time) => {
                self.take_out();
                self.fills.put_up_fence(number, self.reading() + time);
                Response::Done
            }
            Op::Release(number) => {
                self.fills.take_away_fences(|fence, _| fence == number);
                Response::Done
            }
            Op::Clear => {
                self.fills.raise_floor();
                // What is expired and still there is cleared as well.
                let left = self.entry.take().or(self.expired.take());
                self.gone = left.map(|entry| (entry, Cause::Cleared));
                Response::Done
            }
            Op::SetBound(max) => {
                self.rules.max = Some(max);
                Response::Done
            }
            Op::ExpireDue => Response::Done,
            Op::Advance(by) => {
                self.now += by;
                Response::Done
            }
        }
    }

    fn reading(&self) -> Duration {
        self.reading.unwrap_or(self.now)
    }

    fn value(&self) -> Option<u64> {
        self.entry.map(|entry| entry.value)
    }

    fn stamp(&self) -> Option<Cas> {
        self.entry.map(|entry| entry.stamp)
    }

    /// The stamp as others see it: not at all while the key is locked.
    fn shown(&self) -> Option<Cas> {
        if self.held().is_some() { None } else { self.stamp() }
    }

    fn versioned(&self) -> Option<(u64, Option<Cas>)> {
        self.entry.map(|entry| (entry.value, self.shown()))
    }

    /// The lock, while it holds. Its deadline is the first instant at which it does not.
    pub(crate) fn held(&self) -> Option<Lock> {
        self.entry?.lock.filter(|lock| self.now < lock.until)
    }

    /// From its deadline on an entry is absent, whether or not it is locked.
    fn expire(&mut self) {
        let now = self.now;
        let is_over = |entry: &mut Entry| entry.expires.is_some_and(|at| at <= now);
        if let Some(entry) = self.entry.take_if(is_over) {
            self.fills.forget(&entry);
            self.expired = Some(entry);
        }
        self.fills.take_away_fences(|_, until| until <= now);
    }

    /// The cache makes room. What has expired and is still there may go as well.
    pub(crate) fn evict(&mut self) -> Option<Entry> {
        let gone = self.entry.take().or(self.expired.take());
        gone.inspect(|entry| self.fills.forget(entry))
    }

    fn weigh(&self, value: u64) -> u32 {
        self.rules.weigh.map_or(1, |weigh| weigh(value))
    }

    /// Whether a value may come in at all.
    fn check_weight(&self, value: u64) -> Result<(), Refusal> {
        let weight = self.weigh(value);
        match self.rules.max {
            Some(max) if u64::from(weight) > max => Err(Refusal::TooHeavy { weight, max }),
            _ => Ok(()),
        }
    }

    /// The stamp that was handed out, if it may be: one that the key never had.
    fn draw(&mut self, offered: Option<Cas>) -> Cas {
        match offered {
            Some(fresh) if !self.drawn.contains(&fresh) => {
                self.drawn.push(fresh);
                fresh
            }
            _ => unseen(),
        }
    }

    /// Whoever sees the stamp of an entry first tells what it is.
    fn learn(&mut self, seen: Option<Cas>) {
        if let Some(entry) = self.entry.filter(|entry| seen.is_some() && entry.stamp == unseen()) {
            self.entry = Some(Entry { stamp: self.draw(seen), ..entry });
        }
    }

    fn admit(&self, condition: Condition) -> Result<(), Refusal> {
        let Some(entry) = self.entry else {
            return match condition {
                Condition::Always | Condition::Absent => Ok(()),
                Condition::Present | Condition::Unchanged(_) => Err(Refusal::Absent),
            };
        };
        match (condition, self.held()) {
            (Condition::Absent, _) => Err(Refusal::Exists { current: self.shown() }),
            (Condition::Unchanged(cas), Some(lock)) if cas == lock.token => Ok(()),
            (_, Some(lock)) => Err(Refusal::Locked { remaining: lock.until - self.now }),
            (Condition::Unchanged(cas), None) => {
                // A lapsed lock's token is good until somebody writes or locks.
                let lapsed = entry.lock.is_some_and(|lock| lock.token == cas);
                let current = entry.stamp;
                if lapsed || cas == current { Ok(()) } else { Err(Refusal::Changed { current }) }
            }
            (Condition::Always | Condition::Present, None) => Ok(()),
        }
    }

    fn deadline(&self, life: Life) -> Option<Duration> {
        let at = match (life, self.entry) {
            (Life::Keep, Some(entry)) => return entry.expires,
            (Life::Default | Life::Keep, _) => {
                self.rules.time_to_live.and_then(|life| self.reading().checked_add(life))
            }
            (Life::Never, _) => None,
            (Life::After(life), _) => self.reading().checked_add(life),
            (Life::At(at), _) => Some(at),
        };
        let in_time = |at: &Duration| *at < END_OF_TIME;
        at.filter(in_time).and_then(|at| at.checked_add(self.rules.grace)).filter(in_time)
    }

    /// Every write ends the key's lock, held or lapsed.
    fn store(&mut self, value: u64, expires: Option<Duration>, offered: Option<Cas>) -> Cas {
        let (stamp, written, weight) = (self.draw(offered), self.fills.begun, self.weigh(value));
        let entry = Entry { value, stamp, written, weight, expires, lock: None };
        let old = self.entry.replace(entry);
        self.stored = true;
        self.gone = old.map(|old| (old, Cause::Replaced));
        self.expired = None;
        stamp
    }

    fn put(&mut self, on: Condition, value: u64, life: Life, offered: Option<Cas>) -> Response {
        let admitted = self.check_weight(value).and_then(|()| self.admit(on));
        Response::Stored(admitted.map(|()| self.store(value, self.deadline(life), offered)))
    }

    /// A write that is given a borrowed key weighs with the entry's own, so it must be there.
    fn put_known(&mut self, on: Condition, value: u64, life: Life, new: Option<Cas>) -> Response {
        if self.entry.or(self.expired).is_none() {
            return Response::Stored(Err(Refusal::Absent));
        }
        self.put(on, value, life, new)
    }

    fn remove(&mut self, condition: Condition) -> Result<u64, Refusal> {
        if self.entry.is_none() && condition == Condition::Present {
            self.fills.raise_floor();
        }
        self.admit(condition)?;
        self.take_out().map(|entry| entry.value).ok_or(Refusal::Absent)
    }

    /// Takes the entry out, locked or not. Fills from before come late, whether or not it was there.
    fn take_out(&mut self) -> Option<Entry> {
        self.fills.raise_floor();
        let entry = self.entry.take();
        self.gone = entry.map(|entry| (entry, Cause::Removed));
        entry
    }

    /// A touch ends the lock like any write, but draws a stamp only if the deadline changes.
    fn touch(
        &mut self,
        condition: Condition,
        life: Life,
        offered: Option<Cas>,
    ) -> Result<(u64, Cas), Refusal> {
        self.admit(condition)?;
        let entry = self.entry.ok_or(Refusal::Absent)?;
        let expires = self.deadline(life);
        let changes = expires != entry.expires;
        let is_news = changes || entry.stamp == unseen();
        let stamp = if is_news { self.draw(offered) } else { entry.stamp };
        let written = if changes { self.fills.begun } else { entry.written };
        // A touch that changes nothing is no write: it leaves the token of a lapsed lock alone,
        // unless it was what opened the entry.
        let token = entry.lock.map(|lock| Condition::Unchanged(lock.token));
        let lock = if changes || Some(condition) == token { None } else { entry.lock };
        self.entry = Some(Entry { stamp, written, expires, lock, ..entry });
        Ok((entry.value, stamp))
    }

    fn update(&mut self, change: Change, offered: Option<Cas>) -> Response {
        if let Err(refusal) = self.admit(Condition::Always) {
            return Response::Updated(Err(refusal), None);
        }
        let seen = self.value();
        let (value, life) = match change {
            Change::Put(value) => (value, Life::Default),
            Change::PutWith(value, life) => (value, life),
            Change::Add(more) => (seen.unwrap_or(0).wrapping_add(more), Life::Keep),
            Change::Keep => {
                return Response::Updated(Ok(Updated::Kept(self.stamp())), Some(seen));
            }
            Change::Remove => {
                let gone = self.take_out().is_some();
                let updated = if gone { Updated::Removed } else { Updated::Kept(None) };
                return Response::Updated(Ok(updated), Some(seen));
            }
        };
        let light = self.check_weight(value);
        let stored = light.map(|()| self.store(value, self.deadline(life), offered));
        Response::Updated(stored.map(Updated::Stored), Some(seen))
    }

    fn end_lapsed_lock(&mut self) {
        if self.held().is_none() {
            self.entry = self.entry.map(|entry| Entry { lock: None, ..entry });
        }
    }

    /// The instant until which a lock holds that is asked for now.
    fn lock_until(&self, time: Duration) -> Result<Duration, Duration> {
        let Rules { default_lock_time, max_lock_time: max, .. } = self.rules;
        let time = if time.is_zero() { default_lock_time } else { time };
        if time > max { Err(max) } else { Ok(self.reading() + time) }
    }

    fn lock(&mut self, time: Duration, offered: Option<Cas>) -> Result<Taken, LockError> {
        let until = self.lock_until(time).map_err(|max| LockError::TooLong { max })?;
        let entry = self.entry.ok_or(LockError::Absent)?;
        if let Some(lock) = self.held() {
            return Err(LockError::Locked { remaining: lock.until - self.now });
        }
        let token = self.draw(offered);
        self.entry = Some(Entry { lock: Some(Lock { token, until }), ..entry });
        Ok(Taken { token, value: entry.value, until })
    }

    /// The entry that `token` opens.
    fn opened(&self, token: Cas) -> Result<Entry, UnlockError> {
        let entry = self.entry.ok_or(UnlockError::Absent)?;
        let lock = self.held().ok_or(UnlockError::NotLocked)?;
        if lock.token == token {
            Ok(entry)
        } else {
            Err(UnlockError::WrongToken { remaining: lock.until - self.now })
        }
    }

    fn unlock(&mut self, token: Cas) -> Result<(), UnlockError> {
        let entry = self.opened(token)?;
        self.entry = Some(Entry { lock: None, ..entry });
        Ok(())
    }

    fn renew(&mut self, token: Cas, time: Duration) -> Result<Duration, UnlockError> {
        let until = self.lock_until(time).map_err(|max| UnlockError::TooLong { max })?;
        let entry = self.opened(token)?;
        self.entry = Some(Entry { lock: Some(Lock { token, until }), ..entry });
        Ok(until)
    }

    fn count(
        &mut self,
        step: Step,
        delta: u64,
        offered: Option<Cas>,
    ) -> Result<(u64, Cas), CounterError> {
        let entry = self.entry.ok_or(CounterError::Absent)?;
        if let Some(lock) = self.held() {
            return Err(CounterError::Locked { remaining: lock.until - self.now });
        }
        let value = match step {
            Step::Increment => Some(entry.value.wrapping_add(delta)),
            Step::Decrement => Some(entry.value.saturating_sub(delta)),
            Step::CheckedIncrement => entry.value.checked_add(delta),
            Step::CheckedDecrement => entry.value.checked_sub(delta),
        };
        let value = value.ok_or(CounterError::OutOfRange)?;
        let stamp = self.draw(offered);
        self.entry = Some(Entry { value, stamp, written: self.fills.begun, lock: None, ..entry });
        Ok((value, stamp))
    }

    fn count_or_insert(
        &mut self,
        step: Step,
        delta: u64,
        initial: u64,
        life: Life,
        offered: Option<Cas>,
    ) -> Response {
        Response::CountedOrMade(if self.entry.is_some() {
            self.count(step, delta, offered).map_err(|error| match error {
                CounterError::Locked { remaining } => Refusal::Locked { remaining },
                _ => unreachable!("such a step has no bounds, and the counter is there"),
            })
        } else {
            let light = self.check_weight(initial);
            light.map(|()| (initial, self.store(initial, self.deadline(life), offered)))
        })
    }
}
