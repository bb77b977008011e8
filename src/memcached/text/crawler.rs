//! `lru_crawler`: what walks over all items. Only its dumps do anything here.

use std::io::Write;

use super::replies::{BAD_LINE, ERROR, OK, is_old};
use super::{Words, meta, numbers};
use crate::bytes::ItemView;
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
        state.service.store().visit(|item| {
            push_line(&item, now, state, &mut lines);
            if is_old {
                lines.push(b'\n');
            } else {
                let _ = writeln!(lines, " flags={} ", item.flags);
            }
        });
    }
    out.push(&lines);
    out.push(b"END\r\n");
}

/// Writing to memory does not fail, so nobody looks at what `write` says.
fn push_line(item: &ItemView, now: i64, state: &State, lines: &mut Vec<u8>) {
    lines.extend_from_slice(b"key=");
    push_escaped(&item.key, lines);
    let exp = item.ttl.map_or(-1, |left| now.saturating_add(i64::from(left)));
    let used = now.saturating_sub(i64::from(item.idle));
    let fetched = if item.was_fetched { "yes" } else { "no" };
    let cas = state.shown(item.shown_cas());
    let size = item.size();
    let _ = write!(lines, " exp={exp} la={used} cas={cas} fetch={fetched} cls={CLASS} size={size}");
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
        state.service.store().visit(|item| {
            out.push(b"mg ");
            meta::key::push_stored(&item.key, item.binary_key, out);
            out.push(b"\r\n");
        });
    }
    out.push(b"EN\r\n");
}
