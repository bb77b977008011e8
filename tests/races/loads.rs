//! Every way to load.

use std::convert::Infallible;

use caskade::{Cas, Expiry, FillToken, Loaded, Lookup, WriteError};

use crate::polling::Polled;
use crate::scene::{KEY, Row, Scene, pause};

/// How far a load has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    BeforeItReads,
    BeforeItStores,
    WhenItIsStored,
}

/// What is under the key when the load begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finds {
    Nothing,
    /// An older version that is due for a refresh.
    Stale,
    /// An older version of which nobody knows that it is one.
    Older,
}

pub(crate) type At<'a> = &'a mut dyn FnMut(Moment);

pub(crate) struct Load<V: Row> {
    pub(crate) name: &'static str,
    pub(crate) finds: Finds,
    /// Others who want the key wait for it.
    pub(crate) is_shared: bool,
    /// Loads, calling back at the first two moments, and returns what the caller is left with.
    pub(crate) run: fn(&Scene<V>, At<'_>) -> V,
}

impl<V: Row> Load<V> {
    /// Sees to it that the load finds what it is to find.
    pub(crate) fn prepare(&self, scene: &Scene<V>) {
        if self.finds != Finds::Nothing {
            scene.cache.insert(KEY, V::of(1)).expect("there is room");
        }
        if self.finds == Finds::Stale {
            scene.cache.mark_stale(&KEY);
        }
    }
}

pub(crate) fn loads<V: Row>() -> Vec<Load<V>> {
    let shared = |name, run| Load { name, finds: Finds::Nothing, is_shared: true, run };
    let by_hand = |name, run| Load { name, finds: Finds::Nothing, is_shared: false, run };
    let refresh = |name, run| Load { name, finds: Finds::Stale, is_shared: false, run };
    vec![
        shared("get_or_load", get_or_load),
        shared("try_get_or_load", try_get_or_load),
        shared("get_or_load_async", get_or_load_async),
        shared("try_get_or_load_async", try_get_or_load_async),
        shared("get_many_or_load", get_many_or_load),
        shared("try_get_many_or_load", try_get_many_or_load),
        shared("try_get_many_or_load_async", try_get_many_or_load_async),
        by_hand("lookup, fill", fill),
        by_hand("lookup, fill_with", fill_with),
        by_hand("mark, fill_since", fill_since),
        by_hand("mark, fill_since_with", fill_since_with),
        Load { finds: Finds::Older, ..by_hand("mark, fill_since over an entry", fill_since) },
        refresh("refresh by get_or_load", get_or_load),
        refresh("refresh by try_get_or_load_async", try_get_or_load_async),
        refresh("refresh by get_many_or_load", get_many_or_load),
        refresh("refresh by try_get_many_or_load_async", try_get_many_or_load_async),
        refresh("refresh by lookup, fill", fill),
        refresh("refresh by mark, fill_since", fill_since),
    ]
}

fn read<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    at(Moment::BeforeItReads);
    let row = scene.read();
    at(Moment::BeforeItStores);
    row
}

async fn read_slowly<V: Row>(scene: &Scene<V>) -> V {
    pause().await;
    let row = scene.read();
    pause().await;
    row
}

/// Runs a future with [`read_slowly`] inside.
fn step<F: Future>(loading: F, at: At<'_>) -> F::Output {
    let mut loading = Polled::new(loading);
    for moment in [Moment::BeforeItReads, Moment::BeforeItStores] {
        assert!(loading.poll().is_none(), "it has not read yet, or not stored");
        at(moment);
    }
    loading.poll().expect("the leader is stuck")
}

fn get_or_load<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    scene.cache.get_or_load(&KEY, |_| read(scene, at))
}

fn try_get_or_load<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    let load = |_: &u32| Ok::<_, Infallible>(Loaded::new(read(scene, at)).expiry(Expiry::Never));
    scene.cache.try_get_or_load(&KEY, load).expect("it does not fail")
}

fn get_or_load_async<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    step(scene.cache.get_or_load_async(&KEY, |_| read_slowly(scene)), at)
}

fn try_get_or_load_async<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    let load = async |_: &u32| Ok::<_, Infallible>(Loaded::new(read_slowly(scene).await));
    step(scene.cache.try_get_or_load_async(&KEY, load), at).expect("it does not fail")
}

/// A row for each key; only that of [`KEY`] changes.
fn rows<V: Row>(keys: &[&u32], row: V) -> Vec<(u32, V)> {
    let of_key = |&&key: &&u32| (key, if key == KEY { row.clone() } else { V::of(u64::from(key)) });
    keys.iter().map(of_key).collect()
}

const MANY: [u32; 3] = [100, KEY, 200];

fn own<V>(mut values: Vec<Option<V>>) -> V {
    values.swap_remove(1).expect("it was loaded")
}

fn get_many_or_load<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    own(scene.cache.get_many_or_load(&MANY, |keys| rows(keys, read(scene, at))))
}

fn try_get_many_or_load<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    let load = |keys: &[&u32]| Ok::<_, Infallible>(rows(keys, read(scene, at)));
    own(scene.cache.try_get_many_or_load(&MANY, load).expect("it does not fail"))
}

fn try_get_many_or_load_async<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    let load = |keys: &[&u32]| {
        let keys: Vec<u32> = keys.iter().map(|&&key| key).collect();
        async move {
            let row = read_slowly(scene).await;
            Ok::<_, Infallible>(rows(&keys.iter().collect::<Vec<_>>(), row))
        }
    };
    own(step(scene.cache.try_get_many_or_load_async(&MANY, load), at).expect("it does not fail"))
}

/// The right to store what the look-up did not find, or found stale.
pub(crate) fn token<V: Row>(scene: &Scene<V>) -> FillToken {
    match scene.cache.lookup(&KEY) {
        Lookup::Miss(token) | Lookup::Stale(_, Some(token)) => token,
        other => panic!("no token: {other:?}"),
    }
}

/// What whoever fills by hand is left with, stored or not.
fn left<V>(filled: Result<Cas, WriteError<(u32, V)>>, row: V) -> V {
    filled.map_or_else(|refused| refused.into_rejected().1, |_| row)
}

fn fill<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    let token = token(scene);
    let row = read(scene, at);
    left(scene.cache.fill(token, KEY, row.clone()), row)
}

fn fill_with<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    let token = token(scene);
    let row = read(scene, at);
    left(scene.cache.fill_with(token, KEY, row.clone(), Expiry::Never), row)
}

fn fill_since<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    let mark = scene.cache.mark();
    let row = read(scene, at);
    left(scene.cache.fill_since(&mark, KEY, row.clone()), row)
}

fn fill_since_with<V: Row>(scene: &Scene<V>, at: At<'_>) -> V {
    let mark = scene.cache.mark();
    let row = read(scene, at);
    left(scene.cache.fill_since_with(&mark.clone(), KEY, row.clone(), Expiry::Never), row)
}
