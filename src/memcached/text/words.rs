//! The words of a line.

/// What is left of a line, as words: only the blank separates them, and runs of it count as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'b> {
    rest: &'b [u8],
}

impl<'b> Words<'b> {
    pub(super) fn new(line: &'b [u8]) -> Self {
        Self { rest: line }
    }

    /// The first words, as many as there are room for; absent ones are empty. Also how many there are.
    #[inline]
    pub(super) fn first<const N: usize>(&mut self) -> ([&'b [u8]; N], usize) {
        let mut words = [&b""[..]; N];
        for (count, place) in words.iter_mut().enumerate() {
            match self.next() {
                Some(word) => *place = word,
                None => return (words, count),
            }
        }
        (words, N)
    }

    /// The next word, which stays.
    pub(super) fn peek(mut self) -> Option<&'b [u8]> {
        self.next()
    }

    /// How many bytes are left.
    pub(super) fn len(self) -> usize {
        self.rest.len()
    }

    /// What is left after so many bytes.
    pub(super) fn after(self, bytes: usize) -> Self {
        Self { rest: &self.rest[bytes..] }
    }

    /// Takes the first `count` words off.
    pub(super) fn split_off(&mut self, count: usize) -> Self {
        let all = self.rest;
        self.take(count).for_each(drop);
        Self { rest: &all[..all.len() - self.rest.len()] }
    }

    /// The last word, or nothing.
    pub(super) fn last_word(self) -> &'b [u8] {
        let end = self.rest.iter().rposition(|&byte| byte != b' ').map_or(0, |at| at + 1);
        let begin = self.rest[..end].iter().rposition(|&byte| byte == b' ').map_or(0, |at| at + 1);
        &self.rest[begin..end]
    }

    /// Whether the client wants no answer.
    pub(super) fn ends_in_noreply(self) -> bool {
        self.rest.len() >= NOREPLY.len() && self.last_word() == NOREPLY
    }

    /// Whether there are more than `limit` words.
    pub(super) fn exceeds(self, limit: usize) -> bool {
        // So many words take at least so many bytes.
        self.rest.len() > 2 * limit && self.count() > limit
    }
}

pub(super) const NOREPLY: &[u8] = b"noreply";

impl<'b> Iterator for Words<'b> {
    type Item = &'b [u8];

    #[inline]
    fn next(&mut self) -> Option<&'b [u8]> {
        let begin = self.rest.iter().position(|&byte| byte != b' ')?;
        let text = &self.rest[begin..];
        let end = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
        self.rest = &text[end..];
        Some(&text[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_separate_and_nothing_else() {
        let words: Vec<_> = Words::new(b"  a\tb   c ").collect();
        assert_eq!(words, [&b"a\tb"[..], b"c"]);
        assert_eq!(Words::new(b"  a bc  ").last_word(), b"bc");
        assert_eq!(Words::new(b"   ").last_word(), b"");
        assert_eq!(Words::new(b"a b").first::<3>(), ([&b"a"[..], b"b", b""], 2));
        assert_eq!(Words::new(b"a b c d").first::<3>(), ([&b"a"[..], b"b", b"c"], 3));
    }

    #[test]
    fn words_are_split_off() {
        let mut words = Words::new(b" a b  c");
        let all = words;
        assert_eq!(words.split_off(2).collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(all.after(all.len() - words.len()).collect::<Vec<_>>(), [b"c"]);
        assert_eq!(words.split_off(2).collect::<Vec<_>>(), [b"c"]);
        assert_eq!(words.split_off(2).len(), 0);
    }

    #[test]
    fn words_are_counted_only_as_far_as_they_matter() {
        assert!(!Words::new(b"a b c").exceeds(3));
        assert!(Words::new(b"a b c d").exceeds(3));
        assert!(!Words::new(b"aaaaaaaaaaaaaaaaaaaaa").exceeds(3));
    }
}
