//! Aliases, domains, rules, and what accounts are told of their quota.

use super::Batch;
use crate::mail::{AccountId, limits, other_spelling};
use crate::store::error::{Refusal, StoreError};
use crate::store::filing::{Alias, Domain, Filing, Rule, RuleEdit, Vacation};
use crate::store::queue::{Delivery, Once, Space};
use crate::store::record::{decode, encode};
use crate::store::schema::{ALIAS, DOMAIN, FILING, kept_key};
use crate::store::write::Outcome;
use redb::ReadableTable;
use std::ops::Bound;

impl Batch<'_> {
    pub(super) fn add_alias(&mut self, address: &str, targets: &[String]) -> Result<Outcome, StoreError> {
        if self.is_account(address)? {
            return Err(Refusal::AddressTaken.into());
        }
        let mut table = self.transaction.open_table(ALIAS)?;
        let found = table.get(address)?.map(|record| decode::<Alias>(record.value(), "alias")).transpose()?;
        let is_new = found.is_none();
        let mut alias = found.unwrap_or_default();
        for target in targets {
            if !alias.targets.iter().any(|known| known.eq_ignore_ascii_case(target)) {
                alias.targets.push(target.clone());
            }
        }
        if alias.targets.len() > limits::ALIAS_TARGETS || is_new && redb::ReadableTableMetadata::len(&table)? >= ALIASES
        {
            return Err(Refusal::TooMany.into());
        }
        if alias.targets.is_empty() {
            return Err(Refusal::NotThere.into());
        }
        table.insert(address, encode(&alias)?.as_slice())?;
        self.touched = true;
        Ok(Outcome::Done)
    }

    pub(super) fn remove_alias(&mut self, address: &str, targets: &[String]) -> Result<Outcome, StoreError> {
        let mut table = self.transaction.open_table(ALIAS)?;
        let found = table.get(address)?.map(|record| decode::<Alias>(record.value(), "alias")).transpose()?;
        let mut alias = found.ok_or(Refusal::NotThere)?;
        // Whether case counts in the local part is for its own host to say (RFC 5321 §2.4); here one is meant.
        let named = |target: &String, other: &String| target.eq_ignore_ascii_case(other);
        if targets.iter().any(|target| !alias.targets.iter().any(|known| named(known, target))) {
            return Err(Refusal::NotThere.into());
        }
        alias.targets.retain(|known| !targets.iter().any(|target| named(known, target)));
        if targets.is_empty() || alias.targets.is_empty() {
            table.remove(address)?;
        } else {
            table.insert(address, encode(&alias)?.as_slice())?;
        }
        self.touched = true;
        Ok(Outcome::Done)
    }

    pub(super) fn add_domain(&mut self, domain: &str, now: i64) -> Result<Outcome, StoreError> {
        let mut table = self.transaction.open_table(DOMAIN)?;
        if table.get(domain)?.is_some() {
            return Ok(Outcome::Done);
        }
        if redb::ReadableTableMetadata::len(&table)? >= DOMAINS {
            return Err(Refusal::TooMany.into());
        }
        table.insert(domain, encode(&Domain { added: now })?.as_slice())?;
        self.touched = true;
        Ok(Outcome::Done)
    }

    pub(super) fn remove_domain(&mut self, domain: &str) -> Result<Outcome, StoreError> {
        if self.transaction.open_table(DOMAIN)?.remove(domain)?.is_none() {
            return Err(Refusal::NotThere.into());
        }
        self.touched = true;
        Ok(Outcome::Done)
    }

    /// Whether an alias has this address, in either spelling of its domain.
    pub(super) fn is_alias(&self, address: &str) -> Result<bool, StoreError> {
        let table = self.transaction.open_table(ALIAS)?;
        let other = other_spelling(address);
        Ok(table.get(address)?.is_some() || other.map_or(Ok(None), |other| table.get(other.as_str()))?.is_some())
    }

    /// Whether an account has it.
    pub(super) fn is_account(&self, address: &str) -> Result<bool, StoreError> {
        let table = &self.tables.address;
        let other = other_spelling(address);
        Ok(table.get(address)?.is_some() || other.map_or(Ok(None), |other| table.get(other.as_str()))?.is_some())
    }

    pub(super) fn edit_rules(&mut self, account: AccountId, edit: &RuleEdit) -> Result<Outcome, StoreError> {
        let mut rules = None;
        self.change_filing(account, |filing| rules = Rule::edited(std::mem::take(&mut filing.rules), edit))?;
        let rules = rules.ok_or(Refusal::NotThere)?;
        if rules.len() > limits::RULES {
            return Err(Refusal::TooMany.into());
        }
        self.put_filing(account, |filing| filing.rules = rules)
    }

    /// Another vacation answers everybody afresh.
    pub(super) fn set_vacation(
        &mut self,
        account: AccountId,
        vacation: Option<&Vacation>,
    ) -> Result<Outcome, StoreError> {
        self.put_filing(account, |filing| filing.vacation = vacation.cloned())?;
        self.forget(Space::Answered, account)?;
        Ok(Outcome::Done)
    }

    /// Changes how an account's mail is treated.
    pub(super) fn put_filing(
        &mut self,
        account: AccountId,
        change: impl FnOnce(&mut Filing),
    ) -> Result<Outcome, StoreError> {
        let filing = self.change_filing(account, change)?;
        let mut table = self.transaction.open_table(FILING)?;
        if filing == Filing::default() {
            table.remove(account.0)?;
        } else {
            table.insert(account.0, encode(&filing)?.as_slice())?;
        }
        self.touched = true;
        Ok(Outcome::Done)
    }

    /// What it would be after a change.
    fn change_filing(&mut self, account: AccountId, change: impl FnOnce(&mut Filing)) -> Result<Filing, StoreError> {
        self.account_record(account)?;
        let table = self.transaction.open_table(FILING)?;
        let found = table.get(account.0)?.map(|record| decode::<Filing>(record.value(), "filing")).transpose()?;
        let mut filing = found.unwrap_or_default();
        change(&mut filing);
        Ok(filing)
    }

    /// An account goes: what leads to nobody but it goes as well. Returns which aliases led there, and by which addresses.
    pub(super) fn forget_account(
        &mut self,
        account: AccountId,
        address: &str,
    ) -> Result<Vec<(String, Vec<String>)>, StoreError> {
        let mut led = Vec::new();
        self.forget(Space::Answered, account)?;
        self.forget(Space::Warned, account)?;
        let mut gone = vec![address.to_owned()];
        let mut table = self.transaction.open_table(ALIAS)?;
        while let Some(gone_now) = gone.pop() {
            let mut changed = Vec::new();
            for row in table.iter()? {
                let (alias, record) = row?;
                let mut record: Alias = decode(record.value(), "alias")?;
                let is_gone = |target: &String| target.to_lowercase() == gone_now;
                if record.targets.iter().any(is_gone) {
                    let (gone, kept) = record.targets.into_iter().partition(is_gone);
                    record.targets = kept;
                    led.push((alias.value().to_owned(), gone));
                    changed.push((alias.value().to_owned(), record));
                }
            }
            for (alias, record) in changed {
                if record.targets.is_empty() {
                    table.remove(alias.as_str())?;
                    // What led to this alias only leads nowhere now.
                    gone.push(alias);
                } else {
                    table.insert(alias.as_str(), encode(&record)?.as_slice())?;
                }
            }
        }
        Ok(led)
    }

    /// Removes what a space keeps of an account.
    fn forget(&mut self, space: Space, account: AccountId) -> Result<(), StoreError> {
        let from = kept_key(space, &account.0.to_be_bytes());
        let to = account.0.checked_add(1).map(|next| kept_key(space, &next.to_be_bytes()));
        let to = to.unwrap_or_else(|| vec![(space as u8).saturating_add(1)]);
        let bounds = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        self.tables.kept.retain_in::<&[u8], _>(bounds, |_, _| false)?;
        Ok(())
    }

    /// Whether what is done only once in a while is to be done now; then that is noted.
    pub(super) fn begin_once(&mut self, once: &Once, now: i64) -> Result<bool, StoreError> {
        let key = kept_key(once.space, &once.key);
        if self.tables.kept.get(key.as_slice())?.is_some_and(|kept| Once::was_done(kept.value(), now)) {
            return Ok(false);
        }
        self.tables.kept.insert(key.as_slice(), once.until.to_be_bytes().as_slice())?;
        self.touched = true;
        Ok(true)
    }

    pub(super) fn warn(
        &mut self,
        account: AccountId,
        level: u8,
        told: Option<&Delivery>,
    ) -> Result<Outcome, StoreError> {
        self.account_record(account)?;
        let copies = told.map_or(Ok(Vec::new()), |told| self.deliver(told))?;
        let value = (level > 0).then_some([level]);
        self.keep(Space::Warned, &account.0.to_be_bytes(), value.as_ref().map(<[u8; 1]>::as_slice))?;
        Ok(Outcome::Delivered(copies))
    }
}

/// Aliases of a box: a household has some dozens; the bound keeps a look through all of them cheap.
const ALIASES: u64 = 20_000;
/// Domains that are added by hand.
const DOMAINS: u64 = 1_000;
