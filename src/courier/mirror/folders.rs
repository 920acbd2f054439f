//! Which folder there is which mailbox here.

use super::error::Error;
use super::imap::FolderListed;
use super::line::Io;
use super::names::Spelling;
use super::pass::{Entry, Pass};
use crate::mail::{MailboxId, MailboxName};
use crate::store::{FarFolder, FolderId, MailboxRecord, Outcome, Refusal, SpecialUse, Step, StoreError, Write};
use crate::wire::imap::answer::Status;

/// Folders that show what other folders hold, or nothing (RFC 6154, RFC 9051 §7.3.1).
const PASSED_OVER: [&str; 6] = ["\\noselect", "\\nonexistent", "\\all", "\\flagged", "\\important", "\\remote"];
/// From one comparison of all of a folder to the next, where changes alone are looked at: a day.
const COMPARE: i64 = 24 * 3_600;
/// So many folders that are missing at once are no coincidence, where they are most of them.
const MANY: usize = 3;

type Mailboxes = Vec<(MailboxId, MailboxRecord)>;
type Records = Vec<(FolderId, FarFolder)>;

impl<S: Io> Pass<'_, S> {
    /// Makes the folders of both sides the same, as far as that needs no mail to be moved, and says what is to be looked
    /// at: also folders that are gone on a side, and have messages to be settled.
    pub(super) async fn folders(&mut self) -> Result<Vec<Entry>, Error> {
        let (prefix, separator) = self.imap.namespace().await?;
        let mut listed = self.listed().await?;
        let separator = separator.or_else(|| listed.iter().find_map(|folder| folder.separator));
        self.spelling = Spelling { prefix, separator };
        let (mailboxes, mut records) = self.known().await?;
        self.follow_renames(&mailboxes, &mut records, &mut listed).await?;
        let mut statuses: Vec<(Vec<u8>, Status)> = Vec::new();
        for folder in &listed {
            match self.imap.status(&folder.name).await {
                Ok(status) => statuses.push((folder.name.clone(), status)),
                // It went meanwhile, or is none that can be looked into.
                Err(error) if error.is_refusal() => {}
                Err(error) => return Err(error),
            }
        }
        self.notice_losses(&mailboxes, &mut records, &listed, &statuses).await?;
        self.pair_new_there(mailboxes, &mut records, &listed, &statuses).await?;
        let (mailboxes, _) = self.known().await?;
        self.pair_new_here(&mailboxes, &mut records, &listed).await?;
        Ok(self.entries(&mailboxes, records, &statuses))
    }

    async fn listed(&mut self) -> Result<Vec<FolderListed>, Error> {
        let mut listed = self.imap.list().await?;
        listed.retain(|folder| !PASSED_OVER.iter().any(|attribute| folder.is(attribute)));
        for folder in &mut listed {
            if folder.name.eq_ignore_ascii_case(b"INBOX") {
                folder.name = b"INBOX".to_vec();
            }
        }
        // Once each, whatever the server says.
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        listed.dedup_by(|a, b| a.name == b.name);
        if listed.iter().all(|folder| folder.name != b"INBOX") {
            listed.push(FolderListed { name: b"INBOX".to_vec(), separator: None, attributes: Vec::new() });
        }
        Ok(listed)
    }

    async fn known(&self) -> Result<(Mailboxes, Records), Error> {
        let (account, id) = (self.account, self.id);
        self.read(move |snapshot| {
            if snapshot.account(account)?.is_none() || snapshot.provider(id)?.is_none() {
                return Err(Error::Gone);
            }
            Ok((snapshot.mailboxes(account)?, snapshot.far_folders(id)?))
        })
        .await
    }

    /// What was renamed here is renamed there, the upper levels first.
    async fn follow_renames(
        &mut self,
        mailboxes: &Mailboxes,
        records: &mut Records,
        listed: &mut Vec<FolderListed>,
    ) -> Result<(), Error> {
        let mut renamed: Vec<(usize, String)> = Vec::new();
        for (at, (_, far)) in records.iter().enumerate() {
            let own = mailboxes.iter().find(|(id, _)| Some(*id) == far.local);
            if let (Some((_, own)), true) = (own, far.remote.is_some())
                && own.name != far.name
            {
                renamed.push((at, own.name.clone()));
            }
        }
        renamed.sort_by_key(|(_, name)| name.len());
        for (at, name) in renamed {
            let wanted = self.spelling.far(&name);
            let taken = records.iter().enumerate().any(|(other, (_, far))| {
                other != at && far.local.is_some() && far.remote.as_deref() == Some(wanted.as_slice())
            });
            let Some((id, far)) = records.get_mut(at) else { continue };
            let Some(remote) = far.remote.clone() else { continue };
            let is_there = listed.iter().any(|folder| folder.name == wanted);
            let was_there = listed.iter().any(|folder| folder.name == remote);
            if remote == wanted || (is_there && !was_there && !taken) {
                // It went along with the level above it, or the look that renamed it broke off.
                far.remote = Some(wanted);
                far.name = name;
            } else if is_there || !was_there || remote == b"INBOX" {
                // Both names are there: what is in it moves message by message.
                far.local = None;
            } else {
                match self.imap.rename(&remote, &wanted).await {
                    Ok(()) => {
                        far.remote = Some(wanted);
                        far.name = name;
                        *listed = self.listed().await?;
                    }
                    Err(error) if error.is_refusal() => far.local = None,
                    Err(error) => return Err(error),
                }
            }
            let step = Step::Folder { folder: *id, now_is: far.clone() };
            self.steps(vec![step]).await?;
        }
        Ok(())
    }

    /// Folders that are gone on a side, or whose UIDs are void.
    async fn notice_losses(
        &mut self,
        mailboxes: &Mailboxes,
        records: &mut Records,
        listed: &[FolderListed],
        statuses: &[(Vec<u8>, Status)],
    ) -> Result<(), Error> {
        let is_listed = |remote: &[u8]| listed.iter().any(|folder| folder.name == remote);
        let remotes = || records.iter().filter_map(|(_, far)| far.remote.as_deref());
        let missing = remotes().filter(|remote| !is_listed(remote)).count();
        if missing >= MANY && missing * 2 > remotes().count() && !self.confirmed {
            return Err(Error::Unable(format!(
                "{missing} folders are missing at the provider at once: nothing is done until `mirror run --confirm`"
            )));
        }
        let mut steps = Vec::new();
        let mut renumbered = Vec::new();
        for (id, far) in records.iter_mut() {
            let before = far.clone();
            if far.local.is_some_and(|local| mailboxes.iter().all(|(id, _)| *id != local)) {
                far.local = None;
            }
            if let Some(remote) = far.remote.clone() {
                let status = statuses.iter().find(|(name, _)| *name == remote).map(|(_, status)| status);
                let validity = status.map(|status| status.uid_validity.unwrap_or(0));
                // One that is there and says nothing of itself is left alone in this look.
                let silent = status.is_none() && is_listed(&remote);
                if validity != Some(far.uid_validity) && !silent {
                    if let (Some(validity), Some(_)) = (validity, far.local) {
                        log::info!("the provider renumbered the folder {}: its messages are recognised", far.name);
                        renumbered.push(FarFolder {
                            remote: Some(remote),
                            local: far.local,
                            name: far.name.clone(),
                            uid_validity: validity,
                            ..FarFolder::default()
                        });
                    }
                    far.remote = None;
                }
            }
            if *far != before {
                steps.push(Step::Folder { folder: *id, now_is: far.clone() });
            }
        }
        for far in renumbered {
            let id = FolderId(next_id(records));
            steps.push(Step::Folder { folder: id, now_is: far.clone() });
            records.push((id, far));
        }
        self.steps(steps).await.map(|_| ())
    }

    /// Folders there that have no mailbox here yet.
    async fn pair_new_there(
        &mut self,
        mut mailboxes: Mailboxes,
        records: &mut Records,
        listed: &[FolderListed],
        statuses: &[(Vec<u8>, Status)],
    ) -> Result<(), Error> {
        for folder in listed {
            let Some((_, status)) = statuses.iter().find(|(name, _)| *name == folder.name) else { continue };
            if records.iter().any(|(_, far)| far.remote.as_deref() == Some(folder.name.as_slice())) {
                continue;
            }
            if self.sweep(folder, status).await? {
                continue;
            }
            let special = SpecialUse::ALL.into_iter().find(|special| folder.is(special.attribute()));
            let taken = |id: MailboxId, records: &Records| {
                records.iter().any(|(_, far)| far.local == Some(id) && far.remote.is_some())
            };
            let own = mailboxes
                .iter()
                .find(|(id, own)| special.is_some() && own.special == special && !taken(*id, records))
                .map(|(id, own)| (*id, own.name.clone()));
            let name = self.spelling.near(&folder.name);
            let own = own.or_else(|| {
                let own = mailboxes.iter().find(|(id, own)| own.name == name && !taken(*id, records));
                own.map(|(id, own)| (*id, own.name.clone()))
            });
            let (local, name) = if let Some(own) = own {
                own
            } else if let Some(made) = self.make_here(&name, special, &mailboxes).await? {
                mailboxes = self.known().await?.0;
                made
            } else {
                self.tally.held.push(format!("there can be no mailbox for the provider's folder {name}"));
                continue;
            };
            let far = FarFolder {
                remote: Some(folder.name.clone()),
                local: Some(local),
                name,
                uid_validity: status.uid_validity.unwrap_or(0),
                ..FarFolder::default()
            };
            let id = FolderId(next_id(records));
            self.steps(vec![Step::Folder { folder: id, now_is: far.clone() }]).await?;
            records.push((id, far));
        }
        Ok(())
    }

    /// A new mailbox here; `None` where there can be none of this name, or any similar one.
    async fn make_here(
        &mut self,
        name: &str,
        special: Option<SpecialUse>,
        mailboxes: &Mailboxes,
    ) -> Result<Option<(MailboxId, String)>, Error> {
        let special = special.filter(|special| mailboxes.iter().all(|(_, own)| own.special != Some(*special)));
        for attempt in 1..10 {
            let name = if attempt == 1 { name.to_owned() } else { format!("{name} ({attempt})") };
            let Ok(name) = MailboxName::settle(&name) else { return Ok(None) };
            let create = Write::CreateMailbox { account: self.account, name: name.clone(), special };
            match self.store.write(create).await {
                Ok(Outcome::Mailbox(mailbox)) => {
                    let (account, subscribed) = (self.account, name.clone());
                    self.store.write(Write::Subscribe { account, name: subscribed, on: true }).await?;
                    return Ok(Some((mailbox, name.as_str().to_owned())));
                }
                Err(StoreError::Refused(Refusal::MailboxExists)) => {}
                Err(StoreError::Refused(Refusal::BadName | Refusal::TooManyMailboxes)) | Ok(_) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Mailboxes here that have no folder there yet.
    async fn pair_new_here(
        &mut self,
        mailboxes: &Mailboxes,
        records: &mut Records,
        listed: &[FolderListed],
    ) -> Result<(), Error> {
        for (local, own) in mailboxes {
            if records.iter().any(|(_, far)| far.local == Some(*local)) {
                continue;
            }
            let remote = self.spelling.far(&own.name);
            if listed.iter().any(|folder| folder.name == remote)
                || records.iter().any(|(_, far)| far.remote.as_deref() == Some(remote.as_slice()))
            {
                // The name is still another's, who is on the way out.
                self.tally.again |= records.iter().any(|(_, far)| far.local.is_none());
                continue;
            }
            match self.imap.create(&remote).await {
                Ok(()) => {}
                Err(error) if error.is_refusal() => {
                    self.tally.held.push(format!("the provider makes no folder {}: {error}", own.name));
                    continue;
                }
                Err(error) => return Err(error),
            }
            let status = self.imap.status(&remote).await?;
            let far = FarFolder {
                remote: Some(remote),
                local: Some(*local),
                name: own.name.clone(),
                uid_validity: status.uid_validity.unwrap_or(0),
                ..FarFolder::default()
            };
            let id = FolderId(next_id(records));
            self.steps(vec![Step::Folder { folder: id, now_is: far.clone() }]).await?;
            records.push((id, far));
        }
        Ok(())
    }

    fn entries(&self, mailboxes: &Mailboxes, records: Records, statuses: &[(Vec<u8>, Status)]) -> Vec<Entry> {
        let entry = |(id, far): (FolderId, FarFolder)| {
            let status = statuses.iter().find(|(name, _)| Some(name) == far.remote.as_ref()).map(|(_, status)| status);
            let own = mailboxes.iter().find(|(local, _)| Some(*local) == far.local).map(|(_, own)| own);
            let quiet = match (status, own) {
                (Some(status), Some(own)) => {
                    far.remote_modseq > 0
                        && status.highest_modseq == Some(far.remote_modseq)
                        && status.uid_next.is_none_or(|next| next == far.remote_next)
                        && own.modseq.0.get() == far.local_modseq
                        && self.now - far.compared < COMPARE
                        && far.compared <= self.now
                        && !self.confirmed
                }
                // It says nothing of itself just now.
                (None, _) => far.remote.is_some(),
                _ => false,
            };
            Entry { id, far, quiet }
        };
        records.into_iter().map(entry).collect()
    }

    /// Whether changes alone may be looked at.
    pub(super) fn by_changes(&self, far: &FarFolder) -> bool {
        far.remote_modseq > 0
            && self.imap.abilities().cond_store
            && (0..COMPARE).contains(&(self.now - far.compared))
            && !self.confirmed
    }
}

/// A number that no folder has.
fn next_id(records: &Records) -> u32 {
    records.iter().map(|(id, _)| id.0).max().unwrap_or(0).saturating_add(1)
}
