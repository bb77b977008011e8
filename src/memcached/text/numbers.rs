//! Numbers on a line.
//!
//! memcached reads them with C's functions up to 1.6.39: white space and a sign may come before,
//! white space and anything else after. Since 1.6.40 most are plain digits.

use crate::memcached::Compat;

/// The largest number of bytes that a command may announce.
const MAX_BYTES: u64 = 2_147_483_645;

/// A number below 2^64.
#[inline]
pub(super) fn unsigned(word: &[u8], compat: Compat) -> Option<u64> {
    digits(word).or_else(|| if is_loose(compat) { loosely_unsigned(word) } else { None })
}

/// An expiry time: read wide, kept in 32 bits.
#[inline]
pub(super) fn exptime(word: &[u8], compat: Compat) -> Option<i64> {
    if is_loose(compat) {
        return loose_exptime(word);
    }
    let (is_negative, number) = match word.strip_prefix(b"-") {
        Some(number) => (true, digits(number)?),
        None => (false, digits(word)?),
    };
    narrowed(is_negative, number)
}

/// An expiry time where every version is generous.
#[inline]
pub(super) fn loose_exptime(word: &[u8]) -> Option<i64> {
    if let Some(number) = digits(word) {
        return narrowed(false, number);
    }
    let (is_negative, number) = loose(word)?;
    narrowed(is_negative, number)
}

/// Client flags: read wide, kept in 32 bits. Every version is generous.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "as memcached does")]
pub(super) fn client_flags(word: &[u8]) -> Option<u32> {
    digits(word).or_else(|| loosely_unsigned(word)).map(|flags| flags as u32)
}

/// The number of bytes that follow a line. 1.6.18 reads it like an expiry time.
#[inline]
pub(super) fn bytes(word: &[u8], compat: Compat) -> Option<usize> {
    let number =
        if is_loose(compat) { u64::try_from(loose_exptime(word)?).ok()? } else { digits(word)? };
    usize::try_from(number).ok().filter(|_| number <= MAX_BYTES)
}

fn is_loose(compat: Compat) -> bool {
    compat < Compat::V1_6_45
}

/// A number of digits alone.
#[inline]
fn digits(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 19 {
        return long_digits(word);
    }
    let mut number = 0;
    for &byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

#[cold]
fn long_digits(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Sign and size of a number as C reads it.
#[cold]
fn loose(word: &[u8]) -> Option<(bool, u64)> {
    let begin = word.iter().position(|&byte| !is_space(byte))?;
    let word = &word[begin..];
    let (is_negative, word) = match word[0] {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word),
    };
    let end = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len());
    if word.get(end).is_some_and(|&byte| !is_space(byte)) {
        return None;
    }
    Some((is_negative, long_digits(&word[..end])?))
}

/// A negative number is none, unless it comes out small modulo 2^64.
fn loosely_unsigned(word: &[u8]) -> Option<u64> {
    match loose(word)? {
        (false, number) => Some(number),
        (true, number) => Some(number.wrapping_neg()).filter(|number| number >> 63 == 0),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "as memcached does")]
fn narrowed(is_negative: bool, number: u64) -> Option<i64> {
    let number = i64::try_from(number).ok()?;
    Some(i64::from(if is_negative { -number } else { number } as i32))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Compat = Compat::V1_6_18;
    const NEW: Compat = Compat::V1_6_45;

    #[test]
    fn plain_digits_are_read_by_all() {
        for compat in [OLD, NEW] {
            assert_eq!(unsigned(b"18446744073709551615", compat), Some(u64::MAX));
            assert_eq!(unsigned(b"00000000000000000000012", compat), Some(12));
            assert_eq!(exptime(b"-1", compat), Some(-1));
            assert_eq!(exptime(b"2147483648", compat), Some(-2_147_483_648));
            assert_eq!(bytes(b"2147483645", compat), Some(2_147_483_645));
            for bad in ["", "x", "1x", "-1", "18446744073709551616", "1.5"] {
                assert_eq!(unsigned(bad.as_bytes(), compat), None, "{bad}");
            }
            assert_eq!(exptime(b"9223372036854775808", compat), None);
            assert_eq!(bytes(b"2147483646", compat), None);
            assert_eq!(client_flags(b"4294967297"), Some(1));
            assert_eq!(loose_exptime(b"+5"), Some(5));
        }
    }

    #[test]
    fn the_older_version_reads_as_c_does() {
        let loose = [("+1", 1), ("\t1", 1), ("1\tx", 1), ("-18446744073709551615", 1)];
        for (word, number) in loose {
            assert_eq!(unsigned(word.as_bytes(), OLD), Some(number), "{word}");
            assert_eq!(unsigned(word.as_bytes(), NEW), None, "{word}");
        }
        assert_eq!((exptime(b"+5", OLD), exptime(b"+5", NEW)), (Some(5), None));
        assert_eq!(unsigned(b"+", OLD), None);
    }
}
