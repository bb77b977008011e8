//! The key of a meta command, which may come in base64.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::flags::Flags;
use crate::memcached::Output;

/// Padding is needed; what its last letter carries beyond the last byte does not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A key as the store knows it.
pub(in crate::memcached::text) struct Key<'b> {
    pub(super) bytes: Cow<'b, [u8]>,
    /// It came in base64, and is shown so.
    pub(super) is_binary: bool,
}

impl<'b> Key<'b> {
    /// The key that `word` names, with these flags.
    #[inline]
    pub(super) fn new(word: &'b [u8], flags: &mut Flags<'_>) -> Self {
        match flags.decoded_key.take() {
            None => Self { bytes: Cow::Borrowed(word), is_binary: false },
            Some(bytes) => Self { bytes: Cow::Owned(bytes), is_binary: true },
        }
    }

    /// Appends the flag k.
    pub(super) fn push(&self, out: &mut Output) {
        push_flag(&self.bytes, self.is_binary, out);
    }
}

/// The bytes that `word` stands for. As memcached does, it passes over what is no base64, and ends
/// with the first group of four that has padding, wherever in it that stands.
pub(super) fn decoded(word: &[u8]) -> Option<Vec<u8>> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let mut letters: Vec<u8> = word.iter().copied().filter(is_base64).collect();
    if letters.len() % 4 != 0 {
        return None;
    }
    let mut padding = 0;
    if let Some(group) = letters.chunks_exact(4).position(|group| group.contains(&b'=')) {
        letters.truncate(group * 4 + 4);
        for letter in &mut letters[group * 4..] {
            if *letter == b'=' {
                *letter = b'A';
                padding += 1;
            }
        }
    }
    let mut bytes = BASE64.decode(letters).ok()?;
    bytes.truncate(bytes.len().saturating_sub(padding));
    (padding <= 2 && !bytes.is_empty()).then_some(bytes)
}

/// Appends the flag k for an item with this key.
pub(super) fn push_flag(key: &[u8], is_binary: bool, out: &mut Output) {
    out.push(b" k");
    push_stored(key, is_binary, out);
}

/// Appends a key so that it can be asked for.
pub(in crate::memcached::text) fn push_stored(key: &[u8], is_binary: bool, out: &mut Output) {
    push_encoded(key, is_binary, out);
    if is_binary {
        out.push(b" b");
    }
}

/// Appends a key, in base64 if it came so.
pub(super) fn push_encoded(key: &[u8], is_binary: bool, out: &mut Output) {
    if is_binary {
        out.push(BASE64.encode(key).as_bytes());
    } else {
        out.push(key);
    }
}
