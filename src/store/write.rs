//! What can be asked of the writer, and what it answers.

use super::check::Mend;
use super::error::Refusal;
use super::filing::{Detail, RuleEdit, Vacation};
use super::parcel::Parcel;
use super::provider::{Arrival, Arriving, ProviderChange, ProviderId};
use super::queue::{Delivery, Placed, QueueId, Queued, Space};
use super::record::{Credentials, Limits, OnDelete, Pop3, Retired, SpecialUse};
use crate::mail::{AccountId, MailboxId, MailboxName, ModSeq, Stamp, Uid, UidValidity, UniqueId};
use serde::{Deserialize, Serialize};

/// One change, done whole or not at all, and durable when it is answered.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Write {
    /// A new account with INBOX and the special-use mailboxes, all subscribed.
    AddAccount(NewAccount),
    /// Other credentials: whoever logged in with the old ones is out.
    SetCredentials { account: AccountId, credentials: Credentials },
    /// Other limits. May be below what is used: nothing is lost, nothing more comes in.
    SetLimits { account: AccountId, limits: Limits },
    /// The account with all its mail.
    RemoveAccount(AccountId),
    /// A new mailbox, with the levels above it where they are missing.
    CreateMailbox { account: AccountId, name: MailboxName, special: Option<SpecialUse> },
    /// A mailbox with its mail; those below it stay.
    DeleteMailbox { account: AccountId, name: MailboxName },
    /// Another name for a mailbox and all below it; INBOX instead gives its messages to the new name (RFC 9051 §6.3.6).
    RenameMailbox { account: AccountId, from: MailboxName, to: MailboxName },
    /// Subscribes or unsubscribes a name, existing or not (RFC 9051 §6.3.7).
    Subscribe { account: AccountId, name: MailboxName, on: bool },
    /// A message into a mailbox.
    Append { mailbox: MailboxId, message: NewMessage },
    /// Other flags.
    Store { mailbox: MailboxId, uids: Uids, change: FlagChange },
    /// Copies into a mailbox of the same account; counted against the quota.
    Copy { from: MailboxId, uids: Uids, to: MailboxId },
    /// Moves into a mailbox of the same account; never refused for the quota.
    Move { from: MailboxId, uids: Uids, to: MailboxId },
    /// Removes messages with `\Deleted`: all, or those of the set.
    Expunge { mailbox: MailboxId, uids: Option<Uids> },
    /// Pieces of an upload in progress. Not durable by itself: whoever appends it makes it so.
    Stage(Parcel),
    /// Removes some of what no message shows any more.
    Sweep,
    /// Puts right what a check found and what can be derived.
    Mend(Vec<Mend>),
    /// How POP3 treats the account's mail.
    SetPop3 { account: AccountId, pop3: Pop3 },
    /// What a POP3 session deleted: all of it or nothing. Never refused for the quota.
    Retire { mailbox: MailboxId, uids: Uids, how: OnDelete },
    /// Other names in POP3, for messages that had the same one.
    SetUniqueIds { mailbox: MailboxId, ids: Vec<(Uid, UniqueId)> },
    /// Removes those of the messages that POP3 put into this Trash before this second since 1970.
    Expire { mailbox: MailboxId, uids: Uids, before: i64 },
    /// The data stays in its format: how it was in an earlier one is not kept any longer.
    KeepFormat,
    /// Messages that came in or are to go out, each to any number of places.
    Deliver(Box<Delivery>),
    /// A message in the queue as it is now, or not any more, and what is told of it, in one. Refused with
    /// [`super::Refusal::Changed`] where its revision is another one by now.
    Queue { id: QueueId, revision: u64, now_is: Option<Box<Queued>>, told: Option<Box<Delivery>> },
    /// A small record that a part of the program keeps for itself; `None` removes it.
    Keep { space: Space, key: Vec<u8>, value: Option<Vec<u8>> },
    /// Forgets by what messages are known again that came long ago ([`super::Mark`]); answered with how many.
    ForgetMarks { now: i64 },
    /// What is known of mailboxes at providers.
    Provider(Box<ProviderChange>),
    /// A message from a provider. Refused with [`super::Refusal::Changed`] where it came before.
    Arrive(Box<Arrival>),
    /// Addresses that an alias leads to, besides those that it leads to already; it may be a new one.
    AddAlias { address: String, targets: Vec<String> },
    /// Addresses that an alias leads to no more, or, where none is named, the whole alias.
    RemoveAlias { address: String, targets: Vec<String> },
    /// A domain whose mail is taken though perhaps nobody has an address in it; `now` in seconds since 1970.
    AddDomain { domain: String, now: i64 },
    /// Not any more, unless somebody has an address in it.
    RemoveDomain { domain: String },
    /// What `local+detail@domain` means for an account.
    SetDetail { account: AccountId, detail: Detail },
    /// What is answered for an account's owner. Who was answered before is answered again.
    SetVacation { account: AccountId, vacation: Option<Vacation> },
    /// Another rule, or one less, or another order.
    EditRules { account: AccountId, edit: RuleEdit },
    /// So many per cent of an account's quota are used, which is noted, and told to its open sessions where there is a
    /// mail that tells it.
    Warn { account: AccountId, level: u8, told: Option<Box<Delivery>> },
    /// Other hashes of the same password, which end no session. Refused with [`super::Refusal::Changed`] where there are
    /// others by now than those that they are made from.
    RenewCredentials { account: AccountId, from: Box<Credentials>, to: Box<Credentials> },
    /// The account is nobody's any more, and can be had back for [`super::Closed::DAYS`] days; `now` in seconds since 1970.
    CloseAccount { account: AccountId, now: i64 },
    /// A closed account is somebody's again, by this address in lower case.
    ReopenAccount { account: AccountId, address: String },
    /// A closed account goes with all its mail.
    EraseClosed(AccountId),
    /// A day may have passed for closed accounts; answered with how many went for good: one at most.
    AgeClosed { now: i64 },
    /// A step of a large copy. What it brought so far is noted with it, until the last step: where that never comes, it is
    /// undone. `total` is what the whole of it has to have room for, with the first step.
    CopyStep { copy: CopyId, from: MailboxId, uids: Uids, total: Option<Total>, last: bool },
    /// Undoes some of a large copy that came to nothing.
    Uncopy { copy: CopyId, uids: Uids, last: bool },
}

/// A large copy on its way: where to, and the next UID there when it began, which no other has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CopyId {
    /// Where to.
    pub to: MailboxId,
    /// The next UID there.
    pub first: Uid,
}

/// How much a large copy brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Messages.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
}

/// UIDs as ascending, disjoint, inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uids(pub Vec<(u32, u32)>);

/// A new account.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewAccount {
    /// `local@domain`, lower case.
    pub address: String,
    /// How to log in.
    pub credentials: Credentials,
    /// What it may store.
    pub limits: Limits,
    /// Now, in seconds since 1970.
    pub now: i64,
}

/// A message that is ready to go in.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewMessage {
    /// The packed content.
    pub parcel: Parcel,
    /// Flag names: system flags with their backslash, keywords.
    pub flags: Vec<String>,
    /// INTERNALDATE.
    pub received: Stamp,
    /// Now, in seconds since 1970.
    pub now: i64,
    /// What it brings along from another box.
    pub history: History,
}

/// What a message brings along from another box, so that a POP3 client there knows it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Its name in POP3; a new one where there is none.
    pub unique: Option<UniqueId>,
    /// POP3 does not show it.
    pub hidden: bool,
}

impl History {
    pub(super) fn retired(self) -> Retired {
        if self.hidden { Retired::Hidden } else { Retired::No }
    }
}

/// How flags change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FlagChange {
    /// To exactly these.
    Replace(Vec<String>),
    /// These as well.
    Add(Vec<String>),
    /// Without these.
    Remove(Vec<String>),
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Outcome {
    /// Done.
    Done,
    /// The new account.
    Account(AccountId),
    /// The new mailbox.
    Mailbox(MailboxId),
    /// Where the message is now.
    Appended { uid_validity: UidValidity, uid: Uid },
    /// Where the messages came from and where they are now, pairwise, in ascending order.
    Copied { uid_validity: UidValidity, from: Uids, to: Uids },
    /// Flags changed at this modification sequence (also where none did).
    Stored(ModSeq),
    /// How many messages went.
    Expunged(u64),
    /// What became of each local copy, over all postings, in order.
    Delivered(Vec<Result<Placed, Refusal>>),
    /// How many blobs were removed, and whether there are more.
    Swept { removed: usize, more: bool },
    /// The new mailbox at a provider.
    Provider(ProviderId),
    /// Which of the steps were done.
    Stepped(Vec<bool>),
}

/// A keyword that makes the writer panic, so that a test can see what becomes of it.
#[cfg(test)]
pub(super) const PANIC: &str = "$Panic";

impl Uids {
    /// One UID.
    #[must_use]
    pub fn one(uid: Uid) -> Uids {
        Uids(vec![(uid.number(), uid.number())])
    }

    /// All there can be.
    #[must_use]
    pub fn all() -> Uids {
        Uids(vec![(1, u32::MAX)])
    }

    /// Whether this UID is in it.
    #[must_use]
    pub fn holds(&self, uid: Uid) -> bool {
        let after = self.0.partition_point(|&(low, _)| low <= uid.number());
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, high)| uid.number() <= high)
    }

    /// Whether any UID from `first` to `last` may be in it.
    #[must_use]
    pub(super) fn meet(&self, first: Uid, last: Uid) -> bool {
        let after = self.0.partition_point(|&(low, _)| low <= last.number());
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, high)| first.number() <= high)
    }

    /// The first UID.
    #[must_use]
    pub fn first(&self) -> Option<Uid> {
        self.0.first().and_then(|&(low, _)| Uid::new(low))
    }

    /// Adds what comes after all that is in it.
    pub(super) fn append(&mut self, later: &Uids) {
        for &(low, high) in &later.0 {
            match self.0.last_mut() {
                Some(last) if last.1.checked_add(1) == Some(low) => last.1 = high,
                _ => self.0.push((low, high)),
            }
        }
    }

    /// From ascending UIDs.
    pub fn from_ascending(uids: impl IntoIterator<Item = Uid>) -> Uids {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for uid in uids {
            match ranges.last_mut() {
                Some(last) if last.1.checked_add(1) == Some(uid.number()) => last.1 = uid.number(),
                _ => ranges.push((uid.number(), uid.number())),
            }
        }
        Uids(ranges)
    }
}

impl Write {
    /// Octets that it will write, roughly.
    pub(super) fn weight(&self) -> usize {
        match self {
            Write::Append { message, .. } => message.parcel.weight(),
            Write::Stage(parcel) => parcel.weight(),
            Write::Deliver(delivery) => delivery.weight(),
            Write::Queue { told, .. } | Write::Warn { told, .. } => 256 + told.as_ref().map_or(0, |told| told.weight()),
            Write::Arrive(arrival) => arrival.weight(),
            Write::Keep { value, .. } => 256 + value.as_ref().map_or(0, Vec::len),
            _ => 256,
        }
    }

    /// Whether it may change more messages than are changed at once.
    pub(super) fn may_be_large(&self) -> bool {
        match self {
            Write::Store { .. }
            | Write::Copy { .. }
            | Write::Move { .. }
            | Write::Expunge { .. }
            | Write::Retire { .. }
            | Write::Expire { .. } => true,
            Write::RenameMailbox { from, .. } => from.as_str() == "INBOX",
            _ => false,
        }
    }

    /// The messages that it brings in.
    pub(super) fn parcels(&self) -> impl Iterator<Item = &Parcel> {
        let one = if let Write::Append { message, .. } = self { Some(&message.parcel) } else { None };
        one.into_iter()
            .chain(self.delivery().into_iter().flat_map(|delivery| &delivery.messages).map(|one| &one.parcel))
            .chain(if let Write::Arrive(arrival) = self { Some(arrival.parcels()) } else { None }.into_iter().flatten())
    }

    /// It is done: what it shows is no upload any more.
    pub(super) fn settle(&mut self, outcome: &Outcome) {
        match self {
            Write::Append { message, .. } => message.parcel.settle(),
            // A queued mail that is delivered here after all was staged like any other.
            Write::Deliver(delivery) | Write::Queue { told: Some(delivery), .. } => {
                let Outcome::Delivered(copies) = outcome else { return };
                delivery.settle(copies);
            }
            Write::Arrive(arrival) => match (&mut arrival.message, outcome) {
                (Arriving::Append { message, .. }, _) => message.parcel.settle(),
                (Arriving::Deliver(delivery), Outcome::Delivered(copies)) => delivery.settle(copies),
                _ => {}
            },
            // What is told is never refused: it is there whatever became of each copy, or it was never staged.
            _ => {}
        }
    }

    /// When it was asked for, in seconds since 1970, where it says so.
    pub(super) fn moment(&self) -> Option<i64> {
        match self {
            Write::AddAccount(account) => Some(account.now),
            Write::Append { message, .. } => Some(message.now),
            Write::ForgetMarks { now } | Write::AddDomain { now, .. } => Some(*now),
            Write::Arrive(arrival) => Some(match &arrival.message {
                Arriving::Append { message, .. } => message.now,
                Arriving::Deliver(delivery) => delivery.now,
            }),
            _ => self.delivery().map(|delivery| delivery.now),
        }
    }

    fn delivery(&self) -> Option<&Delivery> {
        match self {
            Write::Deliver(delivery) => Some(delivery),
            Write::Queue { told, .. } | Write::Warn { told, .. } => told.as_deref(),
            _ => None,
        }
    }
}
