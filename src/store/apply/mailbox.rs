//! Mailboxes: their names, their tree, their life.

use super::{Batch, Cached};
use crate::mail::{AccountId, MailboxId, MailboxName, UidValidity, ancestors, limits};
use crate::store::error::{Fault, Refusal, StoreError};
use crate::store::record::{MailboxRecord, SpecialUse, encode};
use crate::store::schema::{UID_VALIDITY, key_name, name_key};
use crate::store::snapshot::{account_range, mailboxes_of};
use crate::store::write::{Outcome, Uids};
use redb::ReadableTable;
use std::num::NonZeroU32;

impl Batch<'_> {
    pub(super) fn create_mailbox(
        &mut self,
        account: AccountId,
        name: &MailboxName,
        special: Option<SpecialUse>,
    ) -> Result<Outcome, StoreError> {
        let name = name.as_str();
        if self.named(account, name)?.is_some() {
            return Err(Refusal::MailboxExists.into());
        }
        let missing = self.missing_above(account, name)?;
        self.check_count(account, missing.len() + 1)?;
        for ancestor in missing {
            self.new_mailbox(account, ancestor, None)?;
        }
        Ok(Outcome::Mailbox(self.new_mailbox(account, name, special)?))
    }

    pub(super) fn delete_mailbox(&mut self, account: AccountId, name: &str) -> Result<Outcome, StoreError> {
        if name == "INBOX" {
            return Err(Refusal::Inbox.into());
        }
        if self.named(account, name)?.is_none() {
            let below = self.names(account)?.iter().any(|other| is_below(other, name));
            return Err(if below { Refusal::HasChildren } else { Refusal::NoMailbox }.into());
        }
        self.remove_mailbox(account, name)?;
        Ok(Outcome::Done)
    }

    pub(super) fn rename_mailbox(
        &mut self,
        account: AccountId,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<Outcome, StoreError> {
        let (name, from) = (to, from.as_str());
        let to = name.as_str();
        if self.named(account, to)?.is_some() {
            return Err(Refusal::MailboxExists.into());
        }
        if from == "INBOX" {
            return self.empty_inbox(account, name);
        }
        if is_below(to, from) {
            return Err(Refusal::IntoItself.into());
        }
        let moving: Vec<String> =
            self.names(account)?.into_iter().filter(|name| name == from || is_below(name, from)).collect();
        if moving.is_empty() {
            return Err(Refusal::NoMailbox.into());
        }
        self.check_count(account, self.missing_above(account, to)?.len())?;
        let mut renamed = Vec::with_capacity(moving.len());
        for old in moving {
            // What lies below goes along, where there is room for its name.
            let new = name.with_below(old.get(from.len()..).unwrap_or_default()).map_err(|_| Refusal::BadName)?;
            if self.named(account, new.as_str())?.is_some() {
                return Err(Refusal::MailboxExists.into());
            }
            renamed.push((old, new));
        }
        for ancestor in self.missing_above(account, to)? {
            self.new_mailbox(account, ancestor, None)?;
        }
        for (old, new) in renamed {
            self.call(account, &old, new.as_str())?;
        }
        Ok(Outcome::Done)
    }

    /// Another name for a mailbox, which nothing has yet.
    pub(super) fn call(&mut self, account: AccountId, old: &str, new: &str) -> Result<(), StoreError> {
        let mailbox = self.named(account, old)?.ok_or(Fault::Corrupt("a name without its mailbox"))?;
        self.tables.name.remove(name_key(account, old).as_slice())?;
        self.tables.name.insert(name_key(account, new).as_slice(), mailbox.0)?;
        new.clone_into(&mut self.mailbox(mailbox)?.name);
        self.mark(mailbox);
        Ok(())
    }

    pub(super) fn subscribe(&mut self, account: AccountId, name: &str, on: bool) -> Result<Outcome, StoreError> {
        self.account_record(account)?;
        let key = name_key(account, name);
        if on {
            self.tables.subscription.insert(key.as_slice(), ())?;
        } else {
            self.tables.subscription.remove(key.as_slice())?;
        }
        self.touched = true;
        Ok(Outcome::Done)
    }

    /// Removes a mailbox, whatever it is, with its mail.
    pub(super) fn remove_mailbox(&mut self, account: AccountId, name: &str) -> Result<(), StoreError> {
        let mailbox = self.named(account, name)?.ok_or(Refusal::NoMailbox)?;
        self.drop_messages(mailbox)?;
        let end = (u128::from(mailbox.0) << 64 | u128::from(u64::MAX)).to_be_bytes();
        let start = (u128::from(mailbox.0) << 64).to_be_bytes();
        self.tables.vanished.retain_in::<&[u8; 16], _>(&start..=&end, |_, _| false)?;
        self.change(mailbox).gone = true;
        self.mailboxes.remove(&mailbox);
        self.tables.mailbox.remove(mailbox.0)?;
        self.tables.name.remove(name_key(account, name).as_slice())?;
        Ok(())
    }

    /// RENAME of INBOX: a new mailbox takes its messages, and INBOX stays, empty (RFC 9051 §6.3.6).
    fn empty_inbox(&mut self, account: AccountId, to: &MailboxName) -> Result<Outcome, StoreError> {
        let inbox = self.named(account, "INBOX")?.ok_or(Refusal::NoMailbox)?;
        let Outcome::Mailbox(mailbox) = self.create_mailbox(account, to, None)? else {
            return Err(Fault::Corrupt("a new mailbox without id").into());
        };
        self.move_messages(inbox, &Uids::all(), mailbox)?;
        Ok(Outcome::Done)
    }

    pub(super) fn new_mailbox(
        &mut self,
        account: AccountId,
        name: &str,
        special: Option<SpecialUse>,
    ) -> Result<MailboxId, StoreError> {
        let mut owner = self.account_record(account)?;
        let mailbox = MailboxId::new(account, owner.next_mailbox);
        owner.next_mailbox = owner.next_mailbox.checked_add(1).ok_or(Refusal::TooManyMailboxes)?;
        let record = MailboxRecord::new(name, self.next_uid_validity()?, special);
        self.tables.account.insert(account.0, encode(&owner)?.as_slice())?;
        self.tables.mailbox.insert(mailbox.0, encode(&record)?.as_slice())?;
        self.tables.name.insert(name_key(account, name).as_slice(), mailbox.0)?;
        self.mailboxes.insert(mailbox, Cached { record, dirty: false });
        self.touched = true;
        Ok(mailbox)
    }

    /// Levels above a name that do not exist.
    pub(super) fn missing_above<'n>(&self, account: AccountId, name: &'n str) -> Result<Vec<&'n str>, StoreError> {
        ancestors(name)
            .map(|ancestor| Ok(self.named(account, ancestor)?.is_none().then_some(ancestor)))
            .filter_map(Result::transpose)
            .collect()
    }

    /// Refuses more mailboxes than there may be.
    fn check_count(&self, account: AccountId, more: usize) -> Result<(), StoreError> {
        let owner = self.account_record(account)?;
        let numbers = u32::MAX - owner.next_mailbox;
        let full = more > 0 && self.names(account)?.len() + more > limits::MAILBOXES;
        if full || u32::try_from(more).is_ok_and(|more| more > numbers) {
            return Err(Refusal::TooManyMailboxes.into());
        }
        Ok(())
    }

    /// Never given out twice, and ahead of what any earlier store of the same account had, as long as clocks go on.
    fn next_uid_validity(&mut self) -> Result<UidValidity, StoreError> {
        // RFC 9051 §2.3.1.1 suggests the creation time; it only has to ascend, so a clock that stands still is no harm,
        // and one that is wrong, or past 2072, must not use the numbers up.
        let moment = u64::try_from(self.now).unwrap_or(0) % VALIDITIES_BY_CLOCK;
        let last = self.tables.config.get(UID_VALIDITY)?.map_or(0, |last| last.value());
        if last >= u64::from(u32::MAX) {
            return Err(Refusal::UidsUsedUp.into());
        }
        let next = self.raise(UID_VALIDITY, moment.max(1))?;
        let number = u32::try_from(next).ok().and_then(NonZeroU32::new);
        Ok(UidValidity(number.ok_or(Fault::Corrupt("UIDVALIDITY is used up"))?))
    }

    /// The account's mailbox of this role: it, or one of its usual name; made where there is neither.
    pub(super) fn role(&mut self, account: AccountId, special: SpecialUse) -> Result<MailboxId, StoreError> {
        for row in mailboxes_of(&self.tables.mailbox, account)? {
            let (id, record) = row?;
            if record.special == Some(special) {
                return Ok(id);
            }
        }
        let name = special.mailbox();
        if let Some(id) = self.named(account, name.as_str())? {
            return Ok(id);
        }
        match self.create_mailbox(account, &name, Some(special))? {
            Outcome::Mailbox(id) => {
                self.subscribe(account, name.as_str(), true)?;
                Ok(id)
            }
            _ => Err(Fault::Corrupt("a new mailbox without id").into()),
        }
    }

    pub(super) fn named(&self, account: AccountId, name: &str) -> Result<Option<MailboxId>, StoreError> {
        Ok(self.tables.name.get(name_key(account, name).as_slice())?.map(|id| MailboxId(id.value())))
    }

    pub(super) fn names(&self, account: AccountId) -> Result<Vec<String>, StoreError> {
        let (from, to) = account_range(account);
        let bounds = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let mut names = Vec::new();
        for row in self.tables.name.range::<&[u8]>(bounds)? {
            let (key, _) = row?;
            names.push(key_name(key.value()).ok_or(Fault::Corrupt("a mailbox name"))?.to_owned());
        }
        Ok(names)
    }
}

/// UIDVALIDITYs below this may follow the clock; those above are a thousand million that are given out one by one only.
const VALIDITIES_BY_CLOCK: u64 = 3 << 30;

/// Whether `name` lies below `above`.
fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_means_a_level_deeper_and_not_a_longer_word() {
        assert!(is_below("a/b", "a"));
        assert!(!is_below("ab", "a"));
        assert!(!is_below("a", "a"));
    }
}
