//! What stands between a request and its execution.

use super::{Flow, Output};

/// The protocol a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Protocol {
    /// The classic text commands.
    Text,
    /// The text commands of two letters with flags.
    Meta,
    /// The binary protocol.
    Binary,
}

/// A complete request, as an [`Intercept`] sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// The command's name in lower case: its text name, or for a binary opcode the name that
    /// protocol has for it, such as `getkq`. Of what is no command it is `?`.
    pub name: &'a str,
    /// The keys it names, in order.
    pub keys: Vec<&'a [u8]>,
    /// The stamp it depends on, if it does.
    pub cas: Option<u64>,
    /// The expiry time it sets, if it sets one.
    pub exptime: Option<i64>,
    /// Whether the client wants no answer, or not to everything.
    pub is_quiet: bool,
    /// Everything that came, headers and values, as far as it was kept.
    pub raw: &'a [u8],
    /// How many more bytes belong to it, which are thrown away as they come.
    pub unread: u64,
}

/// Stands between requests and their execution: sees each, may answer in its place, and may change
/// the answer.
///
/// `()` lets everything through, at no cost.
pub trait Intercept {
    /// Whether [`request`](Self::request) wants to be called at all.
    const IS_ACTIVE: bool = true;

    /// A request has come in. `execute` carries it out and appends the answer. On [`Flow::Write`]
    /// the requests behind it wait until the output is written, events included.
    fn request(
        &mut self,
        request: &Request<'_>,
        execute: &mut dyn FnMut(&mut Output) -> Flow,
        out: &mut Output,
    ) -> Flow;
}

impl Intercept for () {
    const IS_ACTIVE: bool = false;

    fn request(
        &mut self,
        _: &Request<'_>,
        execute: &mut dyn FnMut(&mut Output) -> Flow,
        out: &mut Output,
    ) -> Flow {
        execute(out)
    }
}
