//! Key locks: what every operation does in every state of an entry, as one table; then the
//! [`KeyLock`] object, lock times and lapse.
//!
//! Deliberately without waiting and without threads; those are in `waiting.rs` and `stress.rs`.

use std::fmt::Debug;
use std::time::Duration;

use caskade::{
    BuildError, Cache, Cas, Counter, CounterError, Expiry, KeyLock, LockError, ManualClock, Put,
    Refusal, Reread, Retry, RetryError, UnlockError, Update, Updated, Versioned, WriteError,
};

/// One row for each operation and stamp given to it, one column for each state of the entry. A cell
/// says what comes back and, after the semicolon, how the entry is left.
///
/// Before the call the value is 2. Writes store 9, counters take steps of one. Stamps: `v` the
/// version from before the call, `f` a fresh one, `hidden` none because of a lock.
///
/// After the call: `-` absent; `2v` value 2 under its old version; `9f` value 9 under a fresh one;
/// `2L` locked with the token as before; `2N` locked with another token. A `t` at the end: the
/// entry is not locked, and a conditional write with the token would still be accepted.
///
/// `expired` stands for both an entry that expired and one that expired under its lock: expiry
/// beats the lock, so the two columns are the same.
const TABLE: &str = "
operation           given   | absent        | live           | locked           | lapsed          | expired
get                 -       | none; -       | 2; 2v          | 2; 2L            | 2; 2vt          | none; -
read                -       | none; -       | 2; 2v          | 2; 2L            | 2; 2vt          | none; -
get_many            -       | none; -       | 2; 2v          | 2; 2L            | 2; 2vt          | none; -
contains_key        -       | false; -      | true; 2v       | true; 2L         | true; 2vt       | false; -
get_with_cas        -       | none; -       | 2 v; 2v        | 2 hidden; 2L     | 2 v; 2vt        | none; -
session             -       | none; -       | 2 v; 2v        | 2 hidden; 2L     | 2 v; 2vt        | none; -
get_if_changed      version | absent; -     | unchanged; 2v  | unchanged; 2L    | unchanged; 2vt  | absent; -
get_if_changed      token   | absent; -     | changed 2 v; 2v | changed 2 hidden; 2L | changed 2 v; 2vt | absent; -
get_if_changed      stale   | absent; -     | changed 2 v; 2v | changed 2 hidden; 2L | changed 2 v; 2vt | absent; -
get_and_lock        -       | absent; -     | 2 f; 2N        | locked; 2L       | 2 f; 2N         | absent; -
get_and_lock_within -       | absent; -     | 2 f; 2N        | locked; 2L       | 2 f; 2N         | absent; -
unlock              version | absent; -     | not locked; 2v | wrong token; 2L  | not locked; 2vt | absent; -
unlock              token   | absent; -     | not locked; 2v | ok; 2v           | not locked; 2vt | absent; -
unlock              stale   | absent; -     | not locked; 2v | wrong token; 2L  | not locked; 2vt | absent; -
renew_lock          version | absent; -     | not locked; 2v | wrong token; 2L  | not locked; 2vt | absent; -
renew_lock          token   | absent; -     | not locked; 2v | ok; 2L           | not locked; 2vt | absent; -
renew_lock          stale   | absent; -     | not locked; 2v | wrong token; 2L  | not locked; 2vt | absent; -
lock_remaining      -       | none; -       | none; 2v       | 4s; 2L           | none; 2vt       | none; -
insert              -       | f; 9f         | f; 9f          | locked; 2L       | f; 9f           | f; 9f
put                 -       | f; 9f         | f; 9f          | locked; 2L       | f; 9f           | f; 9f
put_if_present      -       | absent; -     | f; 9f          | locked; 2L       | f; 9f           | absent; -
put_if_absent       -       | f; 9f         | exists v; 2v   | exists hidden; 2L | exists v; 2vt  | f; 9f
put_if_unchanged    version | absent; -     | f; 9f          | locked; 2L       | f; 9f           | absent; -
put_if_unchanged    token   | absent; -     | changed v; 2v  | f; 9f            | f; 9f           | absent; -
put_if_unchanged    stale   | absent; -     | changed v; 2v  | locked; 2L       | changed v; 2vt  | absent; -
replace             -       | absent; -     | f; 9f          | locked; 2L       | f; 9f           | absent; -
compare_and_swap    version | absent; -     | f; 9f          | locked; 2L       | f; 9f           | absent; -
compare_and_swap    token   | absent; -     | changed v; 2v  | f; 9f            | f; 9f           | absent; -
compare_and_swap    stale   | absent; -     | changed v; 2v  | locked; 2L       | changed v; 2vt  | absent; -
add                 -       | f; 9f         | exists v; 2v   | exists hidden; 2L | exists v; 2vt  | f; 9f
remove              -       | none; -       | 2; -           | locked; 2L       | 2; -            | none; -
discard             -       | false; -      | true; -        | locked; 2L       | true; -         | false; -
compare_and_remove  version | absent; -     | 2; -           | locked; 2L       | 2; -            | absent; -
compare_and_remove  token   | absent; -     | changed v; 2v  | 2; -             | 2; -            | absent; -
compare_and_remove  stale   | absent; -     | changed v; 2v  | locked; 2L       | changed v; 2vt  | absent; -
compare_and_discard version | absent; -     | ok; -          | locked; 2L       | ok; -           | absent; -
compare_and_discard token   | absent; -     | changed v; 2v  | ok; -            | ok; -           | absent; -
compare_and_discard stale   | absent; -     | changed v; 2v  | locked; 2L       | changed v; 2vt  | absent; -
touch               -       | absent; -     | f; 2f          | locked; 2L       | f; 2f           | absent; -
touch_keep          -       | absent; -     | v; 2v          | locked; 2L       | v; 2vt          | absent; -
compare_and_touch   version | absent; -     | f; 2f          | locked; 2L       | f; 2f           | absent; -
compare_and_touch   token   | absent; -     | changed v; 2v  | f; 2f            | f; 2f           | absent; -
compare_and_touch   stale   | absent; -     | changed v; 2v  | locked; 2L       | changed v; 2vt  | absent; -
compare_touch_keep  version | absent; -     | v; 2v          | locked; 2L       | v; 2vt          | absent; -
compare_touch_keep  token   | absent; -     | changed v; 2v  | v; 2v            | v; 2v           | absent; -
get_and_touch       -       | none; -       | 2 f; 2f        | locked; 2L       | 2 f; 2f         | none; -
get_and_touch_keep  -       | none; -       | 2 v; 2v        | locked; 2L       | 2 v; 2vt        | none; -
update_put          -       | stored f; 9f  | stored f; 9f   | locked; 2L       | stored f; 9f    | stored f; 9f
update_remove       -       | kept none; -  | removed; -     | locked; 2L       | removed; -      | kept none; -
update_keep         -       | kept none; -  | kept v; 2v     | locked; 2L       | kept v; 2vt     | kept none; -
fetch_update_put    -       | stored f; 9f  | stored f; 9f   | locked; 2L       | stored f; 9f    | stored f; 9f
fetch_update_remove -       | kept none; -  | removed; -     | locked; 2L       | removed; -      | kept none; -
fetch_update_keep   -       | kept none; -  | kept v; 2v     | locked; 2L       | kept v; 2vt     | kept none; -
clear               -       | ok; -         | ok; -          | ok; -            | ok; -           | ok; -
";

/// The rows that need an integer as value.
const COUNTER_TABLE: &str = "
operation           given   | absent        | live           | locked           | lapsed          | expired
increment           -       | absent; -     | 3 f; 3f        | locked; 2L       | 3 f; 3f         | absent; -
decrement           -       | absent; -     | 1 f; 1f        | locked; 2L       | 1 f; 1f         | absent; -
checked_increment   -       | absent; -     | 3 f; 3f        | locked; 2L       | 3 f; 3f         | absent; -
checked_decrement   -       | absent; -     | 1 f; 1f        | locked; 2L       | 1 f; 1f         | absent; -
out_of_range        -       | absent; -     | out of range; 2v | locked; 2L     | out of range; 2vt | absent; -
increment_or_insert -       | 9 f; 9f       | 3 f; 3f        | locked; 2L       | 3 f; 3f         | 9 f; 9f
decrement_or_insert -       | 9 f; 9f       | 1 f; 1f        | locked; 2L       | 1 f; 1f         | 9 f; 9f
";

/// Iteration does not stop to make a lapse real, so it goes on hiding the stamp until some other
/// operation has noticed the lapse.
const ITER_TABLE: &str = "
operation           given   | absent        | live           | locked           | lapsed          | expired
iter                -       | none; -       | 2 v; 2v        | 2 hidden; 2L     | 2 v; 2vt   | none; -
session_iter        -       | none; -       | 2 v; 2v        | 2 hidden; 2L     | 2 v; 2vt   | none; -
";

const K: &str = "k";
const LOCK: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(1000);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Absent,
    Live,
    Locked,
    Lapsed,
    Expired,
    ExpiredLocked,
}

/// The states behind each column of the table.
const COLUMNS: [&[State]; 5] = [
    &[State::Absent],
    &[State::Live],
    &[State::Locked],
    &[State::Lapsed],
    &[State::Expired, State::ExpiredLocked],
];

/// A value type that the table can be played with.
trait Value: Clone + PartialEq + Debug + Send + Sync + 'static {
    fn of(number: u64) -> Self;
    fn number(&self) -> u64;
}

impl Value for u64 {
    fn of(number: u64) -> Self {
        number
    }

    fn number(&self) -> u64 {
        *self
    }
}

impl Value for String {
    fn of(number: u64) -> Self {
        number.to_string()
    }

    fn number(&self) -> u64 {
        self.parse().expect("a number was stored")
    }
}

/// A cache whose one entry is in a given state, with the stamps of its past.
struct Scene<V: Value> {
    cache: Cache<&'static str, V>,
    version: Cas,
    token: Cas,
    stale: Cas,
}

impl<V: Value> Scene<V> {
    fn new(state: State) -> Self {
        let clock = ManualClock::new();
        let cache = Cache::builder().clock(clock.clone()).build().expect("valid");
        let stale = cache.insert(K, V::of(1)).expect("free");
        let expiry = match state {
            State::Expired | State::ExpiredLocked => Expiry::After(Duration::from_secs(2)),
            _ => Expiry::Never,
        };
        let version = cache.insert_with(K, V::of(2), expiry).expect("free");
        let token = cache.get_and_lock_for(K, LOCK).expect("free").into_cas();
        match state {
            State::Absent => cache.compare_and_discard(K, token).expect("the token fits"),
            State::Live => cache.unlock(K, token).expect("the token fits"),
            State::Locked => clock.advance(Duration::from_secs(1)),
            State::Lapsed => clock.advance(LOCK),
            State::Expired => {
                cache.unlock(K, token).expect("the token fits");
                clock.advance(Duration::from_secs(2));
            }
            State::ExpiredLocked => clock.advance(Duration::from_secs(2)),
        }
        Self { cache, version, token, stale }
    }

    fn given(&self, which: &str) -> Cas {
        match which {
            "version" | "-" => self.version,
            "token" => self.token,
            "stale" => self.stale,
            other => panic!("no stamp is called {other}"),
        }
    }

    fn stamp(&self, cas: Option<Cas>) -> &'static str {
        match cas {
            None => "hidden",
            Some(cas) if cas == self.version => "v",
            Some(cas) if cas == self.token || cas == self.stale => "an old stamp",
            Some(_) => "f",
        }
    }

    fn versioned(&self, found: Option<(V, Option<Cas>)>) -> String {
        found.map_or("none".into(), |(v, cas)| format!("{} {}", v.number(), self.stamp(cas)))
    }

    fn refusal(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::Absent => "absent".into(),
            Refusal::Exists { current } => format!("exists {}", self.stamp(current)),
            Refusal::Changed { current } => format!("changed {}", self.stamp(Some(current))),
            Refusal::Locked { remaining } => locked(remaining),
            other => format!("{other:?}"),
        }
    }

    fn stored<T: Debug>(&self, result: Result<Cas, WriteError<T>>) -> String {
        match result {
            Ok(cas) => self.stamp(Some(cas)).into(),
            Err(error) => self.refusal(error.refusal()),
        }
    }

    fn or_refused<T>(&self, result: Result<T, WriteError>, ok: impl FnOnce(T) -> String) -> String {
        result.map_or_else(|error| self.refusal(error.refusal()), ok)
    }

    fn updated(&self, updated: Updated) -> String {
        match updated {
            Updated::Stored(cas) => format!("stored {}", self.stamp(Some(cas))),
            Updated::Removed => "removed".into(),
            Updated::Kept(None) => "kept none".into(),
            Updated::Kept(cas) => format!("kept {}", self.stamp(cas)),
        }
    }

    fn update(&self, update: Update<V>) -> String {
        match self.cache.update(K, |_| update) {
            Ok(updated) => self.updated(updated),
            Err(error) => self.refusal(error.refusal()),
        }
    }

    fn fetch_update(&self, update: Update<V>) -> String {
        let result = self.cache.fetch_update(K, Retry::attempts(1), |_| update.clone());
        match result {
            Ok(retried) => self.updated(*retried),
            Err(error) => self.refusal(RetryError::last(&error)),
        }
    }

    fn locking(&self, result: Result<KeyLock<&'static str, V>, LockError>) -> String {
        match result {
            Ok(held) => {
                let value = held.value().number();
                format!("{value} {}", self.stamp(Some(held.into_cas())))
            }
            Err(LockError::Absent) => "absent".into(),
            Err(LockError::Locked { remaining }) => locked(remaining),
            Err(other) => format!("{other:?}"),
        }
    }

    fn reads(&self, operation: &str, seen: Cas) -> Option<String> {
        let cache = &self.cache;
        let pair = |v: Versioned<V>| (v.value().clone(), v.cas());
        let number = |v: V| v.number().to_string();
        let none = || String::from("none");
        Some(match operation {
            "get" => cache.get(K).map_or_else(none, number),
            "read" => cache.read(K, V::number).map_or_else(none, |n| n.to_string()),
            "get_many" => cache.get_many(&[K]).remove(0).map_or_else(none, number),
            "contains_key" => cache.contains_key(K).to_string(),
            "get_with_cas" => self.versioned(cache.get_with_cas(K).map(pair)),
            "session" => self.versioned(cache.pin().get(K).map(|v| ((*v).clone(), v.cas()))),
            "get_if_changed" => match cache.get_if_changed(K, seen) {
                Reread::Unchanged => "unchanged".into(),
                Reread::Changed(v) => format!("changed {}", self.versioned(Some(pair(v)))),
                Reread::Absent => "absent".into(),
            },
            "iter" => self.versioned(cache.iter().next().map(|(_, v)| pair(v))),
            "session_iter" => {
                let session = cache.pin();
                let first = session.iter().next().map(|(_, v)| ((*v).clone(), v.cas()));
                self.versioned(first)
            }
            "lock_remaining" => cache.lock_remaining(K).map_or_else(none, |t| format!("{t:?}")),
            _ => return None,
        })
    }

    fn locks(&self, operation: &str, seen: Cas) -> Option<String> {
        let zero = Duration::ZERO;
        Some(match operation {
            "get_and_lock" => self.locking(self.cache.get_and_lock(K)),
            "get_and_lock_within" => self.locking(self.cache.get_and_lock_within(K, zero, zero)),
            "unlock" => unlocking(self.cache.unlock(K, seen)),
            "renew_lock" => unlocking(self.cache.renew_lock(K, seen, LOCK).map(drop)),
            _ => return None,
        })
    }

    fn writes(&self, operation: &str, seen: Cas) -> Option<String> {
        let cache = &self.cache;
        let nine = V::of(9);
        Some(match operation {
            "insert" => self.stored(cache.insert(K, nine)),
            "put" => self.stored(cache.put(K, nine, Put::new())),
            "put_if_present" => self.stored(cache.put(K, nine, Put::new().if_present())),
            "put_if_absent" => self.stored(cache.put(K, nine, Put::new().if_absent())),
            "put_if_unchanged" => self.stored(cache.put(K, nine, Put::new().if_unchanged(seen))),
            "replace" => self.stored(cache.replace(K, nine)),
            "compare_and_swap" => self.stored(cache.compare_and_swap(K, seen, nine)),
            "add" => self.stored(cache.add(K, nine)),
            "update_put" => self.update(Update::Put(nine)),
            "update_remove" => self.update(Update::Remove),
            "update_keep" => self.update(Update::Keep),
            "fetch_update_put" => self.fetch_update(Update::Put(nine)),
            "fetch_update_remove" => self.fetch_update(Update::Remove),
            "fetch_update_keep" => self.fetch_update(Update::Keep),
            "clear" => {
                cache.clear();
                "ok".into()
            }
            _ => return None,
        })
    }

    fn removals(&self, operation: &str, seen: Cas) -> Option<String> {
        let cache = &self.cache;
        let number = |v: V| v.number().to_string();
        Some(match operation {
            "remove" => self.or_refused(cache.remove(K), |v| v.map_or("none".into(), number)),
            "discard" => self.or_refused(cache.discard(K), |there| there.to_string()),
            "compare_and_remove" => self.or_refused(cache.compare_and_remove(K, seen), number),
            "compare_and_discard" => {
                self.or_refused(cache.compare_and_discard(K, seen), |()| "ok".into())
            }
            _ => return None,
        })
    }

    fn touches(&self, operation: &str, seen: Cas) -> Option<String> {
        let cache = &self.cache;
        let later = Expiry::After(LONG);
        let got = |result: Result<Option<Versioned<V>>, _>| {
            self.or_refused(result, |v| self.versioned(v.map(|v| (v.value().clone(), v.cas()))))
        };
        Some(match operation {
            "touch" => self.stored(cache.touch(K, later)),
            "touch_keep" => self.stored(cache.touch(K, Expiry::Keep)),
            "compare_and_touch" => self.stored(cache.compare_and_touch(K, seen, later)),
            "compare_touch_keep" => self.stored(cache.compare_and_touch(K, seen, Expiry::Keep)),
            "get_and_touch" => got(cache.get_and_touch(K, later)),
            "get_and_touch_keep" => got(cache.get_and_touch(K, Expiry::Keep)),
            _ => return None,
        })
    }

    fn call(&self, operation: &str, seen: Cas) -> String {
        self.reads(operation, seen)
            .or_else(|| self.locks(operation, seen))
            .or_else(|| self.writes(operation, seen))
            .or_else(|| self.removals(operation, seen))
            .or_else(|| self.touches(operation, seen))
            .unwrap_or_else(|| panic!("no operation is called {operation}"))
    }

    /// How the entry is left. Asks with conditional writes, so it comes last.
    fn left(&self) -> String {
        let Some(found) = self.cache.get_with_cas(K) else { return "-".into() };
        let value = found.value().number();
        match found.cas() {
            None if self.cache.renew_lock(K, self.token, LOCK).is_ok() => format!("{value}L"),
            None => format!("{value}N"),
            cas => {
                assert_eq!(self.cache.lock_remaining(K), None, "a shown stamp means no lock");
                let accepted = self.cache.compare_and_touch(K, self.token, Expiry::Keep).is_ok();
                format!("{value}{}{}", self.stamp(cas), if accepted { "t" } else { "" })
            }
        }
    }
}

/// The lock was taken for five seconds, one second ago.
fn locked(remaining: Duration) -> String {
    assert_eq!(remaining, Duration::from_secs(4), "the error says how long the lock holds");
    "locked".into()
}

fn unlocking(result: Result<(), UnlockError>) -> String {
    match result {
        Ok(()) => "ok".into(),
        Err(UnlockError::Absent) => "absent".into(),
        Err(UnlockError::NotLocked) => "not locked".into(),
        Err(UnlockError::WrongToken { remaining }) => {
            locked(remaining);
            "wrong token".into()
        }
        Err(other) => format!("{other:?}"),
    }
}

fn count_or_insert<V: Value + Counter>(scene: &Scene<V>, operation: &str) -> String {
    let (cache, one, nine) = (&scene.cache, V::of(1), V::of(9));
    let counted = match operation {
        "increment_or_insert" => cache.increment_or_insert(K, one, nine, Expiry::Never),
        _ => cache.decrement_or_insert(K, one, nine, Expiry::Never),
    };
    match counted {
        Ok(v) => scene.versioned(Some((*v.value(), v.cas()))),
        Err(error) => scene.refusal(error.refusal()),
    }
}

fn count<V: Value + Counter>(scene: &Scene<V>, operation: &str) -> String {
    let (cache, one, nine) = (&scene.cache, V::of(1), V::of(9));
    let counted = match operation {
        "increment" => cache.increment(K, one),
        "decrement" => cache.decrement(K, one),
        "checked_increment" => cache.checked_increment(K, one),
        "checked_decrement" => cache.checked_decrement(K, one),
        "out_of_range" => cache.checked_decrement(K, nine),
        "increment_or_insert" | "decrement_or_insert" => return count_or_insert(scene, operation),
        other => panic!("no counter operation is called {other}"),
    };
    match counted {
        Ok(v) => scene.versioned(Some((*v.value(), v.cas()))),
        Err(CounterError::Absent) => "absent".into(),
        Err(CounterError::Locked { remaining }) => locked(remaining),
        Err(CounterError::OutOfRange) => "out of range".into(),
        Err(other) => format!("{other:?}"),
    }
}

/// Plays every cell of `table` with `call` and collects the cells that came out otherwise.
fn play<V: Value>(table: &str, call: impl Fn(&Scene<V>, &str, Cas) -> String) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut cells = 0;
    for line in table.lines().filter(|line| !line.is_empty()).skip(1) {
        let mut columns = line.split('|').map(str::trim);
        let head: Vec<_> = columns.next().unwrap_or_default().split_whitespace().collect();
        let expected: Vec<_> = columns.collect();
        assert_eq!(expected.len(), COLUMNS.len(), "a row has a cell for each column: {line}");
        let [operation, given] = head[..] else { panic!("{line}") };
        for (expected, states) in expected.iter().zip(COLUMNS) {
            for &state in states {
                let scene = Scene::<V>::new(state);
                let outcome = call(&scene, operation, scene.given(given));
                let got = format!("{outcome}; {}", scene.left());
                cells += 1;
                if got != *expected {
                    wrong.push(format!("{operation} {given} {state:?}: {got}, not {expected}"));
                }
            }
        }
    }
    assert!(cells >= COLUMNS.len(), "the table has rows");
    wrong
}

#[test]
fn every_operation_in_every_state_on_values() {
    let wrong = play::<String>(TABLE, |scene, operation, cas| scene.call(operation, cas));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_operation_in_every_state_on_numbers() {
    let wrong = play::<u64>(TABLE, |scene, operation, cas| scene.call(operation, cas));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_counter_operation_in_every_state() {
    let wrong = play::<u64>(COUNTER_TABLE, |scene, operation, _| count(scene, operation));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn iteration_in_every_state() {
    let wrong = play::<String>(ITER_TABLE, |scene, operation, cas| scene.call(operation, cas));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_table_that_is_wrong_is_noticed() {
    let table = "head\nget - | none; - | 2; 2v | 2; 2v | 2; 2vt | none; -\n";
    let wrong = play::<u64>(table, |scene, operation, cas| scene.call(operation, cas));
    assert_eq!(wrong, ["get - Locked: 2; 2L, not 2; 2v"]);
}

// The KeyLock object.

fn cache_with_clock() -> (Cache<&'static str, u64>, ManualClock) {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clone()).build().expect("valid");
    cache.insert(K, 2).expect("free");
    (cache, clock)
}

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_nanos(1);

#[test]
fn dropping_the_lock_unlocks_and_leaves_the_version() {
    let (cache, _) = cache_with_clock();
    let version = cache.insert(K, 2).unwrap();
    let held = cache.get_and_lock(K).unwrap();
    assert_eq!((held.key(), held.value()), (&K, &2));
    assert_eq!(cache.lock_remaining(K), Some(15 * SECOND));
    drop(held);
    assert_eq!(cache.lock_remaining(K), None);
    assert_eq!(cache.get_with_cas(K).unwrap().cas(), Some(version));
}

#[test]
fn taking_the_lock_apart_keeps_the_key_locked() {
    let (cache, _) = cache_with_clock();
    let held = cache.get_and_lock(K).unwrap();
    let shown = held.cas();
    let token = held.into_cas();
    assert_eq!(shown, token);
    assert!(matches!(cache.insert(K, 3).unwrap_err().refusal(), Refusal::Locked { .. }));
    cache.compare_and_swap(K, token, 3).unwrap();
    assert_eq!(cache.get(K), Some(3));
    cache.insert(K, 4).unwrap();
}

#[test]
fn writing_through_the_lock_unlocks() {
    let (cache, _) = cache_with_clock();
    let cas = cache.get_and_lock(K).unwrap().write(3).unwrap();
    assert_eq!(cache.get_with_cas(K).map(|v| (*v, v.cas())), Some((3, Some(cas))));
    cache.get_and_lock(K).unwrap().write_with(4, Expiry::After(SECOND)).unwrap();
    cache.insert(K, 5).unwrap();
}

#[test]
fn removing_through_the_lock_removes_the_lock_too() {
    let (cache, _) = cache_with_clock();
    cache.get_and_lock(K).unwrap().remove().unwrap();
    assert_eq!(cache.get(K), None);
    cache.insert(K, 5).unwrap();
    assert_eq!(cache.lock_remaining(K), None);
}

#[test]
fn unlocking_says_whether_the_lock_was_still_held() {
    let (cache, clock) = cache_with_clock();
    cache.get_and_lock(K).unwrap().unlock().unwrap();
    let held = cache.get_and_lock(K).unwrap();
    clock.advance(15 * SECOND);
    assert_eq!(held.unlock(), Err(UnlockError::NotLocked));
    let held = cache.get_and_lock(K).unwrap();
    cache.clear();
    assert_eq!(held.unlock(), Err(UnlockError::Absent));
}

#[test]
fn a_lapsed_lock_leaves_the_next_one_alone() {
    let (cache, clock) = cache_with_clock();
    let first = cache.get_and_lock(K).unwrap();
    clock.advance(15 * SECOND);
    let second = cache.get_and_lock(K).unwrap();
    drop(first);
    assert_eq!(cache.lock_remaining(K), Some(15 * SECOND));
    second.write(7).unwrap();
    assert_eq!(cache.get(K), Some(7));
}

#[test]
fn a_lapsed_lock_cannot_write_once_another_was_taken_or_something_written() {
    let (cache, clock) = cache_with_clock();
    let first = cache.get_and_lock(K).unwrap();
    clock.advance(15 * SECOND);
    let second = cache.get_and_lock(K).unwrap();
    let refused = first.write(8).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Locked { remaining: 15 * SECOND });
    assert_eq!(refused.into_rejected(), 8);
    second.unlock().unwrap();

    let third = cache.get_and_lock(K).unwrap();
    clock.advance(15 * SECOND);
    let current = cache.insert(K, 9).unwrap();
    assert_eq!(third.write(8).unwrap_err().refusal(), Refusal::Changed { current });
    assert_eq!(cache.get(K), Some(9));
}

#[test]
fn a_second_lock_and_unlock_after_a_lapse_kills_the_first_token() {
    let (cache, clock) = cache_with_clock();
    let first = cache.get_and_lock(K).unwrap().into_cas();
    clock.advance(15 * SECOND);
    cache.get_and_lock(K).unwrap().unlock().unwrap();
    let version = cache.get_with_cas(K).unwrap().cas().unwrap();
    let refused = cache.compare_and_swap(K, first, 9).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Changed { current: version });
}

#[test]
fn a_refused_removal_through_the_lock_does_not_unlock_for_others() {
    let (cache, clock) = cache_with_clock();
    let first = cache.get_and_lock(K).unwrap();
    clock.advance(15 * SECOND);
    let second = cache.get_and_lock(K).unwrap();
    assert!(first.remove().is_err());
    assert_eq!(cache.lock_remaining(K), Some(15 * SECOND));
    drop(second);
}

#[test]
fn a_lock_opens_at_exactly_fifteen_seconds() {
    let (cache, clock) = cache_with_clock();
    let held = cache.get_and_lock(K).unwrap();
    clock.advance(15 * SECOND - TICK);
    assert_eq!(held.remaining(), TICK);
    assert_eq!(cache.insert(K, 3).unwrap_err().refusal(), Refusal::Locked { remaining: TICK });
    assert_eq!(cache.get_with_cas(K).unwrap().cas(), None);
    clock.advance(TICK);
    assert_eq!(held.remaining(), Duration::ZERO);
    assert!(cache.get_with_cas(K).unwrap().cas().is_some());
    cache.insert(K, 3).unwrap();
}

#[test]
fn zero_stands_for_the_default_lock_time() {
    let clock = ManualClock::new();
    let builder = Cache::<_, u64>::builder().clock(clock).default_lock_time(3 * SECOND);
    let cache = builder.build().unwrap();
    cache.insert(K, 2).unwrap();
    assert_eq!(cache.get_and_lock(K).unwrap().remaining(), 3 * SECOND);
    let mut held = cache.get_and_lock_for(K, Duration::ZERO).unwrap();
    assert_eq!(held.remaining(), 3 * SECOND);
    held.renew(14 * SECOND).unwrap();
    assert_eq!(held.remaining(), 14 * SECOND);
    held.renew(Duration::ZERO).unwrap();
    assert_eq!(held.remaining(), 3 * SECOND);
}

#[test]
fn a_lock_time_over_the_maximum_is_refused_and_locks_nothing() {
    let (cache, _) = cache_with_clock();
    let max = 15 * SECOND;
    let refused = cache.get_and_lock_for(K, max + TICK).unwrap_err();
    assert_eq!(refused, LockError::TooLong { max });
    let refused = cache.get_and_lock_within(K, Duration::MAX, SECOND).unwrap_err();
    assert_eq!(refused, LockError::TooLong { max });
    assert_eq!(cache.lock_remaining(K), None);

    let mut held = cache.get_and_lock_for(K, max).unwrap();
    assert_eq!(held.renew(max + TICK), Err(UnlockError::TooLong { max }));
    assert_eq!(held.remaining(), max);
}

#[test]
fn the_builder_can_raise_the_maximum() {
    let clock = ManualClock::new();
    let builder = Cache::builder().clock(clock.clone()).max_lock_time(60 * SECOND);
    let cache = builder.build().unwrap();
    cache.insert(K, 2u64).unwrap();
    assert_eq!(cache.get_and_lock(K).unwrap().remaining(), 15 * SECOND);
    let held = cache.get_and_lock_for(K, 60 * SECOND).unwrap();
    clock.advance(60 * SECOND - TICK);
    assert!(cache.insert(K, 3).is_err());
    clock.advance(TICK);
    cache.insert(K, 3).unwrap();
    drop(held);
}

#[test]
fn lock_times_the_builder_refuses() {
    let build = |default, max| {
        let builder = Cache::<u64, u64>::builder().default_lock_time(default).max_lock_time(max);
        builder.build().map(|_| ())
    };
    assert_eq!(build(Duration::ZERO, SECOND), Err(BuildError::LockTime));
    assert_eq!(build(SECOND + TICK, SECOND), Err(BuildError::LockTime));
    assert_eq!(build(SECOND, SECOND), Ok(()));
    assert_eq!(build(TICK, Duration::MAX), Ok(()));
}

#[test]
fn a_lock_of_the_longest_possible_time_never_lapses() {
    let clock = ManualClock::new();
    let builder = Cache::builder().clock(clock.clone()).max_lock_time(Duration::MAX);
    let cache = builder.build().unwrap();
    cache.insert(K, 2u64).unwrap();
    let held = cache.get_and_lock_for(K, Duration::MAX).unwrap();
    clock.advance(Duration::from_secs(100 * 365 * 86_400));
    assert!(cache.insert(K, 3).is_err());
    held.write(4).unwrap();
}

#[test]
fn renewing_counts_from_now_and_may_shorten() {
    let (cache, clock) = cache_with_clock();
    let mut held = cache.get_and_lock_for(K, 10 * SECOND).unwrap();
    clock.advance(9 * SECOND);
    held.renew(10 * SECOND).unwrap();
    assert_eq!(held.remaining(), 10 * SECOND);
    clock.advance(9 * SECOND);
    assert!(cache.insert(K, 3).is_err());
    held.renew(SECOND).unwrap();
    assert_eq!(cache.lock_remaining(K), Some(SECOND));
    clock.advance(SECOND);
    assert_eq!(held.renew(SECOND), Err(UnlockError::NotLocked));
    cache.insert(K, 3).unwrap();
}

#[test]
fn the_lock_time_does_not_outlive_the_entry() {
    let (cache, clock) = cache_with_clock();
    cache.insert_with(K, 2, Expiry::After(5 * SECOND)).unwrap();
    let held = cache.get_and_lock(K).unwrap();
    clock.advance(5 * SECOND);
    assert_eq!(cache.get(K), None);
    cache.insert(K, 3).unwrap();
    drop(held);
    assert_eq!(cache.get(K), Some(3));
}

#[test]
fn locking_and_unlocking_keep_the_expiry() {
    let (cache, clock) = cache_with_clock();
    cache.insert_with(K, 2, Expiry::After(5 * SECOND)).unwrap();
    cache.get_and_lock(K).unwrap().unlock().unwrap();
    clock.advance(5 * SECOND - TICK);
    assert_eq!(cache.get(K), Some(2));
    clock.advance(TICK);
    assert_eq!(cache.get(K), None);
}

#[test]
fn a_lock_of_one_key_leaves_its_neighbours_alone() {
    let cache = Cache::builder().stripes(1).build().unwrap();
    for key in ["k", "l", "m"] {
        cache.insert(key, 1).unwrap();
    }
    let held = cache.get_and_lock("l").unwrap();
    cache.insert("k", 2).unwrap();
    assert_eq!(cache.remove("m").unwrap(), Some(1));
    assert!(cache.remove("l").is_err());
    drop(held);
}

#[test]
fn a_lock_travels_to_another_thread_and_is_written_there() {
    let (cache, _) = cache_with_clock();
    let held = cache.get_and_lock(K).unwrap();
    std::thread::spawn(move || held.write(11).map(|_| ())).join().unwrap().unwrap();
    assert_eq!(cache.get(K), Some(11));
}

#[test]
fn the_lock_keeps_the_cache_alive() {
    let (cache, _) = cache_with_clock();
    let held = cache.get_and_lock(K).unwrap();
    drop(cache);
    held.write(12).unwrap();
}

#[test]
fn the_debug_form_shows_key_and_value() {
    let (cache, _) = cache_with_clock();
    let text = format!("{:?}", cache.get_and_lock(K).unwrap());
    assert!(text.contains("\"k\"") && text.contains("value: 2"), "{text}");
}
