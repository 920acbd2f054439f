//! Accounts.

use super::Batch;
use crate::mail::{AccountId, MailboxName};
use crate::store::error::{Fault, Refusal, StoreError};
use crate::store::record::{Account, Credentials, Pop3, SpecialUse, decode, encode};
use crate::store::schema::{FILING, LAST_ACCOUNT};
use crate::store::snapshot::account_range;
use crate::store::write::{NewAccount, Outcome};
use redb::ReadableTable;

impl Batch<'_> {
    pub(super) fn add_account(&mut self, new: &NewAccount) -> Result<Outcome, StoreError> {
        if self.is_account(&new.address)? || self.is_alias(&new.address)? {
            return Err(Refusal::AddressTaken.into());
        }
        let number = self.raise(LAST_ACCOUNT, 1)?;
        let account = AccountId(u32::try_from(number).map_err(|_| Fault::Corrupt("account number"))?);
        let record = Account {
            address: new.address.clone(),
            credentials: new.credentials.clone(),
            limits: new.limits,
            created: new.now,
            next_mailbox: 1,
            pop3: Pop3::default(),
        };
        self.tables.account.insert(account.0, encode(&record)?.as_slice())?;
        self.tables.address.insert(new.address.as_str(), account.0)?;
        let usual = SpecialUse::ALL.map(|special| (special.mailbox(), Some(special)));
        for (name, special) in std::iter::once((MailboxName::inbox(), None)).chain(usual) {
            self.create_mailbox(account, &name, special)?;
            self.subscribe(account, name.as_str(), true)?;
        }
        Ok(Outcome::Account(account))
    }

    pub(super) fn change_account(
        &mut self,
        account: AccountId,
        change: impl FnOnce(&mut Account),
    ) -> Result<Outcome, StoreError> {
        let mut record = self.account_record(account)?;
        change(&mut record);
        if let Some((limits, _)) = self.accounts.get_mut(&account) {
            *limits = record.limits;
        }
        self.tables.account.insert(account.0, encode(&record)?.as_slice())?;
        self.touched = true;
        Ok(Outcome::Done)
    }

    pub(super) fn renew_credentials(
        &mut self,
        account: AccountId,
        from: &Credentials,
        to: &Credentials,
    ) -> Result<Outcome, StoreError> {
        if self.account_record(account)?.credentials != *from {
            return Err(Refusal::Changed.into());
        }
        self.change_account(account, |record| record.credentials = to.clone())
    }

    pub(super) fn remove_account(&mut self, account: AccountId) -> Result<Outcome, StoreError> {
        let record = self.account_record(account)?;
        self.erase_mail(account)?;
        self.tables.address.remove(record.address.as_str())?;
        self.forget_account(account, &record.address)?;
        self.transaction.open_table(FILING)?.remove(account.0)?;
        self.tables.account.remove(account.0)?;
        self.accounts.remove(&account);
        self.revoked.insert(account);
        self.touched = true;
        Ok(Outcome::Done)
    }

    /// All mail of an account, and all that is known of its mailboxes.
    pub(super) fn erase_mail(&mut self, account: AccountId) -> Result<(), StoreError> {
        self.remove_providers(account)?;
        // By the table of names: a record that was renamed in this batch is not written yet.
        for name in self.names(account)? {
            self.remove_mailbox(account, &name)?;
        }
        let (from, to) = account_range(account);
        let bounds = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        self.tables.subscription.retain_in::<&[u8], _>(bounds, |_, ()| false)?;
        Ok(())
    }

    pub(super) fn account_record(&self, account: AccountId) -> Result<Account, StoreError> {
        let found = self.tables.account.get(account.0)?;
        Ok(decode(found.ok_or(Refusal::NoAccount)?.value(), "account")?)
    }
}
