//! Statistics: what a cache counts, and how it counts without slowing a hit.

use crate::sync::{Padded, Tally};

/// What happened in a cache since it was built.
///
/// A snapshot that is not atomic as a whole: each number is exact, but numbers of operations that
/// run meanwhile may or may not be included.
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::new();
/// cache.insert("a", 1)?;
/// let before = cache.stats();
/// for key in ["a", "a", "a", "b"] {
///     cache.get(key);
/// }
/// let after = cache.stats();
/// let hits = after.hits - before.hits;
/// let misses = after.misses - before.misses;
/// assert_eq!(100 * hits / (hits + misses), 75); // percent, since `before`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Look-ups that found an entry. Those of a session are added when it ends.
    pub hits: u64,
    /// Look-ups that found none.
    pub misses: u64,
    /// Writes that took effect: values stored, counters moved, entries touched or removed.
    pub writes: u64,
    /// Conditional writes refused because the entry had changed or existed.
    pub conflicts: u64,
    /// Key locks taken.
    pub locks_taken: u64,
    /// Operations refused because the key was locked. Each attempt of
    /// [`fetch_update`](crate::Cache::fetch_update) counts as one, and so does each of its waits for
    /// the lock that was in vain.
    pub locks_refused: u64,
    /// Key locks that opened by themselves, counted when somebody noticed.
    pub locks_lapsed: u64,
    /// Entries that expired, counted when somebody noticed.
    pub expired: u64,
    /// Entries that were evicted to make room.
    pub evicted: u64,
    /// What they weighed; as many as there were where entries are counted.
    pub evicted_weight: u64,
    /// Keys that came back soon after they were evicted, so that they are treated as promising.
    pub ghost_hits: u64,
    /// Loads begun, as many as there were calls of loaders whose value could be stored.
    pub loads: u64,
    /// Fills refused because the key had been invalidated, or was fenced. Those that found an entry
    /// are among the conflicts.
    pub fills_refused: u64,
    /// Entries present, those that have expired unnoticed included.
    pub entries: u64,
    /// What they weigh together, by the unit of the bound. Without a bound, their number.
    pub weight: u64,
    /// Bytes taken by the entries, without what their keys and values own elsewhere.
    pub entry_bytes: u64,
    /// Bytes taken by tables, eviction queues, ghosts and expiry wheels.
    pub overhead_bytes: u64,
    /// The bound: a number of entries or a weight. `None` without one.
    pub bound: Option<u64>,
    /// Values, tables and lock records that are removed but may still be read, waiting to be
    /// dropped. Grows while a session stays pinned.
    pub waiting: u64,
    /// What the values among them weigh.
    pub waiting_weight: u64,
}

/// What one stripe holds; see [`Cache::stripe_loads`](crate::Cache::stripe_loads).
///
/// # Examples
///
/// ```
/// use caskade::Cache;
///
/// let cache = Cache::builder().max_entries(1000).stripes(2).build()?;
/// cache.insert("k", 1)?;
/// let loads = cache.stripe_loads();
/// assert_eq!(loads.iter().filter_map(|load| load.capacity).sum::<u64>(), 1000);
/// let fullest = loads.iter().max_by_key(|load| load.weight).ok_or("no stripes")?;
/// assert_eq!((fullest.entries, fullest.weight), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StripeLoad {
    /// Entries present, those that have expired unnoticed included.
    pub entries: u64,
    /// What they weigh together, by the unit of the bound. Without a bound, their number.
    pub weight: u64,
    /// The stripe's share of the bound at the moment. `None` without a bound.
    pub capacity: Option<u64>,
    /// The places in the stripe's table. It grows when four out of five are taken.
    pub slots: u64,
}

/// What a stripe counts under its lock, beside its writes. The rare ones lie apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteTally {
    pub(crate) conflicts: u64,
    pub(crate) evicted: u64,
    pub(crate) evicted_weight: u64,
    pub(crate) rare: Box<RareTally>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RareTally {
    pub(crate) locks_taken: u64,
    pub(crate) locks_refused: u64,
    pub(crate) locks_lapsed: u64,
    pub(crate) expired: u64,
    pub(crate) loads: u64,
    pub(crate) fills_refused: u64,
}

impl WriteTally {
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.conflicts += self.conflicts;
        stats.locks_taken += self.rare.locks_taken;
        stats.locks_refused += self.rare.locks_refused;
        stats.locks_lapsed += self.rare.locks_lapsed;
        stats.expired += self.rare.expired;
        stats.evicted += self.evicted;
        stats.evicted_weight += self.evicted_weight;
        stats.loads += self.rare.loads;
        stats.fills_refused += self.rare.fills_refused;
    }
}

/// Counters of reads. Each of the first threads of the process has a pair of its own, which it
/// advances without a locked instruction; the threads beyond share one pair.
pub(crate) struct ReadTally {
    pairs: Box<[Padded<Pair>; OWNED_PAIRS + 1]>,
}

#[derive(Debug, Default)]
struct Pair {
    hits: Tally,
    misses: Tally,
}

const OWNED_PAIRS: usize = 32;

impl ReadTally {
    pub(crate) fn new() -> Self {
        Self { pairs: Box::new(std::array::from_fn(|_| Padded::default())) }
    }

    /// Counts `hits` and `misses` of the thread with number `slot`.
    #[inline(always)]
    pub(crate) fn count(&self, slot: usize, hits: u64, misses: u64) {
        if slot < OWNED_PAIRS {
            let Padded(own) = &self.pairs[slot];
            own.hits.add_alone(hits);
            own.misses.add_alone(misses);
        } else {
            let Padded(shared) = &self.pairs[OWNED_PAIRS];
            shared.hits.add(hits);
            shared.misses.add(misses);
        }
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        for Padded(pair) in &*self.pairs {
            stats.hits += pair.hits.get();
            stats.misses += pair.misses.get();
        }
    }
}
