//! Where TOP ends (RFC 1939 §7): after the header, the empty line, and so many lines of the body.

/// Counts lines as a message passes by.
#[derive(Clone, Copy, Debug)]
pub struct Top {
    /// Lines of the body that are still wanted.
    left: u32,
    in_header: bool,
    /// Octets of the current line, its end left out.
    line: usize,
}

impl Top {
    /// For a message from its beginning, and so many lines of its body.
    #[must_use]
    pub fn new(lines: u32) -> Top {
        Top { left: lines, in_header: true, line: 0 }
    }

    /// How many of the next octets are still wanted; fewer than all of them at the end.
    pub fn wanted(&mut self, octets: &[u8]) -> usize {
        let mut from = 0;
        while !self.is_over() {
            let rest = octets.get(from..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else {
                // A CR may be all that this line has before its LF.
                self.line += rest.iter().filter(|octet| **octet != b'\r').count();
                return octets.len();
            };
            let text = rest.get(..end).unwrap_or_default();
            let is_empty = self.line == 0 && matches!(text, b"" | b"\r");
            self.line = 0;
            from += end + 1;
            if !self.in_header {
                self.left = self.left.saturating_sub(1);
            } else if is_empty {
                self.in_header = false;
            }
        }
        from
    }

    /// Whether nothing more is wanted.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.in_header && self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(message: &[u8], lines: u32, size: usize) -> Vec<u8> {
        let mut top = Top::new(lines);
        let mut all = Vec::new();
        for piece in message.chunks(size) {
            if top.is_over() {
                break;
            }
            let wanted = top.wanted(piece);
            all.extend_from_slice(&piece[..wanted]);
        }
        all
    }

    #[test]
    fn the_header_its_empty_line_and_some_lines_are_wanted_however_they_are_cut() {
        let message = b"A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\n";
        for size in 1..=message.len() {
            assert_eq!(top(message, 0, size), b"A: 1\r\nB: 2\r\n\r\n");
            assert_eq!(top(message, 1, size), b"A: 1\r\nB: 2\r\n\r\none\r\n");
            assert_eq!(top(message, 2, size), b"A: 1\r\nB: 2\r\n\r\none\r\n\r\n");
            assert_eq!(top(message, u32::MAX, size), message);
        }
    }

    #[test]
    fn a_message_without_a_body_or_without_a_header_is_served() {
        for size in 1..5 {
            assert_eq!(top(b"A: 1\r\n", 3, size), b"A: 1\r\n");
            assert_eq!(top(b"\nbody\nmore\n", 1, size), b"\nbody\n");
        }
    }
}
