//! Throwing away what cannot be taken, in constant memory: the rest of a literal, then the rest of the command.

use super::header::Header;
use super::without_cr;
use crate::mail::limits;

/// A command on its way out.
#[derive(Clone, Debug)]
pub(super) struct Skip {
    /// Octets of a literal that are still to come.
    literal: u64,
    /// The end of the line so far: a literal that does not wait for us may be announced there, and its octets must
    /// not be taken for commands.
    tail: heapless::Vec<u8, { Header::LONGEST + 1 }>,
    report: Report,
}

/// What is said when all is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Nothing: the refusal was answered before.
    Silence,
    AppendBroken,
    TooLong,
    TooBig,
}

/// How far it went.
pub(super) enum Skipped {
    More,
    Done(Report),
    /// A literal announced in what is skipped is larger than is worth reading.
    TooMuch,
}

impl Skip {
    /// Skips the octets of a literal, and then its command up to the end.
    pub fn new(literal: u64, report: Report) -> Skip {
        Skip { literal, tail: heapless::Vec::new(), report }
    }

    /// Skips in these bytes; says also how many of them are done with.
    pub fn pass(&mut self, bytes: &[u8]) -> (usize, Skipped) {
        let mut rest = bytes;
        loop {
            let count = rest.len().min(usize::try_from(self.literal).unwrap_or(usize::MAX));
            self.literal -= count as u64;
            rest = rest.get(count..).unwrap_or_default();
            let Some(newline) = memchr::memchr(b'\n', rest) else {
                self.remember(rest);
                return (bytes.len(), Skipped::More);
            };
            let (line, after) = rest.split_at(newline);
            rest = after.get(1..).unwrap_or_default();
            self.remember(line);
            match Header::at_end_of(without_cr(&self.tail)) {
                Some(header) if !header.sync && header.size > limits::DRAIN => {
                    return (bytes.len() - rest.len(), Skipped::TooMuch);
                }
                Some(header) if !header.sync => {
                    self.literal = header.size;
                    self.tail.clear();
                }
                // A client that waits is answered, and then begins a new command.
                _ => return (bytes.len() - rest.len(), Skipped::Done(self.report)),
            }
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        let kept = bytes.get(bytes.len().saturating_sub(self.tail.capacity())..).unwrap_or_default();
        let over = (self.tail.len() + kept.len()).saturating_sub(self.tail.capacity());
        if over > 0 {
            let length = self.tail.len();
            self.tail.copy_within(over.min(length).., 0);
            self.tail.truncate(length.saturating_sub(over));
        }
        // Room was made above.
        self.tail.extend_from_slice(kept).unwrap_or_default();
    }
}
