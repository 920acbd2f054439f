//! BODY and BODYSTRUCTURE (RFC 9051 §7.5.2).
//!
//! Clients take the form of a part from its type, so type and form always agree here, whatever the mail says: text has
//! lines, message/rfc822 has an envelope and a body, nothing else has. Depth is bounded by `limits::PART_DEPTH`, to
//! which parts are outlined.

use super::envelope::envelope;
use super::string::{nstring, quoted, string};
use crate::mail::{Content, Disposition, Envelope, Param, Part, Tag};
use crate::wire::Out;
use crate::wire::imap::Dialect;

/// Whether extension data is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// BODY
    Basic,
    /// BODYSTRUCTURE
    Extended,
}

/// The body of a part of which nothing is known.
const EMPTY_TEXT: &[u8] = b"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)";

/// `body = "(" (body-type-1part / body-type-mpart) ")"`
pub(super) fn body(out: &mut Out, part: &Part<'_>, extent: Extent, dialect: Dialect) {
    out.byte(b'(');
    match &part.content {
        Content::Multipart(parts) => {
            multipart(out, part, parts, extent, dialect);
        }
        Content::Message(_) if is_global(part) && !dialect.utf8 => {
            // RFC 3501 §7.4.2 knows an envelope in message/rfc822 alone.
            basic(out, &part.media, &part.subtype, part, dialect);
            single_extension(out, part, extent, dialect);
        }
        Content::Message(message) => {
            let (inner, root) = message.as_ref();
            basic(out, b"MESSAGE", if is_message(part) { &part.subtype } else { b"RFC822" }, part, dialect);
            enclosed(out, inner, Some(root), part, extent, dialect);
            single_extension(out, part, extent, dialect);
        }
        Content::Leaf => {
            leaf(out, part, extent, dialect);
            single_extension(out, part, extent, dialect);
        }
    }
    out.byte(b')');
}

/// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`
fn multipart(out: &mut Out, part: &Part<'_>, parts: &[Part<'_>], extent: Extent, dialect: Dialect) {
    for part in parts {
        body(out, part, extent, dialect);
    }
    if parts.is_empty() {
        out.put(EMPTY_TEXT);
    }
    out.byte(b' ');
    string(out, default(&part.subtype, b"MIXED"), dialect);
    if extent == Extent::Extended {
        // body-ext-mpart = body-fld-param [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc …]]]
        out.byte(b' ');
        params(out, &part.params, dialect);
        common_extension(out, part, dialect);
    }
}

/// `body-type-text`, `body-type-basic`, or a message that was not looked into
fn leaf(out: &mut Out, part: &Part<'_>, extent: Extent, dialect: Dialect) {
    if part.media.is_empty() {
        // RFC 2045 §5.2: without a type it is plain text.
        basic(out, b"TEXT", b"PLAIN", part, dialect);
        lines(out, part);
    } else if is(&part.media, "text") {
        basic(out, &part.media, default(&part.subtype, b"PLAIN"), part, dialect);
        lines(out, part);
    } else if is_message(part) && (dialect.utf8 || !is_global(part)) {
        basic(out, &part.media, &part.subtype, part, dialect);
        enclosed(out, &Envelope::default(), None, part, extent, dialect);
    } else if is(&part.media, "multipart") {
        // A multipart in the form of a single part: no client expects that.
        basic(out, b"APPLICATION", b"OCTET-STREAM", part, dialect);
    } else {
        basic(out, &part.media, default(&part.subtype, b"OCTET-STREAM"), part, dialect);
    }
}

/// `body-type-basic = media-basic SP body-fields`
fn basic(out: &mut Out, media: &[u8], subtype: &[u8], part: &Part<'_>, dialect: Dialect) {
    string(out, media, dialect);
    out.byte(b' ');
    string(out, subtype, dialect);
    fields(out, part, dialect);
}

/// Whether the type is one whose form has an envelope and a body.
fn is_message(part: &Part<'_>) -> bool {
    is(&part.media, "message") && (is(&part.subtype, "rfc822") || is_global(part))
}

/// `message/global`, which is unknown to `IMAP4rev1`
fn is_global(part: &Part<'_>) -> bool {
    is(&part.media, "message") && is(&part.subtype, "global")
}

fn is(name: &[u8], expected: &str) -> bool {
    name.eq_ignore_ascii_case(expected.as_bytes())
}

/// ``SP envelope SP body SP body-fld-lines``
fn enclosed(
    out: &mut Out,
    inner: &Envelope<'_>,
    root: Option<&Part<'_>>,
    part: &Part<'_>,
    extent: Extent,
    dialect: Dialect,
) {
    out.byte(b' ');
    envelope(out, inner, dialect);
    out.byte(b' ');
    match root {
        Some(root) => body(out, root, extent, dialect),
        None => out.put(EMPTY_TEXT),
    }
    lines(out, part);
}

/// ``SP body-fields``, ``body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets``
fn fields(out: &mut Out, part: &Part<'_>, dialect: Dialect) {
    out.byte(b' ');
    params(out, &part.params, dialect);
    out.byte(b' ');
    nstring(out, part.id.as_deref(), dialect);
    out.byte(b' ');
    nstring(out, part.description.as_deref(), dialect);
    out.byte(b' ');
    match part.encoding.as_deref() {
        Some(encoding) if !encoding.is_empty() => string(out, encoding, dialect),
        _ => quoted(out, b"7BIT"),
    }
    out.byte(b' ');
    out.number(part.body.len());
}

/// `SP body-fld-lines`
fn lines(out: &mut Out, part: &Part<'_>) {
    out.byte(b' ');
    out.number(part.lines);
}

/// `SP body-ext-1part`
fn single_extension(out: &mut Out, part: &Part<'_>, extent: Extent, dialect: Dialect) {
    if extent == Extent::Extended {
        out.byte(b' ');
        nstring(out, part.md5.as_deref(), dialect);
        common_extension(out, part, dialect);
    }
}

/// `SP body-fld-dsp SP body-fld-lang SP body-fld-loc`
fn common_extension(out: &mut Out, part: &Part<'_>, dialect: Dialect) {
    out.byte(b' ');
    disposition(out, part.disposition.as_ref(), dialect);
    out.byte(b' ');
    languages(out, &part.language, dialect);
    out.byte(b' ');
    nstring(out, part.location.as_deref(), dialect);
}

/// ``body-fld-param = "(" string SP string *(SP string SP string) ")" / nil``
fn params(out: &mut Out, params: &[Param<'_>], dialect: Dialect) {
    if params.is_empty() {
        return out.put(b"NIL");
    }
    let mut before = b'(';
    for param in params {
        out.byte(before);
        before = b' ';
        string(out, &param.name, dialect);
        out.byte(b' ');
        string(out, &param.value, dialect);
    }
    out.byte(b')');
}

/// ``body-fld-dsp = "(" string SP body-fld-param ")" / nil``
fn disposition(out: &mut Out, disposition: Option<&Disposition<'_>>, dialect: Dialect) {
    let Some(disposition) = disposition else { return out.put(b"NIL") };
    out.byte(b'(');
    string(out, &disposition.kind, dialect);
    out.byte(b' ');
    params(out, &disposition.params, dialect);
    out.byte(b')');
}

/// ``body-fld-lang = nstring / "(" string *(SP string) ")"``
fn languages(out: &mut Out, languages: &[Tag<'_>], dialect: Dialect) {
    if languages.is_empty() {
        return out.put(b"NIL");
    }
    let mut before = b'(';
    for language in languages {
        out.byte(before);
        before = b' ';
        string(out, &language.0, dialect);
    }
    out.byte(b')');
}

fn default<'a>(value: &'a [u8], otherwise: &'a [u8]) -> &'a [u8] {
    if value.is_empty() { otherwise } else { value }
}
