//! The header that announces a literal at the end of a line, and whether it announces a message.

/// ``literal = "{" number64 ["+"] "}" CRLF *CHAR8``, ``literal8 = "~{" number64 ["+"] "}" CRLF *OCTET``
/// (RFC 9051 §9, RFC 7888, RFC 3516).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Where it begins in its line.
    pub at: usize,
    /// Octets announced; the largest number where 64 bits do not suffice.
    pub size: u64,
    /// No `+`: the client waits.
    pub sync: bool,
    /// With `~`.
    pub binary: bool,
}

/// Digits of a size that are read; with more of them a line just ends in a brace. So the longest header is known, and
/// it is found at the end of a line of which only the last octets were kept.
const DIGITS: usize = 60;

impl Header {
    /// Octets of the longest one.
    pub const LONGEST: usize = DIGITS + 4;

    /// The header in which the line, given without its line end, ends.
    pub fn at_end_of(line: &[u8]) -> Option<Header> {
        let inner = line.strip_suffix(b"}")?;
        let (inner, sync) = inner.strip_suffix(b"+").map_or((inner, true), |inner| (inner, false));
        let digits = inner.iter().rev().take(DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > DIGITS {
            return None;
        }
        let (before, number) = inner.split_at(inner.len() - digits);
        let before = before.strip_suffix(b"{")?;
        let (before, binary) = before.strip_suffix(b"~").map_or((before, false), |before| (before, true));
        let size = number
            .iter()
            .fold(0_u64, |size, &digit| size.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0'))));
        Some(Header { at: before.len(), size, sync, binary })
    }
}

/// Whether the literal announced after these bytes is the message of an APPEND: its mailbox name stands there already
/// (RFC 9051 §6.3.12). The name may be a literal itself.
pub(super) fn is_append_message(head: &[u8]) -> bool {
    let Some(space) = memchr::memchr(b' ', head) else { return false };
    let Some((verb, arguments)) = head.get(space + 1..).and_then(|rest| rest.split_at_checked(7)) else { return false };
    if !verb.eq_ignore_ascii_case(b"APPEND ") {
        return false;
    }
    match arguments {
        [] => false,
        [b'"', quoted @ ..] => is_closed(quoted),
        // An earlier literal: had it not been the name, it would have been the message.
        [b'{', ..] => true,
        atom => atom.contains(&b' '),
    }
}

fn is_closed(quoted: &[u8]) -> bool {
    let mut bytes = quoted.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return true,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_with_its_marks() {
        let header = |line: &str| Header::at_end_of(line.as_bytes()).map(|h| (h.at, h.size, h.sync, h.binary));
        assert_eq!(header("a LOGIN {5}"), Some((8, 5, true, false)));
        assert_eq!(header("{0+}"), Some((0, 0, false, false)));
        assert_eq!(header("x ~{12+}"), Some((2, 12, false, true)));
        assert_eq!(header("{18446744073709551616}"), Some((0, u64::MAX, true, false)));
        assert_eq!(header("{99999999999999999999999999999999999999+}"), Some((0, u64::MAX, false, false)));
        for line in ["", "}", "{}", "{+}", "{-1}", "{1 }", "{1} ", "5}", "{5++}", "{a}"] {
            assert_eq!(header(line), None, "{line}");
        }
    }

    #[test]
    fn the_message_of_an_append_comes_after_the_mailbox_name() {
        for head in
            ["a APPEND INBOX ", "a append \"a \\\" b\" (\\Seen) ", "a APPEND {5}\r\nINBOX ", "a APPEND x UTF8 ("]
        {
            assert!(is_append_message(head.as_bytes()), "{head}");
        }
        for head in
            ["a APPEND ", "a APPEND", "a APPEND \"a b ", "a LOGIN user ", "APPEND x ", "a APPENDX y ", "a APPEND x"]
        {
            assert!(!is_append_message(head.as_bytes()), "{head}");
        }
    }
}
