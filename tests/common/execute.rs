//! Carries out the model's operations on a real cache.
//!
//! It also looks at what the model does not see: that a refused write gives back what it took, and
//! that an update closure may read the cache but not write it.

use std::cell::Cell;
use std::future::ready;
use std::hash::BuildHasher;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use caskade::{
    Cache, CounterError, Expiry, FillToken, KeyLock, Loaded, LockError, Lookup, Mark, Put, Refusal,
    Reread, Retry, Update, Versioned, WriteError,
};

use super::model::{Change, Condition, Life, Looked, Op, Response, Step, Taken};

/// A type of values, each of which stands for a number.
pub(crate) trait Value: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// Whether it is a counter.
    const COUNTS: bool;

    fn of(number: u64) -> Self;

    fn number(&self) -> u64;

    fn count<S: BuildHasher>(
        cache: &Cache<String, Self, S>,
        key: &str,
        step: Step,
        delta: u64,
    ) -> Result<Versioned<Self>, CounterError>;

    fn count_or_insert<S: BuildHasher>(
        cache: &Cache<String, Self, S>,
        key: String,
        step: Step,
        delta: u64,
        initial: u64,
        expiry: Expiry,
    ) -> Result<Versioned<Self>, Refusal>;
}

/// Changes in place.
impl Value for u64 {
    const COUNTS: bool = true;

    fn of(number: u64) -> Self {
        number
    }

    fn number(&self) -> u64 {
        *self
    }

    fn count<S: BuildHasher>(
        cache: &Cache<String, Self, S>,
        key: &str,
        step: Step,
        delta: u64,
    ) -> Result<Versioned<Self>, CounterError> {
        match step {
            Step::Increment => cache.increment(key, delta),
            Step::Decrement => cache.decrement(key, delta),
            Step::CheckedIncrement => cache.checked_increment(key, delta),
            Step::CheckedDecrement => cache.checked_decrement(key, delta),
        }
    }

    fn count_or_insert<S: BuildHasher>(
        cache: &Cache<String, Self, S>,
        key: String,
        step: Step,
        delta: u64,
        initial: u64,
        expiry: Expiry,
    ) -> Result<Versioned<Self>, Refusal> {
        let given = key.clone();
        let counted = match step {
            Step::Increment => cache.increment_or_insert(key, delta, initial, expiry),
            _ => cache.decrement_or_insert(key, delta, initial, expiry),
        };
        counted.map_err(given_back(given))
    }
}

const NOT_A_COUNTER: &str = "only numbers are asked to count";

/// Replaced node by node.
impl Value for String {
    const COUNTS: bool = false;

    fn of(number: u64) -> Self {
        format!("the number {number}")
    }

    fn number(&self) -> u64 {
        let digits = self.strip_prefix("the number ").expect("a value is whole");
        digits.parse().expect("a value is whole")
    }

    fn count<S: BuildHasher>(
        _: &Cache<String, Self, S>,
        _: &str,
        _: Step,
        _: u64,
    ) -> Result<Versioned<Self>, CounterError> {
        unreachable!("{NOT_A_COUNTER}")
    }

    fn count_or_insert<S: BuildHasher>(
        _: &Cache<String, Self, S>,
        _: String,
        _: Step,
        _: u64,
        _: u64,
        _: Expiry,
    ) -> Result<Versioned<Self>, Refusal> {
        unreachable!("{NOT_A_COUNTER}")
    }
}

/// Carries out `op` on `key`. `start` is the instant from which the model counts the time.
///
/// `Advance` concerns the clock, which only the caller has, and so it is with the tokens, marks, loads
/// and fences that some operations hand out or take.
pub(crate) fn execute<V: Value, S: BuildHasher>(
    cache: &Cache<String, V, S>,
    key: &str,
    op: &Op,
    start: Instant,
) -> Response {
    let own = || key.to_owned();
    match *op {
        Op::Get => Response::Value(cache.get(key).map(|value| value.number())),
        Op::Read => Response::Value(cache.read(key, V::number)),
        Op::GetMany => {
            let values = cache.get_many(&[own()]);
            assert_eq!(values.len(), 1);
            Response::Value(values[0].as_ref().map(V::number))
        }
        Op::ContainsKey => Response::Is(cache.contains_key(key)),
        Op::GetWithCas => Response::Versioned(cache.get_with_cas(key).map(numbered)),
        Op::SessionGet => {
            let session = cache.pin();
            Response::Versioned(session.get(key).map(|found| (found.number(), found.cas())))
        }
        Op::GetIfChanged(seen) => match cache.get_if_changed(key, seen) {
            Reread::Unchanged => Response::Unchanged,
            Reread::Changed(found) => Response::Versioned(Some(numbered(found))),
            Reread::Absent => Response::Versioned(None),
        },
        Op::Insert(value, life) => {
            let stored = match life.expiry(start) {
                Expiry::Default => cache.insert(own(), V::of(value)),
                expiry => cache.insert_with(own(), V::of(value), expiry),
            };
            Response::Stored(stored.map_err(given_back((own(), V::of(value)))))
        }
        Op::Add(value) => {
            let stored = cache.add(own(), V::of(value));
            Response::Stored(stored.map_err(given_back((own(), V::of(value)))))
        }
        Op::Replace(value) => {
            let stored = cache.replace(key, V::of(value));
            Response::Stored(stored.map_err(given_back(V::of(value))))
        }
        Op::Put(condition, value, life) => {
            let stored = cache.put(own(), V::of(value), put(condition, life.expiry(start)));
            Response::Stored(stored.map_err(given_back((own(), V::of(value)))))
        }
        Op::CompareAndSwap(seen, value, life) => {
            let stored = match life.expiry(start) {
                Expiry::Default => cache.compare_and_swap(key, seen, V::of(value)),
                expiry => cache.compare_and_swap_with(key, seen, V::of(value), expiry),
            };
            Response::Stored(stored.map_err(given_back(V::of(value))))
        }
        Op::Remove => {
            let removed = cache.remove(key).map(|gone| gone.map(|value| value.number()));
            Response::Removed(removed.map_err(given_back(())))
        }
        Op::Discard => Response::Discarded(cache.discard(key).map_err(given_back(()))),
        Op::CompareAndRemove(seen) => {
            let removed = cache.compare_and_remove(key, seen).map(|value| Some(value.number()));
            Response::Removed(removed.map_err(given_back(())))
        }
        Op::CompareAndDiscard(seen) => {
            let removed = cache.compare_and_discard(key, seen).map(|()| true);
            Response::Discarded(removed.map_err(given_back(())))
        }
        Op::Touch(life) => {
            Response::Stored(cache.touch(key, life.expiry(start)).map_err(given_back(())))
        }
        Op::CompareAndTouch(seen, life) => {
            let touched = cache.compare_and_touch(key, seen, life.expiry(start));
            Response::Stored(touched.map_err(given_back(())))
        }
        Op::GetAndTouch(life) => {
            let touched = cache.get_and_touch(key, life.expiry(start));
            Response::Touched(touched.map(|found| found.map(numbered)).map_err(given_back(())))
        }
        Op::Update(change) => update(cache, key, change, start),
        Op::FetchUpdate(change) => fetch_update(cache, key, Retry::attempts(1), change, start),
        Op::FetchUpdateLocked(change) => {
            let retry = Retry::attempts(1).then_lock(0);
            fetch_update(cache, key, retry, change, start)
        }
        Op::Lock(time) => {
            let locked = cache.get_and_lock_for(key, time);
            let response = locked_response(&locked, start);
            let _ = locked.map(KeyLock::into_cas);
            response
        }
        Op::LockWithin(time) => {
            let locked = cache.get_and_lock_within(key, time, Duration::ZERO);
            let response = locked_response(&locked, start);
            let _ = locked.map(KeyLock::into_cas);
            response
        }
        Op::Unlock(token) => Response::Unlocked(cache.unlock(key, token)),
        Op::RenewLock(token, time) => {
            let renewed = cache.renew_lock(key, token, time);
            Response::Renewed(renewed.map(|until| until - start))
        }
        Op::LockRemaining => Response::Remaining(cache.lock_remaining(key)),
        Op::DropLock(token) => {
            let _ = cache.unlock(key, token);
            Response::Done
        }
        Op::Count(step, delta) => Response::Counted(V::count(cache, key, step, delta).map(counted)),
        Op::IncrementOrInsert(delta, initial, life) => {
            let expiry = life.expiry(start);
            let made = V::count_or_insert(cache, own(), Step::Increment, delta, initial, expiry);
            Response::CountedOrMade(made.map(counted))
        }
        Op::DecrementOrInsert(delta, initial, life) => {
            let expiry = life.expiry(start);
            let made = V::count_or_insert(cache, own(), Step::Decrement, delta, initial, expiry);
            Response::CountedOrMade(made.map(counted))
        }
        Op::Invalidate => Response::Is(cache.invalidate(key)),
        Op::RemoveIf { odd, breaks_locks } => {
            let is_due = |_: &String, value: &V| (value.number() % 2 == 1) == odd;
            if breaks_locks {
                cache.invalidate_if(is_due);
            } else {
                cache.retain(|key, value| !is_due(key, value));
            }
            Response::Done
        }
        Op::MarkStale => Response::Is(cache.mark_stale(key)),
        Op::Clear => {
            cache.clear();
            Response::Done
        }
        Op::SetBound(max) => {
            cache.set_bound(max).expect("the new bound is no error");
            Response::Done
        }
        Op::ExpireDue => {
            cache.expire_due();
            Response::Done
        }
        Op::Advance(_) => unreachable!("the caller moves the clock"),
        Op::Lookup(_) | Op::Mark(_) | Op::Fill(..) => unreachable!("the caller keeps the rights"),
        Op::Join(..) | Op::Conclude(..) | Op::GiveUp(_) => unreachable!("the caller is the loader"),
        Op::Fence(..) | Op::Release(_) => unreachable!("the caller keeps the fences"),
    }
}

/// What a fill is made with.
pub(crate) enum Right {
    Token(FillToken),
    Mark(Mark),
}

pub(crate) fn look_up<V: Value, S: BuildHasher>(
    cache: &Cache<String, V, S>,
    key: &str,
) -> (Response, Option<Right>) {
    let (looked, token) = match cache.lookup(key) {
        Lookup::Hit(found) => (Looked::Hit(numbered(found)), None),
        Lookup::Stale(found, token) => (Looked::Stale(numbered(found), token.is_some()), token),
        Lookup::Miss(token) => (Looked::Miss, Some(token)),
    };
    (Response::LookedUp(looked), token.map(Right::Token))
}

pub(crate) fn fill<V: Value, S: BuildHasher>(
    cache: &Cache<String, V, S>,
    key: &str,
    right: Right,
    value: u64,
    expiry: Expiry,
) -> Response {
    let own = || (key.to_owned(), V::of(value));
    let (key, value) = own();
    let stored = match (right, expiry) {
        (Right::Token(token), Expiry::Default) => cache.fill(token, key, value),
        (Right::Token(token), _) => cache.fill_with(token, key, value, expiry),
        (Right::Mark(mark), Expiry::Default) => cache.fill_since(&mark, key, value),
        (Right::Mark(mark), _) => cache.fill_since_with(&mark, key, value, expiry),
    };
    Response::Stored(stored.map_err(given_back(own())))
}

/// What `load` brings when it is called, if it is: a value with its life, or without one if it is not
/// to be stored; nothing if it fails.
pub(crate) fn get_or_load<V: Value, S: BuildHasher>(
    cache: &Cache<String, V, S>,
    key: &str,
    start: Instant,
    is_async: bool,
    load: impl FnOnce() -> Option<(u64, Option<Life>)>,
) -> Option<u64> {
    let load = |_: &str| {
        let (value, life) = load().ok_or(())?;
        let value = V::of(value);
        Ok(match life.map(|life| life.expiry(start)) {
            None => Loaded::uncached(value),
            Some(Expiry::Default) => Loaded::new(value),
            Some(expiry) => Loaded::new(value).expiry(expiry),
        })
    };
    let loaded: Result<V, ()> = if is_async {
        let loading = pin!(cache.try_get_or_load_async(key, |key| ready(load(key))));
        match loading.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(loaded) => loaded,
            Poll::Pending => panic!("nobody else loads"),
        }
    } else {
        cache.try_get_or_load(key, load)
    };
    loaded.ok().map(|value| value.number())
}

/// What a lock attempt came to, in the model's terms.
pub(crate) fn locked_response<V: Value, S: BuildHasher>(
    locked: &Result<KeyLock<String, V, S>, LockError>,
    start: Instant,
) -> Response {
    Response::Locked(match locked {
        Ok(held) => Ok(Taken {
            token: held.cas(),
            value: held.value().number(),
            until: held.deadline() - start,
        }),
        Err(error) => Err(*error),
    })
}

fn numbered<V: Value>(found: Versioned<V>) -> (u64, Option<caskade::Cas>) {
    (found.number(), found.cas())
}

fn counted<V: Value>(count: Versioned<V>) -> (u64, caskade::Cas) {
    let cas = count.cas().expect("a counter that moved shows its stamp");
    (count.number(), cas)
}

/// Takes the refusal out of an error, which must hold what was to be written.
fn given_back<T: PartialEq + std::fmt::Debug>(given: T) -> impl Fn(WriteError<T>) -> Refusal {
    move |error| {
        assert_eq!(*error.rejected(), given);
        error.refusal()
    }
}

fn put(condition: Condition, expiry: Expiry) -> Put {
    let put = match condition {
        Condition::Always => Put::new(),
        Condition::Absent => Put::new().if_absent(),
        Condition::Present => Put::new().if_present(),
        Condition::Unchanged(seen) => Put::new().if_unchanged(seen),
    };
    match expiry {
        Expiry::Default => put,
        Expiry::Keep => put.keep_expiry(),
        Expiry::Never => put.never_expires(),
        Expiry::After(life) => put.expires_after(life),
        Expiry::At(instant) => put.expires_at(instant),
    }
}

fn decide<V: Value>(change: Change, seen: Option<&V>, start: Instant) -> Update<V> {
    match change {
        Change::Put(value) => Update::Put(V::of(value)),
        Change::PutWith(value, life) => Update::PutWith(V::of(value), life.expiry(start)),
        Change::Add(more) => {
            let sum = seen.map_or(0, V::number).wrapping_add(more);
            Update::PutWith(V::of(sum), Expiry::Keep)
        }
        Change::Remove => Update::Remove,
        Change::Keep => Update::Keep,
    }
}

fn update<V: Value, S: BuildHasher>(
    cache: &Cache<String, V, S>,
    key: &str,
    change: Change,
    start: Instant,
) -> Response {
    let mut shown = None;
    let updated = cache.update(key.to_owned(), |seen| {
        shown = Some(seen.map(V::number));
        // Nobody writes meanwhile, but the clock may call the entry expired.
        let again = cache.get(key);
        assert!(again.is_none() || again.as_ref() == seen, "{again:?} instead of {seen:?}");
        let refused = cache.discard(key).map_err(|error| error.refusal());
        assert_eq!(refused, Err(Refusal::Reentrant));
        decide(change, seen, start)
    });
    Response::Updated(updated.map_err(given_back(key.to_owned())), shown)
}

fn fetch_update<V: Value, S: BuildHasher>(
    cache: &Cache<String, V, S>,
    key: &str,
    retry: Retry,
    change: Change,
    start: Instant,
) -> Response {
    let shown = Cell::new(None);
    let updated = cache.fetch_update(key.to_owned(), retry, |seen| {
        shown.set(Some(seen.map(V::number)));
        decide(change, seen, start)
    });
    let (updated, attempts) = match updated {
        Ok(retried) => (Ok(retried.updated()), retried.attempts()),
        Err(error) => {
            let lost = (Err(error.last()), error.attempts());
            assert_eq!(error.into_key(), key);
            lost
        }
    };
    assert_eq!(attempts, 1);
    Response::Updated(updated, shown.get())
}
