//! The flags of a meta command.

use super::{BAD_LINE, Words, is_old, key, numbers};
use crate::memcached::Compat;

const BAD_TOKEN: &[u8] = b"CLIENT_ERROR bad token in command line format\r\n";
const DUPLICATE: &[u8] = b"CLIENT_ERROR duplicate flag\r\n";
const INVALID: &[u8] = b"CLIENT_ERROR invalid flag\r\n";
const BAD_KEY: &[u8] = b"CLIENT_ERROR error decoding key\r\n";
const LONG_OPAQUE: &[u8] = b"CLIENT_ERROR opaque token too long\r\n";
const BAD_INITIAL: &[u8] = b"CLIENT_ERROR invalid numeric initial value\r\n";
const BAD_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta value\r\n";
const BAD_MODE_LENGTH: &[u8] = b"CLIENT_ERROR incorrect length for M token\r\n";

/// The longest opaque, with its letter.
const OPAQUE_LIMIT: usize = 32;

/// The flags, as far as a command has to know them before it begins.
pub(in crate::memcached::text) struct Flags<'b> {
    words: Words<'b>,
    /// A bit for each letter.
    seen: u128,
    pub(super) client_flags: u32,
    /// T
    pub(super) exptime: Option<i64>,
    /// N
    pub(super) vivify: Option<i64>,
    /// R
    pub(super) recache: Option<i64>,
    /// C
    pub(super) cas: Option<u64>,
    /// E
    pub(super) stamp: Option<u64>,
    /// M
    pub(super) mode: Option<u8>,
    /// J
    pub(super) initial: u64,
    /// D
    pub(super) delta: u64,
    /// b: the key that the one on the line stands for
    pub(super) decoded_key: Option<Vec<u8>>,
}

/// What is wrong with a line.
pub(super) struct Complaint {
    pub(super) reply: &'static [u8],
    pub(super) cause: Cause,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The line as such.
    Line,
    /// A flag that is none.
    NoFlag,
    /// A flag or its token.
    Flag,
    /// The opaque.
    Opaque,
}

impl Complaint {
    pub(super) fn of_line(reply: &'static [u8]) -> Self {
        Self { reply, cause: Cause::Line }
    }

    pub(super) fn of_flag(reply: &'static [u8]) -> Self {
        Self { reply, cause: Cause::Flag }
    }

    /// The answer of commands that do not say what is wrong with a flag.
    pub(super) fn vaguely(&self) -> &'static [u8] {
        match self.cause {
            Cause::Line | Cause::Opaque => self.reply,
            Cause::Flag | Cause::NoFlag => b"CLIENT_ERROR invalid or duplicate flag\r\n",
        }
    }
}

impl<'b> Flags<'b> {
    /// Reads the flags of `words`, which follow `key`. A flag that is none or comes twice ends it at once; of wrong
    /// tokens the last one is named.
    #[inline]
    pub(super) fn parse(key: &[u8], words: Words<'b>, compat: Compat) -> Result<Self, Complaint> {
        let mut flags = Self::none(words);
        let mut wrong = None;
        for word in words {
            flags.admit(word[0], compat)?;
            if let Err(reply) = flags.read(word, key, compat) {
                // Of client flags it is said only if nothing else is wrong.
                wrong = wrong.filter(|_| reply == BAD_LINE).or(Some(reply));
            }
        }
        if let Some(reply) = wrong {
            return Err(Complaint::of_flag(reply));
        }
        if flags.has(b'O')
            && words.into_iter().any(|word| word[0] == b'O' && word.len() > OPAQUE_LIMIT)
        {
            return Err(Complaint { reply: LONG_OPAQUE, cause: Cause::Opaque });
        }
        Ok(flags)
    }

    fn none(words: Words<'b>) -> Self {
        Self {
            words,
            seen: 0,
            client_flags: 0,
            exptime: None,
            vivify: None,
            recache: None,
            cas: None,
            stamp: None,
            mode: None,
            initial: 0,
            delta: 1,
            decoded_key: None,
        }
    }

    /// Whether the flag `letter` is there.
    #[inline]
    pub(super) fn has(&self, letter: u8) -> bool {
        self.seen & (1 << letter) != 0
    }

    /// Any of them.
    #[inline]
    pub(super) fn has_any(&self, letters: &[u8]) -> bool {
        letters.iter().any(|&letter| self.has(letter))
    }

    /// With which expiry time a read or a counter makes an item: of N and T the later one counts.
    #[inline]
    pub(super) fn vivify_exptime(&self) -> Option<i64> {
        let vivify = self.vivify?;
        let Some(touch) = self.exptime else { return Some(vivify) };
        let last = self.words.filter(|word| matches!(word[0], b'N' | b'T')).last();
        Some(if last.is_some_and(|word| word[0] == b'T') { touch } else { vivify })
    }

    /// Whether R looks at the expiry time that T has given.
    #[inline]
    pub(super) fn touches_before_recache(&self) -> bool {
        let mut order = self.words.map(|word| word[0]).filter(|letter| b"RT".contains(letter));
        self.recache.is_some() && order.next() == Some(b'T')
    }

    /// The flags in the order in which they came.
    #[inline]
    pub(super) fn words(&self) -> Words<'b> {
        self.words
    }

    /// Notes that the flag is there, if it is one and was not there before.
    #[inline]
    fn admit(&mut self, letter: u8, compat: Compat) -> Result<(), Complaint> {
        if !is_old(compat) && !letter.is_ascii_alphanumeric() {
            return Err(Complaint { reply: BAD_LINE, cause: Cause::NoFlag });
        }
        if letter >= 127 || self.has(letter) {
            return Err(Complaint::of_flag(DUPLICATE));
        }
        let known = if is_old(compat) {
            b"vkstcfqObTNRlhuFCMJDIPL".contains(&letter)
        } else {
            b"vkstcfqObTNRlhuFCMJDIPLEx".contains(&letter)
        };
        if !known {
            return Err(Complaint::of_flag(INVALID));
        }
        self.seen |= 1 << letter;
        Ok(())
    }

    /// Reads the token, if the flag has one that matters.
    #[inline]
    fn read(&mut self, word: &[u8], key: &[u8], compat: Compat) -> Result<(), &'static [u8]> {
        let token = &word[1..];
        let number = |wrong| numbers::unsigned(token, compat).ok_or(wrong);
        let time = || numbers::exptime(token, compat).ok_or(BAD_TOKEN);
        match word[0] {
            b'T' => self.exptime = Some(time()?),
            b'N' => self.vivify = Some(time()?),
            b'R' => self.recache = Some(time()?),
            b'C' => self.cas = Some(number(BAD_TOKEN)?),
            b'E' => self.stamp = Some(number(BAD_TOKEN)?),
            b'J' => self.initial = number(BAD_INITIAL)?,
            b'D' => self.delta = number(BAD_DELTA)?,
            b'F' => self.client_flags = client_flags(token, compat).ok_or(BAD_LINE)?,
            b'b' => self.decoded_key = Some(key::decoded(key).ok_or(BAD_KEY)?),
            b'M' if is_old(compat) && token.len() != 1 => return Err(BAD_MODE_LENGTH),
            b'M' => self.mode = Some(token.first().copied().unwrap_or(b' ')),
            _ => {}
        }
        Ok(())
    }
}

fn client_flags(token: &[u8], compat: Compat) -> Option<u32> {
    let is_plain = token.first().is_some_and(u8::is_ascii_digit);
    if is_old(compat) || is_plain { numbers::client_flags(token) } else { None }
}
