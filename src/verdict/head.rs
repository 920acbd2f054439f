//! The header of a message that passes by in pieces: it is held, the body is not.

use crate::mail::limits::HEADER;

/// The header, as far as it came.
#[derive(Debug)]
pub(super) struct Head {
    octets: Vec<u8>,
    /// The last octets that passed, which an end of the header may begin in.
    tail: Vec<u8>,
    is_whole: bool,
    is_too_long: bool,
}

impl Default for Head {
    fn default() -> Head {
        // A message may begin with the empty line, as if a line had ended before it.
        Head { octets: Vec::new(), tail: vec![b'\n'], is_whole: false, is_too_long: false }
    }
}

impl Head {
    /// Takes what belongs to the header; returns what follows it.
    pub(super) fn push<'o>(&mut self, octets: &'o [u8]) -> &'o [u8] {
        if self.is_whole {
            return octets;
        }
        let before = self.tail.len();
        let window = [&self.tail[..], octets].concat();
        let (here, rest) = match end(&window) {
            Some(end) => {
                self.is_whole = true;
                octets.split_at_checked(end.saturating_sub(before)).unwrap_or((octets, &[]))
            }
            None => (octets, &[][..]),
        };
        if self.octets.len() + here.len() > HEADER {
            self.is_too_long = true;
        } else if !self.is_too_long {
            self.octets.extend_from_slice(here);
        }
        self.tail = window.get(window.len().saturating_sub(TAIL)..).unwrap_or_default().to_vec();
        rest
    }

    /// Whether all of it came.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether it is longer than a header may be: then what is known of it is only its begin.
    pub(super) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Its octets, the empty line included.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// Octets that an end may be spread over, but one.
const TAIL: usize = 2;

/// Where the body begins: after an empty line.
fn end(octets: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', octets).find_map(|at| {
        let after = octets.get(at + 1..)?;
        let empty = [&b"\r\n"[..], b"\n"].into_iter().find(|empty| after.starts_with(empty))?;
        Some(at + 1 + empty.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(message: &[u8], size: usize) -> (Vec<u8>, Vec<u8>, bool) {
        let (mut head, mut body) = (Head::default(), Vec::new());
        for piece in message.chunks(size) {
            body.extend_from_slice(head.push(piece));
        }
        (head.octets().to_vec(), body, head.is_too_long())
    }

    #[test]
    fn header_and_body_part_at_the_empty_line_however_they_come() {
        let messages: [(&[u8], usize); 6] = [
            (b"A: b\r\nC: d\r\n\r\nbody\r\n\r\nmore", 14),
            (b"\r\nbody", 2),
            (b"\nbody", 1),
            (b"A: b\n\nbody\n\n", 6),
            (b"A: b\r\n\r\n", 8),
            (b"A: b\r\n", 6),
        ];
        for (message, end) in messages {
            for size in 1..=message.len() {
                let (header, body, _) = split(message, size);
                assert_eq!((&header[..], &body[..]), message.split_at(end), "in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_is_verified_are_the_fields_that_are_shown() {
        let mut dice = crate::mail::xorshift::Xorshift::new(13);
        for _ in 0..30_000 {
            let message = crate::mail::odd::message(&mut dice, "\r\n");
            let names = |octets: &[u8]| -> Vec<Vec<u8>> {
                crate::mail::header::fields(octets).map(|field| field.name.to_vec()).collect()
            };
            let (header, _, _) = split(&message, 1 + dice.below(9));
            assert_eq!(names(&header), names(&message), "{}", message.escape_ascii());
        }
    }

    #[test]
    fn a_header_without_end_is_not_held() {
        let long = [&b"A: b\r\n".repeat(100_000)[..], b"\r\nbody"].concat();
        for size in [1_000, 65_536, long.len()] {
            let (header, body, is_too_long) = split(&long, size);
            assert!(header.len() <= HEADER && is_too_long);
            assert_eq!(body, b"body");
        }
    }
}
