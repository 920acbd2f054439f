//! What has to be done when the tables were opened, before anybody sees them.

use super::apply::{Batch, Settled};
use super::error::{Fault, StoreError};
use super::guard::undoable;
use super::journal::{self, Journal, Left, Record};
use super::store::Shared;
use redb::Database;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Does again what is durable in the journal only, and begins the journal anew: after every opening of the tables.
/// `frozen`: the journal stays as it is, and no other record goes in. Each record is applied at its own moment, not at
/// today's: nothing here asks a clock.
pub(super) fn repeat(shared: &Shared, database: &Database, frozen: bool) -> Result<(), Fault> {
    let medium = &shared.medium;
    let mut slot = shared.journal();
    *slot = None;
    let mut transaction = database.begin_write()?;
    let mut batch = undoable(|| Batch::repeat(&transaction, shared))?;
    let (format, noted) = (shared.layout.format, batch.journal_noted()?);
    // Tables that were just taken over from an earlier format have that one's journal still to come.
    let earlier = batch.journal_format()?;
    let (read, brought) = (shared.layout.reader_of(earlier)?, batch.brought_here()?);
    let (journal, left) = if earlier == format && !frozen {
        let Some(file) = medium.open_journal(format)? else { return Ok(()) };
        let (journal, left) = Journal::open(file, noted)?;
        (Some(journal), left)
    } else {
        let left = journal::left_in(medium.find_journal(earlier)?.as_deref(), noted)?;
        // Ours begins with these tables.
        let ours = if frozen { None } else { medium.open_journal(format)? };
        let journal = ours.map(|file| Journal::open(file, left.last)).transpose()?.map(|(journal, _)| journal);
        (journal, left)
    };
    let Left { payloads, last, is_damaged } = left;
    if is_damaged {
        medium.damage().meet_record("its journal: some of the last changes are lost");
        medium.keep_journal(earlier);
    }
    // What cannot be done since what it would change is damaged.
    let mut lost = BTreeSet::new();
    while let Err((place, fault)) = apply(&mut batch, &payloads, &lost, |payload| read(payload, brought)) {
        // The journal keeps it where nothing is written; elsewhere this is not to be gone on with.
        if !frozen || !matches!(fault, Fault::Corrupt(_)) || !lost.insert(place) {
            return Err(fault);
        }
        medium.damage().note(&fault);
        drop(batch);
        transaction.abort()?;
        transaction = database.begin_write()?;
        batch = undoable(|| Batch::repeat(&transaction, shared))?;
    }
    if payloads.is_empty() && earlier == format {
        drop(batch);
        transaction.abort()?;
    } else {
        batch.note_journal(last)?;
        batch.note_journal_format(format)?;
        undoable(|| batch.finish())?;
        transaction.commit()?;
        log::info!("{} batches of changes were taken over from the journal", payloads.len());
    }
    shared.fresh().clear();
    *slot = journal.map(|mut journal| {
        journal.begin_again();
        journal
    });
    Ok(())
}

/// Which write of which record.
type Place = (usize, usize);

/// Does what these records hold but for `lost`; `Err` says where that ended.
fn apply(
    batch: &mut Batch<'_>,
    payloads: &[Vec<u8>],
    lost: &BTreeSet<Place>,
    read: impl Fn(&[u8]) -> Result<Record, Fault>,
) -> Result<(), (Place, Fault)> {
    for (number, payload) in payloads.iter().enumerate() {
        let Record { now, writes } = read(payload).map_err(|fault| ((number, usize::MAX), fault))?;
        batch.set_moment(now);
        for (within, write) in writes.iter().enumerate().filter(|(within, _)| !lost.contains(&(number, *within))) {
            match undoable(|| batch.apply(write)) {
                Ok(_) => {}
                Err(StoreError::Fault(fault)) => return Err(((number, within), fault)),
                Err(StoreError::Refused(refusal)) => log::error!("a change could not be done again: {refusal}"),
            }
        }
    }
    Ok(())
}

/// Prepares a store that was just opened; what is put right at this start is so at `now`, in seconds since 1970.
pub(super) fn prepare(shared: &Arc<Shared>, now: i64) -> Result<(), Fault> {
    let database = shared.database()?;
    repeat(shared, &database, shared.is_frozen())?;
    if shared.is_frozen() { Ok(()) } else { put_right(shared, &database, now) }
}

/// What uploads left that were cut off goes, and names are what they are to be.
pub(super) fn put_right(shared: &Shared, database: &Database, now: i64) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    let mut batch = undoable(|| Batch::begin(&transaction, shared, now))?;
    let settled = match undoable(|| batch.clear_staging().and_then(|()| batch.settle_names())) {
        Ok(settled) => settled,
        Err(StoreError::Fault(fault @ Fault::Corrupt(_))) => {
            // No reason not to serve what is whole.
            shared.medium.damage().note(&fault);
            log::error!("what a start puts right was left undone: {fault}");
            drop(batch);
            transaction.abort()?;
            return Ok(());
        }
        Err(StoreError::Fault(fault)) => return Err(fault),
        Err(StoreError::Refused(_)) => return Err(Fault::Corrupt("what a start puts right was refused")),
    };
    let done = batch.finish()?;
    if done.touched {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    for Settled { owner, was, name, merged } in settled {
        if merged {
            log::warn!(
                "the mailbox {was:?} of {owner} is one with {name:?}: its messages are there now, with new UIDs"
            );
        } else {
            log::warn!("the mailbox {was:?} of {owner} is called {name:?} now");
        }
    }
    Ok(())
}
