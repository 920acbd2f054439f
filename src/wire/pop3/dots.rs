//! A message as POP3 sends it: lines that end with CRLF, a dot before each that begins with one (RFC 1939 §3).

/// What is remembered between the pieces of a message.
#[derive(Clone, Copy, Debug)]
pub struct Dots {
    last: u8,
    /// Every line of the message ends with CRLF already.
    canonical: bool,
}

impl Dots {
    /// For a message from its beginning. `canonical`: all its lines are known to end with CRLF.
    #[must_use]
    pub fn new(canonical: bool) -> Dots {
        Dots { last: b'\n', canonical }
    }

    /// Makes what was appended to `buffer` since `from` ready to be sent.
    pub fn stuff(&mut self, buffer: &mut Vec<u8>, from: usize) {
        let Some(new) = buffer.get(from..).filter(|new| !new.is_empty()) else { return };
        let (first, last) = (new.first().copied(), new.last().copied());
        let begins = self.last == b'\n' && first == Some(b'.');
        let bare =
            !self.canonical && memchr::memchr_iter(b'\n', new).any(|at| before(new, at, self.last) != Some(b'\r'));
        // Nearly all mail stays where it is.
        if begins || bare || memchr::memmem::find(new, b"\n.").is_some() {
            let new = buffer.split_off(from);
            self.copy(&new, buffer);
        }
        self.last = last.unwrap_or(self.last);
    }

    /// The end of the message: of its last line, and the dot.
    pub fn end(self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(if self.last == b'\n' { b".\r\n" } else { b"\r\n.\r\n" });
    }

    fn copy(self, octets: &[u8], buffer: &mut Vec<u8>) {
        if self.last == b'\n' && octets.first() == Some(&b'.') {
            buffer.push(b'.');
        }
        let mut copied = 0;
        for at in memchr::memchr_iter(b'\n', octets) {
            buffer.extend_from_slice(octets.get(copied..at).unwrap_or_default());
            if !self.canonical && before(octets, at, self.last) != Some(b'\r') {
                buffer.push(b'\r');
            }
            buffer.push(b'\n');
            copied = at + 1;
            if octets.get(copied) == Some(&b'.') {
                buffer.push(b'.');
            }
        }
        buffer.extend_from_slice(octets.get(copied..).unwrap_or_default());
    }
}

/// The octet before this place.
fn before(octets: &[u8], at: usize, last: u8) -> Option<u8> {
    at.checked_sub(1).map_or(Some(last), |before| octets.get(before).copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::LineEnds;

    fn sent(message: &[u8], size: usize) -> Vec<u8> {
        let mut ends = LineEnds::default();
        ends.feed(message);
        let mut dots = Dots::new(ends.missing() == 0);
        let mut all = Vec::new();
        for piece in message.chunks(size) {
            let from = all.len();
            all.extend_from_slice(piece);
            dots.stuff(&mut all, from);
        }
        dots.end(&mut all);
        all
    }

    #[test]
    fn dots_are_stuffed_and_lines_ended_however_the_message_is_cut() {
        for (message, expected) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".\r\n..\r\n.a\r\n", b"..\r\n...\r\n..a\r\n.\r\n"),
            (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a.\r\n\r\n.", b"a.\r\n\r\n..\r\n.\r\n"),
            (b"a\r.\r\n", b"a\r.\r\n.\r\n"),
            (b"a\r", b"a\r\r\n.\r\n"),
            (b"\n\n", b"\r\n\r\n.\r\n"),
        ] {
            for size in 1..=message.len().max(1) {
                let sent = sent(message, size);
                assert_eq!(sent.escape_ascii().to_string(), expected.escape_ascii().to_string(), "in pieces of {size}");
            }
        }
    }

    #[test]
    fn the_octets_sent_are_those_counted_before_stuffing() {
        for message in [&b"a\r\n"[..], b"a", b"a\nb\n\r\nc", b"\r", b""] {
            let mut ends = LineEnds::default();
            ends.feed(message);
            let counted = message.len() + ends.missing() as usize;
            assert_eq!(sent(message, 2).len() - b".\r\n".len(), counted);
        }
    }
}
