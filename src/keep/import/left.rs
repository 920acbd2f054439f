//! What an import does not take over, by kinds: nothing is left without being counted.

use super::carrier::Place;
use std::collections::BTreeMap;

/// Places of each kind that are told.
const TOLD: usize = 3;

/// Why something was not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file or a folder that cannot be read.
    Unreadable,
    /// A message that the account does not take.
    Refused,
    /// A message of no octets.
    Empty,
    /// A message that was deleted where it was, and only not yet cleared away.
    Expunged,
    /// What a mail server wrote as a message for itself.
    Internal,
    /// A delivery that was never finished: it lies in a Maildir's `tmp`.
    Unfinished,
    /// A message whose attachments are elsewhere: it was imported without them.
    Partial,
    /// Text before an mbox's first message.
    Before,
    /// A keyword that cannot be one in IMAP, or that a mailbox has no room for.
    Keyword,
    /// A link, a device, a socket: none is followed.
    Link,
    /// Folders below more folders than are looked into.
    TooDeep,
    /// What a mail program keeps for itself beside its mail.
    Own,
    /// A file that is no mail, and what it is.
    Foreign(&'static str),
    /// A file that is no mail that is known here.
    Unknown,
}

/// What was left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left(BTreeMap<Kind, Lot>);

/// How many, and where the first ones are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lot {
    /// How many.
    pub count: u64,
    /// The first three.
    pub first: Vec<Place>,
}

impl Left {
    /// One more.
    pub(super) fn add(&mut self, kind: Kind, place: &Place) {
        let some = self.0.entry(kind).or_default();
        some.count += 1;
        if some.first.len() < TOLD {
            some.first.push(place.clone());
        }
    }

    /// Each kind with what was left of it.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, &Lot)> {
        self.0.iter().map(|(kind, some)| (*kind, some))
    }

    /// How many of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.0.get(&kind).map_or(0, |some| some.count)
    }

    /// How many of all kinds; what programs keep for themselves is not missed by anybody.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().filter(|(kind, _)| **kind != Kind::Own).map(|(_, lot)| lot.count).sum()
    }

    /// Whether mail was left that should have been taken over.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        [Kind::Unreadable, Kind::Refused, Kind::TooDeep].iter().any(|kind| self.count(*kind) > 0)
    }
}

impl Kind {
    /// Whether each is told by itself as well: mail that should have been taken over.
    pub(super) fn is_told(self) -> bool {
        matches!(self, Kind::Unreadable | Kind::Refused | Kind::Empty | Kind::Before | Kind::TooDeep)
    }

    /// What it is called, after how many there are of it.
    #[must_use]
    pub fn name(self, count: u64) -> String {
        let (one, many) = match self {
            Kind::Unreadable => ("file or folder cannot be read", "files or folders cannot be read"),
            Kind::Refused => ("message was refused", "messages were refused"),
            Kind::Empty => ("empty message", "empty messages"),
            Kind::Expunged => ("message that was deleted there already", "messages that were deleted there already"),
            Kind::Internal => ("message that a server wrote for itself", "messages that a server wrote for itself"),
            Kind::Unfinished => ("delivery that was never finished", "deliveries that were never finished"),
            Kind::Partial => (
                "message without the attachments it has elsewhere",
                "messages without the attachments they have elsewhere",
            ),
            Kind::Before => ("text before the first message", "texts before the first message"),
            Kind::Keyword => {
                ("keyword that cannot be one, or is one too many", "keywords that cannot be any, or are too many")
            }
            Kind::Link => ("link that is not followed", "links that are not followed"),
            Kind::TooDeep => ("folder too deep", "folders too deep"),
            Kind::Own => ("file that a mail program keeps for itself", "files that mail programs keep for themselves"),
            Kind::Foreign(what) => return format!("no mail, but {what}"),
            Kind::Unknown => ("file that is no mail", "files that are no mail"),
        };
        if count == 1 { one } else { many }.to_owned()
    }
}
