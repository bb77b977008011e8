//! The verbs that only a server for tests takes: `debugtime` as memcached's debug build has it, and
//! `caskade` for all else.

use std::time::{Duration, Instant};

use crate::BuildError;
use crate::bytes::{Reason, Store, StoreBuilder};
use crate::memcached::{Extension, Output};
use crate::time::{Clock, ManualClock};

/// What a client has asked for.
#[derive(Clone, Debug, PartialEq)]
enum Verb<'w> {
    Freeze,
    Resume,
    Advance(Duration),
    /// To a Unix time.
    Set(u64),
    /// What time it is.
    Time,
    Evict(&'w [u8]),
    Reset,
    Help,
}

const HELP: &str = "caskade freeze | resume | advance <seconds> | set <unix time> | time | \
evict <key> | reset | help";

const NO_WAY_BACK: &str = "time does not run backwards";

/// Moves time and more for clients that ask.
#[derive(Debug)]
pub(super) struct Control {
    clock: ManualClock,
    store: Store,
    /// An instant of the clock, with its Unix time.
    start: (Instant, u64),
}

impl Control {
    /// A store with a clock that can be moved, and what moves it.
    pub(super) fn over(builder: StoreBuilder) -> Result<(Self, Store), BuildError> {
        let clock = ManualClock::new();
        let now = unix_now();
        let start = (clock.now(), now);
        let unix = i64::try_from(now).unwrap_or(i64::MAX);
        let store = builder.clock(clock.clone()).unix_start(unix).build()?;
        clock.resume();
        Ok((Self { clock, store: store.clone(), start }, store))
    }

    fn carry_out(&self, verb: &Verb<'_>, out: &mut Output) {
        match *verb {
            Verb::Freeze => self.clock.freeze(),
            Verb::Resume => self.clock.resume(),
            Verb::Advance(by) => self.clock.advance(by),
            Verb::Set(unix) => match self.instant(unix) {
                Some(to) if to >= self.clock.now() => self.clock.set(to),
                _ => return refuse(NO_WAY_BACK, out),
            },
            Verb::Time => return self.tell_time(out),
            Verb::Evict(key) => match self.store.delete(key) {
                Ok(()) => {}
                Err(error) if error.reason() == Reason::Absent => {
                    return out.push(b"NOT_FOUND\r\n");
                }
                Err(error) => return refuse(&error.to_string(), out),
            },
            Verb::Reset => {
                self.store.flush_all(0);
                self.clock.resume();
            }
            Verb::Help => {
                out.push(HELP.as_bytes());
                return out.push(b"\r\n");
            }
        }
        out.push(b"OK\r\n");
    }

    fn instant(&self, unix: u64) -> Option<Instant> {
        let (instant, begin) = self.start;
        instant.checked_add(Duration::from_secs(unix.checked_sub(begin)?))
    }

    fn tell_time(&self, out: &mut Output) {
        let since = self.clock.now().saturating_duration_since(self.start.0);
        let time = since.as_secs_f64() + self.start.1 as f64;
        out.push(serde_json::json!({ "time": time }).to_string().as_bytes());
        out.push(b"\r\n");
    }
}

impl Extension for Control {
    fn command(&self, words: &[&[u8]], out: &mut Output) -> bool {
        let verb = match words {
            [b"debugtime", rest @ ..] => match debug_time(rest) {
                Ok(verb) => Ok(verb),
                Err(None) => {
                    out.push(b"ERROR\r\n");
                    return true;
                }
                Err(Some(text)) => Err(text),
            },
            [b"caskade", rest @ ..] => parse(rest),
            _ => return false,
        };
        match verb {
            Ok(verb) => self.carry_out(&verb, out),
            Err(text) => refuse(text, out),
        }
        true
    }
}

fn refuse(text: &str, out: &mut Output) {
    out.push(b"CLIENT_ERROR ");
    out.push(text.as_bytes());
    out.push(b"\r\n");
}

/// What follows `debugtime`. Without a text the error is memcached's.
fn debug_time<'w>(words: &[&'w [u8]]) -> Result<Verb<'w>, Option<&'static str>> {
    let [word] = words else { return Err(None) };
    match *word {
        b"p" => Ok(Verb::Freeze),
        b"r" => Ok(Verb::Resume),
        word => match std::str::from_utf8(word).ok().and_then(|text| text.parse::<i64>().ok()) {
            Some(seconds) => match u64::try_from(seconds) {
                Ok(seconds) => {
                    Ok(Verb::Advance(bounded(Duration::from_secs(seconds)).ok_or(None)?))
                }
                Err(_) => Err(Some(NO_WAY_BACK)),
            },
            None => Err(None),
        },
    }
}

/// What follows `caskade`.
fn parse<'w>(words: &[&'w [u8]]) -> Result<Verb<'w>, &'static str> {
    match *words {
        [b"freeze"] => Ok(Verb::Freeze),
        [b"resume"] => Ok(Verb::Resume),
        [b"advance", time] => duration(time).map(Verb::Advance).ok_or("advance wants seconds"),
        [b"set", time] => unix_time(time).map(Verb::Set).ok_or("set wants a Unix time"),
        [b"time"] => Ok(Verb::Time),
        [b"evict", key] => Ok(Verb::Evict(key)),
        [b"reset"] => Ok(Verb::Reset),
        [b"help"] => Ok(Verb::Help),
        _ => Err("no such verb, or not with so many words; `caskade help` lists them"),
    }
}

/// Seconds, perhaps with a fraction.
fn duration(word: &[u8]) -> Option<Duration> {
    let seconds = std::str::from_utf8(word).ok()?.parse::<f64>().ok()?;
    bounded(Duration::try_from_secs_f64(seconds).ok()?)
}

/// A time by which the clock can be moved again and again.
fn bounded(time: Duration) -> Option<Duration> {
    const CENTURY: Duration = Duration::from_secs(60 * 60 * 24 * 36525);
    (time <= CENTURY).then_some(time)
}

fn unix_time(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// The Unix time at which a server for tests starts.
fn unix_now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> Control {
        Control::over(Store::builder()).expect("default settings").0
    }

    fn answer(control: &Control, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut out = Output::new();
        assert!(control.command(&words, &mut out), "{line} is not taken");
        String::from_utf8(out.to_vec()).expect("text")
    }

    #[test]
    fn verbs_are_told_apart() {
        let verb = |line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            format!("{:?}", parse(&words))
        };
        assert_eq!(verb("freeze"), "Ok(Freeze)");
        assert_eq!(verb("advance 1.5"), "Ok(Advance(1.5s))");
        assert_eq!(verb("set 1700000000"), "Ok(Set(1700000000))");
        assert_eq!(verb("evict k"), format!("Ok(Evict({:?}))", b"k"));
        for wrong in [
            "",
            "Freeze",
            "freeze 1",
            "advance",
            "advance x",
            "advance -1",
            "advance nan",
            "advance 1e300",
            "set -1",
            "evict",
            "bogus",
        ] {
            assert!(verb(wrong).starts_with("Err"), "{wrong}");
        }
    }

    #[test]
    fn time_moves_as_it_is_told() {
        let control = control();
        assert_eq!(answer(&control, "caskade freeze"), "OK\r\n");
        let start = control.clock.now();
        assert_eq!(answer(&control, "caskade advance 10"), "OK\r\n");
        assert_eq!(answer(&control, "debugtime 5"), "OK\r\n");
        assert_eq!(control.clock.now() - start, Duration::from_secs(15));
        assert_eq!(answer(&control, "debugtime p"), "OK\r\n");
        assert_eq!(answer(&control, "debugtime x"), "ERROR\r\n");
        assert_eq!(answer(&control, "debugtime"), "ERROR\r\n");
        assert!(answer(&control, "debugtime -5").starts_with("CLIENT_ERROR"));
        assert_eq!(control.clock.now() - start, Duration::from_secs(15));
    }

    #[test]
    fn the_clock_is_set_to_unix_times_but_not_back() {
        let control = control();
        let _ = answer(&control, "caskade freeze");
        let later = control.start.1 + 3600;
        assert_eq!(answer(&control, &format!("caskade set {later}")), "OK\r\n");
        assert_eq!(answer(&control, "caskade time"), format!("{{\"time\":{later}.0}}\r\n"));
        let refused = answer(&control, &format!("caskade set {}", later - 1));
        assert_eq!(refused, format!("CLIENT_ERROR {NO_WAY_BACK}\r\n"));
    }

    #[test]
    fn items_are_evicted_and_all_reset() {
        let control = control();
        for key in ["k", "l"] {
            control.store.set(key, "v", 0, 0).expect("there is room");
        }
        assert_eq!(answer(&control, "caskade evict k"), "OK\r\n");
        assert_eq!(answer(&control, "caskade evict k"), "NOT_FOUND\r\n");
        assert_eq!(control.store.len(), 1);
        assert_eq!(answer(&control, "caskade reset"), "OK\r\n");
        assert!(control.store.is_empty());
    }

    #[test]
    fn what_is_not_ours_is_left() {
        let mut out = Output::new();
        for words in [&[] as &[&[u8]], &[b"get", b"k"], &[b"Caskade", b"freeze"]] {
            assert!(!control().command(words, &mut out));
        }
        assert!(out.is_empty());
    }
}
