//! What a stripe remembers for the sake of fills: floors, fences and loads under way.
//!
//! A fill stores what was read elsewhere, some time ago. It carries a stamp that the stripe drew when
//! its caller found the key absent, and is let in only if nothing has happened to the key since. For an entry that is there its own stamp tells. For one that has gone a **floor** does: the
//! stamp below which a fill of the key comes too late. Keys share floors, so there are only a few; a
//! neighbour's floor can refuse a fill in vain, but none is ever let in that should not be.
//!
//! None of this exists before the stripe hands out its first token: until then nobody can come late.

use std::sync::Arc;

use crate::hash::Low;
use crate::time::Tick;

use super::flight::Flight;
use super::wait::KeyId;

/// How many floors a stripe has.
const FLOORS: usize = 64;

/// Fills from before this stamp, for a key with this hash, were read too long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) hash: u64,
    /// A stamp that the key's stripe drew when the fill began; 0 lets nothing in.
    pub(crate) stamp: u64,
}

/// Why a fill comes too late, or too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    Invalidated,
    Fenced(Tick),
}

/// Nothing, until [`arm`](Self::arm).
pub(super) struct Fills<V>(Option<Box<Armed<V>>>);

struct Armed<V> {
    /// The floor of every key.
    all: u64,
    /// Of keys by some bits of their hash.
    floors: [u64; FLOORS],
    fences: Vec<Fence>,
    loads: Vec<Load<V>>,
}

/// No fill of the key is let in until somebody takes the fence away, or it lapses.
struct Fence {
    /// `None` for all keys.
    hash: Option<u64>,
    number: u64,
    until: Tick,
}

/// Somebody loads the key, or has the right to.
struct Load<V> {
    id: KeyId,
    /// The stamp of the fill that ends it.
    number: u64,
    /// Then others may load it as well.
    until: Tick,
    /// Where others wait for it; nothing, if they are not to.
    flight: Option<Arc<Flight<V>>>,
}

impl<V> Default for Fills<V> {
    fn default() -> Self {
        Self(None)
    }
}

fn floor_of(low: Low) -> usize {
    low as usize % FLOORS
}

impl<V> Fills<V> {
    /// Whether there is anything to keep; if not, nobody needs to draw a stamp for a floor.
    #[inline(always)]
    pub(super) fn is_armed(&self) -> bool {
        self.0.is_some()
    }

    /// From now on floors count.
    fn arm(&mut self) -> &mut Armed<V> {
        self.0.get_or_insert_with(|| {
            let (fences, loads) = (Vec::new(), Vec::new());
            Box::new(Armed { all: 0, floors: [0; FLOORS], fences, loads })
        })
    }

    /// A token is about to be handed out.
    pub(super) fn expect_fills(&mut self) {
        self.arm();
    }

    /// What happened to the key with this hash at `stamp` must not be undone by a fill.
    pub(super) fn raise(&mut self, low: Low, stamp: u64) {
        if let Some(armed) = &mut self.0 {
            let floor = &mut armed.floors[floor_of(low)];
            *floor = stamp.max(*floor);
        }
    }

    /// The same for all keys.
    pub(super) fn raise_all(&mut self, stamp: u64) {
        if let Some(armed) = &mut self.0 {
            armed.all = stamp.max(armed.all);
        }
    }

    /// Whether a fill that began at `since` is let in, if the key is absent.
    pub(super) fn check(&self, since: Since) -> Result<(), Late> {
        let Some(armed) = &self.0 else { return Ok(()) };
        let floor = armed.all.max(armed.floors[floor_of(crate::hash::low(since.hash))]);
        if floor > since.stamp {
            return Err(Late::Invalidated);
        }
        armed.fence(since.hash).map_or(Ok(()), |until| Err(Late::Fenced(until)))
    }

    /// Until when the key with this hash is fenced.
    pub(super) fn fenced_until(&self, hash: u64) -> Option<Tick> {
        self.0.as_ref()?.fence(hash)
    }

    pub(super) fn has_fences(&self) -> bool {
        self.0.as_ref().is_some_and(|armed| !armed.fences.is_empty())
    }

    /// Whether the fence with this number stands at `now`.
    pub(super) fn has_fence(&self, number: u64, now: Tick) -> bool {
        let is_it = |fence: &Fence| fence.number == number && fence.until > now;
        self.0.as_ref().is_some_and(|armed| armed.fences.iter().any(is_it))
    }

    /// Puts up a fence with this number.
    pub(super) fn put_up_fence(&mut self, hash: Option<u64>, number: u64, until: Tick) {
        self.arm().fences.push(Fence { hash, number, until });
    }

    /// Takes away the fence with this number, and those that have lapsed at `now`. What was read
    /// while they stood must not be stored: what is read from `stamp` on may.
    pub(super) fn take_away_fences(&mut self, number: Option<u64>, now: Tick, stamp: u64) {
        let Some(armed) = &mut self.0 else { return };
        let Armed { all, floors, fences, .. } = &mut **armed;
        fences.retain(|fence| {
            let stays = fence.until > now && Some(fence.number) != number;
            if !stays {
                let floor = match fence.hash {
                    Some(hash) => &mut floors[floor_of(crate::hash::low(hash))],
                    None => &mut *all,
                };
                *floor = stamp.max(*floor);
            }
            stays
        });
    }

    /// The flight that brings the key's value, if one is under way whose value may still be stored:
    /// the key's entry, if there is one, was last `written` before it began.
    pub(super) fn under_way(
        &self,
        id: KeyId,
        written: Option<u64>,
        now: Tick,
    ) -> Option<(Option<&Arc<Flight<V>>>, Tick)> {
        let load = self.0.as_ref()?.loads.iter().find(|load| load.id == id)?;
        let since = Since { hash: id.hash, stamp: load.number };
        let is_newest = written.is_none_or(|stamp| stamp < load.number);
        let is_over = load.flight.as_ref().is_some_and(|flight| flight.is_over());
        let is_good = is_newest && !is_over && load.until > now && self.check(since).is_ok();
        is_good.then_some((load.flight.as_ref(), load.until))
    }

    /// The key is being loaded until `until`; whoever loaded it before is on his own. So are those
    /// whose time is over, who may never come back.
    pub(super) fn begin(
        &mut self,
        id: KeyId,
        number: u64,
        (now, until): (Tick, Tick),
        flight: Option<Arc<Flight<V>>>,
    ) {
        let loads = &mut self.arm().loads;
        loads.retain(|load| load.id != id && load.until > now);
        loads.push(Load { id, number, until, flight });
    }

    /// The load that began at `since` is over.
    pub(super) fn finish(&mut self, since: Since) {
        let Some(armed) = &mut self.0 else { return };
        let is_it = |load: &Load<V>| load.number == since.stamp && load.id.hash == since.hash;
        if let Some(place) = armed.loads.iter().position(is_it) {
            armed.loads.swap_remove(place);
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |armed| {
            size_of::<Armed<V>>()
                + armed.fences.capacity() * size_of::<Fence>()
                + armed.loads.capacity() * size_of::<Load<V>>()
        })
    }
}

impl<V> Armed<V> {
    /// Until when the last fence that stands around the key stands.
    fn fence(&self, hash: u64) -> Option<Tick> {
        let around = |fence: &&Fence| fence.hash.is_none_or(|fenced| fenced == hash);
        self.fences.iter().filter(around).map(|fence| fence.until).max()
    }
}
