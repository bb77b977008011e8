//! [`Rule`]: a fault, and when it strikes. Plain data, so that it can be read from a file.

use std::time::Duration;

use bytes::Bytes;

use super::matcher::Matcher;

/// What goes wrong.
///
/// # Examples
///
/// ```
/// use caskade::memcached::double::{Fault, Place, Rule, cmd};
///
/// let rule = Rule::new(Fault::Stall(Place::MidValue)).on(cmd("get")).nth(3);
/// assert_eq!(rule.fault.name(), "stall");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Fault {
    /// Not carried out; answered with `SERVER_ERROR` and this text, in binary with status 0x84.
    Error(String),
    /// Not carried out; answered as by a server without memory. As there, what a plain `set` was to
    /// replace is gone.
    OutOfMemory,
    /// Not carried out; answered with these bytes.
    Answer(#[cfg_attr(feature = "serde", serde(with = "text"))] Bytes),
    /// Not carried out; the connection is closed.
    Close,
    /// Not carried out; the connection is reset.
    Reset,
    /// Not carried out; nothing is answered, and the connection stays open.
    Silence,
    /// Carried out and answered; then the connection is closed.
    HangUp,
    /// Carried out; the connection is closed instead of an answer.
    LoseAck,
    /// Carried out; the connection is reset instead of an answer.
    LoseAckAndReset,
    /// Carried out; the connection is closed in the middle of the answer.
    Truncate(Place),
    /// Carried out; nothing more is written from the middle of the answer on, and the connection
    /// stays open.
    Stall(Place),
    /// Carried out; the answer comes byte by byte, with this long between them.
    Dribble(#[cfg_attr(feature = "serde", serde(with = "milliseconds"))] Duration),
    /// Carried out; the answer, and all that follows on the connection, comes later.
    Delay(Delay),
    /// Carried out; answered with as many bytes by chance.
    Garbage(usize),
    /// Carried out; answered with another opaque than the request had.
    WrongOpaque,
    /// Carried out as if there were no item; what is there stays there. Locked items are found.
    Miss,
    /// Carried out after the item was evicted.
    Evict,
    /// Carried out after the lock of the item has lapsed.
    LapseLock,
    /// Carried out after the item was given a new stamp, as if somebody had just written it.
    Conflict,
}

impl Fault {
    /// Its name, as the log shows it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::OutOfMemory => "out_of_memory",
            Self::Answer(_) => "answer",
            Self::Close => "close",
            Self::Reset => "reset",
            Self::Silence => "silence",
            Self::HangUp => "hang_up",
            Self::LoseAck => "lose_ack",
            Self::LoseAckAndReset => "lose_ack_and_reset",
            Self::Truncate(_) => "truncate",
            Self::Stall(_) => "stall",
            Self::Dribble(_) => "dribble",
            Self::Delay(_) => "delay",
            Self::Garbage(_) => "garbage",
            Self::WrongOpaque => "wrong_opaque",
            Self::Miss => "miss",
            Self::Evict => "evict",
            Self::LapseLock => "lapse_lock",
            Self::Conflict => "conflict",
        }
    }
}

/// A place in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Place {
    /// After so many bytes.
    Bytes(usize),
    /// In the middle of the first value, or of the answer if it has none.
    MidValue,
}

/// How long an answer is held back: a time between these, chosen by the rule's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Delay {
    /// At least.
    #[cfg_attr(feature = "serde", serde(rename = "least_ms", with = "milliseconds"))]
    pub least: Duration,
    /// At most.
    #[cfg_attr(feature = "serde", serde(rename = "most_ms", with = "milliseconds"))]
    pub most: Duration,
}

/// A fault, and when it strikes.
///
/// Without conditions it strikes at every request. In JSON the conditions are fields, and the fault
/// is named in lower case:
///
/// ```json
/// {"on": {"command": "set", "key": "user:*"}, "nth": 2, "times": 1, "fault": "lose_ack"}
/// ```
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
/// use caskade::memcached::double::{Fault, Rule, cmd};
///
/// let server = TestServer::start()?;
/// server.faults().add(Rule::new(Fault::LoseAck).on(cmd("set").key("user:*")).nth(2));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Rule {
    /// At which requests.
    #[cfg_attr(feature = "serde", serde(default))]
    pub on: Matcher,
    /// At the how manieth of them first. Default: the first; with a number the rule strikes once,
    /// unless `times` says otherwise.
    #[cfg_attr(feature = "serde", serde(default))]
    pub nth: Option<u64>,
    /// How often. Default: always.
    #[cfg_attr(feature = "serde", serde(default))]
    pub times: Option<u64>,
    /// Whether `nth` and `times` count for each key by itself.
    #[cfg_attr(feature = "serde", serde(default))]
    pub per_key: bool,
    /// With which probability, from 0 to 1. Default: always.
    #[cfg_attr(feature = "serde", serde(default))]
    pub probability: Option<f64>,
    /// What chance begins with.
    #[cfg_attr(feature = "serde", serde(default))]
    pub seed: u64,
    /// For how long from now, by the server's clock. Default: for ever.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "lasts_ms", with = "maybe_milliseconds")
    )]
    pub lasts: Option<Duration>,
    /// What goes wrong.
    pub fault: Fault,
}

impl Rule {
    /// `fault` at every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self {
            on: Matcher::default(),
            nth: None,
            times: None,
            per_key: false,
            probability: None,
            seed: 0,
            lasts: None,
            fault,
        }
    }

    /// Only at requests that `matcher` means.
    #[must_use]
    pub fn on(mut self, matcher: Matcher) -> Self {
        self.on = matcher;
        self
    }

    /// Only at the `n`-th of them, counted from 1; with [`times`](Self::times) from it on.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.nth = Some(n);
        self
    }

    /// At most `n` times.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }

    /// What of it cannot be meant, if anything: what was written by hand is not to strike never, or in
    /// another way.
    #[cfg(feature = "server")]
    pub(in crate::memcached) fn mistake(&self) -> Option<&'static str> {
        let is_chance = |it: f64| (0.0..=1.0).contains(&it);
        match &self.fault {
            _ if self.nth == Some(0) => Some("nth counts from 1"),
            _ if self.times == Some(0) => Some("times is at least 1"),
            _ if !self.probability.is_none_or(is_chance) => Some("probability is from 0 to 1"),
            Fault::Error(text) if text.contains(['\r', '\n']) => Some("error is a single line"),
            Fault::Delay(delay) if delay.least > delay.most => Some("least_ms is above most_ms"),
            _ => None,
        }
    }

    /// How often it may strike.
    pub(super) fn limit(&self) -> u64 {
        self.times.unwrap_or(if self.nth.is_some() { 1 } else { u64::MAX })
    }
}

#[cfg(feature = "serde")]
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64() * 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let milliseconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(milliseconds / 1000.0).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "serde")]
mod maybe_milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(serde::Serialize, Deserialize)]
    struct Milliseconds(#[serde(with = "super::milliseconds")] Duration);

    pub(super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        serde::Serialize::serialize(&time.map(Milliseconds), to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Milliseconds>::deserialize(from)?.map(|Milliseconds(time)| time))
    }
}

/// Bytes as a text in which each letter up to U+00FF stands for the byte of its number.
#[cfg(feature = "serde")]
mod text {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&bytes.iter().map(|&byte| char::from(byte)).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = text.chars().map(|letter| u8::try_from(u32::from(letter)));
        bytes.collect::<Result<Vec<u8>, _>>().map(Bytes::from).map_err(serde::de::Error::custom)
    }
}
