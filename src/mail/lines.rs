//! Line ends. Mail has CRLF (RFC 5322 §2.3); what is stored is what came, and that may be anything.

/// Counts what a message lacks as a run of lines that each end with CRLF, which is how POP3 and SMTP send it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineEnds {
    last: Option<u8>,
    bare: u32,
}

impl LineEnds {
    /// The next octets of the message.
    pub fn feed(&mut self, octets: &[u8]) {
        for at in memchr::memchr_iter(b'\n', octets) {
            let before = at.checked_sub(1).map_or(self.last, |before| octets.get(before).copied());
            if before != Some(b'\r') {
                self.bare = self.bare.saturating_add(1);
            }
        }
        self.last = octets.last().copied().or(self.last);
    }

    /// Octets that it has more with CRLF everywhere: a CR for each LF that stands alone, and the end of the last line.
    #[must_use]
    pub fn missing(self) -> u32 {
        let unended = self.last.is_some_and(|last| last != b'\n');
        self.bare.saturating_add(if unended { 2 } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_counted_however_the_octets_are_cut() {
        for (message, missing) in [
            (&b""[..], 0),
            (b"a\r\n", 0),
            (b"a\r\n\r\n", 0),
            (b"a\n", 1),
            (b"\n\n\r\n", 2),
            (b"a", 2),
            (b"a\r", 2),
            (b"a\n\rb", 3),
        ] {
            for cut in 0..=message.len() {
                let (first, second) = message.split_at(cut);
                let mut ends = LineEnds::default();
                ends.feed(first);
                ends.feed(second);
                assert_eq!(ends.missing(), missing, "{message:?} cut at {cut}");
            }
        }
    }
}
