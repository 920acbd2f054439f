//! New mail, carried from one side to the other.

use super::error::Error;
use super::line::Io;
use super::mail::{Download, Upload, stored_key};
use super::pass::Pass;
use super::scan::{Found, NewHere, NewThere};
use crate::mail::{FlagSet, Uid, limits};
use crate::store::{Arrival, Arriving, FolderId, History, NewMessage, Note, Pair, Refusal, Step, StoreError, Write};

/// Refused messages that are named one by one; of the others there are too many to read.
const NAMED: usize = 20;

impl<S: Io> Pass<'_, S> {
    /// Carries what is new on one side only to the other.
    pub(super) async fn carry(&mut self, found: &mut [Found]) -> Result<(), Error> {
        let (mut full_here, mut full_there) = (false, false);
        for folder in found {
            if folder.far.remote.is_none() || folder.far.local.is_none() {
                continue;
            }
            if full_here {
                folder.left |= !folder.new_there.is_empty();
            } else {
                full_here = self.fetch_new(folder).await?;
            }
            if full_there {
                folder.left |= !folder.new_here.is_empty();
            } else {
                full_there = self.send_new(folder).await?;
            }
        }
        Ok(())
    }

    /// Fetches what is new there; whether there is no room for more.
    async fn fetch_new(&mut self, folder: &mut Found) -> Result<bool, Error> {
        let Some(remote) = folder.far.remote.clone().filter(|_| !folder.new_there.is_empty()) else { return Ok(false) };
        self.imap.need(&remote).await?;
        for new in std::mem::take(&mut folder.new_there) {
            if new.size > limits::MESSAGE {
                self.refuse(folder, "is larger than any message that is taken");
                continue;
            }
            match self.fetch_one(folder, &new).await {
                Err(error) if error.is_full() => {
                    self.tally.held.push(format!("nothing more is fetched: {error}"));
                    folder.left = true;
                    return Ok(true);
                }
                fetched => fetched?,
            }
        }
        Ok(false)
    }

    async fn fetch_one(&mut self, folder: &mut Found, new: &NewThere) -> Result<(), Error> {
        let Some(mailbox) = folder.far.local else { return Ok(()) };
        let mut download = Download::new(&self.store);
        match self.imap.fetch(new.uid, &mut download).await {
            // It went meanwhile.
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) if error.is_refusal() => {
                self.refuse(folder, "is not given out by the provider");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let Some(parcel) = download.finish()? else {
            self.refuse(folder, "is larger than any message that is taken");
            return Ok(());
        };
        let pair = Pair {
            remote: new.uid,
            // The store fills in which.
            local: Some(Uid::FIRST),
            blob: crate::mail::BlobId(0),
            key: new.key,
            size: new.size,
            agreed: FlagSet::NONE,
            since: self.now,
        };
        let message = NewMessage {
            parcel,
            flags: folder.names.names(new.flags),
            received: new.received,
            now: self.now,
            history: History::default(),
        };
        let arrival = Arrival {
            provider: self.id,
            message: Arriving::Append { mailbox, message },
            note: Note::Pair { folder: folder.id, pair },
        };
        log::debug!("fetched into {}: {}", folder.far.name, new.uid);
        match self.store.write(Write::Arrive(Box::new(arrival))).await {
            Err(StoreError::Refused(Refusal::UidsUsedUp)) => {
                self.refuse(folder, "has no UID left here");
                return Ok(());
            }
            stored => stored?,
        };
        Ok(())
    }

    /// Sends what is new here; whether there is no room for more.
    async fn send_new(&mut self, folder: &mut Found) -> Result<bool, Error> {
        let Some(remote) = folder.far.remote.clone().filter(|_| !folder.new_here.is_empty()) else { return Ok(false) };
        for new in std::mem::take(&mut folder.new_here) {
            match self.send_one(folder, &remote, &new).await {
                Err(error) if error.is_over_quota() => {
                    self.tally.held.push(format!("nothing more is sent there: {error}"));
                    folder.left = true;
                    return Ok(true);
                }
                Err(error) if error.is_refusal() => {
                    self.refuse(folder, &format!("is not taken by the provider: {error}"));
                }
                sent => sent?,
            }
        }
        Ok(false)
    }

    async fn send_one(&mut self, folder: &mut Found, remote: &[u8], new: &NewHere) -> Result<(), Error> {
        let NewHere { uid, message } = *new;
        let mut upload = Upload::new(&self.store, message.blob, message.size, message.line_ends);
        let size = u32::try_from(upload.size()).unwrap_or(u32::MAX);
        let flags = folder.names.names(message.flags & folder.kept);
        let appended = self.imap.append(remote, &flags, message.received, &mut upload).await?;
        self.tally.sent += 1;
        log::debug!("sent to {}: {uid}, now {appended:?}", folder.far.name);
        match appended {
            Some((uid_validity, far)) if uid_validity == folder.far.uid_validity && far > 0 => {
                let blob = message.blob;
                let key = self.read(move |snapshot| stored_key(snapshot, blob)).await?;
                let pair =
                    Pair { remote: far, local: Some(uid), blob, key, size, agreed: message.flags, since: self.now };
                self.steps(vec![Step::Pair { folder: folder.id, pair }]).await?;
            }
            // The next look recognises it.
            _ => {
                folder.left = true;
                self.tally.again = true;
            }
        }
        Ok(())
    }

    fn refuse(&mut self, folder: &mut Found, why: &str) {
        folder.left = true;
        let FolderId(number) = folder.id;
        log::debug!("a message of folder {number} {why}");
        match self.tally.held.len() {
            few if few < NAMED => self.tally.held.push(format!("a message of {} {why}", folder.far.name)),
            _ => {}
        }
    }
}
