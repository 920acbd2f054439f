//! Copies: whole, or in steps that are noted until the last one is done.

use super::Batch;
use crate::mail::{MailboxId, Uid};
use crate::store::error::{Refusal, StoreError};
use crate::store::queue::Space;
use crate::store::record::{decode, encode};
use crate::store::schema::{copy_key, kept_key};
use crate::store::write::{CopyId, Outcome, Total, Uids};
use redb::ReadableTable;

/// Octets that a row takes on the disk, what is around it included.
const ROW: u64 = 160;

impl Batch<'_> {
    pub(super) fn copy(&mut self, from: MailboxId, uids: &Uids, to: MailboxId) -> Result<Outcome, StoreError> {
        self.check_pair(from, to)?;
        let messages = self.carried(from, uids)?;
        let bytes = messages.iter().map(|(_, message)| u64::from(message.size)).sum();
        self.check_copy(to, Total { messages: messages.len() as u64, bytes })?;
        self.put_copies(from, &messages, to)
    }

    /// One step of a large copy: what it brings is noted with it.
    pub(super) fn copy_step(
        &mut self,
        copy: CopyId,
        from: MailboxId,
        uids: &Uids,
        total: Option<Total>,
        last: bool,
    ) -> Result<Outcome, StoreError> {
        let to = copy.to;
        self.check_pair(from, to)?;
        let key = kept_key(Space::Copies, &copy_key(copy));
        let noted: Option<Uids> =
            self.tables.kept.get(key.as_slice())?.map(|noted| decode(noted.value(), "a copy")).transpose()?;
        let mut brought = match (noted, total) {
            (Some(noted), None) => noted,
            (None, Some(total)) => {
                self.check_copy(to, total)?;
                Uids::default()
            }
            _ => return Err(Refusal::Changed.into()),
        };
        let messages = self.carried(from, uids)?;
        let outcome = self.put_copies(from, &messages, to)?;
        if let Outcome::Copied { to, .. } = &outcome {
            brought.append(to);
        }
        if last {
            self.tables.kept.remove(key.as_slice())?;
        } else {
            self.tables.kept.insert(key.as_slice(), encode(&brought)?.as_slice())?;
        }
        self.touched = true;
        Ok(outcome)
    }

    /// Undoes some of a large copy. What somebody took out of there meanwhile is theirs.
    pub(super) fn uncopy(&mut self, copy: CopyId, uids: &Uids, last: bool) -> Result<Outcome, StoreError> {
        match self.mailbox(copy.to) {
            Ok(_) => {
                let messages = self.messages(copy.to, uids)?;
                self.remove(copy.to, &messages)?;
            }
            // It went with its mailbox.
            Err(StoreError::Refused(_)) => {}
            Err(fault) => return Err(fault),
        }
        if last {
            self.tables.kept.remove(kept_key(Space::Copies, &copy_key(copy)).as_slice())?;
            self.touched = true;
        }
        Ok(Outcome::Done)
    }

    /// Refuses what the account, the disk or the numbers of the mailbox have no room for.
    fn check_copy(&mut self, to: MailboxId, total: Total) -> Result<(), StoreError> {
        if total.messages == 0 {
            return Ok(());
        }
        self.check_quota(to.account(), total.bytes, total.messages)?;
        self.check_room(total.messages.saturating_mul(ROW))?;
        let next = self.mailbox(to)?.uid_next.map(Uid::number).ok_or(Refusal::UidsUsedUp)?;
        if u64::from(next).saturating_add(total.messages) > u64::from(u32::MAX) {
            return Err(Refusal::UidsUsedUp.into());
        }
        Ok(())
    }

    fn put_copies(
        &mut self,
        from: MailboxId,
        messages: &[(Uid, crate::store::record::Message)],
        to: MailboxId,
    ) -> Result<Outcome, StoreError> {
        self.taken += messages.len() as u64 * ROW;
        let outcome = self.insert_copies(from, messages, to)?;
        for (_, message) in messages {
            self.refer(message.blob)?;
        }
        let bytes: i64 = messages.iter().map(|(_, message)| i64::from(message.size)).sum();
        self.charge(to.account(), bytes, i64::try_from(messages.len()).unwrap_or(i64::MAX));
        Ok(outcome)
    }
}
