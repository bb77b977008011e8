//! The binary protocol, with Couchbase's get-and-lock, unlock and hello.
//!
//! It answers as memcached does, byte for byte, with these differences:
//!
//! - After an unknown opcode with a body, memcached skips more than it should and takes the middle
//!   of the next request for a header; likewise after a `stat`, `touch` or `gat` with a value, which
//!   it does not expect. Here the former is skipped as its header says, and the latter are framing
//!   errors.
//! - What is answered from its header alone is answered at once. memcached answers a value that is
//!   too large only after it has come.
//! - `hello`, `get_locked` and `unlock`, unknown to memcached, are those of Couchbase. A request of
//!   theirs that breaks the rules of framing ends the connection, as of any other command.
//!
//! Towards an item that is not locked, all commands are memcached's. Where Couchbase refuses a
//! request because of a stamp it names, such as a read, the stamp is not looked at or is honoured,
//! as in memcached.

mod execute;
mod header;
mod locks;
mod opcode;
mod status;

use header::{Header, LEN, REQUEST, number};
use opcode::{Action, Op};

use super::connection::{Parsed, State};
use super::{Flow, Output, Protocol, Request};
use crate::bytes::{MAX_KEY, Mode};

/// A parsed command.
pub(super) struct Command<'b> {
    header: Header,
    op: Op,
    extras: &'b [u8],
    key: &'b [u8],
    value: &'b [u8],
    fault: Option<Fault>,
}

/// Why a request is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It is no request.
    Magic,
    /// Its parts are longer than it is.
    Lengths,
    /// It has not the parts that its command needs.
    Shape,
    /// The value has not been waited for, because it will not be stored.
    TooLarge,
}

/// The first request of `input`, if it is complete.
pub(super) fn parse<'b>(input: &'b [u8], state: &State) -> Option<Parsed<Command<'b>>> {
    if input[0] != REQUEST {
        return Some(Command::faulty(Header::default(), Fault::Magic));
    }
    let header = Header::read(input)?;
    let Some(value_len) = header.value_len() else {
        return Some(Command::faulty(header, Fault::Lengths));
    };
    let op = Op::of(header.opcode);
    let (extras_len, key_len) = (header.extras_len, header.key_len);
    if key_len > MAX_KEY || !op.action.takes(extras_len, key_len, value_len) {
        return Some(Command::faulty(header, Fault::Shape));
    }
    let mut command = Command::new(header, op);
    if op.action.is_unknown() {
        return Some(command.parsed());
    }
    let body = &input[LEN..];
    let (extras, rest) = body.split_at_checked(extras_len)?;
    let (key, rest) = rest.split_at_checked(key_len)?;
    (command.extras, command.key) = (extras, key);
    if !state.service.store().admits(key.len(), value_len, command.flags()) {
        command.fault = Some(Fault::TooLarge);
        return Some(command.parsed());
    }
    command.value = rest.get(..value_len)?;
    Some(command.parsed())
}

/// Carries a command out and appends its answer.
pub(super) fn execute(command: &Command<'_>, state: &mut State, out: &mut Output) -> Flow {
    execute::Call { command, state, out }.run()
}

/// A command as others see it.
pub(super) fn describe<'b>(command: &Command<'b>, raw: &'b [u8]) -> Request<'b> {
    let has_key = command.op.action.has_key() && !command.key.is_empty();
    Request {
        protocol: Protocol::Binary,
        name: command.op.name,
        keys: if has_key { vec![command.key] } else { Vec::new() },
        cas: (command.header.cas != 0).then_some(command.header.cas),
        exptime: command.op.action.exptime_at().and_then(|at| command.extras_number(at)),
        is_quiet: command.op.is_quiet,
        raw,
        unread: 0,
    }
}

impl<'b> Command<'b> {
    fn new(header: Header, op: Op) -> Self {
        Self { header, op, extras: &[], key: &[], value: &[], fault: None }
    }

    fn faulty(header: Header, fault: Fault) -> Parsed<Self> {
        let op = Op::of(header.opcode);
        Self { fault: Some(fault), ..Self::new(header, op) }.parsed()
    }

    /// With the length that its header claims.
    fn parsed(self) -> Parsed<Self> {
        let len = LEN as u64 + u64::from(self.header.body_len);
        Parsed { command: self, len }
    }

    /// What the item to be stored has as flags.
    fn flags(&self) -> u32 {
        match self.op.action {
            Action::Put(Mode::Set | Mode::Add | Mode::Replace) => number(self.extras, 0),
            _ => 0,
        }
    }

    /// The expiry time. It has no sign.
    fn exptime(&self) -> i64 {
        let at = self.op.action.exptime_at();
        at.and_then(|at| self.extras_number(at)).unwrap_or(0)
    }

    /// The number at `at`, if the extras go that far.
    fn extras_number(&self, at: usize) -> Option<i64> {
        (self.extras.len() >= at + 4).then(|| i64::from(number(self.extras, at)))
    }
}
