//! What an answer says of how it went.

use super::opcode::Action;
use crate::bytes::{Mode, Reason};

/// A status, with the number it has on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Status {
    Success = 0x00,
    NotFound = 0x01,
    Exists = 0x02,
    TooLarge = 0x03,
    Invalid = 0x04,
    NotStored = 0x05,
    NotNumeric = 0x06,
    Locked = 0x09,
    NotLocked = 0x0e,
    Auth = 0x20,
    Unknown = 0x81,
    OutOfMemory = 0x82,
    TemporaryFailure = 0x86,
}

impl Status {
    /// The body of an answer that says no more than this.
    pub(super) fn text(self, action: Action) -> &'static str {
        match self {
            Self::Success => "",
            Self::NotFound => "Not found",
            Self::Exists => "Data exists for key.",
            Self::TooLarge => "Too large.",
            Self::Invalid => "Invalid arguments",
            Self::NotStored => "Not stored.",
            Self::NotNumeric => "Non-numeric server-side value for incr or decr",
            Self::Locked => "Locked",
            Self::NotLocked => "Not locked",
            Self::Auth => "Auth failure.",
            Self::Unknown => "Unknown command",
            Self::OutOfMemory if matches!(action, Action::Count { .. }) => {
                "Out of memory incrementing value"
            }
            Self::OutOfMemory => "Out of memory allocating item",
            Self::TemporaryFailure => "Temporary failure",
        }
    }
}

/// Who asks, as far as a refusal depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) action: Action,
    /// The request names a stamp.
    pub(super) has_cas: bool,
    /// The client knows Couchbase's statuses.
    pub(super) extended: bool,
}

impl Asker {
    /// The status for what the store refuses.
    pub(super) fn status(self, reason: Reason) -> Status {
        let joins = matches!(self.action, Action::Put(Mode::Append | Mode::Prepend));
        match reason {
            Reason::Absent | Reason::TooLarge if joins => Status::NotStored,
            Reason::Absent => Status::NotFound,
            Reason::Exists | Reason::Changed => Status::Exists,
            Reason::TooLarge => Status::TooLarge,
            Reason::Full => Status::OutOfMemory,
            Reason::NotNumeric => Status::NotNumeric,
            Reason::Locked { .. } => self.status_of_locked(),
            Reason::NotLocked if self.extended => Status::NotLocked,
            Reason::NotLocked | Reason::Reentrant => Status::TemporaryFailure,
            Reason::BadKey => Status::Invalid,
        }
    }

    /// The status for a locked item that the request does not open.
    fn status_of_locked(self) -> Status {
        match self.action {
            // There is an item, and that is all an add wants to know.
            Action::Put(Mode::Add) => Status::Exists,
            // Not even for the holder of the lock.
            Action::Count { .. } | Action::Touch | Action::GetAndTouch { .. } if self.has_cas => {
                Status::Invalid
            }
            _ if self.extended => Status::Locked,
            Action::GetLocked | Action::Unlock => Status::TemporaryFailure,
            Action::Delete if self.has_cas => Status::TemporaryFailure,
            _ => Status::Exists,
        }
    }
}
