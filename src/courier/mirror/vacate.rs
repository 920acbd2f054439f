//! Removing a folder at the provider that is gone here, without what others put into it at that moment.

use super::error::Error;
use super::imap::FolderListed;
use super::line::Io;
use super::pass::Pass;
use crate::wire::imap::answer::Status;

/// What a folder is called between the moment in which nobody finds it any more and its end.
const LEAVING: &str = "Removed by Pillarbox";

impl<S: Io> Pass<'_, S> {
    /// Removes a folder if it is empty. IMAP knows no way to say both at once: so it gets another name first, under which
    /// nobody puts anything into it between our look and DELETE.
    pub(super) async fn vacate(&mut self, remote: &[u8], number: u32) -> Result<(), Error> {
        if self.imap.status(remote).await?.messages != Some(0) {
            return Ok(());
        }
        let below = self.imap.list().await?.into_iter().any(|folder| self.is_below(&folder, remote));
        if below {
            // They would go along with another name.
            return self.imap.delete(remote).await;
        }
        let leaving = self.spelling.far(&format!("{LEAVING} {number}"));
        match self.imap.rename(remote, &leaving).await {
            Err(error) if error.is_refusal() => return self.imap.delete(remote).await,
            renamed => renamed?,
        }
        if self.imap.status(&leaving).await?.messages == Some(0) {
            return self.imap.delete(&leaving).await;
        }
        self.imap.rename(&leaving, remote).await
    }

    /// Removes what a look that broke off left under its last name; whether there is nothing more of it.
    pub(super) async fn sweep(&mut self, folder: &FolderListed, status: &Status) -> Result<bool, Error> {
        let name = self.spelling.near(&folder.name);
        if !name.starts_with(LEAVING) || status.messages != Some(0) {
            return Ok(false);
        }
        match self.imap.delete(&folder.name).await {
            Err(error) if error.is_refusal() => Ok(false),
            deleted => deleted.map(|()| true),
        }
    }

    fn is_below(&self, folder: &FolderListed, above: &[u8]) -> bool {
        let rest = folder.name.strip_prefix(above);
        rest.and_then(<[u8]>::first).is_some_and(|first| Some(*first) == self.spelling.separator)
    }
}
