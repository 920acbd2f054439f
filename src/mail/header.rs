//! The fields of a header block, as they stand in the message (RFC 5322 §2.2), and where it ends.
//!
//! Nothing is rejected: what is no field is passed over. [`Lines`] is the one rule for that; whoever looks at a header,
//! in a stream or in one piece, asks it.

use super::{effort, limits};
use memchr::{memchr, memchr2};
use std::borrow::Cow;
use std::collections::HashSet;

/// What looking for a name among others costs, in octets.
const NAME: usize = 32;
/// So many names of fields are looked through for each field.
const FEW: usize = 32;

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
    lines: Lines,
}

/// What a line of a header block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The first line of a field.
    Field,
    /// A further line of a field.
    Fold,
    /// What mbox files have before a message, perhaps quoted: it belongs to the header, and says nothing.
    Separator,
    /// No part of a field. If a field follows before the empty line it is passed over; else the body begins here.
    Stray,
    /// Nothing: the header ends.
    Empty,
}

/// Says of each line of a header block, shown in order from the first, what it is.
///
/// RFC 5322 §2.1 ends a header at the empty line. But mail comes with lines in its header that are none: a fold that
/// lost its blank, a scanner's remark, the `From ` line of an mbox. They must not hide the fields below them. And text
/// comes that was begun without an empty line, or without a header at all; then no field follows before the empty line,
/// or none that mail is known to have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing was read.
    #[default]
    Begin,
    /// The block began with what is no field: it may be text.
    Doubt,
    /// A field was read last.
    Fields,
    /// A line that is none was read after fields.
    Strays,
}

/// The fields of a header block.
#[must_use]
pub fn fields(header: &[u8]) -> Fields<'_> {
    Fields { rest: header, lines: Lines::default() }
}

/// Whether octets begin with a header: with a field, or with the empty line that ends one without any.
#[must_use]
pub fn is_begun(octets: &[u8]) -> bool {
    let (mut lines, mut strays) = (Lines::default(), false);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        match lines.line(line) {
            Line::Field | Line::Separator => return true,
            Line::Empty => return !strays,
            Line::Stray | Line::Fold => strays = true,
        }
    }
    false
}

/// The value of the first field of this name, compared without case.
#[must_use]
pub fn first<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    fields(header).find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// Appends the fields that have one of `names` (or, if `not`, none of them), in the order of the message, and the
/// empty line that ends every header subset (RFC 9051 §6.4.5.1).
pub fn select<N: AsRef<[u8]>>(header: &[u8], names: &[N], not: bool, out: &mut Vec<u8>) {
    // What clients ask for is quicker looked through than looked up.
    let many: Option<HashSet<Vec<u8>>> =
        (names.len() > FEW).then(|| names.iter().map(|name| name.as_ref().to_ascii_lowercase()).collect());
    let mut lower = Vec::new();
    for field in fields(header) {
        effort::spend_on(NAME + field.whole.len());
        let is_named = match &many {
            None => names.iter().any(|name| name.as_ref().eq_ignore_ascii_case(field.name)),
            Some(many) => {
                lower.clear();
                lower.extend(field.name.iter().map(u8::to_ascii_lowercase));
                many.contains(&lower)
            }
        };
        if is_named == not {
            continue;
        }
        out.extend_from_slice(field.whole);
        if !field.whole.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The value on one line, trimmed.
#[must_use]
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut line = Vec::with_capacity(value.len());
    for run in value.split(|octet| matches!(octet, b'\r' | b'\n')) {
        line.extend_from_slice(run);
    }
    Cow::Owned(line)
}

impl Lines {
    /// What the next line is. As much of its beginning as [`limits::LINE_START`] suffices.
    pub fn line(&mut self, line: &[u8]) -> Line {
        // At the begin of a message, before which something was put on its way.
        let line = without_mark(line);
        match line.first() {
            None | Some(b'\r' | b'\n') if is_empty_line(line) => Line::Empty,
            Some(b' ' | b'\t') if self.stage == Stage::Fields => Line::Fold,
            Some(b' ' | b'\t') => self.stray(),
            _ => {
                let name = name(line);
                self.named(line, name)
            }
        }
    }

    /// What a line is that is neither empty nor begins with a blank, with the name that it begins with.
    fn named(&mut self, line: &[u8], name: Option<(usize, &[u8])>) -> Line {
        if name.is_some_and(|(colon, name)| self.is_field(line, colon, name)) {
            self.stage = Stage::Fields;
            return Line::Field;
        }
        match self.stage {
            Stage::Begin | Stage::Fields if is_separator(line, true) => Line::Separator,
            Stage::Begin if is_separator(line, false) => {
                self.stage = Stage::Strays;
                Line::Stray
            }
            _ => self.stray(),
        }
    }

    fn stray(&mut self) -> Line {
        self.stage = match self.stage {
            Stage::Begin | Stage::Doubt => Stage::Doubt,
            Stage::Fields | Stage::Strays => Stage::Strays,
        };
        Line::Stray
    }

    /// White space before the colon is obsolete syntax that must be understood (RFC 5322 §4.5); but a block that begins
    /// with such a line is more often text without a header.
    fn is_field(self, line: &[u8], colon: usize, name: &[u8]) -> bool {
        if line.get(colon + 1..).is_some_and(|value| value.starts_with(b"//")) {
            // An address of the web.
            return false;
        }
        match self.stage {
            Stage::Fields => true,
            Stage::Strays => name.iter().all(|octet| is_usual(*octet)),
            Stage::Begin if colon == name.len() => true,
            Stage::Begin | Stage::Doubt => is_known(name),
        }
    }
}

/// Whether there is nothing on the line but its end.
fn is_empty_line(line: &[u8]) -> bool {
    // Some programs end a line with CRLF, and others then make that CRCRLF.
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.iter().all(|octet| *octet == b'\r')
}

/// The line without the byte order mark that text of some systems begins with.
fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
}

/// The name of the field that begins with this line, and where its colon is.
fn name(line: &[u8]) -> Option<(usize, &[u8])> {
    let start = line.get(..limits::LINE_START).unwrap_or(line);
    let end = start.iter().position(|octet| !is_name(*octet)).filter(|end| *end > 0)?;
    let (name, rest) = start.split_at_checked(end)?;
    let blanks = rest.iter().position(|octet| !matches!(octet, b' ' | b'\t'))?;
    (rest.get(blanks) == Some(&b':')).then_some((end + blanks, name))
}

/// `From somebody Thu Jan  1 00:00:00 1970`: what has a time of the day in it, if it must be, is no sentence.
fn is_separator(line: &[u8], timed: bool) -> bool {
    let line = line.get(..limits::LINE_START).unwrap_or(line);
    let quotes = line.iter().take_while(|octet| **octet == b'>').count();
    let is_time = |window: &[u8]| {
        let [hour, colon, minute @ ..] = window else { return false };
        *colon == b':' && hour.is_ascii_digit() && minute.iter().all(u8::is_ascii_digit)
    };
    let line = line.get(quotes..).unwrap_or_default();
    line.starts_with(b"From ") && (!timed || line.windows(4).any(is_time))
}

/// What names of fields are made of, where something tells that no sentence is meant.
fn is_usual(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.')
}

/// Whether mail has fields of this name: one of them makes a header of what did not begin as one.
fn is_known(name: &[u8]) -> bool {
    const FAMILIES: [&str; 10] =
        ["ARC-", "Authentication-", "Content-", "DKIM-", "Delivery-", "List-", "MIME-", "Received", "Resent-", "X-"];
    const NAMES: [&str; 24] = [
        "Apparently-To",
        "Bcc",
        "Cc",
        "Comments",
        "Date",
        "Delivered-To",
        "Envelope-To",
        "Errors-To",
        "From",
        "Importance",
        "In-Reply-To",
        "Keywords",
        "Message-ID",
        "Newsgroups",
        "Organization",
        "Precedence",
        "References",
        "Reply-To",
        "Return-Path",
        "Sender",
        "Status",
        "Subject",
        "To",
        "User-Agent",
    ];
    let begins =
        |family: &&str| name.get(..family.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(family.as_bytes()));
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) || FAMILIES.iter().any(begins)
}

/// `ftext = %d33-57 / %d59-126` (RFC 5322 §3.6.8)
fn is_name(octet: u8) -> bool {
    matches!(octet, 33..=57 | 59..=126)
}

/// Octets up to and with the next line end.
fn line_length(octets: &[u8]) -> usize {
    memchr(b'\n', octets).map_or(octets.len(), |at| at + 1)
}

impl<'a> Field<'a> {
    /// The field that these lines are, the first with such a name.
    fn of(whole: &'a [u8], (colon, name): (usize, &'a [u8])) -> Option<Field<'a>> {
        let value = whole.get(colon + 1..)?;
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        Some(Field { name, value: value.strip_suffix(b"\r").unwrap_or(value), whole })
    }
}

impl Fields<'_> {
    /// The fields of what is left of a block, after lines that were such.
    pub(super) fn after(lines: Lines, rest: &[u8]) -> Fields<'_> {
        Fields { rest, lines }
    }

    /// Octets of the block that come after the last field, and what its lines were.
    pub(super) fn left(&self) -> (usize, Lines) {
        (self.rest.len(), self.lines)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        while !self.rest.is_empty() {
            let mut length = line_length(self.rest);
            let line = without_mark(self.rest.get(..length)?);
            let name = name(line);
            let is = if name.is_some() { self.lines.named(line, name) } else { self.lines.line(line) };
            match (is, name) {
                (Line::Empty, _) => self.rest = &[],
                (Line::Field, Some(name)) => {
                    while let Some(b' ' | b'\t') = self.rest.get(length) {
                        length += line_length(self.rest.get(length..)?);
                    }
                    let (whole, rest) = self.rest.split_at_checked(length)?;
                    self.rest = rest;
                    return Field::of(without_mark(whole), name);
                }
                _ => self.rest = self.rest.get(length..)?,
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
    fn a_line_that_is_no_field_hides_nothing_below_it() {
        for stray in [
            "by two.example.net with SMTP; Fri, 12 Jun 2026 10:00:00 +0200",
            "scanned and clean",
            "Scan result: clean",
            "Prüfer: sauber",
            ">From bob Fri Jun 12 10:00:00 2026",
            "From bob@example.net",
            "http://example.net/",
            ": nameless",
            "NUL\0: x",
        ] {
            let names = |block: String| -> Vec<String> {
                fields(block.as_bytes()).map(|field| String::from_utf8_lossy(field.name).into_owned()).collect()
            };
            for end in ["\n", "\r\n", "\r\r\n"] {
                let block = format!("Received: x{end}{stray}{end} more of it{end}Subject: y{end}{end}To: body{end}");
                assert_eq!(names(block), ["Received", "Subject"], "{stray}");
                let block = format!("{stray}{end}Subject: y{end}X-Z: z{end}{end}To: body{end}");
                assert_eq!(names(block), ["Subject", "X-Z"], "{stray}");
            }
        }
    }

    #[test]
    fn the_first_line_decides_nothing() {
        for (block, name, value) in [
            ("\u{feff}Subject: x\r\n", "Subject", " x"),
            ("\u{feff}\r\nSubject: x\r\n", "", ""),
            ("no field\r\n\u{feff}Subject: x\r\n", "Subject", " x"),
            ("Subject : x\r\n", "Subject", " x"),
            ("Subject\t:x\r\n", "Subject", "x"),
            ("Unheard : x\r\n", "", ""),
            ("Unheard: x\r\n", "Unheard", " x"),
            (" folded\r\nSubject:\r\n x\r\n", "Subject", "\r\n x"),
        ] {
            let found = fields(block.as_bytes()).next();
            let found = found.map(|field| (field.name, field.value)).unwrap_or_default();
            assert_eq!(found, (name.as_bytes(), value.as_bytes()), "{block:?}");
        }
    }

    #[test]
    fn text_that_was_begun_without_an_empty_line_is_no_header() {
        for (octets, begun) in [
            ("A: 1\r\n", true),
            ("\r\nbody", true),
            ("From me Thu Jan 1 10:00:00 1970\r\n\r\n", true),
            (">From me Thu Jan 1\r\nTo: b\r\n", true),
            ("hello\r\nTo: b\r\n", true),
            ("hello\r\n\r\nTo: b\r\n", false),
            ("Hello\r\nNote: it is text\r\n\r\n", false),
            ("http://example.net/\r\n", false),
            ("hello there: you\r\n", false),
            ("", false),
        ] {
            assert_eq!(is_begun(octets.as_bytes()), begun, "{octets:?}");
        }
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
