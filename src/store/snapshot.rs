//! What a reader sees: one consistent state. Never to be held across a wait: a slow client would pin redb's pages.

use super::behind::{self, Gap};
use super::error::Fault;
use super::guard::{Contained, contained};
use super::queue::{Mark, QueueId, Queued, Space};
use super::record::{Account, Head, MailboxRecord, Message, MessageStart, Usage, decode};
use super::schema::{
    ACCOUNT, ADDRESS, BODY, Bytes, DUE, HEAD, KEPT, Key12, MAILBOX, MSG, NAME, QUEUE, SUBSCRIPTION, VANISHED, body_key,
    due_parts, kept_key, key_name, msg_key, msg_uid, name_key, vanished_key,
};
use super::verified::Damage;
use super::write::Uids;
use crate::mail::{AccountId, BlobId, MailboxId, MailboxName, Uid, effort, other_spelling};
use redb::{
    AccessGuard, Key, Range, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, Value,
};
use serde::de::DeserializeOwned;
use std::ops::Bound;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A consistent state of the store.
pub struct Snapshot {
    transaction: ReadTransaction,
    // Opened on first use: most readers need two or three.
    msg: OnceLock<ReadOnlyTable<Key12, Bytes>>,
    head: OnceLock<ReadOnlyTable<u64, Bytes>>,
    body: OnceLock<ReadOnlyTable<Key12, Bytes>>,
    walk: Mutex<Walk>,
    damage: Arc<Damage>,
}

/// A walk through the heads, blob by blob, as most reading goes.
#[derive(Default)]
struct Walk {
    last: u64,
    rows: Option<Range<'static, u64, Bytes>>,
}

/// A step over at most so many ids is still a step.
const NEAR: u64 = 8;

/// Messages that can be read, and the first and the last UID of each gap between them.
pub type Readable = (Vec<(Uid, Message)>, Vec<(u32, u32)>);

/// A small record that is kept: its key without the space, and its value.
pub type Kept = (Vec<u8>, Vec<u8>);

/// A stored head, read in place.
pub struct StoredHead<'s>(AccessGuard<'s, Bytes>);

impl Snapshot {
    pub(super) fn of(database: &redb::Database, damage: Arc<Damage>) -> Result<Snapshot, Fault> {
        let transaction = database.begin_read()?;
        Ok(Snapshot {
            transaction,
            msg: OnceLock::new(),
            head: OnceLock::new(),
            body: OnceLock::new(),
            walk: Mutex::default(),
            damage,
        })
    }

    /// An account.
    pub fn account(&self, account: AccountId) -> Result<Option<Account>, Fault> {
        self.guarded(|| {
            let table = self.table(ACCOUNT)?;
            let found = table.get(account.0)?;
            found.map(|record| decode(record.value(), "account")).transpose()
        })
    }

    /// The account that this address, in lower case, belongs to; its domain in either spelling ([`other_spelling`]).
    pub fn account_of(&self, address: &str) -> Result<Option<AccountId>, Fault> {
        self.guarded(|| {
            let table = self.table(ADDRESS)?;
            let known = |address: &str| Ok::<_, Fault>(table.get(address)?.map(|account| AccountId(account.value())));
            match known(address)? {
                None => other_spelling(address).map_or(Ok(None), |other| known(&other)),
                found => Ok(found),
            }
        })
    }

    /// All accounts.
    pub fn accounts(&self) -> Result<Vec<(AccountId, Account)>, Fault> {
        self.guarded(|| {
            let table = self.table(ACCOUNT)?;
            let mut accounts = Vec::new();
            for row in table.iter()? {
                let (id, record) = row?;
                accounts.push((AccountId(id.value()), decode(record.value(), "account")?));
            }
            Ok(accounts)
        })
    }

    /// A mailbox by its id.
    pub fn mailbox(&self, mailbox: MailboxId) -> Result<Option<MailboxRecord>, Fault> {
        self.guarded(|| {
            let table = self.table(MAILBOX)?;
            let found = table.get(mailbox.0)?;
            found.map(|record| decode(record.value(), "mailbox")).transpose()
        })
    }

    /// A mailbox by its name, in any spelling of it; none where that is no name.
    pub fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<MailboxId>, Fault> {
        let Ok(name) = MailboxName::settle(name) else { return Ok(None) };
        // What a removed account leaves is nobody's, until it is had back.
        if self.guarded(|| Ok(self.table(ACCOUNT)?.get(account.0)?.is_none()))? {
            return Ok(None);
        }
        self.mailbox_kept_as(account, name.as_str())
    }

    /// A mailbox by its name exactly as it is kept.
    pub(super) fn mailbox_kept_as(&self, account: AccountId, name: &str) -> Result<Option<MailboxId>, Fault> {
        self.guarded(|| Ok(self.table(NAME)?.get(name_key(account, name).as_slice())?.map(|id| MailboxId(id.value()))))
    }

    /// The mailboxes of an account, in the order of their names' octets.
    pub fn mailboxes(&self, account: AccountId) -> Result<Vec<(MailboxId, MailboxRecord)>, Fault> {
        self.guarded(|| {
            let mut mailboxes = Vec::new();
            for row in mailboxes_of(&self.table(MAILBOX)?, account)? {
                mailboxes.push(row?);
            }
            mailboxes.sort_by(|a, b| a.1.name.cmp(&b.1.name));
            Ok(mailboxes)
        })
    }

    /// Reads what leads to an account's mailboxes, so that it is in memory; returns the first ones, at most so many.
    pub(super) fn look_up(&self, account: AccountId, most: usize) -> Result<Vec<MailboxId>, Fault> {
        self.guarded(|| {
            self.account(account)?;
            self.mailbox_named(account, "INBOX")?;
            mailboxes_of(&self.table(MAILBOX)?, account)?.take(most).map(|row| Ok(row?.0)).collect()
        })
    }

    /// The names that an account is subscribed to, in the order of their octets; mailboxes of these names need not exist.
    pub fn subscriptions(&self, account: AccountId) -> Result<Vec<String>, Fault> {
        self.guarded(|| {
            let table = self.table(SUBSCRIPTION)?;
            let mut names = Vec::new();
            let (from, to) = account_range(account);
            let bounds = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
            for row in table.range::<&[u8]>(bounds)? {
                let (key, _) = row?;
                names.push(key_name(key.value()).ok_or(Fault::Corrupt("a subscription's name"))?.to_owned());
            }
            Ok(names)
        })
    }

    /// What an account stores.
    pub fn usage(&self, account: AccountId) -> Result<Usage, Fault> {
        self.guarded(|| usage_of(&self.table(MAILBOX)?, account))
    }

    /// A message.
    pub fn message(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>, Fault> {
        self.guarded(|| {
            let found = self.msg()?.get(&msg_key(mailbox, uid))?;
            found.map(|record| decode(record.value(), "message")).transpose()
        })
    }

    /// The messages of a mailbox whose UIDs lie between the two, inclusive, ascending.
    pub fn messages(
        &self,
        mailbox: MailboxId,
        from: u32,
        to: u32,
    ) -> Result<impl Iterator<Item = Result<(Uid, Message), Fault>>, Fault> {
        self.guarded(|| Ok(Contained::new(messages_of(self.msg()?, mailbox, from, to)?)))
    }

    /// As `messages`, over what cannot be read: at most so many.
    pub fn readable_messages(
        &self,
        mailbox: MailboxId,
        (from, to): (u32, u32),
        limit: usize,
    ) -> Result<Readable, Fault> {
        let place = |uid: u32| u128::from(mailbox.0) << 64 | u128::from(uid) << 32;
        let (mut messages, mut damaged) = (Vec::new(), Vec::new());
        let table = self.guarded(|| self.msg())?;
        let gaps = behind::walk(table, place(from)..=place(to), |key, record| {
            match (msg_uid(key), decode::<Message>(record, "message")) {
                (Some(uid), Ok(message)) => messages.push((uid, message)),
                (uid, _) => damaged.push(uid.map_or((0, 0), |uid| (uid.number(), uid.number()))),
            }
            messages.len() < limit
        })?;
        let uid = |place: u128| u32::try_from(place << 64 >> 96).unwrap_or(u32::MAX);
        damaged.extend(gaps.into_iter().map(|Gap { from, to: end }| {
            let within = end.filter(|end| end >> 64 == u128::from(mailbox.0));
            (uid(from), within.map_or(to, |end| uid(end).saturating_sub(1)))
        }));
        Ok((messages, damaged))
    }

    /// As `mailboxes`, those that can be read; and whether there are others.
    pub fn readable_mailboxes(&self, account: AccountId) -> Result<(Vec<(MailboxId, MailboxRecord)>, bool), Fault> {
        let place = |number| u128::from(MailboxId::new(account, number).0) << 64;
        let (mut mailboxes, mut others) = (Vec::new(), false);
        let table = self.guarded(|| self.table(MAILBOX))?;
        let gaps = behind::walk(&table, place(0)..=place(u32::MAX), |id, record| {
            match decode::<MailboxRecord>(record, "mailbox") {
                Ok(record) => mailboxes.push((MailboxId(id), record)),
                Err(_) => others = true,
            }
            true
        })?;
        mailboxes.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        Ok((mailboxes, others || !gaps.is_empty()))
    }

    /// As `messages`, as far as rows in memory are made of them.
    pub(super) fn message_starts(
        &self,
        mailbox: MailboxId,
        from: u32,
        to: u32,
    ) -> Result<impl Iterator<Item = Result<(Uid, MessageStart), Fault>>, Fault> {
        self.guarded(|| Ok(Contained::new(records_of(self.msg()?, mailbox, from, to)?)))
    }

    /// A message in the queue.
    pub fn queued(&self, id: QueueId) -> Result<Option<Queued>, Fault> {
        self.guarded(|| {
            let table = self.table(QUEUE)?;
            let found = table.get(id.0)?;
            found.map(|record| decode(record.value(), "queue")).transpose()
        })
    }

    /// Messages in the queue, from this id on, at most so many.
    pub fn queue(&self, from: QueueId, limit: usize) -> Result<Vec<(QueueId, Queued)>, Fault> {
        self.guarded(|| {
            let table = self.table(QUEUE)?;
            let rows = table.range(from.0..)?.take(limit);
            rows.map(|row| {
                let (id, record) = row?;
                Ok((QueueId(id.value()), decode(record.value(), "queue")?))
            })
            .collect()
        })
    }

    /// When what is tried next is due, and which that is: the first ones, at most so many.
    pub fn due(&self, limit: usize) -> Result<Vec<(i64, QueueId)>, Fault> {
        self.guarded(|| {
            let table = self.table(DUE)?;
            table.iter()?.take(limit).map(|row| Ok(due_parts(row?.0.value()))).collect()
        })
    }

    /// A small record that a part of the program keeps for itself.
    pub fn kept(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.guarded(|| Ok(self.table(KEPT)?.get(kept_key(space, key).as_slice())?.map(|value| value.value().to_vec())))
    }

    /// Whether what is known by this key ([`super::Mark`]) was taken a short time ago.
    pub fn was_taken(&self, key: &[u8; 16], now: i64) -> Result<bool, Fault> {
        Ok(self.kept(Space::Accepted, key)?.is_some_and(|since| Mark::is_good(&since, now)))
    }

    /// All that is kept in a space, or below a key in it, by key: at most so many.
    pub fn all_kept(&self, space: Space, below: &[u8], limit: usize) -> Result<Vec<Kept>, Fault> {
        self.guarded(|| {
            let (table, prefix) = (self.table(KEPT)?, kept_key(space, below));
            let mut kept = Vec::new();
            for row in table.range(prefix.as_slice()..)?.take(limit) {
                let (key, value) = row?;
                if !key.value().starts_with(&prefix) {
                    break;
                }
                kept.push((key.value().get(1..).unwrap_or_default().to_vec(), value.value().to_vec()));
            }
            Ok(kept)
        })
    }

    /// What was expunged from a mailbox by changes after `since`, ascending (RFC 7162 §3.2.5.1).
    pub fn vanished(&self, mailbox: MailboxId, since: u64) -> Result<Vec<(u64, Uids)>, Fault> {
        self.guarded(|| {
            let (from, to) = (vanished_key(mailbox, since.saturating_add(1)), vanished_key(mailbox, u64::MAX));
            let mut vanished = Vec::new();
            for row in self.table(VANISHED)?.range::<&[u8; 16]>(&from..=&to)? {
                let (key, record) = row?;
                let [_, _, _, _, _, _, _, _, modseq @ ..] = *key.value();
                let modseq = u64::from_be_bytes(modseq);
                vanished.push((modseq, decode(record.value(), "expunge log")?));
            }
            Ok(vanished)
        })
    }

    /// The head of a blob, `None` when it is gone.
    pub fn head(&self, blob: BlobId) -> Result<Option<StoredHead<'_>>, Fault> {
        let found = self.guarded(|| self.find_head(blob));
        if found.is_err() {
            // What it was walking with is not to be trusted any more.
            *self.walk.lock().unwrap_or_else(PoisonError::into_inner) = Walk::default();
        }
        found
    }

    fn find_head(&self, blob: BlobId) -> Result<Option<StoredHead<'_>>, Fault> {
        let table = open(&self.head, || self.table(HEAD))?;
        let mut walk = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = blob.0.checked_sub(walk.last).filter(|ahead| (1..=NEAR).contains(ahead));
        walk.last = blob.0;
        if ahead.is_none() {
            walk.rows = None;
            return Ok(table.get(blob.0)?.map(StoredHead));
        }
        // The second in a row: the next ones will follow, and a step costs less than a search from the root.
        let rows = match &mut walk.rows {
            Some(rows) => rows,
            None => walk.rows.insert(table.range(blob.0..)?),
        };
        for row in rows {
            let (key, head) = row?;
            if key.value() == blob.0 {
                return Ok(Some(StoredHead(head)));
            }
            if key.value() > blob.0 {
                break;
            }
        }
        // It is not there, and the walk went past it.
        walk.rows = None;
        Ok(None)
    }

    pub(super) fn piece(&self, blob: BlobId, frame: u32, piece: u8) -> Result<AccessGuard<'_, Bytes>, Fault> {
        self.guarded(|| {
            let table = open(&self.body, || self.table(BODY))?;
            table.get(&body_key(blob, frame, piece))?.ok_or(Fault::Corrupt("a piece of a body is missing"))
        })
    }

    pub(super) fn is_whole(&self, blob: BlobId) -> bool {
        self.damage.is_whole(blob)
    }

    pub(super) fn find_whole(&self, blob: BlobId) {
        self.damage.find_whole(blob);
    }

    /// What cannot be read, or is not what it should be, is a fault, and noted.
    pub(super) fn guarded<T>(&self, read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        contained(read).inspect_err(|fault| self.damage.note(fault))
    }

    pub(super) fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<K, V>,
    ) -> Result<ReadOnlyTable<K, V>, Fault> {
        Ok(self.transaction.open_table(definition)?)
    }

    fn msg(&self) -> Result<&ReadOnlyTable<Key12, Bytes>, Fault> {
        open(&self.msg, || self.table(MSG))
    }
}

impl StoredHead<'_> {
    /// The head's fields, borrowed.
    pub fn read(&self) -> Result<Head<'_>, Fault> {
        effort::spend(effort::RECORD);
        decode(self.0.value(), "head")
    }
}

fn open<T>(cell: &OnceLock<T>, open: impl FnOnce() -> Result<T, Fault>) -> Result<&T, Fault> {
    if cell.get().is_none() {
        // Another thread may have been first: then its table serves as well.
        let _ = cell.set(open()?);
    }
    cell.get().ok_or(Fault::Corrupt("a table that was just opened"))
}

/// The keys of `name` and `subscription` that belong to an account.
pub(super) fn account_range(account: AccountId) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let end = match account.0.checked_add(1) {
        Some(next) => Bound::Excluded(name_key(AccountId(next), "")),
        None => Bound::Unbounded,
    };
    (Bound::Included(name_key(account, "")), end)
}

/// The mailboxes of an account, by number.
pub(super) fn mailboxes_of(
    table: &impl ReadableTable<u64, Bytes>,
    account: AccountId,
) -> Result<impl Iterator<Item = Result<(MailboxId, MailboxRecord), Fault>> + '_, Fault> {
    let rows = table.range(MailboxId::new(account, 0).0..=MailboxId::new(account, u32::MAX).0)?;
    Ok(rows.map(|row| {
        let (id, record) = row?;
        Ok((MailboxId(id.value()), decode(record.value(), "mailbox")?))
    }))
}

/// The sum of an account's mailbox counters.
pub(super) fn usage_of(table: &impl ReadableTable<u64, Bytes>, account: AccountId) -> Result<Usage, Fault> {
    let mut usage = Usage::default();
    for row in mailboxes_of(table, account)? {
        let (_, mailbox) = row?;
        usage.bytes = usage.bytes.saturating_add(mailbox.bytes);
        usage.messages = usage.messages.saturating_add(mailbox.messages);
    }
    Ok(usage)
}

/// The messages of a mailbox with UIDs from `from` to `to`.
pub(super) fn messages_of(
    table: &impl ReadableTable<Key12, Bytes>,
    mailbox: MailboxId,
    from: u32,
    to: u32,
) -> Result<impl Iterator<Item = Result<(Uid, Message), Fault>> + '_, Fault> {
    records_of(table, mailbox, from, to)
}

/// As `messages_of`, as much of each as is asked for.
fn records_of<M: DeserializeOwned>(
    table: &impl ReadableTable<Key12, Bytes>,
    mailbox: MailboxId,
    from: u32,
    to: u32,
) -> Result<impl Iterator<Item = Result<(Uid, M), Fault>> + '_, Fault> {
    let from = Uid::new(from).unwrap_or(Uid::FIRST);
    // An empty range, whatever was asked: redb takes a range whose end is before its start for a caller's fault.
    let to = Uid::new(to).unwrap_or(Uid::FIRST).max(from);
    let rows = table.range::<&[u8; 12]>(&msg_key(mailbox, from)..=&msg_key(mailbox, to))?;
    Ok(rows.map(|row| {
        effort::spend(effort::ROW);
        let (key, record) = row?;
        let uid = msg_uid(key.value()).ok_or(Fault::Corrupt("a message with UID 0"))?;
        Ok((uid, decode(record.value(), "message")?))
    }))
}
