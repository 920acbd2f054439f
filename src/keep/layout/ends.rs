//! Line ends: CRLF as mail has them, LF as files do.

use serde::{Deserialize, Serialize};

/// How the line ends of a message are written to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ends {
    /// LF for each CRLF, as mail programs expect of files.
    #[default]
    Lf,
    /// As the message has them: a LF stands alone, or a CR before a CRLF, and either would not come back from LF.
    Exact,
}

/// What must be known of a message before its first octet is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Its line ends.
    pub ends: Ends,
    /// Its last line has no end.
    pub open: bool,
}

/// Looks at a message as it passes, to tell its shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// The last two octets.
    last: [u8; 2],
    exact: bool,
}

/// Makes each LF a CRLF; a CR that stands alone is left alone.
#[derive(Debug, Default)]
pub struct FromFile {
    ends: Ends,
    after_cr: bool,
}

/// Makes each CRLF a LF.
#[derive(Debug, Default)]
pub struct ToFile {
    ends: Ends,
    /// A CR is held back until it is known what follows.
    held: bool,
}

impl Scan {
    /// The next octets of the message.
    pub fn feed(&mut self, octets: &[u8]) {
        for at in memchr::memchr_iter(b'\n', octets) {
            let before = |back: usize| match at.checked_sub(back) {
                Some(at) => octets.get(at).copied(),
                None => self.last.get((at + 2).saturating_sub(back)).copied(),
            };
            self.exact |= before(1) != Some(b'\r') || before(2) == Some(b'\r');
        }
        for octet in octets.get(octets.len().saturating_sub(2)..).unwrap_or_default() {
            self.last = [self.last[1], *octet];
        }
    }

    /// The shape of the message that has passed.
    pub fn shape(self) -> Shape {
        let ends = if self.exact { Ends::Exact } else { Ends::Lf };
        Shape { ends, open: self.last[1] != b'\n' }
    }
}

impl FromFile {
    /// For a file with these line ends.
    pub fn new(ends: Ends) -> FromFile {
        FromFile { ends, after_cr: false }
    }

    /// The next octets of the file, as mail has them.
    pub fn convert(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if self.ends == Ends::Exact {
            return out.extend_from_slice(octets);
        }
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', octets) {
            let line = octets.get(from..at).unwrap_or_default();
            out.extend_from_slice(line);
            let after_cr = line.last().map_or(self.after_cr && at == from, |last| *last == b'\r');
            out.extend_from_slice(if after_cr { b"\n" } else { b"\r\n" });
            self.after_cr = false;
            from = at + 1;
        }
        let rest = octets.get(from..).unwrap_or_default();
        out.extend_from_slice(rest);
        if let Some(last) = rest.last() {
            self.after_cr = *last == b'\r';
        }
    }
}

impl ToFile {
    /// For a message of this shape.
    pub fn new(shape: Shape) -> ToFile {
        ToFile { ends: shape.ends, held: false }
    }

    /// The next octets of the message, as the file has them.
    pub fn convert(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if self.ends == Ends::Exact {
            return out.extend_from_slice(octets);
        }
        let mut rest = octets;
        if self.held && !rest.is_empty() {
            self.held = false;
            if rest.first() != Some(&b'\n') {
                out.push(b'\r');
            }
        }
        while let Some(at) = memchr::memchr(b'\r', rest) {
            let (line, after) = rest.split_at(at);
            out.extend_from_slice(line);
            rest = after.get(1..).unwrap_or_default();
            match rest.first() {
                Some(b'\n') => {}
                Some(_) => out.push(b'\r'),
                None => self.held = true,
            }
        }
        out.extend_from_slice(rest);
    }

    /// What was held back at the end of the message.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.held {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::xorshift::Xorshift;

    #[test]
    fn line_feeds_get_their_carriage_return_however_the_octets_are_cut() {
        let (text, mail) = (b"a\nb\r\n\n\r\nc\rd\r", b"a\r\nb\r\n\r\n\r\nc\rd\r");
        for cut in 0..text.len() {
            let (mut ends, mut out) = (FromFile::default(), Vec::new());
            let (head, tail) = text.split_at(cut);
            ends.convert(head, &mut out);
            ends.convert(tail, &mut out);
            assert_eq!(out, mail, "cut at {cut}");
        }
    }

    #[test]
    fn only_a_lone_line_feed_or_a_superfluous_carriage_return_keeps_line_ends_as_they_are() {
        for (text, exact, open) in [
            ("a\r\n\r\nb\r\n", false, false),
            ("a\r\n\r\nb", false, true),
            ("a\rb\r\n\r", false, true),
            ("a\n", true, false),
            ("\n", true, false),
            ("\r\n", false, false),
            ("a\r\r\n", true, false),
            ("\r\r\n", true, false),
        ] {
            for cut in 0..text.len() {
                let mut scan = Scan::default();
                let (head, tail) = text.as_bytes().split_at(cut);
                scan.feed(head);
                scan.feed(tail);
                let ends = if exact { Ends::Exact } else { Ends::Lf };
                assert_eq!(scan.shape(), Shape { ends, open }, "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn every_message_comes_back_from_its_file() {
        let mut random = Xorshift::new(3);
        for _ in 0..50_000 {
            let length = random.below(12);
            let message: Vec<u8> = (0..length).filter_map(|_| b"\r\n\r\na".get(random.below(5)).copied()).collect();
            let mut scan = Scan::default();
            message.chunks(random.below(4) + 1).for_each(|piece| scan.feed(piece));
            let (mut to, mut file) = (ToFile::new(scan.shape()), Vec::new());
            message.chunks(random.below(4) + 1).for_each(|piece| to.convert(piece, &mut file));
            to.finish(&mut file);
            let (mut from, mut back) = (FromFile::new(scan.shape().ends), Vec::new());
            file.chunks(random.below(4) + 1).for_each(|piece| from.convert(piece, &mut back));
            assert_eq!(back, message, "{}", file.escape_ascii());
            assert!(scan.shape().ends == Ends::Exact || !file.windows(2).any(|pair| pair == b"\r\n"));
        }
    }
}
