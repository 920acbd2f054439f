//! mbox files (RFC 4155, and `mboxrd` for its quoting).
//!
//! A message begins with a From_ line: one that has a date, whatever stands before it, since not all that write mbox files
//! put an empty line there. Where the first one of the file has no date, neither have the others: then one of as many words
//! separates after an empty line. A line of a body that begins with `From ` and has no date is a line of the body.
//!
//! Content-Length fields are wrong as soon as anything touched the file. They are believed only where the first message's
//! leads to the next From_ line or to the end, and as long as each does (`mboxcl2` quotes nothing). `mboxo` files differ from
//! `mboxrd` only where a mail quoted a quoted `From `, which cannot be told apart; one `>` is taken off, as most files are
//! `mboxrd` today.

use super::carrier::{Carrier, Dates, Flags, Halt, Known, Place};
use super::date;
use super::left::Kind;
use super::lines::{Line, Lines};
use super::look::MARK;
use crate::keep::layout::Separator;
use crate::mail::Stamp;
use crate::store::History;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Octets at the place that a Content-Length leads to.
const PROBE: usize = 1 << 10;

/// Carries all messages of an mbox. `modified`: of the file, the date of messages that have none.
pub(super) fn read(path: &Path, file: &File, modified: Option<Stamp>, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
    let mut lines = Lines::new(file);
    let mut mbox = Mbox {
        file,
        place: Place { path: Arc::from(path), message: None },
        modified,
        form: None,
        message: None,
        held: Vec::new(),
        empty: false,
        offset: 0,
        until: 0,
        trusts_lengths: None,
    };
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => return mbox.end(carrier),
            Err(error) => {
                return carrier.give_up(&mbox.place, Kind::Unreadable, &format!("it cannot be read: {error}"));
            }
        };
        carrier.read(line.octets.len(), &mbox.place)?;
        mbox.line(line, carrier)?;
        mbox.offset += line.octets.len() as u64;
    }
}

struct Mbox<'f> {
    file: &'f File,
    place: Place,
    modified: Option<Stamp>,
    form: Option<Form>,
    message: Option<Message>,
    /// Octets that belong to the message only if it goes on.
    held: Vec<u8>,
    /// The last line was empty.
    empty: bool,
    /// Where the line begins that is looked at.
    offset: u64,
    /// Before this offset there is no separator: a Content-Length says so.
    until: u64,
    /// Whether the lengths in this file lead somewhere; not known before the first.
    trusts_lengths: Option<bool>,
}

/// How the From_ lines of a file are made, as the first one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// With a date.
    Dated,
    /// Without one, of so many words.
    Words(usize),
}

/// The message that is being read.
struct Message {
    known: Known,
    /// Its last line has no end: the file's last line of it has one.
    open: bool,
    /// Its header goes on.
    in_header: bool,
    /// What its header says of its length.
    length: Option<u64>,
}

impl Form {
    fn of(line: &[u8]) -> Form {
        if date::is_dated(line) {
            return Form::Dated;
        }
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        Form::Words(words.count())
    }
}

impl Mbox<'_> {
    fn line(&mut self, line: Line<'_>, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
        let octets = match line.octets.strip_prefix(MARK) {
            Some(rest) if self.offset == 0 => rest,
            _ => line.octets,
        };
        if line.begins && octets.starts_with(b"From ") && self.separates(octets) {
            self.end(carrier)?;
            self.place.message = Some(self.place.message.unwrap_or(0) + 1);
            self.begin(octets, carrier);
            return Ok(());
        }
        let after = self.offset + line.octets.len() as u64;
        let Some(message) = &mut self.message else {
            if !octets.trim_ascii().is_empty() && self.place.message.is_none() {
                // Once for the file: it is one text.
                self.place.message = Some(0);
                let place = Place { message: None, ..self.place.clone() };
                carrier.skip(&place, Kind::Before, "text before the first message");
            }
            return Ok(());
        };
        let open = message.open;
        // A message without an end to its last line may end with a CR: that is then no empty line.
        let empty = line.begins && (octets == b"\n" || octets == b"\r\n" && !open);
        let mut ended = None;
        if message.in_header {
            if empty {
                message.in_header = false;
                ended = message.length;
            } else if let (true, Some(length)) = (line.begins, content_length(octets)) {
                message.length = Some(length);
            }
        }
        if let Some(length) = ended {
            self.believe(after, length);
        }
        if self.empty || !empty {
            carrier.push(&self.held, &self.place)?;
            self.held.clear();
        }
        self.empty = empty;
        if empty {
            self.held.extend_from_slice(octets);
            return Ok(());
        }
        let octets = if line.begins && is_quoted(octets) { octets.get(1..) } else { Some(octets) };
        let octets = octets.unwrap_or_default();
        match octets.strip_suffix(b"\n").filter(|_| open) {
            Some(text) => {
                self.held.push(b'\n');
                carrier.push(text, &self.place)
            }
            None => carrier.push(octets, &self.place),
        }
    }

    /// Whether a line that begins with `From ` separates messages.
    fn separates(&mut self, line: &[u8]) -> bool {
        let found = Form::of(line);
        let Some(form) = self.form else {
            self.form = Some(found);
            return true;
        };
        if self.offset < self.until {
            return false;
        }
        found == Form::Dated || (found == form && self.empty)
    }

    /// A header that ends at this offset says that so many octets follow.
    fn believe(&mut self, from: u64, length: u64) {
        if self.trusts_lengths == Some(false) {
            return;
        }
        let end = from.saturating_add(length);
        let fits = self.fits(end);
        self.trusts_lengths = Some(fits);
        if fits {
            self.until = end;
        }
    }

    /// Whether a message can end at this offset: with the file, or before a From_ line with a date.
    fn fits(&self, offset: u64) -> bool {
        if self.file.metadata().map_or(0, |metadata| metadata.len()) < offset {
            return false;
        }
        let mut octets = vec![0; PROBE];
        let read = self.file.read_at(&mut octets, offset).unwrap_or(0);
        let found = octets.get(..read).unwrap_or_default();
        let text = found.iter().position(|octet| !matches!(octet, b'\r' | b'\n')).unwrap_or(found.len());
        let line = found.get(text..).unwrap_or_default();
        let line = line.split(|octet| *octet == b'\n').next().unwrap_or_default();
        // The line before has to have ended.
        let mut last = [0];
        let ended = text > 0 || self.file.read_at(&mut last, offset.saturating_sub(1)).is_ok() && last == *b"\n";
        ended && text <= 4 && (line.is_empty() && read < PROBE || date::is_dated(line))
    }

    fn begin(&mut self, separator: &[u8], carrier: &mut Carrier<'_>) {
        let (known, open) = if let Some(Separator { marks, flags }) = Separator::read(separator) {
            carrier.begin(marks.shape.ends);
            // An export quotes, and a length in one of its messages is the sender's.
            self.trusts_lengths = Some(false);
            let dates = Dates { first: Some(marks.received), last: None };
            (Known { flags: Flags::These(flags), dates, history: marks.history }, marks.shape.open)
        } else {
            let dates = Dates { first: None, last: date::of_separator(separator).or(self.modified) };
            (Known { flags: Flags::Header, dates, history: History::default() }, false)
        };
        self.message = Some(Message { known, open, in_header: true, length: None });
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

fn content_length(line: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    let value = name.eq_ignore_ascii_case(NAME).then(|| value.trim_ascii())?;
    str::from_utf8(value).ok()?.parse().ok()
}
