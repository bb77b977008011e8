//! The sequential specification of one key, and the search for a linearization.

use std::collections::HashSet;

use crate::harness::Op;

/// What an operation answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Response {
    /// Value and stamp of an entry; no stamp if a lock hides it.
    Entry {
        value: u64,
        cas: Option<u64>,
    },
    Absent,
    /// The stamp a write gave the entry.
    Stored(u64),
    /// Value and stamp a counter has now.
    Counted {
        value: u64,
        cas: u64,
    },
    /// Token and deadline of a lock that was taken.
    Locked {
        token: u64,
        deadline: u64,
    },
    Done,
    Changed,
    RefusedLocked,
    NotLocked,
}

/// An operation as it happened: the numbers it really used, and when it began and ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) op: Op,
    pub(crate) key: u64,
    /// The stamp or token it was given.
    pub(crate) given: u64,
    pub(crate) response: Response,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

impl Event {
    /// Whether it may have made an entry of another key go, for want of room.
    pub(crate) fn may_evict(&self) -> bool {
        let stores = matches!(self.response, Response::Stored(_));
        stores && matches!(self.op, Op::Insert(..) | Op::InsertUntil(..))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    value: u64,
    stamp: u64,
    expires: Option<u64>,
    /// Token and deadline of the last lock, until a write, an unlock or another lock.
    lock: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    now: u64,
    newest: u64,
    entry: Option<Entry>,
}

impl State {
    fn live(&self) -> Option<Entry> {
        self.entry.filter(|entry| entry.expires.is_none_or(|at| self.now < at))
    }

    fn is_locked(&self, entry: &Entry) -> bool {
        entry.lock.is_some_and(|(_, deadline)| self.now < deadline)
    }

    /// A stamp must be newer than every stamp of the key before.
    fn issue(mut self, stamp: u64) -> Option<Self> {
        let fresh = stamp > self.newest;
        self.newest = stamp;
        fresh.then_some(self)
    }

    fn store(self, value: u64, stamp: u64, expires: Option<u64>) -> Option<Self> {
        let mut next = self.issue(stamp)?;
        next.entry = Some(Entry { value, stamp, expires, lock: None });
        Some(next)
    }

    /// Whether a write without a stamp, or with `given`, is let through; if not, why.
    fn admits(&self, entry: &Entry, given: Option<u64>) -> Result<(), Response> {
        let token = entry.lock.map(|(token, _)| token);
        match given {
            Some(given) if Some(given) == token => Ok(()),
            _ if self.is_locked(entry) => Err(Response::RefusedLocked),
            Some(given) if given != entry.stamp => Err(Response::Changed),
            _ => Ok(()),
        }
    }

    /// The state after `event`, if its response is right here.
    fn step(mut self, event: &Event) -> Option<Self> {
        let response = event.response;
        let refused = |expected: Response| (response == expected).then_some(self);
        let entry = self.live();
        match event.op {
            Op::Tick(by) => {
                self.now += by;
                Some(self)
            }
            Op::Get(_) | Op::GetMany(..) | Op::Session(_) | Op::Refresh(..) => {
                let expected = entry.map_or(Response::Absent, |entry| {
                    let cas = (!self.is_locked(&entry)).then_some(entry.stamp);
                    Response::Entry { value: entry.value, cas }
                });
                refused(expected)
            }
            Op::Clear => {
                self.entry = None;
                Some(self)
            }
            Op::Insert(_, value) | Op::InsertUntil(_, value, _) => {
                let expires =
                    if let Op::InsertUntil(_, _, at) = event.op { Some(at) } else { None };
                if let Some(Err(why)) = entry.map(|entry| self.admits(&entry, None)) {
                    return refused(why);
                }
                let Response::Stored(stamp) = response else { return None };
                self.store(value, stamp, expires)
            }
            Op::Cas(_, _, value) => {
                let Some(entry) = entry else { return refused(Response::Absent) };
                if let Err(why) = self.admits(&entry, Some(event.given)) {
                    return refused(why);
                }
                let Response::Stored(stamp) = response else { return None };
                self.store(value, stamp, None)
            }
            Op::Remove(_) => {
                let Some(entry) = entry else { return refused(Response::Absent) };
                if let Err(why) = self.admits(&entry, None) {
                    return refused(why);
                }
                self.entry = None;
                (response == Response::Done).then_some(self)
            }
            Op::Increment(_) => {
                let Some(mut entry) = entry else { return refused(Response::Absent) };
                if let Err(why) = self.admits(&entry, None) {
                    return refused(why);
                }
                let Response::Counted { value, cas } = response else { return None };
                let expires = entry.expires;
                entry.value += 1;
                if value != entry.value {
                    return None;
                }
                self.store(value, cas, expires)
            }
            Op::TouchUntil(_, at) => {
                let Some(entry) = entry else { return refused(Response::Absent) };
                if let Err(why) = self.admits(&entry, None) {
                    return refused(why);
                }
                let Response::Stored(stamp) = response else { return None };
                if entry.expires == Some(at) {
                    return (stamp == entry.stamp).then_some(self);
                }
                self.store(entry.value, stamp, Some(at))
            }
            Op::Lock(_) => {
                let Some(mut entry) = entry else { return refused(Response::Absent) };
                if self.is_locked(&entry) {
                    return refused(Response::RefusedLocked);
                }
                let Response::Locked { token, deadline } = response else { return None };
                entry.lock = Some((token, deadline));
                let mut next = self.issue(token)?;
                next.entry = Some(entry);
                Some(next)
            }
            Op::Unlock(_) | Op::Renew(_) => {
                let Some(mut entry) = entry else { return refused(Response::Absent) };
                if !self.is_locked(&entry) {
                    return refused(Response::NotLocked);
                }
                let (token, _) = entry.lock?;
                if token != event.given {
                    return refused(Response::RefusedLocked);
                }
                entry.lock = match response {
                    Response::Done => None,
                    Response::Locked { deadline, .. } => Some((token, deadline)),
                    _ => return None,
                };
                self.entry = Some(entry);
                Some(self)
            }
            Op::Word
            | Op::Bound(_)
            | Op::Fill(_)
            | Op::FillPinned
            | Op::RemoveFill(_)
            | Op::Reclaim => Some(self),
        }
    }
}

/// Whether some order of `events`, in which nobody overtakes an operation that ended before it
/// began, explains all responses. The search of Wing and Gong with Lowe's memory of what failed.
///
/// Each of `evictors` may make the entry go, at one instant between its beginning and its end; not
/// while it is locked, if it is to be spared then.
pub(crate) fn linearizable(events: &[Event], evictors: &[Event], spares_locked: bool) -> bool {
    assert!(events.len() + evictors.len() <= 64);
    let history = History { events, evictors, spares_locked };
    history.search(0, State::default(), &mut HashSet::new())
}

struct History<'e> {
    events: &'e [Event],
    evictors: &'e [Event],
    spares_locked: bool,
}

impl History<'_> {
    /// `done` says which events have had their place, and after them which evictors.
    fn search(&self, done: u64, state: State, failed: &mut HashSet<(u64, State)>) -> bool {
        let left = |index: &usize| done >> index & 1 == 0;
        let events = || (0..self.events.len()).filter(left);
        let Some(first_end) = events().map(|index| self.events[index].ended).min() else {
            return true;
        };
        if !failed.insert((done, state)) {
            return false;
        }
        let by_event =
            events().filter(|&index| self.events[index].began < first_end).any(|index| {
                let next = state.step(&self.events[index]);
                next.is_some_and(|next| self.search(done | 1 << index, next, failed))
            });
        by_event || self.evictions(done, &state).any(|(done, next)| self.search(done, next, failed))
    }

    /// What may follow on `state` if one of the evictors takes the entry.
    fn evictions(&self, done: u64, state: &State) -> impl Iterator<Item = (u64, State)> {
        let first = self.events.len();
        let is_left = |index: usize| done >> index & 1 == 0;
        let left = (0..first).filter(|&index| is_left(index)).map(|index| &self.events[index]);
        let first_end = left.map(|event| event.ended).min().unwrap_or(u64::MAX);
        let past = (0..first).filter(|&index| !is_left(index)).map(|index| &self.events[index]);
        let last_begin = past.map(|event| event.began).max().unwrap_or(0);
        let may_go = |entry: &Entry| !(self.spares_locked && state.is_locked(entry));
        let evicted = state.entry.filter(may_go).map(|_| State { entry: None, ..*state });
        let evictors = self.evictors.iter().enumerate();
        let open = evictors.filter(move |(index, evictor)| {
            let unused = done >> (first + index) & 1 == 0;
            unused && evictor.began < first_end && evictor.ended > last_begin
        });
        let next = open.map(move |(index, _)| done | 1 << (first + index));
        next.filter_map(move |done| Some((done, evicted?)))
    }
}
