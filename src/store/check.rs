//! Verifying every invariant of the store, content hashes included. What can be derived from something else can be
//! mended; nothing else is touched.

use super::behind::{self, Placed};
use super::error::{Fault, StoreError};
use super::guard::contained;
use super::record::{Account, MailboxRecord, decode};
use super::schema::{ACCOUNT, ADDRESS, CONFIG, KEPT, LAST_ACCOUNT, SUBSCRIPTION, key_name};
use super::snapshot::Snapshot;
use super::store::Store;
use super::write::{Outcome, Write};
use crate::mail::{AccountId, BlobId, FlagSet, MailboxId};
use redb::{TableDefinition, TableHandle, Value};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

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
        let (report, shown) = (Report::default(), HashMap::new());
        let mut check = Check { snapshot: &snapshot, report, is_whole: true, shown };
        check.part(Check::accounts);
        let mailboxes = check.part(Check::mailboxes);
        check.part(|check| check.messages(&mailboxes));
        check.part(|check| check.vanished(&mailboxes));
        check.part(Check::queue);
        check.part(Check::addresses);
        check.part(Check::others);
        check.part(Check::blobs);
        if !check.is_whole {
            // What is not counted, shown or known may be so by what cannot be read.
            check.report.findings.iter_mut().for_each(|finding| finding.mend = None);
        }
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
    pub(super) report: Report,
    /// All rows could be read: what follows from what is not there may be put right.
    is_whole: bool,
    /// How many messages show a blob, and the size that they say it has.
    pub(super) shown: HashMap<BlobId, Shown>,
}

impl Check<'_> {
    pub(super) fn find(&mut self, what: String, mend: Option<Mend>) {
        self.report.findings.push(Finding { what, mend });
    }

    /// Something cannot be read.
    pub(super) fn lose(&mut self, what: String) {
        self.is_whole = false;
        self.find(what, None);
    }

    /// One part, which is given up where what it begins with cannot be read.
    fn part<T: Default>(&mut self, look: impl FnOnce(&mut Self) -> Result<T, Fault>) -> T {
        contained(|| look(self)).unwrap_or_else(|fault| {
            self.lose(format!("a part could not be checked: {fault}"));
            T::default()
        })
    }

    /// Looks at every row of a table that can be read; what cannot is a finding.
    pub(super) fn each<K: Placed, V: Value + 'static>(
        &mut self,
        table: TableDefinition<K, V>,
        mut look: impl FnMut(&mut Self, K::SelfType<'_>, V::SelfType<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let name = table.name().to_owned();
        let rows = self.snapshot.table(table)?;
        let gaps = behind::walk(&rows, 0..=u128::MAX, |key, value| {
            if let Err(fault) = contained(|| look(self, key, value)) {
                self.lose(format!("{name}: what belongs to a row cannot be read: {fault}"));
            }
            true
        })?;
        for gap in gaps {
            self.lose(gap.of(&name));
        }
        Ok(())
    }

    fn accounts(&mut self) -> Result<(), Fault> {
        let (table, addresses) = (self.snapshot.table(ACCOUNT)?, self.snapshot.table(ADDRESS)?);
        let last = self.config(LAST_ACCOUNT)?;
        self.each(ACCOUNT, |check, id, record| {
            let id = AccountId(id);
            if u64::from(id.0) > last {
                check.find(format!("account {}: its number may be given out again", id.0), None);
            }
            let account: Account = match decode(record, "account") {
                Ok(account) => account,
                Err(fault) => {
                    check.lose(format!("account {}: {fault}", id.0));
                    return Ok(());
                }
            };
            if addresses.get(account.address.as_str())?.map(|found| found.value()) != Some(id.0) {
                check.find(format!("account {}: its address leads elsewhere", account.address), None);
            }
            if check.snapshot.mailbox_named(id, "INBOX")?.is_none() {
                check.find(format!("account {}: no INBOX", account.address), None);
            }
            Ok(())
        })?;
        self.each(ADDRESS, |check, address, id| {
            if table.get(id)?.is_none() {
                check.find(format!("address {address}: leads to no account"), None);
            }
            Ok(())
        })?;
        self.each(SUBSCRIPTION, |check, key, ()| {
            let owner = key.first_chunk().map(|id| AccountId(u32::from_be_bytes(*id)));
            if owner.map(|owner| check.snapshot.account_or_closed(owner)).transpose()?.flatten().is_none() {
                check.find(format!("subscription {:?}: of no account", key_name(key)), None);
            }
            Ok(())
        })
    }

    /// Tables of which nothing is known but that they can be read.
    fn others(&mut self) -> Result<(), Fault> {
        self.each(CONFIG, |_, _, _| Ok(()))?;
        self.each(KEPT, |_, _, _| Ok(()))
    }

    pub(super) fn config(&self, key: &str) -> Result<u64, Fault> {
        Ok(self.snapshot.table(CONFIG)?.get(key)?.map_or(0, |value| value.value()))
    }
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
