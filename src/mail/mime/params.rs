//! The parameters of a structured field (RFC 2045 §5.1), continued ones put together (RFC 2231).
//!
//! They are written in more ways than the grammar has: without a semicolon, with a comma for it, with values that want
//! quotes and have none, or whose quotes never end. Every step consumes an octet, so that no input can make it loop.

use crate::mail::{Param, limits};
use std::borrow::Cow;

/// The parameter of this name, decoded as far as RFC 2231 goes; a plain one goes before one in an encoding.
#[must_use]
pub fn parameter<'p>(params: &'p [Param<'_>], name: &[u8]) -> Option<Cow<'p, [u8]>> {
    let plain = params.iter().find(|param| param.name.eq_ignore_ascii_case(name));
    if let Some(param) = plain {
        return Some(Cow::Borrowed(&param.value));
    }
    let is_encoded =
        |param: &&Param<'_>| param.name.strip_suffix(b"*").is_some_and(|encoded| encoded.eq_ignore_ascii_case(name));
    let value = &params.iter().find(is_encoded)?.value;
    // `charset'language'` first.
    let second = memchr::memchr_iter(b'\'', value).nth(1);
    Some(Cow::Owned(percent_decoded(value.get(second.map_or(0, |at| at + 1)..)?)))
}

/// `*(";" attribute "=" value)`, what stands between them and is no parameter passed over.
pub(super) fn parameters(value: &[u8]) -> Vec<Param<'static>> {
    let mut reader = Reader { rest: value, comments: true };
    let mut params = Vec::new();
    while params.len() < limits::PARAMS {
        reader.skip_space();
        let ends = |octet: &u8| octet.is_ascii_whitespace() || matches!(octet, b'=' | b';' | b',' | b'(' | b'"');
        let length = reader.rest.iter().position(ends).unwrap_or(reader.rest.len());
        let name = reader.take(length);
        reader.skip_space();
        match reader.rest.first() {
            None => break,
            Some(b'=') => {
                reader.take(1);
                let value = reader.value();
                if !name.is_empty() {
                    params.push(Param { name: Cow::Owned(name.to_vec()), value: Cow::Owned(value) });
                }
            }
            Some(b'"') => drop(reader.value()),
            Some(b';' | b',' | b'(') => drop(reader.take(1)),
            // The name that was read was none, and another one begins.
            Some(_) => {}
        }
    }
    joined(params)
}

/// What follows blanks and comments.
pub(super) fn skip_comments(value: &[u8]) -> &[u8] {
    let mut reader = Reader { rest: value, comments: true };
    reader.skip_space();
    reader.rest
}

struct Reader<'v> {
    rest: &'v [u8],
    /// Whether `(` still begins comments; not after one that never ended.
    comments: bool,
}

impl<'v> Reader<'v> {
    fn take(&mut self, length: usize) -> &'v [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, b""));
        self.rest = rest;
        taken
    }

    fn skip_space(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if !self.comments || self.rest.first() != Some(&b'(') {
                return;
            }
            match comment(self.rest) {
                Some(length) => drop(self.take(length)),
                None => self.comments = false,
            }
        }
    }

    /// `token / quoted-string`, or whatever stands for it.
    fn value(&mut self) -> Vec<u8> {
        self.skip_space();
        let Some(quoted) = self.rest.strip_prefix(b"\"") else { return self.unquoted() };
        let mut value = Vec::new();
        let mut octets = quoted.iter();
        while let Some(&octet) = octets.next() {
            match (octet, octets.as_slice().first()) {
                (b'"', Some(next)) if value.is_empty() && !is_separator(*next) => {
                    // Quotes within quotes.
                    self.rest = octets.as_slice();
                    return self.unquoted();
                }
                (b'"', _) => {
                    self.rest = octets.as_slice();
                    return value;
                }
                // Only these two: a path of Windows is not meant as escapes.
                (b'\\', Some(b'\\' | b'"')) => value.extend(octets.next()),
                _ => value.push(octet),
            }
        }
        // The quotes never end.
        self.rest = quoted;
        self.unquoted()
    }

    /// Anything up to the semicolon, for names of files are often written without quotes; or up to the next parameter,
    /// where that was forgotten or is a comma.
    fn unquoted(&mut self) -> Vec<u8> {
        let is_encoded_word = self.rest.starts_with(b"=?");
        let mut end = 0;
        while let Some(&octet) = self.rest.get(end) {
            if octet == b';' {
                break;
            }
            if !is_separator(octet) {
                end += 1;
                continue;
            }
            let after = self.rest.get(end..).unwrap_or_default();
            let blanks = after.iter().take_while(|octet| is_separator(**octet) && **octet != b';').count();
            if !is_encoded_word && begins_parameter(after.get(blanks..).unwrap_or_default()) {
                break;
            }
            end += blanks;
        }
        let value = self.take(end).trim_ascii();
        let spaced = value.windows(2).position(|pair| matches!(pair, [b' ' | b'\t', b'(']));
        // A comment, if nothing follows it.
        let value = match spaced.and_then(|at| value.split_at_checked(at + 1)) {
            Some((before, after)) if comment(after) == Some(after.len()) => before,
            _ => value,
        };
        let ends = |octet: &u8| matches!(octet, b'"' | b',' | b' ' | b'\t');
        value.iter().rposition(|octet| !ends(octet)).and_then(|last| value.get(..=last)).unwrap_or_default().to_vec()
    }
}

fn is_separator(octet: u8) -> bool {
    octet.is_ascii_whitespace() || matches!(octet, b';' | b',')
}

/// Whether octets begin as `attribute "="`.
fn begins_parameter(octets: &[u8]) -> bool {
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'*');
    let length = octets.iter().take_while(|octet| is_name(octet)).count();
    let after = octets.get(length..).unwrap_or_default().trim_ascii_start();
    octets.first().is_some_and(u8::is_ascii_alphabetic) && after.starts_with(b"=")
}

/// Octets of the `comment` at the beginning.
fn comment(value: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut octets = value.iter().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            b'\\' => drop(octets.next()),
            _ => {}
        }
        if depth == 0 {
            return (at > 0).then_some(at + 1);
        }
    }
    None
}

/// `attribute "*" number ["*"]` (RFC 2231 §3, §4.1): the attribute, the number, whether it is in an encoding.
fn piece(name: &[u8]) -> Option<(&[u8], u32, bool)> {
    let (attribute, section) = name.split_at_checked(memchr::memchr(b'*', name).filter(|at| *at > 0)?)?;
    let section = section.get(1..)?;
    let (number, encoded) = section.strip_suffix(b"*").map_or((section, false), |number| (number, true));
    let digits =
        std::str::from_utf8(number).ok().filter(|number| number.bytes().all(|octet| octet.is_ascii_digit()))?;
    Some((attribute, digits.parse().ok()?, encoded))
}

/// The parameters with those that came in pieces put together, each where its first piece stood (RFC 9051 §7.5.2). What
/// is in an encoding stays in it, with its charset.
fn joined(params: Vec<Param<'static>>) -> Vec<Param<'static>> {
    if !params.iter().any(|param| piece(&param.name).is_some()) {
        return params;
    }
    let is_of = |param: &Param<'_>, attribute: &[u8]| {
        piece(&param.name).is_some_and(|(of, ..)| of.eq_ignore_ascii_case(attribute))
    };
    let mut whole: Vec<Param<'static>> = Vec::with_capacity(params.len());
    for (at, param) in params.iter().enumerate() {
        // One that is encoded and in no pieces may be the first piece of those that follow.
        let attribute = match (piece(&param.name), param.name.strip_suffix(b"*")) {
            (Some((attribute, ..)), _) => attribute,
            (None, Some(attribute)) if params.iter().any(|other| is_of(other, attribute)) => attribute,
            _ => {
                whole.push(param.clone());
                continue;
            }
        };
        let is_first = |other: &Param<'_>| {
            !is_of(other, attribute)
                && other.name.strip_suffix(b"*").is_none_or(|of| !of.eq_ignore_ascii_case(attribute))
        };
        if params.iter().take(at).all(is_first) {
            whole.push(join(&params, attribute));
        }
    }
    whole
}

/// The pieces of this attribute in one, in the order of their numbers; of two with one number the first counts.
fn join(params: &[Param<'_>], attribute: &[u8]) -> Param<'static> {
    let mut pieces: Vec<(u32, bool, &[u8])> = params
        .iter()
        .filter_map(|param| match (piece(&param.name), param.name.strip_suffix(b"*")) {
            (Some((of, number, encoded)), _) if of.eq_ignore_ascii_case(attribute) => {
                Some((number, encoded, param.value.as_ref()))
            }
            (None, Some(of)) if of.eq_ignore_ascii_case(attribute) => Some((0, true, param.value.as_ref())),
            _ => None,
        })
        .collect();
    pieces.sort_by_key(|piece| piece.0);
    pieces.dedup_by_key(|piece| piece.0);
    let mut name = attribute.to_vec();
    let mut value = Vec::new();
    if !pieces.iter().any(|piece| piece.1) {
        value.extend(pieces.iter().flat_map(|piece| piece.2));
        return Param { name: Cow::Owned(name), value: Cow::Owned(value) };
    }
    name.push(b'*');
    let is_told = |piece: &(u32, bool, &[u8])| piece.1 && memchr::memchr_iter(b'\'', piece.2).nth(1).is_some();
    if !pieces.first().is_some_and(is_told) {
        // RFC 2231 §4: charset and language may be left out, but not their quotes.
        value.extend_from_slice(b"''");
    }
    for (_, encoded, text) in pieces {
        if encoded { value.extend_from_slice(text) } else { percent_encode(text, &mut value) }
    }
    Param { name: Cow::Owned(name), value: Cow::Owned(value) }
}

/// `*attribute-char` (RFC 2231 §7), everything else encoded.
fn percent_encode(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &octet in text {
        if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&octet) {
            out.push(octet);
        } else {
            out.push(b'%');
            out.extend([octet >> 4, octet & 15].iter().filter_map(|digit| DIGITS.get(usize::from(*digit))));
        }
    }
}

fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let digit =
        |octet: Option<&u8>| octet.and_then(|&octet| char::from(octet).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&octet, after)) = rest.split_first() {
        let (high, low) = (digit(after.first()), digit(after.get(1)));
        if let (b'%', Some(high), Some(low)) = (octet, high, low) {
            out.push(high << 4 | low);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(octet);
            rest = after;
        }
    }
    out
}
