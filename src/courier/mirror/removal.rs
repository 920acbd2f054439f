//! Deletions: one by one, and never in bulk without a second look.

use super::error::Error;
use super::line::Io;
use super::merge::{SECOND_LOOK, is_bulk};
use super::pass::Pass;
use super::scan::Found;
use crate::store::Step;

/// Deletions there between two notes that they were done.
const SOME: usize = 100;

impl<S: Io> Pass<'_, S> {
    /// What was deleted on one side is deleted on the other.
    pub(super) async fn remove(&mut self, found: &mut [Found]) -> Result<(), Error> {
        // What is missing may be among what was not looked at yet, and would have to be fetched again.
        let more_there = found.iter().any(|folder| folder.more_there);
        for folder in found {
            if more_there && !folder.gone_there.is_empty() {
                folder.left = true;
            } else {
                self.remove_here(folder).await?;
            }
            self.remove_there(folder).await?;
        }
        Ok(())
    }

    async fn remove_here(&mut self, folder: &mut Found) -> Result<(), Error> {
        let Some(mailbox) = folder.far.local else { return Ok(()) };
        let missing = folder.gone_there.len();
        if !self.is_believed(missing, folder.agreed, folder.far.missing_there) {
            folder.held.0 = missing;
            let name = &folder.far.name;
            self.tally.held.push(format!("{missing} messages of {name} are missing at the provider, and kept here"));
            return Ok(());
        }
        let steps = folder.gone_there.iter().filter_map(|pair| {
            let uid = pair.local?;
            Some(Step::Delete { folder: folder.id, remote: pair.remote, mailbox, uid })
        });
        let steps: Vec<Step> = steps.collect();
        if !steps.is_empty() {
            log::debug!("{} messages of {} were deleted there, and are here", steps.len(), folder.far.name);
        }
        self.steps(steps).await.map(|_| ())
    }

    async fn remove_there(&mut self, folder: &mut Found) -> Result<(), Error> {
        let Some(remote) = folder.far.remote.clone() else { return Ok(()) };
        let missing = folder.gone_here.len();
        if missing == 0 {
            return Ok(());
        }
        if !self.is_believed(missing, folder.agreed, folder.far.missing_here) {
            folder.held.1 = missing;
            let name = &folder.far.name;
            self.tally.held.push(format!("{missing} messages of {name} are missing here, and kept at the provider"));
            return Ok(());
        }
        self.imap.need(&remote).await?;
        for some in folder.gone_here.chunks(SOME) {
            let uids: Vec<u32> = some.iter().map(|pair| pair.remote).collect();
            log::debug!("messages of {} were deleted here, and are there: {uids:?}", folder.far.name);
            match self.imap.expunge(&uids).await {
                Err(error) if error.is_refusal() => {
                    folder.left = true;
                    let name = &folder.far.name;
                    self.tally.held.push(format!("the provider deletes nothing in {name}: {error}"));
                    return Ok(());
                }
                expunged => expunged?,
            }
            let steps = uids.into_iter().map(|remote| Step::Unpair { folder: folder.id, remote });
            self.steps(steps.collect()).await?;
        }
        Ok(())
    }

    /// Whether so many missing messages were deleted, as far as can be told.
    fn is_believed(&self, missing: usize, of: usize, since: Option<i64>) -> bool {
        let seen_twice = since.is_some_and(|since| self.store.is_over(since, SECOND_LOOK));
        self.confirmed || seen_twice || !is_bulk(missing, of)
    }
}
