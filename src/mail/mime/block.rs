//! The header block that is being read, line by line.

use super::content::Head;
use super::delimiter::Delimiter;
use super::tree::Mark;
use crate::mail::header::{Line, Lines, first};
use std::cell::OnceCell;

/// A header as its lines come.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Its octets, within their limits, and those of what came after it.
    octets: Vec<u8>,
    lines: Lines,
    /// Octets of the lines before the current one.
    seen: usize,
    /// Octets of the lines that are known to belong to it, and where the message goes on after them.
    kept: usize,
    after: Mark,
    /// Whether lines came after that.
    astray: bool,
    /// Where its Content-Type begins.
    typed: Option<usize>,
    /// The boundary that it announces, once somebody asked.
    announced: OnceCell<Option<Vec<u8>>>,
}

/// Whether a line ends a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Not,
    /// It is the empty line.
    Here,
    /// It is the empty line of a text: the header ended where lines came that are no fields.
    Before,
}

impl Block {
    /// Begins anew at this place.
    pub fn begin(&mut self, at: Mark) {
        let mut octets = std::mem::take(&mut self.octets);
        octets.clear();
        *self = Block { octets, after: at, ..Block::default() };
    }

    /// Octets of the current line; no more than `limit` are kept of all.
    pub fn collect(&mut self, octets: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.octets.len());
        self.octets.extend_from_slice(octets.get(..room).unwrap_or(octets));
    }

    /// The current line is this; the next one begins at `next`.
    pub fn line(&mut self, line: &[u8], next: Mark) -> Ends {
        match self.lines.line(line) {
            Line::Empty if self.astray => return Ends::Before,
            Line::Empty => return Ends::Here,
            Line::Stray => self.astray = true,
            kind @ (Line::Field | Line::Fold | Line::Separator) => {
                if kind == Line::Field && self.typed.is_none() && first(line, b"content-type").is_some() {
                    self.typed = Some(self.seen);
                }
                self.astray = false;
                self.kept = self.octets.len();
                self.after = next;
            }
        }
        self.seen = self.octets.len();
        Ends::Not
    }

    /// Whether the current line is a delimiter of the boundary that this header announces, rather than the other one
    /// that it may be.
    pub fn announces(&self, line: &[u8], whole: bool, other: Option<Delimiter>) -> bool {
        let Some(typed) = self.typed.filter(|_| line.starts_with(b"--")) else { return false };
        let block = self.octets.get(typed..self.kept).unwrap_or_default();
        let boundary = self.announced.get_or_init(|| Head::read(block, false).boundary());
        let found = boundary.as_ref().and_then(|boundary| Delimiter::read(line, whole, boundary));
        found.is_some_and(|found| other.is_none_or(|other| found.beats(other)))
    }

    /// Its octets, without what came after it.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.kept).unwrap_or_default()
    }

    /// Where the message goes on after what is known to belong to it.
    pub fn after(&self) -> Mark {
        self.after
    }

    /// Whether lines came after that.
    pub fn is_astray(&self) -> bool {
        self.astray
    }
}
