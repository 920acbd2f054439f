//! A message as it comes by POP3: the dots before its lines taken away, its end found (RFC 1939 §3).

/// What is remembered between the pieces of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undot {
    at: At,
}

/// What came last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Nothing, or a whole line.
    #[default]
    Start,
    /// Some of a line.
    Line,
    /// A CR in a line.
    Cr,
    /// A dot that began a line.
    Dot,
    /// That, and a CR.
    DotCr,
}

impl Undot {
    /// Takes octets, appends those of the message to `out`, and says after how many the message has ended, if it has.
    /// Lines end with CRLF and nothing else: so a message can hold what only looks like its end.
    pub fn take(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        for (at, &octet) in octets.iter().enumerate() {
            self.at = match (self.at, octet) {
                (At::Start, b'.') => At::Dot,
                (At::Dot, b'\r') => At::DotCr,
                (At::DotCr, b'\n') => return Some(at + 1),
                // A line that is a dot and a CR that ends nothing: the CR is content.
                (At::DotCr, octet) => {
                    out.push(b'\r');
                    out.push(octet);
                    if octet == b'\r' { At::Cr } else { At::Line }
                }
                (At::Cr, b'\n') => {
                    out.push(octet);
                    At::Start
                }
                (_, b'\r') => {
                    out.push(octet);
                    At::Cr
                }
                (_, octet) => {
                    out.push(octet);
                    At::Line
                }
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(octets: &[u8]) -> (Vec<u8>, Option<usize>) {
        let (mut undot, mut out) = (Undot::default(), Vec::new());
        let end = undot.take(octets, &mut out);
        (out, end)
    }

    #[test]
    fn dots_go_and_the_end_is_found() {
        assert_eq!(taken(b"a\r\n..b\r\n.\r\n+OK"), (b"a\r\n.b\r\n".to_vec(), Some(11)));
        assert_eq!(taken(b".\r\n"), (Vec::new(), Some(3)));
        assert_eq!(taken(b"...\r\n.\r\n"), (b"..\r\n".to_vec(), Some(8)));
    }

    #[test]
    fn what_only_looks_like_the_end_is_content() {
        assert_eq!(taken(b"a\n.\r\nb\r\n.\n.\r\n.\r\n").0, b"a\n.\r\nb\r\n\n.\r\n");
        assert_eq!(taken(b"a\r.\r\n"), (b"a\r.\r\n".to_vec(), None));
        assert_eq!(taken(b".\r\r\nx"), (b"\r\r\nx".to_vec(), None));
    }

    #[test]
    fn cuts_anywhere_change_nothing() {
        let octets = b"Subject: x\r\n\r\n..a\r\nb\r.\r\n.\n\r\n.\r\n";
        let (whole, end) = taken(octets);
        assert_eq!(end, Some(octets.len()));
        for cut in 0..octets.len() {
            let (mut undot, mut out) = (Undot::default(), Vec::new());
            assert_eq!(undot.take(&octets[..cut], &mut out), None, "{cut}");
            assert_eq!(undot.take(&octets[cut..], &mut out), Some(octets.len() - cut), "{cut}");
            assert_eq!(out, whole, "{cut}");
        }
    }
}
