//! `me`

use super::key::{decoded, push_encoded};
use super::{BAD_LINE, MAX_KEY, Words, is_old};
use crate::bytes::Fetched;
use crate::memcached::Output;
use crate::memcached::connection::State;
use crate::memcached::text::crawler;

/// Shows what is known of an item.
pub(in crate::memcached::text) fn execute(
    mut words: Words<'_>,
    state: &mut State,
    out: &mut Output,
) {
    let ([word, flag], count) = words.first::<2>();
    if count == 0 || word.len() > MAX_KEY {
        return out.push(BAD_LINE);
    }
    state.tally.cmd_meta += 1;
    if flag != b"b" {
        return push(word, state, out);
    }
    match decoded(word) {
        Some(key) => push(&key, state, out),
        None => out.push(BAD_LINE),
    }
}

fn push(key: &[u8], state: &State, out: &mut Output) {
    match state.service.store().inspect(key) {
        Ok(Some(seen)) => push_seen(key, &seen, state, out),
        _ => out.push(b"EN\r\n"),
    }
}

fn push_seen(key: &[u8], seen: &Fetched, state: &State, out: &mut Output) {
    let Some(metadata) = seen.metadata else { return };
    let exp = match metadata.ttl.map(i64::from) {
        None => -1,
        // The time since it expired, so to speak.
        Some(left) if is_old(state.service.config().compat) => -left,
        Some(left) => left,
    };
    let fetched = if metadata.was_fetched { "yes" } else { "no" };
    out.push(b"ME ");
    push_encoded(key, seen.binary_key, out);
    let rest = format!(
        " exp={exp} la={} cas={} fetch={fetched} cls=1 size={}\r\n",
        metadata.idle,
        state.shown(seen.hit.cas),
        crawler::size(key, seen),
    );
    out.push(rest.as_bytes());
}
