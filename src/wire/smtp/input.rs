//! What a client sends: command lines, and the octets of messages between them.

use crate::mail::limits;

/// What was fed and not heard yet. A line ends with CRLF and with nothing else: where two programs disagree about where
/// a line ends, one smuggles mail past the other.
#[derive(Debug, Default)]
pub struct Input {
    buffer: Vec<u8>,
    /// Octets at the front that were lent out already.
    start: usize,
    /// Up to where there is no line end.
    scanned: usize,
    /// The line was too long: what comes of it is thrown away.
    skipping: bool,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'l> {
    /// No line is whole yet: feed more.
    More,
    /// A line without its end.
    Line(&'l [u8]),
    /// A line was longer than `limits::STRANGER`. It was skipped, up to its end.
    TooLong,
    /// A line that ended with LF alone, or had a CR in it.
    Bare,
}

impl Input {
    /// Takes a copy of what was read.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned = self.scanned.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next line in what was fed.
    pub fn next_line(&mut self) -> Heard<'_> {
        let Some(end) = memchr::memchr(b'\n', self.buffer.get(self.scanned..).unwrap_or_default()) else {
            self.scanned = self.buffer.len();
            if self.scanned - self.start > limits::STRANGER {
                self.skipping = true;
            }
            if self.skipping {
                self.buffer.clear();
                (self.start, self.scanned) = (0, 0);
            }
            return Heard::More;
        };
        let (from, to) = (self.start, self.scanned + end);
        self.start = to + 1;
        self.scanned = self.start;
        if std::mem::take(&mut self.skipping) || to - from > limits::STRANGER {
            return Heard::TooLong;
        }
        match self.buffer.get(from..to).unwrap_or_default().strip_suffix(b"\r") {
            Some(line) if memchr::memchr(b'\r', line).is_none() => Heard::Line(line),
            _ => Heard::Bare,
        }
    }

    /// What was fed and not taken yet.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// So many of its octets were taken.
    pub fn take(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
        self.scanned = self.start;
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Forgets everything that was fed.
    pub fn discard(&mut self) {
        *self = Input::default();
    }

    /// Gives back the memory that is not in use.
    pub fn shrink(&mut self) {
        self.feed(&[]);
        self.buffer.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(octets: &[u8], size: usize) -> Vec<String> {
        let mut input = Input::default();
        let mut all = Vec::new();
        for piece in octets.chunks(size) {
            input.feed(piece);
            loop {
                match input.next_line() {
                    Heard::More => break,
                    Heard::Line(line) => all.push(line.escape_ascii().to_string()),
                    other => all.push(format!("{other:?}")),
                }
            }
        }
        all
    }

    #[test]
    fn only_crlf_ends_a_line_however_the_octets_are_cut() {
        let octets = b"NOOP\r\nNOOP\nRS\rET\r\n\r\nQUIT\r\r\nrest";
        for size in 1..octets.len() {
            assert_eq!(heard(octets, size), ["NOOP", "Bare", "Bare", "", "Bare"], "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_skipped_and_takes_no_memory() {
        let mut input = Input::default();
        for _ in 0..1_000 {
            input.feed(&[b'x'; 4096]);
            assert_eq!(input.next_line(), Heard::More);
            assert!(input.buffer.capacity() < 4 * limits::STRANGER);
        }
        input.feed(b"x\r\nNOOP\r\nabc");
        assert_eq!(input.next_line(), Heard::TooLong);
        assert_eq!(input.next_line(), Heard::Line(b"NOOP"));
        input.take(2);
        assert_eq!((input.rest(), input.is_empty()), (&b"c"[..], false));
    }
}
