//! What a search asks of a message beside its row: each question once, whoever asks, with a place for its answer.

use super::needle::{Needle, Needles};
use super::question::{Field, Order};
use crate::mail::{Day, Envelope};
use std::collections::BTreeMap;

/// The answers, as far as they are known, by their places.
pub(super) type Known = Vec<Option<bool>>;

/// The questions.
#[derive(Debug, Default)]
pub(super) struct Asked {
    answers: usize,
    /// On which day it was sent.
    sent: Vec<(Order, Day, usize)>,
    /// What stands in fields of the envelope,
    fields: Vec<(Field, Needles)>,
    /// in other fields, by their names in lower case,
    header: BTreeMap<Box<[u8]>, Needles>,
    /// in the text,
    body: Needles,
    /// in header or text,
    text: Needles,
    /// and, of both of these, what the text is looked through for.
    words: Needles,
}

impl Asked {
    /// How many answers there are.
    pub fn answers(&self) -> usize {
        self.answers
    }

    /// The place of the answer on which day a message was sent.
    pub fn on_day(&mut self, order: Order, day: Day) -> usize {
        let place = next(&mut self.answers);
        self.sent.push((order, day, place));
        place
    }

    /// The place of the answer whether a field of this name holds this.
    pub fn in_field(&mut self, name: &str, needle: Needle) -> usize {
        let answers = &mut self.answers;
        // With an empty text the question is whether the field exists (RFC 9051 §6.4.4): that the header knows.
        let Some(field) = Field::named(name).filter(|_| !needle.is_empty()) else {
            let needles = self.header.entry(name.as_bytes().to_ascii_lowercase().into()).or_default();
            return needles.place(needle, || next(answers));
        };
        if let Some((_, needles)) = self.fields.iter_mut().find(|(known, _)| *known == field) {
            return needles.place(needle, || next(answers));
        }
        let mut needles = Needles::default();
        let place = needles.place(needle, || next(answers));
        self.fields.push((field, needles));
        place
    }

    /// The place of the answer whether the text holds this.
    pub fn in_body(&mut self, needle: &Needle) -> usize {
        let before = self.answers;
        let answers = &mut self.answers;
        let place = self.body.place(needle.clone(), || next(answers));
        if place == before {
            self.words.put(needle.clone(), place);
        }
        place
    }

    /// The place of the answer whether header or text hold this.
    pub fn in_text(&mut self, needle: &Needle) -> usize {
        let before = self.answers;
        let answers = &mut self.answers;
        let place = self.text.place(needle.clone(), || next(answers));
        if place == before {
            self.words.put(needle.clone(), place);
        }
        place
    }

    /// Whether the envelope is asked anything.
    pub fn asks_envelope(&self) -> bool {
        !(self.sent.is_empty() && self.fields.is_empty())
    }

    /// Whether the header is asked anything.
    pub fn asks_header(&self) -> bool {
        !(self.header.is_empty() && self.text.is_empty())
    }

    /// Answers on which day the message was sent: without a readable Date, when it was received.
    pub fn answer_sent(&self, envelope: &Envelope<'_>, received: Day, known: &mut Known) {
        if self.sent.is_empty() {
            return;
        }
        let sent = envelope.date.as_deref().and_then(Day::sent).unwrap_or(received);
        for (order, day, place) in &self.sent {
            if let Some(known) = known.get_mut(*place) {
                *known = Some(order.holds(sent, *day));
            }
        }
    }

    /// The field of the envelope of this number, and what is sought in it.
    pub fn field(&self, number: usize) -> Option<&(Field, Needles)> {
        self.fields.get(number)
    }

    /// What is sought in header fields of this name, in lower case.
    pub fn in_header(&self, name: &[u8]) -> Option<&Needles> {
        self.header.get(name)
    }

    /// What is sought in the whole header, as its lines are read.
    pub fn lines(&self) -> &Needles {
        &self.text
    }

    /// What is sought in the text.
    pub fn words(&self) -> &Needles {
        &self.words
    }

    /// What was not found in the envelope is not there.
    pub fn settle_envelope(&self, known: &mut Known) {
        self.fields.iter().for_each(|(_, needles)| needles.settle(known));
    }

    /// What was not found in header fields is not there.
    pub fn settle_header(&self, known: &mut Known) {
        self.header.values().for_each(|needles| needles.settle(known));
    }
}

/// A new place.
fn next(answers: &mut usize) -> usize {
    *answers += 1;
    *answers - 1
}
