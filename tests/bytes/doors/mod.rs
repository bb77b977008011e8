//! The ways into a store: by call, or by a protocol.
//!
//! What a protocol has no words for goes in by call.

mod binary;
mod call;
mod meta;
mod text;

pub(crate) use call::call;

use caskade::bytes::Store;
use caskade::memcached::{Compat, Config, Connection, Flow, Output, Service};

use crate::model::{Answer, Mode, Op, Put, fits};

/// Carries out operations and says what came of them.
pub(crate) trait Door {
    /// What came of `op`, or nothing if the way has no words for it.
    fn enter(&mut self, key: &[u8], op: &Op) -> Option<Answer>;

    /// What can be told of `answer` on this way.
    fn blur(&self, op: &Op, answer: Answer) -> Answer;

    /// Whether a value that is too large ends the item that it was to replace.
    fn drops(&self, put: &Put) -> bool {
        put.mode == Mode::Set && put.cas.is_none()
    }
}

/// The names of all doors.
pub(crate) const DOORS: [&str; 4] = ["call", "text", "meta", "binary"];

/// The door of that name into `store`.
pub(crate) fn open(name: &str, store: &Store) -> Box<dyn Door> {
    match name {
        "text" => Box::new(text::Text(Line::to(store))),
        "meta" => Box::new(meta::Meta(Line::to(store))),
        "binary" => Box::new(binary::Binary(Line::to(store))),
        _ => Box::new(call::Call(store.clone())),
    }
}

/// Whether it was the sum of two values that was too large, not the new one alone.
fn joins_too_much(put: &Put) -> bool {
    let joins = matches!(put.mode, Mode::Append | Mode::Prepend);
    joins && fits(put.value.len(), put.flags)
}

/// A connection that answers at once.
struct Line(Connection);

impl Line {
    fn to(store: &Store) -> Self {
        let mut config = Config::default();
        config.compat = Compat::V1_6_45;
        Self(Connection::new(&Service::with(store.clone(), config)))
    }

    /// The answer to `request`, which keeps the connection open.
    fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let mut out = Output::new();
        assert_eq!(self.0.feed(request, &mut out), Flow::More);
        out.to_vec()
    }
}
