//! What can be asked of a Pillarbox by its owner, and what it answers: the same through the socket and without it.

use super::delivery::{DeliveryReply, DeliveryRequest};
use super::keys::KeyLine;
use super::mirror::{MirrorReply, MirrorRequest};
use super::queue::{QueueLine, QueueRequest};
use super::served::Served;
use super::sessions::{SessionLine, SessionRequest};
use super::smarthost::{Smarthost, SmarthostRequest};
use crate::events::Told;
use crate::mail::Stamp;
use crate::store::{Health, OnDelete, Pop3, WayBack};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A wish.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Request {
    /// A new account; without a password it gets a random one.
    AddAccount { address: String, password: Option<Secret>, quota: Quota },
    /// A new account with a password's hash that was made elsewhere: a crypt string (`$5$`, `$6$`, `$y$`), or argon2 in
    /// the PHC string format. `unless_there`: an account of that address is left as it is, and that is no failure.
    AddHashedAccount { address: String, hash: Secret, quota: Quota, unless_there: bool },
    /// All accounts.
    ListAccounts,
    /// One account with its mailboxes.
    ShowAccount { address: String },
    /// Another password; a random one if none is given.
    SetPassword { address: String, password: Option<Secret> },
    /// Other limits.
    SetQuota { address: String, quota: Quota },
    /// How POP3 treats an account's mail; `None` leaves it as it is.
    SetPop3 { address: String, deleted: Option<OnDelete>, mark_seen: Option<bool> },
    /// The account, which can be had back for some days, with its mail.
    RemoveAccount { address: String },
    /// Every invariant of the store.
    Check { mend: bool },
    /// How it is doing.
    Status,
    /// How the data was before its format became newer, while that is kept.
    WayBack,
    /// The data stays in its format: how it was before is not kept any longer.
    KeepFormat,
    /// Mail for a mailbox, which is made if there is none: after the answer, [`super::uploads::Frame`]s follow.
    Import {
        address: String,
        mailbox: String,
        /// What it has already is stored once more.
        #[serde(default)]
        again: bool,
    },
    /// All mail of an account: after the answer, [`super::downloads::Portion`]s follow.
    Export { address: String },
    /// Mailboxes at providers.
    Mirror(MirrorRequest),
    /// Where mail goes.
    Delivery(DeliveryRequest),
    /// Mail that waits to go out.
    Queue(QueueRequest),
    /// Where all mail that goes out is taken.
    Smarthost(SmarthostRequest),
    /// The keys that the mail of a domain is signed with; made where there are none.
    Keys { domain: String },
    /// What happened to a message or with an address, of late: what [`crate::events::about`] finds, so many lines at most.
    Trace { what: String, most: usize },
    /// Who is here.
    Session(SessionRequest),
    /// The account with all its mail, for ever: one that is there, or one that was removed.
    EraseAccount { address: String },
    /// An account that was removed, by its number or the address that it had; by another address where one is given.
    RestoreAccount { which: String, address: Option<String> },
    /// Accounts that were removed, and can be had back.
    ListRemoved,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Reply {
    /// Done.
    Done,
    /// The password is set; it is told if it was made here.
    Password { address: String, made: Option<Secret> },
    /// The accounts.
    Accounts(Vec<Listed>),
    /// An account.
    Account(Shown),
    /// What the check found.
    Checked(Checked),
    /// How it is doing.
    Status(Status),
    /// What there is to go back to, if anything.
    WayBack(Option<WayBack>),
    /// Mailboxes at providers.
    Mirror(MirrorReply),
    /// Not done.
    Failed(Failure),
    /// Where mail goes.
    Delivery(DeliveryReply),
    /// Messages in the queue.
    Queue(Vec<QueueLine>),
    /// The smarthost, if there is one; its password is not told.
    Smarthost(Option<Smarthost>),
    /// The keys of a domain.
    Keys(Vec<KeyLine>),
    /// What happened, oldest first.
    Trace(Vec<Told>),
    /// Sessions: all, or those that were ended.
    Sessions(Vec<SessionLine>),
    /// Accounts that can be had back.
    Removed(Vec<RemovedLine>),
}

/// A password on its way, or its hash: no log shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub String);

/// A limit that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// There is none.
    Lifted,
    /// So many octets or messages.
    Of(u64),
}

/// What to change of an account's limits; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Octets.
    pub bytes: Option<Limit>,
    /// Messages.
    pub messages: Option<Limit>,
}

/// An account in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// `local@domain`
    pub address: String,
    /// Octets stored.
    pub bytes: u64,
    /// Messages stored.
    pub messages: u64,
    /// The limit of octets.
    pub bytes_limit: Option<u64>,
    /// The limit of messages.
    pub messages_limit: Option<u64>,
}

/// An account that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedLine {
    /// Its number.
    pub id: u32,
    /// The address that it had.
    pub address: String,
    /// When it was removed, in seconds since 1970.
    pub removed: i64,
    /// Days after which it is gone for good, as the server lives through them.
    pub days_left: u16,
    /// Octets stored.
    pub bytes: u64,
    /// Messages stored.
    pub messages: u64,
}

/// An account by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// What a list shows.
    pub account: Listed,
    /// When it was made.
    pub created: Stamp,
    /// How POP3 treats its mail.
    pub pop3: Pop3,
    /// Its mailboxes, by name.
    pub mailboxes: Vec<MailboxLine>,
}

/// A mailbox in an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxLine {
    /// Its name.
    pub name: String,
    /// Messages.
    pub messages: u64,
    /// Messages without `\Seen`.
    pub unseen: u64,
    /// Octets.
    pub bytes: u64,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Messages looked at.
    pub messages: u64,
    /// Octets of content whose hash was verified.
    pub bytes: u64,
    /// What is not as it must be.
    pub findings: Vec<String>,
    /// How many of the findings could be put right by `check --mend`.
    pub mendable: usize,
    /// How many were.
    pub mended: usize,
}

/// How it is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Accounts.
    pub accounts: u64,
    /// Messages of all accounts.
    pub messages: u64,
    /// Octets of all messages, as served.
    pub bytes: u64,
    /// Octets of the store's file.
    pub file: u64,
    /// What the store can do at the moment. With a store that cannot be read, the counts are 0.
    #[serde(default)]
    pub state: Health,
    /// Octets that are free on its disk.
    #[serde(default)]
    pub free: Option<u64>,
    /// Messages that wait to go out.
    #[serde(default)]
    pub queued: u64,
    /// Where the server is found, or was when it last ran.
    #[serde(default)]
    pub served: Option<Served>,
    /// What broke off by a defect since the server began, and was begun again: how often, by its name.
    #[serde(default)]
    pub broke_off: BTreeMap<String, u64>,
    /// Lines of the server's log that could not be written.
    #[serde(default)]
    pub log_lost: u64,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The wish cannot be granted; the text is for the owner.
    Refused(String),
    /// Our fault; the cause is in the log.
    Fault(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Refused(text) | Failure::Fault(text)) = self;
        text.fmt(f)
    }
}

impl std::error::Error for Failure {}
