//! A client's lines.

use crate::mail::limits;

/// Cuts what a client sends into lines. A lone LF ends one, too: some clients have no better.
#[derive(Debug, Default)]
pub struct Lines {
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
}

impl Lines {
    /// Takes a copy of what was read.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// What comes next in what was fed.
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
        let line = self.buffer.get(from..to).unwrap_or_default();
        Heard::Line(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Forgets everything that was fed.
    pub fn discard(&mut self) {
        *self = Lines::default();
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

    /// What is heard when the octets come in pieces of this size.
    fn heard(octets: &[u8], size: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for piece in octets.chunks(size) {
            lines.feed(piece);
            loop {
                match lines.next_line() {
                    Heard::More => break,
                    Heard::Line(line) => all.push(Some(line.to_vec())),
                    Heard::TooLong => all.push(None),
                }
            }
        }
        all
    }

    #[test]
    fn lines_end_with_crlf_or_lf_however_they_are_cut() {
        let octets = b"USER a\r\nPASS \rb \n\r\n\nQUIT\r\nrest";
        for size in 1..octets.len() {
            let lines = [&b"USER a"[..], b"PASS \rb ", b"", b"", b"QUIT"];
            assert_eq!(heard(octets, size), lines.map(|line| Some(line.to_vec())), "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_skipped_and_takes_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..1_000 {
            lines.feed(&[b'x'; 4096]);
            assert_eq!(lines.next_line(), Heard::More);
            assert!(lines.buffer.capacity() < 4 * limits::STRANGER);
        }
        lines.feed(b"x\r\nNOOP\r\n");
        assert_eq!(lines.next_line(), Heard::TooLong);
        assert_eq!(lines.next_line(), Heard::Line(b"NOOP"));
    }
}
