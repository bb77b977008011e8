//! The policy over a naive table: a vector of entries, places in any order.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use super::*;

struct Entry {
    key: u64,
    usage: Usage,
    locked: bool,
}

/// A table that is no table, and counts how often the policy looks at an entry.
#[derive(Default)]
struct Naive {
    slots: Vec<Option<Entry>>,
    looks: Cell<u64>,
}

impl Entries for Naive {
    fn usage(&self, place: Place) -> Option<&Usage> {
        self.looks.set(self.looks.get() + 1);
        self.slots.get(place as usize)?.as_ref().map(|entry| &entry.usage)
    }

    fn hash(&self, place: Place) -> u64 {
        hash(self.entry(place).key)
    }

    fn may_go(&self, place: Place) -> bool {
        !self.entry(place).locked
    }

    fn prefetch_place(&self, _: Place) {}

    fn prefetch(&self, _: Place) {}
}

impl Naive {
    fn entry(&self, place: Place) -> &Entry {
        self.slots[place as usize].as_ref().expect("somebody is here")
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let occupied = self.slots.iter().enumerate().filter(|(_, entry)| entry.is_some());
        occupied.map(|(place, _)| place as Place)
    }
}

/// 32 bits, as the table keeps them.
fn hash(key: u64) -> u64 {
    let mixed = (key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
}

/// The smallest cache there can be.
struct Small {
    policy: Policy,
    table: Naive,
    places: HashMap<u64, Place>,
    free: Vec<Place>,
}

impl Small {
    fn new(capacity: u64, weighted: bool) -> Self {
        let policy = Policy::new(capacity, weighted);
        Self { policy, table: Naive::default(), places: HashMap::new(), free: Vec::new() }
    }

    /// Looks `key` up and inserts it if it is not there. True: it was.
    fn request(&mut self, key: u64) -> bool {
        let hit = self.hit(key);
        if !hit {
            self.insert(key, 1);
        }
        hit
    }

    fn hit(&self, key: u64) -> bool {
        let place = self.places.get(&key);
        place.inspect(|place| self.table.entry(**place).usage.touch()).is_some()
    }

    fn insert(&mut self, key: u64, weight: u32) -> Place {
        let arrival = self.policy.arrive(hash(key), &self.table);
        while self.policy.used() + u64::from(weight) > self.policy.capacity() {
            if self.evict(None).is_none() {
                break;
            }
        }
        let place = self.publish(key);
        self.policy.settle(arrival, place, weight, &self.table);
        place
    }

    fn publish(&mut self, key: u64) -> Place {
        let place = self.free.pop().unwrap_or(self.table.slots.len() as Place);
        if self.table.slots.len() == place as usize {
            self.table.slots.push(None);
        }
        let entry = Entry { key, usage: Usage::new(), locked: false };
        self.table.slots[place as usize] = Some(entry);
        self.places.insert(key, place);
        place
    }

    fn evict(&mut self, except: Option<Place>) -> Option<Entry> {
        let victim = self.policy.victim(&self.table, except)?;
        assert_ne!(Some(victim.place), except);
        Some(self.unlink(victim.place))
    }

    fn remove(&mut self, key: u64) -> u32 {
        let place = self.places[&key];
        let weight = self.policy.forget(place, &self.table.entry(place).usage);
        self.unlink(place);
        weight
    }

    fn unlink(&mut self, place: Place) -> Entry {
        let entry = self.table.slots[place as usize].take().expect("somebody is here");
        self.places.remove(&entry.key);
        self.free.push(place);
        entry
    }

    /// Moves every entry to a place of a smaller table, in another order.
    fn rebuild(&mut self) {
        let old = std::mem::take(&mut self.table.slots);
        let count = old.iter().flatten().count();
        let mut to = HashMap::new();
        self.table.slots.resize_with(count, || None);
        for (place, entry) in old.into_iter().enumerate() {
            let Some(entry) = entry else { continue };
            let new = count - 1 - to.len();
            to.insert(place as Place, new as Place);
            self.places.insert(entry.key, new as Place);
            self.table.slots[new] = Some(entry);
        }
        self.free.clear();
        self.policy.relocate(|place| to.get(&place).copied());
    }

    fn clear(&mut self) {
        let policy = std::mem::replace(&mut self.policy, Policy::new(1, false));
        *self = Self::new(1, false);
        self.policy = policy;
        self.policy.clear();
    }

    fn lock(&mut self, key: u64, locked: bool) {
        let place = self.places[&key] as usize;
        self.table.slots[place].as_mut().expect("somebody is here").locked = locked;
    }

    fn validate(&self) {
        self.policy.validate(self.table.places(), &self.table);
        let weights = self.table.places().map(|place| u64::from(self.policy.weight(place)));
        if self.policy.weights.are_kept() {
            assert_eq!(weights.sum::<u64>(), self.policy.used());
        }
    }
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (u128::from(self.0 ^ (self.0 >> 33)).wrapping_mul(u128::from(limit)) >> 64) as u64
    }
}

/// One random step, and what must hold after it.
fn step(cache: &mut Small, dice: &mut Dice, weighted: bool) {
    let key = dice.below(90);
    let weight = if weighted { dice.below(8) as u32 } else { 1 };
    let present = cache.places.get(&key).copied();
    match (dice.below(100), present) {
        (0..40, None) => {
            cache.insert(key, weight);
            assert!(cache.policy.used() <= cache.policy.capacity().max(weight.into()));
        }
        (0..60, Some(_)) => assert!(cache.hit(key)),
        (60..75, Some(place)) => {
            let weight = cache.policy.weight(place);
            let removed = cache.remove(key);
            assert_eq!(removed, weight);
        }
        (75..85, Some(place)) if weighted => {
            replace(cache, place, weight);
        }
        (85..92, Some(_)) => cache.lock(key, dice.below(2) == 0),
        (92..94, _) => cache.rebuild(),
        (94..95, _) => cache.policy.set_capacity(1 + dice.below(120)),
        (95..98, _) => one_goes(cache, present),
        (98..99, _) if dice.below(20) == 0 => cache.clear(),
        _ => {}
    }
    cache.validate();
}

/// A new node with a value of another weight takes the entry's place.
fn replace(cache: &mut Small, place: Place, weight: u32) {
    let entry = cache.table.slots[place as usize].as_mut().expect("somebody is here");
    let usage = Usage::new();
    usage.take_over(&entry.usage);
    entry.usage = usage;
    cache.policy.reweigh(place, &cache.table.entry(place).usage, weight);
    assert_eq!(cache.policy.weight(place), weight);
    while cache.policy.used() > cache.policy.capacity() && cache.evict(Some(place)).is_some() {}
}

/// An eviction takes the weight that it says, and a locked entry only if there is no other.
fn one_goes(cache: &mut Small, except: Option<Place>) {
    let candidates = |cache: &Small| {
        let table = &cache.table;
        let queued =
            table.places().filter(|place| table.entry(*place).usage.queue() != Queue::None);
        queued.filter(|place| Some(*place) != except).collect::<Vec<_>>()
    };
    let unlocked = |place: &Place| !cache.table.entry(*place).locked;
    let (before, used) = (candidates(cache), cache.policy.used());
    let has_unlocked = before.iter().any(unlocked);
    let victim = cache.policy.victim(&cache.table, except);
    assert_eq!(victim.is_some(), !before.is_empty());
    let Some(Victim { place, weight }) = victim else { return };
    assert!(before.contains(&place));
    assert_eq!(cache.policy.used(), used - u64::from(weight));
    assert_eq!(cache.unlink(place).locked, !has_unlocked);
}

#[test]
fn nothing_is_lost_in_random_operations() {
    for seed in 0..24 {
        let weighted = seed % 2 == 1;
        let mut dice = Dice(seed);
        let mut cache = Small::new(1 + dice.below(100), weighted);
        for _ in 0..1500 {
            step(&mut cache, &mut dice, weighted);
        }
    }
}

#[test]
fn smallest_and_largest_capacities_work() {
    for capacity in [1, 2, 3, 4, 5] {
        let mut cache = Small::new(capacity, false);
        for key in 0..100 {
            assert!(!cache.request(key));
            assert!(cache.request(key));
            assert_eq!(cache.policy.used(), capacity.min(key + 1));
            cache.validate();
        }
    }
    for weighted in [false, true] {
        let mut cache = Small::new(u64::MAX, weighted);
        for key in 0..100 {
            cache.insert(key, if weighted { u32::MAX } else { 1 });
        }
        assert!(cache.policy.heap_bytes() < 4096, "{}", cache.policy.heap_bytes());
        assert!(cache.evict(None).is_some());
        cache.insert(200, 1);
        assert!(cache.policy.heap_bytes() < 8192, "{}", cache.policy.heap_bytes());
        cache.validate();
    }
}

/// Hits among `count` requests for the keys that `next` gives.
fn hits(cache: &mut Small, count: u64, mut next: impl FnMut(u64) -> u64) -> u64 {
    (0..count).filter(|n| cache.request(next(*n))).count() as u64
}

#[test]
fn a_loop_that_is_too_long_keeps_what_fits() {
    let mut cache = Small::new(1000, false);
    // Those just over the capacity tempt the small queue to grow.
    for length in [1030, 1060, 1100, 1150, 1250, 1500] {
        hits(&mut cache, length, |n| n % length);
        let hits = hits(&mut cache, 30 * length, |n| n % length);
        assert!(hits > 30 * 900, "{hits} of at most 30000 in a loop over {length}");
        cache.clear();
        cache.validate();
    }
}

#[test]
fn room_that_became_free_is_filled_like_new_room() {
    let mut cache = Small::new(1000, false);
    hits(&mut cache, 5000, |n| 10_000 + n);
    let keys: Vec<_> = cache.places.keys().copied().collect();
    keys.into_iter().for_each(|key| assert_eq!(cache.remove(key), 1));
    hits(&mut cache, 1500, |n| n % 1500);
    let hits = hits(&mut cache, 15_000, |n| n % 1500);
    assert!(hits > 9000, "{hits} of at most 10000");
}

#[test]
fn more_capacity_is_filled_like_new_room() {
    let mut cache = Small::new(10, false);
    hits(&mut cache, 100, |n| 10_000 + n);
    let share = cache.policy.target * 100;
    cache.policy.set_capacity(1000);
    assert_eq!(cache.policy.target, share);
    hits(&mut cache, 900, |n| n);
    assert!(cache.policy.main.entries() > 850, "{}", cache.policy.main.entries());
    cache.policy.set_capacity(100);
    assert_eq!(cache.policy.target, share / 10);
}

#[test]
fn a_scan_does_not_push_out_what_is_used() {
    let mut cache = Small::new(1000, false);
    let mut dice = Dice(1);
    hits(&mut cache, 20_000, |_| dice.below(700));
    hits(&mut cache, 10_000, |n| 1_000_000 + n);
    let left = (0..700).filter(|key| cache.places.contains_key(key)).count();
    assert!(left > 600, "{left} of 700");
}

#[test]
fn the_target_follows_the_ghosts() {
    let mut cache = Small::new(1000, false);
    hits(&mut cache, 3000, |n| 1_000_000 + n);
    let first = cache.policy.target;
    // Each key comes twice, 150 misses apart: too far for the small queue as it is.
    hits(&mut cache, 20_000, |n| if n % 2 == 0 { n } else { n.saturating_sub(301) });
    let raised = cache.policy.target;
    assert!(raised > 4 * first, "{first} -> {raised}");
    // Favourites, a little more than the main queue holds.
    let mut dice = Dice(5);
    hits(&mut cache, 60_000, |_| 2_000_000 + dice.below(1300));
    assert!(cache.policy.target < raised / 2, "{raised} -> {}", cache.policy.target);
    assert!(cache.policy.ghost_hits() > 1000);
}

#[test]
fn a_burst_after_the_arrival_is_no_use() {
    let mut cache = Small::new(1000, false);
    cache.policy.aim(500);
    hits(&mut cache, 1500, |n| 1_000_000 + n);
    let burst = cache.insert(1, 1);
    (0..3).for_each(|_| assert!(cache.hit(1)));
    assert_eq!(cache.table.entry(burst).usage.uses(), 3);
    hits(&mut cache, 160, |n| 2_000_000 + n);
    assert_eq!(cache.table.entry(burst).usage.uses(), 0);
    cache.hit(1);
    hits(&mut cache, 100, |n| 3_000_000 + n);
    assert_eq!(cache.table.entry(burst).usage.uses(), 1);
}

#[test]
fn a_ghost_tells_when_its_key_arrived() {
    let mut cache = Small::new(1000, false);
    cache.policy.aim(500);
    hits(&mut cache, 1500, |n| 1_000_000 + n);
    cache.insert(1, 1);
    hits(&mut cache, 700, |n| 2_000_000 + n);
    assert!(!cache.places.contains_key(&1));
    assert_eq!(cache.policy.arrive(hash(1), &cache.table).away, Some(701));
}

#[test]
fn the_clock_may_turn_over() {
    let hits_from = |now| {
        let mut cache = Small::new(300, false);
        cache.policy.now = now;
        let mut dice = Dice(9);
        hits(&mut cache, 10_000, |n| dice.below(200 + n % 800))
    };
    assert_eq!([hits_from((1 << 31) - 2000), hits_from(u32::MAX - 2000)], [hits_from(0); 2]);
}

/// What happens to the first keys of the main queue when they come back, `later` evictions later.
fn queues_on_return(later: u32) -> Vec<Queue> {
    let mut cache = Small::new(1000, false);
    hits(&mut cache, 1000, |n| n);
    let gone: Vec<_> = (0..40).map(|_| cache.evict(None).expect("it is full").key).collect();
    let from_main: Vec<_> = gone.into_iter().filter(|key| *key < 900).take(6).collect();
    cache.policy.outs += later;
    let places: Vec<_> = from_main.into_iter().map(|key| cache.insert(key, 1)).collect();
    places.into_iter().map(|place| cache.table.entry(place).usage.queue()).collect()
}

#[test]
fn every_other_key_comes_back_to_the_main_queue() {
    use Queue::{Main, Small};
    assert_eq!(queues_on_return(0), [Small, Main, Small, Main, Small, Main]);
    assert_eq!(queues_on_return(900), [Small, Main, Small, Main, Small, Main]);
    assert_eq!(queues_on_return(1000), [Small; 6], "too late");
}

#[test]
fn those_who_come_back_do_not_push_each_other_out() {
    let mut cache = Small::new(1000, false);
    let mut dice = Dice(3);
    let mut at = 0;
    let mut next = |n: u64| {
        if n % 5 == 0 {
            // Some are asked for more often than others.
            return (0..3).fold(20_000, |limit, _| 1 + dice.below(limit)) + 10_000;
        }
        at += 1;
        at % 1050
    };
    hits(&mut cache, 20_000, &mut next);
    let hits = hits(&mut cache, 60_000, next);
    assert!(hits > 42_000, "{hits} of 48000 in the loop");
}

#[test]
fn uses_count_for_less_when_the_hand_comes_for_the_first_time() {
    let Small { mut policy, table, .. } = {
        let mut cache = Small::new(10, false);
        hits(&mut cache, 5, |n| n);
        cache
    };
    for left in [1, 3, 3] {
        (0..5).for_each(|place| (0..4).for_each(|_| table.entry(place).usage.touch()));
        for _ in 0..5 {
            let (slot, usage) = policy.main.front(&table).expect("not empty");
            policy.pass(slot, usage, &table);
        }
        assert_eq!([0, 1, 2, 3, 4].map(|place| table.entry(place).usage.uses()), [left; 5]);
    }
}

#[test]
fn the_target_of_a_large_cache_takes_larger_steps() {
    let step = |capacity, weighted, weight| {
        let mut cache = Small::new(capacity, weighted);
        (0..100).for_each(|key| {
            cache.insert(key, weight);
        });
        let before = cache.policy.target;
        cache.policy.adapt(&Arrival { away: Some(1), from_main: None }, true);
        cache.policy.target - before
    };
    assert_eq!([step(1000, false, 1), step(100_000, false, 1)], [2, 97]);
    assert_eq!([step(100_000, true, 200), step(1_000_000, true, 200)], [400, 976]);
}

#[test]
fn one_eviction_looks_at_a_bounded_number_of_entries() {
    let mut cache = Small::new(10_000, false);
    hits(&mut cache, 10_000, |n| n);
    for _ in 0..3 {
        (0..10_000).for_each(|key| assert!(cache.hit(key)));
    }
    cache.table.looks.set(0);
    cache.request(10_000);
    let looks = cache.table.looks.get();
    assert!(looks < 1000, "{looks}");
    cache.validate();
}

#[test]
fn locked_entries_go_when_nobody_else_can() {
    let mut cache = Small::new(300, false);
    hits(&mut cache, 300, |n| n);
    (0..300).filter(|key| *key != 123).for_each(|key| cache.lock(key, true));
    (0..3).for_each(|_| assert!(cache.hit(123)));
    assert_eq!(cache.evict(None).map(|entry| entry.key), Some(123));
    cache.validate();
    let last = cache.places[&7];
    let gone: HashSet<_> =
        (0..298).map(|_| cache.evict(Some(last)).expect("one left").key).collect();
    assert_eq!(gone.len(), 298);
    assert!(cache.evict(Some(last)).is_none());
    assert_eq!(cache.evict(None).map(|entry| entry.key), Some(7));
    assert!(cache.evict(None).is_none());
}

#[test]
fn what_weighs_nothing_stays() {
    let mut cache = Small::new(100, true);
    let pinned = cache.insert(1, 0);
    let once_pinned = cache.insert(2, 0);
    (10..500).for_each(|key| {
        cache.insert(key, 7);
    });
    assert!(cache.places.contains_key(&1) && cache.places.contains_key(&2));
    replace(&mut cache, once_pinned, 7);
    cache.validate();
    while cache.evict(None).is_some() {}
    assert_eq!(cache.places.keys().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(cache.policy.forget(pinned, &cache.table.entry(pinned).usage), 0);
}

#[test]
fn dead_slots_do_not_pile_up() {
    let mut cache = Small::new(1_000_000, false);
    for n in 0..100_000 {
        cache.insert(n, 1);
        if n >= 100 {
            cache.remove(n - 100);
        }
    }
    assert!(cache.policy.heap_bytes() < 8 * 400, "{}", cache.policy.heap_bytes());
    cache.validate();
}

#[test]
fn memory_follows_the_number_of_entries() {
    let mut cache = Small::new(20_000, false);
    hits(&mut cache, 19_999, |n| n);
    let before = cache.policy.heap_bytes();
    assert!(before <= 19_999 * 11, "{before}: no ghosts yet");
    hits(&mut cache, 200_000, |n| n);
    let full = cache.policy.heap_bytes();
    assert!((20_000 * 20..20_000 * 23).contains(&full), "{full}");
}

#[test]
fn weights_may_shrink_until_far_more_entries_fit() {
    let mut cache = Small::new(10_000, true);
    (0..1000).for_each(|key| {
        cache.insert(key, 100);
    });
    let few = cache.policy.heap_bytes();
    (1000..50_000).for_each(|key| {
        cache.insert(key, 1);
        cache.hit(key - 150);
    });
    assert!(cache.places.len() > 9000, "{}", cache.places.len());
    assert!(cache.policy.heap_bytes() > 10 * few);
    cache.validate();
}

#[test]
fn strangers_are_no_ghosts() {
    let mut cache = Small::new(1000, false);
    hits(&mut cache, 100_000, |n| n);
    let taken_for_ghosts = cache.policy.ghost_hits();
    assert!(taken_for_ghosts < 60, "{taken_for_ghosts} of 100000");
}

/// With wrong counts a search ends all the same: loudly where assertions are on.
#[test]
#[should_panic(expected = "the counts of the queues are wrong")]
fn a_search_that_finds_nobody_ends() {
    let mut cache = Small::new(100, false);
    for key in 0..200 {
        cache.request(key);
    }
    cache.table.slots.fill_with(|| None);
    assert_eq!(cache.policy.victim(&cache.table, None), None);
    panic!("the counts of the queues are wrong"); // where assertions are off
}
