//! Writes: storing, removing, touching and updating under a condition.

use std::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use crate::epoch;
use crate::error::{Refusal, WriteError};
use crate::expiry::Expiry;
use crate::raw::{Node, from_bits, is_word, to_bits};
use crate::stamp::Cas;
use crate::sync::yield_now;
use crate::update::{Update, Updated};

use super::{HeldStripe, Live, Now, Store, admit, is};

/// What must hold of an entry for a write to take place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    #[default]
    Always,
    Absent,
    Present,
    /// The entry has this stamp, or is locked with it.
    Unchanged(Cas),
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
enum Fresh<K, V> {
    /// The bits of a word, which is usually written in place: its node is made only when it turns
    /// out that the key is new, and the key given back or dropped otherwise.
    Word(Option<K>, u64),
    /// Any other value needs a node in any case; it is made before the lock is taken.
    Node(Box<Node<K, V>>),
}

impl<K, V: 'static> Fresh<K, V> {
    fn new(hash: u64, key: K, value: V) -> Self {
        if is_word::<V>() {
            Self::Word(Some(key), to_bits(value))
        } else {
            Self::Node(Node::boxed(hash, key, value))
        }
    }

    fn key(&self) -> Option<&K> {
        match self {
            Self::Word(key, _) => key.as_ref(),
            Self::Node(node) => Some(node.key()),
        }
    }

    fn into_parts(self) -> (Option<K>, V) {
        match self {
            Self::Word(key, bits) => (key, from_bits(bits)),
            Self::Node(node) => {
                let (key, value) = node.into_parts();
                (Some(key), value)
            }
        }
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
    /// Stores under `condition`. What was refused comes back.
    #[inline]
    pub(crate) fn put(
        &self,
        key: K,
        value: V,
        condition: Condition,
        expiry: Expiry,
    ) -> Result<Cas, WriteError<(K, V)>> {
        let hash = self.hash(&key);
        // Outside the lock, so that what is left of it, refused or panicked over, is dropped after
        // the lock is released.
        let mut fresh = Some(Fresh::new(hash, key, value));
        let outcome: Result<_, Refusal> = self.locked(hash, |held, now| {
            let key = fresh.as_ref().and_then(Fresh::key);
            let entry = self.live(held, hash, |candidate| Some(candidate) == key, now);
            let admitted = admit(held, entry.as_ref(), condition, now);
            held.count(&admitted);
            admitted?;
            Ok(self.store(held, hash, entry.as_ref(), expiry, &mut fresh, now))
        });
        outcome.map_err(|refusal| {
            let (key, value) = fresh.expect(NOTHING_CONSUMED).into_parts();
            WriteError::new(refusal, (key.expect(NOTHING_CONSUMED), value))
        })
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
        let (mut fresh, mut value) = if is_word::<V>() {
            (Some(Fresh::Word(None, to_bits(value))), None)
        } else {
            (None, Some(value))
        };
        loop {
            if let Some(unplaced) = value.take() {
                // The new node needs a key of its own, which is cloned here, outside the lock.
                match self.clone_key(hash, key) {
                    Some(key) => fresh = Some(Fresh::new(hash, key, unplaced)),
                    None => value = Some(unplaced),
                }
            }
            let outcome: Result<_, Refusal> = self.locked(hash, |held, now| {
                let entry = self.live(held, hash, is(key), now);
                let admitted = admit(held, entry.as_ref(), condition, now);
                if admitted.is_ok() && fresh.is_none() {
                    return Ok(None); // It appeared after we looked for its key: once more.
                }
                held.count(&admitted);
                admitted?;
                Ok(Some(self.store(held, hash, entry.as_ref(), expiry, &mut fresh, now)))
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
        self.stripe(hash).search(hash, &guard).find(is(key)).map(|node| node.key().clone())
    }

    /// Carries out an admitted write. What it does not use stays in `fresh`.
    #[inline]
    fn store(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        entry: Option<&Live>,
        expiry: Expiry,
        fresh: &mut Option<Fresh<K, V>>,
        now: &mut Now<'_>,
    ) -> Cas {
        let expires = self.deadline(expiry, entry, now);
        let stamp = held.next_stamp();
        let at = entry.map(|entry| {
            opens_lock(held, hash, entry, now);
            entry.at
        });
        match (fresh.as_mut(), at) {
            (Some(Fresh::Word(_, bits)), Some(at)) => held.overwrite(at, *bits, stamp, expires),
            (Some(Fresh::Word(key, bits)), None) => {
                let key = key.take().expect("a write that creates has its key");
                held.publish(Node::boxed(hash, key, from_bits(*bits)), stamp, expires);
            }
            _ => match (fresh.take(), at) {
                (Some(Fresh::Node(node)), Some(at)) => held.replace(at, node, stamp, expires),
                (Some(Fresh::Node(node)), None) => held.publish(node, stamp, expires),
                _ => unreachable!("an admitted write has something to store"),
            },
        }
        Cas::issued(stamp)
    }

    /// Removes the entry under `condition` and shows its last value to `take`, outside the lock.
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
            held.count(&admitted);
            admitted?;
            let entry = entry.ok_or(Refusal::Absent)?;
            let value = held.value_for(entry.at, &guard);
            opens_lock(held, hash, &entry, now);
            held.unlink(entry.at);
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
            let expires = self.deadline(expiry, Some(&entry), now);
            if expires != entry.expires || condition.is_token_of(&entry) {
                opens_lock(held, hash, &entry, now);
            }
            if expires != entry.expires {
                let stamp = held.next_stamp();
                held.restamp(entry.at, stamp, expires);
            } else if condition.is_token_of(&entry) {
                held.detach_lock(entry.at);
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
        let hash = self.hash(&key);
        // All stay outside the lock for the same reason as in `put`. The pin makes sure that a
        // read inside `change` nests and so does not run other garbage's drops under the lock.
        let mut key = Some(key);
        let mut change = Some(change);
        let mut fresh = None;
        let _pin = epoch::pin();
        let outcome: Result<_, Refusal> = self.locked(hash, |held, now| {
            let entry = self.live(held, hash, |candidate| Some(candidate) == key.as_ref(), now);
            let admitted = admit(held, entry.as_ref(), Condition::Always, now);
            if admitted.is_err() {
                held.count(&admitted);
            }
            admitted?;
            let at = entry.map(|entry| entry.at);
            let change = change.take().expect("an update decides once");
            let decision = match at {
                Some(at) => change(Some(&held.value(at))),
                None => change(None),
            };
            let (value, expiry) = match decision {
                Update::Put(value) => (value, Expiry::Default),
                Update::PutWith(value, expiry) => (value, expiry),
                Update::Remove => {
                    if let Some(at) = at {
                        held.count(&Ok(()));
                        held.unlink(at);
                    }
                    return Ok(if at.is_some() { Updated::Removed } else { Updated::Kept(None) });
                }
                Update::Keep => {
                    return Ok(Updated::Kept(at.map(|at| Cas::issued(held.stamp(at)))));
                }
            };
            held.count(&Ok(()));
            fresh = key.take().map(|key| Fresh::new(hash, key, value));
            Ok(Updated::Stored(self.store(held, hash, entry.as_ref(), expiry, &mut fresh, now)))
        });
        outcome.map_err(|refusal| WriteError::new(refusal, key.expect(NOTHING_CONSUMED)))
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
