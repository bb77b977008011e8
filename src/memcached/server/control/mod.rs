//! What only a server for tests has: `debugtime` as memcached's debug build has it, the verb
//! `caskade` for all else, and the faults and the log it speaks of.

mod json;
mod verb;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::BuildError;
use crate::bytes::{Store, StoreBuilder};
use crate::memcached::double::{Double, Layer};
use crate::memcached::{Extension, Flow, Intercept, Output, Request};
use crate::time::{Clock, ManualClock};

use verb::{HELP, Mistake, NO_WAY_BACK, Verb};

const NOT_FOUND: &[u8] = b"NOT_FOUND\r\n";

/// Moves time, and more, for clients that ask.
#[derive(Debug)]
pub(super) struct Control {
    clock: ManualClock,
    store: Store,
    double: Double,
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
        let double = Double::new(clock.clone());
        Ok((Self { clock, store: store.clone(), double, start }, store))
    }

    /// What the requests of all connections go through.
    pub(super) fn double(&self) -> Double {
        self.double.clone()
    }

    fn carry_out(&self, verb: Verb<'_>, out: &mut Output) {
        let faults = self.double.faults();
        match verb {
            Verb::Freeze => self.clock.freeze(),
            Verb::Resume => self.clock.resume(),
            Verb::Advance(by) => self.clock.advance(by),
            Verb::Set(unix) => match self.instant(unix) {
                Some(to) if to >= self.clock.now() => self.clock.set(to),
                _ => return refuse(NO_WAY_BACK, out),
            },
            Verb::Evict(key) if !self.store.evict(key) => return out.push(NOT_FOUND),
            Verb::Unlock(key) if !self.store.lapse_lock(key) => return out.push(NOT_FOUND),
            Verb::Evict(_) | Verb::Unlock(_) => {}
            Verb::Conflict(key, n) => drop(faults.force_conflict(key, n)),
            Verb::Miss(key, n) => drop(faults.miss_next(key, n)),
            Verb::Fault(rule) => drop(faults.add(*rule)),
            Verb::ClearFaults => faults.clear(),
            Verb::ClearLog => self.double.log().clear(),
            Verb::Reset => self.reset(),
            question => return self.answer(question, out),
        }
        out.push(b"OK\r\n");
    }

    /// Answers what only asks.
    fn answer(&self, question: Verb<'_>, out: &mut Output) {
        match question {
            Verb::Time => line(&serde_json::json!({ "time": self.time() }), out),
            Verb::Item(key) => match self.store.examine(key) {
                Some(item) => line(&json::item(&item), out),
                None => out.push(NOT_FOUND),
            },
            Verb::Snapshot => list(self.store.items().iter().map(json::item), out),
            Verb::Log(matcher) => {
                list(self.double.log().matching(&matcher).iter().map(json::record), out);
            }
            Verb::Faults => list(self.double.faults().rules().iter().map(json::rule), out),
            Verb::Findings => {
                let findings = self.double.findings();
                list(findings.iter().map(|finding| Value::String(finding.to_string())), out);
            }
            _ => {
                out.push(HELP.as_bytes());
                out.push(b"\r\n");
            }
        }
    }

    /// As at the start, but that time does not run backwards.
    fn reset(&self) {
        self.double.faults().clear();
        self.double.log().clear();
        self.store.flush_all(0);
        self.clock.resume();
    }

    fn instant(&self, unix: u64) -> Option<Instant> {
        let (instant, begin) = self.start;
        instant.checked_add(Duration::from_secs(unix.checked_sub(begin)?))
    }

    /// The Unix time.
    fn time(&self) -> f64 {
        let since = self.clock.now().saturating_duration_since(self.start.0);
        since.as_secs_f64() + self.start.1 as f64
    }
}

impl Extension for Control {
    fn command(&self, words: &[&[u8]], out: &mut Output) -> bool {
        match verb::parse(words) {
            None => return false,
            Some(Ok(verb)) => self.double.undisturbed(|| self.carry_out(verb, out)),
            Some(Err(Mistake::Plain)) => out.push(b"ERROR\r\n"),
            Some(Err(Mistake::Told(text))) => refuse(&text, out),
        }
        true
    }
}

/// A connection's faults, which leave the verbs alone: whoever has made them can undo them.
#[derive(Debug)]
pub(super) struct Watched(pub(super) Layer);

impl Intercept for Watched {
    fn request(
        &mut self,
        request: &Request<'_>,
        execute: &mut dyn FnMut(&mut Output) -> Flow,
        out: &mut Output,
    ) -> Flow {
        if verb::is_ours(request.raw) {
            execute(out)
        } else {
            self.0.request(request, execute, out)
        }
    }
}

fn refuse(text: &str, out: &mut Output) {
    out.push(b"CLIENT_ERROR ");
    out.push(text.as_bytes());
    out.push(b"\r\n");
}

fn line(value: &Value, out: &mut Output) {
    out.push(value.to_string().as_bytes());
    out.push(b"\r\n");
}

fn list(values: impl Iterator<Item = Value>, out: &mut Output) {
    values.for_each(|value| line(&value, out));
    out.push(b"END\r\n");
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
    fn time_moves_as_it_is_told() {
        let control = control();
        assert_eq!(answer(&control, "caskade freeze"), "OK\r\n");
        let start = control.clock.now();
        assert_eq!(answer(&control, "caskade advance 10"), "OK\r\n");
        assert_eq!(answer(&control, "debugtime 5"), "OK\r\n");
        assert_eq!(answer(&control, "debugtime x"), "ERROR\r\n");
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
    fn items_are_shown_evicted_and_unlocked() {
        let control = control();
        control.store.set("k", "v\u{e9}", 7, 0).expect("there is room");
        let shown = answer(&control, "caskade item k");
        assert!(shown.contains(r#""key":"k""#) && shown.contains(r#""flags":7"#), "{shown}");
        assert_eq!(answer(&control, "caskade snapshot"), format!("{shown}END\r\n"));
        assert_eq!(answer(&control, "caskade unlock k"), "NOT_FOUND\r\n");
        control.store.get_and_lock("k", Duration::from_secs(10)).expect("it is there");
        assert_eq!(answer(&control, "caskade unlock k"), "OK\r\n");
        assert_eq!(answer(&control, "caskade evict k"), "OK\r\n");
        assert_eq!(answer(&control, "caskade evict k"), "NOT_FOUND\r\n");
        assert_eq!(answer(&control, "caskade item k"), "NOT_FOUND\r\n");
    }

    #[test]
    fn reset_leaves_nothing() {
        let control = control();
        control.store.set("k", "v", 0, 0).expect("there is room");
        let _ = answer(&control, r#"caskade fault {"fault":"close"}"#);
        assert!(answer(&control, "caskade faults").starts_with(r#"{"rule":{"#));
        assert_eq!(answer(&control, "caskade reset"), "OK\r\n");
        for verb in ["faults", "log", "snapshot", "findings"] {
            assert_eq!(answer(&control, &format!("caskade {verb}")), "END\r\n");
        }
    }
}
