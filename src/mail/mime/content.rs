//! The Content-* fields of a part's header (RFC 2045, RFC 2183, RFC 2231), as far as an outline shows them.

use super::params::{parameter, parameters, skip_comments};
use crate::mail::envelope::line;
use crate::mail::header::{Field, fields};
use crate::mail::{Content, Disposition, Param, Part, Span, Tag, limits};
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
        let boundary = parameter(params, b"boundary")?;
        // `bcharsnospace` ends it, and there is one at least.
        let boundary = boundary.trim_ascii_end();
        (1..=limits::BOUNDARY).contains(&boundary.len()).then(|| boundary.to_vec())
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
    let (media, rest) = split_token(value);
    let Some(rest) = skip_comments(rest).strip_prefix(b"/") else {
        // What only lacks its subtype may well tell a charset.
        let params = parameters(rest);
        let text = media.eq_ignore_ascii_case(b"text") && !params.is_empty();
        return text.then_some(Media(Cow::Borrowed(b"text"), Cow::Borrowed(b"plain"), params));
    };
    let (subtype, rest) = split_token(rest);
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
    let (kind, rest) = split_token(value);
    let (kind, params) = match skip_comments(rest).first() {
        // It begins with its parameters.
        Some(b'=') => (&b""[..], parameters(value)),
        _ => (kind, parameters(rest)),
    };
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
    split_token(value).0
}

/// The first token of a value, and what follows it. Some programs write it in quotes.
fn split_token(value: &[u8]) -> (&[u8], &[u8]) {
    let value = skip_comments(value);
    let bare = value.strip_prefix(b"\"");
    let value = bare.unwrap_or(value);
    let ends = |octet: &u8| octet.is_ascii_whitespace() || matches!(octet, b';' | b'/' | b'(' | b'"' | b',' | b'=');
    let length = value.iter().position(ends).unwrap_or(value.len());
    let (token, rest) = value.split_at_checked(length).unwrap_or((value, b""));
    (token, rest.strip_prefix(b"\"").unwrap_or(rest))
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
