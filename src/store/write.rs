//! Writes: storing, removing, touching and updating under a condition.

use std::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use crate::epoch;
use crate::error::{Refusal, WriteError};
use crate::expiry::Expiry;
use crate::hash;
use crate::raw::{At, Node, Standing, from_bits, to_bits};
use crate::removal::Cause;
use crate::stamp::Cas;
use crate::sync::yield_now;
use crate::time::Tick;
use crate::update::{Update, Updated};

use super::bound::Lack;
use super::fills::Since;
use super::idle::Ends;
use super::{Grip, HeldStripe, Live, Now, Store, admit, is, writes_in_place};

/// What must hold of an entry for a write to take place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    #[default]
    Always,
    Absent,
    Present,
    /// The entry has this stamp, or is locked with it.
    Unchanged(Cas),
    /// Nothing has happened to the key since then.
    Since(Since),
}

impl Condition {
    /// Whether the condition names the token of the entry's last lock.
    pub(super) fn is_token_of(self, entry: &Live) -> bool {
        match (self, entry.lock) {
            (Self::Unchanged(cas), Some(lock)) => cas.to_u64() == lock.token,
            _ => false,
        }
    }
}

/// A key and a value on their way into the table.
pub(super) enum Fresh<K, V> {
    /// The bits of a word, which is usually written in place: its node is made only when it turns
    /// out that the key is new, and the key given back or dropped otherwise.
    Word(Option<K>, u64),
    /// Any other value needs a node in any case; it is made before the lock is taken.
    Node(Box<Node<K, V>>),
}

impl<K, V: 'static> Fresh<K, V> {
    #[inline]
    fn new(hash: u64, key: K, value: V, in_place: bool) -> Self {
        if in_place {
            Self::Word(Some(key), to_bits(value))
        } else {
            Self::Node(Node::boxed(hash::low(hash), key, value))
        }
    }

    pub(super) fn key(&self) -> Option<&K> {
        match self {
            Self::Word(key, _) => key.as_ref(),
            Self::Node(node) => Some(node.key()),
        }
    }

    pub(super) fn into_parts(self) -> (Option<K>, V) {
        match self {
            Self::Word(key, bits) => (key, from_bits(bits)),
            Self::Node(node) => {
                let (key, value) = node.into_parts();
                (Some(key), value)
            }
        }
    }
}

/// On what terms a value is stored.
struct Terms {
    condition: Condition,
    expiry: Expiry,
    weight: u32,
}

/// How far a write has come that goes on.
enum Begun<'s, K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// It has the lock, and has modified nothing yet.
    Held(Grip<'s, K, V>),
    /// It needs more room than the stripe has, and has let go of the lock.
    Lacking(Lack),
}

impl Default for Terms {
    fn default() -> Self {
        let (condition, expiry) = (Condition::Always, Expiry::Default);
        Self { condition, expiry, weight: 1 }
    }
}

/// Why the parts of a refused write are all there.
pub(super) const NOTHING_CONSUMED: &str = "a refused write consumes nothing";

impl<K, V, S> Store<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    #[inline]
    fn writes_in_place(&self) -> bool {
        writes_in_place::<V>(self.listener.is_some())
    }

    /// Stores under `condition`. What was refused comes back.
    #[inline]
    pub(crate) fn put(
        &self,
        key: K,
        value: V,
        condition: Condition,
        expiry: Expiry,
    ) -> Result<Cas, WriteError<(K, V)>> {
        let is_plain = matches!((condition, expiry), (Condition::Always, Expiry::Default));
        if is_plain && self.overwrites_plainly {
            self.put_plainly(key, value)
        } else {
            self.put_by_rules(key, value, condition, expiry)
        }
    }

    /// The shortest of all writes, and the commonest: a word into an entry that is there, that has
    /// neither deadline nor lock and gets none. Whatever else it finds goes on in
    /// [`put_held`](Self::put_held), under the same lock.
    #[inline]
    fn put_plainly(&self, key: K, value: V) -> Result<Cas, WriteError<(K, V)>> {
        let hash = self.hash(&key);
        let mut grip = match self.grip(hash) {
            Ok(grip) => grip,
            Err(reentrant) => return Err(WriteError::new(reentrant.into(), (key, value))),
        };
        let bits = to_bits(value);
        match grip.held.entry(hash, |candidate| *candidate == key) {
            Some(entry) if entry.is_timeless() => {
                let cas = self.overwrite_timeless(entry, bits);
                self.leave(grip);
                Ok(cas)
            }
            Some(_) => {
                let fresh = Fresh::Word(Some(key), bits);
                self.put_held(Begun::Held(grip), hash, fresh, Terms::default())
            }
            None => self.put_new_plainly(grip, hash, key, bits),
        }
    }

    /// The same where the key is absent.
    #[inline(never)]
    fn put_new_plainly<'s>(
        &'s self,
        grip: Grip<'s, K, V>,
        hash: u64,
        key: K,
        bits: u64,
    ) -> Result<Cas, WriteError<(K, V)>> {
        let mut fresh = Some(Fresh::Word(Some(key), bits));
        let stored = self.locked_by(grip, |held, _| {
            self.store_new_here(held, hash, Ends::default(), (&mut fresh, 1))
        });
        match (stored, fresh) {
            (Err(lack), Some(fresh)) => {
                self.put_held(Begun::Lacking(lack), hash, fresh, Terms::default())
            }
            (stored, _) => Ok(stored.unwrap_or_else(|_| unreachable!("{NOTHING_CONSUMED}"))),
        }
    }

    #[inline(never)]
    fn put_by_rules(
        &self,
        key: K,
        value: V,
        condition: Condition,
        mut expiry: Expiry,
    ) -> Result<Cas, WriteError<(K, V)>> {
        let weight = match self.appraise(&key, &value, &mut expiry) {
            Ok(weight) => weight,
            Err(refusal) => return Err(WriteError::new(refusal, (key, value))),
        };
        let hash = self.hash(&key);
        // Outside the lock, so that what is left of it, refused or panicked over, is dropped after
        // the lock is released.
        let fresh = Fresh::new(hash, key, value, self.writes_in_place());
        match self.grip(hash) {
            Ok(grip) => {
                let terms = Terms { condition, expiry, weight };
                self.put_held_here(Begun::Held(grip), hash, fresh, terms)
            }
            Err(reentrant) => {
                let (key, value) = fresh.into_parts();
                Err(WriteError::new(reentrant.into(), (key.expect(NOTHING_CONSUMED), value)))
            }
        }
    }

    /// Goes on with a [`put`](Self::put) that has begun.
    #[inline(never)]
    fn put_held<'s>(
        &'s self,
        begun: Begun<'s, K, V>,
        hash: u64,
        fresh: Fresh<K, V>,
        terms: Terms,
    ) -> Result<Cas, WriteError<(K, V)>> {
        self.put_held_here(begun, hash, fresh, terms)
    }

    #[inline(always)]
    fn put_held_here<'s>(
        &'s self,
        begun: Begun<'s, K, V>,
        hash: u64,
        fresh: Fresh<K, V>,
        terms: Terms,
    ) -> Result<Cas, WriteError<(K, V)>> {
        let Terms { condition, expiry, weight } = terms;
        let mut fresh = Some(fresh);
        let (mut grip, lack) = match begun {
            Begun::Held(grip) => (Some(grip), None),
            Begun::Lacking(lack) => (None, Some(lack)),
        };
        let outcome = self.with_more_share(hash, lack, || {
            let grip = grip.take().map_or_else(|| self.grip(hash), Ok)?;
            self.locked_by(grip, |held, now| {
                let key = fresh.as_ref().and_then(Fresh::key);
                let entry = self.live(held, hash, |candidate| Some(candidate) == key, now);
                self.admit_counted(held, entry.as_ref(), condition, now)?;
                Ok(self.store(held, hash, entry.as_ref(), expiry, (&mut fresh, weight), now))
            })
        });
        outcome.map_err(|refusal: Refusal| {
            let (key, value) = fresh.expect(NOTHING_CONSUMED).into_parts();
            WriteError::new(refusal, (key.expect(NOTHING_CONSUMED), value))
        })
    }

    /// Runs `write`, enlarging the share of its stripe as long as that is too small.
    #[inline]
    pub(super) fn with_share<T>(
        &self,
        hash: u64,
        write: impl FnMut() -> Result<Result<T, Lack>, Refusal>,
    ) -> Result<T, Refusal> {
        self.with_more_share(hash, None, write)
    }

    /// The same where the share has proved too small already, if it has.
    #[inline]
    fn with_more_share<T>(
        &self,
        hash: u64,
        mut lack: Option<Lack>,
        mut write: impl FnMut() -> Result<Result<T, Lack>, Refusal>,
    ) -> Result<T, Refusal> {
        let mut alone = None;
        loop {
            if let Some(lack) = lack {
                alone = alone.or_else(|| self.move_room_alone());
                self.enlarge_share(hash, &lack)?;
            }
            match write()? {
                Ok(done) => return Ok(done),
                Err(more) => lack = Some(more),
            }
        }
    }

    /// As [`admit`]; counts a refusal.
    #[inline(always)]
    fn admit_counted(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        entry: Option<&Live>,
        condition: Condition,
        now: &mut Now<'_>,
    ) -> Result<(), Refusal> {
        let admitted = match condition {
            Condition::Since(since) => self.admit_fill(held, entry, since, now),
            _ => admit(held, entry, condition, now),
        };
        if admitted.is_err() {
            held.count(&admitted);
        }
        admitted
    }

    /// Stores a value where only a borrowed form of the key is at hand; the condition makes sure
    /// that an entry is there already.
    pub(crate) fn put_borrowed<Q>(
        &self,
        key: &Q,
        value: V,
        condition: Condition,
        expiry: Expiry,
    ) -> Result<Cas, WriteError<V>>
    where
        K: Clone,
        Q: Hash + Equivalent<K> + ?Sized,
    {
        debug_assert!(matches!(condition, Condition::Present | Condition::Unchanged(_)));
        let hash = self.hash(key);
        // A word needs no node, so no key of its own, unless somebody judges by it.
        let is_judged = self.is_weighted() || self.expiry_policy.is_some();
        let (mut fresh, mut value) = if self.writes_in_place() && !is_judged {
            (Some(Fresh::Word(None, to_bits(value))), None)
        } else {
            (None, Some(value))
        };
        let (mut weight, mut expiry) = (1, expiry);
        loop {
            if let Some(unplaced) = value.take() {
                // The key is cloned here, outside the lock.
                match self.clone_key(hash, key) {
                    Some(key) => {
                        weight = match self.appraise(&key, &unplaced, &mut expiry) {
                            Ok(weight) => weight,
                            Err(refusal) => return Err(WriteError::new(refusal, unplaced)),
                        };
                        fresh = Some(Fresh::new(hash, key, unplaced, self.writes_in_place()));
                    }
                    None => value = Some(unplaced),
                }
            }
            let outcome = self.with_share(hash, || {
                self.locked(hash, |held, now| {
                    let entry = self.live(held, hash, is(key), now);
                    let admitted = admit(held, entry.as_ref(), condition, now);
                    if admitted.is_ok() && fresh.is_none() {
                        return Ok(Ok(None)); // It appeared after we looked for its key: once more.
                    }
                    if admitted.is_err() {
                        held.count(&admitted);
                    }
                    admitted?;
                    let new = (&mut fresh, weight);
                    Ok(self.store(held, hash, entry.as_ref(), expiry, new, now).map(Some))
                })
            });
            match outcome {
                Ok(Some(cas)) => return Ok(cas),
                Ok(None) => yield_now(),
                Err(refusal) => {
                    let value = value.or_else(|| fresh.map(|fresh| fresh.into_parts().1));
                    return Err(WriteError::new(refusal, value.expect(NOTHING_CONSUMED)));
                }
            }
        }
    }

    fn clone_key<Q>(&self, hash: u64, key: &Q) -> Option<K>
    where
        K: Clone,
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let guard = epoch::pin();
        let node = self.stripe(hash).search(hash, &guard).find(is(key))?;
        let view = node.view();
        // Of an entry that is over by the clock nothing is asked; the stripe lock will tell.
        let is_over = || node.standing(&view, self.time.now()) == Standing::Expired;
        (view.is_timeless() || !is_over()).then(|| node.key().clone())
    }

    /// Carries out an admitted write of what weighs so much. What it does not use stays in `fresh`.
    #[inline]
    fn store(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        entry: Option<&Live>,
        expiry: Expiry,
        (fresh, weight): (&mut Option<Fresh<K, V>>, u32),
        now: &mut Now<'_>,
    ) -> Result<Cas, Lack> {
        let ends = self.ends(expiry, entry, now);
        let Some(entry) = entry else {
            return self.store_new(held, hash, ends, (fresh, weight));
        };
        self.room_for_change(held, entry.at, weight)?;
        let stamp = held.next_stamp();
        opens_lock(held, hash, entry, now);
        if let Some(Fresh::Word(_, bits)) = fresh {
            held.overwrite(entry.at, *bits, stamp, ends.shown);
            self.settle_change(held, entry, weight, ends);
        } else if let Some(Fresh::Node(node)) = fresh.take() {
            let old = held.replace(entry.at, node, stamp, ends.shown);
            let old_weight = self.settle_change(held, entry, weight, ends);
            self.see_off(held, old, old_weight, Cause::Replaced);
        }
        held.count(&Ok(()));
        Ok(Cas::issued(stamp))
    }

    /// The same where the key is absent.
    #[inline(never)]
    pub(super) fn store_new(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        ends: Ends,
        new: (&mut Option<Fresh<K, V>>, u32),
    ) -> Result<Cas, Lack> {
        self.store_new_here(held, hash, ends, new)
    }

    #[inline(always)]
    fn store_new_here(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        ends: Ends,
        (fresh, weight): (&mut Option<Fresh<K, V>>, u32),
    ) -> Result<Cas, Lack> {
        let arrival = self.room_for_new(held, hash, weight)?;
        let stamp = held.next_stamp();
        let node = match fresh.take() {
            Some(Fresh::Node(node)) => node,
            Some(Fresh::Word(Some(key), bits)) => {
                Node::boxed(hash::low(hash), key, from_bits(bits))
            }
            _ => unreachable!("a write that creates has its key"),
        };
        self.publish(held, node, (arrival, weight), stamp, ends);
        held.count(&Ok(()));
        Ok(Cas::issued(stamp))
    }

    /// Tells those who keep something beside the table that the entry's value has changed. Returns
    /// what the old one weighed.
    #[inline(always)]
    pub(super) fn settle_change(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        entry: &Live,
        weight: u32,
        ends: Ends,
    ) -> u32 {
        if ends.shown.is_some() || entry.expires.is_some() {
            self.note_ends(held, entry.at, ends);
        }
        if !self.is_bounded {
            return 1;
        }
        if self.is_weighted() {
            return self.settle_weight(held, entry.at, weight);
        }
        held.touch(entry.at);
        1
    }

    /// Tells the policy what the value at `at` weighs now. Returns what the old one did.
    fn settle_weight(&self, held: &mut HeldStripe<'_, K, V>, at: At, weight: u32) -> u32 {
        let place = at.place();
        let (entries, upkeep) = held.split();
        let (Some(policy), Some(usage)) = (&mut upkeep.policy, entries.usage(place)) else {
            return 1;
        };
        usage.touch();
        let old = policy.weight(place);
        if old != weight {
            policy.reweigh(place, usage, weight);
            self.give_back(held);
        }
        old
    }

    /// Removes the entry under `condition` and shows its last value to `take`, outside the lock. Where
    /// it shall be absent, there is nothing to remove, and nothing for a late fill to bring back.
    pub(crate) fn remove<Q, R>(
        &self,
        key: &Q,
        condition: Condition,
        take: impl FnOnce(&V) -> R,
    ) -> Result<R, Refusal>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        let guard = epoch::pin();
        let value: Result<_, Refusal> = self.locked(hash, |held, now| {
            let entry = self.live(held, hash, is(key), now);
            let admitted = admit(held, entry.as_ref(), condition, now);
            let admitted = admitted.and_then(|()| entry.as_ref().ok_or(Refusal::Absent));
            held.count(&admitted);
            if entry.is_none() && matches!(condition, Condition::Present | Condition::Absent) {
                self.raise_floor(held, hash); // A removal is an invalidation, whatever it finds.
            }
            let entry = *admitted?;
            let value = held.value_for(entry.at, &guard);
            opens_lock(held, hash, &entry, now);
            self.take_out(held, entry.at, Cause::Removed);
            Ok(value)
        });
        value.map(|value| take(&value))
    }

    /// Gives the entry a new deadline under `condition` and shows its value to `take`, outside the
    /// lock. The stamp changes only if the deadline does.
    pub(crate) fn touch<Q, R>(
        &self,
        key: &Q,
        condition: Condition,
        expiry: Expiry,
        take: impl FnOnce(&V) -> R,
    ) -> Result<(R, Cas), Refusal>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        let guard = epoch::pin();
        let touched: Result<_, Refusal> = self.locked(hash, |held, now| {
            let entry = self.live(held, hash, is(key), now);
            let admitted = admit(held, entry.as_ref(), condition, now);
            held.count(&admitted);
            admitted?;
            let entry = entry.ok_or(Refusal::Absent)?;
            let ends = self.ends(expiry, Some(&entry), now);
            let changes = ends.latest != entry.expires;
            if changes || condition.is_token_of(&entry) {
                opens_lock(held, hash, &entry, now);
            }
            if changes {
                let stamp = held.next_stamp();
                held.restamp(entry.at, stamp, ends.shown);
                self.note_ends(held, entry.at, ends);
            } else if condition.is_token_of(&entry) {
                held.detach_lock(entry.at);
            } else {
                self.note_use(held, &entry, now);
            }
            Ok((held.value_for(entry.at, &guard), Cas::issued(held.stamp(entry.at))))
        });
        touched.map(|(value, cas)| (take(&value), cas))
    }

    /// Runs `change` on the entry under the stripe lock and carries out what it decides.
    pub(crate) fn update(
        &self,
        key: K,
        change: impl FnOnce(Option<&V>) -> Update<V>,
    ) -> Result<Updated, WriteError<K>> {
        let mut change = Some(change);
        self.revise(key, Opener::Nobody, |present| match change.take() {
            Some(change) => change(present.map(|present| present.value)).into(),
            None => Revision::Refuse(match present {
                Some(Present { cas: current, .. }) => Refusal::Changed { current },
                None => Refusal::Absent,
            }),
        })
    }

    /// [`update`](Self::update) for a closure that sees stamp and deadline as well, may leave the
    /// stamp as it is, and may come with what opens a lock. It decides again if somebody else writes
    /// while room is made for what it has decided on.
    pub(crate) fn revise(
        &self,
        key: K,
        opener: Opener,
        mut change: impl FnMut(Option<Present<'_, V>>) -> Revision<V>,
    ) -> Result<Updated, WriteError<K>> {
        let hash = self.hash(&key);
        // All stay outside the lock for the same reason as in `put`. The pin makes sure that a
        // read inside `change` nests and so does not run other garbage's drops under the lock.
        let mut key = Some(key);
        let mut fresh = None;
        let mut outdated = Vec::new();
        let mut decided = None;
        let _pin = epoch::pin();
        let outcome = self.with_share(hash, || {
            self.locked(hash, |held, now| {
                let is_key = |candidate: &K| {
                    let fresh = fresh.as_ref().and_then(Fresh::key);
                    Some(candidate) == key.as_ref().or(fresh)
                };
                let entry = self.live(held, hash, is_key, now);
                let seen = entry.map(|entry| held.stamp(entry.at));
                self.admit_opener(held, entry.as_ref(), opener, now)?;
                if let Some((then, expiry, weight)) = decided.take() {
                    // The stripe's share was too small, but is not any more.
                    if then == seen {
                        decided = Some((then, expiry, weight));
                        let new = (&mut fresh, weight);
                        let stored = self.store(held, hash, entry.as_ref(), expiry, new, now);
                        return Ok(stored.map(Updated::Stored));
                    }
                    let (unused, value) = fresh.take().map(Fresh::into_parts).unzip();
                    key = key.take().or(unused.flatten());
                    outdated.extend(value);
                }
                let decision = match &entry {
                    Some(entry) => change(Some(Present {
                        value: &held.value(entry.at),
                        cas: Cas::issued(held.stamp(entry.at)),
                        expires: entry.expires,
                        is_opened: opener.opens(entry),
                        is_locked: entry.locked_until().is_some(),
                    })),
                    None => change(None),
                };
                let (value, mut expiry) = match decision {
                    Revision::Put(value, expiry) => (value, expiry),
                    Revision::Refuse(refusal) => return Err(refusal),
                    other => return Ok(Ok(self.revise_in_place(held, hash, entry, other, now))),
                };
                let owned = key.as_ref().expect("an update decides once");
                let weight = match self.appraise(owned, &value, &mut expiry) {
                    Ok(weight) => weight,
                    Err(refusal) => {
                        outdated.push(value);
                        return Err(refusal);
                    }
                };
                decided = Some((seen, expiry, weight));
                let key = key.take().expect("an update decides once");
                fresh = Some(Fresh::new(hash, key, value, self.writes_in_place()));
                let new = (&mut fresh, weight);
                let stored = self.store(held, hash, entry.as_ref(), expiry, new, now);
                Ok(stored.map(Updated::Stored))
            })
        });
        outcome.map_err(|refusal| {
            let left = key.or_else(|| fresh.and_then(|fresh| fresh.into_parts().0));
            WriteError::new(refusal, left.expect(NOTHING_CONSUMED))
        })
    }

    /// Lets a write through to an entry that is not locked, or that `opener` opens.
    fn admit_opener(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        entry: Option<&Live>,
        opener: Opener,
        now: &mut Now<'_>,
    ) -> Result<(), Refusal> {
        if entry.is_some_and(|entry| opener.opens(entry)) {
            return Ok(());
        }
        self.admit_counted(held, entry, Condition::Always, now)
    }

    /// Carries out a decision that brings no value.
    fn revise_in_place(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        entry: Option<Live>,
        decision: Revision<V>,
        now: &mut Now<'_>,
    ) -> Updated {
        let Some(entry) = entry else {
            if matches!(decision, Revision::Remove) {
                self.raise_floor(held, hash);
            }
            return Updated::Kept(None);
        };
        match decision {
            Revision::Remove => {
                held.count(&Ok(()));
                opens_lock(held, hash, &entry, now);
                self.take_out(held, entry.at, Cause::Removed);
                return Updated::Removed;
            }
            Revision::Touch(expiry) => {
                let ends = self.ends(expiry, Some(&entry), now);
                opens_lock(held, hash, &entry, now);
                let stamp = held.stamp(entry.at);
                held.restamp(entry.at, stamp, ends.shown);
                self.note_ends(held, entry.at, ends);
            }
            Revision::Put(..) | Revision::Refuse(_) | Revision::Keep => {}
        }
        Updated::Kept(Some(Cas::issued(held.stamp(entry.at))))
    }
}

/// An entry under the stripe lock, as the closure of [`Store::revise`] sees it.
#[cfg_attr(
    not(feature = "bytes"),
    expect(dead_code, reason = "only byte strings look at all of it")
)]
pub(crate) struct Present<'a, V> {
    pub(crate) value: &'a V,
    pub(crate) cas: Cas,
    /// When it must go at the latest.
    pub(crate) expires: Option<Tick>,
    /// It was last locked with what the caller came with, and not written since.
    pub(crate) is_opened: bool,
    pub(crate) is_locked: bool,
}

/// What opens a lock that [`Store::revise`] finds.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "bytes"), expect(dead_code, reason = "only byte strings open locks so"))]
pub(crate) enum Opener {
    Nobody,
    /// Whoever has the lock's token.
    Token(Cas),
    /// The caller, whoever holds it.
    Force,
}

impl Opener {
    fn opens(self, entry: &Live) -> bool {
        match self {
            Self::Nobody => false,
            Self::Token(token) => Condition::Unchanged(token).is_token_of(entry),
            Self::Force => entry.lock.is_some(),
        }
    }
}

/// What is to become of an entry. Without one, all but `Put` is `Keep`.
#[cfg_attr(not(feature = "bytes"), expect(dead_code, reason = "only byte strings keep a stamp so"))]
pub(crate) enum Revision<V> {
    Put(V, Expiry),
    /// A new deadline under the old stamp; opens a lock.
    Touch(Expiry),
    Remove,
    Keep,
    /// The caller gets this for an answer.
    Refuse(Refusal),
}

impl<V> From<Update<V>> for Revision<V> {
    fn from(update: Update<V>) -> Self {
        match update {
            Update::Put(value) => Self::Put(value, Expiry::Default),
            Update::PutWith(value, expiry) => Self::Put(value, expiry),
            Update::Remove => Self::Remove,
            Update::Keep => Self::Keep,
        }
    }
}

/// A write is about to end the key's lock, if there is one: the next in line may try.
#[inline]
pub(super) fn opens_lock<K, V>(
    held: &mut HeldStripe<'_, K, V>,
    hash: u64,
    entry: &Live,
    now: &mut Now<'_>,
) where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    if entry.lock.is_some() {
        held.waiters.turn(hash, now);
    }
}
