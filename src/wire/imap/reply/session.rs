//! Responses about the session and the selected mailbox.

use super::code::words;
use super::string::{nstring, string};
use crate::wire::Out;
use crate::wire::imap::Dialect;

/// `* CAPABILITY …`
pub fn capability(out: &mut Out, names: &[&str]) {
    out.put(b"* CAPABILITY");
    words(out, names, true);
    out.put(b"\r\n");
}

/// `* ENABLED …`
pub fn enabled<N: AsRef<str>>(out: &mut Out, names: &[N]) {
    out.put(b"* ENABLED");
    words(out, names, true);
    out.put(b"\r\n");
}

/// `* ID (…)`, or `* ID NIL` (RFC 2971 §3.2)
pub fn id(out: &mut Out, pairs: &[(&str, Option<&str>)], dialect: Dialect) {
    out.put(b"* ID ");
    if pairs.is_empty() {
        return out.put(b"NIL\r\n");
    }
    let mut before = b'(';
    for (field, value) in pairs {
        out.byte(before);
        before = b' ';
        string(out, field.as_bytes(), dialect);
        out.byte(b' ');
        nstring(out, value.map(str::as_bytes), dialect);
    }
    out.put(b")\r\n");
}

/// `* FLAGS (…)`: names as written
pub fn flags<N: AsRef<str>>(out: &mut Out, names: &[N]) {
    out.put(b"* FLAGS (");
    words(out, names, false);
    out.put(b")\r\n");
}

/// `* … EXISTS`
pub fn exists(out: &mut Out, count: u32) {
    counted(out, count, b" EXISTS\r\n");
}

/// `* … RECENT` (RFC 3501 §7.3.2)
pub fn recent(out: &mut Out, count: u32) {
    counted(out, count, b" RECENT\r\n");
}

/// `* … EXPUNGE`
pub fn expunge(out: &mut Out, sequence: u32) {
    counted(out, sequence, b" EXPUNGE\r\n");
}

fn counted(out: &mut Out, number: u32, rest: &[u8]) {
    out.put(b"* ");
    out.number(number);
    out.put(rest);
}
