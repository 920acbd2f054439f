//! How long the parts of a message are when they are served, and where NULs are in them: measured once for all that a FETCH
//! asks of them, a turn at a time, with marks on the way from which decoding can begin.

use super::piece::Body;
use crate::mail::decode::Served;
use crate::mail::{Span, effort};
use crate::store::{Fault, Reading};

/// Marks in one part, at most,
const MARKS: u32 = 32;
/// and octets between two of them, at least.
const BETWEEN: u32 = 256 << 10;

/// What was measured in the message at hand.
#[derive(Debug, Default)]
pub(super) struct Measures(Vec<Measure>);

/// One stretch of the message.
#[derive(Debug)]
pub(super) struct Measure {
    span: Span,
    is_decoded: bool,
    /// How far it is.
    here: Mark,
    ended: bool,
    /// The first one is the beginning; with each, whether there is a NUL between it and the next.
    marks: Vec<(Mark, bool)>,
}

/// A place in a stretch that is being decoded.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// What is not decoded yet.
    pub(super) rest: Span,
    /// How it goes on; `None`: as it is.
    pub(super) served: Option<Served>,
    /// Octets that came out so far.
    pub(super) decoded: u64,
}

impl Measures {
    /// Another message.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What there is to know of a stretch of `body`, decoded like this or as it is; `None`: the turn is over, and the next
    /// one goes on.
    pub fn of(&mut self, body: &Body<'_>, span: Span, served: Option<Served>) -> Result<Option<&Measure>, Fault> {
        let is_decoded = served.is_some();
        let known = self.0.iter().position(|known| known.span == span && known.is_decoded == is_decoded);
        let at = known.unwrap_or_else(|| {
            let here = Mark { rest: span, served, decoded: 0 };
            let marks = vec![(here.clone(), false)];
            self.0.push(Measure { span, is_decoded, here, ended: false, marks });
            self.0.len() - 1
        });
        match self.0.get_mut(at) {
            Some(measure) => Ok(measure.go_on(body)?.then_some(measure)),
            None => Ok(None),
        }
    }
}

impl Measure {
    /// Octets that are served.
    pub fn length(&self) -> u64 {
        self.here.decoded
    }

    /// Where to begin decoding when the octets from `offset` on are wanted.
    pub fn before(&self, offset: u64) -> Mark {
        let mark = self.marks.iter().rev().find(|(mark, _)| mark.decoded <= offset);
        mark.map_or_else(|| self.here.clone(), |(mark, _)| mark.clone())
    }

    /// Whether there is a NUL among the octets from `from` to `to`.
    pub fn has_nul(&self, body: &Body<'_>, from: u64, to: u64) -> Result<bool, Fault> {
        for (at, (mark, nul)) in self.marks.iter().enumerate() {
            let end = self.marks.get(at + 1).map_or(self.length(), |(next, _)| next.decoded);
            if !nul || end <= from || mark.decoded >= to {
                continue;
            }
            if (from <= mark.decoded && end <= to) || mark.has_nul(body, end, from, to)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Measures on; false when the turn is over first.
    fn go_on(&mut self, body: &Body<'_>) -> Result<bool, Fault> {
        let between = (self.span.len() / MARKS).max(BETWEEN);
        let mut decoded = Vec::new();
        while !self.ended {
            self.ended = self.here.read(body, &mut decoded)?;
            if let Some((mark, nul)) = self.marks.last_mut() {
                *nul = *nul || memchr::memchr(0, &decoded).is_some();
                if !self.ended && self.here.rest.start.saturating_sub(mark.rest.start) >= between {
                    self.marks.push((self.here.clone(), false));
                }
            }
            if !self.ended && effort::is_spent() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Mark {
    /// Reads on; `decoded` is what comes next. True at the end.
    fn read(&mut self, body: &Body<'_>, decoded: &mut Vec<u8>) -> Result<bool, Fault> {
        decoded.clear();
        let mut raw = Vec::new();
        let mut reading = Reading { blob: body.blob, rest: self.rest };
        let ended = reading.read(body.snapshot, body.head, &mut raw, 1)?;
        self.rest = reading.rest;
        match &mut self.served {
            Some(served) => served.feed(&raw, decoded),
            None => std::mem::swap(&mut raw, decoded),
        }
        if ended && let Some(served) = self.served.take() {
            served.finish(decoded);
        }
        self.decoded += decoded.len() as u64;
        Ok(ended)
    }

    /// Whether there is a NUL from here to `end`, and among the octets from `from` to `to`.
    fn has_nul(&self, body: &Body<'_>, end: u64, from: u64, to: u64) -> Result<bool, Fault> {
        let mut here = self.clone();
        let mut decoded = Vec::new();
        let mut ended = false;
        while !ended && here.decoded < end.min(to) {
            let before = here.decoded;
            ended = here.read(body, &mut decoded)?;
            let place = |at: u64| usize::try_from(at.saturating_sub(before)).unwrap_or(usize::MAX).min(decoded.len());
            if memchr::memchr(0, decoded.get(place(from)..place(to)).unwrap_or_default()).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
