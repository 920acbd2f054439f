//! Doing writes: one batch of them is one transaction. A write checks all its conditions before it changes anything, so
//! that a refused one leaves nothing behind; a fault aborts the whole batch.

mod account;
mod address;
mod closed;
mod copy;
mod deliver;
mod mailbox;
mod message;
mod pop3;
mod provider;
mod settle;
mod sweep;

use super::error::{Fault, Refusal, StoreError};
use super::grant::Grant;
use super::guard::contained;
use super::mirror::Change;
use super::queue::{Grace, Space};
use super::record::{Account, Limits, MailboxRecord, MessageStart, Usage, decode, encode};
use super::schema::{
    ACCOUNT, ADDRESS, BODY, Bytes, CONFIG, DOOMED, DUE, HEAD, JOURNAL, JOURNAL_FORMAT, KEPT, Key12, MAILBOX, MSG, NAME,
    QUEUE, REFS, ROOM_INSIDE, SAVEPOINT_TIME, STAGING, SUBSCRIPTION, VANISHED, kept_key, msg_key, msg_uid,
};
use super::snapshot::usage_of;
use super::store::Shared;
use super::way_back;
use super::write::{Outcome, Write};
use crate::mail::{AccountId, BlobId, MailboxId, Uid};
use redb::{Table, WriteTransaction};
pub(super) use settle::Settled;
use std::collections::{BTreeMap, BTreeSet};

/// All tables of a transaction.
struct Tables<'t> {
    config: Table<'t, &'static str, u64>,
    account: Table<'t, u32, Bytes>,
    address: Table<'t, &'static str, u32>,
    mailbox: Table<'t, u64, Bytes>,
    name: Table<'t, Bytes, u64>,
    subscription: Table<'t, Bytes, ()>,
    msg: Table<'t, Key12, Bytes>,
    vanished: Table<'t, &'static [u8; 16], Bytes>,
    head: Table<'t, u64, Bytes>,
    body: Table<'t, Key12, Bytes>,
    refs: Table<'t, u64, u32>,
    doomed: Table<'t, u64, ()>,
    staging: Table<'t, u64, ()>,
    queue: Table<'t, u64, Bytes>,
    due: Table<'t, &'static [u8; 16], ()>,
    kept: Table<'t, Bytes, Bytes>,
}

/// One transaction in the making.
pub(super) struct Batch<'t> {
    transaction: &'t WriteTransaction,
    tables: Tables<'t>,
    shared: &'t Shared,
    mailboxes: BTreeMap<MailboxId, Cached>,
    accounts: BTreeMap<AccountId, (Limits, Usage)>,
    changes: BTreeMap<MailboxId, Change>,
    touched: bool,
    /// Something was refused after it had changed something.
    half_done: bool,
    /// When this is done, in seconds since 1970: the only clock that applying knows.
    now: i64,
    repeating: bool,
    /// Heads that go in when the batch ends, one after the other.
    heads: BTreeMap<BlobId, Vec<u8>>,
    grown: BTreeSet<MailboxId>,
    /// Accounts that were removed in this batch.
    closed: BTreeSet<AccountId>,
    /// Whether the queue was changed.
    queued: bool,
    /// Accounts that whoever logged in before acts for no more.
    revoked: BTreeSet<AccountId>,
    taken: u64,
    freed: u64,
    abandoned: usize,
}

struct Cached {
    record: MailboxRecord,
    dirty: bool,
}

/// New rows of a mailbox that are put next to each other: what is to be read for fewer is little anyhow,
const ROWS_TOGETHER: u32 = 512;
/// and how many at most before others get their turn.
const ROWS_AT_ONCE: usize = 50_000;
/// Octets of their heads: all in one transaction, since the next one would fill the gaps that the first one left.
const HEADS_AT_ONCE: usize = 16 << 20;

/// What a batch leaves to be told after its commit.
pub(super) struct Done {
    pub(super) changes: BTreeMap<MailboxId, Change>,
    /// Whether there is anything to commit.
    pub(super) touched: bool,
    /// Octets of content that went in,
    pub(super) taken: u64,
    /// and that went out.
    pub(super) freed: u64,
    /// Whose heads went in.
    pub(super) heads: Vec<BlobId>,
    /// Mailboxes that have new rows.
    pub(super) grown: BTreeSet<MailboxId>,
    /// Whether the queue was changed.
    pub(super) queued: bool,
    /// Accounts that whoever logged in before acts for no more.
    pub(super) revoked: BTreeSet<AccountId>,
    /// How many abandoned uploads are in the store's own list now.
    pub(super) abandoned: usize,
}

impl<'t> Batch<'t> {
    /// A batch that is done now, which is this second since 1970.
    pub(super) fn begin(transaction: &'t WriteTransaction, shared: &'t Shared, now: i64) -> Result<Batch<'t>, Fault> {
        let tables = Tables {
            config: transaction.open_table(CONFIG)?,
            account: transaction.open_table(ACCOUNT)?,
            address: transaction.open_table(ADDRESS)?,
            mailbox: transaction.open_table(MAILBOX)?,
            name: transaction.open_table(NAME)?,
            subscription: transaction.open_table(SUBSCRIPTION)?,
            msg: transaction.open_table(MSG)?,
            vanished: transaction.open_table(VANISHED)?,
            head: transaction.open_table(HEAD)?,
            body: transaction.open_table(BODY)?,
            refs: transaction.open_table(REFS)?,
            doomed: transaction.open_table(DOOMED)?,
            staging: transaction.open_table(STAGING)?,
            queue: transaction.open_table(QUEUE)?,
            due: transaction.open_table(DUE)?,
            kept: transaction.open_table(KEPT)?,
        };
        Ok(Batch {
            transaction,
            tables,
            shared,
            mailboxes: BTreeMap::new(),
            accounts: BTreeMap::new(),
            changes: BTreeMap::new(),
            touched: false,
            half_done: false,
            now,
            repeating: false,
            heads: BTreeMap::new(),
            grown: BTreeSet::new(),
            closed: BTreeSet::new(),
            queued: false,
            revoked: BTreeSet::new(),
            taken: 0,
            freed: 0,
            abandoned: 0,
        })
    }

    /// A batch of what was granted once already: the disk is not asked whether there is room, and each record brings its
    /// moment.
    pub(super) fn repeat(transaction: &'t WriteTransaction, shared: &'t Shared) -> Result<Batch<'t>, Fault> {
        Ok(Batch { repeating: true, ..Batch::begin(transaction, shared, 0)? })
    }

    /// What comes next was done at this second since 1970.
    pub(super) fn set_moment(&mut self, now: i64) {
        self.now = now;
    }

    /// Does one write. What it comes to follows from it, the tables and the moment alone: the same again, when the journal
    /// is applied after a crash.
    pub(super) fn apply(&mut self, write: &Write) -> Result<Outcome, StoreError> {
        let earlier = std::mem::take(&mut self.touched);
        let done = self.change_for(write);
        self.half_done |= self.touched && matches!(done, Err(StoreError::Refused(_)));
        self.touched |= earlier;
        done
    }

    /// Whether a write that was refused left something behind: this batch must not be committed.
    pub(super) fn is_half_done(&self) -> bool {
        self.half_done
    }

    fn change_for(&mut self, write: &Write) -> Result<Outcome, StoreError> {
        match write {
            Write::AddAccount(account) => self.add_account(account),
            Write::SetCredentials { account, credentials } => {
                let done = self.change_account(*account, |record| record.credentials = credentials.clone())?;
                self.revoked.insert(*account);
                Ok(done)
            }
            Write::SetLimits { account, limits } => self.change_account(*account, |record| record.limits = *limits),
            Write::RemoveAccount(account) => self.remove_account(*account),
            Write::CreateMailbox { account, name, special } => self.create_mailbox(*account, name, *special),
            Write::DeleteMailbox { account, name } => self.delete_mailbox(*account, name.as_str()),
            Write::RenameMailbox { account, from, to } => self.rename_mailbox(*account, from, to),
            Write::Subscribe { account, name, on } => self.subscribe(*account, name.as_str(), *on),
            Write::Append { mailbox, message } => self.append(*mailbox, message),
            Write::Store { mailbox, uids, change } => self.store(*mailbox, uids, change),
            Write::Copy { from, uids, to } => self.copy(*from, uids, *to),
            Write::Move { from, uids, to } => self.move_messages(*from, uids, *to),
            Write::Expunge { mailbox, uids } => self.expunge(*mailbox, uids.as_ref()),
            Write::Stage(parcel) => self.stage(parcel),
            Write::Sweep => self.sweep(),
            Write::Mend(mends) => self.mend(mends),
            Write::SetPop3 { account, pop3 } => self.change_account(*account, |record| record.pop3 = *pop3),
            Write::Retire { mailbox, uids, how } => self.retire(*mailbox, uids, *how),
            Write::SetUniqueIds { mailbox, ids } => self.set_unique_ids(*mailbox, ids),
            Write::Expire { mailbox, uids, before } => self.expire(*mailbox, uids, *before),
            Write::KeepFormat => {
                self.touched |= self.let_go_of_the_way_back()?;
                Ok(Outcome::Done)
            }
            Write::Deliver(delivery) => Ok(Outcome::Delivered(self.deliver(delivery)?)),
            Write::Queue { id, revision, now_is, told } => {
                self.requeue(*id, *revision, now_is.as_deref(), told.as_deref())
            }
            Write::Keep { space, key, value } => self.keep(*space, key, value.as_deref()),
            Write::ForgetMarks { now } => self.forget_marks(*now),
            Write::Provider(change) => self.change_provider(change),
            Write::Arrive(arrival) => self.arrival(arrival),
            Write::AddAlias { address, targets } => self.add_alias(address, targets),
            Write::RemoveAlias { address, targets } => self.remove_alias(address, targets),
            Write::AddDomain { domain, now } => self.add_domain(domain, *now),
            Write::RemoveDomain { domain } => self.remove_domain(domain),
            Write::SetDetail { account, detail } => self.put_filing(*account, |filing| filing.detail = *detail),
            Write::SetVacation { account, vacation } => self.set_vacation(*account, vacation.as_ref()),
            Write::EditRules { account, edit } => self.edit_rules(*account, edit),
            Write::Warn { account, level, told } => self.warn(*account, *level, told.as_deref()),
            Write::RenewCredentials { account, from, to } => self.renew_credentials(*account, from, to),
            Write::CloseAccount { account, now } => self.close_account(*account, *now),
            Write::ReopenAccount { account, address } => self.reopen_account(*account, address),
            Write::EraseClosed(account) => self.erase_closed(*account),
            Write::AgeClosed { now } => self.age_closed(*now),
            Write::CopyStep { copy, from, uids, total, last } => self.copy_step(*copy, *from, uids, *total, *last),
            Write::Uncopy { copy, uids, last } => self.uncopy(*copy, uids, *last),
        }
    }

    /// Notes from which UID on messages are recent, for the next time that the mailbox is opened after a restart.
    pub(super) fn save_recents(&mut self, recents: &BTreeMap<MailboxId, u32>) -> Result<(), Fault> {
        for (&mailbox, &recent_from) in recents {
            match self.mailbox(mailbox) {
                Ok(record) if record.recent_from < recent_from => {
                    record.recent_from = recent_from;
                    self.mark(mailbox);
                }
                Ok(_) | Err(StoreError::Refused(_)) => {}
                Err(StoreError::Fault(fault)) => return Err(fault),
            }
        }
        Ok(())
    }

    /// Puts the heads of these blobs next to each other, in pages that have not been on the disk yet: who looks through a
    /// mailbox after a cold start then finds many with one trip.
    pub(super) fn gather_heads(&mut self, blobs: &[BlobId]) -> Result<(), Fault> {
        for blob in blobs {
            self.gather_head(*blob)?;
        }
        Ok(())
    }

    /// Writes a head again; its octets.
    fn gather_head(&mut self, blob: BlobId) -> Result<usize, Fault> {
        // What cannot be read stays where it is: whoever asks for it is told.
        let find =
            || Ok::<_, Fault>(redb::ReadableTable::get(&self.tables.head, blob.0)?.map(|head| head.value().to_vec()));
        let head = match contained(find) {
            Err(Fault::Corrupt(_)) => return Ok(0),
            found => found?,
        };
        let Some(head) = head else { return Ok(0) };
        self.tables.head.insert(blob.0, head.as_slice())?;
        Ok(head.len())
    }

    /// Puts the rows of a mailbox that grew next to each other, and their heads, once they are enough to be worth it: they
    /// came in one by one, each between bodies. Written once more, they are found with one trip instead of a hundred.
    pub(super) fn gather_rows(&mut self, mailbox: MailboxId) -> Result<(), Fault> {
        let (from, next) = match self.mailbox(mailbox) {
            Ok(record) => (record.gathered_below, record.uid_next.map_or(u32::MAX, Uid::number)),
            // It was removed meanwhile.
            Err(StoreError::Refused(_)) => return Ok(()),
            Err(StoreError::Fault(fault)) => return Err(fault),
        };
        if next.saturating_sub(from) < ROWS_TOGETHER {
            return Ok(());
        }
        let (from, to) = (Uid::new(from).unwrap_or(Uid::FIRST), Uid::new(next).unwrap_or(Uid::FIRST));
        let range = msg_key(mailbox, from)..msg_key(mailbox, to);
        let find = || {
            let mut rows = Vec::new();
            let found = redb::ReadableTable::range::<&[u8; 12]>(&self.tables.msg, &range.start..&range.end)?;
            for row in found.take(ROWS_AT_ONCE) {
                let (key, row) = row?;
                rows.push((*key.value(), row.value().to_vec()));
            }
            Ok::<_, Fault>(rows)
        };
        let rows = match contained(find) {
            Err(Fault::Corrupt(_)) => return Ok(()),
            found => found?,
        };
        for (key, row) in &rows {
            self.tables.msg.insert(key, row.as_slice())?;
        }
        let mut octets = 0;
        for (_, row) in &rows {
            if octets > HEADS_AT_ONCE {
                break;
            }
            octets += self.gather_head(decode::<MessageStart>(row, "message")?.blob)?;
        }
        let below = match rows.last().and_then(|(key, _)| msg_uid(key)) {
            Some(last) if rows.len() == ROWS_AT_ONCE => last.number().saturating_add(1),
            _ => next,
        };
        if let Ok(record) = self.mailbox(mailbox) {
            record.gathered_below = below;
        }
        self.mark(mailbox);
        Ok(())
    }

    /// Notes which record of the journal is the last that the tables hold.
    pub(super) fn note_journal(&mut self, last: u64) -> Result<(), Fault> {
        if self.journal_noted()? != last {
            self.tables.config.insert(JOURNAL, last)?;
        }
        Ok(())
    }

    /// Which record of the journal is the last that the tables hold.
    pub(super) fn journal_noted(&self) -> Result<u64, Fault> {
        Ok(redb::ReadableTable::get(&self.tables.config, JOURNAL)?.map_or(0, |last| last.value()))
    }

    /// Of which format the journal is that these tables were taken over from last.
    pub(super) fn journal_format(&self) -> Result<u32, Fault> {
        let format = redb::ReadableTable::get(&self.tables.config, JOURNAL_FORMAT)?.map_or(1, |format| format.value());
        u32::try_from(format).map_err(|_| Fault::Corrupt("the journal's format"))
    }

    /// Notes that the tables hold all of the journals of earlier formats.
    pub(super) fn note_journal_format(&mut self, format: u32) -> Result<(), Fault> {
        if self.journal_format()? != format {
            self.tables.config.insert(JOURNAL_FORMAT, u64::from(format))?;
        }
        Ok(())
    }

    /// Lets go of how the tables were in an earlier format; whether there was such.
    pub(super) fn let_go_of_the_way_back(&mut self) -> Result<bool, Fault> {
        way_back::let_go(self.transaction, &mut self.tables.config)
    }

    /// When these tables were brought to their format, in seconds since 1970, while there is a way back from it.
    pub(super) fn brought_here(&self) -> Result<i64, Fault> {
        let brought = redb::ReadableTable::get(&self.tables.config, SAVEPOINT_TIME)?.map_or(0, |time| time.value());
        Ok(i64::try_from(brought).unwrap_or(i64::MAX))
    }

    /// Whether a write that came with this grant is refused: it was over before, or is so by what this batch does.
    pub(super) fn refuses(&self, grant: Option<&Grant>) -> bool {
        grant.is_some_and(|grant| grant.is_over() || self.revoked.contains(&grant.account()))
    }

    /// Rows that were changed: what doing it again costs.
    pub(super) fn rows(&self) -> u64 {
        self.changes.values().map(|change| (change.set.len() + change.removed.len()) as u64).sum()
    }

    /// Whether there is anything to commit.
    pub(super) fn is_touched(&self) -> bool {
        self.touched
    }

    /// Notes how much room the file has inside, for the next start.
    pub(super) fn save_room(&mut self) -> Result<(), Fault> {
        let inside = self.shared.space.inside();
        let saved = redb::ReadableTable::get(&self.tables.config, ROOM_INSIDE)?.map_or(0, |saved| saved.value());
        if saved != inside {
            self.tables.config.insert(ROOM_INSIDE, inside)?;
        }
        Ok(())
    }

    /// Notes what passed here, for the next start.
    pub(super) fn save_lived(&mut self, lived: &[u8]) -> Result<(), Fault> {
        self.tables.kept.insert(kept_key(Space::Lived, &[]).as_slice(), lived)?;
        Ok(())
    }

    /// When there was another format before this one, while there is a way back to it.
    pub(super) fn way_back_since(&self) -> Result<Option<i64>, Fault> {
        let since = redb::ReadableTable::get(&self.tables.config, SAVEPOINT_TIME)?.map(|time| time.value());
        Ok(since.map(|since| i64::try_from(since).unwrap_or(i64::MAX)))
    }

    /// Refuses what the disk has no room for.
    fn check_room(&self, octets: u64) -> Result<(), Refusal> {
        if self.repeating || self.shared.space.has_room(self.taken.saturating_add(octets)) {
            Ok(())
        } else {
            Err(Refusal::DiskFull)
        }
    }

    /// Writes what was gathered in memory and closes the tables.
    pub(super) fn finish(mut self) -> Result<Done, Fault> {
        for (blob, head) in &self.heads {
            self.tables.head.insert(blob.0, head.as_slice())?;
        }
        for (mailbox, cached) in &self.mailboxes {
            if cached.dirty {
                let record = encode(&cached.record)?;
                self.tables.mailbox.insert(mailbox.0, record.as_slice())?;
            }
        }
        Ok(Done {
            changes: std::mem::take(&mut self.changes),
            touched: self.touched,
            taken: self.taken,
            freed: self.freed,
            abandoned: self.abandoned,
            heads: self.heads.into_keys().collect(),
            grown: self.grown,
            queued: self.queued,
            revoked: self.revoked,
        })
    }

    /// A mailbox's record, to be changed; `mark` it then.
    fn mailbox(&mut self, mailbox: MailboxId) -> Result<&mut MailboxRecord, StoreError> {
        if self.closed.contains(&mailbox.account()) {
            return Err(Refusal::NoMailbox.into());
        }
        let cached = match self.mailboxes.entry(mailbox) {
            std::collections::btree_map::Entry::Occupied(cached) => cached.into_mut(),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                // What a removed account leaves is nobody's, until it is had back.
                if redb::ReadableTable::get(&self.tables.account, mailbox.account().0)?.is_none() {
                    return Err(Refusal::NoMailbox.into());
                }
                let found = redb::ReadableTable::get(&self.tables.mailbox, mailbox.0)?;
                let record = decode(found.ok_or(Refusal::NoMailbox)?.value(), "mailbox")?;
                vacant.insert(Cached { record, dirty: false })
            }
        };
        Ok(&mut cached.record)
    }

    /// The record was changed: it is written when the batch ends, and its counters are told.
    fn mark(&mut self, mailbox: MailboxId) {
        self.touched = true;
        if let Some(cached) = self.mailboxes.get_mut(&mailbox) {
            cached.dirty = true;
        }
    }

    /// What sessions on this mailbox are told; the record's modseq and next UID go with it.
    fn change(&mut self, mailbox: MailboxId) -> &mut Change {
        self.mark(mailbox);
        let change = self.changes.entry(mailbox).or_default();
        if let Some(cached) = self.mailboxes.get(&mailbox) {
            change.modseq = Some(cached.record.modseq);
            change.uid_next = cached.record.uid_next;
        }
        change
    }

    /// An account's limits, and what it stores as of this moment of the batch.
    fn account(&mut self, account: AccountId) -> Result<&mut (Limits, Usage), StoreError> {
        match self.accounts.entry(account) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let found = redb::ReadableTable::get(&self.tables.account, account.0)?;
                let record: Account = decode(found.ok_or(Refusal::NoAccount)?.value(), "account")?;
                let mut usage = usage_of(&self.tables.mailbox, account)?;
                // Mailboxes that this batch changed are written only when it ends.
                for (mailbox, cached) in
                    self.mailboxes.range(MailboxId::new(account, 0)..=MailboxId::new(account, u32::MAX))
                {
                    let stored: Option<MailboxRecord> = redb::ReadableTable::get(&self.tables.mailbox, mailbox.0)?
                        .map(|record| decode(record.value(), "mailbox"))
                        .transpose()?;
                    let (bytes, messages) = stored.map_or((0, 0), |stored| (stored.bytes, stored.messages));
                    usage.bytes = usage.bytes.saturating_sub(bytes).saturating_add(cached.record.bytes);
                    usage.messages = usage.messages.saturating_sub(messages).saturating_add(cached.record.messages);
                }
                Ok(vacant.insert((record.limits, usage)))
            }
        }
    }

    /// Refuses what would exceed the account's limits.
    fn check_quota(&mut self, account: AccountId, bytes: u64, messages: u64) -> Result<(), StoreError> {
        self.check_quota_with(account, bytes, messages, Grace::None)
    }

    /// Refuses what would exceed the account's limits, and the grace on top of them.
    fn check_quota_with(
        &mut self,
        account: AccountId,
        bytes: u64,
        messages: u64,
        grace: Grace,
    ) -> Result<(), StoreError> {
        let (limits, usage) = *self.account(account)?;
        let over = |limit: Option<u64>, used: u64, more: u64| {
            limit.is_some_and(|limit| used.saturating_add(more) > grace.over(limit))
        };
        if over(limits.bytes, usage.bytes, bytes) || over(limits.messages, usage.messages, messages) {
            return Err(Refusal::OverQuota.into());
        }
        Ok(())
    }

    /// Counts what the account stores on or off.
    fn charge(&mut self, account: AccountId, bytes: i64, messages: i64) {
        if let Some((_, usage)) = self.accounts.get_mut(&account) {
            usage.bytes = usage.bytes.saturating_add_signed(bytes);
            usage.messages = usage.messages.saturating_add_signed(messages);
        }
    }

    /// A number in `config` that only grows.
    fn raise(&mut self, key: &'static str, at_least: u64) -> Result<u64, Fault> {
        let last = redb::ReadableTable::get(&self.tables.config, key)?.map_or(0, |value| value.value());
        let next = at_least.max(last.checked_add(1).ok_or(Fault::Corrupt("a number in config is used up"))?);
        self.tables.config.insert(key, next)?;
        self.touched = true;
        Ok(next)
    }
}
