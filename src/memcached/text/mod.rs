//! The text protocol: classic commands, and meta commands of two letters with flags.
//!
//! A request is a line, and with some commands a data block after it. [`parse`] finds the end of the
//! first request and decides nothing that concerns the store; [`execute`] does, and answers. What
//! cannot be stored anyway is answered from the line alone, and its data is skipped as it comes, so
//! that nobody's memory fills with it.

mod admin;
mod changes;
mod crawler;
mod meta;
mod numbers;
mod replies;
mod request;
mod retrieval;
mod storage;
mod verb;
mod words;

use super::connection::{Parsed, State};
use super::{Compat, Flow, Output};
use replies::{BAD_LINE, ERROR, is_old};
pub(super) use request::describe;
use verb::Verb;
use words::Words;

/// A line may be so long before its end has come.
const LINE_LIMIT: usize = 2048;
/// The same for those that name many keys.
const KEYS_LIMIT: usize = 1024 * 1024;
/// The longest key.
const MAX_KEY: usize = crate::bytes::MAX_KEY;

/// A parsed command.
pub(super) struct Command<'b> {
    verb: Verb,
    /// What follows the command's name on its line.
    words: Words<'b>,
    action: Action<'b>,
}

/// What is to be done.
enum Action<'b> {
    /// What the line says.
    Line,
    /// Something is to be stored.
    Store(storage::Request<'b>),
    /// The same by `ms`.
    MetaStore(meta::set::Request<'b>),
    /// What was announced is too large.
    TooLarge(storage::TooLarge<'b>),
    /// Nothing but to answer so.
    Reply(&'static [u8]),
    /// Nothing, and the connection ends.
    Close,
    /// Perhaps an extension knows it: this is the whole line.
    Unknown(Words<'b>),
}

/// The first request of `input`, if it is complete.
#[inline]
pub(super) fn parse<'b>(input: &'b [u8], state: &mut State) -> Option<Parsed<Command<'b>>> {
    let Some(end) = memchr::memchr(b'\n', &input[state.scanned..]) else {
        state.scanned = input.len();
        return is_overlong(input).then(|| Command::bare(Action::Close).of_len(input.len()));
    };
    let end = std::mem::take(&mut state.scanned) + end;
    let compat = state.service.config().compat;
    let line = trimmed(&input[..end], compat);
    let rest = &input[end + 1..];
    let mut words = Words::new(line);
    let name = words.next().unwrap_or_default();
    let verb = if is_indented(line, compat) { Verb::Unknown } else { Verb::named(name) };
    if !verb.has_data() {
        let action = match verb {
            Verb::Unknown => unknown(line, compat),
            Verb::Bget if !is_old(compat) => unknown(line, compat),
            Verb::Quit => Action::Close,
            _ => Action::Line,
        };
        return Some(Command { verb, words, action }.of_len(end + 1));
    }
    let found = if verb == Verb::Ms {
        meta::set::parse(words, rest, state)
    } else {
        storage::parse(verb, words, rest, state)
    };
    let (action, data) = found?;
    Some(Command { verb, words, action }.of_len(end + 1 + data))
}

/// Carries a command out and appends its answer.
#[inline]
pub(super) fn execute(command: &Command<'_>, state: &mut State, out: &mut Output) -> Flow {
    match &command.action {
        Action::Line => execute_line(command.verb, command.words, state, out),
        Action::Store(request) => storage::execute(request, state, out),
        Action::MetaStore(request) => meta::set::execute(request, state, out),
        Action::TooLarge(request) => storage::refuse(request, state, out),
        Action::Reply(reply) => out.push(reply),
        Action::Close => return Flow::Close,
        Action::Unknown(line) => execute_unknown(*line, state, out),
    }
    Flow::More
}

#[inline]
fn execute_line(verb: Verb, words: Words<'_>, state: &mut State, out: &mut Output) {
    match verb {
        Verb::Get | Verb::Bget => retrieval::get(words, false, state, out),
        Verb::Gets => retrieval::get(words, true, state, out),
        Verb::Gat => retrieval::get_and_touch(words, false, state, out),
        Verb::Gats => retrieval::get_and_touch(words, true, state, out),
        Verb::Mg => meta::get::execute(words, state, out),
        Verb::Md => meta::delete::execute(words, state, out),
        Verb::Ma => meta::arithmetic::execute(words, state, out),
        Verb::Mn => out.push(b"MN\r\n"),
        Verb::Me => meta::debug::execute(words, state, out),
        Verb::Incr => changes::count(words, false, state, out),
        Verb::Decr => changes::count(words, true, state, out),
        Verb::Touch => changes::touch(words, state, out),
        Verb::Delete => changes::delete(words, state, out),
        Verb::Stats => super::stats::text::execute(words, state, out),
        Verb::LruCrawler => crawler::execute(words, state, out),
        _ => admin::execute(verb, words, state, out),
    }
}

#[cold]
fn execute_unknown(line: Words<'_>, state: &State, out: &mut Output) {
    let words: Vec<&[u8]> = line.collect();
    let known = state.service.extension().is_some_and(|extension| extension.command(&words, out));
    if !known {
        out.push(ERROR);
    }
}

/// A line that begins with no command.
#[cold]
fn unknown(line: &[u8], compat: Compat) -> Action<'_> {
    if Words::new(line).last_word().starts_with(b"HTTP/") {
        Action::Close
    } else if line.len() < 2 && !is_old(compat) {
        Action::Reply(BAD_LINE)
    } else {
        Action::Unknown(Words::new(line))
    }
}

/// A line without its end. 1.6.18 sees none of it after a NUL.
#[inline]
fn trimmed(line: &[u8], compat: Compat) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !is_old(compat) {
        return line;
    }
    memchr::memchr(0, line).map_or(line, |end| &line[..end])
}

/// 1.6.45 knows no command with blanks before it.
#[inline]
fn is_indented(line: &[u8], compat: Compat) -> bool {
    line.first() == Some(&b' ') && !is_old(compat)
}

/// Whether this has become too long for a line.
#[cold]
fn is_overlong(input: &[u8]) -> bool {
    let begin = input.iter().take(100).take_while(|&&byte| byte == b' ').count();
    let line = &input[begin..];
    let names_keys = line.starts_with(b"get ") || line.starts_with(b"gets ");
    input.len() > if names_keys { KEYS_LIMIT } else { LINE_LIMIT }
}

impl<'b> Command<'b> {
    /// What is no command.
    fn bare(action: Action<'b>) -> Self {
        Self { verb: Verb::Unknown, words: Words::new(&[]), action }
    }

    #[inline]
    fn of_len(self, len: usize) -> Parsed<Self> {
        Parsed { command: self, len: len as u64 }
    }
}
