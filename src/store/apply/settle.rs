//! Names that a store of an earlier version has, and that no door lets in any more: INBOX in other letters, accents that are
//! composed otherwise, what cannot be seen.

use super::Batch;
use crate::mail::{AccountId, MailboxId, MailboxName};
use crate::store::error::{Fault, StoreError};
use crate::store::provider::{FarFolder, FolderId, ProviderId, folder_key, tag};
use crate::store::queue::Space;
use crate::store::record::{decode, encode};
use crate::store::schema::{kept_key, key_name, name_key};
use crate::store::write::Uids;
use redb::ReadableTable;

/// What became of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Settled {
    /// Whose it is: an account's address.
    pub(in crate::store) owner: String,
    /// What it was called.
    pub(in crate::store) was: String,
    /// What it is called now.
    pub(in crate::store) name: MailboxName,
    /// There was a mailbox of this name, which has the messages now, with new UIDs.
    pub(in crate::store) merged: bool,
}

impl Batch<'_> {
    /// Gives every mailbox and every subscription the name that is meant. Where that is a mailbox already, the messages go
    /// into it: they get new UIDs there, so its UIDVALIDITY stays. What is settled already is left alone.
    pub(in crate::store) fn settle_names(&mut self) -> Result<Vec<Settled>, StoreError> {
        let mut done = Vec::new();
        for (account, was) in unsettled(&self.tables.name)? {
            let name = MailboxName::nearest(&was);
            let merged = match self.settle_name(account, &was, &name) {
                Ok(merged) => merged,
                Err(StoreError::Refused(refusal)) => {
                    log::error!("the mailbox {was:?} cannot be called {name:?}: {refusal}");
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let owner = self.account_record(account)?.address;
            done.push(Settled { owner, was, name, merged });
        }
        for (account, was) in unsettled(&self.tables.subscription)? {
            let name = MailboxName::nearest(&was);
            self.tables.subscription.remove(name_key(account, &was).as_slice())?;
            self.tables.subscription.insert(name_key(account, name.as_str()).as_slice(), ())?;
            self.touched = true;
        }
        Ok(done)
    }

    /// Whether there was a mailbox of this name already.
    fn settle_name(&mut self, account: AccountId, was: &str, name: &MailboxName) -> Result<bool, StoreError> {
        let mailbox = self.named(account, was)?.ok_or(Fault::Corrupt("a name without its mailbox"))?;
        let Some(into) = self.named(account, name.as_str())? else {
            for above in self.missing_above(account, name.as_str())? {
                self.new_mailbox(account, above, None)?;
            }
            self.call(account, was, name.as_str())?;
            self.follow(mailbox, Some(name))?;
            return Ok(false);
        };
        self.move_messages(mailbox, &Uids::all(), into)?;
        let special = self.mailbox(mailbox)?.special;
        if let (Some(special), None) = (special, self.mailbox(into)?.special) {
            self.mailbox(into)?.special = Some(special);
            self.mark(into);
        }
        self.follow(mailbox, None)?;
        self.remove_mailbox(account, was)?;
        Ok(true)
    }

    /// What is known of the folder of a mailbox at a provider goes along: it is not to be renamed there. Where the mailbox is
    /// gone nothing is known any more: what is there and here is recognised, and nothing is taken for deleted.
    fn follow(&mut self, mailbox: MailboxId, name: Option<&MailboxName>) -> Result<(), StoreError> {
        let prefix = kept_key(Space::Mirror, &[tag::FOLDER]);
        let mut found = Vec::new();
        for row in self.tables.kept.range(prefix.as_slice()..)? {
            let (key, record) = row?;
            let Some(numbers) = key.value().strip_prefix(prefix.as_slice()) else { break };
            let far: FarFolder = decode(record.value(), "a folder at a provider")?;
            if far.local == Some(mailbox)
                && let Some((provider, folder)) = numbers.split_first_chunk::<4>()
                && let Ok(folder) = folder.try_into()
            {
                found.push((ProviderId(u32::from_be_bytes(*provider)), FolderId(u32::from_be_bytes(folder)), far));
            }
        }
        for (provider, folder, far) in found {
            let key = folder_key(tag::FOLDER, provider, folder);
            if let Some(name) = name {
                let far = FarFolder { name: name.as_str().to_owned(), ..far };
                self.tables.kept.insert(key.as_slice(), encode(&far)?.as_slice())?;
            } else {
                self.drop_below(&key)?;
                self.drop_below(&folder_key(tag::PAIR, provider, folder))?;
            }
        }
        Ok(())
    }
}

/// The names in a table that are not as they are to be, with their owners.
fn unsettled<V: redb::Value + 'static>(
    table: &impl ReadableTable<&'static [u8], V>,
) -> Result<Vec<(AccountId, String)>, Fault> {
    let mut found = Vec::new();
    for row in table.iter()? {
        let (key, _) = row?;
        let (Some(owner), Some(name)) = (key.value().first_chunk::<4>(), key_name(key.value())) else { continue };
        if !MailboxName::is_settled(name) {
            found.push((AccountId(u32::from_be_bytes(*owner)), name.to_owned()));
        }
    }
    Ok(found)
}
