//! RETR and TOP (RFC 1939 §5, §7): a message streams by, a bufferful at a time.

use super::session::{Pop3, State, Work, no_message, unavailable};
use crate::mail::Span;
use crate::session::Need;
use crate::session::whole::may_begin;
use crate::store::{Depth, Fault, Pin, Reading, Snapshot, Store};
use crate::wire::Out;
use crate::wire::pop3::reply::{self, Code};
use crate::wire::pop3::{Dots, Number, Top};

/// Messages that are read ahead of.
const AHEAD: usize = 256;

/// A message on its way. Its content stays readable while this lives.
#[derive(Debug)]
pub(super) struct Retrieving {
    number: Number,
    /// What is said before the message, while nothing was.
    opening: Option<Opening>,
    reading: Reading,
    dots: Dots,
    /// TOP: where it ends.
    top: Option<Top>,
    _pin: Pin,
}

/// The first line of the answer.
#[derive(Clone, Copy, Debug)]
enum Opening {
    Octets(u32),
    Top,
}

/// Why a message is not sent to its end.
enum Broken {
    /// It was expunged since log-in, and swept.
    Gone,
    Fault(Fault),
}

/// The store as one call sees it: a client that sends many commands at once is answered from one snapshot.
pub(super) struct Source<'s> {
    pub(super) store: &'s Store,
    snapshot: Option<Snapshot>,
}

impl<'s> Source<'s> {
    pub(super) fn new(store: &'s Store) -> Source<'s> {
        Source { store, snapshot: None }
    }

    fn snapshot(&mut self) -> Result<&Snapshot, Fault> {
        Ok(match &mut self.snapshot {
            Some(snapshot) => snapshot,
            none => none.insert(self.store.snapshot()?),
        })
    }
}

impl Pop3 {
    pub(super) fn retrieve(
        &mut self,
        number: Number,
        lines: Option<u32>,
        source: &mut Source<'_>,
        out: &mut Out,
    ) -> Need {
        let State::Transaction(maildrop) = &self.state else { return Need::Flush };
        let Some(entry) = maildrop.get(number).copied() else {
            no_message(out);
            return Need::Flush;
        };
        if lines.is_none() {
            let uids = maildrop.uids_from(number).take(AHEAD);
            source.store.read_ahead(&mut self.ahead, maildrop.inbox, uids, Depth::Bodies);
        }
        let begun = if lines.is_none() { Opening::Octets(entry.octets) } else { Opening::Top };
        let retrieving = Box::new(Retrieving {
            number,
            opening: Some(begun),
            // As far as it goes: how far that is the first look at it tells.
            reading: Reading { blob: entry.blob, rest: Span { start: 0, end: u32::MAX } },
            dots: Dots::new(entry.canonical),
            top: lines.map(Top::new),
            _pin: source.store.pin(entry.blob),
        });
        self.go_on_retrieving(retrieving, source, out)
    }

    /// Fills the output.
    pub(super) fn go_on_retrieving(
        &mut self,
        mut retrieving: Box<Retrieving>,
        source: &mut Source<'_>,
        out: &mut Out,
    ) -> Need {
        let (first, mark) = (retrieving.opening.is_some(), out.mark());
        let gone_on = source.snapshot().map_err(Broken::Fault).and_then(|snapshot| retrieving.go_on(snapshot, out));
        match gone_on {
            Ok(false) => {
                self.work = Work::Retrieving(retrieving);
                Need::Flush
            }
            Ok(true) => {
                if let (State::Transaction(maildrop), None) = (&mut self.state, &retrieving.top) {
                    maildrop.sent(retrieving.number);
                }
                Need::Flush
            }
            Err(Broken::Gone) if first => {
                out.rollback(mark);
                reply::err(out, Some(Code::SysPerm), "This message is gone");
                Need::Flush
            }
            Err(Broken::Fault(fault)) if first => {
                out.rollback(mark);
                unavailable(out, &fault);
                Need::Flush
            }
            Err(broken) => {
                // The client must not take half a message for a whole one.
                match broken {
                    Broken::Fault(fault) => log::error!("a message broke off while it was sent: {fault}"),
                    Broken::Gone => log::error!("a message went while it was sent"),
                }
                self.state = State::Over;
                Need::Close
            }
        }
    }
}

impl Retrieving {
    /// Sends more, until the output is full; true when all is sent.
    fn go_on(&mut self, snapshot: &Snapshot, out: &mut Out) -> Result<bool, Broken> {
        let stored = snapshot.head(self.reading.blob)?.ok_or(Broken::Gone)?;
        let head = stored.read()?;
        if self.opening.is_some() && self.top.is_none() && !may_begin(self.reading.blob, snapshot, &head, out)? {
            return Ok(false);
        }
        match self.opening.take() {
            Some(Opening::Octets(octets)) => {
                out.put(b"+OK ");
                out.number(octets);
                reply::line(out, " octets");
            }
            Some(Opening::Top) => reply::ok(out, "The top of it:"),
            None => {}
        }
        loop {
            let limit = out.limit();
            let buffer = out.buffer();
            let from = buffer.len();
            // TOP wants little: no more than a frame at a time is unpacked for it.
            let enough = if self.top.is_some() { from + 1 } else { limit };
            let mut ended = self.reading.read(snapshot, &head, buffer, enough)?;
            if let Some(top) = &mut self.top {
                let wanted = top.wanted(buffer.get(from..).unwrap_or_default());
                buffer.truncate(from + wanted);
                ended |= top.is_over();
            }
            self.dots.stuff(buffer, from);
            if ended {
                self.dots.end(buffer);
                return Ok(true);
            }
            if out.is_full() {
                return Ok(false);
            }
        }
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Broken {
        Broken::Fault(fault)
    }
}
