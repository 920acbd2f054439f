//! Strings: which of the forms carries these bytes.

use crate::mail::limits;
use crate::wire::Out;
use crate::wire::imap::{Dialect, utf7};

/// `string = quoted / literal`: quoted where the dialect allows it, since clients read that without a second look.
///
/// Octets above 127 go quoted only as UTF-8 and after ENABLE (RFC 9051 §4.3), else in a literal. A NUL has no form at
/// all outside of literal8; it is written as 0x80, which is no character in UTF-8, keeps the length, and is what other
/// servers do.
pub fn string(out: &mut Out, bytes: &[u8], dialect: Dialect) {
    if is_quotable(bytes, dialect) {
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
    if memchr::memchr(0, bytes).is_some() {
        for byte in out.buffer().iter_mut().skip(start).filter(|byte| **byte == 0) {
            *byte = 0x80;
        }
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

fn is_quotable(bytes: &[u8], dialect: Dialect) -> bool {
    if bytes.len() > limits::QUOTED {
        return false;
    }
    // The fold has no branch, so that many bytes are seen at a time.
    let controls = bytes.iter().fold(0, |controls, &byte| controls | u8::from(byte < 0x20) | u8::from(byte == 0x7f));
    if controls > 0 && bytes.iter().any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
        return false;
    }
    bytes.is_ascii() || (dialect.utf8 && std::str::from_utf8(bytes).is_ok())
}

fn is_astring_char(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\')
}
