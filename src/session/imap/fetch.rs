//! FETCH (RFC 9051 §6.4.5): a cursor over the view. Each turn reads one snapshot, fills the output, and leaves behind
//! where to go on; nothing but a number of places is held between turns.

use super::finish::{Last, coded};
use super::message::Places;
use super::piece::{Aids, Body, Piece, Put};
use super::refusal::No;
use super::session::Session;
use super::work::{After, Work};
use crate::mail::{SectionText, SequenceSet, SystemFlag, Uid, effort};
use crate::session::Need;
use crate::store::{Ahead, Depth, Fault, FlagChange, Message, Mirror, Pin, Refusal, Row, Snapshot, Store, Uids, Write};
use crate::wire::Out;
use crate::wire::imap::reply::{self, Code};
use crate::wire::imap::{Dialect, FetchItem};
use std::cell::OnceCell;
use std::sync::Arc;

/// Messages that are looked up at once.
const ROWS: usize = 64;
/// Messages that are read ahead of.
const AHEAD: usize = 1024;

/// A FETCH on its way.
#[derive(Debug)]
pub(super) struct Fetching {
    tag: Box<str>,
    uid: bool,
    items: Vec<FetchItem>,
    /// The messages' rows in the store are needed, not only the view's.
    deep: bool,
    places: Places,
    /// How far: the range, and the place in it.
    range: usize,
    at: usize,
    /// The message of which a part was told.
    midst: Option<Midst>,
    /// Messages that this command marked \Seen: their flags are told.
    marked: Uids,
    /// Some messages were gone.
    missing: bool,
    unknown_cte: bool,
    /// Some messages could not be read.
    damaged: Option<Fault>,
    aids: Aids,
    ahead: Ahead,
}

/// In the midst of a message, which may be expunged meanwhile.
#[derive(Debug)]
struct Midst {
    /// The item that comes next, or that is being sent piece by piece.
    item: usize,
    piece: Option<Piece>,
    /// Whether some of the response was put, and perhaps sent.
    begun: bool,
    message: Option<Message>,
    /// As it was told.
    row: Row,
    /// Its content stays readable.
    _pin: Option<Pin>,
}

impl Fetching {
    /// A message cannot be read; the others can.
    fn damage(&mut self, uid: Uid, fault: Fault) {
        log::error!("message {uid} cannot be read: {fault}");
        self.damaged = Some(fault);
    }

    /// Whether a part of a response was put, and the rest is still to come.
    pub(super) fn is_within_a_response(&self) -> bool {
        self.midst.as_ref().is_some_and(|midst| midst.begun)
    }

    /// How much of the messages is asked for.
    fn depth(&self) -> Option<Depth> {
        let bodies = |item: &FetchItem| match item {
            FetchItem::Section { section, .. } => {
                !matches!(
                    section.text,
                    SectionText::Header | SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_)
                ) || !section.path.is_empty()
            }
            FetchItem::Rfc822 | FetchItem::Rfc822Text | FetchItem::Binary { .. } | FetchItem::BinarySize(_) => true,
            _ => false,
        };
        if self.items.iter().any(bodies) {
            return Some(Depth::Bodies);
        }
        self.items.iter().any(needs_content).then_some(Depth::Heads)
    }
}

/// How one message went.
enum Went {
    Whole,
    /// The output is full, or the turn is over, in the middle of it: at this item, and in this piece of it.
    Paused {
        item: usize,
        piece: Option<Piece>,
        begun: bool,
    },
    /// It is gone.
    Gone,
    /// It cannot be read.
    Damaged(Fault),
}

impl Session {
    pub(super) fn fetch(
        &mut self,
        tag: &str,
        uid: bool,
        set: &SequenceSet,
        mut items: Vec<FetchItem>,
        store: &Store,
        out: &mut Out,
    ) -> Result<Need, No> {
        if items.contains(&FetchItem::ModSeq) {
            return Err(No::Cannot("MODSEQ is not offered"));
        }
        let selected = self.selected().ok_or(Refusal::NoMailbox)?;
        let places = selected.places(uid, set)?;
        if uid && !items.contains(&FetchItem::Uid) {
            items.insert(0, FetchItem::Uid);
        }
        let marks = !selected.is_read_only() && items.iter().any(sets_seen);
        let deep = items.iter().any(|item| !matches!(item, FetchItem::Uid | FetchItem::Flags));
        let mut fetching = Box::new(Fetching {
            tag: tag.into(),
            uid,
            items,
            deep,
            at: places.first().map_or(0, |place| place.0),
            places,
            range: 0,
            midst: None,
            marked: Uids::default(),
            missing: false,
            unknown_cte: false,
            damaged: None,
            aids: Aids::default(),
            ahead: Ahead::default(),
        });
        if marks {
            let rows = selected.view.rows();
            let unseen = fetching.places.iter().flat_map(|&(from, to)| {
                rows.from(from).take(to - from).filter(|row| !row.flags.is(SystemFlag::Seen)).map(|row| row.uid)
            });
            let uids = Uids::from_ascending(unseen);
            if !uids.0.is_empty() {
                let change = FlagChange::Add(vec![SystemFlag::Seen.name().to_owned()]);
                let write = Write::Store { mailbox: selected.mailbox, uids: uids.clone(), change };
                fetching.marked = uids;
                self.work = Work::Waiting(Box::new(After::Seen(fetching)));
                return Ok(Need::Write(write));
            }
        }
        Ok(self.go_on_fetching(fetching, store, out))
    }

    pub(super) fn go_on_fetching(&mut self, mut fetching: Box<Fetching>, store: &Store, out: &mut Out) -> Need {
        let turn = self.fetch_turn(&mut fetching, store, out);
        match turn {
            Ok(true) => {
                let last = if let Some(fault) = fetching.damaged.take() {
                    Last::No(fault.into())
                } else if fetching.unknown_cte {
                    Last::No(No::UnknownCte)
                } else if fetching.missing && !fetching.uid {
                    // RFC 9051 §7.1: the others were told.
                    coded(&fetching.tag, Code::ExpungeIssued, "FETCH done: some of the messages are gone")
                } else {
                    Last::Ok("FETCH done")
                };
                self.finish_with(&fetching.tag, fetching.uid, last, out)
            }
            Ok(false) => {
                self.work = Work::Fetch(fetching);
                Need::Flush
            }
            Err(Broken::Before(fault)) => self.finish_with(&fetching.tag, fetching.uid, Last::No(fault.into()), out),
            Err(Broken::Within(fault)) => {
                // So many octets were announced, and cannot be sent: the client must not take anything else for them.
                log::error!("a FETCH broke off within a message: {fault}");
                self.end();
                Need::Close
            }
        }
    }

    /// Fills the output; true when all is told.
    fn fetch_turn(&mut self, fetching: &mut Fetching, store: &Store, out: &mut Out) -> Result<bool, Broken> {
        let dialect = self.dialect;
        let rev2 = self.is_rev2();
        let Some(selected) = self.selected_mut() else { return Ok(true) };
        let now = selected.watch.now();
        // Not within a response, whose octets these would be taken for.
        if fetching.midst.is_none() && selected.view.keywords() != &now.keywords {
            selected.view.learn(&now.keywords);
            super::finish::tell_flags(out, &now.keywords, selected.is_read_only());
        }
        let snapshot = if fetching.deep { Some(store.snapshot()?) } else { None };
        while let Some(&(_, to)) = fetching.places.get(fetching.range) {
            let count = ROWS.min(to.saturating_sub(fetching.at));
            let rows: Vec<Row> = selected.view.rows().from(fetching.at).take(count).collect();
            let Some((first, last)) = rows.first().zip(rows.last()) else {
                fetching.range += 1;
                fetching.at = fetching.places.get(fetching.range).map_or(0, |place| place.0);
                continue;
            };
            let mut present = Present::new(&now, first.uid);
            if let Some(depth) = fetching.depth() {
                let next = selected.view.rows().from(fetching.at).take(to.saturating_sub(fetching.at).min(AHEAD));
                let uids = next.map(|row| row.uid.number());
                store.read_ahead(&mut fetching.ahead, selected.mailbox, uids, depth);
            }
            let mut messages = match &snapshot {
                Some(snapshot) => {
                    Some(snapshot.messages(selected.mailbox, first.uid.number(), last.uid.number())?.peekable())
                }
                None => None,
            };
            for row in &rows {
                effort::spend(effort::ROW);
                if out.is_full() {
                    return Ok(false);
                }
                let found = match (&mut messages, &snapshot) {
                    (Some(messages), _) => {
                        while messages.next_if(|m| m.as_ref().is_ok_and(|(uid, _)| *uid < row.uid)).is_some() {}
                        let next = messages.next_if(|m| !m.as_ref().is_ok_and(|(uid, _)| *uid > row.uid));
                        next.transpose().map(|next| next.map(|(_, m)| m))
                    }
                    // Behind a row that cannot be read, each is looked up by itself.
                    (None, Some(snapshot)) => snapshot.message(selected.mailbox, row.uid),
                    (None, None) => Ok(None),
                };
                let message = match found {
                    Ok(message) => message,
                    Err(fault @ Fault::Corrupt(_)) => {
                        messages = None;
                        if fetching.midst.is_none() {
                            fetching.damage(row.uid, fault);
                            fetching.at += 1;
                            continue;
                        }
                        // It was read already.
                        None
                    }
                    Err(fault) => return Err(fault.into()),
                };
                if fetching.deep && message.is_none() && fetching.midst.is_none() {
                    fetching.missing = true;
                    fetching.at += 1;
                    if effort::is_spent() {
                        return Ok(false);
                    }
                    continue;
                }
                let new = present.row(row.uid).unwrap_or(*row);
                let (new, message) = fetching.midst.as_ref().map_or((new, message), |midst| (midst.row, midst.message));
                let telling = Telling {
                    number: u32::try_from(fetching.at + 1).unwrap_or(u32::MAX),
                    row: new,
                    recent: !rev2 && selected.view.is_recent(row.uid),
                    keywords: &now.keywords,
                    message,
                    dialect,
                };
                match telling.tell(fetching, store, snapshot.as_ref(), out)? {
                    Went::Whole => {
                        if new != *row && telling.tells_flags(fetching) {
                            selected.view.told(new);
                        }
                    }
                    Went::Gone => fetching.missing = true,
                    Went::Damaged(fault) => fetching.damage(row.uid, fault),
                    Went::Paused { item, piece, begun } => {
                        let pin = message.map(|message| store.pin(message.blob));
                        fetching.midst = Some(Midst { item, piece, begun, message, row: new, _pin: pin });
                        return Ok(false);
                    }
                }
                fetching.aids.measures.clear();
                fetching.at += 1;
                if effort::is_spent() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// One message's response.
struct Telling<'t> {
    number: u32,
    row: Row,
    recent: bool,
    keywords: &'t Arc<[String]>,
    message: Option<Message>,
    dialect: Dialect,
}

impl Telling<'_> {
    fn tells_flags(&self, fetching: &Fetching) -> bool {
        fetching.items.contains(&FetchItem::Flags) || fetching.marked.holds(self.row.uid)
    }

    fn tell(
        &self,
        fetching: &mut Fetching,
        store: &Store,
        snapshot: Option<&Snapshot>,
        out: &mut Out,
    ) -> Result<Went, Broken> {
        let midst = fetching.midst.take();
        let within = midst.as_ref().is_some_and(|midst| midst.begun);
        let broken = |fault: Fault| if within { Broken::Within(fault) } else { Broken::Before(fault) };
        let blob = self.message.map(|message| message.blob);
        // What only the row tells needs no look at the content.
        let content = fetching.items.iter().any(needs_content);
        let stored = match (snapshot, blob) {
            (Some(snapshot), Some(blob)) if content => match snapshot.head(blob) {
                Ok(Some(stored)) => Some(stored),
                Err(fault @ Fault::Corrupt(_)) if !within => return Ok(Went::Damaged(fault)),
                Err(fault) => return Err(broken(fault)),
                Ok(None) if within => return Err(Broken::Within(Fault::Corrupt("the content went while it was read"))),
                Ok(None) => return Ok(Went::Gone),
            },
            _ => None,
        };
        let head = match stored.as_ref().map(crate::store::StoredHead::read).transpose() {
            Err(fault) if !within => return Ok(Went::Damaged(fault)),
            read => read.map_err(broken)?,
        };
        let body = match (snapshot, blob, &head) {
            (Some(snapshot), Some(blob), Some(head)) => {
                Some(Body { store, snapshot, blob, head, outline: OnceCell::new() })
            }
            _ => None,
        };
        if let (false, Some(body)) = (within, &body) {
            match body.may_begin(fetching.depth(), out) {
                Ok(true) => {}
                Ok(false) => return Ok(Went::Paused { item: 0, piece: None, begun: false }),
                Err(fault) => return Ok(Went::Damaged(fault)),
            }
        }
        let mark = out.mark();
        let mut next = midst.as_ref().map_or(0, |midst| midst.item);
        let mut fetch = if within {
            reply::Fetch::resume(out, self.dialect)
        } else {
            reply::Fetch::begin(out, self.number, self.dialect)
        };
        if let Some(mut piece) = midst.and_then(|midst| midst.piece) {
            let body = body.as_ref().ok_or(Broken::Within(Fault::Corrupt("a piece without content")))?;
            let enough = fetch.limit();
            if !piece.go_on(body, fetch.buffer(), enough).map_err(Broken::Within)? {
                return Ok(Went::Paused { item: next, piece: Some(piece), begun: true });
            }
            next += 1;
        } else if !within && fetching.marked.holds(self.row.uid) && !fetching.items.contains(&FetchItem::Flags) {
            fetch.flags(self.row.flags, self.keywords, self.recent);
        }
        for index in next.. {
            let Some(item) = fetching.items.get(index) else { break };
            let put = match (item, self.message, &body) {
                _ if index > next && (effort::is_spent() || fetch.is_full()) => Ok(Put::Later),
                (FetchItem::Uid, ..) => {
                    fetch.uid(self.row.uid);
                    Ok(Put::Whole)
                }
                (FetchItem::Flags, ..) => {
                    fetch.flags(self.row.flags, self.keywords, self.recent);
                    Ok(Put::Whole)
                }
                (FetchItem::InternalDate, Some(message), _) => {
                    fetch.internal_date(message.received);
                    Ok(Put::Whole)
                }
                (FetchItem::Size, Some(message), _) => {
                    fetch.size(message.size);
                    Ok(Put::Whole)
                }
                (item, _, Some(body)) => body.put(item, &mut fetch, &mut fetching.aids),
                (_, _, None) => Ok(Put::Whole),
            };
            match put {
                Ok(Put::Whole) => {}
                Ok(Put::UnknownCte) => fetching.unknown_cte = true,
                Ok(Put::Paused(piece)) => {
                    return Ok(Went::Paused { item: index, piece: Some(piece), begun: true });
                }
                Ok(Put::Later) => {
                    let begun = !fetch.is_empty();
                    if !begun {
                        out.rollback(mark);
                    }
                    return Ok(Went::Paused { item: index, piece: None, begun });
                }
                Err(fault) if within => return Err(Broken::Within(fault)),
                Err(fault) => {
                    // Nothing of this response has left yet: it is as if it had not been begun, and the others follow.
                    out.rollback(mark);
                    return Ok(Went::Damaged(fault));
                }
            }
        }
        if fetch.is_empty() {
            // All that was asked is of an unknown encoding: the tagged reply says so.
            out.rollback(mark);
        } else {
            fetch.end();
        }
        Ok(Went::Whole)
    }
}

/// A fetch that cannot go on.
enum Broken {
    /// Between two responses: it is answered NO.
    Before(Fault),
    /// Within a literal: only closing the connection is honest.
    Within(Fault),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Broken {
        Broken::Before(fault)
    }
}

/// The mailbox's present rows, asked for in the order of their UIDs.
struct Present<'m> {
    rows: std::iter::Peekable<Box<dyn Iterator<Item = Row> + 'm>>,
}

impl<'m> Present<'m> {
    fn new(mirror: &'m Mirror, first: Uid) -> Present<'m> {
        let rows = mirror.rows.from(mirror.rows.lower_bound(first.number()));
        let rows: Box<dyn Iterator<Item = Row> + 'm> = Box::new(rows);
        Present { rows: rows.peekable() }
    }

    fn row(&mut self, uid: Uid) -> Option<Row> {
        while self.rows.next_if(|row| row.uid < uid).is_some() {}
        self.rows.next_if(|row| row.uid == uid)
    }
}

/// RFC 9051 §6.4.5: BODY[…] without PEEK, and its old names, set \Seen; RFC822.HEADER does not.
fn sets_seen(item: &FetchItem) -> bool {
    match item {
        FetchItem::Section { peek, .. } | FetchItem::Binary { peek, .. } => !peek,
        FetchItem::Rfc822 | FetchItem::Rfc822Text => true,
        _ => false,
    }
}

fn needs_content(item: &FetchItem) -> bool {
    !matches!(item, FetchItem::Uid | FetchItem::Flags | FetchItem::InternalDate | FetchItem::Size | FetchItem::ModSeq)
}
