//! What a session is shown: the messages that were in the INBOX at log-in, and nothing else until it ends.

use super::lock::Lock;
use crate::mail::{BlobId, MailboxId, SystemFlag, Uid, UniqueId};
use crate::store::{Fault, OnDelete, Pop3, Retired, Snapshot, Uids};
use crate::wire::pop3::Number;
use ring::digest;
use std::collections::HashSet;

/// A maildrop as it was at log-in.
#[derive(Debug)]
pub(super) struct Maildrop {
    pub(super) inbox: MailboxId,
    pub(super) account: Pop3,
    entries: Vec<Entry>,
    /// Messages that are not deleted, and their octets.
    messages: u32,
    octets: u64,
    /// Freed when the session ends.
    pub(super) lock: Lock,
}

/// A message of it; its number is its place, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) blob: BlobId,
    pub(super) unique: UniqueId,
    pub(super) uid: Uid,
    /// Octets that RETR sends, before dots are stuffed.
    pub(super) octets: u32,
    /// Its lines end with CRLF as they are stored.
    pub(super) canonical: bool,
    pub(super) deleted: bool,
    /// `\Seen`, or about to be.
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    No,
    /// It was sent, and is marked when the session ends.
    Now,
    Already,
}

impl Maildrop {
    /// Reads the INBOX.
    pub(super) fn open(snapshot: &Snapshot, inbox: MailboxId, account: Pop3, lock: Lock) -> Result<Maildrop, Fault> {
        let mut entries = Vec::new();
        let mut found = 0;
        for message in snapshot.messages(inbox, 1, u32::MAX)? {
            let (uid, message) = message?;
            found += 1;
            if message.retired == Retired::Hidden {
                continue;
            }
            entries.push(Entry {
                blob: message.blob,
                unique: message.unique,
                uid,
                octets: u32::try_from(message.pop3_size()).map_err(|_| Fault::Corrupt("a message of 4 GB"))?,
                canonical: message.line_ends == 0,
                deleted: false,
                seen: if message.flags.is(SystemFlag::Seen) { Seen::Already } else { Seen::No },
            });
        }
        // Who fetches all mail deletes what a maildrop lacks.
        if snapshot.mailbox(inbox)?.is_none_or(|record| record.messages != found) {
            return Err(Fault::Corrupt("a maildrop has not as many messages as its mailbox counts"));
        }
        entries.shrink_to_fit();
        let mut maildrop = Maildrop { inbox, account, entries, messages: 0, octets: 0, lock };
        maildrop.reset();
        Ok(maildrop)
    }

    /// Messages whose name an earlier one has (copies within the INBOX, mail that was imported twice), and a name for
    /// each. It comes from the old one and the place, so that it is the same at each log-in until it can be stored.
    pub(super) fn namesakes(&self, round: u32) -> Vec<(Uid, UniqueId)> {
        let mut names = HashSet::with_capacity(self.entries.len());
        let again = self.entries.iter().filter(|entry| !names.insert(entry.unique));
        again.map(|entry| (entry.uid, another_name(entry.unique, self.inbox, entry.uid, round))).collect()
    }

    /// Gives messages other names, for as long as this session lasts.
    pub(super) fn rename(&mut self, names: &[(Uid, UniqueId)]) {
        for entry in &mut self.entries {
            if let Some((_, unique)) = names.iter().find(|(uid, _)| *uid == entry.uid) {
                entry.unique = *unique;
            }
        }
    }

    /// Messages that are not deleted, and their octets.
    pub(super) fn count(&self) -> (u32, u64) {
        (self.messages, self.octets)
    }

    /// The message of this number, unless it is deleted.
    pub(super) fn get(&self, number: Number) -> Option<&Entry> {
        self.entries.get(place(number)?).filter(|entry| !entry.deleted)
    }

    /// Those that are not deleted, from this place on, with their numbers.
    pub(super) fn from(&self, place: usize) -> impl Iterator<Item = (Number, &Entry)> {
        let entries = self.entries.iter().enumerate().skip(place).filter(|(_, entry)| !entry.deleted);
        entries.map(|(at, entry)| (u32::try_from(at + 1).unwrap_or(u32::MAX), entry))
    }

    /// UIDs from this message on: what a client that takes one after the other will ask for next.
    pub(super) fn uids_from(&self, number: Number) -> impl Iterator<Item = u32> {
        self.entries.iter().skip(place(number).unwrap_or(0)).map(|entry| entry.uid.number())
    }

    /// The message goes when the session ends well.
    pub(super) fn delete(&mut self, number: Number) {
        let entry = place(number).and_then(|place| self.entries.get_mut(place));
        if let Some(entry) = entry.filter(|entry| !entry.deleted) {
            entry.deleted = true;
            self.messages -= 1;
            self.octets -= u64::from(entry.octets);
        }
    }

    /// Nothing goes.
    pub(super) fn reset(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.deleted = false);
        self.messages = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.octets = self.entries.iter().map(|entry| u64::from(entry.octets)).sum();
    }

    /// The message was sent whole.
    pub(super) fn sent(&mut self, number: Number) {
        let entry = place(number).and_then(|place| self.entries.get_mut(place));
        if let Some(entry) = entry.filter(|entry| entry.seen == Seen::No) {
            entry.seen = Seen::Now;
        }
    }

    /// What is to be marked as seen, if anything; asked once.
    pub(super) fn take_seen(&mut self) -> Option<Uids> {
        if !self.account.marks_seen {
            return None;
        }
        let mut seen = Vec::new();
        for entry in &mut self.entries {
            if entry.seen == Seen::Now {
                entry.seen = Seen::Already;
                seen.push(entry.uid);
            }
        }
        (!seen.is_empty()).then(|| Uids::from_ascending(seen))
    }

    /// What the session deleted, if anything, and what becomes of it.
    pub(super) fn deleted(&self) -> Option<(Uids, OnDelete)> {
        let deleted = self.entries.iter().filter(|entry| entry.deleted).map(|entry| entry.uid);
        let uids = Uids::from_ascending(deleted);
        (!uids.0.is_empty()).then_some((uids, self.account.on_delete))
    }
}

/// `round`: another try, should the name before have been somebody's.
fn another_name(name: UniqueId, inbox: MailboxId, uid: Uid, round: u32) -> UniqueId {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&name.0.to_be_bytes());
    context.update(&inbox.0.to_be_bytes());
    context.update(&uid.number().to_be_bytes());
    context.update(&round.to_be_bytes());
    let sum = context.finish();
    let octets = sum.as_ref().first_chunk().copied().unwrap_or_default();
    UniqueId(u64::from_be_bytes(octets))
}

fn place(number: Number) -> Option<usize> {
    number.checked_sub(1).map(|place| place as usize)
}
