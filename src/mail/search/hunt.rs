//! How far the search in one message has come: through its envelope, its header, its text, and where therein.

use super::Facts;
use super::asked::{Asked, Known};
use super::needle::Seeker;
use super::text::{Reader, Stretch, line, stretches};
use crate::mail::decode::decode_words;
use crate::mail::header::{Fields, Lines, unfold};
use crate::mail::{Span, effort};
use std::ops::ControlFlow;

/// Octets of a body that are decoded at a time: what becomes of them stays in the processor's cache.
const PIECE: usize = 16 << 10;

/// Where in the message the search is.
#[derive(Debug, Default)]
pub(super) enum Hunt {
    /// Nothing but the row was looked at.
    #[default]
    Row,
    /// In the text of the envelope's field of this number, among those that are asked for.
    Envelope { next: usize, seeker: Seeker },
    /// In the header: before the octet at which the next field begins, after lines that were such.
    Header { next: (usize, Lines), field: Option<Box<[u8]>>, value: Seeker, lines: Seeker },
    /// In the text; `None`: at its beginning.
    Text(Option<Box<Text>>),
    /// All was looked at.
    Over,
}

/// In the midst of the text.
#[derive(Debug)]
pub(super) struct Text {
    stretches: std::vec::IntoIter<Stretch>,
    /// The stretch at hand, and the octets of it that are still to be read.
    reading: Option<(Reader, Span)>,
    seeker: Seeker,
    /// Scratch space: what the octets at hand say.
    said: String,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Something more may be known: is it enough?
    News,
    /// The turn is over.
    Spent,
    /// There is nothing more to look at.
    Over,
}

impl Hunt {
    /// Looks on, until there may be news or the turn is over.
    pub fn go_on<F: Facts>(&mut self, asked: &Asked, known: &mut Known, facts: &mut F) -> Result<Look, F::Error> {
        match self {
            Hunt::Row => {
                *self = Hunt::Envelope { next: 0, seeker: Seeker::default() };
                Ok(Look::News)
            }
            Hunt::Envelope { next, seeker } => {
                let look = in_envelope(asked, known, facts, next, seeker)?;
                if look == Look::Over {
                    let (value, lines) = (Seeker::default(), Seeker::default());
                    *self = Hunt::Header { next: Default::default(), field: None, value, lines };
                    return Ok(Look::News);
                }
                Ok(look)
            }
            Hunt::Header { next, field, value, lines } => {
                let look = in_header(asked, known, facts, (next, field, value, lines))?;
                if look == Look::Over {
                    *self = Hunt::Text(None);
                    return Ok(Look::News);
                }
                Ok(look)
            }
            Hunt::Text(text) => {
                let text = match text {
                    Some(text) => text,
                    None => text.insert(Box::new(Text::of(asked, facts)?)),
                };
                let look = text.go_on(asked, known, facts)?;
                if look == Look::Over {
                    asked.words().settle(known);
                    *self = Hunt::Over;
                }
                Ok(look)
            }
            Hunt::Over => Ok(Look::Over),
        }
    }
}

fn in_envelope<F: Facts>(
    asked: &Asked,
    known: &mut Known,
    facts: &mut F,
    next: &mut usize,
    seeker: &mut Seeker,
) -> Result<Look, F::Error> {
    if !asked.asks_envelope() {
        return Ok(Look::Over);
    }
    // What was decoded in the turn before is still there, with the needles that are left.
    if let Some((_, needles)) = next.checked_sub(1).and_then(|at| asked.field(at))
        && !seeker.seek(needles, known)
    {
        return Ok(Look::Spent);
    }
    let received = facts.row().received.day();
    let mut look = Look::Over;
    facts.envelope(&mut |envelope| {
        asked.answer_sent(envelope, received, known);
        while let Some((field, needles)) = asked.field(*next) {
            *next += 1;
            seeker.cut();
            if let Some(text) = field.text(envelope) {
                seeker.feed(&text, needles);
                if !seeker.seek(needles, known) || effort::is_spent() {
                    look = Look::Spent;
                    return;
                }
            }
        }
    })?;
    if look == Look::Over {
        asked.settle_envelope(known);
    }
    Ok(look)
}

/// Where in the header the search is: the next field's offset, the name of the field at hand, where its value is sought
/// in, and where the header's lines are.
type InHeader<'h> = (&'h mut (usize, Lines), &'h mut Option<Box<[u8]>>, &'h mut Seeker, &'h mut Seeker);

fn in_header<F: Facts>(
    asked: &Asked,
    known: &mut Known,
    facts: &mut F,
    (next, name, value, lines): InHeader<'_>,
) -> Result<Look, F::Error> {
    if !asked.asks_header() {
        return Ok(Look::Over);
    }
    let mut seek = |name: &Option<Box<[u8]>>, value: &mut Seeker, lines: &mut Seeker| {
        let group = name.as_ref().and_then(|name| asked.in_header(name));
        group.is_none_or(|needles| value.seek(needles, known)) && lines.seek(asked.lines(), known)
    };
    if !seek(name, value, lines) {
        return Ok(Look::Spent);
    }
    let mut look = Look::Over;
    let mut text = String::new();
    facts.header(&mut |header| {
        let mut rest = Fields::after(next.1, header.get(next.0..).unwrap_or_default());
        loop {
            let Some(field) = rest.next() else { return };
            effort::spend_on(field.whole.len());
            let (left, read) = rest.left();
            *next = (header.len().saturating_sub(left), read);
            let lower = field.name.to_ascii_lowercase().into_boxed_slice();
            let group = asked.in_header(&lower);
            if group.is_none() && asked.lines().is_empty() && !effort::is_spent() {
                continue;
            }
            // Decoded once, whoever asks for it.
            let unfolded = unfold(field.value);
            let decoded = decode_words(&unfolded);
            value.cut();
            if let Some(needles) = group {
                value.feed(&decoded, needles);
            }
            if !asked.lines().is_empty() {
                text.clear();
                line(&field, &decoded, &mut text);
                lines.feed(&text, asked.lines());
            }
            *name = group.is_some().then_some(lower);
            if !seek(name, value, lines) || effort::is_spent() {
                look = Look::Spent;
                return;
            }
        }
    })?;
    if look == Look::Over {
        asked.settle_header(known);
    }
    Ok(look)
}

impl Text {
    fn of<F: Facts>(asked: &Asked, facts: &mut F) -> Result<Text, F::Error> {
        let mut list = Vec::new();
        if !asked.words().is_empty() {
            facts.outline(&mut |root| list = stretches(root))?;
            list.retain(|stretch| !stretch.span().is_empty());
        }
        Ok(Text { stretches: list.into_iter(), reading: None, seeker: Seeker::default(), said: String::new() })
    }

    fn go_on<F: Facts>(&mut self, asked: &Asked, known: &mut Known, facts: &mut F) -> Result<Look, F::Error> {
        let Text { stretches, reading, seeker, said } = self;
        // As small as makes many needles a short task.
        let size = (PIECE * 16 / asked.words().len().max(1)).clamp(1 << 10, PIECE);
        loop {
            let before = found(known);
            let sought = seeker.seek(asked.words(), known);
            if found(known) == before && !sought {
                return Ok(Look::Spent);
            }
            if found(known) > before {
                return Ok(Look::News);
            }
            let Some((reader, rest)) = reading else {
                let Some(stretch) = stretches.next() else { return Ok(Look::Over) };
                seeker.cut();
                *reading = Some((stretch.reader(), stretch.span()));
                continue;
            };
            let mut look = Look::Over;
            facts.octets(*rest, &mut |octets| {
                for piece in octets.chunks(size) {
                    rest.start =
                        rest.start.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX)).min(rest.end);
                    said.clear();
                    said.reserve(piece.len());
                    reader.feed(piece, said);
                    seeker.feed(said, asked.words());
                    let sought = seeker.seek(asked.words(), known);
                    if found(known) > before {
                        look = Look::News;
                    } else if !sought || effort::is_spent() {
                        look = Look::Spent;
                    } else {
                        continue;
                    }
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })?;
            if look != Look::Over {
                return Ok(look);
            }
            if let Some((reader, _)) = reading.take() {
                said.clear();
                reader.finish(said);
                seeker.feed(said, asked.words());
            }
        }
    }
}

/// How much was found.
fn found(known: &Known) -> usize {
    known.iter().filter(|known| **known == Some(true)).count()
}
