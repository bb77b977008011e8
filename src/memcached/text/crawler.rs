//! `lru_crawler`: what walks over all items. Only its dumps do anything here.

use std::io::Write;

use super::replies::{BAD_LINE, ERROR, OK, is_old};
use super::{Words, meta, numbers};
use crate::bytes::{Fetched, ITEM_OVERHEAD};
use crate::memcached::connection::State;
use crate::memcached::{Compat, Output};

const BAD_CLASS: &[u8] = b"BADCLASS invalid class id\r\n";

/// All items are of one size class.
const CLASS: u64 = 1;

/// Carries out `lru_crawler` with its words.
pub(super) fn execute(mut words: Words<'_>, state: &State, out: &mut Output) {
    let compat = state.service.config().compat;
    let ([command, argument], count) = words.first::<2>();
    let is_surplus = is_old(compat) && words.next().is_some();
    let reply = match (command, count) {
        _ if is_surplus => ERROR,
        (b"enable" | b"disable", 1) => OK,
        (b"sleep", 2) => match numbers::unsigned(argument, compat) {
            None => BAD_LINE,
            Some(0..=1_000_000) => OK,
            Some(_) => b"CLIENT_ERROR sleep must be one second or less\r\n",
        },
        (b"tocrawl", 2) => match numbers::unsigned(argument, compat) {
            None => BAD_LINE,
            Some(_) => OK,
        },
        (b"crawl", 2) if covers(argument).is_some() => OK,
        (b"metadump", 2) => match covers(argument) {
            Some(has_items) => return metadump(has_items, state, out),
            None => BAD_CLASS,
        },
        (b"mgdump", 2) if !is_old(compat) => match covers(argument) {
            Some(has_items) => return mgdump(has_items, state, out),
            None => BAD_CLASS,
        },
        (b"crawl", 2) => BAD_CLASS,
        _ => ERROR,
    };
    out.push(reply);
}

/// Whether items are in these size classes; `None` for what names no classes.
fn covers(classes: &[u8]) -> Option<bool> {
    if matches!(classes, b"all" | b"hash") {
        return Some(true);
    }
    let mut covers = false;
    for class in classes.split(|&byte| byte == b',') {
        let class =
            numbers::unsigned(class, Compat::V1_6_45).filter(|class| (1..64).contains(class))?;
        covers |= class == CLASS;
    }
    Some(covers)
}

fn metadump(has_items: bool, state: &State, out: &mut Output) {
    let is_old = is_old(state.service.config().compat);
    if !is_old {
        out.push(OK);
    }
    let mut lines = Vec::new();
    let now = state.service.store().unix_time();
    if has_items {
        state.service.store().visit(|key, seen| {
            push_line(key, seen, now, state, &mut lines);
            if is_old {
                lines.push(b'\n');
            } else {
                let _ = writeln!(lines, " flags={} ", seen.hit.flags);
            }
        });
    }
    out.push(&lines);
    out.push(b"END\r\n");
}

/// Writing to memory does not fail, so nobody looks at what `write` says.
fn push_line(key: &[u8], seen: &Fetched, now: i64, state: &State, lines: &mut Vec<u8>) {
    let Some(metadata) = seen.metadata else { return };
    lines.extend_from_slice(b"key=");
    push_escaped(key, lines);
    let exp = metadata.ttl.map_or(-1, |left| now + i64::from(left));
    let used = now - i64::from(metadata.idle);
    let fetched = if metadata.was_fetched { "yes" } else { "no" };
    let cas = state.shown(seen.hit.cas);
    let size = size(key, seen);
    let _ = write!(lines, " exp={exp} la={used} cas={cas} fetch={fetched} cls={CLASS} size={size}");
}

/// What an item takes, as memcached counts.
pub(super) fn size(key: &[u8], seen: &Fetched) -> usize {
    let flags = if seen.hit.flags == 0 { 0 } else { 4 };
    ITEM_OVERHEAD + key.len() + seen.hit.value.len() + flags
}

/// All but letters, digits and a few signs as `%` with two digits.
fn push_escaped(key: &[u8], line: &mut Vec<u8>) {
    for &byte in key {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            line.push(byte);
        } else {
            let _ = write!(line, "%{byte:02X}");
        }
    }
}

/// All keys, as requests that ask for them.
fn mgdump(has_items: bool, state: &State, out: &mut Output) {
    if has_items {
        state.service.store().visit(|key, seen| {
            out.push(b"mg ");
            meta::key::push_stored(key, seen.binary_key, out);
            out.push(b"\r\n");
        });
    }
    out.push(b"EN\r\n");
}
