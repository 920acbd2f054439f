//! mbox files (RFC 4155, and `mboxrd` for its quoting).
//!
//! A message begins with a `From ` line at the start of the file or after an empty line. Content-Length fields are not
//! trusted: they are wrong as soon as anything touched the file. `mboxo` files differ from `mboxrd` only where a mail
//! quoted a quoted `From `, which cannot be told apart; one `>` is taken off, as most files are `mboxrd` today.

use super::carrier::{Carrier, Dates, Flags, Halt, Place};
use super::date;
use super::lines::{Line, Lines};
use crate::mail::Stamp;
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
    let mut mbox = Mbox { place: Place { path: Arc::from(path), message: None }, modified, message: None, empty: None };
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
    /// The message that is being read, with its dates.
    message: Option<Dates>,
    /// An empty line that may belong to the next From_ line.
    empty: Option<&'static [u8]>,
}

impl Mbox {
    fn line(&mut self, line: Line<'_>, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
        let may_separate = line.begins && (self.empty.is_some() || self.place.message.is_none());
        if may_separate && line.octets.starts_with(b"From ") {
            self.end(carrier)?;
            self.place.message = Some(self.place.message.unwrap_or(0) + 1);
            let last = date::of_separator(line.octets).or(self.modified);
            self.message = Some(Dates { first: None, last });
            return Ok(());
        }
        if self.message.is_none() {
            // Empty lines before the first message.
            return Ok(());
        }
        if let Some(empty) = self.empty.take() {
            carrier.push(empty, &self.place)?;
        }
        match line.octets {
            b"\n" if line.begins => self.empty = Some(b"\n"),
            b"\r\n" if line.begins => self.empty = Some(b"\r\n"),
            quoted if line.begins && is_quoted(quoted) => {
                carrier.push(quoted.get(1..).unwrap_or_default(), &self.place)?;
            }
            octets => carrier.push(octets, &self.place)?,
        }
        Ok(())
    }

    /// Ends the message that is being read. The empty line before the next one is not its own.
    fn end(&mut self, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
        self.empty = None;
        match self.message.take() {
            Some(dates) => carrier.end(&self.place, Flags::Header, dates),
            None => Ok(()),
        }
    }
}

/// `^>+From `
fn is_quoted(line: &[u8]) -> bool {
    let unquoted = line.iter().position(|octet| *octet != b'>').unwrap_or(0);
    unquoted > 0 && line.get(unquoted..).is_some_and(|rest| rest.starts_with(b"From "))
}
