//! Counters in decimal, as memcached reads and writes them.

use bytes::Bytes;

/// The number that `text` begins with.
///
/// Blanks before it and a sign are allowed, and whatever follows a blank or a NUL behind it. A
/// negative number is none, unless it lies so far below zero that it comes out positive modulo 2^64.
pub(super) fn parse(text: &[u8]) -> Option<u64> {
    let begin = text.iter().position(|&byte| !is_space(byte))?;
    let (is_negative, sign) = match text.get(begin) {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let digits = &text[begin + sign..];
    let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 {
        return None;
    }
    let mut number = 0u64;
    for digit in &digits[..len] {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    let is_ended = digits.get(len).is_none_or(|&byte| is_space(byte) || byte == 0);
    if is_negative {
        number = number.wrapping_neg();
        if number >> 63 == 1 {
            return None;
        }
    }
    is_ended.then_some(number)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// `number` in decimal, filled up with blanks to `width`.
pub(super) fn format(number: u64, width: usize) -> Bytes {
    let mut text = number.to_string().into_bytes();
    // Not by a format: its width has to fit into 16 bits.
    text.resize(text.len().max(width), b' ');
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_generously() {
        let good: [(&str, u64); 9] = [
            ("0", 0),
            ("00012", 12),
            (" 12", 12),
            ("12 ", 12),
            ("12 and more", 12),
            ("12\0x", 12),
            ("+5", 5),
            ("18446744073709551615", u64::MAX),
            ("-0", 0),
        ];
        for (text, number) in good {
            assert_eq!(parse(text.as_bytes()), Some(number), "{text:?}");
        }
        for text in ["", "-1", "1.5", "12abc", "18446744073709551616", "x", "+", "\0", " x", " "] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_keep_their_width() {
        assert_eq!(format(99, 3), "99 ");
        assert_eq!(format(100, 2), "100");
        let wide = format(7, 1 << 20);
        assert_eq!((wide.len(), parse(&wide)), (1 << 20, Some(7)));
    }
}
