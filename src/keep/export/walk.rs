//! What an account has, mailbox by mailbox and message by message, in pieces. Between two of them nothing of the store is
//! held but a pin, so that who takes them may be slow.

use crate::keep::import::{Broken, Meta};
use crate::keep::layout::{Scan, Shape};
use crate::mail::{AccountId, MailboxId, Span, SystemFlag, Uid};
use crate::store::{Fault, History, Message, Pin, Reading, Retired, Snapshot, Store};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Octets of a message that are given at a time, and a frame at most.
const PIECE: usize = 256 << 10;
/// Messages that are looked up at a time.
const PAGE: usize = 64;

/// An account that gives its mail.
pub trait Origin {
    /// What comes next; octets are added to the buffer.
    fn next(&mut self, octets: &mut Vec<u8>) -> Result<Part, Broken>;
}

/// A part of an account: [`Part::Account`] is the first, [`Part::End`] the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// What there will be, as far as one can tell.
    Account {
        /// Octets of all messages.
        octets: u64,
        /// The mailboxes that it is subscribed to.
        subscriptions: Vec<String>,
    },
    /// A mailbox: the messages up to the next one are its own.
    Mailbox(String),
    /// A message: its octets follow.
    Message(Item),
    /// So many octets of the message are in the buffer.
    Octets(u32),
    /// The message of this UID cannot be read.
    Unreadable(u32, String),
    /// That was all.
    End,
}

/// A message on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its UID.
    pub uid: u32,
    /// Its octets.
    pub size: u32,
    /// What goes with it.
    pub meta: Meta,
    /// How it can be written.
    pub shape: Shape,
}

/// A way through an account. A message that comes in after it began is not met, one that is expunged before it is
/// reached neither.
#[derive(Debug)]
pub struct Walk {
    account: Option<Part>,
    /// What is not to be had of what came last.
    unreadable: Vec<Missing>,
    mailboxes: std::vec::IntoIter<(MailboxId, String, Option<Uid>)>,
    mailbox: Option<Page>,
    message: Option<Body>,
}

/// Messages of a mailbox that come next.
#[derive(Debug)]
struct Page {
    mailbox: MailboxId,
    keywords: Vec<String>,
    messages: std::vec::IntoIter<(Uid, Message)>,
    /// UIDs that are not on this page yet, inclusive.
    rest: Option<(u32, u32)>,
}

/// A message that is being given.
#[derive(Debug)]
struct Body {
    /// Octets that were read to tell its shape.
    first: Vec<u8>,
    reading: Reading,
    /// It is still there when the next piece is asked for.
    _pin: Pin,
}

impl Walk {
    /// Through this account.
    pub fn new(snapshot: &Snapshot, account: AccountId) -> Result<Walk, Fault> {
        // What cannot be read is no reason not to take the rest out.
        let (mailboxes, are_more) = snapshot.readable_mailboxes(account)?;
        let octets = mailboxes.iter().map(|(_, mailbox)| mailbox.bytes).fold(0, u64::saturating_add);
        let subscriptions = snapshot.subscriptions(account);
        let mut unreadable = Vec::new();
        if are_more {
            unreadable.push((0, "there are mailboxes that cannot be read".to_owned()));
        }
        if let Err(fault) = &subscriptions {
            unreadable.push((0, format!("what is subscribed to: {fault}")));
        }
        let part = Part::Account { octets, subscriptions: subscriptions.unwrap_or_default() };
        let mailboxes = mailboxes.into_iter();
        // Their names as they are now: one that is renamed meanwhile must not get another's place.
        let mailboxes: Vec<_> = mailboxes.map(|(id, mailbox)| (id, mailbox.name, mailbox.uid_next)).collect();
        Ok(Walk { account: Some(part), unreadable, mailboxes: mailboxes.into_iter(), mailbox: None, message: None })
    }

    /// What comes next; octets are added to the buffer.
    pub fn next(&mut self, store: &Store, snapshot: &Snapshot, octets: &mut Vec<u8>) -> Result<Part, Fault> {
        if let Some(part) = self.account.take() {
            return Ok(part);
        }
        if let Some(mut body) = self.message.take() {
            let before = octets.len();
            if !body.give(snapshot, octets)? {
                self.message = Some(body);
            }
            let given = octets.len() - before;
            return Ok(Part::Octets(u32::try_from(given).map_err(|_| Fault::Corrupt("a frame of another size"))?));
        }
        loop {
            if let Some((uid, why)) = self.unreadable.pop() {
                return Ok(Part::Unreadable(uid, why));
            }
            let Some(page) = &mut self.mailbox else {
                let Some((mailbox, name, uid_next)) = self.mailboxes.next() else { return Ok(Part::End) };
                let last = uid_next.map_or(u32::MAX, |next| next.number() - 1);
                let messages = Vec::new().into_iter();
                self.mailbox = Some(Page { mailbox, keywords: Vec::new(), messages, rest: Some((1, last)) });
                return Ok(Part::Mailbox(name));
            };
            match page.messages.next() {
                Some((uid, message)) => match Body::open(store, snapshot, &message) {
                    Ok(Some((body, size, shape))) => {
                        self.message = (size > 0).then_some(body);
                        let meta = page.meta(&message);
                        return Ok(Part::Message(Item { uid: uid.number(), size, meta, shape }));
                    }
                    Ok(None) if snapshot.message(page.mailbox, uid)?.is_some() => {
                        return Ok(Part::Unreadable(uid.number(), "its content is missing".to_owned()));
                    }
                    // Expunged since the page was looked up, and swept away.
                    Ok(None) => {}
                    // One damaged message is no reason to keep the others.
                    Err(fault) => return Ok(Part::Unreadable(uid.number(), fault.to_string())),
                },
                None => match page.turn(snapshot) {
                    Ok(Some(unreadable)) => self.unreadable = unreadable,
                    Ok(None) => self.mailbox = None,
                    Err(fault) => {
                        self.unreadable.push((0, fault.to_string()));
                        self.mailbox = None;
                    }
                },
            }
        }
    }
}

/// A UID, and why it is not there.
type Missing = (u32, String);

impl Page {
    /// To the next messages, and what is not to be had of them; `None` where there are no more.
    fn turn(&mut self, snapshot: &Snapshot) -> Result<Option<Vec<Missing>>, Fault> {
        // A mailbox that is deleted meanwhile has no more messages.
        let Some((from, to)) = self.rest.take().filter(|(from, to)| from <= to) else { return Ok(None) };
        let Some(record) = snapshot.mailbox(self.mailbox)? else { return Ok(None) };
        let (messages, gaps) = snapshot.readable_messages(self.mailbox, (from, to), PAGE)?;
        let last = messages.last().map(|(uid, _)| uid.number()).filter(|_| messages.len() >= PAGE);
        self.rest = last.and_then(|last| last.checked_add(1)).map(|next| (next, to));
        self.keywords = record.keywords;
        self.messages = messages.into_iter();
        let gap = |(from, to)| (from, format!("it and all up to {to} cannot be read"));
        let unreadable: Vec<Missing> = gaps.into_iter().map(gap).collect();
        Ok((!unreadable.is_empty() || self.messages.len() > 0).then_some(unreadable))
    }

    fn meta(&self, message: &Message) -> Meta {
        let system = SystemFlag::ALL.into_iter().filter(|flag| message.flags.is(*flag));
        let system = system.map(|flag| flag.name().to_owned());
        let keywords = message.flags.keywords().filter_map(|number| self.keywords.get(number).cloned());
        Meta {
            flags: system.chain(keywords).collect(),
            received: message.received,
            // What POP3 put into the Trash is in the Trash: elsewhere it is shown again, as here.
            history: History { unique: Some(message.unique), hidden: message.retired == Retired::Hidden },
        }
    }
}

impl Body {
    /// The message's content with its size and shape; `None` where it is gone. Reads all of it, so that what begins to
    /// be given can be given whole.
    fn open(store: &Store, snapshot: &Snapshot, message: &Message) -> Result<Option<(Body, u32, Shape)>, Fault> {
        let pin = store.pin(message.blob);
        let Some(stored) = snapshot.head(message.blob)? else { return Ok(None) };
        let head = stored.read()?;
        let mut reading = Reading { blob: message.blob, rest: Span { start: 0, end: head.size } };
        let (mut scan, mut first) = (Scan::default(), Vec::new());
        let mut ended = reading.read(snapshot, &head, &mut first, PIECE)?;
        scan.feed(&first);
        let (mut rest, mut piece) = (reading, Vec::new());
        while !ended {
            piece.clear();
            ended = rest.read(snapshot, &head, &mut piece, PIECE)?;
            scan.feed(&piece);
        }
        Ok(Some((Body { first, reading, _pin: pin }, head.size, scan.shape())))
    }

    /// Gives the next piece; true if it was the last.
    fn give(&mut self, snapshot: &Snapshot, octets: &mut Vec<u8>) -> Result<bool, Fault> {
        if !self.first.is_empty() {
            octets.append(&mut self.first);
            return Ok(self.reading.rest.is_empty());
        }
        let stored = snapshot.head(self.reading.blob)?.ok_or(Fault::Corrupt("the head of a pinned message"))?;
        let enough = octets.len() + PIECE;
        self.reading.read(snapshot, &stored.read()?, octets, enough)
    }
}

/// An account of a store that this process has open.
#[derive(Debug)]
pub struct Direct {
    store: Arc<Store>,
    walk: Walk,
}

impl Direct {
    /// This account.
    pub fn new(store: Arc<Store>, account: AccountId) -> Result<Direct, Fault> {
        let walk = Walk::new(&store.snapshot()?, account)?;
        Ok(Direct { store, walk })
    }
}

impl Origin for Direct {
    fn next(&mut self, octets: &mut Vec<u8>) -> Result<Part, Broken> {
        let next = self.store.snapshot().and_then(|snapshot| self.walk.next(&self.store, &snapshot, octets));
        next.map_err(|fault| Broken(fault.to_string()))
    }
}
