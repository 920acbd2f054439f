//! The octets of a mail that is sent: read from the store piece by piece, with no snapshot held in between.

use crate::mail::{BlobId, Span};
use crate::store::{Fault, Pin, Reading, Store};
use crate::wire::pop3::Dots;
use std::sync::Arc;

/// Octets that are read at once.
const PIECE: usize = 64 << 10;

/// A mail in the store, as it goes out: its lines end with CRLF.
pub struct Content {
    store: Arc<Store>,
    blob: BlobId,
    size: u32,
    /// Every line of it ends with CRLF already.
    canonical: bool,
    /// While it is read, it stays.
    _pin: Pin,
}

/// One way through the mail.
pub struct Pass<'c> {
    content: &'c Content,
    reading: Reading,
    dots: Dots,
    ended: bool,
}

impl Content {
    /// The mail of a message in the queue. `line_ends`: octets that it has more where every line ends with CRLF.
    #[must_use]
    pub fn new(store: &Arc<Store>, blob: BlobId, size: u32, line_ends: u32) -> Content {
        Content { store: Arc::clone(store), blob, size, canonical: line_ends == 0, _pin: store.pin(blob) }
    }

    /// Reads it from its beginning.
    #[must_use]
    pub fn pass(&self) -> Pass<'_> {
        Pass {
            content: self,
            reading: Reading { blob: self.blob, rest: Span { start: 0, end: self.size } },
            dots: Dots::new(self.canonical),
            ended: false,
        }
    }

    /// The first octets of it, some KiB at least where there are as many.
    pub fn beginning(&self) -> Result<Vec<u8>, Fault> {
        let mut pass = self.pass();
        let mut beginning = Vec::new();
        pass.read(&mut beginning)?;
        Ok(beginning)
    }
}

impl Pass<'_> {
    /// Puts the next octets as they are to the end of `out`; true: there are no more.
    pub fn read(&mut self, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let snapshot = self.content.store.snapshot()?;
        let head = snapshot.head(self.content.blob)?.ok_or(Fault::Corrupt("a queued mail has no content"))?;
        let enough = out.len() + PIECE;
        self.reading.read(&snapshot, &head.read()?, out, enough)
    }

    /// Puts the next octets as they go out after DATA (RFC 5321 §4.5.2) to the end of `out`; true: that was the end,
    /// with its dot.
    pub fn read_dotted(&mut self, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let from = out.len();
        if !self.ended {
            self.ended = self.read(out)?;
        }
        self.dots.stuff(out, from);
        if self.ended {
            self.dots.end(out);
        }
        Ok(self.ended)
    }
}
