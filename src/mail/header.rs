//! The fields of a header block, as they stand in the message (RFC 5322 §2.2).
//!
//! Nothing is rejected: what is no field is passed over.

use memchr::{memchr, memchr3};
use std::borrow::Cow;

/// One field, in the octets of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, without the colon.
    pub name: &'a [u8],
    /// What follows the colon, folds included, without the last line end.
    pub value: &'a [u8],
    /// The whole field with its line ends.
    pub whole: &'a [u8],
}

/// The fields of a header block in order; ends at the empty line or where the octets end.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// The fields of a header block.
#[must_use]
pub fn fields(header: &[u8]) -> Fields<'_> {
    Fields { rest: header }
}

/// The value of the first field of this name, compared without case.
#[must_use]
pub fn first<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    fields(header).find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// Appends the fields that have one of `names` (or, if `not`, none of them), in the order of the message, and the
/// empty line that ends every header subset (RFC 9051 §6.4.5.1).
pub fn select<N: AsRef<[u8]>>(header: &[u8], names: &[N], not: bool, out: &mut Vec<u8>) {
    for field in fields(header) {
        if names.iter().any(|name| name.as_ref().eq_ignore_ascii_case(field.name)) == not {
            continue;
        }
        out.extend_from_slice(field.whole);
        if !field.whole.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The value on one line, trimmed. NUL goes with the line ends: no IMAP string can carry it (RFC 9051 §9, `CHAR8`).
#[must_use]
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr3(b'\r', b'\n', 0, value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut line = Vec::with_capacity(value.len());
    for run in value.split(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        line.extend_from_slice(run);
    }
    Cow::Owned(line)
}

/// Whether a line belongs to a header. The first line that does not, ends it.
///
/// White space before the colon is obsolete syntax that must be understood (RFC 5322 §4.5), but a block that *begins*
/// with such a line is more often text without a header.
pub(super) fn is_header_line(line: &[u8], first: bool) -> bool {
    if line.starts_with(b" ") || line.starts_with(b"\t") || line.starts_with(b"From ") {
        return true;
    }
    let Some(name) = memchr(b':', line).and_then(|colon| line.get(..colon)) else { return false };
    if first { is_name(name) } else { is_name(name.trim_ascii_end()) }
}

/// Whether there is nothing on the line but its end.
pub(super) fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n" | b"\r")
}

/// `ftext = %d33-57 / %d59-126` (RFC 5322 §3.6.8)
fn is_name(name: &[u8]) -> bool {
    name.iter().all(|octet| matches!(octet, 33..=126))
}

/// Octets up to and with the next line end.
fn line_length(octets: &[u8]) -> usize {
    memchr(b'\n', octets).map_or(octets.len(), |at| at + 1)
}

impl<'a> Field<'a> {
    fn split(whole: &'a [u8]) -> Option<Field<'a>> {
        let (name, value) = whole.split_at_checked(memchr(b':', whole)?)?;
        let name = name.trim_ascii_end();
        if name.is_empty() || !is_name(name) {
            return None;
        }
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        Some(Field { name, value: value.strip_suffix(b"\r").unwrap_or(value), whole })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        while !self.rest.is_empty() {
            let mut length = line_length(self.rest);
            if self.rest.get(..length).is_some_and(is_empty_line) {
                self.rest = &[];
                break;
            }
            while let Some(b' ' | b'\t') = self.rest.get(length) {
                length += line_length(self.rest.get(length..).unwrap_or_default());
            }
            let (whole, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
            self.rest = rest;
            if let Some(field) = Field::split(whole) {
                return Some(field);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"From b@example Thu Jan  1 00:00:00 1970\r\nSubject: one\r\n two\r\nno colon here\r\nX-A : 1\r\n: nameless\r\n\
        subject:three\r\nTo: x\r\n\r\nBody: no\r\n";

    fn chosen(names: &[&str], not: bool) -> String {
        let mut out = Vec::new();
        select(HEADER, names, not, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    #[test]
    fn fields_come_in_order_and_what_is_none_is_passed_over() {
        let names: Vec<_> = fields(HEADER).map(|field| field.name).collect();
        assert_eq!(names, [&b"Subject"[..], b"X-A", b"subject", b"To"]);
    }

    #[test]
    fn a_header_that_stops_anywhere_still_gives_its_fields() {
        for cut in 0..HEADER.len() {
            let part = HEADER.get(..cut).unwrap_or_default();
            assert!(fields(part).count() <= 4);
        }
        assert_eq!(first(b"A: b", b"a"), Some(&b" b"[..]));
        assert_eq!(first(b"A:", b"a"), Some(&b""[..]));
    }

    #[test]
    fn a_subset_keeps_the_order_and_ends_with_the_empty_line() {
        assert_eq!(chosen(&["TO", "SUBJECT"], false), "Subject: one\r\n two\r\nsubject:three\r\nTo: x\r\n\r\n");
        assert_eq!(chosen(&["SUBJECT"], true), "X-A : 1\r\nTo: x\r\n\r\n");
        assert_eq!(chosen(&["NONE"], false), "\r\n");
    }

    #[test]
    fn a_field_without_a_line_end_gets_one() {
        let mut out = Vec::new();
        select(b"A: b", &["A"], false, &mut out);
        assert_eq!(out, b"A: b\r\n\r\n");
    }

    #[test]
    fn unfolding_removes_line_ends_only() {
        assert_eq!(unfold(b" one\r\n\ttwo\n three \r\n").as_ref(), b"one\ttwo three");
        assert!(matches!(unfold(b" plain "), Cow::Borrowed(b"plain")));
    }
}
