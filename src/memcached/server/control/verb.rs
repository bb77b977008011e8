//! The grammar of the verbs.

use std::time::Duration;

use crate::memcached::double::{Matcher, Rule};

/// What a client has asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verb<'w> {
    Freeze,
    Resume,
    Advance(Duration),
    /// To a Unix time.
    Set(u64),
    /// What time it is.
    Time,
    Item(&'w [u8]),
    Evict(&'w [u8]),
    Unlock(&'w [u8]),
    /// The n-th conditional write of a key finds that another one was faster.
    Conflict(String, u64),
    /// The next n reads of a key find nothing.
    Miss(String, u64),
    Fault(Box<Rule>),
    Faults,
    ClearFaults,
    Log(Box<Matcher>),
    ClearLog,
    Findings,
    Snapshot,
    Reset,
    Help,
}

/// Why a line is no verb.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mistake {
    /// As memcached's debug build says it.
    Plain,
    Told(String),
}

/// What the help says.
pub(super) const HELP: &str = "caskade freeze | resume | advance <seconds> | set <unix time> | time | \
item <key> | evict <key> | unlock <key> | conflict <key> [n] | miss <key> [n] | fault <json> | \
faults [clear] | log [clear | <json>] | findings | snapshot | reset | help";

pub(super) const NO_WAY_BACK: &str = "time does not run backwards";

/// The verb in the words of a line; `None` if the line is none of ours.
pub(super) fn parse<'w>(words: &[&'w [u8]]) -> Option<Result<Verb<'w>, Mistake>> {
    match words {
        [b"debugtime", rest @ ..] => Some(debug_time(rest)),
        [b"caskade", rest @ ..] => Some(caskade(rest)),
        _ => None,
    }
}

/// Whether a request is one of these verbs, well formed or not.
pub(super) fn is_ours(request: &[u8]) -> bool {
    let line = request.trim_ascii_start();
    let end = line.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(line.len());
    matches!(&line[..end], b"debugtime" | b"caskade")
}

/// What follows `debugtime`.
fn debug_time<'w>(words: &[&'w [u8]]) -> Result<Verb<'w>, Mistake> {
    match *words {
        [b"p"] => Ok(Verb::Freeze),
        [b"r"] => Ok(Verb::Resume),
        [word] => {
            let seconds: i64 = number(word).ok_or(Mistake::Plain)?;
            let seconds = u64::try_from(seconds).map_err(|_| told(NO_WAY_BACK))?;
            bounded(Duration::from_secs(seconds)).map(Verb::Advance).ok_or(Mistake::Plain)
        }
        _ => Err(Mistake::Plain),
    }
}

/// What follows `caskade`.
fn caskade<'w>(words: &[&'w [u8]]) -> Result<Verb<'w>, Mistake> {
    Ok(match *words {
        [b"freeze"] => Verb::Freeze,
        [b"resume"] => Verb::Resume,
        [b"advance", time] => Verb::Advance(or(duration(time), "advance wants seconds")?),
        [b"set", time] => Verb::Set(or(number(time), "set wants a Unix time")?),
        [b"time"] => Verb::Time,
        [b"item", key] => Verb::Item(key),
        [b"evict", key] => Verb::Evict(key),
        [b"unlock", key] => Verb::Unlock(key),
        [b"conflict", key, ref n @ ..] => Verb::Conflict(pattern(key)?, count(n)?),
        [b"miss", key, ref n @ ..] => Verb::Miss(pattern(key)?, count(n)?),
        [b"fault", ref json @ ..] => Verb::Fault(Box::new(rule(json)?)),
        [b"faults"] => Verb::Faults,
        [b"faults", b"clear"] => Verb::ClearFaults,
        [b"log"] => Verb::Log(Box::default()),
        [b"log", b"clear"] => Verb::ClearLog,
        [b"log", ref json @ ..] => Verb::Log(Box::new(from_json(json)?)),
        [b"findings"] => Verb::Findings,
        [b"snapshot"] => Verb::Snapshot,
        [b"reset"] => Verb::Reset,
        [b"help"] => Verb::Help,
        _ => {
            return Err(told("no such verb, or not with so many words; `caskade help` lists them"));
        }
    })
}

fn told(text: impl Into<String>) -> Mistake {
    Mistake::Told(text.into())
}

fn or<T>(value: Option<T>, text: &str) -> Result<T, Mistake> {
    value.ok_or_else(|| told(text))
}

fn pattern(key: &[u8]) -> Result<String, Mistake> {
    or(std::str::from_utf8(key).ok().map(Into::into), "a pattern for keys is UTF-8")
}

/// How often; once if nothing is said.
fn count(words: &[&[u8]]) -> Result<u64, Mistake> {
    match words {
        [] => Ok(1),
        [word] => or(number(word).filter(|&n| n > 0), "how often? a number is wanted"),
        _ => Err(told("a key and a number are all that is wanted")),
    }
}

fn rule(words: &[&[u8]]) -> Result<Rule, Mistake> {
    let rule: Rule = from_json(words)?;
    rule.mistake().map_or(Ok(rule), |mistake| Err(told(mistake)))
}

/// The words are those of a line, so a run of spaces in a text has become one; `\u0020` stays.
fn from_json<T: serde::de::DeserializeOwned>(words: &[&[u8]]) -> Result<T, Mistake> {
    if words.is_empty() {
        return Err(told("a JSON object is wanted"));
    }
    serde_json::from_slice(&words.join(&b' ')).map_err(|error| told(error.to_string()))
}

fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Seconds, perhaps with a fraction.
fn duration(word: &[u8]) -> Option<Duration> {
    bounded(Duration::try_from_secs_f64(number(word)?).ok()?)
}

/// A time by which the clock can be moved again and again.
fn bounded(time: Duration) -> Option<Duration> {
    const CENTURY: Duration = Duration::from_secs(60 * 60 * 24 * 36525);
    (time <= CENTURY).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memcached::double::{Fault, cmd};

    fn parsed(line: &str) -> Option<Result<Verb<'_>, Mistake>> {
        parse(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }

    fn verb(line: &str) -> Verb<'_> {
        parsed(line).expect("ours").expect(line)
    }

    #[test]
    fn verbs_are_told_apart() {
        assert_eq!(verb("caskade freeze"), Verb::Freeze);
        assert_eq!(verb("caskade advance 1.5"), Verb::Advance(Duration::from_millis(1500)));
        assert_eq!(verb("caskade set 1700000000"), Verb::Set(1_700_000_000));
        assert_eq!(verb("caskade evict k"), Verb::Evict(b"k"));
        assert_eq!(verb("caskade conflict user:*"), Verb::Conflict("user:*".into(), 1));
        assert_eq!(verb("caskade miss k 3"), Verb::Miss("k".into(), 3));
        assert_eq!(verb("caskade faults"), Verb::Faults);
        assert_eq!(verb("caskade faults clear"), Verb::ClearFaults);
        assert_eq!(verb("caskade log clear"), Verb::ClearLog);
        assert_eq!(verb("debugtime p"), Verb::Freeze);
        assert_eq!(verb("debugtime r"), Verb::Resume);
        assert_eq!(verb("debugtime +90"), Verb::Advance(Duration::from_secs(90)));
    }

    #[test]
    fn faults_are_rules_in_json() {
        let line =
            r#"caskade fault {"on": {"command": "set"}, "times": 2, "fault": {"error": "no way"}}"#;
        let rule = Rule::new(Fault::Error("no way".into())).on(cmd("set")).times(2);
        assert_eq!(verb(line), Verb::Fault(Box::new(rule)));
        assert_eq!(verb(r#"caskade log {"command":"get*"}"#), Verb::Log(Box::new(cmd("get*"))));
    }

    #[test]
    fn mistakes_are_told() {
        for line in [
            "caskade",
            "caskade Freeze",
            "caskade freeze 1",
            "caskade advance",
            "caskade advance x",
            "caskade advance -1",
            "caskade advance nan",
            "caskade advance 1e300",
            "caskade set -1",
            "caskade evict",
            "caskade conflict",
            "caskade conflict k 0",
            "caskade miss k 1 2",
            "caskade fault",
            "caskade fault {}",
            r#"caskade fault {"fault":"bogus"}"#,
            r#"caskade fault {"fault":"close","whom":1}"#,
            r#"caskade fault {"fault":"close","nth":0}"#,
            r#"caskade fault {"fault":"close","times":0}"#,
            r#"caskade fault {"fault":"close","probability":1.5}"#,
            r#"caskade fault {"fault":{"error":"two\r\nlines"}}"#,
            r#"caskade fault {"fault":{"delay":{"least_ms":2,"most_ms":1}}}"#,
            "caskade log x",
            "caskade bogus",
            "debugtime -5",
        ] {
            assert!(matches!(parsed(line), Some(Err(Mistake::Told(_)))), "{line}");
        }
        for line in ["debugtime", "debugtime x", "debugtime 1 2"] {
            assert_eq!(parsed(line), Some(Err(Mistake::Plain)), "{line}");
        }
    }

    #[test]
    fn what_is_not_ours_is_left() {
        for line in ["", "get k", "Caskade freeze", "caskades"] {
            assert_eq!(parsed(line), None, "{line}");
            assert!(!is_ours(line.as_bytes()), "{line}");
        }
        for line in ["caskade", "caskade x\r\n", "debugtime p\r\n", "caskade\r\n"] {
            assert!(is_ours(line.as_bytes()), "{line}");
        }
    }
}
