//! `stats`, as the text protocol has it.

use std::fmt::Write;

use super::listing;
use crate::memcached::connection::State;
use crate::memcached::{Output, Service};

const BAD_LINE: &[u8] = b"CLIENT_ERROR bad command line format\r\n";

/// Carries out `stats` with its words.
pub(in crate::memcached) fn execute<'b>(
    mut words: impl Iterator<Item = &'b [u8]>,
    state: &mut State,
    out: &mut Output,
) {
    // What this connection has counted belongs into the answer.
    state.tally.is_dirty = true;
    let State { service, tally, .. } = state;
    service.stats().add(tally);
    match words.next().unwrap_or_default() {
        b"reset" => reset(service, out),
        b"detail" => detail(words.next(), service, out),
        b"cachedump" => cachedump(words.next(), words.next(), service, out),
        b"sizes_enable" => out.push(b"STAT sizes_status disabled\r\nEND\r\n"),
        b"sizes_disable" => out.push(b"STAT sizes_status disabled\r\nEND\r\n"),
        group => list(group, service, out),
    }
}

/// Writing to a string does not fail, so nobody looks at what `write` says.
fn list(group: &[u8], service: &Service, out: &mut Output) {
    let mut lines = String::new();
    let is_known = listing::list(service, group, &mut |name, value| {
        let _ = write!(lines, "STAT {name} {value}\r\n");
    });
    if is_known {
        out.push(lines.as_bytes());
        out.push(b"END\r\n");
    } else {
        out.push(b"ERROR\r\n");
    }
}

fn reset(service: &Service, out: &mut Output) {
    service.stats().reset(&service.store().stats());
    service.stats().details.clear();
    out.push(b"RESET\r\n");
}

fn detail(word: Option<&[u8]>, service: &Service, out: &mut Output) {
    let details = &service.stats().details;
    match word {
        Some(b"on") => details.switch(true),
        Some(b"off") => details.switch(false),
        Some(b"dump") => return dump(service, out),
        _ => return out.push(b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"),
    }
    out.push(b"OK\r\n");
}

fn dump(service: &Service, out: &mut Output) {
    for (prefix, counts) in service.stats().details.all() {
        out.push(b"PREFIX ");
        out.push(&prefix);
        for (name, count) in [
            (&b" get "[..], counts.gets),
            (b" hit ", counts.hits),
            (b" set ", counts.sets),
            (b" del ", counts.deletes),
        ] {
            out.push(name);
            out.push_number(count);
        }
        out.push(b"\r\n");
    }
    out.push(b"END\r\n");
}

/// The items of a size class. All are of the first.
fn cachedump(class: Option<&[u8]>, limit: Option<&[u8]>, service: &Service, out: &mut Output) {
    let (Some(class), Some(limit)) = (class, limit) else {
        return out.push(b"CLIENT_ERROR bad command line\r\n");
    };
    let (Some(class), Some(limit)) = (number(class), number(limit)) else {
        return out.push(BAD_LINE);
    };
    if class >= 64 {
        return out.push(b"CLIENT_ERROR Illegal slab id\r\n");
    }
    if class == 1 {
        push_items(if limit == 0 { u64::MAX } else { limit }, service, out);
    }
    out.push(b"END\r\n");
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn push_items(mut limit: u64, service: &Service, out: &mut Output) {
    let now = service.store().unix_time();
    service.store().visit_while(|item| {
        limit -= 1;
        out.push(b"ITEM ");
        out.push(&item.key);
        out.push(b" [");
        out.push_number(item.value.len());
        out.push(b" b; ");
        out.push_number(item.ttl.map_or(0, |left| now.saturating_add(i64::from(left))));
        out.push(b" s]\r\n");
        limit > 0
    });
}
