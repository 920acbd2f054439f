//! Lines from octets that come in pieces, cut anywhere.

use super::Outline;
use super::tree::{Mark, Tree};
use crate::mail::limits;
use memchr::memchr;

/// Outlines a message that is fed to it.
#[derive(Debug, Default)]
pub struct Scanner {
    tree: Tree,
    /// The beginning of the current line.
    here: Mark,
    /// Octets fed so far.
    fed: u64,
    /// The last of them.
    last: u8,
    /// The first octets of the current line, if the tree wants to see it.
    line: Vec<u8>,
    /// Whether it does.
    wanted: bool,
}

impl Scanner {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Scanner {
        Scanner::default()
    }

    /// Reads the next octets of the message.
    pub fn feed(&mut self, mut octets: &[u8]) {
        while let Some(&next) = octets.first() {
            if self.fed == self.here.at {
                self.wanted = self.tree.wants_line(next);
            }
            octets = if self.wanted { self.take_line(octets) } else { self.pass_lines(octets) };
        }
    }

    /// The message is complete.
    #[must_use]
    pub fn finish(mut self) -> Outline {
        let end = Mark { at: self.fed, lines: self.here.lines, ..Mark::default() };
        if self.fed == self.here.at {
            return self.tree.finish(self.here);
        }
        if self.wanted {
            self.tree.line(&self.line, self.here, end);
        }
        self.tree.finish(end)
    }

    /// Keeps what the tree must see of the current line; gives what follows the line.
    fn take_line<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let end = memchr(b'\n', octets);
        let (piece, rest) = octets.split_at_checked(end.map_or(octets.len(), |at| at + 1)).unwrap_or((octets, &[]));
        let room = limits::LINE_START.saturating_sub(self.line.len());
        self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.tree.collect(piece);
        if end.is_some() {
            let next = self.line_end(piece, self.fed + piece.len() as u64);
            self.tree.line(&self.line, self.here, next);
            self.here = next;
            self.line.clear();
        }
        self.fed += piece.len() as u64;
        self.last = piece.last().copied().unwrap_or(self.last);
        rest
    }

    /// Passes over lines that mean nothing to the tree; gives what it may want to see. This is where an attachment
    /// spends its time.
    fn pass_lines<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let mut rest = octets;
        while let Some((line, after)) = memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at + 1)) {
            self.here = self.line_end(line, self.fed + line.len() as u64);
            self.fed = self.here.at;
            self.last = b'\n';
            rest = after;
            if rest.first().is_some_and(|&next| self.tree.wants_line(next)) {
                return rest;
            }
        }
        self.fed += rest.len() as u64;
        self.last = rest.last().copied().unwrap_or(self.last);
        &[]
    }

    /// The beginning of the line after the one that ends with `piece`.
    fn line_end(&self, piece: &[u8], at: u64) -> Mark {
        let before = piece.len().checked_sub(2).map_or(Some(&self.last), |before| piece.get(before));
        let eol = if before == Some(&b'\r') && at - self.here.at > 1 { 2 } else { 1 };
        Mark { at, lines: self.here.lines + 1, eol, blank: at - self.here.at == eol }
    }
}
