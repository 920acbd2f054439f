//! One item of content in a FETCH response, in one go or piece by piece.

use super::measure::{Mark, Measures};
use crate::mail::decode::Served;
use crate::mail::{self, BlobId, Part, Section, SectionText, Span, effort, header, limits};
use crate::session::whole::may_begin;
use crate::store::{Depth, Fault, Head, Pin, Reading, Snapshot, Store};
use crate::wire::Out;
use crate::wire::imap::FetchItem;
use crate::wire::imap::reply::{self, Fetch};
use std::cell::OnceCell;

/// What an octet of a structure costs to write, in octets looked at: it is made of many small pieces.
const WRITING: usize = 6;

/// A message's content, in one snapshot.
pub(super) struct Body<'b> {
    pub(super) store: &'b Store,
    pub(super) snapshot: &'b Snapshot,
    pub(super) blob: BlobId,
    pub(super) head: &'b Head<'b>,
    /// What it is made of, once an item asked for it.
    pub(super) outline: OnceCell<Part<'b>>,
}

/// What became of an item.
pub(super) enum Put {
    Whole,
    /// The output is full; the literal goes on later.
    Paused(Piece),
    /// BINARY of a part whose encoding is unknown.
    UnknownCte,
    /// Nothing was put: the turn is over, or the output full, before it could be.
    Later,
}

/// What is worth keeping from one item to the next of the same message.
#[derive(Debug, Default)]
pub(super) struct Aids {
    header: Vec<u8>,
    chosen: Vec<u8>,
    pub(super) measures: Measures,
}

/// The rest of a literal whose header was sent. The blob stays readable while this lives.
#[derive(Debug)]
pub(super) struct Piece {
    reading: Reading,
    form: Form,
    _pin: Pin,
}

/// How the octets of a message become those of a literal.
#[derive(Debug)]
enum Form {
    /// As a literal has them: without a NUL.
    Plain,
    /// As they are, in a literal8.
    Raw,
    /// A part that is decoded while it is sent.
    Decoded(Decoding),
}

#[derive(Debug)]
struct Decoding {
    served: Option<Served>,
    /// Decoded octets still to be left out, and to be sent.
    skip: u64,
    left: u64,
}

impl Piece {
    /// Sends more, until the output holds `enough`; true when all is sent.
    pub(super) fn go_on(&mut self, body: &Body<'_>, out: &mut Vec<u8>, enough: usize) -> Result<bool, Fault> {
        self.form.go_on(&mut self.reading, body, out, enough)
    }
}

impl Form {
    fn go_on(
        &mut self,
        reading: &mut Reading,
        body: &Body<'_>,
        out: &mut Vec<u8>,
        enough: usize,
    ) -> Result<bool, Fault> {
        let start = out.len();
        match self {
            Form::Plain => {
                let ended = reading.read(body.snapshot, body.head, out, enough)?;
                reply::without_nul(out.get_mut(start..).unwrap_or_default());
                Ok(ended)
            }
            Form::Raw => reading.read(body.snapshot, body.head, out, enough),
            Form::Decoded(decoding) => decoding.go_on(reading, body, out, enough),
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
            if let Some(served) = &mut self.served {
                served.feed(&raw, &mut decoded);
            }
            if ended && let Some(served) = self.served.take() {
                served.finish(&mut decoded);
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
            if self.left > 0 && effort::is_spent() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Body<'_> {
    /// Puts an item of content.
    pub(super) fn put(&self, item: &FetchItem, fetch: &mut Fetch<'_>, aids: &mut Aids) -> Result<Put, Fault> {
        match item {
            FetchItem::Envelope => {
                fetch.envelope(&self.snapshot.envelope(self.blob, self.head)?);
                Ok(Put::Whole)
            }
            FetchItem::Body | FetchItem::BodyStructure => {
                // Where nothing else asks for it, it is not kept.
                let read;
                let outline = if let Some(outline) = self.outline.get() {
                    outline
                } else {
                    read = self.snapshot.outline(self.blob, self.head)?;
                    &read
                };
                let before = fetch.buffer().len();
                match item {
                    FetchItem::Body => fetch.body(outline),
                    _ => fetch.body_structure(outline),
                }
                effort::spend_on(WRITING * (fetch.buffer().len() - before));
                Ok(Put::Whole)
            }
            FetchItem::Section { section, partial, .. } => self.section(section, *partial, fetch, aids),
            FetchItem::Rfc822 => {
                fetch.rfc822();
                self.octets(self.whole(), None, fetch)
            }
            FetchItem::Rfc822Header => {
                fetch.rfc822_header();
                let (header, _) = self.snapshot.halves(self.blob, self.head)?;
                self.octets(header, None, fetch)
            }
            FetchItem::Rfc822Text => {
                fetch.rfc822_text();
                let (_, body) = self.snapshot.halves(self.blob, self.head)?;
                self.octets(body, None, fetch)
            }
            FetchItem::Binary { path, partial, .. } => self.binary(path, *partial, fetch, &mut aids.measures),
            FetchItem::BinarySize(path) => self.binary_size(path, fetch, &mut aids.measures),
            FetchItem::Uid | FetchItem::Flags | FetchItem::InternalDate | FetchItem::Size | FetchItem::ModSeq => {
                Ok(Put::Whole)
            }
        }
    }

    /// Sees to it that damage is told while nothing of the body has left; false where the output has to be sent first.
    pub(super) fn may_begin(&self, depth: Option<Depth>, out: &mut Out) -> Result<bool, Fault> {
        match depth {
            Some(Depth::Bodies) => may_begin(self.blob, self.snapshot, self.head, out),
            _ => Ok(true),
        }
    }

    fn outline(&self) -> Result<&Part<'_>, Fault> {
        if let Some(outline) = self.outline.get() {
            return Ok(outline);
        }
        let outline = self.snapshot.outline(self.blob, self.head)?;
        Ok(self.outline.get_or_init(|| outline))
    }

    fn whole(&self) -> Span {
        Span { start: 0, end: self.head.size }
    }

    fn section(
        &self,
        section: &Section,
        partial: Option<(u32, u32)>,
        fetch: &mut Fetch<'_>,
        Aids { header: block, chosen, .. }: &mut Aids,
    ) -> Result<Put, Fault> {
        fetch.section(section, partial.map(|(origin, _)| origin));
        if section.path.is_empty() && section.text == SectionText::Whole {
            return self.octets(self.whole(), partial, fetch);
        }
        let piece = if section.path.is_empty() {
            let (header, body) = self.snapshot.halves(self.blob, self.head)?;
            Some(mail::Piece::of_message(&section.text, header, body))
        } else {
            self.outline()?.resolve(section)
        };
        match piece {
            Some(mail::Piece::Octets(span)) => self.octets(span, partial, fetch),
            Some(mail::Piece::Fields { header: span, names, not }) => {
                block.clear();
                chosen.clear();
                let mut reading = Reading { blob: self.blob, rest: span };
                reading.read(self.snapshot, self.head, block, limits::HEADER)?;
                header::select(block, names, not, chosen);
                fetch.literal(part_of(chosen, partial));
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
        let span = part_of_span(span, partial);
        fetch.literal_header(u64::from(span.len()));
        self.begin(Reading { blob: self.blob, rest: span }, Form::Plain, fetch)
    }

    fn begin(&self, mut reading: Reading, mut form: Form, fetch: &mut Fetch<'_>) -> Result<Put, Fault> {
        let enough = fetch.limit();
        if form.go_on(&mut reading, self, fetch.buffer(), enough)? {
            return Ok(Put::Whole);
        }
        Ok(Put::Paused(Piece { reading, form, _pin: self.store.pin(self.blob) }))
    }

    /// A string where that can hold the octets, and a literal8 where there is a NUL in them (RFC 9051 §4.3.1, §6.4.5).
    fn binary(
        &self,
        path: &[u32],
        partial: Option<(u32, u32)>,
        fetch: &mut Fetch<'_>,
        measures: &mut Measures,
    ) -> Result<Put, Fault> {
        let outline = self.outline()?;
        let origin = partial.map(|(origin, _)| origin);
        if path.is_empty() {
            // The whole message has no encoding to be taken off (RFC 3516 §4.2).
            let span = part_of_span(self.whole(), partial);
            let Some(measure) = measures.of(self, span, None)? else { return Ok(Put::Later) };
            let nul = measure.has_nul(self, 0, u64::MAX)?;
            fetch.binary(path, origin);
            if !nul {
                return self.octets(span, None, fetch);
            }
            fetch.literal8_header(u64::from(span.len()));
            return self.begin(Reading { blob: self.blob, rest: span }, Form::Raw, fetch);
        }
        let Some(part) = outline.leaf(path) else {
            fetch.binary(path, origin);
            fetch.nil();
            return Ok(Put::Whole);
        };
        let Some(served) = Served::of(part) else { return Ok(Put::UnknownCte) };
        let Some(measure) = measures.of(self, part.body, Some(served))? else { return Ok(Put::Later) };
        let (from, length) = partial.map_or((0, u64::MAX), |(from, length)| (u64::from(from), u64::from(length)));
        let start = from.min(measure.length());
        let left = length.min(measure.length() - start);
        let nul = measure.has_nul(self, start, start + left)?;
        fetch.binary(path, origin);
        if nul {
            fetch.literal8_header(left);
        } else {
            fetch.literal_header(left);
        }
        let Mark { rest, served, decoded } = measure.before(start);
        let decoding = Decoding { served, skip: start - decoded, left };
        self.begin(Reading { blob: self.blob, rest }, Form::Decoded(decoding), fetch)
    }

    fn binary_size(&self, path: &[u32], fetch: &mut Fetch<'_>, measures: &mut Measures) -> Result<Put, Fault> {
        let outline = self.outline()?;
        let length = match outline.leaf(path) {
            _ if path.is_empty() => u64::from(self.head.size),
            None => 0,
            Some(part) => {
                let Some(served) = Served::of(part) else { return Ok(Put::UnknownCte) };
                let Some(measure) = measures.of(self, part.body, Some(served))? else { return Ok(Put::Later) };
                measure.length()
            }
        };
        fetch.binary_size(path, u32::try_from(length).unwrap_or(u32::MAX));
        Ok(Put::Whole)
    }
}

fn part_of_span(span: Span, partial: Option<(u32, u32)>) -> Span {
    let Some((offset, length)) = partial else { return span };
    let start = span.start.saturating_add(offset).min(span.end);
    Span { start, end: start.saturating_add(length).min(span.end) }
}

/// The octets that a partial asks for.
fn part_of(octets: &[u8], partial: Option<(u32, u32)>) -> &[u8] {
    let Some((offset, length)) = partial else { return octets };
    let rest = octets.get(offset as usize..).unwrap_or_default();
    rest.get(..length as usize).unwrap_or(rest)
}
