//! A search key, prepared, and its evaluation: cheapest first.

use super::asked::{Asked, Known};
use super::hunt::{Hunt, Look};
use super::needle::Needle;
use super::question::{Order, RowQuestion};
use super::{Facts, Key, Row, World};
use crate::mail::effort;
use std::sync::Arc;

/// A search, ready to be run against messages.
#[derive(Debug)]
pub struct Program {
    root: Node,
    /// How many nodes there are.
    nodes: u64,
    /// The questions that more than the row must answer.
    asked: Asked,
    /// What is known of the message at hand,
    known: Known,
    /// and how far it was looked through.
    hunt: Hunt,
}

#[derive(Debug)]
enum Node {
    And(Vec<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Row(RowQuestion),
    /// By the place of the answer.
    Asked(usize),
}

impl Program {
    /// Prepares a search.
    #[must_use]
    pub fn new(key: &Key, world: &World<'_>) -> Program {
        let mut preparing = Preparing { asked: Asked::default(), nodes: 0, saved: world.saved.into(), world };
        let root = preparing.node(key);
        let Preparing { asked, nodes, .. } = preparing;
        Program { root, nodes, asked, known: Known::new(), hunt: Hunt::Row }
    }

    /// Turns to another message.
    pub fn begin(&mut self) {
        self.known.clear();
        self.known.resize(self.asked.answers(), None);
        self.hunt = Hunt::Row;
    }

    /// Looks at the message that was begun, whether it matches; `None`: the turn is over first, and the next one goes on
    /// with the same message.
    pub fn go_on<F: Facts>(&mut self, facts: &mut F) -> Result<Option<bool>, F::Error> {
        let row = facts.row();
        loop {
            effort::spend(self.nodes);
            if let Some(answer) = self.root.answer(&self.known, &row) {
                self.hunt = Hunt::Row;
                return Ok(Some(answer));
            }
            match self.hunt.go_on(&self.asked, &mut self.known, facts)? {
                Look::News => {}
                Look::Spent => return Ok(None),
                // All is known then.
                Look::Over => return Ok(Some(self.root.answer(&self.known, &row) == Some(true))),
            }
        }
    }
}

/// A program in the making.
struct Preparing<'w> {
    asked: Asked,
    nodes: u64,
    saved: Arc<[(u32, u32)]>,
    world: &'w World<'w>,
}

impl Preparing<'_> {
    fn node(&mut self, key: &Key) -> Node {
        self.nodes += 1;
        if let Some(question) = RowQuestion::of(key, self.world, &self.saved) {
            return Node::Row(question);
        }
        if let Some((order, day)) = Order::of_sent(key) {
            return Node::Asked(self.asked.on_day(order, day));
        }
        match key {
            Key::And(keys) => Node::And(keys.iter().map(|key| self.node(key)).collect()),
            Key::Or(one, other) => Node::Or(Box::new(self.node(one)), Box::new(self.node(other))),
            Key::Not(key) => Node::Not(Box::new(self.node(key))),
            Key::NoFlag(flag) => Node::Not(Box::new(self.node(&Key::Flag(*flag)))),
            Key::NoKeyword(name) => Node::Not(Box::new(self.node(&Key::Keyword(name.clone())))),
            Key::Old => Node::Not(Box::new(self.node(&Key::Recent))),
            Key::Header(name, text) => Node::Asked(self.asked.in_field(name, Needle::new(text))),
            Key::Body(text) if !text.is_empty() => Node::Asked(self.asked.in_body(&Needle::new(text))),
            Key::Text(text) if !text.is_empty() => Node::Asked(self.asked.in_text(&Needle::new(text))),
            // Nothing stands everywhere; the other keys are answered above.
            _ => Node::Row(RowQuestion::Always),
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
            Node::Asked(place) => known.get(*place).copied().flatten(),
        }
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
