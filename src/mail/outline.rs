//! The outline of a message: its MIME tree with the place of every part, without the content.

use super::Envelope;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A range of octets of the message as it is served (line ends CRLF), end excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Offset of the first octet.
    pub start: u32,
    /// Offset after the last octet; never less than `start`.
    pub end: u32,
}

/// A node of the MIME tree (RFC 2045, RFC 2046). The root is the message itself: its `header` is the message header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part<'a> {
    /// The header, with the empty line that ends it, if there is one.
    pub header: Span,
    /// The body: without the line end that belongs to the next boundary (RFC 2046 §5.1.1).
    pub body: Span,
    /// Line ends in the body, plus one if it ends in an unfinished line.
    pub lines: u32,
    /// The media type, as written (`text`).
    #[serde(borrow, with = "serde_bytes")]
    pub media: Cow<'a, [u8]>,
    /// The media subtype, as written (`plain`).
    #[serde(borrow, with = "serde_bytes")]
    pub subtype: Cow<'a, [u8]>,
    /// Content-Type parameters, as written, quotes removed.
    #[serde(borrow)]
    pub params: Vec<Param<'a>>,
    /// Content-ID.
    #[serde(borrow, with = "serde_bytes")]
    pub id: Option<Cow<'a, [u8]>>,
    /// Content-Description.
    #[serde(borrow, with = "serde_bytes")]
    pub description: Option<Cow<'a, [u8]>>,
    /// Content-Transfer-Encoding, as written; absent means 7BIT.
    #[serde(borrow, with = "serde_bytes")]
    pub encoding: Option<Cow<'a, [u8]>>,
    /// Content-MD5.
    #[serde(borrow, with = "serde_bytes")]
    pub md5: Option<Cow<'a, [u8]>>,
    /// Content-Disposition.
    #[serde(borrow)]
    pub disposition: Option<Disposition<'a>>,
    /// Content-Language, a tag each.
    #[serde(borrow)]
    pub language: Vec<Tag<'a>>,
    /// Content-Location.
    #[serde(borrow, with = "serde_bytes")]
    pub location: Option<Cow<'a, [u8]>>,
    /// What is inside.
    #[serde(borrow)]
    pub content: Content<'a>,
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content<'a> {
    /// Text, image and everything else that is not looked into.
    Leaf,
    /// `multipart/*`; never empty (a multipart without parts is outlined as `Leaf` of type text/plain, see `mime`).
    #[serde(borrow)]
    Multipart(Vec<Part<'a>>),
    /// `message/rfc822` or `message/global`: the enclosed message's envelope and root part.
    #[serde(borrow)]
    Message(Box<(Envelope<'a>, Part<'a>)>),
}

/// A parameter of a structured header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param<'a> {
    /// Attribute, as written (`filename*`).
    #[serde(borrow, with = "serde_bytes")]
    pub name: Cow<'a, [u8]>,
    /// Value, quotes removed.
    #[serde(borrow, with = "serde_bytes")]
    pub value: Cow<'a, [u8]>,
}

/// A Content-Disposition (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition<'a> {
    /// `attachment`, `inline`, as written.
    #[serde(borrow, with = "serde_bytes")]
    pub kind: Cow<'a, [u8]>,
    /// Its parameters.
    #[serde(borrow)]
    pub params: Vec<Param<'a>>,
}

/// A language tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag<'a>(#[serde(borrow, with = "serde_bytes")] pub Cow<'a, [u8]>);

impl Span {
    /// Octets in the span.
    #[must_use]
    pub fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}
