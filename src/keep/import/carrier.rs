//! Carries messages from the formats into a mailbox and keeps the account of what became of them.

use super::header::{Header, Noted};
use super::intake::{Broken, Intake, Meta, Verdict};
use super::left::{Kind, Left};
use crate::keep::layout::{Ends, FromFile};
use crate::mail::{FlagSet, Stamp};
use crate::store::History;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Messages that wait for their verdict: what two commits take, so that one is packed while the other is written.
const WAITING: usize = 128;
/// Octets that are gathered before they are passed on.
const PIECE: usize = 64 << 10;

/// Where a message was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: Arc<Path>,
    /// Which of its messages, from 1, if it holds several.
    pub message: Option<u64>,
}

/// Something to tell while an import runs.
#[derive(Clone, Debug)]
pub enum Event {
    /// So many octets more were read.
    Read(u64),
    /// This message was not imported, and why.
    Skipped(Place, String),
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages imported.
    pub imported: u64,
    /// Octets of those messages.
    pub bytes: u64,
    /// Messages that the mailbox had already.
    pub known: u64,
    /// What was not taken over.
    pub left: Left,
    /// Where and why it stopped before its end: what came before that place is settled.
    pub stopped: Option<(Place, String)>,
    /// Messages that had been sent on after that one and found room.
    pub imported_after: u64,
    /// Messages from that one on of which nobody knows whether they are stored: the way to the store broke before it said so.
    pub unknown: u64,
}

/// It makes no sense to go on; the summary says why.
#[derive(Debug)]
pub(super) struct Halt;

/// When a message came, if known: before its header is asked, and after.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dates {
    pub(super) first: Option<Stamp>,
    pub(super) last: Option<Stamp>,
}

/// Where flags come from.
#[derive(Debug)]
pub(super) enum Flags {
    /// From fields of the header.
    Header,
    These(Vec<String>),
    /// These, and what the header says.
    Both(Vec<String>),
}

/// What is known of a message beside its octets.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) flags: Flags,
    pub(super) dates: Dates,
    pub(super) history: History,
}

pub(super) struct Carrier<'c> {
    intake: Box<dyn Intake + 'c>,
    summary: &'c mut Summary,
    report: &'c mut dyn FnMut(Event) -> ControlFlow<()>,
    waiting: VecDeque<(Place, u64)>,
    /// A message was not taken for a reason that others will not be either.
    is_refused: bool,
    /// Keywords that the mailbox has from this import, in small letters: it has room for so many.
    keywords: HashSet<String>,
    header: Header,
    ends: FromFile,
    piece: Vec<u8>,
    size: u64,
}

impl<'c> Carrier<'c> {
    pub(super) fn new(
        intake: Box<dyn Intake + 'c>,
        summary: &'c mut Summary,
        report: &'c mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Carrier<'c> {
        let piece = Vec::with_capacity(2 * PIECE);
        let (header, ends) = (Header::default(), FromFile::default());
        Carrier {
            intake,
            summary,
            report,
            waiting: VecDeque::new(),
            is_refused: false,
            keywords: HashSet::new(),
            header,
            ends,
            piece,
            size: 0,
        }
    }

    /// The message that begins has these line ends in its file. Needs not be said of one that has them as files do.
    pub(super) fn begin(&mut self, ends: Ends) {
        self.ends = FromFile::new(ends);
    }

    /// The next octets of the message as the file has them.
    pub(super) fn push(&mut self, octets: &[u8], place: &Place) -> Result<(), Halt> {
        for octets in octets.chunks(PIECE) {
            self.ends.convert(octets, &mut self.piece);
            if self.piece.len() >= PIECE {
                self.pass_on(place)?;
            }
        }
        Ok(())
    }

    /// The message is complete.
    pub(super) fn end(&mut self, place: &Place, known: Known) -> Result<(), Halt> {
        let Known { flags, dates, history } = known;
        self.pass_on(place)?;
        let (header, size) = (std::mem::take(&mut self.header), std::mem::take(&mut self.size));
        self.ends = FromFile::default();
        if size == 0 {
            self.skip(place, Kind::Empty, "it is empty");
            return Ok(());
        }
        let noted = if let Flags::Header | Flags::Both(_) = flags { header.noted() } else { Noted::default() };
        let left = match flags {
            Flags::These(_) => None,
            _ if noted.is_expunged => Some((Kind::Expunged, "it was deleted there already")),
            _ if header.is_internal() => Some((Kind::Internal, "a server wrote it for itself")),
            _ => None,
        };
        if let Some((kind, why)) = left {
            self.skip(place, kind, why);
            let given_up = self.intake.give_up();
            return self.whole(given_up, place);
        }
        for _ in 0..noted.lost {
            self.summary.left.add(Kind::Keyword, place);
        }
        let received = dates.first.or_else(|| header.received()).or(dates.last).unwrap_or_default();
        let flags = match flags {
            Flags::Header => noted.flags,
            Flags::These(flags) => flags,
            Flags::Both(flags) => flags.into_iter().chain(noted.flags).collect(),
        };
        for flag in flags.iter().filter(|flag| !flag.starts_with('\\')) {
            let keyword = flag.to_ascii_lowercase();
            if !self.keywords.contains(&keyword) && self.keywords.len() >= FlagSet::KEYWORDS {
                self.summary.left.add(Kind::Keyword, place);
            } else {
                self.keywords.insert(keyword);
            }
        }
        let ended = self.intake.end(Meta { flags, received, history });
        self.whole(ended, place)?;
        self.waiting.push_back((place.clone(), size));
        self.settle(place)
    }

    /// The message cannot be read to its end.
    pub(super) fn give_up(&mut self, place: &Place, kind: Kind, why: &str) -> Result<(), Halt> {
        self.piece.clear();
        self.header = Header::default();
        self.ends = FromFile::default();
        self.size = 0;
        self.skip(place, kind, why);
        let given_up = self.intake.give_up();
        self.whole(given_up, place)
    }

    /// This was not even begun.
    pub(super) fn skip(&mut self, place: &Place, kind: Kind, why: &str) {
        self.summary.left.add(kind, place);
        if kind.is_told() {
            // What it answers is asked at the next octets.
            let _ = (self.report)(Event::Skipped(place.clone(), why.to_owned()));
        }
    }

    /// Something of this message is not taken over; the rest is.
    pub(super) fn note(&mut self, place: &Place, kind: Kind) {
        self.summary.left.add(kind, place);
    }

    /// So many octets more were read; whoever asked for the import may want no more.
    pub(super) fn read(&mut self, octets: usize, place: &Place) -> Result<(), Halt> {
        if (self.report)(Event::Read(octets as u64)).is_continue() {
            return Ok(());
        }
        self.summary.stopped.get_or_insert_with(|| (place.clone(), "it was interrupted".to_owned()));
        Err(Halt)
    }

    /// Waits for all verdicts that are still out.
    pub(super) fn finish(mut self) -> Result<(), Halt> {
        while let Some((place, _)) = self.waiting.front().cloned() {
            let verdict = self.intake.verdict(true);
            match self.whole(verdict, &place)? {
                Some(verdict) => self.hear(verdict),
                None => break,
            }
        }
        if self.summary.stopped.is_some() { Err(Halt) } else { Ok(()) }
    }

    fn pass_on(&mut self, place: &Place) -> Result<(), Halt> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.header.feed(&self.piece);
        self.size += self.piece.len() as u64;
        let pushed = self.intake.push(&self.piece);
        self.piece.clear();
        self.whole(pushed, place)
    }

    /// Takes verdicts; waits for some where too many are out.
    fn settle(&mut self, place: &Place) -> Result<(), Halt> {
        while !self.waiting.is_empty() {
            let verdict = self.intake.verdict(self.waiting.len() >= WAITING);
            match self.whole(verdict, place)? {
                Some(verdict) => self.hear(verdict),
                None => break,
            }
        }
        if self.summary.stopped.is_some() { Err(Halt) } else { Ok(()) }
    }

    fn hear(&mut self, verdict: Verdict) {
        let Some((place, size)) = self.waiting.pop_front() else { return };
        match verdict {
            Verdict::Taken => {
                self.summary.imported += 1;
                self.summary.bytes += size;
                self.summary.imported_after += u64::from(self.is_refused);
            }
            Verdict::Known => self.summary.known += 1,
            Verdict::Refused(why) => self.skip(&place, Kind::Refused, &why),
            Verdict::Full(why) | Verdict::Broken(why) => self.stop(place, why),
        }
    }

    fn whole<T>(&mut self, result: Result<T, Broken>, place: &Place) -> Result<T, Halt> {
        result.map_err(|Broken(why)| {
            // Of those that were sent and not answered nobody knows: the first of them is where it stopped.
            let waiting = std::mem::take(&mut self.waiting);
            let place = waiting.front().map_or(place, |(place, _)| place).clone();
            self.summary.unknown += waiting.len() as u64;
            self.stop(place, why);
            Halt
        })
    }

    /// A message is the first that the account did not take. Where somebody wanted no more of the import, that was further on.
    fn stop(&mut self, place: Place, why: String) {
        if !std::mem::replace(&mut self.is_refused, true) {
            self.summary.stopped = Some((place, why));
        }
    }
}

impl Place {
    /// A whole file.
    pub(super) fn file(path: &Path) -> Place {
        Place { path: path.into(), message: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.message.map_or(Ok(()), |message| write!(f, ", message {message}"))
    }
}
