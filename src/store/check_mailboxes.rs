//! The invariants of mailboxes and of what is in them.

use super::check::{Check, Mend, Shown};
use super::error::Fault;
use super::queue::Space;
use super::record::{MailboxRecord, Message, decode};
use super::schema::{MAILBOX, MSG, NAME, UID_VALIDITY, VANISHED, key_name, msg_uid, name_key};
use super::write::Uids;
use crate::mail::{MailboxId, Uid};
use std::collections::{BTreeMap, HashSet};

impl Check<'_> {
    pub(super) fn mailboxes(&mut self) -> Result<BTreeMap<MailboxId, MailboxRecord>, Fault> {
        let mut mailboxes = BTreeMap::new();
        let (last, mut validities) = (self.config(UID_VALIDITY)?, HashSet::new());
        self.each(MAILBOX, |check, id, record| {
            let id = MailboxId(id);
            let mailbox: MailboxRecord = match decode(record, "mailbox") {
                Ok(mailbox) => mailbox,
                Err(fault) => {
                    check.lose(format!("mailbox {}: {fault}", id.0));
                    return Ok(());
                }
            };
            let owner = check.snapshot.account_or_closed(id.account()).ok().flatten();
            let validity = mailbox.uid_validity;
            if u64::from(validity.0.get()) > last || !validities.insert(validity) {
                check.find(format!("mailbox {} ({}): its UIDVALIDITY is not its own", id.0, mailbox.name), None);
            }
            if owner.is_none_or(|owner| MailboxId::new(id.account(), owner.next_mailbox) <= id) {
                check.find(format!("mailbox {} ({}): its account does not know it", id.0, mailbox.name), None);
            }
            if check.snapshot.mailbox_kept_as(id.account(), &mailbox.name)? != Some(id) {
                check.find(format!("mailbox {} ({}): its name leads elsewhere", id.0, mailbox.name), None);
            }
            mailboxes.insert(id, mailbox);
            Ok(())
        })?;
        self.each(NAME, |check, key, id| {
            let id = MailboxId(id);
            match mailboxes.get(&id) {
                None => check.find(format!("name {:?}: leads to no mailbox", key_name(key)), None),
                Some(mailbox) if name_key(id.account(), &mailbox.name) == key => {}
                Some(mailbox) => {
                    let what = format!("name {:?}: leads to a mailbox named {}", key_name(key), mailbox.name);
                    check.find(what, None);
                }
            }
            Ok(())
        })?;
        Ok(mailboxes)
    }

    pub(super) fn messages(&mut self, mailboxes: &BTreeMap<MailboxId, MailboxRecord>) -> Result<(), Fault> {
        let mut counted: BTreeMap<MailboxId, MailboxRecord> = BTreeMap::new();
        self.each(MSG, |check, key, record| {
            let [mailbox @ .., _, _, _, _] = *key;
            let mailbox = MailboxId(u64::from_be_bytes(mailbox));
            let uid = msg_uid(key).map_or(0, Uid::number);
            let message: Message = match decode(record, "message") {
                Ok(message) => message,
                Err(fault) => {
                    check.lose(format!("message {uid} of mailbox {}: {fault}", mailbox.0));
                    return Ok(());
                }
            };
            check.report.messages += 1;
            let Message { size, line_ends, .. } = message;
            let shown = check.shown.entry(message.blob).or_insert(Shown { messages: 0, size, line_ends });
            shown.messages += 1;
            if (shown.size, shown.line_ends) != (size, line_ends) {
                check.find(format!("blob {}: its messages say different sizes", message.blob.0), None);
            }
            let Some(owner) = mailboxes.get(&mailbox) else {
                // The sweep is on its way to what a removed mailbox held.
                if check.snapshot.kept(Space::Leaving, &mailbox.0.to_be_bytes())?.is_none() {
                    check.find(format!("message {uid}: mailbox {} does not exist", mailbox.0), None);
                }
                return Ok(());
            };
            if owner.uid_next.is_some_and(|next| uid >= next.number()) {
                check.find(format!("message {uid} of {}: not below UIDNEXT", owner.name), None);
            }
            if message.modseq > owner.modseq {
                check.find(format!("message {uid} of {}: modseq above the mailbox's", owner.name), None);
            }
            if message.flags.keywords().any(|index| index >= owner.keywords.len()) {
                check.find(format!("message {uid} of {}: a keyword without name", owner.name), None);
            }
            if message.flags.0 & 0xe0 != 0 {
                check.find(format!("message {uid} of {}: a flag that is none", owner.name), None);
            }
            let count = counted.entry(mailbox).or_insert_with(|| MailboxRecord::new("", owner.uid_validity, None));
            count.count(message.size, message.flags);
            Ok(())
        })?;
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

    pub(super) fn vanished(&mut self, mailboxes: &BTreeMap<MailboxId, MailboxRecord>) -> Result<(), Fault> {
        self.each(VANISHED, |check, key, record| {
            let [mailbox @ .., _, _, _, _, _, _, _, _] = *key;
            let [_, _, _, _, _, _, _, _, modseq @ ..] = *key;
            let (mailbox, modseq) = (MailboxId(u64::from_be_bytes(mailbox)), u64::from_be_bytes(modseq));
            let Some(owner) = mailboxes.get(&mailbox) else {
                check.find(format!("expunge log: mailbox {} does not exist", mailbox.0), None);
                return Ok(());
            };
            if modseq > owner.modseq.0.get() {
                check.find(format!("expunge log of {}: modseq above the mailbox's", owner.name), None);
            }
            let ranges = match decode::<Uids>(record, "expunge log") {
                Ok(uids) => uids.0,
                Err(fault) => {
                    check.lose(format!("expunge log of {}: {fault}", owner.name));
                    return Ok(());
                }
            };
            for (from, to) in ranges {
                if owner.uid_next.is_some_and(|next| to >= next.number()) {
                    check.find(format!("expunge log of {}: {from}:{to} is not below UIDNEXT", owner.name), None);
                }
                if check.snapshot.messages(mailbox, from, to)?.next().is_some() {
                    check.find(format!("expunge log of {}: a message in {from}:{to} is there", owner.name), None);
                }
            }
            Ok(())
        })
    }
}
