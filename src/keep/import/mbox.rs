//! mbox files (RFC 4155, and `mboxrd` for its quoting).
//!
//! A message begins with a `From ` line at the start of the file or after an empty line. Content-Length fields are not
//! trusted: they are wrong as soon as anything touched the file. `mboxo` files differ from `mboxrd` only where a mail
//! quoted a quoted `From `, which cannot be told apart; one `>` is taken off, as most files are `mboxrd` today.

use super::carrier::{Carrier, Dates, Flags, Halt, Known, Place};
use super::date;
use super::lines::{Line, Lines};
use crate::keep::layout::Separator;
use crate::mail::Stamp;
use crate::store::History;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Whether a file of this beginning is an mbox.
pub(super) fn begins(octets: &[u8]) -> bool {
    octets.trim_ascii_start().starts_with(b"From ")
}

/// Carries all messages of an mbox. `modified`: of the file, the date of messages that have none.
pub(super) fn read(
    path: &Path,
    input: impl Read,
    modified: Option<Stamp>,
    carrier: &mut Carrier<'_>,
) -> Result<(), Halt> {
    let mut lines = Lines::new(input);
    let place = Place { path: Arc::from(path), message: None };
    let mut mbox = Mbox { place, modified, message: None, held: Vec::new(), empty: false };
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => return mbox.end(carrier),
            Err(error) => return carrier.give_up(&mbox.place, format!("it cannot be read: {error}")),
        };
        carrier.read(line.octets.len());
        mbox.line(line, carrier)?;
    }
}

struct Mbox {
    place: Place,
    modified: Option<Stamp>,
    message: Option<Message>,
    /// Octets that belong to the message only if it goes on.
    held: Vec<u8>,
    /// The last line was empty: the next one may be a From_ line.
    empty: bool,
}

/// The message that is being read.
struct Message {
    known: Known,
    /// Its last line has no end: the file's last line of it has one.
    open: bool,
}

impl Mbox {
    fn line(&mut self, line: Line<'_>, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
        let may_separate = line.begins && (self.empty || self.place.message.is_none());
        if may_separate && line.octets.starts_with(b"From ") {
            self.end(carrier)?;
            self.place.message = Some(self.place.message.unwrap_or(0) + 1);
            self.begin(line.octets, carrier);
            return Ok(());
        }
        let Some(Message { open, .. }) = self.message else {
            // Empty lines before the first message.
            return Ok(());
        };
        // A message without an end to its last line may end with a CR: that is then no empty line.
        let empty = line.begins && (line.octets == b"\n" || line.octets == b"\r\n" && !open);
        if self.empty || !empty {
            carrier.push(&self.held, &self.place)?;
            self.held.clear();
        }
        self.empty = empty;
        if empty {
            self.held.extend_from_slice(line.octets);
            return Ok(());
        }
        let octets = if line.begins && is_quoted(line.octets) { line.octets.get(1..) } else { Some(line.octets) };
        let octets = octets.unwrap_or_default();
        match octets.strip_suffix(b"\n").filter(|_| open) {
            Some(text) => {
                self.held.push(b'\n');
                carrier.push(text, &self.place)
            }
            None => carrier.push(octets, &self.place),
        }
    }

    fn begin(&mut self, separator: &[u8], carrier: &mut Carrier<'_>) {
        self.message = Some(if let Some(Separator { marks, flags }) = Separator::read(separator) {
            carrier.begin(marks.shape.ends);
            let dates = Dates { first: Some(marks.received), last: None };
            let known = Known { flags: Flags::These(flags), dates, history: marks.history };
            Message { known, open: marks.shape.open }
        } else {
            let dates = Dates { first: None, last: date::of_separator(separator).or(self.modified) };
            Message { known: Known { flags: Flags::Header, dates, history: History::default() }, open: false }
        });
    }

    /// Ends the message that is being read. The empty line before the next one is not its own.
    fn end(&mut self, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
        self.held.clear();
        self.empty = false;
        match self.message.take() {
            Some(message) => carrier.end(&self.place, message.known),
            None => Ok(()),
        }
    }
}

/// `^>+From `
fn is_quoted(line: &[u8]) -> bool {
    let unquoted = line.iter().position(|octet| *octet != b'>').unwrap_or(0);
    unquoted > 0 && line.get(unquoted..).is_some_and(|rest| rest.starts_with(b"From "))
}
