//! Cuts what a client sends into lines, and lends out the octets of messages between them: for POP3 and SMTP.

use crate::mail::limits;

/// What was fed and not heard yet.
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
    /// A line without its LF. Whether that had a CR before it is for [`strict`] or [`lenient`] to say.
    Line(&'l [u8]),
    /// A line was longer than `limits::STRANGER`. It was skipped, up to its end.
    TooLong,
}

/// A line that ended with CRLF and has no other CR: `None` for all others. Where two programs disagree about where a line
/// ends, one smuggles mail past the other.
#[must_use]
pub fn strict(line: &[u8]) -> Option<&[u8]> {
    line.strip_suffix(b"\r").filter(|line| memchr::memchr(b'\r', line).is_none())
}

/// A line, whether it ended with CRLF or with LF alone: some clients have no better.
#[must_use]
pub fn lenient(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl Lines {
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
        Heard::Line(self.buffer.get(from..to).unwrap_or_default())
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

    /// Octets of memory that it has.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.capacity()
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
    fn heard(octets: &[u8], size: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for piece in octets.chunks(size) {
            lines.feed(piece);
            loop {
                match lines.next_line() {
                    Heard::More => break,
                    Heard::Line(line) => all.push(line.to_vec()),
                    Heard::TooLong => panic!("none is too long"),
                }
            }
        }
        all
    }

    #[test]
    fn lines_end_with_lf_however_they_are_cut() {
        let octets = b"USER a\r\nPASS \rb \n\r\n\nQUIT\r\r\nrest";
        for size in 1..octets.len() {
            let lines = heard(octets, size);
            assert_eq!(lines, [&b"USER a\r"[..], b"PASS \rb ", b"\r", b"", b"QUIT\r\r"], "in pieces of {size}");
            let strict: Vec<_> = lines.iter().map(|line| strict(line)).collect();
            assert_eq!(strict, [Some(&b"USER a"[..]), None, Some(b""), None, None]);
            let lenient: Vec<_> = lines.iter().map(|line| lenient(line)).collect();
            assert_eq!(lenient, [&b"USER a"[..], b"PASS \rb ", b"", b"", b"QUIT\r"]);
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
        lines.feed(b"x\r\nNOOP\r\nabc");
        assert_eq!(lines.next_line(), Heard::TooLong);
        assert_eq!(lines.next_line(), Heard::Line(b"NOOP\r"));
        lines.take(2);
        assert_eq!((lines.rest(), lines.is_empty()), (&b"c"[..], false));
    }
}
