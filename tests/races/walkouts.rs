//! Leaders and followers that go away at each step of a load.
//!
//! Whoever waits for a leader that is dropped goes on at once. If the leader is neither dropped nor
//! polled any more, he goes on when the load time is over.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use caskade::{Cache, Clock, Loaded, Lookup, ManualClock, Update};

use crate::guarded::guarded;
use crate::polling::Polled;
use crate::scene::{Caller, KEY, LOAD_TIME, Scene, elsewhere, pause};

/// How often a slow loader is pending.
const STEPS: usize = 3;

const TICK: Duration = Duration::from_nanos(1);

type Call = for<'s> fn(&'s Scene<u64>) -> Caller<'s, u64>;

async fn load(scene: &Scene<u64>, steps: usize) -> u64 {
    for _ in 0..steps {
        pause().await;
    }
    scene.row()
}

async fn single(scene: &Scene<u64>, steps: usize) -> u64 {
    scene.cache.get_or_load_async(&KEY, |_| load(scene, steps)).await
}

async fn fallible(scene: &Scene<u64>, steps: usize) -> u64 {
    let load = async |_: &u32| Ok::<_, Infallible>(load(scene, steps).await);
    scene.cache.try_get_or_load_async(&KEY, load).await.unwrap_or_else(|never| match never {})
}

/// Loads [`KEY`] and another one.
async fn many(scene: &Scene<u64>, other: u32, steps: usize) -> u64 {
    let load = |keys: &[&u32]| {
        let keys: Vec<u32> = keys.iter().map(|&&key| key).collect();
        async move {
            let row = load(scene, steps).await;
            Ok::<_, Infallible>(keys.into_iter().map(move |key| (key, row)))
        }
    };
    let values = scene.cache.try_get_many_or_load_async(&[other, KEY], load).await;
    values.unwrap_or_else(|never| match never {})[1].expect("it is loaded")
}

/// Callers whose loaders take [`STEPS`].
const LEADERS: [(&str, Call); 3] = [
    ("get_or_load_async", |scene| Caller::new(Box::pin(single(scene, STEPS)))),
    ("try_get_or_load_async", |scene| Caller::new(Box::pin(fallible(scene, STEPS)))),
    ("try_get_many_or_load_async", |scene| Caller::new(Box::pin(many(scene, 7, STEPS)))),
];

/// Callers whose loaders are ready at once, and who have had a turn.
const FOLLOWERS: [Call; 2] = [Scene::newcomer, |scene| {
    let mut caller = Caller::new(Box::pin(many(scene, 8, 0)));
    caller.poll_elsewhere();
    caller
}];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Dropped,
    /// It is never heard of again.
    Forgotten,
    /// It is polled again when everybody else has a value.
    Late,
}

#[test]
fn a_leader_that_goes_away_is_replaced() {
    guarded(every_way_to_go);
}

fn every_way_to_go() {
    for (name, lead) in LEADERS {
        for polls in 0..=STEPS {
            for fate in [Fate::Dropped, Fate::Forgotten, Fate::Late] {
                for first in [0, 1] {
                    eprintln!("{name}, polled {polls} times, {fate:?}, follower {first} first");
                    go_away(lead, polls, fate, first);
                }
            }
        }
    }
}

fn go_away(lead: Call, polls: usize, fate: Fate, first: usize) {
    let scene = Scene::<u64>::new(false);
    let mut leader = lead(&scene);
    for _ in 0..polls {
        leader.poll_elsewhere();
    }
    let mut followers: Vec<_> = FOLLOWERS.iter().map(|follow| follow(&scene)).collect();
    let has_led = polls > 0;
    assert!(leader.waits() && followers.iter().all(|follower| follower.waits() == has_led));
    let leader = match fate {
        Fate::Dropped => {
            drop(leader);
            None
        }
        Fate::Forgotten => {
            std::mem::forget(leader);
            None
        }
        Fate::Late => Some(leader),
    };
    if has_led && fate != Fate::Dropped {
        scene.clock.advance(LOAD_TIME - TICK);
        followers.iter_mut().for_each(Caller::poll_elsewhere);
        assert!(followers.iter().all(Caller::waits), "the leader may still come back");
        scene.clock.advance(TICK);
    }
    assert!(followers.iter().all(|follower| !follower.waits() || follower.wakes() > 0));
    let before = scene.cache.stats().loads;
    let second = followers.swap_remove(1 - first);
    assert_eq!(followers.remove(0).value(), 2, "the first follower leads");
    assert_eq!(second.value(), 2);
    assert_eq!(scene.newcomer().value(), 2);
    // The bulk follower may have another key to load, or had it loaded while it waited.
    assert!(scene.cache.stats().loads - before <= 2, "each key is loaded once");
    scene.commit();
    if let Some(mut leader) = leader {
        for _ in polls..STEPS {
            leader.poll_elsewhere();
        }
        let own = if has_led { 3 } else { 2 };
        assert_eq!(leader.value(), own, "a late leader gets what it has loaded");
    }
    assert_eq!(scene.cache.get(&KEY), Some(2), "what comes late is not stored");
    scene.cache.validate();
}

#[test]
fn a_follower_that_goes_away_is_not_missed() {
    for leave_when_landed in [false, true] {
        for forget in [false, true] {
            for succeeds in [false, true] {
                let scene = Scene::<u64>::new(false);
                let leave =
                    |follower| if forget { std::mem::forget(follower) } else { drop(follower) };
                let mut leader = LEADERS[0].1(&scene);
                leader.poll_elsewhere();
                let [leaving, staying] = [scene.newcomer(), scene.newcomer()];
                let mut leaving = Some(leaving);
                if !leave_when_landed {
                    leaving.take().into_iter().for_each(leave);
                }
                if succeeds {
                    (1..=STEPS).for_each(|_| leader.poll_elsewhere());
                    assert_eq!(leader.value(), 2);
                } else {
                    drop(leader);
                }
                // Woken, and gone before he could pass it on.
                leaving.take().into_iter().for_each(leave);
                assert_eq!(staying.wakes(), 1);
                assert_eq!(staying.value(), 2);
                scene.cache.validate();
            }
        }
    }
}

#[test]
fn a_leader_that_blocks_its_thread_for_too_long_is_replaced() {
    let scene = Scene::<u64>::new(false);
    let value = scene.cache.get_or_load(&KEY, |_| {
        let early = scene.newcomer();
        let old = scene.row();
        assert!(early.waits());
        scene.clock.advance(LOAD_TIME);
        scene.commit();
        assert_eq!(early.wakes(), 1);
        assert_eq!(early.value(), 3);
        assert_eq!(scene.newcomer().value(), 3);
        old
    });
    assert_eq!((value, scene.cache.get(&KEY)), (2, Some(3)));
    scene.cache.validate();
}

/// Tells when somebody has begun to wait.
struct Watched {
    clock: ManualClock,
    asked: mpsc::Sender<()>,
}

impl Clock for Watched {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn wake_at(&self, at: Instant, waker: &Waker) {
        self.clock.wake_at(at, waker);
        let _ = self.asked.send(());
    }
}

/// What becomes of the leader a thread waits for, and what the thread gets in the end.
type End = (&'static str, fn(&ManualClock, Leader<'_>), u64);

const ENDS: [End; 3] = [
    ("lands", |_, mut leader| assert_eq!(leader.poll(), Some(1)), 1),
    ("dropped", |_, leader| drop(leader), 2),
    (
        "forgotten",
        |clock, leader| {
            std::mem::forget(leader);
            clock.advance(LOAD_TIME);
        },
        2,
    ),
];

type Leader<'c> = Polled<Pin<Box<dyn Future<Output = u64> + 'c>>>;

#[test]
fn a_thread_that_waits_for_a_future_is_woken() {
    guarded(|| {
        for (name, end, expected) in ENDS {
            let (asked, has_asked) = mpsc::channel();
            let clock = ManualClock::new();
            let watched = Watched { clock: clock.clone(), asked };
            let builder = Cache::<u32, u64>::builder().clock(watched).load_time(LOAD_TIME);
            let cache = builder.build().unwrap();
            let load = |_| async {
                pause().await;
                1
            };
            let mut leader = Leader::new(Box::pin(cache.get_or_load_async(&KEY, load)));
            assert!(leader.poll().is_none());
            thread::scope(|scope| {
                let single = scope.spawn(|| cache.get_or_load(&KEY, |_| 2));
                let many = scope.spawn(|| cache.get_many_or_load(&[KEY], |_| [(KEY, 2)]));
                for _ in 0..2 {
                    has_asked.recv().unwrap();
                }
                end(&clock, leader);
                assert_eq!(single.join().unwrap(), expected, "{name}");
                assert_eq!(many.join().unwrap(), [Some(expected)], "{name}");
            });
            cache.validate();
        }
    });
}

/// Inside an update closure nothing can be written, not even that a load is over.
#[test]
fn a_leader_that_ends_inside_an_update_holds_nobody_up() {
    guarded(|| {
        for is_dropped in [true, false] {
            let scene = Scene::<u64>::new(false);
            let mut leader = LEADERS[0].1(&scene);
            leader.poll_elsewhere();
            (1..STEPS).for_each(|_| leader.poll_elsewhere());
            let early = scene.newcomer();
            let leader = RefCell::new(Some(leader));
            scene
                .cache
                .update(2, |_| {
                    let leader = leader.take().expect("it is called once");
                    if is_dropped {
                        drop(leader);
                    } else {
                        assert_eq!(leader.value_here(), 2, "it has its value all the same");
                    }
                    Update::Keep
                })
                .unwrap();
            scene.commit();
            assert_eq!(early.wakes(), 1);
            assert!([2, 3].contains(&early.value()));
            let late = scene.newcomer();
            assert!(!late.waits());
            assert_eq!(elsewhere(|| scene.cache.get_or_load(&KEY, |_| scene.row())), late.value());
            scene.cache.validate();
        }
    });
}

#[test]
fn loads_that_nobody_ends_do_not_pile_up() {
    let scene = Scene::<u64>::new(true);
    let abandon = |key: u32| {
        scene.cache.insert(key, 1).unwrap();
        scene.cache.mark_stale(&key);
        assert!(matches!(scene.cache.lookup(&key), Lookup::Stale(_, Some(_))));
        scene.clock.advance(LOAD_TIME); // and nobody has refreshed it
    };
    (0..500).for_each(abandon);
    let before = scene.cache.stats().overhead_bytes;
    (500..5000).for_each(abandon);
    assert!(scene.cache.stats().overhead_bytes <= before);
    scene.cache.validate();
}

#[test]
fn a_load_that_ends_leaves_nothing_behind() {
    let cache: Cache<u32, Arc<()>> = Cache::builder().stripes(1).build().unwrap();
    let value = Arc::new(());
    let end_badly = |key: u32| {
        let failed = cache.try_get_or_load(&(2 * key), |_| Err::<Arc<()>, _>("down"));
        assert!(failed.is_err());
        // Not to be stored, but somebody waits for it.
        let key = 2 * key + 1;
        let mut early = Polled::new(cache.get_or_load_async(&key, async |_| Arc::default()));
        let load = |_: &u32| {
            assert!(elsewhere(|| early.poll()).is_none());
            Ok::<_, Infallible>(Loaded::uncached(Arc::clone(&value)))
        };
        assert!(cache.try_get_or_load(&key, load).is_ok());
        assert!(early.poll().is_some());
    };
    end_badly(0);
    let before = cache.stats().overhead_bytes;
    (1..1000).for_each(end_badly);
    assert_eq!(cache.stats().overhead_bytes, before);
    assert_eq!(Arc::strong_count(&value), 1, "nobody keeps what was not stored");
    cache.validate();
}

#[test]
fn a_late_leader_does_not_end_the_load_of_its_successor() {
    for fails in [true, false] {
        let scene = Scene::<u64>::new(false);
        let load = async |_: &u32| {
            pause().await;
            if fails { Err("down") } else { Ok(Loaded::uncached(1)) }
        };
        let mut late = Polled::new(scene.cache.try_get_or_load_async(&KEY, load));
        assert!(late.poll().is_none());
        scene.clock.advance(LOAD_TIME);
        let mut successor = LEADERS[0].1(&scene);
        successor.poll_elsewhere();
        assert!(late.poll().is_some());
        let newcomer = scene.newcomer();
        assert!(newcomer.waits(), "the successor is still at it");
        (0..STEPS).for_each(|_| successor.poll_elsewhere());
        assert_eq!((successor.value(), newcomer.value()), (2, 2));
        scene.cache.validate();
    }
}
