//! The opcodes: their names, what they ask for, and the shape of their requests.

use crate::bytes::Mode;

/// What an opcode stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) name: &'static str,
    pub(super) action: Action,
    /// A read answers only if there is an item, anything else only if it goes wrong.
    pub(super) is_quiet: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Get {
        with_key: bool,
    },
    GetAndTouch {
        with_key: bool,
    },
    Touch,
    Put(Mode),
    Delete,
    Count {
        down: bool,
    },
    Flush,
    Noop,
    Version,
    Stat,
    Quit,
    GetLocked,
    Unlock,
    Hello,
    /// Nobody has to say who he is, so this and the next are unknown, but have a shape.
    ListMechanisms,
    Authenticate,
    Unknown,
}

/// The longest list of features in a hello, in bytes. There are fewer features than this.
const MAX_FEATURES: usize = 1024;

impl Op {
    /// What `opcode` stands for.
    #[inline]
    pub(super) fn of(opcode: u8) -> Self {
        let (name, action, is_quiet) = match opcode {
            0x00 => ("get", Action::Get { with_key: false }, false),
            0x01 => ("set", Action::Put(Mode::Set), false),
            0x02 => ("add", Action::Put(Mode::Add), false),
            0x03 => ("replace", Action::Put(Mode::Replace), false),
            0x04 => ("delete", Action::Delete, false),
            0x05 => ("incr", Action::Count { down: false }, false),
            0x06 => ("decr", Action::Count { down: true }, false),
            0x07 => ("quit", Action::Quit, false),
            0x08 => ("flush", Action::Flush, false),
            0x09 => ("getq", Action::Get { with_key: false }, true),
            0x0a => ("noop", Action::Noop, false),
            0x0b => ("version", Action::Version, false),
            0x0c => ("getk", Action::Get { with_key: true }, false),
            0x0d => ("getkq", Action::Get { with_key: true }, true),
            0x0e => ("append", Action::Put(Mode::Append), false),
            0x0f => ("prepend", Action::Put(Mode::Prepend), false),
            0x10 => ("stat", Action::Stat, false),
            0x11 => ("setq", Action::Put(Mode::Set), true),
            0x12 => ("addq", Action::Put(Mode::Add), true),
            0x13 => ("replaceq", Action::Put(Mode::Replace), true),
            0x14 => ("deleteq", Action::Delete, true),
            0x15 => ("incrq", Action::Count { down: false }, true),
            0x16 => ("decrq", Action::Count { down: true }, true),
            0x17 => ("quitq", Action::Quit, true),
            0x18 => ("flushq", Action::Flush, true),
            0x19 => ("appendq", Action::Put(Mode::Append), true),
            0x1a => ("prependq", Action::Put(Mode::Prepend), true),
            0x1c => ("touch", Action::Touch, false),
            0x1d => ("gat", Action::GetAndTouch { with_key: false }, false),
            0x1e => ("gatq", Action::GetAndTouch { with_key: false }, true),
            0x1f => ("hello", Action::Hello, false),
            0x20 => ("sasl_list_mechs", Action::ListMechanisms, false),
            0x21 => ("sasl_auth", Action::Authenticate, false),
            0x22 => ("sasl_step", Action::Authenticate, false),
            0x23 => ("gatk", Action::GetAndTouch { with_key: true }, false),
            0x24 => ("gatkq", Action::GetAndTouch { with_key: true }, true),
            0x94 => ("get_locked", Action::GetLocked, false),
            0x95 => ("unlock", Action::Unlock, false),
            _ => ("?", Action::Unknown, false),
        };
        Self { name, action, is_quiet }
    }
}

impl Action {
    /// Whether a request may have so many bytes of extras, key and value.
    #[inline]
    pub(super) fn takes(self, extras: usize, key: usize, value: usize) -> bool {
        match self {
            Self::Put(Mode::Append | Mode::Prepend) => extras == 0 && key > 0,
            Self::Put(_) => extras == 8 && key > 0,
            Self::Hello => extras == 0 && value % 2 == 0 && value <= MAX_FEATURES,
            Self::Authenticate => extras == 0 && key > 0,
            Self::Unknown => true,
            _ if value > 0 => false,
            Self::Get { .. } | Self::Delete | Self::Unlock => extras == 0 && key > 0,
            Self::GetAndTouch { .. } | Self::Touch => extras == 4 && key > 0,
            Self::Count { .. } => extras == 20 && key > 0,
            Self::GetLocked => matches!(extras, 0 | 4) && key > 0,
            Self::Flush => matches!(extras, 0 | 4) && key == 0,
            Self::Stat => extras == 0,
            Self::Noop | Self::Version | Self::Quit | Self::ListMechanisms => {
                extras == 0 && key == 0
            }
        }
    }

    /// Whether what stands in the place of a key is one.
    pub(super) fn has_key(self) -> bool {
        !matches!(
            self,
            Self::Flush
                | Self::Noop
                | Self::Version
                | Self::Stat
                | Self::Quit
                | Self::Hello
                | Self::ListMechanisms
                | Self::Authenticate
                | Self::Unknown
        )
    }

    /// Whether the answer is the same whatever the request says.
    #[inline]
    pub(super) fn is_unknown(self) -> bool {
        matches!(self, Self::ListMechanisms | Self::Authenticate | Self::Unknown)
    }

    /// Where in the extras the expiry time stands.
    pub(super) fn exptime_at(self) -> Option<usize> {
        match self {
            Self::Put(Mode::Set | Mode::Add | Mode::Replace) => Some(4),
            Self::GetAndTouch { .. } | Self::Touch => Some(0),
            Self::Count { .. } => Some(16),
            _ => None,
        }
    }
}
