//! Removing an account so that it can be had back, having it back, and the end of those that nobody wanted back.

use super::Batch;
use crate::mail::AccountId;
use crate::store::closed::Closed;
use crate::store::error::{Fault, Refusal, StoreError};
use crate::store::filing::{Alias, Filing};
use crate::store::queue::Space;
use crate::store::record::{decode, encode};
use crate::store::schema::{ALIAS, FILING, kept_key};
use crate::store::write::Outcome;
use redb::ReadableTable;

impl Batch<'_> {
    /// From now on it is nobody's: no log-in, no mail for it.
    pub(super) fn close_account(&mut self, account: AccountId, now: i64) -> Result<Outcome, StoreError> {
        let record = self.account_record(account)?;
        let filing = {
            let mut table = self.transaction.open_table(FILING)?;
            let found = table.remove(account.0)?;
            found.map(|record| decode::<Filing>(record.value(), "filing")).transpose()?.unwrap_or_default()
        };
        let address = record.address.clone();
        let aliases = self.forget_account(account, &address)?;
        let closed = Closed { account: record, at: now, days: 0, counted: now, filing, aliases };
        self.put_closed(account, &closed)?;
        self.tables.address.remove(address.as_str())?;
        self.tables.account.remove(account.0)?;
        self.accounts.remove(&account);
        self.closed.insert(account);
        // Whoever logged in before acts for it no more, also once it is had back.
        self.revoked.insert(account);
        self.touched = true;
        Ok(Outcome::Done)
    }

    /// It is somebody's again, by this address, with its mail, its rules, and the aliases that are still free.
    pub(super) fn reopen_account(&mut self, account: AccountId, address: &str) -> Result<Outcome, StoreError> {
        let mut closed = self.closed(account)?.ok_or(Refusal::NoAccount)?;
        if self.tables.address.get(address)?.is_some() || self.is_alias(address)? {
            return Err(Refusal::AddressTaken.into());
        }
        let former = std::mem::replace(&mut closed.account.address, address.to_owned());
        self.tables.account.insert(account.0, encode(&closed.account)?.as_slice())?;
        self.tables.address.insert(address, account.0)?;
        if closed.filing != Filing::default() {
            self.transaction.open_table(FILING)?.insert(account.0, encode(&closed.filing)?.as_slice())?;
        }
        self.lead_again(&former, address, closed.aliases)?;
        self.tables.kept.remove(closed_key(account).as_slice())?;
        self.closed.remove(&account);
        self.touched = true;
        Ok(Outcome::Account(account))
    }

    /// Aliases lead to an account again that led to it before, by the address that it has now.
    fn lead_again(
        &mut self,
        former: &str,
        address: &str,
        aliases: Vec<(String, Vec<String>)>,
    ) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(ALIAS)?;
        for (alias, targets) in aliases {
            if self.tables.address.get(alias.as_str())?.is_some() {
                continue;
            }
            let found =
                table.get(alias.as_str())?.map(|record| decode::<Alias>(record.value(), "alias")).transpose()?;
            let mut record = found.unwrap_or_default();
            for target in targets {
                let target = if target.to_lowercase() == former { address.to_owned() } else { target };
                if !record.targets.iter().any(|known| known.eq_ignore_ascii_case(&target)) {
                    record.targets.push(target);
                }
            }
            table.insert(alias.as_str(), encode(&record)?.as_slice())?;
        }
        Ok(())
    }

    /// Counts a day that has passed for all removed accounts; the first one whose days are over goes for good. Answered
    /// with how many did.
    pub(super) fn age_closed(&mut self, now: i64) -> Result<Outcome, StoreError> {
        let prefix = kept_key(Space::Closed, b"");
        let mut all = Vec::new();
        for row in self.tables.kept.range(prefix.as_slice()..)? {
            let (key, record) = row?;
            let Some(number) = key.value().strip_prefix(prefix.as_slice()) else { break };
            let number = number.first_chunk().ok_or(Fault::Corrupt("a removed account's number"))?;
            let closed: Closed = decode(record.value(), "a removed account")?;
            all.push((AccountId(u32::from_be_bytes(*number)), closed));
        }
        for (account, mut closed) in all {
            if closed.count(now) {
                self.put_closed(account, &closed)?;
                self.touched = true;
            }
            if closed.days >= Closed::DAYS {
                return self.erase_closed(account).map(|_| Outcome::Expunged(1));
            }
        }
        Ok(Outcome::Expunged(0))
    }

    /// All that is left of a removed account goes.
    pub(super) fn erase_closed(&mut self, account: AccountId) -> Result<Outcome, StoreError> {
        let closed = self.closed(account)?.ok_or(Refusal::NoAccount)?;
        self.closed.remove(&account);
        // It has an account for as long as it takes.
        self.tables.account.insert(account.0, encode(&closed.account)?.as_slice())?;
        self.erase_mail(account)?;
        self.tables.account.remove(account.0)?;
        self.accounts.remove(&account);
        self.tables.kept.remove(closed_key(account).as_slice())?;
        self.touched = true;
        Ok(Outcome::Done)
    }

    fn closed(&self, account: AccountId) -> Result<Option<Closed>, StoreError> {
        let found = self.tables.kept.get(closed_key(account).as_slice())?;
        Ok(found.map(|record| decode(record.value(), "a removed account")).transpose()?)
    }

    fn put_closed(&mut self, account: AccountId, closed: &Closed) -> Result<(), StoreError> {
        self.tables.kept.insert(closed_key(account).as_slice(), encode(closed)?.as_slice())?;
        Ok(())
    }
}

fn closed_key(account: AccountId) -> Vec<u8> {
    kept_key(Space::Closed, &account.0.to_be_bytes())
}
