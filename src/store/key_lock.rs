//! Key locks: taken, released, renewed, and lapsing by themselves.
//!
//! A lock draws a token from the stamp source and keeps it beside the entry's own stamp, which
//! does not change. While the lock holds, only the token opens the entry for writing, and readers
//! see the value without its stamp. After a lapse the token stays good for one conditional write,
//! until somebody writes or locks.

use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use equivalent::Equivalent;

use crate::epoch::Guard;
use crate::error::{LockError, Reentrant, Refusal, UnlockError};
use crate::raw::{At, BlankLock, ValueRef};
use crate::stamp::Cas;
use crate::time::Tick;

use super::{HeldStripe, Now, Store, is};

/// A lock that was taken: its token, when it lapses, and the entry it protects.
pub(crate) struct Locked<'g, K, V> {
    pub(crate) hash: u64,
    pub(crate) token: Cas,
    pub(crate) deadline: Tick,
    pub(crate) key: &'g K,
    pub(crate) value: ValueRef<'g, V>,
}

/// What is needed to take a lock, made ready before the stripe lock.
pub(super) struct Request<'g> {
    pub(super) time: Duration,
    pub(super) blank: BlankLock,
    pub(super) guard: &'g Guard,
}

/// A lock that was taken, as the caller's own.
pub(crate) struct Claimed<K, V> {
    pub(crate) hash: u64,
    pub(crate) token: Cas,
    pub(crate) deadline: Tick,
    pub(crate) key: K,
    pub(crate) value: V,
}

impl<K, V, S> Store<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// The lock time that `asked` stands for: zero is the default.
    pub(super) fn lock_time(&self, asked: Duration) -> Result<Duration, Duration> {
        let max = self.settings().max_lock_time;
        if asked.is_zero() {
            Ok(self.settings().default_lock_time)
        } else if asked > max {
            Err(max)
        } else {
            Ok(asked)
        }
    }

    /// Locks the entry for `time`.
    pub(crate) fn lock<'g, Q>(
        &'g self,
        key: &Q,
        time: Duration,
        guard: &'g Guard,
    ) -> Result<Locked<'g, K, V>, LockError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let time = self.lock_time(time).map_err(|max| LockError::TooLong { max })?;
        let request = Request { time, blank: BlankLock::new(), guard };
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let free = self.lockable(held, hash, key, now);
            if let Err(Refusal::Locked { .. }) = free {
                held.tally.rare.locks_refused += 1;
            }
            Ok(self.lock_at(held, hash, free?, request, now))
        })
    }

    /// The place of an entry that is live and not locked.
    pub(super) fn lockable<Q>(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        key: &Q,
        now: &mut Now<'_>,
    ) -> Result<At, Refusal>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let entry = self.live(held, hash, is(key), now).ok_or(Refusal::Absent)?;
        match entry.locked_until() {
            None => Ok(entry.at),
            Some(until) => Err(Refusal::Locked { remaining: until.since(now.get()) }),
        }
    }

    /// Locks an entry that `lockable` found.
    pub(super) fn lock_at<'g>(
        &'g self,
        held: &mut HeldStripe<'g, K, V>,
        hash: u64,
        at: At,
        request: Request<'g>,
        now: &mut Now<'_>,
    ) -> Locked<'g, K, V> {
        let Request { time, blank, guard } = request;
        let token = held.next_stamp();
        let deadline = self.lock_deadline(time, now);
        held.attach_lock(at, blank, deadline, token);
        held.tally.rare.locks_taken += 1;
        let (key, value) = (held.key_for(at, guard), held.value_for(at, guard));
        Locked { hash, token: Cas::issued(token), deadline, key, value }
    }

    fn lock_deadline(&self, time: Duration, now: &mut Now<'_>) -> Tick {
        let now = now.get();
        now.saturating_add(time)
    }

    /// Clones key and value of a locked entry. A clone that panics takes the lock with it.
    pub(crate) fn claim(&self, locked: Locked<'_, K, V>) -> Claimed<K, V>
    where
        K: Clone,
        V: Clone,
    {
        struct OnPanic<F: FnMut()>(F);
        impl<F: FnMut()> Drop for OnPanic<F> {
            fn drop(&mut self) {
                (self.0)();
            }
        }
        let hash = locked.hash;
        let unlock = OnPanic(|| {
            self.unlock_token(hash, locked.token);
        });
        let claimed = Claimed {
            hash,
            token: locked.token,
            deadline: locked.deadline,
            key: locked.key.clone(),
            value: V::clone(&locked.value),
        };
        std::mem::forget(unlock);
        claimed
    }

    /// Releases the lock that `token` opens.
    pub(crate) fn unlock<Q>(&self, key: &Q, token: Cas) -> Result<(), UnlockError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let at = self.opened_by(held, hash, key, token, now)?;
            held.detach_lock(at);
            held.waiters.turn(hash, now);
            Ok(())
        })
    }

    /// Releases the lock that `token` opens, if there still is one, without running code of the
    /// key: for holders that let go while they unwind.
    pub(crate) fn unlock_token(&self, hash: u64, token: Cas) -> bool {
        let unlocked = self.locked(hash, |held, now| {
            let at = held.find_token(hash, token.to_u64());
            let entry = at.and_then(|at| self.settle(held, hash, at, now));
            let Some(at) = entry.filter(|entry| entry.locked_until().is_some()).map(|it| it.at)
            else {
                return Ok::<_, Reentrant>(false);
            };
            held.detach_lock(at);
            held.waiters.turn(hash, now);
            Ok(true)
        });
        unlocked.unwrap_or(false)
    }

    /// Gives the lock that `token` opens `time` from now.
    pub(crate) fn renew<Q>(&self, key: &Q, token: Cas, time: Duration) -> Result<Tick, UnlockError>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let time = self.lock_time(time).map_err(|max| UnlockError::TooLong { max })?;
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let at = self.opened_by(held, hash, key, token, now)?;
            let deadline = self.lock_deadline(time, now);
            let before = held.lock_state(at).and_then(|lock| lock.deadline);
            held.set_lock_deadline(at, Some(deadline));
            if before.is_some_and(|before| deadline < before) {
                held.waiters.turn(hash, now); // They have set their alarms too late.
            }
            Ok(deadline)
        })
    }

    /// Lets the key's lock lapse, as if its time had come. Returns whether it was locked.
    #[cfg(feature = "bytes")]
    pub(crate) fn lapse<Q>(&self, key: &Q) -> Result<bool, Reentrant>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let entry = self.live(held, hash, is(key), now);
            let Some(entry) = entry.filter(|entry| entry.locked_until().is_some()) else {
                return Ok(false);
            };
            held.set_lock_deadline(entry.at, None);
            held.tally.rare.locks_lapsed += 1;
            held.waiters.turn(hash, now);
            Ok(true)
        })
    }

    /// The place of an entry that is locked with `token`.
    fn opened_by<Q>(
        &self,
        held: &mut HeldStripe<'_, K, V>,
        hash: u64,
        key: &Q,
        token: Cas,
        now: &mut Now<'_>,
    ) -> Result<At, UnlockError>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let entry = self.live(held, hash, is(key), now).ok_or(UnlockError::Absent)?;
        let deadline = entry.locked_until().ok_or(UnlockError::NotLocked)?;
        if entry.lock.is_some_and(|lock| lock.token == token.to_u64()) {
            return Ok(entry.at);
        }
        held.tally.rare.locks_refused += 1;
        Err(UnlockError::WrongToken { remaining: deadline.since(now.get()) })
    }

    /// Refuses an operation that has found the key locked, and counts it.
    pub(crate) fn refuse_locked<Q>(&self, key: &Q) -> Refusal
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        let remaining: Result<_, Reentrant> = self.locked(hash, |held, now| {
            held.tally.rare.locks_refused += 1;
            let until = self.live(held, hash, is(key), now).and_then(|it| it.locked_until());
            Ok(until.map_or(Duration::ZERO, |until| until.since(now.get())))
        });
        remaining.map_or_else(Refusal::from, |remaining| Refusal::Locked { remaining })
    }

    /// How long the entry stays locked if nobody opens it; `None` if it is not locked or absent.
    pub(crate) fn lock_remaining<Q>(&self, key: &Q) -> Result<Option<Duration>, Reentrant>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        self.locked(hash, |held, now| {
            let until = self.live(held, hash, is(key), now).and_then(|it| it.locked_until());
            Ok(until.map(|until| until.since(now.get())))
        })
    }
}
