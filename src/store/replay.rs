//! What has to be done when the tables were opened, before anybody sees them.

use super::apply::{Batch, Settled};
use super::error::{Fault, StoreError};
use super::guard::undoable;
use super::journal::{self, Journal, Record};
use super::store::Shared;
use redb::Database;
use std::sync::Arc;

/// Does again what is durable in the journal only, and begins the journal anew: after every opening of the tables.
/// `frozen`: the journal stays as it is, and no other record goes in. Each record is applied at its own moment, not at
/// today's: nothing here asks a clock.
pub(super) fn repeat(shared: &Shared, database: &Database, frozen: bool) -> Result<(), Fault> {
    let medium = &shared.medium;
    let mut slot = shared.journal();
    *slot = None;
    let transaction = database.begin_write()?;
    let mut batch = Batch::repeat(&transaction, shared)?;
    let (format, noted) = (shared.layout.format, batch.journal_noted()?);
    // Tables that were just taken over from an earlier format have that one's journal still to come.
    let earlier = batch.journal_format()?;
    let (read, brought) = (shared.layout.reader_of(earlier)?, batch.brought_here()?);
    let (journal, payloads, last) = if earlier == format && !frozen {
        let Some(file) = medium.open_journal(format)? else { return Ok(()) };
        let (journal, payloads) = Journal::open(file, noted)?;
        let last = journal.last();
        (Some(journal), payloads, last)
    } else {
        let left = medium.find_journal(earlier)?;
        let (payloads, last) = journal::left_in(left.as_deref(), noted)?;
        // Ours begins with these tables.
        let ours = if frozen { None } else { medium.open_journal(format)? };
        let journal = ours.map(|file| Journal::open(file, last)).transpose()?.map(|(journal, _)| journal);
        (journal, payloads, last)
    };
    for payload in &payloads {
        let Record { now, writes } = read(payload, brought)?;
        batch.set_moment(now);
        for write in writes {
            match batch.apply(&write) {
                Ok(_) => {}
                Err(StoreError::Fault(fault)) => return Err(fault),
                Err(StoreError::Refused(refusal)) => log::error!("a change could not be done again: {refusal}"),
            }
        }
    }
    if payloads.is_empty() && earlier == format {
        drop(batch);
        transaction.abort()?;
    } else {
        batch.note_journal(last)?;
        batch.note_journal_format(format)?;
        batch.finish()?;
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

/// Prepares a store that was just opened; what is put right at this start is so at `now`, in seconds since 1970.
pub(super) fn prepare(shared: &Arc<Shared>, now: i64) -> Result<(), Fault> {
    let database = shared.database()?;
    repeat(shared, &database, shared.is_frozen())?;
    if shared.is_frozen() {
        return Ok(());
    }
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
