//! Messages: in, changed, copied, moved, out.

use super::Batch;
use crate::mail::{BlobId, FlagSet, MailboxId, ModSeq, Stamp, SystemFlag, Uid, is_keyword};
use crate::store::error::{Fault, Refusal, StoreError};
use crate::store::parcel::Parcel;
use crate::store::queue::Space;
use crate::store::record::{MailboxRecord, Message, Retired, encode, encode_into};
use crate::store::rows::Row;
use crate::store::schema::{BLOB_CEILING, body_key, kept_key, msg_key, pieces, vanished_key};
use crate::store::snapshot::messages_of;
use crate::store::steps::ROWS_AT_ONCE;
use crate::store::write::{FlagChange, History, NewMessage, Outcome, Uids};
use redb::ReadableTable;
use std::sync::Arc;

/// Blob ids are reserved this many at a time, so that not every message touches `config`.
const BLOB_STEP: u64 = 4096;

/// A message on its way into a mailbox.
#[derive(Clone, Copy)]
pub(super) struct Arriving<'a> {
    pub(super) parcel: &'a Parcel,
    pub(super) flags: &'a [String],
    pub(super) received: Stamp,
    pub(super) now: i64,
    pub(super) history: History,
}

impl Batch<'_> {
    pub(super) fn append(&mut self, mailbox: MailboxId, message: &NewMessage) -> Result<Outcome, StoreError> {
        let NewMessage { parcel, flags, received, now, history } = message;
        let uid = self.mailbox(mailbox)?.uid_next.ok_or(Refusal::UidsUsedUp)?;
        self.check_quota(mailbox.account(), u64::from(parcel.size), 1)?;
        self.check_room(parcel.weight() as u64)?;
        self.show(parcel, 0)?;
        let arriving = Arriving { parcel, flags, received: *received, now: *now, history: *history };
        self.arrive(mailbox, uid, &arriving)?;
        let uid_validity = self.mailbox(mailbox)?.uid_validity;
        Ok(Outcome::Appended { uid_validity, uid })
    }

    /// One more place shows this content, which `shown` show already: the first one puts it in.
    pub(super) fn show(&mut self, parcel: &Parcel, shown: u32) -> Result<(), StoreError> {
        if shown > 0 {
            return self.refer(parcel.blob);
        }
        self.insert_frames(parcel)?;
        self.heads.insert(parcel.blob, parcel.head.clone());
        if parcel.staged.is_some() {
            self.tables.staging.remove(parcel.blob.0)?;
        }
        Ok(())
    }

    /// A message whose content is in becomes a row, and is counted.
    pub(super) fn arrive(&mut self, mailbox: MailboxId, uid: Uid, arriving: &Arriving<'_>) -> Result<(), StoreError> {
        let Arriving { parcel, flags, received, now, history } = *arriving;
        let flags = self.flags(mailbox, flags, true)?;
        let modseq = self.next_modseq(mailbox)?;
        let message = Message {
            blob: parcel.blob,
            size: parcel.size,
            flags,
            modseq,
            received,
            saved: now,
            thread: 0,
            unique: history.unique.unwrap_or(parcel.unique),
            line_ends: parcel.line_ends,
            retired: history.retired(),
        };
        self.insert(mailbox, uid, &message)?;
        self.charge(mailbox.account(), i64::from(parcel.size), 1);
        Ok(())
    }

    /// Takes frames of an upload in progress.
    pub(super) fn stage(&mut self, parcel: &Parcel) -> Result<Outcome, StoreError> {
        self.check_room(parcel.weight() as u64)?;
        self.tables.staging.insert(parcel.blob.0, ())?;
        self.insert_frames(parcel)?;
        Ok(Outcome::Done)
    }

    pub(super) fn store(
        &mut self,
        mailbox: MailboxId,
        uids: &Uids,
        change: &FlagChange,
    ) -> Result<Outcome, StoreError> {
        let (names, adds) = match change {
            FlagChange::Replace(names) | FlagChange::Add(names) => (names, true),
            FlagChange::Remove(names) => (names, false),
        };
        #[cfg(test)]
        assert!(!names.iter().any(|name| name == crate::store::write::PANIC), "as asked");
        let named = self.flags(mailbox, names, adds)?;
        let changed: Vec<(Uid, Message, FlagSet)> = self
            .messages(mailbox, uids)?
            .into_iter()
            .filter_map(|(uid, message)| {
                let old = message.flags;
                let flags = match change {
                    FlagChange::Replace(_) => named,
                    FlagChange::Add(_) => old | named,
                    FlagChange::Remove(_) => old & !named,
                };
                (flags != old).then_some((uid, Message { flags, ..message }, old))
            })
            .collect();
        if changed.is_empty() {
            return Ok(Outcome::Stored(self.mailbox(mailbox)?.modseq));
        }
        let modseq = self.next_modseq(mailbox)?;
        let mut rows = Vec::with_capacity(changed.len());
        let mut buffer = Vec::new();
        for (uid, mut message, old) in changed {
            message.modseq = modseq;
            buffer = encode_into(&message, buffer)?;
            self.tables.msg.insert(&msg_key(mailbox, uid), buffer.as_slice())?;
            self.mailbox(mailbox)?.recount(message.size, old, message.flags);
            rows.push(Row { uid, modseq, flags: message.flags });
        }
        self.change(mailbox).set.append(&mut rows);
        Ok(Outcome::Stored(modseq))
    }

    /// Some flags more and some less on one message.
    pub(super) fn set_flags(
        &mut self,
        mailbox: MailboxId,
        uid: Uid,
        add: FlagSet,
        remove: FlagSet,
    ) -> Result<(), StoreError> {
        self.mailbox(mailbox)?;
        let found = self.messages(mailbox, &Uids::one(uid))?;
        let Some(&(_, message)) = found.first() else { return Err(Refusal::Changed.into()) };
        let flags = (message.flags | add) & !remove;
        if flags == message.flags {
            return Ok(());
        }
        let modseq = self.next_modseq(mailbox)?;
        let changed = Message { flags, modseq, ..message };
        self.tables.msg.insert(&msg_key(mailbox, uid), encode(&changed)?.as_slice())?;
        self.mailbox(mailbox)?.recount(message.size, message.flags, flags);
        self.change(mailbox).set.push(Row { uid, modseq, flags });
        Ok(())
    }

    pub(super) fn move_messages(&mut self, from: MailboxId, uids: &Uids, to: MailboxId) -> Result<Outcome, StoreError> {
        self.check_pair(from, to)?;
        let messages = self.carried(from, uids)?;
        let outcome = self.insert_copies(from, &messages, to)?;
        self.take_out(from, &messages)?;
        Ok(outcome)
    }

    pub(super) fn expunge(&mut self, mailbox: MailboxId, uids: Option<&Uids>) -> Result<Outcome, StoreError> {
        if self.mailbox(mailbox)?.deleted == 0 {
            return Ok(Outcome::Expunged(0));
        }
        let messages =
            self.messages_that(mailbox, uids.unwrap_or(&Uids::all()), |message| message.flags.is(SystemFlag::Deleted))?;
        self.remove(mailbox, &messages)?;
        Ok(Outcome::Expunged(messages.len() as u64))
    }

    /// Takes messages out for good.
    pub(super) fn remove(&mut self, mailbox: MailboxId, messages: &[(Uid, Message)]) -> Result<(), StoreError> {
        self.take_out(mailbox, messages)?;
        for (_, message) in messages {
            self.release(message.blob)?;
            self.charge(mailbox.account(), -i64::from(message.size), -1);
        }
        Ok(())
    }

    /// All messages of a mailbox that is being removed: now, or, where they are many, by the sweep.
    pub(super) fn drop_messages(&mut self, mailbox: MailboxId) -> Result<(), StoreError> {
        let MailboxRecord { messages, bytes, .. } = *self.mailbox(mailbox)?;
        if messages > ROWS_AT_ONCE {
            self.tables.kept.insert(kept_key(Space::Leaving, &mailbox.0.to_be_bytes()).as_slice(), &[][..])?;
            let (bytes, messages) = (i64::try_from(bytes).unwrap_or(0), i64::try_from(messages).unwrap_or(0));
            self.charge(mailbox.account(), -bytes, -messages);
            return Ok(());
        }
        for (uid, message) in self.messages(mailbox, &Uids::all())? {
            self.tables.msg.remove(&msg_key(mailbox, uid))?;
            self.release(message.blob)?;
            self.charge(mailbox.account(), -i64::from(message.size), -1);
        }
        Ok(())
    }

    /// The messages as they arrive in another mailbox: what somebody takes out of the Trash is no more to be removed.
    pub(super) fn carried(&self, from: MailboxId, uids: &Uids) -> Result<Vec<(Uid, Message)>, StoreError> {
        let mut messages = self.messages(from, uids)?;
        for (_, message) in &mut messages {
            if message.retired == Retired::Trashed {
                message.retired = Retired::No;
            }
        }
        Ok(messages)
    }

    /// Messages stay with their owner: who counts them is not who moves them, else.
    pub(super) fn check_pair(&mut self, from: MailboxId, to: MailboxId) -> Result<(), StoreError> {
        self.mailbox(from)?;
        self.mailbox(to)?;
        if from.account() == to.account() { Ok(()) } else { Err(Refusal::NoMailbox.into()) }
    }

    /// Takes messages out of a mailbox and notes that they vanished; their content is the caller's.
    pub(super) fn take_out(&mut self, mailbox: MailboxId, messages: &[(Uid, Message)]) -> Result<(), StoreError> {
        if messages.is_empty() {
            return Ok(());
        }
        let modseq = self.next_modseq(mailbox)?;
        for (uid, message) in messages {
            self.tables.msg.remove(&msg_key(mailbox, *uid))?;
            self.mailbox(mailbox)?.discount(message.size, message.flags);
        }
        let vanished = Uids::from_ascending(messages.iter().map(|(uid, _)| *uid));
        self.tables.vanished.insert(&vanished_key(mailbox, modseq.0.get()), encode(&vanished)?.as_slice())?;
        self.change(mailbox).removed.extend(messages.iter().map(|(uid, _)| *uid));
        Ok(())
    }

    /// Puts messages of one mailbox into another, with their flags.
    pub(super) fn insert_copies(
        &mut self,
        from: MailboxId,
        messages: &[(Uid, Message)],
        to: MailboxId,
    ) -> Result<Outcome, StoreError> {
        let uid_validity = self.mailbox(to)?.uid_validity;
        let first = self.mailbox(to)?.uid_next;
        let last = first.and_then(|first| u64::from(first.number()).checked_add(messages.len() as u64));
        if !messages.is_empty() && last.is_none_or(|last| last > u64::from(u32::MAX)) {
            return Err(Refusal::UidsUsedUp.into());
        }
        let now = self.now;
        let keywords = self.keywords_in(from, messages, to)?;
        let modseq = if messages.is_empty() { ModSeq::FIRST } else { self.next_modseq(to)? };
        for (_, message) in messages {
            let uid = self.mailbox(to)?.uid_next.ok_or(Refusal::UidsUsedUp)?;
            let system = FlagSet(message.flags.0 & 0xff);
            let flags = message
                .flags
                .keywords()
                .fold(system, |flags, index| flags | keywords.get(index).copied().unwrap_or_default());
            self.insert(to, uid, &Message { flags, modseq, saved: now, ..*message })?;
        }
        let from = Uids::from_ascending(messages.iter().map(|(uid, _)| *uid));
        let last = self.mailbox(to)?.uid_next.map_or(u32::MAX, Uid::number).saturating_sub(1);
        let to = first.filter(|_| !messages.is_empty()).map(|first| (first.number(), last));
        Ok(Outcome::Copied { uid_validity, from, to: Uids(to.into_iter().collect()) })
    }

    /// For each keyword number of `from` what it is in `to`.
    pub(super) fn keywords_in(
        &mut self,
        from: MailboxId,
        messages: &[(Uid, Message)],
        to: MailboxId,
    ) -> Result<Vec<FlagSet>, StoreError> {
        let used = messages.iter().fold(FlagSet::NONE, |used, (_, message)| used | message.flags);
        let names = self.mailbox(from)?.keywords.clone();
        let mut translated = vec![FlagSet::NONE; names.len()];
        for index in used.keywords() {
            if let (Some(name), Some(slot)) = (names.get(index), translated.get_mut(index)) {
                *slot = self.flags(to, std::slice::from_ref(name), true)?;
            }
        }
        Ok(translated)
    }

    /// A new row with everything that counts it.
    fn insert(&mut self, mailbox: MailboxId, uid: Uid, message: &Message) -> Result<(), StoreError> {
        self.tables.msg.insert(&msg_key(mailbox, uid), encode(message)?.as_slice())?;
        let record = self.mailbox(mailbox)?;
        record.count(message.size, message.flags);
        record.uid_next = uid.next();
        self.grown.insert(mailbox);
        self.change(mailbox).set.push(Row { uid, modseq: message.modseq, flags: message.flags });
        Ok(())
    }

    fn insert_frames(&mut self, parcel: &Parcel) -> Result<(), StoreError> {
        self.touched = true;
        self.taken += parcel.weight() as u64;
        let ceiling = self.tables.config.get(BLOB_CEILING)?.map_or(0, |ceiling| ceiling.value());
        if parcel.blob.0 >= ceiling {
            self.tables.config.insert(BLOB_CEILING, parcel.blob.0 + BLOB_STEP)?;
        }
        for (frame, stored) in &parcel.frames {
            let mut rest = stored.as_slice();
            for (at, length) in pieces(stored.len()).enumerate() {
                let (piece, after) = rest.split_at(length.min(rest.len()));
                let at = u8::try_from(at).map_err(|_| Fault::Corrupt("too many pieces"))?;
                self.tables.body.insert(&body_key(parcel.blob, *frame, at), piece)?;
                rest = after;
            }
        }
        Ok(())
    }

    /// One more message shows this blob.
    pub(super) fn refer(&mut self, blob: BlobId) -> Result<(), StoreError> {
        let refs = self.tables.refs.get(blob.0)?.map_or(1, |refs| refs.value());
        self.tables.refs.insert(blob.0, refs.saturating_add(1))?;
        Ok(())
    }

    /// One message less shows this blob; the last one dooms it.
    pub(super) fn release(&mut self, blob: BlobId) -> Result<(), StoreError> {
        let refs = self.tables.refs.get(blob.0)?.map_or(1, |refs| refs.value());
        match refs {
            0 | 1 => {
                self.tables.doomed.insert(blob.0, ())?;
            }
            2 => {
                self.tables.refs.remove(blob.0)?;
            }
            _ => {
                self.tables.refs.insert(blob.0, refs - 1)?;
            }
        }
        self.touched = true;
        Ok(())
    }

    pub(super) fn messages(&self, mailbox: MailboxId, uids: &Uids) -> Result<Vec<(Uid, Message)>, StoreError> {
        self.messages_that(mailbox, uids, |_| true)
    }

    /// As `messages`, those of which this is true.
    pub(super) fn messages_that(
        &self,
        mailbox: MailboxId,
        uids: &Uids,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<Vec<(Uid, Message)>, StoreError> {
        let mut messages = Vec::new();
        for &(from, to) in &uids.0 {
            for row in messages_of(&self.tables.msg, mailbox, from, to)? {
                let (uid, message) = row?;
                if wanted(&message) {
                    messages.push((uid, message));
                }
            }
        }
        Ok(messages)
    }

    pub(super) fn next_modseq(&mut self, mailbox: MailboxId) -> Result<ModSeq, StoreError> {
        let record = self.mailbox(mailbox)?;
        record.modseq = record.modseq.next();
        let modseq = record.modseq;
        self.mark(mailbox);
        Ok(modseq)
    }

    /// The set of the named flags. A keyword that the mailbox does not know is learned when `learn` and there is room;
    /// else it is left out (PERMANENTFLAGS without `\*` says so: RFC 9051 §7.1).
    fn flags(&mut self, mailbox: MailboxId, names: &[String], learn: bool) -> Result<FlagSet, StoreError> {
        let record = self.mailbox(mailbox)?;
        let mut flags = FlagSet::NONE;
        let mut learned = false;
        for name in names {
            if let Some(system) = SystemFlag::from_name(name) {
                flags = flags | system.set();
                continue;
            }
            let known = record.keywords.iter().position(|known| known.eq_ignore_ascii_case(name));
            let index = match known {
                Some(index) => index,
                None if learn && record.keywords.len() < FlagSet::KEYWORDS && is_keyword(name) => {
                    record.keywords.push(name.clone());
                    learned = true;
                    record.keywords.len() - 1
                }
                None => continue,
            };
            flags = flags | FlagSet::keyword(index);
        }
        if learned {
            let keywords: Arc<[String]> = record.keywords.as_slice().into();
            self.change(mailbox).keywords = Some(keywords);
        }
        Ok(flags)
    }
}
