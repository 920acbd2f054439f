//! One look at a two-way mirror: both sides are compared with what they agreed on last, and made the same again.
//!
//! Nothing is decided from one side alone. Folders come first (`folders`); then each folder is looked at (`scan`), where
//! flags are settled at once; then what is missing in one folder and new in another is found as a move (`moves`); what is
//! left is deleted (`removal`) or carried over (`transfer`). Every step is durable by itself together with the note that it
//! was done, or can be found again where only the other side knows of it: a look that breaks off anywhere is simply begun
//! again.

use super::error::Error;
use super::imap::Imap;
use super::line::Io;
use super::names::Spelling;
use super::scan::Found;
use crate::mail::AccountId;
use crate::store::{FarFolder, FolderId, Outcome, ProviderChange, ProviderId, Snapshot, Step, Store, Write};
use std::sync::Arc;

/// Steps in one write.
const STEPS: usize = 256;

/// What came of a look.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Messages that went there.
    pub sent: u64,
    /// What is held back, in words.
    pub held: Vec<String>,
    /// There is more to do at once.
    pub again: bool,
}

/// A look under way.
pub struct Pass<'i, S> {
    pub(super) store: Arc<Store>,
    pub(super) id: ProviderId,
    pub(super) account: AccountId,
    pub(super) imap: &'i mut Imap<S>,
    pub(super) spelling: Spelling,
    pub(super) now: i64,
    /// The owner confirmed what was held back.
    pub(super) confirmed: bool,
    pub(super) tally: Tally,
}

/// A folder in this look.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: FolderId,
    pub(super) far: FarFolder,
    /// Nothing changed since all was agreed.
    pub(super) quiet: bool,
}

impl<'i, S: Io> Pass<'i, S> {
    pub fn new(
        store: &Arc<Store>,
        id: ProviderId,
        account: AccountId,
        imap: &'i mut Imap<S>,
        now: i64,
        confirmed: bool,
    ) -> Pass<'i, S> {
        let (store, spelling) = (Arc::clone(store), Spelling::default());
        Pass { store, id, account, imap, spelling, now, confirmed, tally: Tally::default() }
    }

    /// Makes both sides the same. What came of it is there also where it fails.
    pub async fn run(&mut self) -> Result<(), Error> {
        let entries = self.folders().await?;
        let mut found = Vec::new();
        for entry in entries {
            if entry.quiet {
                continue;
            }
            let name = entry.far.name.clone();
            match self.look(entry).await {
                // Of the others it may be given out.
                Err(error) if error.is_refusal() => {
                    self.tally.held.push(format!("the folder {name} cannot be looked into: {error}"));
                }
                looked => found.push(looked?),
            }
        }
        self.recognise(&mut found).await?;
        self.move_there(&mut found).await?;
        self.move_here(&mut found).await?;
        self.move_on(&mut found).await?;
        self.remove(&mut found).await?;
        self.carry(&mut found).await?;
        self.settle(found).await
    }

    /// Notes which folders are agreed on, and lets go of those that are gone.
    async fn settle(&mut self, found: Vec<Found>) -> Result<(), Error> {
        for folder in found {
            match (&folder.far.remote, folder.far.local) {
                (Some(_), Some(_)) => self.agree(folder).await?,
                _ => self.let_go(folder).await?,
            }
        }
        Ok(())
    }

    async fn agree(&mut self, mut folder: Found) -> Result<(), Error> {
        let before = folder.far.clone();
        folder.far.missing_there = folder.missing_there(self.now);
        folder.far.missing_here = folder.missing_here(self.now);
        if folder.is_clean() {
            folder.far.remote_modseq = folder.selected.highest_modseq;
            folder.far.remote_next = folder.selected.uid_next;
            folder.far.local_modseq = folder.local_modseq;
            if folder.compared_all {
                folder.far.compared = self.now;
            }
        }
        if folder.far != before {
            self.steps(vec![Step::Folder { folder: folder.id, now_is: folder.far }]).await?;
        }
        Ok(())
    }

    /// A folder that is gone on one side: once nothing of it is left to be settled, it goes on the other.
    async fn let_go(&mut self, mut folder: Found) -> Result<(), Error> {
        let (id, at) = (self.id, folder.id);
        if self.read(move |snapshot| Ok(snapshot.has_pairs(id, at)?)).await? {
            let before = folder.far.clone();
            folder.far.missing_there = folder.missing_there(self.now);
            folder.far.missing_here = folder.missing_here(self.now);
            if folder.far != before {
                self.steps(vec![Step::Folder { folder: folder.id, now_is: folder.far }]).await?;
            }
            return Ok(());
        }
        if let (Some(remote), None) = (&folder.far.remote, folder.far.local)
            && remote != b"INBOX"
        {
            log::debug!("the folder {} is removed there, if it is empty", folder.far.name);
            match self.vacate(remote, folder.id.0).await {
                // What came in there meanwhile is new, and so is the folder then.
                Err(error) if error.is_refusal() => {
                    let name = &folder.far.name;
                    self.tally.held.push(format!("the provider does not remove the folder {name}: {error}"));
                    return Ok(());
                }
                vacated => vacated?,
            }
        }
        let mut steps = vec![Step::Forget(folder.id)];
        if let (None, Some(mailbox)) = (&folder.far.remote, folder.far.local)
            && self.may_go(&folder).await?
        {
            log::debug!("the folder {} is deleted here, if it is empty", folder.far.name);
            steps.insert(0, Step::DropMailbox { mailbox });
        }
        self.steps(steps).await?;
        self.tally.again = true;
        Ok(())
    }

    /// Whether the mailbox of a folder that is gone there may go here: not INBOX, none with a role, none that another
    /// folder has by now.
    async fn may_go(&self, folder: &Found) -> Result<bool, Error> {
        let (id, at, local) = (self.id, folder.id, folder.far.local);
        self.read(move |snapshot| {
            let Some(mailbox) = local else { return Ok(false) };
            let taken = snapshot
                .far_folders(id)?
                .iter()
                .any(|(other, far)| *other != at && far.local == Some(mailbox) && far.remote.is_some());
            let record = snapshot.mailbox(mailbox)?;
            Ok(!taken && record.is_some_and(|record| record.special.is_none() && record.name != "INBOX"))
        })
        .await
    }

    /// Does steps here; which of them were done.
    pub(super) async fn steps(&self, steps: Vec<Step>) -> Result<Vec<bool>, Error> {
        let mut done = Vec::with_capacity(steps.len());
        let mut rest = steps.into_iter();
        loop {
            let some: Vec<Step> = rest.by_ref().take(STEPS).collect();
            if some.is_empty() {
                return Ok(done);
            }
            let change = ProviderChange::Steps { id: self.id, steps: some };
            match self.store.write(Write::Provider(Box::new(change))).await? {
                Outcome::Stepped(some) => done.extend(some),
                _ => return Err(Error::Gone),
            }
        }
    }

    /// Reads where a disk may be waited for.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        read_apart(&self.store, read).await
    }
}

/// Reads in a thread that may wait for the disk.
pub(super) async fn read_apart<T: Send + 'static>(
    store: &Arc<Store>,
    read: impl FnOnce(&Snapshot) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let store = Arc::clone(store);
    smol::unblock(move || {
        let snapshot = store.snapshot()?;
        read(&snapshot)
    })
    .await
}
