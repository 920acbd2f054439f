//! Mailboxes at providers: what is wanted of each, how it went, and what both sides agreed on last.
//!
//! All of it lies in `kept`, below [`Space::Mirror`]: a tag, the mailbox's number, and what names the record.

use super::error::Fault;
use super::parcel::Parcel;
use super::queue::{Delivery, Space};
use super::record::decode;
use super::schema::{KEPT, kept_key};
use super::snapshot::Snapshot;
use super::write::NewMessage;
use crate::mail::{AccountId, BlobId, FlagSet, MailboxId, Uid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A mailbox at a provider; numbers go up and are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProviderId(pub u32);

/// A folder there, as long as its UIDs mean the same: with another UIDVALIDITY it is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FolderId(pub u32);

/// What is wanted of a mailbox at a provider.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Whose mail it is here.
    pub account: AccountId,
    /// How it is talked to.
    pub protocol: Protocol,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS.
    pub security: Security,
    /// Which certificate is believed.
    pub certificate: Certificate,
    /// The user there.
    pub user: String,
    /// The password there, which must be known as it is.
    pub password: String,
    /// Which way mail goes.
    pub way: Way,
    /// Seconds from one look to the next, where nothing tells of a change.
    pub every: u32,
    /// Nothing is done until this is lifted.
    pub paused: bool,
    /// How often a look at once was asked for.
    pub asked: u64,
    /// Up to which of these the owner confirmed what is held back.
    pub confirmed: u64,
    /// When it was added, in seconds since 1970.
    pub made: i64,
}

/// A protocol to fetch mail by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

/// How a connection is kept from others' eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// TLS from the first octet.
    Tls,
    /// TLS after STARTTLS or STLS.
    StartTls,
    /// Not at all.
    Plain,
}

/// Which certificate of a provider is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Certificate {
    /// One by a public authority, for the host's name.
    #[default]
    Public,
    /// Any.
    Anyone,
    /// One by an authority in this file.
    Authority(String),
    /// The one with this SHA-256.
    Fingerprint([u8; 32]),
}

/// Which way mail goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Way {
    /// All folders, both ways.
    Both,
    /// From there into a mailbox here; what came is deleted there after so many days, or never.
    Collect { into: String, delete_after: Option<u32> },
}

/// How it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderState {
    /// When it was last tried, in seconds since 1970.
    pub tried: Option<i64>,
    /// When all was done.
    pub succeeded: Option<i64>,
    /// Why it was not, the last time.
    pub failure: Option<String>,
    /// How often in a row it was not.
    pub failures: u32,
    /// Which look that was asked for is done.
    pub done: u64,
    /// What keeps the rest from being done, though nothing failed.
    pub held: Vec<String>,
    /// Messages that came, in all.
    pub fetched: u64,
    /// Messages that went there, in all.
    pub sent: u64,
}

/// A folder of a two-way mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarFolder {
    /// Its name there, as the protocol spells it; `None`: it is not there any more, or its UIDs are void.
    pub remote: Option<Vec<u8>>,
    /// Its mailbox here; `None`: it is not here any more.
    pub local: Option<MailboxId>,
    /// What both were called last, as it is called here.
    pub name: String,
    /// The generation of its UIDs there.
    pub uid_validity: u32,
    /// HIGHESTMODSEQ there when all was agreed; 0: never, or it has none.
    pub remote_modseq: u64,
    /// UIDNEXT there when all was agreed.
    pub remote_next: u32,
    /// The mailbox's modification sequence here when all was agreed; 0: never.
    pub local_modseq: u64,
    /// When all of it was last compared, whatever the modification sequences said; in seconds since 1970.
    pub compared: i64,
    /// Since when many messages are missing there, and are not deleted here.
    pub missing_there: Option<i64>,
    /// Since when many messages are missing here, and are not deleted there.
    pub missing_here: Option<i64>,
}

/// A message that is on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Its UID there.
    pub remote: u32,
    /// Its UID here; `None` for one that was collected.
    pub local: Option<Uid>,
    /// Its content.
    pub blob: BlobId,
    /// What it is known by again: a part of the hash of its Message-ID.
    pub key: u64,
    /// RFC822.SIZE there.
    pub size: u32,
    /// The flags that both sides agreed on, as the mailbox here numbers them.
    pub agreed: FlagSet,
    /// When they were paired, in seconds since 1970.
    pub since: i64,
}

/// A message in a POP3 maildrop that was collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// Its UIDL there.
    pub name: Vec<u8>,
    /// When it was collected, in seconds since 1970.
    pub since: i64,
}

/// A change of what is known of mailboxes at providers.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum ProviderChange {
    /// A new one.
    Add(Provider),
    /// Other wishes.
    Set { id: ProviderId, provider: Provider },
    /// How it goes.
    State { id: ProviderId, state: ProviderState },
    /// Nothing is known of it any more; mail stays on both sides.
    Remove(ProviderId),
    /// What was agreed on, and what was done here for it. Each step that does not fit any more is left out.
    Steps { id: ProviderId, steps: Vec<Step> },
}

/// A step towards both sides being the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Step {
    /// A folder as it is now.
    Folder { folder: FolderId, now_is: FarFolder },
    /// Nothing is known of a folder any more.
    Forget(FolderId),
    /// A message is on both sides.
    Pair { folder: FolderId, pair: Pair },
    /// A message is not on both sides any more.
    Unpair { folder: FolderId, remote: u32 },
    /// Flags change here; both sides agree on `agreed`.
    Flag { folder: FolderId, pair: Pair, mailbox: MailboxId, uid: Uid, add: FlagSet, remove: FlagSet },
    /// A message that was deleted there is deleted here.
    Delete { folder: FolderId, remote: u32, mailbox: MailboxId, uid: Uid },
    /// A message that was moved there, or got another UID there, is moved here.
    Move { from: FolderId, pair: Pair, mailbox: MailboxId, into: FolderId, to: MailboxId, now_is: u32 },
    /// A message that was moved here was moved there.
    Moved { from: FolderId, remote: u32, into: FolderId, pair: Pair },
    /// A mailbox whose folder is gone there goes, if it is empty.
    DropMailbox { mailbox: MailboxId },
    /// What was collected is not in the maildrop any more.
    Uncollect { name: Vec<u8> },
}

/// A message that came from a provider, and the note that it did: both or none.
#[derive(Debug, Serialize, Deserialize)]
pub struct Arrival {
    /// From which.
    pub provider: ProviderId,
    /// What becomes of it.
    pub message: Arriving,
    /// How it is known that it came.
    pub note: Note,
}

/// What becomes of a message that came.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Arriving {
    /// It goes into this mailbox.
    Append { mailbox: MailboxId, message: NewMessage },
    /// It is delivered; one that no place takes is not collected.
    Deliver(Delivery),
}

/// How it is known that a message came.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Note {
    /// By its UID there. The place and the content here are filled in.
    Pair { folder: FolderId, pair: Pair },
    /// By its UIDL.
    Collected(Collected),
}

/// What keys begin with.
pub(super) mod tag {
    /// [`super::Provider`]
    pub(in crate::store) const PROVIDER: u8 = b'c';
    /// [`super::ProviderState`]
    pub(in crate::store) const STATE: u8 = b's';
    /// [`super::FarFolder`]
    pub(in crate::store) const FOLDER: u8 = b'f';
    /// [`super::Pair`]
    pub(in crate::store) const PAIR: u8 = b'p';
    /// [`super::Collected`]
    pub(in crate::store) const COLLECTED: u8 = b'u';
    /// All that a mailbox at a provider has.
    pub(in crate::store) const ALL: [u8; 5] = [PROVIDER, STATE, FOLDER, PAIR, COLLECTED];
}

pub(super) fn provider_key(tag: u8, id: ProviderId) -> Vec<u8> {
    let mut key = kept_key(Space::Mirror, &[tag]);
    key.extend_from_slice(&id.0.to_be_bytes());
    key
}

pub(super) fn folder_key(tag: u8, id: ProviderId, folder: FolderId) -> Vec<u8> {
    let mut key = provider_key(tag, id);
    key.extend_from_slice(&folder.0.to_be_bytes());
    key
}

pub(super) fn pair_key(id: ProviderId, folder: FolderId, remote: u32) -> Vec<u8> {
    let mut key = folder_key(tag::PAIR, id, folder);
    key.extend_from_slice(&remote.to_be_bytes());
    key
}

pub(super) fn collected_key(id: ProviderId, name: &[u8]) -> Vec<u8> {
    let mut key = provider_key(tag::COLLECTED, id);
    key.extend_from_slice(name);
    key
}

impl Snapshot {
    /// All mailboxes at providers.
    pub fn providers(&self) -> Result<Vec<(ProviderId, Provider)>, Fault> {
        let rows = self.below(&kept_key(Space::Mirror, &[tag::PROVIDER]), usize::MAX)?;
        let mut providers = Vec::new();
        for (key, provider) in rows {
            let provider: Provider = provider;
            // Those of an account that was removed wait for it to be had back.
            if self.account(provider.account)?.is_some() {
                providers.push((ProviderId(last_number(&key)), provider));
            }
        }
        Ok(providers)
    }

    /// What is wanted of a mailbox at a provider.
    pub fn provider(&self, id: ProviderId) -> Result<Option<Provider>, Fault> {
        let found: Option<Provider> = self.one(&provider_key(tag::PROVIDER, id))?;
        match found {
            Some(provider) if self.account(provider.account)?.is_none() => Ok(None),
            found => Ok(found),
        }
    }

    /// How it goes with a mailbox at a provider.
    pub fn provider_state(&self, id: ProviderId) -> Result<ProviderState, Fault> {
        Ok(self.one(&provider_key(tag::STATE, id))?.unwrap_or_default())
    }

    /// The folders of a two-way mirror.
    pub fn far_folders(&self, id: ProviderId) -> Result<Vec<(FolderId, FarFolder)>, Fault> {
        let rows = self.below(&provider_key(tag::FOLDER, id), usize::MAX)?;
        Ok(rows.into_iter().map(|(key, folder)| (FolderId(last_number(&key)), folder)).collect())
    }

    /// The messages of a folder that are on both sides, by their UID there.
    pub fn pairs(&self, id: ProviderId, folder: FolderId) -> Result<Vec<Pair>, Fault> {
        let rows = self.below(&folder_key(tag::PAIR, id, folder), usize::MAX)?;
        Ok(rows.into_iter().map(|(_, pair)| pair).collect())
    }

    /// Whether any message of a folder is on both sides.
    pub fn has_pairs(&self, id: ProviderId, folder: FolderId) -> Result<bool, Fault> {
        let rows: Vec<(Vec<u8>, Pair)> = self.below(&folder_key(tag::PAIR, id, folder), 1)?;
        Ok(!rows.is_empty())
    }

    /// What was collected from a POP3 maildrop and may still be there.
    pub fn collected(&self, id: ProviderId) -> Result<Vec<Collected>, Fault> {
        let rows = self.below(&provider_key(tag::COLLECTED, id), usize::MAX)?;
        Ok(rows.into_iter().map(|(_, collected)| collected).collect())
    }

    fn one<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Fault> {
        self.guarded(|| {
            let table = self.table(KEPT)?;
            let found = table.get(key)?;
            found.map(|record| decode(record.value(), "a mailbox at a provider")).transpose()
        })
    }

    fn below<T: DeserializeOwned>(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, T)>, Fault> {
        self.guarded(|| {
            let table = self.table(KEPT)?;
            let mut records = Vec::new();
            for row in table.range(prefix..)?.take(limit) {
                let (key, value) = row?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                records.push((key.value().to_vec(), decode(value.value(), "a mailbox at a provider")?));
            }
            Ok(records)
        })
    }
}

/// The number that a key ends with.
fn last_number(key: &[u8]) -> u32 {
    key.last_chunk::<4>().map_or(0, |number| u32::from_be_bytes(*number))
}

impl Arrival {
    pub(super) fn weight(&self) -> usize {
        match &self.message {
            Arriving::Append { message, .. } => message.parcel.weight(),
            Arriving::Deliver(delivery) => delivery.weight(),
        }
    }

    pub(super) fn parcels(&self) -> impl Iterator<Item = &Parcel> {
        let (one, more) = match &self.message {
            Arriving::Append { message, .. } => (Some(&message.parcel), None),
            Arriving::Deliver(delivery) => (None, Some(delivery)),
        };
        one.into_iter().chain(more.into_iter().flat_map(|delivery| &delivery.messages).map(|posting| &posting.parcel))
    }
}

impl fmt::Debug for Provider {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("host", &self.host).field("user", &self.user).finish_non_exhaustive()
    }
}
