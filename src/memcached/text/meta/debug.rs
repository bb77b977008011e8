//! `me`

use super::key::{decoded, push_encoded};
use super::{BAD_LINE, MAX_KEY, Words, is_old};
use crate::bytes::ItemView;
use crate::memcached::Output;
use crate::memcached::connection::State;

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
    match state.service.store().examine(key) {
        Some(item) => push_item(&item, state, out),
        None => out.push(b"EN\r\n"),
    }
}

fn push_item(item: &ItemView, state: &State, out: &mut Output) {
    let exp = match item.ttl.map(i64::from) {
        None => -1,
        // The time since it expired, so to speak.
        Some(left) if is_old(state.service.config().compat) => -left,
        Some(left) => left,
    };
    let fetched = if item.was_fetched { "yes" } else { "no" };
    out.push(b"ME ");
    push_encoded(&item.key, item.binary_key, out);
    let rest = format!(
        " exp={exp} la={} cas={} fetch={fetched} cls=1 size={}\r\n",
        item.idle,
        state.shown(item.shown_cas()),
        item.size(),
    );
    out.push(rest.as_bytes());
}
