//! Opening the tables again after a failure: for writing where that is possible, else for reading.

use super::error::Fault;
use super::guard::contained;
use super::store::Shared;
use super::{replay, way_back};
use redb::Database;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

impl Shared {
    /// Whether there is a database to read from, and nothing failed since it was opened.
    pub(super) fn is_sound(&self) -> bool {
        !self.medium.has_failed() && self.database.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The writer has seen to what it was asked for.
    pub(super) fn looked(&self) {
        self.looked_for.store(false, Ordering::Relaxed);
    }

    /// After an I/O error redb's handle refuses everything until it is opened again; after a panic (`surely`) it cannot be
    /// trusted. Where nothing can be written any more, it is opened for reading. Only the writer calls this: nothing is
    /// committed meanwhile.
    pub(super) fn recover(&self, surely: bool) {
        if !self.is_frozen() && self.space.is_full() && self.space.drop_ballast() {
            log::error!("the disk is full: the ballast was let go");
        }
        let mut slot = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if !surely
            && let Some(database) = slot.as_ref()
            && database.begin_write().and_then(|probe| probe.abort().map_err(redb::TransactionError::Storage)).is_ok()
            // It may be the journal that failed.
            && (self.is_frozen() || self.medium.can_be_written())
        {
            // What failed was not needed.
            self.medium.forget_failure();
            return;
        }
        let old = slot.take();
        drop(slot);
        self.replace(old);
    }

    /// Where nothing could be written for a while: goes back to writing, if that is possible again.
    pub(super) fn thaw(&self) {
        let for_good = self.reads_only || self.is_remains.load(Ordering::SeqCst);
        if self.is_frozen() && !for_good && !self.space.is_used_up() && self.medium.can_be_written() {
            let old = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
            self.replace(old);
        }
    }

    /// Closes a database and opens it again.
    fn replace(&self, old: Option<Arc<Database>>) {
        // What was staged and not durable goes with it.
        self.abandoned.reopened();
        self.space.reopened();
        close(old);
        // Snapshots live for one bufferful: they are gone in a moment.
        for _ in 0..50 {
            match self.open_again() {
                Ok(()) => {
                    // A commit that failed at its end may be there all the same.
                    self.mirrors.reload(|| self.snapshot());
                    return;
                }
                Err(Fault::InUse) => std::thread::sleep(Duration::from_millis(20)),
                Err(fault) => {
                    log::error!("the store cannot be opened again: {fault}");
                    return;
                }
            }
        }
        log::error!("the store cannot be opened again yet: it is still being read");
    }

    fn open_again(&self) -> Result<(), Fault> {
        if !self.reads_only && self.medium.can_be_written() {
            match self.medium.open().and_then(|database| self.take_up(database, false)) {
                Ok(()) => {
                    log::warn!("the store was opened again after an error");
                    return Ok(());
                }
                Err(Fault::InUse) => return Err(Fault::InUse),
                Err(fault) => log::error!("the store cannot be opened for writing: {fault}"),
            }
        }
        // What was acknowledged can still be read, perhaps.
        match self.medium.open_frozen().and_then(|database| self.take_up(database, true)) {
            Err(Fault::Corrupt(_)) => {
                self.medium.open_remains().and_then(|database| self.take_up(database, true))?;
                self.is_remains.store(true, Ordering::SeqCst);
            }
            opened => opened?,
        }
        log::error!("nothing can be written to the disk: mail can only be read");
        Ok(())
    }

    /// Changes that are durable in the journal only went with the old handle: nothing is served from tables that lack what
    /// was acknowledged.
    fn take_up(&self, database: Database, frozen: bool) -> Result<(), Fault> {
        let database = Arc::new(database);
        let prepare = || {
            // Tables of an earlier format may have been brought to ours in memory only.
            if way_back::format_of(&database)? != Some(self.layout.format) {
                let folder = self.folder().filter(|_| !frozen);
                way_back::settle(&database, self.layout, folder, self.medium.now())?;
            }
            replay::repeat(self, &database, frozen)?;
            // And what a start that could not write left as it was, is put right now. Uploads that were under way are cut
            // off by each opening.
            if frozen { Ok(()) } else { replay::put_right(self, &database, self.medium.now()) }
        };
        if let Err(fault) = contained(prepare) {
            close(Some(database));
            return Err(fault);
        }
        self.frozen.store(frozen, Ordering::SeqCst);
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
        Ok(())
    }
}

/// redb writes when it closes, and panics if it then meets damage.
pub(super) fn close(database: Option<Arc<Database>>) {
    if catch_unwind(AssertUnwindSafe(|| drop(database))).is_err() {
        log::error!("the store did not close well");
    }
}
