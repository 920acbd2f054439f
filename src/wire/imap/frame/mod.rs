//! From bytes to commands: where a command ends, where a literal begins, and how to go on after what cannot be taken.
//!
//! Read first: [`Event`], what the framer says; [`State`], what it is in the middle of. The framer knows only as much
//! grammar as it must: line ends, literal headers, and the head of an APPEND, whose message is never gathered here.

mod event;
mod header;
mod id;
mod skip;
#[cfg(test)]
mod tests;

pub use event::Event;

use super::parse::leading_tag;
use crate::mail::limits;
use header::{Header, is_append_message};
use id::{Fate, Id, is_id};
use skip::{Report, Skip, Skipped};

/// Cuts the client's bytes into commands.
///
/// ```text
/// loop {
///     match framer.next_event() {
///         Event::More => { read into framer.space(n); framer.filled(read) }    // or framer.feed(&read)
///         …
///     }
/// }
/// ```
///
/// As long as `next_event` is asked until it says [`Event::More`] before more is read, the buffer holds at most one command
/// (`limits::COMMAND` and a line) and one read.
#[derive(Debug, Default)]
pub struct Framer {
    /// Initialised memory; `start..end` holds what was read and not yet lent out.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    state: State,
    /// The tag of what was refused last.
    tag: Option<Box<str>>,
    /// The client is not known yet.
    wary: bool,
}

/// What the framer is in the middle of.
#[derive(Clone, Debug)]
enum State {
    /// A line of a command.
    Command(Gathered),
    /// A literal of a command, which ends at this offset from its first octet.
    Literal(Gathered, usize),
    /// An ID of which only the form is kept.
    Id(Id),
    /// An answer or DONE; this much of it has no line end.
    Line { scanned: usize },
    /// A message literal that nobody has accepted or refused yet.
    Offered { size: u64, sync: bool },
    /// A message literal that is being taken.
    Message { left: u64 },
    /// What follows the message in its line.
    Tail,
    /// Something that is thrown away.
    Skip(Skip),
    /// After `Fatal`.
    Dead,
}

/// A command as far as it is read. Offsets count from its first octet.
#[derive(Clone, Copy, Debug, Default)]
struct Gathered {
    /// Where its current line began.
    line: usize,
    /// Up to where there is no line end.
    scanned: usize,
    /// Octets of its earlier lines.
    lines: usize,
    /// Literals so far.
    literals: usize,
}

/// What one step came to; offsets are of the buffer.
enum Step {
    /// The state changed: look again.
    Again,
    More,
    Command(usize, usize),
    Continue,
    Append {
        from: usize,
        to: usize,
        header: Header,
    },
    AppendEnd,
    Line(usize, usize),
    Report(Report),
    Fatal,
}

impl Default for State {
    fn default() -> State {
        State::Command(Gathered::default())
    }
}

impl Framer {
    /// A framer at the start of a connection. It takes no memory before the first byte.
    #[must_use]
    pub fn new() -> Framer {
        Framer::default()
    }

    /// At least `count` octets of room to read into; say then how many were [`Framer::filled`].
    pub fn space(&mut self, count: usize) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let needed = self.end.saturating_add(count);
        if self.buffer.len() < needed {
            self.buffer.resize(needed, 0);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// `count` octets were read into the room that [`Framer::space`] gave.
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buffer.len());
    }

    /// Takes a copy of bytes that were read elsewhere: for sessions that wait without a buffer of their own.
    pub fn feed(&mut self, bytes: &[u8]) {
        if let Some(room) = self.space(bytes.len()).get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.filled(bytes.len());
    }

    /// What was read and is not yet lent out. After STARTTLS this must be empty, or the plain-text bytes would be
    /// taken for protected ones (RFC 9051 §11.1); see [`Framer::discard`].
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Octets of memory that it has.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// Forgets everything that was read, and starts anew.
    pub fn discard(&mut self) {
        *self = Framer::new();
    }

    /// Gives back the memory that is not in use: all of it between commands. For sessions that fall idle.
    pub fn shrink(&mut self) {
        self.space(0);
        self.buffer.truncate(self.end);
        self.buffer.shrink_to_fit();
    }

    /// The next line is no command but an answer to `+ ` (AUTHENTICATE) or DONE; it comes as [`Event::Line`], and
    /// after it commands again. Within a line, or while something is skipped, it changes nothing.
    pub fn expect_line(&mut self) {
        if let State::Command(Gathered { scanned: 0, literals: 0, .. }) = self.state {
            self.state = State::Line { scanned: 0 };
        }
    }

    /// Whether commands are held to what a client needs to log in: who is not known must not fill our memory.
    pub fn be_wary(&mut self, wary: bool) {
        self.wary = wary;
    }

    /// Octets of a line, and of a command with its literals.
    fn bounds(&self) -> (usize, usize) {
        if self.wary { (limits::STRANGER, limits::STRANGER) } else { (limits::COMMAND_LINE, limits::COMMAND) }
    }

    /// What comes next in what was read.
    pub fn next_event(&mut self) -> Event<'_> {
        loop {
            let step = match &mut self.state {
                State::Command(gathered) => {
                    let gathered = *gathered;
                    self.command(gathered)
                }
                State::Literal(gathered, end) => {
                    let (gathered, end) = (*gathered, *end);
                    self.literal(gathered, end)
                }
                State::Id(id) => {
                    let id = *id;
                    self.id(id)
                }
                State::Line { scanned } => {
                    let scanned = *scanned;
                    self.line(scanned)
                }
                State::Offered { .. } | State::Message { left: 1.. } => Step::More,
                State::Message { left: 0 } | State::Tail => self.tail(),
                State::Skip(_) => self.skip(),
                State::Dead => Step::Fatal,
            };
            return match step {
                Step::Again | Step::Report(Report::Silence) => continue,
                Step::More => Event::More,
                Step::Command(from, to) => Event::Command { bytes: self.lend(from, to) },
                Step::Continue => Event::Continue,
                Step::Append { from, to, header: Header { size, sync, binary, .. } } => {
                    Event::Append { bytes: self.lend(from, to), size, sync, binary }
                }
                Step::AppendEnd => Event::AppendEnd,
                Step::Line(from, to) => Event::Line { bytes: self.lend(from, to) },
                Step::Report(Report::AppendBroken) => Event::AppendBroken,
                Step::Report(Report::TooLong) => Event::TooLong { tag: self.tag.as_deref() },
                Step::Report(Report::TooBig) => Event::TooBig { tag: self.tag.as_deref() },
                Step::Fatal => Event::Fatal,
            };
        }
    }

    /// The message that [`Event::Append`] announced is wanted: `take` it, then go on with `next_event`.
    pub fn accept(&mut self) {
        if let State::Offered { size, .. } = self.state {
            self.state = State::Message { left: size };
        }
    }

    /// The message that [`Event::Append`] announced is not wanted. A client that waits will not send it; what another
    /// one sends is skipped with the rest of its line, or is [`Event::Fatal`] when there is too much of it.
    pub fn refuse(&mut self) {
        self.state = match self.state {
            State::Offered { sync: true, .. } => State::default(),
            State::Offered { size, .. } | State::Message { left: size } if size > limits::DRAIN => State::Dead,
            State::Offered { size, .. } | State::Message { left: size } => {
                State::Skip(Skip::new(size, Report::Silence))
            }
            _ => return,
        };
    }

    /// Octets of the accepted message that are still to come.
    #[must_use]
    pub fn left(&self) -> u64 {
        if let State::Message { left } = self.state { left } else { 0 }
    }

    /// Up to `max` octets of the accepted message that are in the buffer already; none when more must be read.
    pub fn take(&mut self, max: usize) -> &[u8] {
        let State::Message { left } = &mut self.state else { return &[] };
        let count = max.min(self.end - self.start).min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= count as u64;
        let from = self.start;
        self.start += count;
        self.buffer.get(from..self.start).unwrap_or_default()
    }

    /// `count` octets of the accepted message went straight from the socket to where they belong. Only when `take` has
    /// nothing more to give, and never more than are `left`.
    pub fn passed(&mut self, count: u64) {
        if let State::Message { left } = &mut self.state {
            *left = left.saturating_sub(count);
        }
    }

    fn lend(&self, from: usize, to: usize) -> &[u8] {
        self.buffer.get(from..to).unwrap_or_default()
    }

    fn command(&mut self, mut gathered: Gathered) -> Step {
        let (longest, largest) = self.bounds();
        let bytes = self.buffered();
        if self.wary && gathered.line == 0 && is_id(bytes) {
            self.state = State::Id(Id::default());
            return Step::Again;
        }
        let Some(newline) = newline(bytes, gathered.scanned) else {
            gathered.scanned = bytes.len();
            // One octet more than the bound may be the CR of a line that fits.
            if gathered.lines + (bytes.len() - gathered.line) > longest + 1 {
                return self.too_long(gathered.line);
            }
            self.state = State::Command(gathered);
            return Step::More;
        };
        let line = without_cr(bytes.get(gathered.line..newline).unwrap_or_default());
        let to = gathered.line + line.len();
        if gathered.lines + line.len() > longest {
            return self.too_long(gathered.line);
        }
        let Some(header) = Header::at_end_of(line) else {
            let from = self.start;
            self.start += newline + 1;
            self.state = State::default();
            return Step::Command(from, from + to);
        };
        let head = bytes.get(..gathered.line + header.at).unwrap_or_default();
        if is_append_message(head) {
            let (from, to) = (self.start, self.start + head.len());
            self.start += newline + 1;
            self.state = State::Offered { size: header.size, sync: header.sync };
            return Step::Append { from, to, header };
        }
        gathered.literals += 1;
        gathered.lines += line.len();
        let begin = newline + 1;
        let end = usize::try_from(header.size).ok().and_then(|size| begin.checked_add(size));
        match end.filter(|&end| end <= largest) {
            _ if gathered.literals > limits::COMMAND_LITERALS => self.refuse_literal(header, begin, Report::TooLong),
            None => self.refuse_literal(header, begin, Report::TooBig),
            Some(end) => {
                self.state = State::Literal(gathered, end);
                if header.sync { Step::Continue } else { Step::Again }
            }
        }
    }

    fn literal(&mut self, gathered: Gathered, end: usize) -> Step {
        if self.buffered().len() < end {
            return Step::More;
        }
        self.state = State::Command(Gathered { line: end, scanned: end, ..gathered });
        Step::Again
    }

    /// Goes on with an ID, and closes the gaps where its strings stood.
    fn id(&mut self, mut id: Id) -> Step {
        let mut read = id.kept;
        let mut came = Ok(Step::More);
        while let Some(&octet) = self.buffered().get(read) {
            read += 1;
            match id.take(octet) {
                Fate::Drop => continue,
                Fate::Keep => {
                    if let Some(place) = self.buffer.get_mut(self.start + id.kept) {
                        *place = octet;
                    }
                    id.kept += 1;
                    continue;
                }
                Fate::LineEnd => came = self.id_line(&mut id),
                Fate::TooLong => came = Ok(Step::Report(Report::TooLong)),
            }
            break;
        }
        self.buffer.copy_within(self.start + read..self.end, self.start + id.kept);
        self.end -= read - id.kept;
        self.state = State::default();
        match came {
            Err(header) => return self.refuse_literal(header, id.kept, Report::TooBig),
            Ok(Step::Report(_)) => return self.too_long(0),
            Ok(Step::Command(..)) => self.start += id.kept,
            Ok(_) => self.state = State::Id(id),
        }
        came.unwrap_or(Step::Again)
    }

    /// A line of an ID ended: with it the command, or a literal follows; one that is too large comes as an error.
    fn id_line(&mut self, id: &mut Id) -> Result<Step, Header> {
        let form = without_cr(self.buffered().get(..id.kept).unwrap_or_default());
        let Some(header) = Header::at_end_of(form) else {
            return Ok(Step::Command(self.start, self.start + form.len()));
        };
        let size = usize::try_from(header.size).ok().filter(|size| *size <= limits::ID_STRING).ok_or(header)?;
        // `{1}` is as long as `""`, and then some.
        let place = self.start + header.at;
        if let Some(quotes) = self.buffer.get_mut(place..place + 2) {
            quotes.fill(b'"');
        }
        id.kept = header.at + 2;
        id.begin_literal(size);
        Ok(if header.sync { Step::Continue } else { Step::Again })
    }

    fn line(&mut self, scanned: usize) -> Step {
        let (longest, _) = self.bounds();
        let bytes = self.buffered();
        let Some(newline) = newline(bytes, scanned) else {
            if bytes.len() > longest + 1 {
                return self.too_long(0);
            }
            self.state = State::Line { scanned: bytes.len() };
            return Step::More;
        };
        let length = without_cr(bytes.get(..newline).unwrap_or_default()).len();
        if length > longest {
            return self.too_long(0);
        }
        let from = self.start;
        self.start += newline + 1;
        self.state = State::default();
        Step::Line(from, from + length)
    }

    /// After the message only the line end may come; spaces before it do no harm.
    fn tail(&mut self) -> Step {
        self.state = State::Tail;
        let bytes = self.buffered();
        let spaces = bytes.iter().take_while(|&&byte| byte == b' ').count();
        let end = match bytes.get(spaces..).unwrap_or_default() {
            [] | [b'\r'] => return Step::More,
            [b'\n', ..] => spaces + 1,
            [b'\r', b'\n', ..] => spaces + 2,
            _ => {
                self.state = State::Skip(Skip::new(0, Report::AppendBroken));
                return Step::Again;
            }
        };
        self.start += end;
        self.state = State::default();
        Step::AppendEnd
    }

    /// The line that begins at offset `line` of the command, and has no end in sight, is skipped.
    fn too_long(&mut self, line: usize) -> Step {
        // An answer has no tag (and might be a password).
        let tag = if let State::Command(_) = self.state { leading_tag(self.buffered()) } else { None };
        self.tag = tag.map(Box::from);
        self.start += line;
        self.state = State::Skip(Skip::new(0, Report::TooLong));
        Step::Again
    }

    /// The literal whose octets begin at offset `begin` of the command does not fit.
    fn refuse_literal(&mut self, header: Header, begin: usize, report: Report) -> Step {
        self.tag = leading_tag(self.buffered()).map(Box::from);
        self.start += begin;
        if header.sync {
            self.state = State::default();
            return Step::Report(report);
        }
        if header.size > limits::DRAIN {
            self.state = State::Dead;
            return Step::Fatal;
        }
        self.state = State::Skip(Skip::new(header.size, report));
        Step::Again
    }

    fn skip(&mut self) -> Step {
        let State::Skip(skip) = &mut self.state else { return Step::Again };
        let (count, skipped) = skip.pass(self.buffer.get(self.start..self.end).unwrap_or_default());
        self.start += count;
        match skipped {
            Skipped::More => Step::More,
            Skipped::Done(report) => {
                self.state = State::default();
                Step::Report(report)
            }
            Skipped::TooMuch => {
                self.state = State::Dead;
                Step::Fatal
            }
        }
    }
}

fn newline(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr(b'\n', bytes.get(from..)?).map(|at| from + at)
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
