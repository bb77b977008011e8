//! Counters: numeric entries that change in place, without an allocation.

use std::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use crate::counter::Counter;
use crate::error::{CounterError, Refusal, WriteError};
use crate::expiry::Expiry;
use crate::raw::{from_bits, to_bits};
use crate::stamp::Cas;

use super::write::{Condition, Fresh, NOTHING_CONSUMED, opens_lock};
use super::{Grip, HeldStripe, Live, Now, Store, admit, is};

/// One step of a counter: the value after it, or nothing if the step is refused.
pub(crate) type Step<V> = fn(V, V) -> Option<V>;

impl<K, V, S> Store<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Counter,
    S: BuildHasher,
{
    /// Moves an existing counter.
    pub(crate) fn count<Q>(
        &self,
        key: &Q,
        step: Step<V>,
        delta: V,
    ) -> Result<(V, Cas), CounterError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        let mut grip = self.grip(hash)?;
        // As in `put_plainly`: the commonest of these writes needs none of the rest.
        let found = grip.held.entry(hash, is(key));
        if let Some(entry) = found.filter(|entry| entry.is_timeless() && self.keeps_timeless()) {
            let value = step(from_bits(entry.bits()), delta).ok_or(CounterError::OutOfRange)?;
            let cas = self.overwrite_timeless(entry, to_bits(value));
            self.leave(grip);
            return Ok((value, cas));
        }
        self.count_held(grip, hash, key, step, delta)
    }

    /// Goes on with [`count`](Self::count) under a lock that was taken already.
    #[inline(never)]
    fn count_held<'s, Q>(
        &'s self,
        grip: Grip<'s, K, V>,
        hash: u64,
        key: &Q,
        step: Step<V>,
        delta: V,
    ) -> Result<(V, Cas), CounterError>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.locked_by(grip, |held, now| {
            let entry = self.live(held, hash, is(key), now).ok_or(CounterError::Absent)?;
            self.step(held, hash, &entry, step, delta, now)?.ok_or(CounterError::OutOfRange)
        })
    }

    /// Moves a counter by a step that has no bounds, or creates it with `initial`, to which `delta`
    /// is not added. The key of a refused step comes back.
    pub(crate) fn count_or_insert(
        &self,
        key: K,
        step: Step<V>,
        delta: V,
        initial: V,
        expiry: Expiry,
    ) -> Result<(V, Cas), WriteError<K>> {
        let weight = self.weigh(&key, &initial);
        let expiry = self.expiry_of(expiry, &key, &initial);
        let too_heavy = self.too_heavy(weight);
        let hash = self.hash(&key);
        // Outside the lock, where it is dropped if it is not used.
        let mut fresh = Some(Fresh::Word(Some(key), to_bits(initial)));
        let outcome = self.with_share(hash, || {
            self.locked(hash, |held, now| {
                let key = fresh.as_ref().and_then(Fresh::key);
                let entry = self.live(held, hash, |candidate| Some(candidate) == key, now);
                if let Some(entry) = entry {
                    let counted = self.step(held, hash, &entry, step, delta, now)?;
                    return Ok(Ok(counted.expect("a step without bounds is carried out")));
                }
                if let Some(refusal) = too_heavy {
                    return Err(refusal);
                }
                let ends = self.ends(expiry, None, now);
                let stored = self.store_new(held, hash, ends, (&mut fresh, weight));
                Ok(stored.map(|cas| (initial, cas)))
            })
        });
        outcome.map_err(|refusal| {
            let key = fresh.and_then(|fresh| fresh.into_parts().0);
            WriteError::new(refusal, key.expect(NOTHING_CONSUMED))
        })
    }

    /// Carries out a step if the entry is not locked; `None` if it would leave its range.
    #[inline]
    fn step(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        entry: &Live,
        step: Step<V>,
        delta: V,
        now: &mut Now<'_>,
    ) -> Result<Option<(V, Cas)>, Refusal> {
        let admitted = admit(held, Some(entry), Condition::Always, now);
        if admitted.is_err() {
            held.count(&admitted);
        }
        admitted?;
        let Some(value) = step(from_bits(held.bits(entry.at)), delta) else { return Ok(None) };
        held.count(&admitted);
        let stamp = held.next_stamp();
        opens_lock(held, hash, entry, now);
        let ends = self.ends(Expiry::Keep, Some(entry), now);
        held.overwrite(entry.at, to_bits(value), stamp, ends.shown);
        if ends.shown.is_some() {
            self.note_ends(held, entry.at, ends);
        }
        held.touch(entry.at);
        Ok(Some((value, Cas::issued(stamp))))
    }
}
