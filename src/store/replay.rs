//! What has to be done when the tables were opened, before anybody sees them.

use super::apply::{Batch, Settled};
use super::error::{Fault, StoreError};
use super::journal::{self, Journal};
use super::store::Shared;
use redb::Database;
use std::sync::Arc;

/// Does again what is durable in the journal only, and begins the journal anew: after every opening of the tables.
/// `frozen`: the journal stays as it is, and no other record goes in.
pub(super) fn repeat(shared: &Shared, database: &Database, frozen: bool) -> Result<(), Fault> {
    let Some(folder) = shared.folder() else { return Ok(()) };
    let mut slot = shared.journal();
    *slot = None;
    let transaction = database.begin_write()?;
    let mut batch = Batch::begin(&transaction, shared)?;
    batch.repeat();
    let (format, noted) = (shared.layout.format, batch.journal_noted()?);
    // Tables that were just taken over from an earlier format have that one's journal still to come.
    let earlier = batch.journal_format()?;
    let read = shared.layout.reader_of(earlier)?;
    let (journal, payloads, last) = if earlier == format && !frozen {
        let (journal, payloads) = Journal::open(folder, format, noted)?;
        let last = journal.last();
        (Some(journal), payloads, last)
    } else {
        let (payloads, last) = journal::left_by(folder, earlier, noted)?;
        // Ours begins with these tables.
        let journal = if frozen { None } else { Some(Journal::open(folder, format, last)?.0) };
        (journal, payloads, last)
    };
    for payload in &payloads {
        for write in read(payload)? {
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

/// Prepares a store that was just opened.
pub(super) fn prepare(shared: &Arc<Shared>) -> Result<(), Fault> {
    let database = shared.database()?;
    repeat(shared, &database, shared.is_frozen())?;
    if shared.is_frozen() {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    let mut batch = Batch::begin(&transaction, shared)?;
    let settled = match batch.clear_staging().and_then(|()| batch.settle_names()) {
        Ok(settled) => settled,
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
