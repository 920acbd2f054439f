//! The Content-* fields of a part's header (RFC 2045, RFC 2183, RFC 2231), as far as an outline shows them.

use crate::mail::envelope::line;
use crate::mail::header::{Field, fields};
use crate::mail::{Content, Disposition, Param, Part, Span, Tag, limits};
use memchr::memchr;
use std::borrow::Cow;

/// What a part's header says of its content.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Type, subtype, parameters; `None` for text/plain by default.
    media: Option<Media>,
    id: Option<Cow<'static, [u8]>>,
    description: Option<Cow<'static, [u8]>>,
    encoding: Option<Cow<'static, [u8]>>,
    md5: Option<Cow<'static, [u8]>>,
    disposition: Option<Disposition<'static>>,
    language: Vec<Tag<'static>>,
    location: Option<Cow<'static, [u8]>>,
}

/// A media type: type, subtype, parameters.
#[derive(Debug)]
struct Media(Cow<'static, [u8]>, Cow<'static, [u8]>, Vec<Param<'static>>);

impl Head {
    /// Reads a header; of a field that comes twice, the first counts. In a digest, what has no type is a message
    /// (RFC 2046 §5.1.5).
    pub fn read(header: &[u8], in_digest: bool) -> Head {
        let mut head = Head::default();
        let mut typed = false;
        for Field { name, value, .. } in fields(header) {
            let name = name.to_ascii_lowercase();
            let Some(name) = name.strip_prefix(b"content-") else { continue };
            match name {
                b"type" if !typed => {
                    typed = true;
                    head.media = media_type(&line(value));
                }
                b"transfer-encoding" if head.encoding.is_none() => head.encoding = some(token(&line(value))),
                b"id" if head.id.is_none() => head.id = some(&line(value)),
                b"description" if head.description.is_none() => head.description = some(&line(value)),
                b"md5" if head.md5.is_none() => head.md5 = some(&line(value)),
                b"location" if head.location.is_none() => head.location = some(&line(value)),
                b"disposition" if head.disposition.is_none() => head.disposition = disposition(&line(value)),
                b"language" if head.language.is_empty() => head.language = languages(&line(value)),
                _ => {}
            }
        }
        if in_digest && !typed {
            head.media = Some(Media(Cow::Borrowed(b"message"), Cow::Borrowed(b"rfc822"), Vec::new()));
        }
        head
    }

    /// Whether a message is enclosed. One in a transfer encoding, which RFC 2046 §5.2.1 forbids, is looked into all the
    /// same: BODYSTRUCTURE has no other way to show the type, and there is only nonsense to be found.
    pub fn is_message(&self) -> bool {
        self.media.as_ref().is_some_and(|Media(media, subtype, _)| {
            let subtype = [&b"rfc822"[..], b"global"].iter().any(|name| subtype.eq_ignore_ascii_case(name));
            media.eq_ignore_ascii_case(b"message") && subtype
        })
    }

    /// Whether parts without a type are messages.
    pub fn is_digest(&self) -> bool {
        self.is_multipart()
            && self.media.as_ref().is_some_and(|Media(_, subtype, _)| subtype.eq_ignore_ascii_case(b"digest"))
    }

    fn is_multipart(&self) -> bool {
        self.media.as_ref().is_some_and(|Media(media, ..)| media.eq_ignore_ascii_case(b"multipart"))
    }

    /// The boundary of a multipart, if it has one that we can look for.
    pub fn boundary(&self) -> Option<Vec<u8>> {
        let Media(_, _, params) = self.media.as_ref().filter(|_| self.is_multipart())?;
        let plain = params.iter().find(|param| param.name.eq_ignore_ascii_case(b"boundary"));
        let boundary = plain.map(|param| param.value.to_vec()).or_else(|| continued(params, b"boundary"))?;
        // `bcharsnospace` ends it.
        let boundary = boundary.trim_ascii_end().to_vec();
        (boundary.len() <= limits::BOUNDARY).then_some(boundary)
    }

    /// The part with this header. A leaf is never shown as `multipart/*` or as an enclosed message: clients would look
    /// for parts in it.
    pub fn part(mut self, header: Span, body: Span, lines: u32, content: Content<'static>) -> Part<'static> {
        if matches!(content, Content::Leaf) && (self.is_multipart() || self.is_message()) {
            self.media = None;
        }
        let Media(media, subtype, params) = self.media.unwrap_or_else(|| {
            // RFC 2045 §5.2, also where the field cannot be read.
            let charset = Param { name: Cow::Borrowed(b"charset"), value: Cow::Borrowed(b"us-ascii") };
            Media(Cow::Borrowed(b"text"), Cow::Borrowed(b"plain"), vec![charset])
        });
        Part {
            header,
            body,
            lines,
            media,
            subtype,
            params,
            id: self.id,
            description: self.description,
            encoding: self.encoding,
            md5: self.md5,
            disposition: self.disposition,
            language: self.language,
            location: self.location,
            content,
        }
    }
}

fn some(value: &[u8]) -> Option<Cow<'static, [u8]>> {
    (!value.is_empty()).then(|| Cow::Owned(value.to_vec()))
}

/// `type "/" subtype *(";" parameter)`; `None` if it is none (RFC 2045 §5.2 then says text/plain).
fn media_type(value: &[u8]) -> Option<Media> {
    let (media, rest) = split_token(skip_comments(value));
    let rest = skip_comments(rest).strip_prefix(b"/")?;
    let (subtype, rest) = split_token(skip_comments(rest));
    let rest = skip_comments(rest);
    if media.is_empty() || rest.starts_with(b"/") {
        return None;
    }
    let subtype = match (subtype, media.eq_ignore_ascii_case(b"multipart")) {
        // An unknown multipart is mixed (RFC 2046 §5.1.3).
        (b"", true) => b"mixed",
        (b"", false) => return None,
        (subtype, _) => subtype,
    };
    Some(Media(Cow::Owned(media.to_vec()), Cow::Owned(subtype.to_vec()), parameters(rest)))
}

fn disposition(value: &[u8]) -> Option<Disposition<'static>> {
    let (kind, rest) = split_token(skip_comments(value));
    let params = parameters(rest);
    if kind.is_empty() && params.is_empty() {
        return None;
    }
    // RFC 2183 §2.8: what is not known is an attachment.
    let kind = if kind.is_empty() { b"attachment" } else { kind };
    Some(Disposition { kind: Cow::Owned(kind.to_vec()), params })
}

/// RFC 3282 §2: `Content-Language = 1#Language-tag`
fn languages(value: &[u8]) -> Vec<Tag<'static>> {
    let tags = value.split(|&octet| octet == b',').map(token).filter(|tag| !tag.is_empty());
    tags.take(limits::PARAMS).map(|tag| Tag(Cow::Owned(tag.to_vec()))).collect()
}

/// The first token of a value.
fn token(value: &[u8]) -> &[u8] {
    split_token(skip_comments(value)).0
}

fn split_token(value: &[u8]) -> (&[u8], &[u8]) {
    let ends = |octet: &u8| octet.is_ascii_whitespace() || matches!(octet, b';' | b'/' | b'(' | b'"' | b',' | b'=');
    value.split_at_checked(value.iter().position(ends).unwrap_or(value.len())).unwrap_or((value, b""))
}

fn skip_comments(mut value: &[u8]) -> &[u8] {
    loop {
        value = value.trim_ascii_start();
        match comment(value) {
            Some(length) => value = value.get(length..).unwrap_or_default(),
            None => return value,
        }
    }
}

/// Cow<'static, [u8]> of the `comment` at the beginning.
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

/// `*(";" attribute "=" value)`. What stands before a semicolon and is no parameter is passed over.
fn parameters(mut rest: &[u8]) -> Vec<Param<'static>> {
    let mut params = Vec::new();
    while params.len() < limits::PARAMS
        && let Some(begin) = memchr(b';', rest)
    {
        rest = skip_comments(rest.get(begin + 1..).unwrap_or_default());
        let end = rest.iter().position(|octet| matches!(octet, b'=' | b';')).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
        rest = after;
        let Some(after) = after.strip_prefix(b"=") else { continue };
        let (value, after) = parameter_value(skip_comments(after));
        rest = after;
        let name = name.trim_ascii();
        if !name.is_empty() {
            params.push(Param { name: Cow::Owned(name.to_vec()), value: Cow::Owned(value) });
        }
    }
    params
}

/// `token / quoted-string`, and anything else up to the semicolon: names of files are often written without quotes.
fn parameter_value(rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let mut octets = quoted.iter();
        while let Some(&octet) = octets.next() {
            match (octet, octets.as_slice().first()) {
                (b'"', _) => break,
                // Only these two: a path of Windows is not meant as escapes.
                (b'\\', Some(b'\\' | b'"')) => value.extend(octets.next()),
                _ => value.push(octet),
            }
        }
        return (value, octets.as_slice());
    }
    let end = memchr(b';', rest).unwrap_or(rest.len());
    let (value, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
    let value = value.trim_ascii();
    let spaced = value.windows(2).position(|pair| matches!(pair, [b' ' | b'\t', b'(']));
    // A comment, if nothing follows it.
    let value = match spaced.and_then(|at| value.split_at_checked(at + 1)) {
        Some((before, after)) if comment(after) == Some(after.len()) => before.trim_ascii_end(),
        _ => value,
    };
    (value.to_vec(), after)
}

/// A parameter in pieces or in an encoding (RFC 2231 §3, §4), put together.
fn continued(params: &[Param<'_>], name: &[u8]) -> Option<Vec<u8>> {
    let mut pieces: Vec<(u32, bool, &[u8])> = params
        .iter()
        .filter_map(|param| {
            let rest = param.name.split_at_checked(name.len()).filter(|(head, _)| head.eq_ignore_ascii_case(name))?.1;
            let rest = rest.strip_prefix(b"*")?;
            let number = rest.strip_suffix(b"*").unwrap_or(rest);
            let encoded = rest.is_empty() || rest.ends_with(b"*");
            let number = if number.is_empty() { 0 } else { std::str::from_utf8(number).ok()?.parse().ok()? };
            Some((number, encoded, param.value.as_ref()))
        })
        .collect();
    pieces.sort_by_key(|piece| piece.0);
    let encoded = pieces.iter().any(|piece| piece.1);
    let mut whole = Vec::new();
    for (_, encoded, value) in &pieces {
        if *encoded { percent_decode(value, &mut whole) } else { whole.extend_from_slice(value) }
    }
    if encoded {
        // `charset'language'` first.
        let mut quotes = memchr::memchr_iter(b'\'', &whole);
        if let Some(second) = quotes.nth(1) {
            whole.drain(..=second);
        }
    }
    (!pieces.is_empty()).then_some(whole)
}

fn percent_decode(value: &[u8], out: &mut Vec<u8>) {
    let digit =
        |octet: Option<&u8>| octet.and_then(|&octet| char::from(octet).to_digit(16)).and_then(|d| u8::try_from(d).ok());
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
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
