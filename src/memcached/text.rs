//! The text protocol.

use super::connection::{Parsed, State};
use super::{Flow, Output, Protocol, Request};

/// A parsed command.
pub(super) struct Command<'b> {
    line: &'b [u8],
}

/// The first request of `input`, if it is complete.
pub(super) fn parse<'b>(input: &'b [u8], _: &State) -> Option<Parsed<Command<'b>>> {
    let end = memchr::memchr(b'\n', input)?;
    Some(Parsed { command: Command { line: &input[..end] }, len: end as u64 + 1 })
}

/// Carries a command out and appends its answer.
pub(super) fn execute(command: &Command<'_>, state: &mut State, out: &mut Output) -> Flow {
    if command.line.starts_with(b"quit") {
        return Flow::Close;
    }
    let line = command.line.strip_suffix(b"\r").unwrap_or(command.line);
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').filter(|w| !w.is_empty()).collect();
    if !state.service.extend(&words, out) {
        out.push(b"ERROR\r\n");
    }
    Flow::More
}

/// A command as others see it.
pub(super) fn describe<'b>(_: &Command<'b>, raw: &'b [u8]) -> Request<'b> {
    Request {
        protocol: Protocol::Text,
        name: "?",
        keys: Vec::new(),
        cas: None,
        exptime: None,
        is_quiet: false,
        raw,
    }
}
