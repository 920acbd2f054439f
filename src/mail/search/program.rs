//! A search key, prepared, and its evaluation: cheapest first.

use super::needle::{Needle, Seeker};
use super::question::{EnvelopeQuestion, RowQuestion};
use super::text::{seek_header, stretches};
use super::{Facts, Key, Row, World};
use crate::mail::decode::decode_words;
use crate::mail::header::{fields, unfold};
use std::ops::ControlFlow;

/// A search, ready to be run against messages.
#[derive(Debug)]
pub struct Program {
    root: Node,
    /// The questions that more than the row must answer.
    envelope: Vec<EnvelopeQuestion>,
    header: Vec<(Box<[u8]>, Needle)>,
    body: Vec<Needle>,
    text: Vec<Needle>,
    /// What is known of the message at hand.
    known: Known,
    /// Scratch space.
    space: Vec<u8>,
}

/// The answers to the questions of each kind, as far as they are known.
#[derive(Debug, Default)]
struct Known {
    envelope: Vec<Option<bool>>,
    header: Vec<Option<bool>>,
    body: Vec<Option<bool>>,
    text: Vec<Option<bool>>,
}

#[derive(Debug)]
enum Node {
    And(Vec<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Row(RowQuestion),
    // These four by their place in the program's lists.
    Envelope(usize),
    Header(usize),
    Body(usize),
    Text(usize),
}

impl Program {
    /// Prepares a search.
    #[must_use]
    pub fn new(key: &Key, world: &World<'_>) -> Program {
        let mut program = Program {
            root: Node::And(Vec::new()),
            envelope: Vec::new(),
            header: Vec::new(),
            body: Vec::new(),
            text: Vec::new(),
            known: Known::default(),
            space: Vec::new(),
        };
        program.root = program.node(key, world);
        program
    }

    /// Whether the message matches.
    pub fn matches<F: Facts>(&mut self, facts: &mut F) -> Result<bool, F::Error> {
        let row = facts.row();
        self.known.forget([self.envelope.len(), self.header.len(), self.body.len(), self.text.len()]);
        if let Some(answer) = self.root.answer(&self.known, &row) {
            return Ok(answer);
        }
        self.ask_envelope(facts, &row)?;
        if let Some(answer) = self.root.answer(&self.known, &row) {
            return Ok(answer);
        }
        self.ask_header(facts)?;
        if let Some(answer) = self.root.answer(&self.known, &row) {
            return Ok(answer);
        }
        self.ask_text(facts, &row)?;
        // What has not been found by now is not there.
        self.known.body.iter_mut().chain(&mut self.known.text).for_each(|answer| *answer = answer.or(Some(false)));
        Ok(self.root.answer(&self.known, &row) == Some(true))
    }

    fn node(&mut self, key: &Key, world: &World<'_>) -> Node {
        if let Some(question) = RowQuestion::of(key, world) {
            return Node::Row(question);
        }
        if let Some(question) = EnvelopeQuestion::of(key) {
            return Node::Envelope(place(&mut self.envelope, question));
        }
        match key {
            Key::And(keys) => Node::And(keys.iter().map(|key| self.node(key, world)).collect()),
            Key::Or(one, other) => Node::Or(Box::new(self.node(one, world)), Box::new(self.node(other, world))),
            Key::Not(key) => Node::Not(Box::new(self.node(key, world))),
            Key::NoFlag(flag) => Node::Not(Box::new(self.node(&Key::Flag(*flag), world))),
            Key::NoKeyword(name) => Node::Not(Box::new(self.node(&Key::Keyword(name.clone()), world))),
            Key::Old => Node::Not(Box::new(self.node(&Key::Recent, world))),
            Key::Header(name, text) => {
                Node::Header(place(&mut self.header, (name.as_bytes().into(), Needle::new(text))))
            }
            Key::Body(text) if !text.is_empty() => Node::Body(place(&mut self.body, Needle::new(text))),
            Key::Text(text) if !text.is_empty() => Node::Text(place(&mut self.text, Needle::new(text))),
            // Nothing stands everywhere; the other keys are answered above.
            _ => Node::Row(RowQuestion::Always),
        }
    }

    fn ask_envelope<F: Facts>(&mut self, facts: &mut F, row: &Row) -> Result<(), F::Error> {
        if self.envelope.is_empty() {
            return Ok(());
        }
        let (questions, known, space) = (&self.envelope, &mut self.known.envelope, &mut self.space);
        facts.envelope(&mut |envelope| {
            for (question, known) in questions.iter().zip(known.iter_mut()) {
                *known = Some(question.answer(envelope, row.received.day(), space));
            }
        })
    }

    fn ask_header<F: Facts>(&mut self, facts: &mut F) -> Result<(), F::Error> {
        if self.header.is_empty() && self.text.is_empty() {
            return Ok(());
        }
        let (questions, known, space) = (&self.header, &mut self.known, &mut self.space);
        let mut seeker = Seeker::new(&self.text);
        facts.header(&mut |header| {
            known.header.fill(Some(false));
            for field in fields(header) {
                for ((name, needle), known) in questions.iter().zip(&mut known.header) {
                    // An empty text asks whether the field exists (RFC 9051 §6.4.4).
                    if *known == Some(false) && field.name.eq_ignore_ascii_case(name) {
                        *known = Some(needle.is_empty() || needle.is_in(&decode_words(&unfold(field.value)), space));
                    }
                }
            }
            if !known.text.is_empty() {
                seek_header(header, &mut seeker);
                note(&mut known.text, seeker.found());
            }
        })
    }

    fn ask_text<F: Facts>(&mut self, facts: &mut F, row: &Row) -> Result<(), F::Error> {
        let mut list = Vec::new();
        facts.outline(&mut |root| list = stretches(root))?;
        let mut seeker = Seeker::new(self.body.iter().chain(&self.text));
        let (root, known) = (&self.root, &mut self.known);
        let mut news = |seeker: &Seeker<'_>| {
            note(known.body.iter_mut().chain(&mut known.text), seeker.found());
            if root.answer(known, row).is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        for stretch in list.iter().filter(|stretch| !stretch.span().is_empty()) {
            let mut reader = stretch.reader();
            let mut flow = ControlFlow::Continue(());
            facts.octets(stretch.span(), &mut |piece| {
                flow = reader.feed(piece, &mut seeker, &mut news);
                flow
            })?;
            if flow.is_break() || (reader.finish(&mut seeker) && news(&seeker).is_break()) {
                break;
            }
        }
        Ok(())
    }
}

impl Known {
    fn forget(&mut self, [envelope, header, body, text]: [usize; 4]) {
        for (list, length) in
            [(&mut self.envelope, envelope), (&mut self.header, header), (&mut self.body, body), (&mut self.text, text)]
        {
            list.clear();
            list.resize(length, None);
        }
    }
}

impl Node {
    /// The answer, if what is known suffices for one.
    fn answer(&self, known: &Known, row: &Row) -> Option<bool> {
        match self {
            Node::And(nodes) => {
                let mut all = Some(true);
                for node in nodes {
                    match node.answer(known, row) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        None => all = None,
                    }
                }
                all
            }
            Node::Or(one, other) => match (one.answer(known, row), other.answer(known, row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Node::Not(node) => node.answer(known, row).map(|answer| !answer),
            Node::Row(question) => Some(question.answer(row)),
            Node::Envelope(at) => known.envelope.get(*at).copied().flatten(),
            Node::Header(at) => known.header.get(*at).copied().flatten(),
            Node::Body(at) => known.body.get(*at).copied().flatten(),
            Node::Text(at) => known.text.get(*at).copied().flatten(),
        }
    }
}

fn place<T>(list: &mut Vec<T>, item: T) -> usize {
    list.push(item);
    list.len() - 1
}

fn note<'k>(known: impl IntoIterator<Item = &'k mut Option<bool>>, found: impl Iterator<Item = bool>) {
    for (known, found) in known.into_iter().zip(found) {
        *known = known.or(found.then_some(true));
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
