//! A command as others see it.

use super::{Command, Verb, Words, numbers};
use crate::memcached::{Compat, Protocol, Request};

/// A command as others see it. What it cannot say for sure, because the line is malformed, it leaves
/// out.
pub(in crate::memcached) fn describe<'b>(command: &Command<'b>, raw: &'b [u8]) -> Request<'b> {
    let Command { verb, words, .. } = *command;
    let protocol = if verb.is_meta() { Protocol::Meta } else { Protocol::Text };
    Request {
        protocol,
        name: verb.name(),
        keys: keys(verb, words),
        cas: cas(verb, words),
        exptime: exptime(verb, words),
        is_quiet: is_quiet(verb, words),
        raw,
        unread: 0,
    }
}

fn keys(verb: Verb, mut words: Words<'_>) -> Vec<&[u8]> {
    match verb {
        Verb::Get | Verb::Gets | Verb::Bget => words.collect(),
        Verb::Gat | Verb::Gats => words.skip(1).collect(),
        Verb::Incr | Verb::Decr | Verb::Touch | Verb::Delete => words.next().into_iter().collect(),
        Verb::Mg | Verb::Md | Verb::Ma | Verb::Me => words.next().into_iter().collect(),
        _ if verb.has_data() => words.next().into_iter().collect(),
        _ => Vec::new(),
    }
}

fn cas(verb: Verb, mut words: Words<'_>) -> Option<u64> {
    if verb.is_meta() {
        return number(token(verb, words, b'C')?);
    }
    if verb == Verb::Cas { number(words.nth(4)?) } else { None }
}

fn exptime(verb: Verb, mut words: Words<'_>) -> Option<i64> {
    let word = match verb {
        _ if verb.is_meta() => token(verb, words, b'T')?,
        Verb::Set | Verb::Add | Verb::Replace | Verb::Cas => words.nth(2)?,
        Verb::Gat | Verb::Gats => words.next()?,
        Verb::Touch => words.nth(1)?,
        _ => return None,
    };
    numbers::loose_exptime(word)
}

fn is_quiet(verb: Verb, words: Words<'_>) -> bool {
    if verb.is_meta() {
        return token(verb, words, b'q').is_some();
    }
    let takes_keys = matches!(verb, Verb::Get | Verb::Gets | Verb::Gat | Verb::Gats | Verb::Bget);
    !takes_keys && words.ends_in_noreply()
}

/// What follows the flag `letter` of a meta command.
fn token(verb: Verb, words: Words<'_>, letter: u8) -> Option<&[u8]> {
    let before = if verb == Verb::Ms { 2 } else { 1 };
    let mut flags = words.skip(before);
    flags.find_map(|flag| flag.split_first().filter(|(first, _)| **first == letter)).map(|(_, t)| t)
}

fn number(word: &[u8]) -> Option<u64> {
    numbers::unsigned(word, Compat::V1_6_18)
}
