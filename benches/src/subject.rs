//! [`Subject`]: what every cache and map in the comparison can do.
//!
//! The methods that take a slice of keys are the ones that are timed. They exist so that the loop
//! is compiled together with the subject's own code, whatever the caller knows of it; a call
//! through a `dyn Subject` then costs once per slice.

/// A value of a benchmark.
pub trait Payload: Clone + Send + Sync + 'static {
    /// The payload a check expects under `key`; `round` tells overwrites apart.
    fn of(key: u64, round: u64) -> Self;

    /// Something that depends on the value, so that it has to be looked at.
    fn weight(&self) -> u64;
}

impl Payload for u64 {
    #[inline]
    fn of(key: u64, round: u64) -> Self {
        crate::keys::value_of(key).wrapping_add(round)
    }

    #[inline]
    fn weight(&self) -> u64 {
        *self
    }
}

impl Payload for String {
    /// 100 bytes.
    #[inline]
    fn of(key: u64, round: u64) -> Self {
        let letter = b'a' + (crate::keys::value_of(key).wrapping_add(round) % 16) as u8;
        char::from(letter).to_string().repeat(100)
    }

    #[inline]
    fn weight(&self) -> u64 {
        u64::from(self.as_bytes()[0]) + self.len() as u64
    }
}

/// A cache or map under test.
pub trait Subject<V: Payload>: Send + Sync {
    /// A copy of the value.
    fn get(&self, key: u64) -> Option<V>;

    /// Stores a value, whether or not there is one.
    fn insert(&self, key: u64, value: V);

    /// Removes an entry; whether there was one.
    fn remove(&self, key: u64) -> bool;

    /// Lets the subject do what it would otherwise do later: pending writes, reclamation.
    fn settle(&self) {}

    /// Stores the value of every key.
    fn fill(&self, keys: &[u64], round: u64) -> u64 {
        keys.iter().for_each(|key| self.insert(*key, V::of(*key, round)));
        keys.len() as u64
    }

    /// Stores copies of `value` under every key.
    fn fill_with(&self, keys: &[u64], value: &V) -> u64 {
        keys.iter().for_each(|key| self.insert(*key, value.clone()));
        keys.len() as u64
    }

    /// Reads every key; the sum of the weights found.
    fn read_each(&self, keys: &[u64]) -> u64 {
        let read = |sum: u64, key: &u64| {
            sum.wrapping_add(self.get(*key).map_or(0, |value| value.weight()))
        };
        keys.iter().fold(0, read)
    }

    /// Reads every key and stores the value of those that are missing. How many were there.
    fn read_or_fill(&self, keys: &[u64]) -> u64 {
        let mut hits = 0;
        for key in keys {
            match self.get(*key) {
                Some(_) => hits += 1,
                None => self.insert(*key, V::of(*key, 0)),
            }
        }
        hits
    }

    /// Of every `cycle` keys, overwrites the first and reads the others.
    fn mix(&self, keys: &[u64], cycle: usize, round: u64) -> u64 {
        let mut sum = 0u64;
        for keys in keys.chunks(cycle) {
            self.insert(keys[0], V::of(keys[0], round));
            for key in &keys[1..] {
                sum = sum.wrapping_add(self.get(*key).map_or(0, |value| value.weight()));
            }
        }
        sum
    }

    /// Inserts a key of its own for every key given and removes it again, `live` inserts later. How
    /// many were there to be removed, which is all if the keys given are distinct.
    fn churn(&self, keys: &[u64], salt: u64, live: usize) -> u64 {
        let own = |key: u64| key ^ salt;
        let mut removed = 0;
        for (at, key) in keys.iter().enumerate() {
            self.insert(own(*key), V::of(*key, 0));
            if at >= live {
                removed += u64::from(self.remove(own(keys[at - live])));
            }
        }
        for key in keys.iter().rev().take(live) {
            removed += u64::from(self.remove(own(*key)));
        }
        removed
    }
}

/// A cache with a limit to the number of its entries.
pub trait Limited<V: Payload>: Subject<V> {
    /// How many entries it holds at this moment, without making it tidy up.
    fn resident(&self) -> usize;

    /// Whether [`resident`](Self::resident) goes through all entries for that.
    fn counts_by_walking(&self) -> bool {
        false
    }
}

/// A subject with numbers in it.
pub trait NumberSubject: Subject<u64> {
    /// Adds one to a counter that exists, in the way the subject's documentation suggests.
    fn increment(&self, key: u64);

    /// Increments every key's counter.
    fn increment_each(&self, keys: &[u64]) -> u64 {
        keys.iter().for_each(|key| self.increment(*key));
        keys.len() as u64
    }

    /// Adds one by reading the value, computing, and storing only if nobody has written meanwhile;
    /// again until that works. How many attempts it took.
    fn optimistic_add(&self, key: u64) -> u64;

    /// [`optimistic_add`](Self::optimistic_add) for every key; the attempts.
    fn optimistic_add_each(&self, keys: &[u64]) -> u64 {
        keys.iter().map(|key| self.optimistic_add(*key)).sum()
    }

    /// Reads every key, 64 under one guard, without copies; `None` if the subject has no guards.
    fn read_guarded(&self, _keys: &[u64]) -> Option<u64> {
        None
    }

    /// Reads every key in batches of 16, with what the subject offers for that.
    fn read_batched(&self, _keys: &[u64]) -> Option<u64> {
        None
    }

    /// As [`read_batched`](Self::read_batched), with the results in a list.
    fn read_listed(&self, _keys: &[u64]) -> Option<u64> {
        None
    }
}

/// How many keys a guard sees.
pub const GUARDED: usize = 64;

/// How many keys a batch has.
pub const BATCH: usize = 16;
