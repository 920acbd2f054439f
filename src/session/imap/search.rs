//! SEARCH (RFC 9051 §6.4.4, RFC 4731, RFC 5182).

use super::finish::coded;
use super::refusal::No;
use super::select::Selected;
use super::session::Session;
use super::work::Work;
use crate::mail::search::{self, Facts, Key, Program, World};
use crate::mail::{BlobId, Envelope, FlagSet, Part, Span, Stamp, Uid, effort, limits};
use crate::session::Need;
use crate::store::{Fault, Reading, Refusal, Snapshot, Store, StoredHead, Uids};
use crate::wire::Out;
use crate::wire::imap::reply::{Code, Esearch, SearchReply, SetRun};
use crate::wire::imap::{ReturnOption, SearchCommand};
use std::num::NonZeroU32;
use std::ops::ControlFlow;

/// A search on its way.
#[derive(Debug)]
pub(super) struct Searching {
    tag: Box<str>,
    uid: bool,
    /// `None` is answered by SEARCH, everything else by ESEARCH.
    returns: Option<Vec<ReturnOption>>,
    program: Program,
    /// More than the view's rows is needed.
    deep: bool,
    /// The next place in the view; at its end the answer is written.
    at: usize,
    /// The message there, which was looked at in part.
    midst: Option<Uid>,
    found: Vec<u32>,
    saved: Vec<Uid>,
    /// Whether the answer was begun, how much of `found` is written, and the set that it is written into.
    begun: bool,
    written: usize,
    run: SetRun,
    scratch: Vec<u8>,
}

impl Searching {
    /// Whether a part of the answer was written, and the rest is still to come.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }
}

impl Session {
    pub(super) fn search(
        &mut self,
        tag: &str,
        uid: bool,
        command: SearchCommand,
        store: &Store,
        out: &mut Out,
    ) -> Result<Need, No> {
        let now = self.now;
        // RFC 9051 §6.4.4: rev2 knows only ESEARCH.
        let returns = command.returns.or_else(|| self.is_rev2().then(|| vec![ReturnOption::All]));
        let selected = self.selected_mut().ok_or(Refusal::NoMailbox)?;
        let rows = selected.view.rows();
        let keywords = selected.view.keywords();
        let world = World {
            now,
            last_sequence: NonZeroU32::new(selected.view.exists()),
            last_uid: rows.last().map(|row| row.uid.0),
            saved: &selected.saved.0,
            keyword: &|name| {
                let index = keywords.iter().position(|known| known.eq_ignore_ascii_case(name));
                index.map_or(FlagSet::NONE, FlagSet::keyword)
            },
        };
        let program = Program::new(&command.key, &world);
        let searching = Searching {
            tag: tag.into(),
            uid,
            returns,
            program,
            deep: is_deep(&command.key),
            at: 0,
            midst: None,
            found: Vec::new(),
            saved: Vec::new(),
            begun: false,
            written: 0,
            run: SetRun::new(),
            scratch: Vec::new(),
        };
        Ok(self.go_on_searching(Box::new(searching), store, out))
    }

    pub(super) fn go_on_searching(&mut self, mut searching: Box<Searching>, store: &Store, out: &mut Out) -> Need {
        match self.look(&mut searching, store) {
            Ok(true) => {}
            Ok(false) => {
                self.work = Work::Search(searching);
                return Need::Flush;
            }
            Err(no) => {
                // RFC 5182 §2.1: a SEARCH with SAVE that fails leaves nothing saved.
                if let (Some(selected), true) = (self.selected_mut(), searching.saves()) {
                    selected.saved = Uids::default();
                }
                no.reply(out, &searching.tag);
                return Need::Flush;
            }
        }
        if !searching.write(out) {
            self.work = Work::Search(searching);
            return Need::Flush;
        }
        if let (Some(selected), true) = (self.selected_mut(), searching.saves()) {
            selected.saved = Uids::from_ascending(searching.what_is_saved());
        }
        if !searching.uid && self.selected().is_some_and(Selected::lacks_messages) {
            let last = coded(&searching.tag, Code::ExpungeIssued, "SEARCH done: some of the messages are gone");
            return self.finish_with(&searching.tag, false, last, out);
        }
        self.finish(&searching.tag, searching.uid, "SEARCH done", out)
    }

    /// Looks at some more messages; true when all have been looked at.
    fn look(&self, searching: &mut Searching, store: &Store) -> Result<bool, No> {
        let Some(selected) = self.selected() else { return Ok(true) };
        let mut rows = selected.view.rows().from(searching.at).peekable();
        let Some(first) = rows.peek() else { return Ok(true) };
        let snapshot = store.snapshot()?;
        let mut messages = if searching.deep {
            Some(snapshot.messages(selected.mailbox, first.uid.number(), u32::MAX)?.peekable())
        } else {
            None
        };
        let saves = searching.saves();
        for row in rows {
            effort::spend(effort::ROW);
            let sequence = u32::try_from(searching.at + 1).unwrap_or(u32::MAX);
            let mut facts = Message {
                snapshot: &snapshot,
                row: search::Row {
                    sequence,
                    uid: row.uid,
                    flags: row.flags,
                    recent: selected.view.is_recent(row.uid),
                    received: Stamp::default(),
                    size: 0,
                },
                head: None,
                blob: None,
                scratch: &mut searching.scratch,
            };
            let mut there = true;
            if let Some(messages) = &mut messages {
                while let Some(earlier) = messages.next_if(|other| other.as_ref().is_ok_and(|(uid, _)| *uid < row.uid))
                {
                    earlier?;
                }
                let found = messages.next_if(|other| !other.as_ref().is_ok_and(|(uid, _)| *uid > row.uid));
                // What is gone is not found.
                there = found.is_some();
                if let Some(found) = found {
                    let (_, message) = found?;
                    facts.row.received = message.received;
                    facts.row.size = message.size;
                    facts.blob = Some(message.blob);
                }
            }
            if there {
                if searching.midst != Some(row.uid) {
                    searching.program.begin();
                }
                let Some(matches) = searching.program.go_on(&mut facts)? else {
                    searching.midst = Some(row.uid);
                    return Ok(false);
                };
                if matches {
                    searching.found.push(if searching.uid { row.uid.number() } else { sequence });
                    if saves {
                        searching.saved.push(row.uid);
                    }
                }
            }
            searching.midst = None;
            searching.at += 1;
            if effort::is_spent() {
                break;
            }
        }
        Ok(searching.at >= selected.view.rows().len())
    }
}

impl Searching {
    fn saves(&self) -> bool {
        self.asks(ReturnOption::Save)
    }

    fn asks(&self, option: ReturnOption) -> bool {
        self.returns.as_ref().is_some_and(|returns| returns.contains(&option))
    }

    /// RFC 5182 §2.4: with MIN or MAX and without ALL or COUNT, only those are saved.
    fn what_is_saved(&self) -> Vec<Uid> {
        let (min, max) = (self.asks(ReturnOption::Min), self.asks(ReturnOption::Max));
        if self.asks(ReturnOption::All) || self.asks(ReturnOption::Count) || !(min || max) {
            return self.saved.clone();
        }
        let mut ends: Vec<_> = min.then(|| self.saved.first()).flatten().copied().into_iter().collect();
        ends.extend(max.then(|| self.saved.last()).flatten().copied());
        ends.dedup();
        ends
    }

    /// Writes some more of the answer; true when it is whole.
    fn write(&mut self, out: &mut Out) -> bool {
        let Some(returns) = &self.returns else { return self.write_search(out) };
        // RFC 5182 §2.1: SAVE alone asks for no answer.
        if returns.as_slice() == [ReturnOption::Save] {
            return true;
        }
        let all = self.asks(ReturnOption::All) && !self.found.is_empty();
        if !std::mem::replace(&mut self.begun, true) {
            Esearch::begin(out, &self.tag, self.uid);
            if let (true, Some(first)) = (self.asks(ReturnOption::Min), self.found.first()) {
                Esearch::min(out, *first);
            }
            if let (true, Some(last)) = (self.asks(ReturnOption::Max), self.found.last()) {
                Esearch::max(out, *last);
            }
            if self.asks(ReturnOption::Count) {
                Esearch::count(out, u32::try_from(self.found.len()).unwrap_or(u32::MAX));
            }
            if all {
                self.run = Esearch::all_begin(out);
            }
        }
        if all {
            for number in self.found.iter().skip(self.written) {
                if out.is_full() {
                    return false;
                }
                self.run.push(out, *number);
                self.written += 1;
            }
            Esearch::all_end(out, self.run);
        }
        Esearch::end(out);
        true
    }

    fn write_search(&mut self, out: &mut Out) -> bool {
        if !std::mem::replace(&mut self.begun, true) {
            SearchReply::begin(out);
        }
        for number in self.found.iter().skip(self.written) {
            if out.is_full() {
                return false;
            }
            SearchReply::number(out, *number);
            self.written += 1;
        }
        SearchReply::end(out);
        true
    }
}

/// Whether a key needs more than flags, UIDs and message numbers.
fn is_deep(key: &Key) -> bool {
    match key {
        Key::All
        | Key::Flag(_)
        | Key::NoFlag(_)
        | Key::Keyword(_)
        | Key::NoKeyword(_)
        | Key::Recent
        | Key::Old
        | Key::Uid(_)
        | Key::Sequence(_) => false,
        Key::Not(key) => is_deep(key),
        Key::Or(a, b) => is_deep(a) || is_deep(b),
        Key::And(keys) => keys.iter().any(is_deep),
        _ => true,
    }
}

/// What the search may ask of a message.
struct Message<'s> {
    snapshot: &'s Snapshot,
    row: search::Row,
    blob: Option<BlobId>,
    head: Option<StoredHead<'s>>,
    scratch: &'s mut Vec<u8>,
}

impl Message<'_> {
    fn head(&mut self) -> Result<(BlobId, crate::store::Head<'_>), Fault> {
        let blob = self.blob.ok_or(Fault::Corrupt("a search without message"))?;
        if self.head.is_none() {
            self.head = Some(self.snapshot.head(blob)?.ok_or(Fault::Corrupt("a message without content"))?);
        }
        let head = self.head.as_ref().ok_or(Fault::Corrupt("a head that was just read"))?;
        Ok((blob, head.read()?))
    }
}

impl Facts for Message<'_> {
    type Error = Fault;

    fn row(&self) -> search::Row {
        self.row
    }

    fn envelope(&mut self, see: &mut dyn FnMut(&Envelope<'_>)) -> Result<(), Fault> {
        let snapshot = self.snapshot;
        let (blob, head) = self.head()?;
        see(&snapshot.envelope(blob, &head)?);
        Ok(())
    }

    fn header(&mut self, see: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let snapshot = self.snapshot;
        let (blob, head) = self.head()?;
        let (span, _) = snapshot.halves(blob, &head)?;
        let mut header = Vec::with_capacity((span.len() as usize).min(limits::HEADER));
        self.octets(span, &mut |octets| {
            header.extend_from_slice(octets);
            if header.len() < limits::HEADER { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        see(&header);
        Ok(())
    }

    fn outline(&mut self, see: &mut dyn FnMut(&Part<'_>)) -> Result<(), Fault> {
        let snapshot = self.snapshot;
        let (blob, head) = self.head()?;
        see(&snapshot.outline(blob, &head)?);
        Ok(())
    }

    fn octets(&mut self, span: Span, see: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Fault> {
        let snapshot = self.snapshot;
        let mut scratch = std::mem::take(self.scratch);
        let (blob, head) = self.head()?;
        let mut reading = Reading { blob, rest: span };
        loop {
            scratch.clear();
            let ended = reading.read(snapshot, &head, &mut scratch, 1)?;
            if see(&scratch).is_break() || ended {
                break;
            }
        }
        *self.scratch = scratch;
        Ok(())
    }
}
