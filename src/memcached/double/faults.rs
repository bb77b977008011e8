//! [`Faults`]: the rules in force, and the sentences that make them.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::matcher::{Matcher, swaps};
use super::random::Random;
use super::record::Seen;
use super::rule::{Delay, Fault, Place, Rule};
use super::{Double, later};

/// The faults of a server, made by sentences: on which requests, when, what.
///
/// Several rules may strike at one request. Of those that answer in its place the one that was made
/// first counts, and so it is with those that end its answer: an error is not seen by a client whose
/// connection another rule closes.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use caskade::memcached::double::{any, cmd};
/// use std::time::Duration;
///
/// let server = TestServer::start()?;
/// let faults = server.faults();
/// faults.on(cmd("set").key("user:*")).nth(2).lose_ack();
/// faults.on(cmd("get")).times(3).error("busy");
/// faults.on(any()).probability(0.1, 42).close();
/// faults.on(any().connection(1)).lasting(Duration::from_secs(5)).silence();
/// faults.clear();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Faults {
    double: Double,
}

impl Faults {
    pub(super) fn new(double: &Double) -> Self {
        Self { double: double.clone() }
    }

    /// Begins a sentence: a fault at requests that `matcher` means.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get|gets").key("user:*")).once().close();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "a fault is made by the name of its kind"]
    pub fn on(&self, matcher: Matcher) -> When {
        When { faults: self.clone(), rule: Rule::new(Fault::Miss).on(matcher) }
    }

    /// Lets the `n`-th compare-and-swap of `key` fail, counted from now: the item has a new stamp by
    /// then, as if somebody had just written it.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().force_conflict("balance", 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn force_conflict(&self, key: impl Into<String>, n: u64) -> Armed {
        self.on(swaps().key(key)).nth(n).conflict()
    }

    /// Lets the next `n` requests that ask for `key` miss it.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().miss_next("session:*", 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn miss_next(&self, key: impl Into<String>, n: u64) -> Armed {
        self.on(super::reads().key(key)).times(n).miss()
    }

    /// Puts a rule into force.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::{Fault, Rule};
    ///
    /// let server = TestServer::start()?;
    /// let armed = server.faults().add(Rule::new(Fault::OutOfMemory).times(1));
    /// assert_eq!(armed.strikes(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn add(&self, rule: Rule) -> Armed {
        let until = rule.lasts.map(|lasts| later(self.double.now(), lasts));
        let mut state = self.double.lock();
        let id = state.rules.add(rule, until);
        Armed { double: self.double.clone(), id }
    }

    /// Takes all rules out of force.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::any;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(any()).close();
    /// server.faults().clear(); // all is well again
    /// assert!(server.faults().rules().is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn clear(&self) {
        self.double.lock().rules.rules.clear();
    }

    /// The rules in force, with how often each has struck.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get")).close();
    /// let (rule, strikes) = &server.faults().rules()[0];
    /// assert_eq!((rule.fault.name(), *strikes), ("close", 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn rules(&self) -> Vec<(Rule, u64)> {
        let state = self.double.lock();
        state.rules.rules.iter().map(|active| (active.rule.clone(), active.strikes)).collect()
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rules()).finish()
    }
}

/// A sentence under way: on which requests and when a fault strikes. It ends with what goes wrong.
#[derive(Clone, Debug)]
#[must_use = "a fault is made by the name of its kind"]
pub struct When {
    faults: Faults,
    rule: Rule,
}

impl When {
    /// Only at the `n`-th of these requests, counted from 1 and from now; with
    /// [`times`](Self::times) from it on.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("set")).nth(3).lose_ack(); // the third alone
    /// server.faults().on(cmd("add")).nth(3).times(u64::MAX).error("full"); // and all after it
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn nth(mut self, n: u64) -> Self {
        self.rule.nth = Some(n);
        self
    }

    /// At most `n` times.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::reads;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(reads()).times(3).error("busy"); // then it answers again
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn times(mut self, n: u64) -> Self {
        self.rule.times = Some(n);
        self
    }

    /// Once.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("incr")).once().lose_ack();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Counts [`nth`](Self::nth) and [`times`](Self::times) for each key by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("set")).per_key().once().lose_ack(); // the first set of each key
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn per_key(mut self) -> Self {
        self.rule.per_key = true;
        self
    }

    /// Only with this probability, from 0 to 1. With the same seed and the same requests in the same
    /// order the same ones are struck.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::any;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(any()).probability(0.1, 42).reset(); // one in ten, always the same ones
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn probability(mut self, probability: f64, seed: u64) -> Self {
        (self.rule.probability, self.rule.seed) = (Some(probability), seed);
        self
    }

    /// Only for so long, by the server's clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::any;
    /// use std::time::Duration;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(any()).lasting(Duration::from_secs(5)).silence();
    /// server.clock().advance(Duration::from_secs(5)); // over
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lasting(mut self, time: Duration) -> Self {
        self.rule.lasts = Some(time);
        self
    }

    /// Not carried out; answered with `SERVER_ERROR` and this text, in binary with status 0x84.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::reads;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(reads()).error("busy"); // SERVER_ERROR busy
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn error(self, text: impl Into<String>) -> Armed {
        self.strike(Fault::Error(text.into()))
    }

    /// Not carried out; answered as by a server without memory. As there, what a plain `set` was to
    /// replace is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("set|add")).out_of_memory();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn out_of_memory(self) -> Armed {
        self.strike(Fault::OutOfMemory)
    }

    /// Not carried out; answered with these bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("version")).answer("VERSION 1.4.0\r\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn answer(self, bytes: impl Into<Bytes>) -> Armed {
        self.strike(Fault::Answer(bytes.into()))
    }

    /// Not carried out; the connection is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get")).nth(100).close();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(self) -> Armed {
        self.strike(Fault::Close)
    }

    /// Not carried out; the connection is reset.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::connects;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(connects()).nth(2).reset();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset(self) -> Armed {
        self.strike(Fault::Reset)
    }

    /// Not carried out; nothing is answered, and the connection stays open.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get")).once().silence(); // does the client time out?
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn silence(self) -> Armed {
        self.strike(Fault::Silence)
    }

    /// Carried out and answered; then the connection is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::any;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(any()).hang_up(); // a connection for each request
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn hang_up(self) -> Armed {
        self.strike(Fault::HangUp)
    }

    /// Carried out, but the connection is closed instead of an answer: the client cannot know.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("set").key("user:*")).nth(2).lose_ack();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lose_ack(self) -> Armed {
        self.strike(Fault::LoseAck)
    }

    /// The same with a connection that is reset.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("incr")).once().lose_ack_and_reset();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lose_ack_and_reset(self) -> Armed {
        self.strike(Fault::LoseAckAndReset)
    }

    /// Carried out; the connection is closed after `count` bytes of the answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get")).truncate_after(7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn truncate_after(self, count: usize) -> Armed {
        self.strike(Fault::Truncate(Place::Bytes(count)))
    }

    /// Carried out; the connection is closed in the middle of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get").key("page:*")).truncate_mid_value();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn truncate_mid_value(self) -> Armed {
        self.strike(Fault::Truncate(Place::MidValue))
    }

    /// Carried out; after `count` bytes of the answer nothing more is written until
    /// [`release`](crate::memcached::TestServer::release).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get")).once().stall_after(7);
    /// server.release();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stall_after(self, count: usize) -> Armed {
        self.strike(Fault::Stall(Place::Bytes(count)))
    }

    /// Carried out; in the middle of the value the connection falls silent until
    /// [`release`](crate::memcached::TestServer::release).
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get")).once().stall_mid_value();
    /// // … a client waits: server.wait_for_stalled(1) …
    /// server.release();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stall_mid_value(self) -> Armed {
        self.strike(Fault::Stall(Place::MidValue))
    }

    /// Carried out; the answer comes byte by byte, with `pause` in between. A pause of zero is for
    /// clients that must put an answer together.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    /// use std::time::Duration;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get")).dribble(Duration::ZERO);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dribble(self, pause: Duration) -> Armed {
        self.strike(Fault::Dribble(pause))
    }

    /// Carried out; the answer comes so much later, in real time.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::reads;
    /// use std::time::Duration;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(reads()).delay(Duration::from_millis(20));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn delay(self, time: Duration) -> Armed {
        self.strike(Fault::Delay(Delay { least: time, most: time }))
    }

    /// Carried out; the answer comes later by a time between these, by chance.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::reads;
    /// use std::time::Duration;
    ///
    /// let server = TestServer::start()?;
    /// let ms = Duration::from_millis;
    /// server.faults().on(reads()).delay_between(ms(1), ms(20), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn delay_between(mut self, least: Duration, most: Duration, seed: u64) -> Armed {
        self.rule.seed = seed;
        self.strike(Fault::Delay(Delay { least, most }))
    }

    /// Carried out; answered with `count` bytes by chance.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get")).once().garbage(100, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn garbage(mut self, count: usize, seed: u64) -> Armed {
        self.rule.seed = seed;
        self.strike(Fault::Garbage(count))
    }

    /// Carried out; answered with another opaque than the request had.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("get|mg")).once().wrong_opaque();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wrong_opaque(self) -> Armed {
        self.strike(Fault::WrongOpaque)
    }

    /// Carried out as if there were no item under the keys that are meant.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::reads;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(reads().key("session:*")).miss(); // they stay in the store
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn miss(self) -> Armed {
        self.strike(Fault::Miss)
    }

    /// Carried out after the items that are meant were evicted.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::reads;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(reads().key("session:*")).nth(2).evict();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn evict(self) -> Armed {
        self.strike(Fault::Evict)
    }

    /// Carried out after the locks of the keys that are meant have lapsed.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(cmd("unlock")).once().lapse_lock();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lapse_lock(self) -> Armed {
        self.strike(Fault::LapseLock)
    }

    /// Carried out after the items that are meant were given a new stamp.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::swaps;
    ///
    /// let server = TestServer::start()?;
    /// server.faults().on(swaps().key("balance")).times(3).conflict();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn conflict(self) -> Armed {
        self.strike(Fault::Conflict)
    }

    /// Ends the sentence with any fault.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::{Fault, cmd};
    ///
    /// let server = TestServer::start()?;
    /// for fault in [Fault::Close, Fault::LoseAck, Fault::OutOfMemory] {
    ///     server.faults().on(cmd("set")).once().strike(fault);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn strike(mut self, fault: Fault) -> Armed {
        self.rule.fault = fault;
        self.faults.add(self.rule)
    }
}

/// A rule in force. It stays so when this is dropped.
#[derive(Clone)]
pub struct Armed {
    double: Double,
    id: u64,
}

impl Armed {
    /// How often it has struck; 0 once it is out of force.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::cmd;
    ///
    /// let server = TestServer::start()?;
    /// let lost = server.faults().on(cmd("set").key("user:*")).nth(2).lose_ack();
    /// // … the program under test …
    /// assert_eq!(lost.strikes(), 0, "there was no second one");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn strikes(&self) -> u64 {
        let state = self.double.lock();
        let active = state.rules.rules.iter().find(|active| active.id == self.id);
        active.map_or(0, |active| active.strikes)
    }

    /// Takes the rule out of force.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    /// use caskade::memcached::double::any;
    ///
    /// let server = TestServer::start()?;
    /// let ill = server.faults().on(any()).error("ill");
    /// ill.disarm();
    /// assert!(server.faults().rules().is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn disarm(&self) {
        self.double.lock().rules.rules.retain(|active| active.id != self.id);
    }
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Armed").field("strikes", &self.strikes()).finish_non_exhaustive()
    }
}

/// All rules in force.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Active>,
    next_id: u64,
}

#[derive(Debug)]
struct Active {
    id: u64,
    rule: Rule,
    until: Option<Instant>,
    random: Random,
    strikes: u64,
    /// For all keys together, or for each.
    counts: HashMap<Option<Bytes>, Count>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    seen: u64,
    struck: u64,
}

/// A fault that has found its request.
#[derive(Debug)]
pub(super) struct Strike {
    pub(super) fault: Fault,
    /// The keys that are meant.
    pub(super) keys: Vec<Bytes>,
    pub(super) random: Random,
}

impl Rules {
    fn add(&mut self, rule: Rule, until: Option<Instant>) -> u64 {
        self.next_id += 1;
        let random = Random::new(rule.seed);
        let (id, counts) = (self.next_id, HashMap::new());
        self.rules.push(Active { id, rule, until, random, strikes: 0, counts });
        id
    }

    /// The faults that strike at `seen`.
    pub(super) fn strike(&mut self, seen: &Seen<'_>, now: Instant) -> Vec<Strike> {
        self.rules.iter_mut().filter_map(|active| active.strike(seen, now)).collect()
    }
}

impl Active {
    fn strike(&mut self, seen: &Seen<'_>, now: Instant) -> Option<Strike> {
        if self.until.is_some_and(|until| until <= now) || !self.rule.on.matches(seen) {
            return None;
        }
        let mut keys: Vec<_> = self.rule.on.keys(seen).map(Bytes::copy_from_slice).collect();
        if self.rule.per_key {
            keys.retain(|key| self.is_due(Some(key.clone())));
            if keys.is_empty() {
                return None;
            }
        } else if !self.is_due(None) {
            return None;
        }
        self.strikes += 1;
        let random = Random::new(self.random.next());
        Some(Strike { fault: self.rule.fault.clone(), keys, random })
    }

    /// Counts a match, and decides.
    fn is_due(&mut self, key: Option<Bytes>) -> bool {
        let count = self.counts.entry(key).or_default();
        count.seen += 1;
        let is_reached = count.seen >= self.rule.nth.unwrap_or(1);
        // Chance is asked in any case, so that the same requests are struck whatever went before.
        let is_lucky = self.rule.probability.is_none_or(|it| self.random.is_lucky(it));
        let is_due = is_reached && is_lucky && count.struck < self.rule.limit();
        count.struck += u64::from(is_due);
        is_due
    }
}
