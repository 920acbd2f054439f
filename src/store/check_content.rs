//! The invariants of content: heads, pieces, hashes, and who shows it.

use super::body::Reading;
use super::check::{Check, Mend, Shown};
use super::error::Fault;
use super::record::{Head, decode};
use super::schema::{BLOB_CEILING, BODY, DOOMED, HEAD, REFS, STAGING, body_key, pieces};
use crate::mail::{BlobId, LineEnds, Span};
use ring::digest;
use std::collections::{HashMap, HashSet};

impl Check<'_> {
    pub(super) fn blobs(&mut self) -> Result<(), Fault> {
        let ceiling = self.config(BLOB_CEILING)?;
        let refs = self.snapshot.table(REFS)?;
        let mut unshown: HashSet<BlobId> = HashSet::new();
        for table in [DOOMED, STAGING] {
            self.each(table, |_, blob, ()| {
                unshown.insert(BlobId(blob));
                Ok(())
            })?;
        }
        // Blobs that have a head, and how many pieces each says that it has.
        let mut heads = HashMap::new();
        self.each(HEAD, |check, id, record| {
            let blob = BlobId(id);
            heads.insert(blob, expected_pieces(record));
            if blob.0 >= ceiling {
                check.find(format!("blob {}: not below the ceiling of ids", blob.0), None);
            }
            match check.shown.get(&blob).copied() {
                None if unshown.contains(&blob) => {}
                None => check.find(format!("blob {}: no message shows it", blob.0), Some(Mend::Doom(blob))),
                Some(shown) => {
                    let stored = refs.get(blob.0)?.map_or(1, |refs| refs.value());
                    if stored != shown.messages {
                        let what = format!("blob {}: counts {stored} messages, {} show it", blob.0, shown.messages);
                        check.find(what, Some(Mend::Refs(blob, shown.messages)));
                    }
                    if unshown.contains(&blob) {
                        check.find(format!("blob {}: shown by a message and left to the sweep", blob.0), None);
                    }
                    if let Err(what) = check.content(blob, record, shown) {
                        check.find(format!("blob {}: {what}", blob.0), None);
                    }
                }
            }
            Ok(())
        })?;
        let lost: Vec<BlobId> = self.shown.keys().filter(|blob| !heads.contains_key(blob)).copied().collect();
        for blob in lost {
            self.find(format!("blob {}: shown by a message, but not there", blob.0), None);
        }
        self.each(REFS, |check, id, _| {
            if !heads.contains_key(&BlobId(id)) {
                check.find(format!("blob {id}: counted, but not there"), Some(Mend::Refs(BlobId(id), 0)));
            }
            Ok(())
        })?;
        self.pieces(&heads, &unshown)
    }

    /// Pieces that belong to no blob, or that their blob does not know.
    fn pieces(&mut self, heads: &HashMap<BlobId, Option<usize>>, unshown: &HashSet<BlobId>) -> Result<(), Fault> {
        let mut found: Option<(BlobId, usize)> = None;
        self.each(BODY, |check, key, _| {
            let [blob @ .., _, _, _, _] = *key;
            let blob = BlobId(u64::from_be_bytes(blob));
            match &mut found {
                Some((last, count)) if *last == blob => *count += 1,
                found => check.counted(found.replace((blob, 1)), heads, unshown),
            }
            Ok(())
        })?;
        self.counted(found, heads, unshown);
        Ok(())
    }

    /// So many pieces of a blob were found.
    fn counted(
        &mut self,
        found: Option<(BlobId, usize)>,
        heads: &HashMap<BlobId, Option<usize>>,
        unshown: &HashSet<BlobId>,
    ) {
        let Some((blob, count)) = found else { return };
        match heads.get(&blob) {
            Some(Some(expected)) if *expected < count => {
                self.find(format!("blob {}: {count} pieces, its head knows {expected}", blob.0), None);
            }
            None if self.shown.contains_key(&blob) => {
                // What is left of a message: nothing to be swept.
                self.find(format!("blob {}: pieces without a head, shown by a message", blob.0), None);
            }
            None if !unshown.contains(&blob) => {
                self.find(format!("blob {}: pieces without a head", blob.0), Some(Mend::Doom(blob)));
            }
            _ => {}
        }
    }

    /// Reads a message whole and compares its hash.
    fn content(&mut self, blob: BlobId, record: &[u8], shown: Shown) -> Result<(), String> {
        let text = |fault: Fault| fault.to_string();
        let head: Head = decode(record, "head").map_err(text)?;
        head.envelope().map_err(text)?;
        head.outline().map_err(text)?;
        if head.size != shown.size {
            return Err(format!("has {} octets, its messages say {}", head.size, shown.size));
        }
        for (number, frame) in head.frames.iter().enumerate() {
            for (at, length) in pieces(frame.stored as usize).enumerate() {
                let key = u32::try_from(number).ok().zip(u8::try_from(at).ok());
                let (number, at) = key.ok_or("too many pieces")?;
                let piece = self.snapshot.piece(blob, number, at).map_err(text)?;
                if piece.value().len() != length {
                    return Err(format!(
                        "piece {at} of frame {number} has another length ({:?})",
                        body_key(blob, number, at)
                    ));
                }
            }
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut reading = Reading { blob, rest: Span { start: 0, end: head.size } };
        let (mut octets, mut line_ends) = (Vec::new(), LineEnds::default());
        loop {
            octets.clear();
            let ended = reading.read(self.snapshot, &head, &mut octets, 1).map_err(text)?;
            hash.update(&octets);
            line_ends.feed(&octets);
            if ended {
                break;
            }
        }
        if hash.finish().as_ref().get(..16) != Some(&head.hash[..]) {
            return Err("its octets do not have their hash".to_owned());
        }
        if line_ends.missing() != shown.line_ends {
            return Err(format!("lacks {} line ends, its messages say {}", line_ends.missing(), shown.line_ends));
        }
        self.report.blobs += 1;
        self.report.bytes += u64::from(shown.size);
        Ok(())
    }
}

/// How many pieces a head says that its body has; `None` where it does not read.
fn expected_pieces(record: &[u8]) -> Option<usize> {
    let head: Head = decode(record, "head").ok()?;
    Some(head.frames.iter().map(|frame| pieces(frame.stored as usize).count()).sum())
}
