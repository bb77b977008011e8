//! Full caches that do not evict: they refuse exactly what does not fit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use caskade::{Cache, Expiry, ManualClock, Refusal, Update};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert { key: u8, weight: u32, life: Option<u64> },
    Replace { key: u8, weight: u32 },
    Update { key: u8, weight: u32 },
    Remove { key: u8 },
    Advance,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (key, weight) = (0..12u8, 0..14u32);
    let life = prop_oneof![Just(None), (1..4u64).prop_map(Some)];
    let step = prop_oneof![
        4 => (key.clone(), weight.clone(), life)
            .prop_map(|(key, weight, life)| Step::Insert { key, weight, life }),
        2 => (key.clone(), weight.clone()).prop_map(|(key, weight)| Step::Replace { key, weight }),
        2 => (key.clone(), weight).prop_map(|(key, weight)| Step::Update { key, weight }),
        1 => key.prop_map(|key| Step::Remove { key }),
        1 => Just(Step::Advance),
    ];
    prop::collection::vec(step, 1..80)
}

/// What is there: weights, and the second at which each goes.
#[derive(Debug, Default)]
struct Model {
    entries: BTreeMap<u8, (u32, Option<u64>)>,
    now: u64,
}

const MAX: u64 = 40;

impl Model {
    /// Stores, if it fits beside all others.
    fn put(&mut self, key: u8, weight: u32, end: Option<u64>) -> bool {
        let others = self.entries.iter().filter(|&(&other, _)| other != key);
        let load: u64 = others.map(|(_, &(weight, _))| u64::from(weight)).sum();
        let fits = load + u64::from(weight) <= MAX;
        if fits {
            self.entries.insert(key, (weight, end));
        }
        fits
    }

    fn advance(&mut self) {
        self.now += 1;
        self.entries.retain(|_, &mut (_, end)| end.is_none_or(|end| end > self.now));
    }
}

/// Writers of so small a cache have to help to free memory, which takes its time.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.div_ceil(4), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_else(steps in steps(), bits in 0..3usize) {
        let clock = ManualClock::new();
        let cache = Cache::builder()
            .max_weight(MAX, |_: &u8, weight: &u32| *weight)
            .evicts(false)
            .stripes(1 << bits)
            .clock(clock.clone())
            .build()
            .expect("valid settings");
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Insert { key, weight, life } => {
                    let expiry =
                        life.map_or(Expiry::Never, |life| Expiry::After(SECOND * life as u32));
                    let stored = cache.insert_with(key, weight, expiry);
                    let end = life.map(|life| model.now + life);
                    expect(stored.map_err(|error| error.refusal()), model.put(key, weight, end));
                }
                Step::Replace { key, weight } => {
                    let stored = cache.replace(&key, weight).map_err(|error| error.refusal());
                    if model.entries.contains_key(&key) {
                        expect(stored, model.put(key, weight, None));
                    } else {
                        assert_eq!(stored, Err(Refusal::Absent));
                    }
                }
                Step::Update { key, weight } => {
                    let stored = cache.update(key, |_| Update::Put(weight));
                    expect(stored.map_err(|error| error.refusal()), model.put(key, weight, None));
                }
                Step::Remove { key } => {
                    let gone = model.entries.remove(&key).map(|(weight, _)| weight);
                    assert_eq!(cache.remove(&key), Ok(gone));
                }
                Step::Advance => {
                    clock.advance(SECOND);
                    model.advance();
                }
            }
            for (key, (weight, _)) in &model.entries {
                assert_eq!(cache.get(key), Some(*weight));
            }
            assert_eq!(cache.stats().evicted, 0);
        }
        cache.validate();
    }
}

fn expect<T: std::fmt::Debug>(stored: Result<T, Refusal>, fits: bool) {
    match stored {
        Ok(_) => assert!(fits),
        Err(refusal) => assert!(!fits && refusal == Refusal::Full, "{refusal:?}"),
    }
}

#[test]
fn many_threads_fill_it_to_the_last_place() {
    const MAX: u64 = 1000;
    let cache = Cache::builder().max_entries(MAX).evicts(false).stripes(16).build().unwrap();
    let stored = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, stored) = (&cache, &stored);
            scope.spawn(move || {
                for n in 0..400 {
                    match cache.insert((thread, n), n) {
                        Ok(_) => _ = stored.fetch_add(1, Ordering::Relaxed),
                        Err(error) => assert_eq!(error.refusal(), Refusal::Full),
                    }
                    assert!(cache.len() as u64 <= MAX);
                }
            });
        }
    });
    assert_eq!((stored.load(Ordering::Relaxed), cache.len() as u64), (MAX, MAX));
    cache.validate();
}

#[test]
fn counters_need_room_only_when_they_begin() {
    let cache = Cache::builder().max_entries(1).evicts(false).build().unwrap();
    cache.increment_or_insert("a", 1, 5, Expiry::Never).unwrap();
    assert_eq!(cache.increment_or_insert("a", 1, 5, Expiry::Never).map(|it| *it), Ok(6));
    let refused = cache.increment_or_insert("b", 1, 5, Expiry::Never);
    assert_eq!(refused.unwrap_err().refusal(), Refusal::Full);
    assert_eq!(cache.get("a"), Some(6));
}
