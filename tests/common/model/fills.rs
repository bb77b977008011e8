//! The rules of fills: a value that was read elsewhere is stored only if nothing has happened to the
//! key since.
//!
//! Time is counted here by the fills that have begun: what happens after the third one began and
//! before the fourth is late for the first three. Keys may share a floor, so that what happens to
//! one can refuse fills of another. The model cannot know which do; where that leaves a choice, it
//! takes the answer that was observed.

use std::time::Duration;

use caskade::Refusal;

use super::{Entry, Life, Looked, Response, State};

/// What is remembered of a key for the sake of its fills.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Fills {
    /// How many fills have begun, of any key.
    pub(crate) begun: u64,
    /// The last fill that comes late for the key, if it is absent.
    pub(crate) floor: u64,
    /// The highest floor of other keys, which this one may share.
    pub(crate) neighbours: u64,
    /// The number under which the caller has it, and when it began.
    rights: Vec<(u64, u64)>,
    load: Option<Load>,
    /// Number and end of those that stand.
    fences: Vec<(u64, Duration)>,
}

/// Somebody loads the key, or has the right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Load {
    began: u64,
    until: Duration,
    /// What those who wait for it will get; they do not wait for somebody with a mere token.
    brings: Option<u64>,
}

impl Fills {
    /// Something happens to the key, of which fills from before do not know.
    pub(super) fn raise_floor(&mut self) {
        self.floor = self.begun;
    }

    /// The entry goes by itself: only what is older than it comes late.
    pub(super) fn forget(&mut self, entry: &Entry) {
        self.floor = self.floor.max(entry.written);
    }

    pub(super) fn begin(&mut self, number: u64) -> u64 {
        self.begun += 1;
        self.rights.push((number, self.begun));
        self.begun
    }

    /// When the fill began; never, for a loader that was called without the right to store.
    fn began(&self, number: u64) -> Option<u64> {
        self.rights.iter().find(|right| right.0 == number).map(|right| right.1)
    }

    /// The load is over, if it is one.
    pub(super) fn finish(&mut self, number: u64) {
        let began = self.began(number);
        self.load.take_if(|load| Some(load.began) == began);
    }

    pub(super) fn put_up_fence(&mut self, number: u64, until: Duration) {
        self.fences.push((number, until));
    }

    /// What was read while a fence stood comes late.
    pub(super) fn take_away_fences(&mut self, mut goes: impl FnMut(u64, Duration) -> bool) {
        let before = self.fences.len();
        self.fences.retain(|&(number, until)| !goes(number, until));
        if self.fences.len() < before {
            self.raise_floor();
        }
    }
}

impl State {
    /// Whether the fence with this number stands.
    pub(crate) fn has_fence(&self, number: u64) -> bool {
        self.fills.fences.iter().any(|&(fence, until)| fence == number && until > self.now)
    }

    /// Whether there is an entry.
    pub(crate) fn is_there(&self) -> bool {
        self.entry.is_some_and(|entry| entry.expires.is_none_or(|at| at > self.now))
    }

    /// Whether the entry is due for a refresh. While it is locked, that is the holder's business.
    fn is_stale(&self) -> bool {
        let window = self.rules.grace + self.rules.refresh_ahead;
        let expires = self.entry.filter(|_| self.held().is_none()).and_then(|entry| entry.expires);
        !window.is_zero() && expires.is_some_and(|at| at - self.now <= window)
    }

    /// The load that others can rely on: its value may still be stored. If that is in doubt,
    /// `observed` says whether they did.
    fn under_way(&self, observed: impl FnOnce() -> bool) -> Option<Load> {
        let fills = &self.fills;
        let newest = self.entry.map_or(fills.floor, |entry| fills.floor.max(entry.written));
        let stands = |load: &Load| load.until > self.now && load.began > newest;
        let load = fills.load.filter(stands).filter(|_| fills.fences.is_empty())?;
        (load.began > fills.neighbours || observed()).then_some(load)
    }

    pub(super) fn look_up(&mut self, number: u64, observed: &Response) -> Response {
        let Some(found) = self.versioned() else {
            self.fills.begin(number);
            return Response::LookedUp(Looked::Miss);
        };
        if !self.is_stale() {
            return Response::LookedUp(Looked::Hit(found));
        }
        let no_right = Response::LookedUp(Looked::Stale(found, false));
        if self.under_way(|| *observed == no_right).is_some() {
            return no_right;
        }
        self.lead(number, None);
        Response::LookedUp(Looked::Stale(found, true))
    }

    fn lead(&mut self, number: u64, brings: Option<u64>) {
        let began = self.fills.begin(number);
        let until = self.reading() + self.rules.load_time;
        self.fills.load = Some(Load { began, until, brings });
    }

    pub(super) fn fill(
        &mut self,
        number: u64,
        value: u64,
        life: Life,
        observed: &Response,
    ) -> Response {
        let refused = *observed == Response::Stored(Err(Refusal::Invalidated));
        let admitted = self.check_weight(value).and_then(|()| self.admit_fill(number, refused));
        Response::Stored(admitted.map(|()| self.store(value, self.deadline(life), observed.cas())))
    }

    /// Whether a fill is let in, and if that is in doubt, whether it is refused.
    fn admit_fill(&mut self, number: u64, refused: bool) -> Result<(), Refusal> {
        self.fills.finish(number);
        let began = self.fills.began(number).ok_or(Refusal::Invalidated)?;
        if self.fills.floor >= began || (self.fills.neighbours >= began && refused) {
            return Err(Refusal::Invalidated);
        }
        if let Some(until) = self.fills.fences.iter().map(|&(_, until)| until).max() {
            return Err(Refusal::Fenced { remaining: until - self.now });
        }
        match (self.entry, self.held()) {
            (Some(entry), _) if entry.written >= began => {
                Err(Refusal::Exists { current: self.shown() })
            }
            (_, Some(lock)) => Err(Refusal::Locked { remaining: lock.until - self.now }),
            _ => Ok(()),
        }
    }

    /// What is there, or what somebody else will bring; `Done` if the loader is called.
    pub(super) fn join(&mut self, number: u64, value: u64, observed: &Response) -> Response {
        let served = || *observed != Response::Done;
        let under_way = self.under_way(served);
        match (self.entry, under_way) {
            (Some(entry), _) if !self.is_stale() => Response::Value(Some(entry.value)),
            (Some(entry), Some(_)) => Response::Value(Some(entry.value)),
            (None, Some(Load { brings: Some(value), .. })) => Response::Value(Some(value)),
            _ => {
                // Behind a fence each loads for himself.
                if self.fills.fences.is_empty() {
                    self.lead(number, Some(value));
                }
                Response::Done
            }
        }
    }

    pub(super) fn conclude(&mut self, number: u64, value: u64, life: Option<Life>) {
        let admitted =
            self.check_weight(value).and_then(|()| self.admit_fill(number, self.refuses_loads));
        if let (Ok(()), Some(life)) = (admitted, life) {
            self.store(value, self.deadline(life), None);
        }
        self.fills.finish(number);
    }

    /// Whether there was an entry. It stays if it may be served for a while.
    pub(super) fn mark_stale(&mut self) -> bool {
        let grace = self.rules.grace;
        if grace.is_zero() || self.held().is_some() {
            return self.take_out().is_some();
        }
        let Some(entry) = self.entry else {
            self.fills.raise_floor();
            return false;
        };
        let end = self.reading() + grace;
        let expires = Some(entry.expires.map_or(end, |at| at.min(end)));
        let (stamp, written) = (self.draw(None), self.fills.begun);
        self.entry = Some(Entry { stamp, written, expires, lock: None, ..entry });
        true
    }
}
