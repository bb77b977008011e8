//! The 24 bytes that every packet begins with, all numbers in network order.
//!
//! ```text
//!  0 magic  1 opcode  2 key length (2)  4 extras length  5 data type  6 vbucket or status (2)
//!  8 body length (4)  12 opaque (4)  16 cas (8)
//! ```

/// How long a header is.
pub(super) const LEN: usize = 24;

/// What a request begins with.
pub(super) const REQUEST: u8 = 0x80;

/// What an answer begins with.
const ANSWER: u8 = 0x81;

/// A request's header, without what nobody looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    pub(super) opcode: u8,
    pub(super) key_len: usize,
    pub(super) extras_len: usize,
    /// Extras, key and value together.
    pub(super) body_len: u32,
    /// Comes back with the answer as it is.
    pub(super) opaque: [u8; 4],
    pub(super) cas: u64,
}

impl Header {
    /// The header at the front of `input`, if it is there as a whole.
    #[inline]
    pub(super) fn read(input: &[u8]) -> Option<Self> {
        let bytes = input.first_chunk::<LEN>()?;
        Some(Self {
            opcode: bytes[1],
            key_len: usize::from(u16::from_be_bytes([bytes[2], bytes[3]])),
            extras_len: usize::from(bytes[4]),
            body_len: number(bytes, 8),
            opaque: [bytes[12], bytes[13], bytes[14], bytes[15]],
            cas: long_number(bytes, 16),
        })
    }

    /// The value's length; `None` if extras and key are longer than the body.
    #[inline]
    pub(super) fn value_len(&self) -> Option<usize> {
        (self.body_len as usize).checked_sub(self.extras_len + self.key_len)
    }

    /// The header of an answer to this request.
    #[inline]
    pub(super) fn answer(&self, status: u16, lengths: Lengths, cas: u64) -> [u8; LEN] {
        let Lengths { extras, key, value } = lengths;
        let body = u32::try_from(usize::from(extras) + usize::from(key) + value);
        let body = body.expect("an item is smaller than 4 GiB");
        let mut bytes = [0; LEN];
        (bytes[0], bytes[1], bytes[4]) = (ANSWER, self.opcode, extras);
        bytes[2..4].copy_from_slice(&key.to_be_bytes());
        bytes[6..8].copy_from_slice(&status.to_be_bytes());
        bytes[8..12].copy_from_slice(&body.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.opaque);
        bytes[16..24].copy_from_slice(&cas.to_be_bytes());
        bytes
    }
}

/// The parts of an answer's body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths {
    pub(super) extras: u8,
    pub(super) key: u16,
    pub(super) value: usize,
}

/// The number in the four bytes at `at`.
#[inline]
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The number in the eight bytes at `at`.
#[inline]
pub(super) fn long_number(bytes: &[u8], at: usize) -> u64 {
    u64::from(number(bytes, at)) << 32 | u64::from(number(bytes, at + 4))
}
