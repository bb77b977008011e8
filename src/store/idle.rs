//! Time to idle: an entry that nobody uses expires.
//!
//! To note every use would cost every hit a store and a look at the clock. So an entry is given an
//! eighth more than its time to idle, and only a hit in its last time to idle goes through the
//! stripe lock and gives it as much again: an entry is gone at the earliest when it was idle for the
//! whole time, and at the latest an eighth of it later.
//!
//! An entry may have to go at some instant all the same. The deadline that readers see is the earlier
//! of the two. The other is kept here, by place; the visible one says by its lowest bit whether uses
//! can move it, so that nobody takes the lock in vain.

use std::time::Duration;

use crate::expiry::Expiry;
use crate::raw::At;
use crate::time::Tick;

use super::{HeldStripe, Live, Now, Store};

/// When an entry must go at the latest, and the deadline that readers see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) latest: Option<Tick>,
    pub(super) shown: Option<Tick>,
}

/// When the entries of a stripe must go at the latest, by place. Only used with a time to idle.
#[derive(Default)]
pub(super) struct Latest(Vec<Option<Tick>>);

impl Latest {
    fn get(&self, place: u32) -> Option<Tick> {
        self.0.get(place as usize).copied().flatten()
    }

    #[inline]
    pub(super) fn set(&mut self, place: u32, latest: Option<Tick>) {
        let place = place as usize;
        if latest.is_none() && place >= self.0.len() {
            return;
        }
        if place >= self.0.len() {
            self.0.resize(place + 1, None);
        }
        self.0[place] = latest;
    }

    pub(super) fn relocate(&mut self, to: impl Fn(u32) -> Option<u32>) {
        let before = std::mem::take(&mut self.0);
        for (place, latest) in (0..).zip(before) {
            if let (Some(place), Some(latest)) = (to(place), latest) {
                self.set(place, Some(latest));
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Option<Tick>>()
    }

    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// What readers shall see as the deadline of an entry that is used now and must go at `latest`.
    fn shown(&self, latest: Option<Tick>, now: &mut Now<'_>) -> Option<Tick> {
        let Some(idle) = self.settings.time_to_idle else { return latest };
        let idle = now.get().checked_add(idle + idle / 8).map(|at| at.marked(false));
        let latest = latest.map(|at| at.marked(true));
        match (idle, latest) {
            (Some(idle), Some(latest)) => Some(idle.min(latest)),
            (idle, latest) => idle.or(latest),
        }
    }

    /// The deadlines that `expiry` asks for; `current` is the entry, if there is one.
    #[inline]
    pub(super) fn ends(&self, expiry: Expiry, current: Option<&Live>, now: &mut Now<'_>) -> Ends {
        if matches!(expiry, Expiry::Default) && self.settings.is_without_end() {
            return Ends { latest: None, shown: None };
        }
        let latest = self.deadline(expiry, current, now);
        self.ends_at(latest, now)
    }

    /// The deadlines of an entry that must go at `latest`.
    #[inline]
    pub(super) fn ends_at(&self, latest: Option<Tick>, now: &mut Now<'_>) -> Ends {
        if self.settings.time_to_idle.is_none() {
            return Ends { latest, shown: latest };
        }
        Ends { latest, shown: self.shown(latest, now) }
    }

    /// Whether an entry without a deadline that keeps its deadline still has none.
    #[inline]
    pub(super) fn keeps_timeless(&self) -> bool {
        self.settings.time_to_idle.is_none()
    }

    /// When the entry must go at the latest.
    pub(super) fn latest(&self, held: &HeldStripe<'_, K, V>, at: At) -> Option<Tick> {
        match self.settings.time_to_idle {
            None => held.expires(at),
            Some(_) => held.latest.get(at.place()),
        }
    }

    /// Notes the deadlines of the entry at `at`, whose node has the shown one already.
    #[inline]
    pub(super) fn note_ends(&self, held: &mut HeldStripe<'_, K, V>, at: At, ends: Ends) {
        held.schedule(at, ends.shown);
        if self.settings.time_to_idle.is_some() {
            held.latest.set(at.place(), ends.latest);
        }
    }

    /// Whether a hit at `now` should go through the stripe lock, to be noted as a use.
    #[inline]
    pub(super) fn is_worth_noting(&self, shown: Option<Tick>, now: Tick) -> bool {
        let Some(idle) = self.settings.time_to_idle else { return false };
        shown.is_some_and(|at| !at.is_marked() && at.since(now) < idle)
    }

    /// Notes a use of a live entry. A locked one cannot be kept alive.
    pub(super) fn note_use(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        entry: &Live,
        now: &mut Now<'_>,
    ) {
        if self.settings.time_to_idle.is_none() || entry.lock.is_some() {
            return;
        }
        let latest = entry.expires;
        let ends = Ends { latest, shown: self.shown(latest, now) };
        if ends.shown > held.expires(entry.at) {
            // The stamp stays: a use is no write.
            let stamp = held.stamp(entry.at);
            held.restamp(entry.at, stamp, ends.shown);
            self.note_ends(held, entry.at, ends);
        }
    }
}

/// A time to idle that an eighth can be added to.
pub(crate) fn is_possible(idle: Duration) -> bool {
    !idle.is_zero() && idle.checked_add(idle / 8).is_some()
}
