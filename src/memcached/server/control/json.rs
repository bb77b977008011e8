//! Items, requests and rules as lines of JSON. Bytes are texts in which each byte is the character
//! of that number, so that nothing is lost and what is ASCII can be read.

use serde_json::{Value, json};

use crate::bytes::ItemView;
use crate::memcached::double::{Record, Rule};

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

pub(super) fn item(item: &ItemView) -> Value {
    json!({
        "key": text(&item.key),
        "value": text(&item.value),
        "flags": item.flags,
        "cas": item.cas,
        "ttl": item.ttl,
        "stale": item.is_stale,
        "won": item.is_won,
        "fetched": item.was_fetched,
        "locked_for": item.locked_for.map(|time| time.as_secs_f64()),
    })
}

pub(super) fn record(record: &Record) -> Value {
    let keys: Vec<String> = record.keys.iter().map(|key| text(key)).collect();
    json!({
        "number": record.number,
        "at": record.at.as_secs_f64(),
        "connection": record.connection,
        "protocol": record.protocol,
        "command": record.command,
        "keys": keys,
        "cas": record.cas,
        "exptime": record.exptime,
        "quiet": record.is_quiet,
        "request": text(&record.raw),
        "answer": text(&record.answer),
        "faults": record.faults,
    })
}

pub(super) fn rule((rule, strikes): &(Rule, u64)) -> Value {
    json!({ "rule": rule, "strikes": strikes })
}
