//! Replies in a form in which they can be compared: stamps by the order of their appearance, and
//! without what two servers cannot have in common.

use super::stamps::Stamps;

/// Seconds above which a time to live comes from a moment in the calendar. Two servers that were
/// started at different fractions of a second are one off there.
const FAR: i64 = 60 * 60 * 24 * 30;

/// Replies of the text protocol.
pub(super) fn text(mut bytes: &[u8], stamps: &mut Stamps) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let end = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
        let (line, rest) = bytes.split_at(end);
        let len = text_line(line, stamps, &mut out).min(rest.len());
        out.extend_from_slice(&rest[..len]);
        bytes = &rest[len..];
    }
    out
}

/// Copies a line; returns how many bytes of data follow it.
fn text_line(line: &[u8], stamps: &mut Stamps, out: &mut Vec<u8>) -> usize {
    let Some(body) = line.strip_suffix(b"\r\n") else {
        out.extend_from_slice(line);
        return 0;
    };
    let words: Vec<&[u8]> = body.split(|&byte| byte == b' ').collect();
    let (len, is_meta) = match words[..] {
        [b"VALUE", _, _, len] => (number(len), false),
        [b"VALUE", _, _, len, _] => (number(len), false),
        [b"VA", len, ..] => (number(len), true),
        [b"HD" | b"EN" | b"NF" | b"NS" | b"EX", ..] => (None, true),
        [b"ME", ..] => (None, false),
        _ => {
            out.extend_from_slice(line);
            return 0;
        }
    };
    for (place, word) in words.iter().enumerate() {
        if place > 0 {
            out.push(b' ');
        }
        let word: Vec<u8> = match (words[0], place) {
            (b"VALUE", 4) => stamp(word, stamps),
            (b"ME", 2..) => field(word, stamps),
            _ if is_meta && place > 0 => flag(word, stamps),
            _ => word.to_vec(),
        };
        out.extend_from_slice(&word);
    }
    out.extend_from_slice(b"\r\n");
    len.map_or(0, |len| len as usize + 2)
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn stamp(word: &[u8], stamps: &mut Stamps) -> Vec<u8> {
    number(word).map_or_else(|| word.to_vec(), |number| stamps.name(number).into_bytes())
}

/// A flag of a meta command's answer.
fn flag(word: &[u8], stamps: &mut Stamps) -> Vec<u8> {
    match word.split_first() {
        Some((b'c', digits)) => [b"c", &stamp(digits, stamps)[..]].concat(),
        Some((b't', digits)) => [b"t", &seconds(digits)[..]].concat(),
        _ => word.to_vec(),
    }
}

fn seconds(word: &[u8]) -> Vec<u8> {
    let parsed: Option<i64> = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
    if parsed.is_some_and(|seconds| seconds.abs() > FAR) { b"far".to_vec() } else { word.to_vec() }
}

/// A field of `me`'s answer. Which class of a slab an item lies in is memcached's own affair.
fn field(word: &[u8], stamps: &mut Stamps) -> Vec<u8> {
    if let Some(digits) = word.strip_prefix(b"cas=") {
        return [b"cas=", &stamp(digits, stamps)[..]].concat();
    }
    if let Some(digits) = word.strip_prefix(b"exp=") {
        return [b"exp=", &seconds(digits)[..]].concat();
    }
    if word.starts_with(b"cls=") { b"cls".to_vec() } else { word.to_vec() }
}

/// Packets of the binary protocol, one in a line.
pub(super) fn binary(mut bytes: &[u8], stamps: &mut Stamps) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(24) {
        let len = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let mut word = [0; 8];
        word.copy_from_slice(&header[16..24]);
        let cas = stamps.name(u64::from_be_bytes(word));
        let body = &rest[..len.min(rest.len())];
        let line = format!(
            "magic {:02x} opcode {:02x} key {} extras {} type {} status {:02x} body {len} opaque {} cas {cas}: {}\n",
            header[0],
            header[1],
            u16::from_be_bytes([header[2], header[3]]),
            header[4],
            header[5],
            u16::from_be_bytes([header[6], header[7]]),
            header[12..16].escape_ascii(),
            body.escape_ascii(),
        );
        out.extend_from_slice(line.as_bytes());
        bytes = &rest[body.len()..];
    }
    if !bytes.is_empty() {
        out.extend_from_slice(format!("part of a header: {}\n", bytes.escape_ascii()).as_bytes());
    }
    out
}
