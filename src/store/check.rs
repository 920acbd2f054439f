//! Verifying every invariant of the store, content hashes included. What can be derived from something else can be
//! mended; nothing else is touched.

use super::body::Reading;
use super::error::{Fault, StoreError};
use super::record::{Account, Head, MailboxRecord, Message, decode};
use super::schema::{
    ACCOUNT, ADDRESS, BLOB_CEILING, BODY, CONFIG, DOOMED, HEAD, LAST_ACCOUNT, MAILBOX, MSG, NAME, REFS, STAGING,
    SUBSCRIPTION, UID_VALIDITY, VANISHED,
};
use super::schema::{body_key, key_name, msg_uid, name_key, pieces};
use super::snapshot::Snapshot;
use super::store::{Store, contained};
use super::write::{Outcome, Uids, Write};
use crate::mail::{AccountId, BlobId, FlagSet, LineEnds, MailboxId, Span, Uid};
use redb::ReadableTable;
use ring::digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Messages looked at.
    pub messages: u64,
    /// Contents whose hash was verified.
    pub blobs: u64,
    /// Octets of those contents.
    pub bytes: u64,
    /// What is not as it must be; empty when all is well.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// For a person.
    pub what: String,
    /// What would put it right, where that can be derived.
    pub mend: Option<Mend>,
}

/// A repair of what is derivable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mend {
    /// A mailbox's counters are counted again.
    Recount(MailboxId),
    /// A blob's reference count is set.
    Refs(BlobId, u32),
    /// A blob that nothing shows is left to the sweep.
    Doom(BlobId),
}

/// What the messages that show a blob say of it, those in the queue among them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) messages: u32,
    pub(super) size: u32,
    pub(super) line_ends: u32,
}

impl Store {
    /// Checks everything. Reads one snapshot from end to end: not for a busy server, since the snapshot pins pages.
    pub fn check(&self) -> Result<Report, Fault> {
        contained(|| self.look_at_everything())
    }

    fn look_at_everything(&self) -> Result<Report, Fault> {
        let snapshot = self.snapshot()?;
        let mut check = Check { snapshot: &snapshot, report: Report::default(), shown: HashMap::new() };
        check.accounts()?;
        let mailboxes = check.mailboxes()?;
        check.messages(&mailboxes)?;
        check.vanished(&mailboxes)?;
        check.queue()?;
        check.addresses()?;
        check.blobs()?;
        Ok(check.report)
    }

    /// Mends what can be mended; returns how many findings that were.
    pub fn mend(&self, report: &Report) -> Result<usize, StoreError> {
        let mends: Vec<Mend> = report.findings.iter().filter_map(|finding| finding.mend.clone()).collect();
        let count = mends.len();
        if count > 0 {
            let Outcome::Done = self.write_blocking(Write::Mend(mends))? else {
                return Err(Fault::Corrupt("mending had another outcome").into());
            };
        }
        Ok(count)
    }
}

pub(super) struct Check<'s> {
    pub(super) snapshot: &'s Snapshot,
    report: Report,
    /// How many messages show a blob, and the size that they say it has.
    pub(super) shown: HashMap<BlobId, Shown>,
}

impl Check<'_> {
    pub(super) fn find(&mut self, what: String, mend: Option<Mend>) {
        self.report.findings.push(Finding { what, mend });
    }

    fn accounts(&mut self) -> Result<(), Fault> {
        let (table, addresses) = (self.snapshot.table(ACCOUNT)?, self.snapshot.table(ADDRESS)?);
        let last = self.config(LAST_ACCOUNT)?;
        for row in table.iter()? {
            let (id, record) = row?;
            let id = AccountId(id.value());
            if u64::from(id.0) > last {
                self.find(format!("account {}: its number may be given out again", id.0), None);
            }
            let account: Account = match decode(record.value(), "account") {
                Ok(account) => account,
                Err(fault) => {
                    self.find(format!("account {}: {fault}", id.0), None);
                    continue;
                }
            };
            if addresses.get(account.address.as_str())?.map(|found| found.value()) != Some(id.0) {
                self.find(format!("account {}: its address leads elsewhere", account.address), None);
            }
            if self.snapshot.mailbox_named(id, "INBOX")?.is_none() {
                self.find(format!("account {}: no INBOX", account.address), None);
            }
        }
        for row in addresses.iter()? {
            let (address, id) = row?;
            if table.get(id.value())?.is_none() {
                self.find(format!("address {}: leads to no account", address.value()), None);
            }
        }
        for row in self.snapshot.table(SUBSCRIPTION)?.iter()? {
            let (key, _) = row?;
            let owner = key.value().first_chunk().map(|id| u32::from_be_bytes(*id));
            if owner.map(|owner| table.get(owner)).transpose()?.flatten().is_none() {
                self.find(format!("subscription {:?}: of no account", key_name(key.value())), None);
            }
        }
        Ok(())
    }

    pub(super) fn config(&self, key: &str) -> Result<u64, Fault> {
        Ok(self.snapshot.table(CONFIG)?.get(key)?.map_or(0, |value| value.value()))
    }

    fn mailboxes(&mut self) -> Result<BTreeMap<MailboxId, MailboxRecord>, Fault> {
        let accounts = self.snapshot.table(ACCOUNT)?;
        let names = self.snapshot.table(NAME)?;
        let mut mailboxes = BTreeMap::new();
        let (last, mut validities) = (self.config(UID_VALIDITY)?, HashSet::new());
        for row in self.snapshot.table(MAILBOX)?.iter()? {
            let (id, record) = row?;
            let id = MailboxId(id.value());
            let mailbox: MailboxRecord = match decode(record.value(), "mailbox") {
                Ok(mailbox) => mailbox,
                Err(fault) => {
                    self.find(format!("mailbox {}: {fault}", id.0), None);
                    continue;
                }
            };
            let owner = accounts.get(id.account().0)?;
            let owner: Option<Account> = owner.and_then(|record| decode(record.value(), "account").ok());
            let validity = mailbox.uid_validity;
            if u64::from(validity.0.get()) > last || !validities.insert(validity) {
                self.find(format!("mailbox {} ({}): its UIDVALIDITY is not its own", id.0, mailbox.name), None);
            }
            if owner.is_none_or(|owner| MailboxId::new(id.account(), owner.next_mailbox) <= id) {
                self.find(format!("mailbox {} ({}): its account does not know it", id.0, mailbox.name), None);
            }
            if self.snapshot.mailbox_kept_as(id.account(), &mailbox.name)? != Some(id) {
                self.find(format!("mailbox {} ({}): its name leads elsewhere", id.0, mailbox.name), None);
            }
            mailboxes.insert(id, mailbox);
        }
        for row in names.iter()? {
            let (key, id) = row?;
            let id = MailboxId(id.value());
            match mailboxes.get(&id) {
                None => self.find(format!("name {:?}: leads to no mailbox", key_name(key.value())), None),
                Some(mailbox) if name_key(id.account(), &mailbox.name) == key.value() => {}
                Some(mailbox) => {
                    let what = format!("name {:?}: leads to a mailbox named {}", key_name(key.value()), mailbox.name);
                    self.find(what, None);
                }
            }
        }
        Ok(mailboxes)
    }

    fn messages(&mut self, mailboxes: &BTreeMap<MailboxId, MailboxRecord>) -> Result<(), Fault> {
        let mut counted: BTreeMap<MailboxId, MailboxRecord> = BTreeMap::new();
        for row in self.snapshot.table(MSG)?.iter()? {
            let (key, record) = row?;
            let [mailbox @ .., _, _, _, _] = *key.value();
            let mailbox = MailboxId(u64::from_be_bytes(mailbox));
            let uid = msg_uid(key.value()).map_or(0, Uid::number);
            let message: Message = match decode(record.value(), "message") {
                Ok(message) => message,
                Err(fault) => {
                    self.find(format!("message {uid} of mailbox {}: {fault}", mailbox.0), None);
                    continue;
                }
            };
            self.report.messages += 1;
            let Message { size, line_ends, .. } = message;
            let shown = self.shown.entry(message.blob).or_insert(Shown { messages: 0, size, line_ends });
            shown.messages += 1;
            if (shown.size, shown.line_ends) != (size, line_ends) {
                self.find(format!("blob {}: its messages say different sizes", message.blob.0), None);
            }
            let Some(owner) = mailboxes.get(&mailbox) else {
                self.find(format!("message {uid}: mailbox {} does not exist", mailbox.0), None);
                continue;
            };
            if owner.uid_next.is_some_and(|next| uid >= next.number()) {
                self.find(format!("message {uid} of {}: not below UIDNEXT", owner.name), None);
            }
            if message.modseq > owner.modseq {
                self.find(format!("message {uid} of {}: modseq above the mailbox's", owner.name), None);
            }
            if message.flags.keywords().any(|index| index >= owner.keywords.len()) {
                self.find(format!("message {uid} of {}: a keyword without name", owner.name), None);
            }
            if message.flags.0 & 0xe0 != 0 {
                self.find(format!("message {uid} of {}: a flag that is none", owner.name), None);
            }
            let count = counted.entry(mailbox).or_insert_with(|| MailboxRecord::new("", owner.uid_validity, None));
            count.count(message.size, message.flags);
        }
        for (id, mailbox) in mailboxes {
            let empty = MailboxRecord::new("", mailbox.uid_validity, None);
            let count = counted.get(id).unwrap_or(&empty);
            let counters = |m: &MailboxRecord| (m.messages, m.bytes, m.unseen, m.deleted, m.deleted_bytes);
            if counters(mailbox) != counters(count) {
                let what =
                    format!("mailbox {}: counts {:?}, holds {:?}", mailbox.name, counters(mailbox), counters(count));
                self.find(what, Some(Mend::Recount(*id)));
            }
        }
        Ok(())
    }

    fn vanished(&mut self, mailboxes: &BTreeMap<MailboxId, MailboxRecord>) -> Result<(), Fault> {
        for row in self.snapshot.table(VANISHED)?.iter()? {
            let (key, record) = row?;
            let [mailbox @ .., _, _, _, _, _, _, _, _] = *key.value();
            let [_, _, _, _, _, _, _, _, modseq @ ..] = *key.value();
            let (mailbox, modseq) = (MailboxId(u64::from_be_bytes(mailbox)), u64::from_be_bytes(modseq));
            let Some(owner) = mailboxes.get(&mailbox) else {
                self.find(format!("expunge log: mailbox {} does not exist", mailbox.0), None);
                continue;
            };
            if modseq > owner.modseq.0.get() {
                self.find(format!("expunge log of {}: modseq above the mailbox's", owner.name), None);
            }
            let ranges = match decode::<Uids>(record.value(), "expunge log") {
                Ok(uids) => uids.0,
                Err(fault) => {
                    self.find(format!("expunge log of {}: {fault}", owner.name), None);
                    continue;
                }
            };
            for (from, to) in ranges {
                if owner.uid_next.is_some_and(|next| to >= next.number()) {
                    self.find(format!("expunge log of {}: {from}:{to} is not below UIDNEXT", owner.name), None);
                }
                if self.snapshot.messages(mailbox, from, to)?.next().is_some() {
                    self.find(format!("expunge log of {}: a message in {from}:{to} is there", owner.name), None);
                }
            }
        }
        Ok(())
    }

    fn blobs(&mut self) -> Result<(), Fault> {
        let ceiling = self.config(BLOB_CEILING)?;
        let refs = self.snapshot.table(REFS)?;
        let mut unshown: HashSet<BlobId> = HashSet::new();
        for row in self.snapshot.table(DOOMED)?.iter()? {
            unshown.insert(BlobId(row?.0.value()));
        }
        for row in self.snapshot.table(STAGING)?.iter()? {
            unshown.insert(BlobId(row?.0.value()));
        }
        // Blobs that have a head, and how many pieces each says that it has.
        let mut heads = HashMap::new();
        for row in self.snapshot.table(HEAD)?.iter()? {
            let (id, record) = row?;
            let blob = BlobId(id.value());
            heads.insert(blob, expected_pieces(record.value()));
            if blob.0 >= ceiling {
                self.find(format!("blob {}: not below the ceiling of ids", blob.0), None);
            }
            match self.shown.get(&blob).copied() {
                None if unshown.contains(&blob) => {}
                None => self.find(format!("blob {}: no message shows it", blob.0), Some(Mend::Doom(blob))),
                Some(shown) => {
                    let stored = refs.get(blob.0)?.map_or(1, |refs| refs.value());
                    if stored != shown.messages {
                        let what = format!("blob {}: counts {stored} messages, {} show it", blob.0, shown.messages);
                        self.find(what, Some(Mend::Refs(blob, shown.messages)));
                    }
                    if unshown.contains(&blob) {
                        self.find(format!("blob {}: shown by a message and left to the sweep", blob.0), None);
                    }
                    if let Err(what) = self.content(blob, record.value(), shown) {
                        self.find(format!("blob {}: {what}", blob.0), None);
                    }
                }
            }
        }
        let lost: Vec<BlobId> = self.shown.keys().filter(|blob| !heads.contains_key(blob)).copied().collect();
        for blob in lost {
            self.find(format!("blob {}: shown by a message, but not there", blob.0), None);
        }
        for row in refs.iter()? {
            let (id, _) = row?;
            if !heads.contains_key(&BlobId(id.value())) {
                self.find(
                    format!("blob {}: counted, but not there", id.value()),
                    Some(Mend::Refs(BlobId(id.value()), 0)),
                );
            }
        }
        self.pieces(&heads, &unshown)
    }

    /// Pieces that belong to no blob, or that their blob does not know.
    fn pieces(&mut self, heads: &HashMap<BlobId, Option<usize>>, unshown: &HashSet<BlobId>) -> Result<(), Fault> {
        let mut found: Option<(BlobId, usize)> = None;
        let body = self.snapshot.table(BODY)?;
        for row in body.iter()?.map(Some).chain(std::iter::once(None)) {
            let blob = match row {
                Some(row) => {
                    let [blob @ .., _, _, _, _] = *row?.0.value();
                    Some(BlobId(u64::from_be_bytes(blob)))
                }
                None => None,
            };
            if let Some((last, count)) = &mut found {
                if Some(*last) == blob {
                    *count += 1;
                    continue;
                }
                let (last, count) = (*last, *count);
                match heads.get(&last) {
                    Some(Some(expected)) if *expected < count => {
                        self.find(format!("blob {}: {count} pieces, its head knows {expected}", last.0), None);
                    }
                    None if self.shown.contains_key(&last) => {
                        // What is left of a message: nothing to be swept.
                        self.find(format!("blob {}: pieces without a head, shown by a message", last.0), None);
                    }
                    None if !unshown.contains(&last) => {
                        self.find(format!("blob {}: pieces without a head", last.0), Some(Mend::Doom(last)));
                    }
                    _ => {}
                }
            }
            found = blob.map(|blob| (blob, 1));
        }
        Ok(())
    }

    /// Reads a message whole and compares its hash.
    fn content(&mut self, blob: BlobId, record: &[u8], shown: Shown) -> Result<(), String> {
        let text = |fault: Fault| fault.to_string();
        let head: Head = decode(record, "head").map_err(text)?;
        head.envelope().map_err(text)?;
        head.outline().map_err(text)?;
        if head.size != shown.size {
            return Err(format!("has {} octets, its messages say {}", head.size, shown.size));
        }
        for (number, frame) in head.frames.iter().enumerate() {
            for (at, length) in pieces(frame.stored as usize).enumerate() {
                let key = u32::try_from(number).ok().zip(u8::try_from(at).ok());
                let (number, at) = key.ok_or("too many pieces")?;
                let piece = self.snapshot.piece(blob, number, at).map_err(text)?;
                if piece.value().len() != length {
                    return Err(format!(
                        "piece {at} of frame {number} has another length ({:?})",
                        body_key(blob, number, at)
                    ));
                }
            }
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut reading = Reading { blob, rest: Span { start: 0, end: head.size } };
        let (mut octets, mut line_ends) = (Vec::new(), LineEnds::default());
        loop {
            octets.clear();
            let ended = reading.read(self.snapshot, &head, &mut octets, 1).map_err(text)?;
            hash.update(&octets);
            line_ends.feed(&octets);
            if ended {
                break;
            }
        }
        if hash.finish().as_ref().get(..16) != Some(&head.hash[..]) {
            return Err("its octets do not have their hash".to_owned());
        }
        if line_ends.missing() != shown.line_ends {
            return Err(format!("lacks {} line ends, its messages say {}", line_ends.missing(), shown.line_ends));
        }
        self.report.blobs += 1;
        self.report.bytes += u64::from(shown.size);
        Ok(())
    }
}

/// How many pieces a head says that its body has; `None` where it does not read.
fn expected_pieces(record: &[u8]) -> Option<usize> {
    let head: Head = decode(record, "head").ok()?;
    Some(head.frames.iter().map(|frame| pieces(frame.stored as usize).count()).sum())
}

/// Counts a mailbox again: for `Mend::Recount`.
pub(super) fn recounted(record: &MailboxRecord, messages: impl Iterator<Item = (u32, FlagSet)>) -> MailboxRecord {
    let mut counted =
        MailboxRecord { messages: 0, bytes: 0, unseen: 0, deleted: 0, deleted_bytes: 0, ..record.clone() };
    for (size, flags) in messages {
        counted.count(size, flags);
    }
    counted
}
