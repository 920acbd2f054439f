//! Strings: which of the forms carries these bytes.

use crate::mail::{limits, utf7};
use crate::wire::Out;
use crate::wire::imap::Dialect;

/// `string = quoted / literal`: quoted where the dialect allows it, since clients read that without a second look.
///
/// Octets above 127 go quoted only as UTF-8 and after ENABLE (RFC 9051 §4.3), else in a literal. A NUL has no form at
/// all outside of literal8; it is written as 0x80, which is no character in UTF-8, keeps the length, and is what other
/// servers do.
pub fn string(out: &mut Out, bytes: &[u8], dialect: Dialect) {
    if bytes.len() <= limits::QUOTED && is_plain(bytes) {
        out.byte(b'"');
        out.put(bytes);
        out.byte(b'"');
    } else if is_quotable(bytes, dialect) {
        quoted(out, bytes);
    } else {
        literal(out, bytes);
    }
}

/// `nstring = string / nil`
pub fn nstring(out: &mut Out, bytes: Option<&[u8]>, dialect: Dialect) {
    match bytes {
        Some(bytes) => string(out, bytes, dialect),
        None => out.put(b"NIL"),
    }
}

/// `astring = 1*ASTRING-CHAR / string`: bare where it can be. `NIL` is quoted, since it could be taken for nothing.
pub fn astring(out: &mut Out, bytes: &[u8], dialect: Dialect) {
    let bare = !bytes.is_empty() && bytes.iter().all(|&byte| is_astring_char(byte));
    if bare && !bytes.eq_ignore_ascii_case(b"NIL") {
        out.put(bytes);
    } else {
        string(out, bytes, dialect);
    }
}

/// `mailbox = "INBOX" / astring`, spelled in the dialect. Always a quoted string or a literal, as other servers write
/// names: some clients cut bare ones at odd characters.
pub fn mailbox(out: &mut Out, name: &str, dialect: Dialect) {
    if dialect.utf8 {
        return string(out, name.as_bytes(), dialect);
    }
    // Modified UTF-7 is printable ASCII throughout, so quoting always carries it.
    out.byte(b'"');
    utf7::encode(name, |piece| escaped(out, piece));
    out.byte(b'"');
}

/// The header of a literal of this size; its octets follow.
pub(super) fn literal_header(out: &mut Out, size: u64) {
    out.byte(b'{');
    out.number(size);
    out.put(b"}\r\n");
}

/// A literal; see [`string`] about NUL.
pub(super) fn literal(out: &mut Out, bytes: &[u8]) {
    literal_header(out, bytes.len() as u64);
    let start = out.buffer().len();
    out.put(bytes);
    without_nul(out.buffer().get_mut(start..).unwrap_or_default());
}

/// What a literal holds in place of these octets; see [`string`] about NUL.
pub fn without_nul(mut octets: &mut [u8]) {
    while let Some(at) = memchr::memchr(0, octets) {
        let Some((nul, rest)) = octets.get_mut(at..).and_then(<[u8]>::split_first_mut) else { return };
        *nul = 0x80;
        octets = rest;
    }
}

/// A quoted string of bytes that can be quoted.
pub(super) fn quoted(out: &mut Out, bytes: &[u8]) {
    out.byte(b'"');
    escaped(out, bytes);
    out.byte(b'"');
}

fn escaped(out: &mut Out, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let (plain, special) = rest.split_at(at);
        let (special, after) = special.split_at(1);
        out.put(plain);
        out.byte(b'\\');
        out.put(special);
        rest = after;
    }
    out.put(rest);
}

/// Whether the bytes stand for themselves between quotes: printable ASCII without `"` and `\`. Nearly all strings do,
/// and every response is full of strings, so eight bytes are looked at in one go.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    let mut last = [b' '; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    words.iter().chain([&last]).fold(0, |odd, word| odd | odd_bytes(u64::from_ne_bytes(*word))) == 0
}

/// Not 0 if any of the eight bytes is a control, a quote, a backslash or above 126. The top bit of a byte tells; a carry
/// into the next byte can only come from one that is odd itself.
fn odd_bytes(word: u64) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let zero = |word: u64| word.wrapping_sub(EACH) & !word;
    let control = word.wrapping_sub(EACH * 0x20) & !word;
    let quote = zero(word ^ (EACH * 0x22));
    let backslash = zero(word ^ (EACH * 0x5c));
    let delete = word.wrapping_add(EACH);
    (control | quote | backslash | delete | word) & (EACH * 0x80)
}

fn is_quotable(bytes: &[u8], dialect: Dialect) -> bool {
    bytes.len() <= limits::QUOTED
        && !bytes.iter().any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f)
        && (bytes.is_ascii() || (dialect.utf8 && std::str::from_utf8(bytes).is_ok()))
}

fn is_astring_char(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_odd_byte_is_seen_at_every_place() {
        for byte in 0..=255 {
            let plain = matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\';
            for length in 1..20 {
                for at in 0..length {
                    let mut bytes = vec![b'~'; length];
                    bytes[at] = byte;
                    assert_eq!(is_plain(&bytes), plain, "{byte} at {at} of {length}");
                }
            }
        }
        assert!(is_plain(b""));
    }
}
