//! What POP3 does to mail, and what becomes of it later.

use super::Batch;
use crate::mail::{MailboxId, Uid, UniqueId};
use crate::store::error::{Fault, StoreError};
use crate::store::record::{Message, OnDelete, Retired, SpecialUse, encode};
use crate::store::schema::msg_key;
use crate::store::write::{Outcome, Uids};

impl Batch<'_> {
    /// What a session deleted. Messages that are gone meanwhile are nobody's loss.
    pub(super) fn retire(&mut self, mailbox: MailboxId, uids: &Uids, how: OnDelete) -> Result<Outcome, StoreError> {
        self.mailbox(mailbox)?;
        let mut messages = self.messages(mailbox, uids)?;
        if messages.is_empty() {
            return Ok(Outcome::Done);
        }
        let trash = if how == OnDelete::Trash { Some(self.role(mailbox.account(), SpecialUse::Trash)?) } else { None };
        match trash {
            Some(trash) if trash != mailbox => {
                for (_, message) in &mut messages {
                    message.retired = Retired::Trashed;
                }
                self.insert_copies(mailbox, &messages, trash)?;
                self.take_out(mailbox, &messages)?;
            }
            None if how == OnDelete::Delete => self.remove(mailbox, &messages)?,
            _ => {
                for (uid, message) in messages {
                    self.put(mailbox, uid, &Message { retired: Retired::Hidden, ..message })?;
                }
            }
        }
        Ok(Outcome::Done)
    }

    /// Gives messages other names in POP3.
    pub(super) fn set_unique_ids(
        &mut self,
        mailbox: MailboxId,
        ids: &[(Uid, UniqueId)],
    ) -> Result<Outcome, StoreError> {
        for &(uid, unique) in ids {
            let found = self.messages(mailbox, &Uids::one(uid))?;
            if let Some((_, message)) = found.first() {
                self.put(mailbox, uid, &Message { unique, ..*message })?;
            }
        }
        Ok(Outcome::Done)
    }

    /// Removes what POP3 put into the Trash long ago, if it is still there and nobody took it for something else.
    pub(super) fn expire(&mut self, mailbox: MailboxId, uids: &Uids, before: i64) -> Result<Outcome, StoreError> {
        self.mailbox(mailbox)?;
        let messages =
            self.messages_that(mailbox, uids, |message| message.retired == Retired::Trashed && message.saved < before)?;
        self.remove(mailbox, &messages)?;
        Ok(Outcome::Expunged(messages.len() as u64))
    }

    /// A row with what no other client is told of: the mailbox has not changed for them.
    fn put(&mut self, mailbox: MailboxId, uid: Uid, message: &Message) -> Result<(), Fault> {
        self.tables.msg.insert(&msg_key(mailbox, uid), encode(message)?.as_slice())?;
        self.touched = true;
        Ok(())
    }
}
