//! One item of content in a FETCH response, in one go or piece by piece.

use crate::mail::decode::{Decoder, Encoding};
use crate::mail::{self, BlobId, Section, SectionText, Span, header, limits};
use crate::store::{Fault, Head, Pin, Reading, Snapshot, Store};
use crate::wire::imap::FetchItem;
use crate::wire::imap::reply::Fetch;

/// A message's content, in one snapshot.
pub(super) struct Body<'b> {
    pub(super) store: &'b Store,
    pub(super) snapshot: &'b Snapshot,
    pub(super) blob: BlobId,
    pub(super) head: &'b Head<'b>,
}

/// What became of an item.
pub(super) enum Put {
    Whole,
    /// The output is full; the literal goes on later.
    Paused(Piece),
    /// BINARY of a part whose encoding is unknown.
    UnknownCte,
}

/// The rest of a literal whose header was sent. The blob stays readable while this lives.
#[derive(Debug)]
pub(super) struct Piece {
    reading: Reading,
    decoding: Option<Decoding>,
    _pin: Pin,
}

/// A part that is decoded while it is sent.
#[derive(Debug)]
struct Decoding {
    decoder: Option<Decoder>,
    /// Decoded octets still to be left out, and to be sent.
    skip: u64,
    left: u64,
}

impl Piece {
    pub(super) fn blob(&self) -> BlobId {
        self.reading.blob
    }

    /// Sends more, until the output holds `enough`; true when all is sent.
    pub(super) fn go_on(&mut self, body: &Body<'_>, out: &mut Vec<u8>, enough: usize) -> Result<bool, Fault> {
        match &mut self.decoding {
            None => self.reading.read(body.snapshot, body.head, out, enough),
            Some(decoding) => decoding.go_on(&mut self.reading, body, out, enough),
        }
    }
}

impl Decoding {
    fn go_on(
        &mut self,
        reading: &mut Reading,
        body: &Body<'_>,
        out: &mut Vec<u8>,
        enough: usize,
    ) -> Result<bool, Fault> {
        let mut raw = Vec::new();
        let mut decoded = Vec::new();
        while self.left > 0 {
            if out.len() >= enough {
                return Ok(false);
            }
            raw.clear();
            decoded.clear();
            let ended = reading.read(body.snapshot, body.head, &mut raw, 1)?;
            if let Some(decoder) = &mut self.decoder {
                decoder.feed(&raw, &mut decoded);
            }
            if ended && let Some(decoder) = self.decoder.take() {
                decoder.finish(&mut decoded);
            }
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(decoded.len());
            self.skip -= skipped as u64;
            let rest = decoded.get(skipped..).unwrap_or_default();
            let sent = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
            out.extend_from_slice(rest.get(..sent).unwrap_or_default());
            self.left -= sent as u64;
            if ended && self.left > 0 {
                return Err(Fault::Corrupt("a part decodes to another length than before"));
            }
        }
        Ok(true)
    }
}

impl Body<'_> {
    /// Puts an item of content.
    pub(super) fn put(&self, item: &FetchItem, fetch: &mut Fetch<'_>, scratch: &mut Vec<u8>) -> Result<Put, Fault> {
        match item {
            FetchItem::Envelope => {
                fetch.envelope(&self.head.envelope()?);
                Ok(Put::Whole)
            }
            FetchItem::Body => {
                fetch.body(&self.head.outline()?);
                Ok(Put::Whole)
            }
            FetchItem::BodyStructure => {
                fetch.body_structure(&self.head.outline()?);
                Ok(Put::Whole)
            }
            FetchItem::Section { section, partial, .. } => self.section(section, *partial, fetch, scratch),
            FetchItem::Rfc822 => {
                fetch.rfc822();
                self.octets(self.whole(), None, fetch)
            }
            FetchItem::Rfc822Header => {
                fetch.rfc822_header();
                self.octets(self.head.outline()?.header, None, fetch)
            }
            FetchItem::Rfc822Text => {
                fetch.rfc822_text();
                self.octets(self.head.outline()?.body, None, fetch)
            }
            FetchItem::Binary { path, partial, .. } => self.binary(path, *partial, fetch),
            FetchItem::BinarySize(path) => self.binary_size(path, fetch),
            FetchItem::Uid | FetchItem::Flags | FetchItem::InternalDate | FetchItem::Size | FetchItem::ModSeq => {
                Ok(Put::Whole)
            }
        }
    }

    fn whole(&self) -> Span {
        Span { start: 0, end: self.head.size }
    }

    fn section(
        &self,
        section: &Section,
        partial: Option<(u32, u32)>,
        fetch: &mut Fetch<'_>,
        scratch: &mut Vec<u8>,
    ) -> Result<Put, Fault> {
        fetch.section(section, partial.map(|(origin, _)| origin));
        if section.path.is_empty() && section.text == SectionText::Whole {
            return self.octets(self.whole(), partial, fetch);
        }
        match self.head.outline()?.resolve(section) {
            Some(mail::Piece::Octets(span)) => self.octets(span, partial, fetch),
            Some(mail::Piece::Fields { header: span, names, not }) => {
                scratch.clear();
                let mut reading = Reading { blob: self.blob, rest: span };
                reading.read(self.snapshot, self.head, scratch, limits::HEADER)?;
                let split = scratch.len();
                let mut fields = std::mem::take(scratch);
                let mut selected = Vec::with_capacity(split.min(1024));
                header::select(&fields, names, not, &mut selected);
                fields.clear();
                *scratch = fields;
                fetch.literal(part_of(&selected, partial));
                Ok(Put::Whole)
            }
            None => {
                fetch.nil();
                Ok(Put::Whole)
            }
        }
    }

    /// A literal with these octets of the message, or with a part of them.
    fn octets(&self, span: Span, partial: Option<(u32, u32)>, fetch: &mut Fetch<'_>) -> Result<Put, Fault> {
        let span = match partial {
            None => span,
            Some((offset, length)) => {
                let start = span.start.saturating_add(offset).min(span.end);
                Span { start, end: start.saturating_add(length).min(span.end) }
            }
        };
        fetch.literal_header(u64::from(span.len()));
        let mut reading = Reading { blob: self.blob, rest: span };
        let enough = fetch.limit();
        if reading.read(self.snapshot, self.head, fetch.buffer(), enough)? {
            return Ok(Put::Whole);
        }
        Ok(Put::Paused(Piece { reading, decoding: None, _pin: self.store.pin(self.blob) }))
    }

    fn binary(&self, path: &[u32], partial: Option<(u32, u32)>, fetch: &mut Fetch<'_>) -> Result<Put, Fault> {
        let outline = self.head.outline()?;
        if path.is_empty() {
            // The whole message has no encoding to be taken off (RFC 3516 §4.2).
            fetch.binary(path, partial.map(|(origin, _)| origin));
            return self.octets(self.whole(), partial, fetch);
        }
        let Some(part) = outline.leaf(path) else {
            fetch.binary(path, partial.map(|(origin, _)| origin));
            fetch.nil();
            return Ok(Put::Whole);
        };
        let Some(encoding) = Encoding::of(part) else { return Ok(Put::UnknownCte) };
        fetch.binary(path, partial.map(|(origin, _)| origin));
        let whole = self.decoded_length(part.body, encoding)?;
        let (offset, length) = partial.map_or((0, whole), |(offset, length)| (u64::from(offset), u64::from(length)));
        let skip = offset.min(whole);
        let left = length.min(whole - skip);
        // A literal8 always: whether there is a NUL in it nobody knows before it is sent.
        fetch.literal8_header(left);
        let mut reading = Reading { blob: self.blob, rest: part.body };
        let mut decoding = Decoding { decoder: Some(Decoder::new(encoding)), skip, left };
        let enough = fetch.limit();
        if decoding.go_on(&mut reading, self, fetch.buffer(), enough)? {
            return Ok(Put::Whole);
        }
        Ok(Put::Paused(Piece { reading, decoding: Some(decoding), _pin: self.store.pin(self.blob) }))
    }

    fn binary_size(&self, path: &[u32], fetch: &mut Fetch<'_>) -> Result<Put, Fault> {
        let outline = self.head.outline()?;
        let length = match outline.leaf(path) {
            _ if path.is_empty() => u64::from(self.head.size),
            None => 0,
            Some(part) => match Encoding::of(part) {
                Some(encoding) => self.decoded_length(part.body, encoding)?,
                None => return Ok(Put::UnknownCte),
            },
        };
        fetch.binary_size(path, u32::try_from(length).unwrap_or(u32::MAX));
        Ok(Put::Whole)
    }

    fn decoded_length(&self, span: Span, encoding: Encoding) -> Result<u64, Fault> {
        let mut decoder = Decoder::new(encoding);
        let mut reading = Reading { blob: self.blob, rest: span };
        let (mut raw, mut decoded) = (Vec::new(), Vec::new());
        let mut length = 0;
        loop {
            raw.clear();
            decoded.clear();
            let ended = reading.read(self.snapshot, self.head, &mut raw, 1)?;
            decoder.feed(&raw, &mut decoded);
            length += decoded.len() as u64;
            if ended {
                break;
            }
        }
        decoded.clear();
        decoder.finish(&mut decoded);
        Ok(length + decoded.len() as u64)
    }
}

/// The octets that a partial asks for.
fn part_of(octets: &[u8], partial: Option<(u32, u32)>) -> &[u8] {
    let Some((offset, length)) = partial else { return octets };
    let rest = octets.get(offset as usize..).unwrap_or_default();
    rest.get(..length as usize).unwrap_or(rest)
}
