//! Mail on its way: what comes in for any number of places, and what waits in the queue to go out.

use super::error::Refusal;
use super::parcel::Parcel;
use super::record::SpecialUse;
use crate::mail::{AccountId, BlobId, MailboxId, MailboxName, Stamp, Uid};
use serde::{Deserialize, Serialize};

/// Messages that are taken as one: all of them durable, or none.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Delivery {
    /// Each content with its places.
    pub messages: Vec<Posting>,
    /// By what it is known again when its sender, who lost our answer, comes with it once more. Refused whole with
    /// [`super::Refusal::Changed`] where one of them was taken already.
    pub marks: Vec<Mark>,
    /// Now, in seconds since 1970.
    pub now: i64,
}

/// By what a message for one recipient is known again for [`Mark::GOOD_FOR`] seconds, once it was taken for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// A hash over what came: the reverse path, this recipient, and the content.
    pub key: [u8; 16],
    /// Copies of the delivery, counted over all its messages, all of which have to be placed; there may be none.
    pub copies: Vec<u32>,
    /// The same was taken before, and this is another all the same: its sender heard so.
    pub anew: bool,
}

/// One content and all places that it goes to. It is stored once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Posting {
    /// The packed content.
    pub parcel: Parcel,
    /// INTERNALDATE of the copies.
    pub received: Stamp,
    /// Into mailboxes here. Each may be refused for itself; the others are placed all the same.
    pub copies: Vec<LocalCopy>,
    /// Into the queue, each with an envelope of its own.
    pub onward: Vec<Onward>,
    /// Nothing of it is done where it was done already.
    pub once: Option<Once>,
}

/// That something is done only once in a while. What is not done is answered with [`Refusal::Changed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// Where it is kept,
    pub space: Space,
    /// and as what.
    pub key: Vec<u8>,
    /// Before this second since 1970 it is not done again.
    pub until: i64,
}

/// A copy for an account here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalCopy {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub place: Place,
    /// Flag names: system flags with their backslash, keywords.
    pub flags: Vec<String>,
    /// How far it may go over the account's quota.
    pub grace: Grace,
}

/// The mailbox of a copy. Where it cannot be had, the copy goes to INBOX: mail is not lost for a folder's sake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// INBOX.
    Inbox,
    /// The mailbox that plays this role.
    Special(SpecialUse),
    /// The mailbox of this name, made where it is missing.
    Named(MailboxName),
}

impl Place {
    /// The mailbox of this name.
    #[must_use]
    pub fn of(name: MailboxName) -> Place {
        if name.is_inbox() { Place::Inbox } else { Place::Named(name) }
    }
}

/// How far something may go over an account's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grace {
    /// Not at all.
    #[default]
    None,
    /// So many per cent of each limit.
    Percent(u8),
    /// As far as it takes: what the box itself has to say.
    Unlimited,
}

/// Where a copy is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its UID there.
    pub uid: Uid,
}

/// The envelope of a message that goes out (RFC 5321 §2.3.1), with what RFC 3461 adds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onward {
    /// The reverse path; empty for what must never be answered.
    pub from: String,
    /// Who is to get it.
    pub recipients: Vec<OnwardRecipient>,
    /// ENVID.
    pub envid: Option<String>,
    /// RET=FULL.
    pub ret_full: bool,
    /// BODY=8BITMIME.
    pub body_8bit: bool,
    /// SMTPUTF8.
    pub utf8: bool,
    /// Who sent it, where that was an account here.
    pub account: Option<AccountId>,
}

/// One recipient of a message that goes out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnwardRecipient {
    /// The forward path.
    pub address: String,
    /// ORCPT.
    pub orcpt: Option<String>,
    /// NOTIFY.
    pub notify: Notify,
}

/// What the sender wants to be told of a recipient (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// That it was delivered.
    pub success: bool,
    /// That it was not.
    pub failure: bool,
    /// That it takes long.
    pub delay: bool,
}

/// A message in the queue; ids go up and are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId(pub u64);

/// A message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Its content.
    pub blob: BlobId,
    /// Octets.
    pub size: u32,
    /// Octets that it has more where every line ends with CRLF.
    pub line_ends: u32,
    /// The reverse path; empty for what must never be answered.
    pub from: String,
    /// ENVID.
    pub envid: Option<String>,
    /// RET=FULL.
    pub ret_full: bool,
    /// BODY=8BITMIME.
    pub body_8bit: bool,
    /// SMTPUTF8.
    pub utf8: bool,
    /// Who sent it, where that was an account here.
    pub account: Option<AccountId>,
    /// When it was accepted, in seconds since 1970.
    pub made: i64,
    /// When it is tried next.
    pub next: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether its sender was told that it takes long.
    pub delay_told: bool,
    /// Goes up with every change.
    pub revision: u64,
    /// Who is to get it, and how far each is.
    pub recipients: Vec<QueuedRecipient>,
}

/// A recipient of a message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRecipient {
    /// The forward path.
    pub address: String,
    /// ORCPT.
    pub orcpt: Option<String>,
    /// NOTIFY.
    pub notify: Notify,
    /// How far it is.
    pub state: Progress,
}

/// How far a recipient is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Progress {
    /// To be tried; with what was said the last time.
    Waiting { said: Option<String> },
    /// Taken over by this host, which said so.
    Delivered { host: String, said: String },
    /// Refused for good, or given up.
    Failed { said: String },
}

/// Who keeps small records, each with keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Space {
    /// The keys that mail is signed with, by domain and selector.
    Dkim = 1,
    /// Who was sent a vacation answer, and when.
    Answered = 2,
    /// Which warnings of its quota an account was told.
    Warned = 3,
    /// Mailboxes at providers.
    Mirror = 4,
    /// Messages that were accepted a short time ago.
    Accepted = 5,
    /// The server that takes all mail that goes out.
    Smarthost = 6,
    /// What the store itself notes: which stretches of time passed here.
    Lived = 7,
    /// Where the server was last found.
    Served = 20,
    /// Accounts that were removed, and can still be had back.
    Closed = 21,
    /// What the salts of this server's users, and of those that it has not, are made from.
    Salt = 24,
    /// Large copies on their way: where to, and what they brought so far.
    Copies = 30,
    /// Mailboxes that were removed, while the sweep removes their messages.
    Leaving = 31,
}

impl Default for Notify {
    /// What RFC 3461 §4.1 leaves to us where nothing is asked for: failures, and delays.
    fn default() -> Self {
        Notify { success: false, failure: true, delay: true }
    }
}

impl Grace {
    /// A limit with the grace on top of it.
    #[must_use]
    pub fn over(self, limit: u64) -> u64 {
        match self {
            Grace::None => limit,
            Grace::Percent(percent) => {
                let percent = u64::from(percent);
                limit.saturating_add((limit / 100).saturating_mul(percent)).saturating_add(limit % 100 * percent / 100)
            }
            Grace::Unlimited => u64::MAX,
        }
    }
}

impl Once {
    /// The longest time after which it is done again, in seconds: a year.
    pub const LONGEST: i64 = 366 * 24 * 60 * 60;

    /// Whether it was done already, from what is kept of it. A clock that was set back makes nothing done for ever.
    #[must_use]
    pub fn was_done(kept: &[u8], now: i64) -> bool {
        let until = kept.first_chunk().map(|until| i64::from_be_bytes(*until));
        until.is_some_and(|until| now < until && until <= now.saturating_add(Once::LONGEST))
    }
}

impl Mark {
    /// Who retries after a lost answer does so within hours: RFC 5321 §4.5.4.1 begins with half an hour.
    pub const GOOD_FOR: i64 = 8 * 60 * 60;

    /// Whether one that was made then is good now. A clock that was set back makes none good for ever.
    pub(super) fn is_good(since: &[u8], now: i64) -> bool {
        let Ok(since) = since.try_into().map(i64::from_be_bytes) else { return false };
        (-Mark::GOOD_FOR..Mark::GOOD_FOR).contains(&now.saturating_sub(since))
    }

    /// Whether it is to be remembered, now that this became of the copies.
    pub(super) fn is_due(&self, copies: &[Result<Placed, Refusal>]) -> bool {
        let placed = |at: &u32| copies.get(*at as usize).is_some_and(Result::is_ok);
        self.copies.iter().all(placed)
    }
}

impl Delivery {
    /// Octets that it will write, roughly.
    pub(super) fn weight(&self) -> usize {
        let messages = self.messages.iter().map(|posting| posting.parcel.weight() + 256 * (1 + posting.copies.len()));
        messages.sum::<usize>() + 64 * self.marks.len()
    }

    /// What at least one place shows now is no upload any more.
    pub(super) fn settle(&mut self, copies: &[Result<Placed, Refusal>]) {
        let mut rest = copies;
        for posting in &mut self.messages {
            let (own, after) = rest.split_at(posting.copies.len().min(rest.len()));
            rest = after;
            if !posting.onward.is_empty() || own.iter().any(Result::is_ok) {
                posting.parcel.settle();
            }
        }
    }
}

impl Queued {
    pub(super) fn new(onward: &Onward, parcel: &Parcel, now: i64) -> Queued {
        let recipients = onward.recipients.iter().map(|recipient| QueuedRecipient {
            address: recipient.address.clone(),
            orcpt: recipient.orcpt.clone(),
            notify: recipient.notify,
            state: Progress::Waiting { said: None },
        });
        Queued {
            blob: parcel.blob,
            size: parcel.size,
            line_ends: parcel.line_ends,
            from: onward.from.clone(),
            envid: onward.envid.clone(),
            ret_full: onward.ret_full,
            body_8bit: onward.body_8bit,
            utf8: onward.utf8,
            account: onward.account,
            made: now,
            next: now,
            attempts: 0,
            delay_told: false,
            revision: 0,
            recipients: recipients.collect(),
        }
    }
}
