//! The way back from a newer format: what the tables were before its first write.
//!
//! A program with a newer format takes a savepoint of redb in the very transaction that changes the tables, so that there
//! is no moment with one and not the other. The pages of that moment are kept: what is deleted or written anew afterwards
//! takes up new room, also what is younger than the savepoint: redb gives nothing back while there is one. It goes after 30
//! days, after one where room on the disk becomes short, or when the owner says that the data is to stay as it is.
//!
//! An older program does not open the newer format. Told by a file in the folder to go back, it restores the savepoint.
//! What came in since is lost by that, so it is done only if the owner said so, or if nothing came in: a newer version on
//! trial may have done no more than begin.
//!
//! Measured on 4,000 mails of 10 KB in 49 MB: nothing at first; 74 KB for each commit that reaches the tables, as after a
//! single mail and an idle moment (500 of them: 43 MB more instead of 6); 5 KB for each mail of many at once; and all that
//! is deleted. When it was let go, all of that was free again inside the file, which had grown to twice its size. With 100
//! such commits a day it comes to 220 MB in 30 days.

use super::error::Fault;
use super::journal;
use super::layout::Layout;
use super::privacy;
use super::record::{MailboxRecord, decode, encode};
use super::schema::{
    BLOB_CEILING, CONFIG, FORMAT_KEY, HEAD, JOURNAL, LAST_ACCOUNT, MAILBOX, SAVEPOINT, SAVEPOINT_BLOB,
    SAVEPOINT_FORMAT, SAVEPOINT_TIME, UID_VALIDITY,
};
use super::snapshot::Snapshot;
use super::store::Store;
use crate::mail::UidValidity;
use redb::{Database, ReadableDatabase, ReadableTable, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

/// In the data folder: restore what there was before a newer format, and how far that may go.
const MARKER: &str = "restore-format";
/// What it says: mail that came in since may be lost.
const DISCARD: &str = "discard";
/// So long the savepoint is kept, in seconds.
const KEPT: i64 = 30 * 24 * 60 * 60;
/// And this long, where room becomes short.
const KEPT_WHEN_SHORT: i64 = 24 * 60 * 60;

/// How the data was before the format became newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayBack {
    /// Its format.
    pub format: u32,
    /// When that was, in seconds since 1970.
    pub since: i64,
    /// How many messages came in since, and are still there.
    pub messages: u64,
}

/// Tells the next start in this folder to go back to the earlier format, and to give up what came in since.
pub fn ask_to_restore(folder: &Path) -> io::Result<()> {
    let mut file = privacy::create(&folder.join(MARKER))?;
    file.write_all(DISCARD.as_bytes())?;
    file.sync_all()?;
    fs::File::open(folder)?.sync_all()
}

impl Store {
    /// The way back, while there is one.
    pub fn way_back(&self) -> Result<Option<WayBack>, Fault> {
        let snapshot = self.snapshot()?;
        snapshot.guarded(|| way_back(&snapshot))
    }
}

fn way_back(snapshot: &Snapshot) -> Result<Option<WayBack>, Fault> {
    let config = snapshot.table(CONFIG)?;
    let number = |key| Ok::<_, Fault>(config.get(key)?.map(|value| value.value()));
    let (Some(format), Some(blob)) = (number(SAVEPOINT_FORMAT)?, number(SAVEPOINT_BLOB)?) else { return Ok(None) };
    let since = number(SAVEPOINT_TIME)?.unwrap_or(0);
    let mut messages = 0;
    // Blob ids only go up.
    for row in snapshot.table(HEAD)?.range(blob..)? {
        row?;
        messages += 1;
    }
    let format = u32::try_from(format).map_err(|_| Fault::Corrupt("the savepoint's format"))?;
    Ok(Some(WayBack { format, since: i64::try_from(since).unwrap_or(i64::MAX), messages }))
}

/// Brings the tables to our format: forward by the layout's steps, or back where the folder says so. Those of a store that
/// is just being made are left alone. No folder: nothing can be written to it, and all of this is in memory only. `now`: in
/// seconds since 1970.
pub(super) fn settle(database: &Database, layout: &Layout, folder: Option<&Path>, now: i64) -> Result<(), Fault> {
    let marker = folder.map(|folder| folder.join(MARKER));
    let wish = marker.as_deref().and_then(|marker| fs::read_to_string(marker).ok());
    let Some(mut format) = format_of(database)? else { return Ok(()) };
    if format > layout.format && wish.is_some() {
        restore(database, layout, folder, format, wish.as_deref().map(str::trim) == Some(DISCARD))?;
        format = format_of(database)?.unwrap_or(format);
    }
    if format > layout.format {
        return Err(Fault::TooNew(format));
    }
    // The newer version is still, or again, the one that runs: there is nothing to go back from.
    if let (Some(marker), Some(_)) = (marker, wish)
        && let Err(error) = fs::remove_file(&marker)
    {
        log::warn!("{}: {error}", marker.display());
    }
    if format < layout.format {
        migrate(database, layout, folder, format, now)?;
    }
    Ok(())
}

pub(super) fn format_of(database: &Database) -> Result<Option<u32>, Fault> {
    match database.begin_read()?.open_table(CONFIG) {
        Ok(config) => {
            let format = config.get(FORMAT_KEY)?.map(|format| format.value());
            let format = format.and_then(|format| u32::try_from(format).ok()).filter(|format| *format > 0);
            Ok(Some(format.ok_or(Fault::Corrupt("the format"))?))
        }
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// All steps to our format and the way back, in one transaction.
fn migrate(database: &Database, layout: &Layout, folder: Option<&Path>, format: u32, now: i64) -> Result<(), Fault> {
    let steps = layout.steps_from(format)?;
    let mut transaction = database.begin_write()?;
    // Else an opening after a power cut would walk the whole file.
    transaction.set_quick_repair(true);
    // Before anything else: redb takes one only of a state that is durable.
    let savepoint = transaction.persistent_savepoint()?;
    let blob = first_free_blob(&transaction)?;
    let earlier = transaction.open_table(CONFIG)?.get(SAVEPOINT)?.map(|earlier| earlier.value());
    if let Some(earlier) = earlier {
        // There is one other slot, and so one way back.
        transaction.delete_persistent_savepoint(earlier)?;
    }
    for step in steps {
        (step.tables)(&transaction)?;
    }
    {
        let mut config = transaction.open_table(CONFIG)?;
        config.insert(FORMAT_KEY, u64::from(layout.format))?;
        config.insert(SAVEPOINT, savepoint)?;
        config.insert(SAVEPOINT_FORMAT, u64::from(format))?;
        config.insert(SAVEPOINT_TIME, u64::try_from(now).unwrap_or(0))?;
        config.insert(SAVEPOINT_BLOB, blob)?;
    }
    if let Some(folder) = folder {
        // One that an earlier try left, before it was undone, says nothing of these tables.
        journal::remove(folder, layout.format)?;
    }
    transaction.commit()?;
    log::info!("the data has format {} now; how it was in format {format} is kept for 30 days", layout.format);
    Ok(())
}

fn first_free_blob(transaction: &WriteTransaction) -> Result<u64, Fault> {
    let ceiling = transaction.open_table(CONFIG)?.get(BLOB_CEILING)?.map_or(1, |ceiling| ceiling.value());
    let last = transaction.open_table(HEAD)?.last()?.map_or(0, |(blob, _)| blob.value());
    Ok(ceiling.max(last.saturating_add(1)))
}

/// What a newer format knows that must not be forgotten with the rest.
struct Newer {
    savepoint: u64,
    /// Numbers in `config` that only grow.
    numbers: Vec<(&'static str, u64)>,
    /// Mailboxes as they are stored; none where they cannot be told from others.
    mailboxes: HashMap<u64, Vec<u8>>,
    /// Messages that came in; `None` where that cannot be told.
    messages: Option<u64>,
    when: u64,
}

fn newer(database: &Database, layout: &Layout, folder: Option<&Path>, format: u32) -> Result<Newer, Fault> {
    let snapshot = Snapshot::of(database, Arc::default())?;
    let config = snapshot.table(CONFIG)?;
    let number = |key| Ok::<_, Fault>(config.get(key)?.map(|value| value.value()));
    let kept = number(SAVEPOINT_FORMAT)?.filter(|format| *format <= u64::from(layout.format));
    let Some(savepoint) = number(SAVEPOINT)?.filter(|_| kept.is_some()) else { return Err(Fault::TooNew(format)) };
    let mut numbers = Vec::new();
    for key in [BLOB_CEILING, LAST_ACCOUNT, UID_VALIDITY] {
        numbers.push((key, number(key)?.unwrap_or(0)));
    }
    let noted = number(JOURNAL)?.unwrap_or(0);
    let unsettled = match folder {
        Some(folder) => {
            let left = journal::find_file(folder, format)?;
            !journal::left_in(left.as_deref(), noted)?.payloads.is_empty()
        }
        None => false,
    };
    let mut mailboxes = HashMap::new();
    // The tables may be others than ours: what cannot be read has changed.
    if let (false, Ok(table)) = (unsettled, snapshot.table(MAILBOX)) {
        for row in table.iter()? {
            let (id, record) = row?;
            mailboxes.insert(id.value(), record.value().to_vec());
        }
    }
    let messages = if unsettled { None } else { way_back(&snapshot).ok().flatten().map(|way_back| way_back.messages) };
    Ok(Newer { savepoint, numbers, mailboxes, messages, when: number(SAVEPOINT_TIME)?.unwrap_or(0) })
}

/// The tables as they were before the newer format; `discard`: whatever came in since.
fn restore(
    database: &Database,
    layout: &Layout,
    folder: Option<&Path>,
    format: u32,
    discard: bool,
) -> Result<(), Fault> {
    let newer = newer(database, layout, folder, format)?;
    if !discard && newer.messages != Some(0) {
        let count = newer.messages.map_or_else(|| "some".to_owned(), |messages| messages.to_string());
        log::error!("the data is not taken back to its earlier format by itself: {count} messages came in since");
        return Err(Fault::TooNew(format));
    }
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    let savepoint = transaction.get_persistent_savepoint(newer.savepoint)?;
    transaction.restore_savepoint(&savepoint)?;
    drop(savepoint);
    keep_what_grows(&transaction, &newer)?;
    transaction.delete_persistent_savepoint(newer.savepoint)?;
    transaction.commit()?;
    if let Some(folder) = folder {
        journal::remove(folder, format)?;
    }
    log::warn!("the data is as it was before it got format {format}, at {} seconds since 1970", newer.when);
    Ok(())
}

/// No number that a client may have seen means something else from now on.
fn keep_what_grows(transaction: &WriteTransaction, newer: &Newer) -> Result<(), Fault> {
    let mut config = transaction.open_table(CONFIG)?;
    // It may have known of an earlier savepoint, which the newer format replaced.
    forget_savepoint(&mut config)?;
    let mut validity = 0;
    for (key, number) in &newer.numbers {
        let ours = config.get(*key)?.map_or(0, |ours| ours.value());
        let number = (*number).max(ours);
        config.insert(*key, number)?;
        if *key == UID_VALIDITY {
            validity = number;
        }
    }
    // The next message in a mailbox that changed gets a UID that another one had: a new generation (RFC 9051 §2.3.1.1).
    let mut mailboxes = transaction.open_table(MAILBOX)?;
    let mut changed = Vec::new();
    for row in mailboxes.iter()? {
        let (id, record) = row?;
        if newer.mailboxes.get(&id.value()).is_none_or(|before| before != record.value()) {
            changed.push((id.value(), decode::<MailboxRecord>(record.value(), "mailbox")?));
        }
    }
    for (id, mut record) in changed {
        validity += 1;
        let number = u32::try_from(validity).ok().and_then(NonZeroU32::new);
        record.uid_validity = UidValidity(number.ok_or(Fault::Corrupt("UIDVALIDITY is used up"))?);
        mailboxes.insert(id, encode(&record)?.as_slice())?;
    }
    config.insert(UID_VALIDITY, validity)?;
    Ok(())
}

/// Lets the way back go, if there is one; whether it was there.
pub(super) fn let_go(
    transaction: &WriteTransaction,
    config: &mut redb::Table<'_, &'static str, u64>,
) -> Result<bool, Fault> {
    let Some(savepoint) = config.get(SAVEPOINT)?.map(|savepoint| savepoint.value()) else { return Ok(false) };
    transaction.delete_persistent_savepoint(savepoint)?;
    forget_savepoint(config)?;
    Ok(true)
}

fn forget_savepoint(config: &mut redb::Table<'_, &'static str, u64>) -> Result<(), Fault> {
    for key in [SAVEPOINT, SAVEPOINT_FORMAT, SAVEPOINT_TIME, SAVEPOINT_BLOB] {
        config.remove(key)?;
    }
    Ok(())
}

/// So many seconds that passed here a savepoint is kept.
pub(super) fn kept_for(room_is_short: bool) -> i64 {
    if room_is_short { KEPT_WHEN_SHORT } else { KEPT }
}
