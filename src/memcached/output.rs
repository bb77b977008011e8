//! [`Output`]: what a connection wants written, with long values by reference.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::{Buf, Bytes};

/// Values up to this long are copied, so that many small answers leave in one write.
const COPIED: usize = 1024;

/// Bytes to be written to a client, in order, and what else is to happen between them.
///
/// Its [`Buf`] side is for whoever writes: it ends at the next [`Event`], which is taken out with
/// [`take_event`](Self::take_event).
///
/// # Examples
///
/// ```
/// use bytes::Buf;
/// use caskade::memcached::{Event, Output};
/// use std::time::Duration;
///
/// let mut out = Output::new();
/// out.push(b"late");
/// out.push_event(Event::Pause(Duration::from_millis(5)));
/// out.push(b"r");
/// assert_eq!((out.len(), out.remaining()), (5, 4)); // a writer sees what is before the event
/// out.advance(4);
/// assert_eq!(out.take_event(), Some(Event::Pause(Duration::from_millis(5))));
/// assert_eq!(out.chunk(), b"r");
/// ```
#[derive(Default)]
pub struct Output {
    pieces: VecDeque<Piece>,
    /// What follows the last piece.
    tail: Vec<u8>,
    /// How much of `tail` is written, if there is no piece.
    written: usize,
    /// The bytes of all pieces.
    in_pieces: usize,
}

enum Piece {
    Bytes(Bytes),
    Event(Event),
}

/// What a fault does to a connection, at its place between the bytes.
///
/// # Examples
///
/// ```
/// use caskade::memcached::{Event, Output};
///
/// let mut out = Output::new();
/// out.push_event(Event::Close);
/// assert_eq!(out.take_event(), Some(Event::Close)); // whoever writes closes the connection
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Nothing is written for this long.
    Pause(Duration),
    /// Nothing is written any more, and the connection stays open.
    Stall,
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
    /// What follows is written byte by byte, with this long between them.
    Dribble(Duration),
}

impl Output {
    /// Nothing to write.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Output;
    ///
    /// assert!(Output::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Output;
    ///
    /// let mut out = Output::new();
    /// out.push(b"STORED\r\n");
    /// assert_eq!(out.to_vec(), b"STORED\r\n");
    /// ```
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// Appends a value; a long one by reference.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::{Buf, Bytes};
    /// use caskade::memcached::Output;
    ///
    /// let value = Bytes::from(vec![b'x'; 100_000]);
    /// let mut out = Output::new();
    /// out.push_value(&value);
    /// assert_eq!(out.chunk().as_ptr(), value.as_ptr()); // not copied
    /// ```
    #[inline]
    pub fn push_value(&mut self, value: &Bytes) {
        if value.len() <= COPIED {
            return self.push(value);
        }
        self.seal();
        self.in_pieces += value.len();
        self.pieces.push_back(Piece::Bytes(value.clone()));
    }

    /// Appends a number in decimal.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Output;
    ///
    /// let mut out = Output::new();
    /// out.push_number(42_u64);
    /// assert_eq!(out.to_vec(), b"42");
    /// ```
    #[inline]
    pub fn push_number(&mut self, number: impl itoa::Integer) {
        self.push(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Appends an event.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Event, Output};
    ///
    /// let mut out = Output::new();
    /// out.push(b"STO");
    /// out.push_event(Event::Stall);
    /// assert_eq!(out.take_event(), None); // the bytes before it come first
    /// ```
    pub fn push_event(&mut self, event: Event) {
        self.seal();
        self.pieces.push_back(Piece::Event(event));
    }

    /// Appends all of `other`, and empties it.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Output;
    ///
    /// let (mut all, mut answer) = (Output::new(), Output::new());
    /// all.push(b"one ");
    /// answer.push(b"two");
    /// all.append(&mut answer);
    /// assert_eq!((&all.to_vec()[..], answer.is_empty()), (&b"one two"[..], true));
    /// ```
    pub fn append(&mut self, other: &mut Self) {
        other.seal();
        if !other.pieces.is_empty() {
            self.seal();
            self.pieces.append(&mut other.pieces);
            self.in_pieces += std::mem::take(&mut other.in_pieces);
        }
    }

    /// How many bytes are to be written, events aside.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Event, Output};
    ///
    /// let mut out = Output::new();
    /// out.push(b"END\r\n");
    /// out.push_event(Event::Close);
    /// assert_eq!(out.len(), 5);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.in_pieces + self.tail.len() - self.written
    }

    /// Whether there is neither a byte nor an event.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Event, Output};
    ///
    /// let mut out = Output::new();
    /// out.push_event(Event::Close);
    /// assert!(!out.is_empty() && out.len() == 0);
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.tail.len() == self.written
    }

    /// A copy of all bytes, events aside.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::{Event, Output};
    ///
    /// let mut out = Output::new();
    /// out.push(b"EN");
    /// out.push_event(Event::Stall);
    /// out.push(b"D");
    /// assert_eq!(out.to_vec(), b"END");
    /// ```
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        for piece in &self.pieces {
            if let Piece::Bytes(bytes) = piece {
                all.extend_from_slice(bytes);
            }
        }
        all.extend_from_slice(&self.tail[self.written..]);
        all
    }

    /// Drops everything.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Output;
    ///
    /// let mut out = Output::new();
    /// out.push(b"END\r\n");
    /// out.clear();
    /// assert!(out.is_empty());
    /// ```
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.tail.clear();
        (self.written, self.in_pieces) = (0, 0);
    }

    /// The event that is next, if no bytes come before it.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Buf;
    /// use caskade::memcached::{Event, Output};
    ///
    /// let mut out = Output::new();
    /// out.push(b"x");
    /// out.push_event(Event::Close);
    /// assert_eq!(out.take_event(), None);
    /// out.advance(1);
    /// assert_eq!(out.take_event(), Some(Event::Close));
    /// ```
    pub fn take_event(&mut self) -> Option<Event> {
        let Some(&Piece::Event(event)) = self.pieces.front() else { return None };
        self.pieces.pop_front();
        Some(event)
    }

    /// Keeps only the first `len` bytes, and the events before those that go.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::Output;
    ///
    /// let mut out = Output::new();
    /// out.push(b"VALUE k 0 5\r\n");
    /// out.truncate(5);
    /// assert_eq!(out.to_vec(), b"VALUE");
    /// ```
    pub fn truncate(&mut self, len: usize) {
        if let Some(kept) = len.checked_sub(self.in_pieces) {
            return self.tail.truncate(self.written.saturating_add(kept));
        }
        self.tail.clear();
        self.written = 0;
        while self.in_pieces > len {
            let Some(Piece::Bytes(last)) = self.pieces.pop_back() else { continue };
            self.in_pieces -= last.len();
            if self.in_pieces < len {
                let kept = last.slice(..len - self.in_pieces);
                self.in_pieces = len;
                self.pieces.push_back(Piece::Bytes(kept));
            }
        }
    }

    /// Makes the tail a piece.
    fn seal(&mut self) {
        if self.tail.len() > self.written {
            let mut tail = Bytes::from(std::mem::take(&mut self.tail));
            tail.advance(self.written);
            self.in_pieces += tail.len();
            self.pieces.push_back(Piece::Bytes(tail));
        }
        self.tail.clear();
        self.written = 0;
    }
}

impl Buf for Output {
    /// The bytes before the next event.
    fn remaining(&self) -> usize {
        let mut bytes = 0;
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(piece) => bytes += piece.len(),
                Piece::Event(_) => return bytes,
            }
        }
        bytes + self.tail.len() - self.written
    }

    fn chunk(&self) -> &[u8] {
        match self.pieces.front() {
            Some(Piece::Bytes(bytes)) => bytes,
            Some(Piece::Event(_)) => &[],
            None => &self.tail[self.written..],
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for piece in &self.pieces {
            let Piece::Bytes(bytes) = piece else { return filled };
            let Some(slice) = slices.get_mut(filled) else { return filled };
            *slice = std::io::IoSlice::new(bytes);
            filled += 1;
        }
        if let Some(slice) = slices.get_mut(filled).filter(|_| self.tail.len() > self.written) {
            *slice = std::io::IoSlice::new(&self.tail[self.written..]);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(Piece::Bytes(bytes)) = self.pieces.front_mut() {
            let step = count.min(bytes.len());
            bytes.advance(step);
            self.in_pieces -= step;
            count -= step;
            if !bytes.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        assert!(count <= self.tail.len() - self.written, "more is written than there was");
        self.written += count;
        if self.written == self.tail.len() {
            self.tail.clear();
            self.written = 0;
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause() -> Event {
        Event::Pause(Duration::from_secs(1))
    }

    #[test]
    fn what_is_cut_off_goes_from_the_end() {
        let long = Bytes::from(vec![b'v'; 2 * COPIED]);
        for len in [0, 1, 2, 3, 4, 2 * COPIED + 1, 2 * COPIED + 2, 2 * COPIED + 4, usize::MAX] {
            let mut out = Output::new();
            out.push(b"_ab");
            out.advance(1);
            out.push_value(&long);
            out.push(b"cd");
            let mut kept = out.to_vec();
            kept.truncate(len);
            out.truncate(len);
            assert_eq!((out.len(), out.to_vec()), (kept.len(), kept.clone()), "{len}");
            out.push(b"ef");
            assert_eq!(out.to_vec(), [&kept, &b"ef"[..]].concat(), "{len}");
        }
    }

    #[test]
    fn an_event_stays_if_it_comes_before_what_goes() {
        for (len, stays) in [(0, false), (1, false), (2, true), (3, true)] {
            let mut out = Output::new();
            out.push(b"ab");
            out.push_event(pause());
            out.push(b"cd");
            out.truncate(len);
            out.advance(len.min(2));
            assert_eq!(out.take_event().is_some(), stays, "{len}");
        }
    }

    #[test]
    fn cutting_off_what_was_just_written_takes_nothing_apart() {
        let mut out = Output::new();
        for _ in 0..100 {
            let begin = out.len();
            out.push(b"VALUE");
            out.truncate(begin);
            out.push(b"ERROR");
        }
        assert_eq!((out.len(), out.pieces.len()), (500, 0));
    }
}
