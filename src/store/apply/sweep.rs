//! The sweep: what no message shows any more goes, late and in small batches, since a fetch may span several snapshots.

use super::Batch;
use crate::mail::{BlobId, MailboxId};
use crate::store::check::{Mend, recounted};
use crate::store::error::StoreError;
use crate::store::queue::Space;
use crate::store::schema::{body_key, kept_key, msg_key};
use crate::store::snapshot::messages_of;
use crate::store::write::{Outcome, Uids};
use redb::ReadableTable;

/// Blobs in one transaction: a pause of some milliseconds for whoever waits behind it.
const AT_ONCE: usize = 128;
/// Rows of removed mailboxes in one transaction.
const ROWS: usize = 1_000;

impl Batch<'_> {
    pub(super) fn sweep(&mut self) -> Result<Outcome, StoreError> {
        // They leave that list only when this is committed.
        let abandoned = self.shared.abandoned.all();
        for blob in &abandoned {
            self.tables.doomed.insert(blob.0, ())?;
            self.touched = true;
        }
        self.abandoned = abandoned.len();
        let mut doomed = Vec::new();
        let mut more = false;
        for row in self.tables.doomed.iter()? {
            let blob = BlobId(row?.0.value());
            if self.shared.pins.holds(blob) {
                continue;
            }
            if doomed.len() == AT_ONCE {
                more = true;
                break;
            }
            doomed.push(blob);
        }
        for blob in &doomed {
            self.remove_blob(*blob)?;
        }
        // What they showed is swept next.
        more |= self.sweep_rows()?;
        Ok(Outcome::Swept { removed: doomed.len(), more })
    }

    /// Removes some messages of mailboxes that were removed; whether there were any.
    fn sweep_rows(&mut self) -> Result<bool, StoreError> {
        let prefix = kept_key(Space::Leaving, &[]);
        let leaving = match self.tables.kept.range(prefix.as_slice()..)?.next() {
            Some(row) => {
                let (key, _) = row?;
                let number = key.value().strip_prefix(prefix.as_slice()).and_then(|key| key.first_chunk::<8>());
                number.map(|number| MailboxId(u64::from_be_bytes(*number)))
            }
            None => None,
        };
        let Some(mailbox) = leaving else { return Ok(false) };
        let mut rows = Vec::new();
        for row in messages_of(&self.tables.msg, mailbox, 1, u32::MAX)?.take(ROWS) {
            let (uid, message) = row?;
            rows.push((uid, message.blob));
        }
        for &(uid, blob) in &rows {
            self.tables.msg.remove(&msg_key(mailbox, uid))?;
            self.release(blob)?;
        }
        if rows.len() < ROWS {
            self.tables.kept.remove(kept_key(Space::Leaving, &mailbox.0.to_be_bytes()).as_slice())?;
        }
        self.touched = true;
        Ok(true)
    }

    pub(super) fn mend(&mut self, mends: &[Mend]) -> Result<Outcome, StoreError> {
        for mend in mends {
            match *mend {
                Mend::Recount(mailbox) => {
                    let messages = self.messages(mailbox, &Uids::all())?;
                    let record = self.mailbox(mailbox)?;
                    *record = recounted(record, messages.iter().map(|(_, message)| (message.size, message.flags)));
                    self.mark(mailbox);
                }
                Mend::Refs(blob, 0 | 1) => {
                    self.tables.refs.remove(blob.0)?;
                }
                Mend::Refs(blob, count) => {
                    self.tables.refs.insert(blob.0, count)?;
                }
                Mend::Doom(blob) => {
                    self.tables.doomed.insert(blob.0, ())?;
                }
            }
        }
        self.touched = true;
        Ok(Outcome::Done)
    }

    /// Uploads that a crash cut off.
    pub(in crate::store) fn clear_staging(&mut self) -> Result<(), StoreError> {
        let staged = self
            .tables
            .staging
            .iter()?
            .map(|row| Ok(BlobId(row?.0.value())))
            .collect::<Result<Vec<_>, StoreError>>()?;
        for blob in staged {
            self.remove_blob(blob)?;
        }
        Ok(())
    }

    fn remove_blob(&mut self, blob: BlobId) -> Result<(), StoreError> {
        self.touched = true;
        self.heads.remove(&blob);
        let head = self.tables.head.remove(blob.0)?.map_or(0, |head| head.value().len());
        let mut octets = head as u64;
        let (start, end) = (body_key(blob, 0, 0), body_key(blob, u32::MAX >> 8, u8::MAX));
        self.tables.body.retain_in::<&[u8; 12], _>(&start..=&end, |_, piece| {
            octets += piece.len() as u64;
            false
        })?;
        self.freed += octets;
        self.tables.refs.remove(blob.0)?;
        self.tables.doomed.remove(blob.0)?;
        self.tables.staging.remove(blob.0)?;
        Ok(())
    }
}
