//! The text of a message, as BODY and TEXT search it: text and message parts, decoded, and the headers inside; never
//! what is only an attachment.

use crate::mail::decode::{Charset, Decoder, Encoding, decode_words};
use crate::mail::header::{Field, fields, unfold};
use crate::mail::mime::parameter;
use crate::mail::{Content, Part, Span, limits};
use std::borrow::Cow;

/// A stretch of the message that holds text, and how to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    /// The header of a part or of an enclosed message.
    Header(Span),
    /// The body of a leaf.
    Body(Span, Encoding, Vec<u8>),
}

/// All stretches of the body of a message with this root, in order.
pub(super) fn stretches(root: &Part<'_>) -> Vec<Stretch> {
    let mut list = Vec::new();
    body(root, &mut list);
    list
}

fn body(part: &Part<'_>, list: &mut Vec<Stretch>) {
    match &part.content {
        Content::Multipart(parts) => {
            for part in parts {
                list.push(Stretch::Header(part.header));
                body(part, list);
            }
        }
        Content::Message(inner) => {
            list.push(Stretch::Header(inner.1.header));
            body(&inner.1, list);
        }
        Content::Leaf => {
            let text = [&b"text"[..], b"message"].iter().any(|media| part.media.eq_ignore_ascii_case(media));
            let charset = parameter(&part.params, b"charset");
            // What is encoded in an unknown way cannot be read.
            if let (true, Some(encoding)) = (text, Encoding::of(part)) {
                let charset = charset.map_or_else(|| b"us-ascii".to_vec(), Cow::into_owned);
                list.push(Stretch::Body(part.body, encoding, charset));
            }
        }
    }
}

/// Reads one stretch as its octets come.
pub(super) enum Reader {
    Header(Vec<u8>),
    Body { decoder: Decoder, charset: Charset, octets: Vec<u8> },
}

impl Stretch {
    pub fn span(&self) -> Span {
        match self {
            Stretch::Header(span) | Stretch::Body(span, ..) => *span,
        }
    }

    pub fn reader(&self) -> Reader {
        match self {
            Stretch::Header(_) => Reader::Header(Vec::new()),
            Stretch::Body(_, encoding, charset) => Reader::Body {
                decoder: Decoder::new(*encoding),
                charset: Charset::labelled(charset),
                octets: Vec::new(),
            },
        }
    }
}

impl Reader {
    /// The next octets of the stretch; what they say is put at the end of `text`.
    pub fn feed(&mut self, piece: &[u8], text: &mut String) {
        match self {
            Reader::Header(header) => {
                let room = limits::HEADER.saturating_sub(header.len());
                header.extend_from_slice(piece.get(..room).unwrap_or(piece));
            }
            Reader::Body { decoder, charset, octets } => {
                octets.clear();
                decoder.feed(piece, octets);
                charset.feed(octets, text);
            }
        }
    }

    /// The stretch is complete: appends what is still to be said.
    pub fn finish(self, text: &mut String) {
        match self {
            Reader::Header(header) => {
                for field in fields(&header) {
                    line(&field, &decode_words(&unfold(field.value)), text);
                }
            }
            Reader::Body { decoder, mut charset, mut octets } => {
                octets.clear();
                decoder.finish(&mut octets);
                charset.feed(&octets, text);
                charset.finish(text);
            }
        }
    }
}

/// A field as it is searched: a line `Name: value`.
pub(super) fn line(field: &Field<'_>, value: &str, text: &mut String) {
    text.push_str(std::str::from_utf8(field.name).unwrap_or_default());
    text.push_str(": ");
    text.push_str(value);
    text.push('\n');
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
