//! A message as DATA brings it (RFC 5321 §4.5.2): where it ends, and what it is without the dots that were put in.

use memchr::memchr2;

/// Reads a message up to its end, which is CRLF.CRLF and nothing else. What comes out is what was meant, octet for
/// octet. A CR or an LF that stands alone neither ends a line nor begins one; it is noted, so that the message can be
/// refused once it has truly ended: ended sooner, the rest of it would pass for commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body {
    state: State,
    bare: bool,
}

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Begin,
    Within,
    /// After a CR.
    Cr,
    /// After a dot at the beginning, which is left out,
    Dot,
    /// and after `.` CR, which is held back.
    DotCr,
}

/// Looks for a CR or an LF that stands alone in what comes in chunks (RFC 3030 §2: text has lines there as well).
#[derive(Clone, Copy, Debug, Default)]
pub struct Lone {
    after_cr: bool,
    found: bool,
}

impl Body {
    /// Reads on, and gives what it reads to `sink`. How many octets belonged to the message, and whether it ended.
    pub fn read(&mut self, octets: &[u8], mut sink: impl FnMut(&[u8])) -> (usize, bool) {
        // What lies between the two was read and not given on.
        let (mut from, mut at) = (0, 0);
        while let Some(&octet) = octets.get(at) {
            match (self.state, octet) {
                (State::Begin, b'.') => {
                    sink(octets.get(from..at).unwrap_or_default());
                    from = at + 1;
                    self.state = State::Dot;
                }
                (State::Dot, b'\r') => {
                    from = at + 1;
                    self.state = State::DotCr;
                }
                (State::Begin | State::Within, b'\r') => self.state = State::Cr,
                (State::Begin | State::Within | State::Dot, b'\n') => {
                    self.bare = true;
                    self.state = State::Within;
                }
                (State::Begin | State::Within | State::Dot, _) => {
                    let rest = octets.get(at..).unwrap_or_default();
                    self.state = State::Within;
                    at += memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    continue;
                }
                (State::Cr, b'\n') => self.state = State::Begin,
                (State::Cr, b'\r') => self.bare = true,
                (State::Cr, _) => {
                    self.bare = true;
                    self.state = State::Within;
                    continue;
                }
                (State::DotCr, b'\n') => return (at + 1, true),
                (State::DotCr, _) => {
                    // It was no end: the CR that was held back is part of the message.
                    sink(b"\r");
                    from = at;
                    self.state = State::Cr;
                    continue;
                }
            }
            at += 1;
        }
        sink(octets.get(from..).unwrap_or_default());
        (octets.len(), false)
    }

    /// Whether a CR or an LF stood alone so far.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.bare
    }
}

impl Lone {
    /// The next octets.
    pub fn feed(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                self.found |= rest.first() != Some(&b'\n');
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
                continue;
            }
            let Some(at) = memchr2(b'\r', b'\n', rest) else { return };
            self.after_cr = rest.get(at) == Some(&b'\r');
            self.found |= !self.after_cr;
            rest = rest.get(at + 1..).unwrap_or_default();
        }
    }

    /// Whether there was one, now that nothing more comes.
    #[must_use]
    pub fn is_found(self) -> bool {
        self.found || self.after_cr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, in pieces of this size: the message, whether something stood alone, and what was left.
    fn read(octets: &[u8], size: usize) -> Option<(Vec<u8>, bool, Vec<u8>)> {
        let mut body = Body::default();
        let mut message = Vec::new();
        let mut taken = 0;
        for piece in octets.chunks(size) {
            let (count, ended) = body.read(piece, |run| message.extend_from_slice(run));
            taken += count;
            if ended {
                return Some((message, body.is_bare(), octets[taken..].to_vec()));
            }
        }
        None
    }

    #[test]
    fn a_message_ends_at_its_dot_and_loses_the_dots_that_were_put_in() {
        for (octets, message) in [
            (&b".\r\nREST"[..], &b""[..]),
            (b"a\r\n.\r\nREST", b"a\r\n"),
            (b"..\r\n...a\r\n.b\r\n.\r\nREST", b".\r\n..a\r\nb\r\n"),
            (b"a.\r\nb\r\n\r\n.\r\nREST", b"a.\r\nb\r\n\r\n"),
            (b"\r\n\r\n..\r\n.\r\nREST", b"\r\n\r\n.\r\n"),
        ] {
            for size in 1..=octets.len() {
                let expected = Some((message.to_vec(), false, b"REST".to_vec()));
                assert_eq!(read(octets, size), expected, "{} in pieces of {size}", octets.escape_ascii());
            }
        }
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_ends_a_message_and_what_stands_alone_is_noted() {
        let parts: [&[u8]; 6] = [b"\r", b"\n", b"\r\n", b".", b"..", b"x"];
        let mut seen = 0;
        for number in 0..parts.len().pow(5) {
            let mut mixed = b"a".to_vec();
            let mut left = number;
            for _ in 0..5 {
                mixed.extend_from_slice(parts[left % parts.len()]);
                left /= parts.len();
            }
            let plain = memchr::memmem::find(&mixed, b"\r\n.\r\n");
            let mut octets = mixed.clone();
            octets.extend_from_slice(b"y\r\n.\r\nREST");
            let first = memchr::memmem::find(&octets, b"\r\n.\r\n").expect("it is there");
            assert!(plain.is_none_or(|plain| plain == first));
            for size in [1, 2, 3, octets.len()] {
                let (message, bare, rest) = read(&octets, size).expect("it ends");
                assert_eq!(rest, &octets[first + 5..], "{}", octets.escape_ascii());
                let mut lone = Lone::default();
                lone.feed(&octets[..first + 2]);
                assert_eq!(bare, lone.is_found(), "{}", octets.escape_ascii());
                assert!(message.len() <= first + 2);
            }
            seen += 1;
        }
        assert_eq!(seen, 7776);
    }

    #[test]
    fn what_stands_alone_is_found_however_the_octets_are_cut() {
        for (octets, found) in [
            (&b""[..], false),
            (b"a\r\n\r\nb", false),
            (b"a\n", true),
            (b"\n", true),
            (b"a\rb\r\n", true),
            (b"a\r\r\n", true),
            (b"a\r\n\r", true),
        ] {
            for size in 1..=octets.len().max(1) {
                let mut lone = Lone::default();
                octets.chunks(size).for_each(|piece| lone.feed(piece));
                assert_eq!(lone.is_found(), found, "{} in pieces of {size}", octets.escape_ascii());
            }
        }
    }
}
