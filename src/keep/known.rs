//! What a mailbox has already, so that an import that is done again goes on where it ended.
//!
//! A message is known by its octets. Each that is there stands for one of the import, no more: who has the same message
//! twice in what is imported has it twice then.

use crate::mail::{BlobId, MailboxId};
use crate::store::{Fault, Parcel, Store};
use std::collections::HashMap;

/// The messages that a mailbox had when an import began, by their sizes: those of a size are looked at only when one of
/// the same size comes. Some twenty octets each.
#[derive(Debug, Default)]
pub struct Known(HashMap<u32, Group>);

/// The messages of one size.
#[derive(Debug)]
enum Group {
    /// Nothing but where each lies.
    Unread(Vec<BlobId>),
    /// The beginnings of their hashes, as far as none was met yet.
    Read(Vec<[u8; 8]>),
}

impl Known {
    /// What is in a mailbox now.
    pub fn of(store: &Store, mailbox: MailboxId) -> Result<Known, Fault> {
        let mut groups: HashMap<u32, Group> = HashMap::new();
        for row in store.snapshot()?.messages(mailbox, 1, u32::MAX)? {
            let (_, message) = row?;
            let group = groups.entry(message.size).or_insert_with(|| Group::Unread(Vec::with_capacity(1)));
            if let Group::Unread(blobs) = group {
                blobs.push(message.blob);
            }
        }
        Ok(Known(groups))
    }

    /// Whether any of the messages may be the same as one of this size.
    #[must_use]
    pub fn has_size(&self, size: u32) -> bool {
        self.0.contains_key(&size)
    }

    /// Whether one of the messages has the same octets as this one; then it does not stand for another one any more.
    pub fn take(&mut self, store: &Store, parcel: &Parcel) -> Result<bool, Fault> {
        let Some(group) = self.0.get_mut(&parcel.size()) else { return Ok(false) };
        if let Group::Unread(blobs) = group {
            *group = Group::Read(hashes(store, blobs)?);
        }
        let Group::Read(hashes) = group else { return Ok(false) };
        let hash = beginning(&parcel.hash()?);
        let Some(at) = hashes.iter().position(|known| *known == hash) else { return Ok(false) };
        hashes.swap_remove(at);
        Ok(true)
    }
}

fn hashes(store: &Store, blobs: &[BlobId]) -> Result<Vec<[u8; 8]>, Fault> {
    let snapshot = store.snapshot()?;
    let mut hashes = Vec::with_capacity(blobs.len());
    for blob in blobs {
        // What was removed meanwhile, or cannot be read, is not there.
        if let Ok(Some(head)) = snapshot.head(*blob)
            && let Ok(head) = head.read()
        {
            hashes.push(beginning(&head.hash));
        }
    }
    // The first of an import are asked for first.
    hashes.reverse();
    Ok(hashes)
}

fn beginning(hash: &[u8; 16]) -> [u8; 8] {
    let mut beginning = [0; 8];
    beginning.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    beginning
}
