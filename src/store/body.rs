//! Reading a stored message at any range of octets, a frame at a time.

use super::codec;
use super::error::Fault;
use super::record::Head;
use super::schema::{FRAME, pieces};
use super::snapshot::Snapshot;
use crate::mail::{BlobId, Span, effort};

/// A range of a message that is being read; outlives snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whose octets.
    pub blob: BlobId,
    /// The octets still to be read.
    pub rest: Span,
}

/// Octets of a message that are looked at before it is begun. What is larger may break off.
const PROBED: usize = 8 << 20;

impl Reading {
    /// Looks whether all of a message can be read: what does not fit into the output at once is to be given whole once it
    /// is begun. What was looked at a short time ago is not looked at again.
    pub fn probe(blob: BlobId, snapshot: &Snapshot, head: &Head<'_>) -> Result<(), Fault> {
        if snapshot.is_whole(blob) {
            return Ok(());
        }
        let mut octets = 0;
        for (number, frame) in head.frames.iter().enumerate() {
            for (at, length) in pieces(frame.stored as usize).enumerate() {
                octets += length;
                // A sum is made of it, and nothing else.
                effort::spend_on(length / 4);
                if octets > PROBED {
                    snapshot.find_whole(blob);
                    return Ok(());
                }
                let place = u32::try_from(number).ok().zip(u8::try_from(at).ok());
                let (number, at) = place.ok_or(Fault::Corrupt("too many pieces"))?;
                snapshot.piece(blob, number, at)?;
            }
        }
        snapshot.find_whole(blob);
        Ok(())
    }

    /// Reads on until `out` holds at least `enough` octets or the range ends; true when it has ended.
    ///
    /// Overshoots by less than one frame, so that no frame is unpacked twice.
    pub fn read(
        &mut self,
        snapshot: &Snapshot,
        head: &Head<'_>,
        out: &mut Vec<u8>,
        enough: usize,
    ) -> Result<bool, Fault> {
        self.rest.end = self.rest.end.min(head.size);
        while !self.rest.is_empty() {
            if out.len() >= enough {
                return Ok(false);
            }
            let start = self.rest.start as usize;
            let top = head.top.raw as usize;
            let end = if start < top {
                self.read_top(head, out)?
            } else {
                self.read_frame(snapshot, head, start - top, out)?
            };
            if end <= start {
                return Err(Fault::Corrupt("a message is shorter than its size"));
            }
            self.rest.start = u32::try_from(end).map_err(|_| Fault::Corrupt("a message of 4 GB"))?;
        }
        Ok(true)
    }

    /// Reads from the top; returns the offset reached.
    fn read_top(&self, head: &Head<'_>, out: &mut Vec<u8>) -> Result<usize, Fault> {
        let from = self.rest.start as usize;
        let to = (self.rest.end as usize).min(head.top.raw as usize);
        append_range(out, from, to, head.top.raw as usize, |out| codec::unpack(head.top, head.top_bytes, out))?;
        Ok(to)
    }

    /// Reads from the frame that holds this offset after the top; returns the offset reached.
    fn read_frame(
        &self,
        snapshot: &Snapshot,
        head: &Head<'_>,
        offset: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let number = offset / FRAME;
        let frame = *head.frames.get(number).ok_or(Fault::Corrupt("a frame is missing"))?;
        let base = head.top.raw as usize + number * FRAME;
        let frame_end = base + frame.raw as usize;
        let to = (self.rest.end as usize).min(frame_end);
        let from = self.rest.start as usize - base;
        let number = u32::try_from(number).map_err(|_| Fault::Corrupt("too many frames"))?;
        append_range(out, from, to.saturating_sub(base), frame.raw as usize, |out| {
            if pieces(frame.stored as usize).count() == 1 {
                let piece = snapshot.piece(self.blob, number, 0)?;
                return codec::unpack(frame, piece.value(), out);
            }
            if frame.stored as usize > FRAME {
                return Err(Fault::Corrupt("a frame of another size"));
            }
            let mut stored = Vec::with_capacity(frame.stored as usize);
            for (at, _) in pieces(frame.stored as usize).enumerate() {
                let at = u8::try_from(at).map_err(|_| Fault::Corrupt("too many pieces"))?;
                stored.extend_from_slice(snapshot.piece(self.blob, number, at)?.value());
            }
            codec::unpack(frame, &stored, out)
        })?;
        Ok(to)
    }
}

/// Unpacks `whole` octets to the end of `out` and keeps those from `from` to `to`.
fn append_range(
    out: &mut Vec<u8>,
    from: usize,
    to: usize,
    whole: usize,
    unpack: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let start = out.len();
    unpack(out)?;
    // Also what is thrown away again. To unpack an octet is quicker than to look at it.
    effort::spend_on(whole / 2);
    if to < whole {
        out.truncate(start + to);
    }
    if from > 0 {
        out.drain(start..start + from.min(out.len() - start));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Folder, account, message};
    use crate::store::{Limits, Write};

    #[test]
    fn a_large_message_is_looked_through_once_in_a_while() {
        let folder = Folder::new("looked-through");
        let store = folder.store();
        let (_, inbox) = account(&store, Limits::default());
        let message = message(&store, &[&b"Subject: x\r\n\r\n"[..], &b"line\r\n".repeat(50_000)].concat());
        let blob = message.parcel.blob;
        store.write_blocking(Write::Append { mailbox: inbox, message }).unwrap();
        let snapshot = store.snapshot().unwrap();
        let stored = snapshot.head(blob).unwrap().unwrap();
        assert!(!snapshot.is_whole(blob));
        Reading::probe(blob, &snapshot, &stored.read().unwrap()).unwrap();
        assert!(snapshot.is_whole(blob));
        // Others take its place.
        (0..256).for_each(|other| snapshot.find_whole(BlobId(1_000 + other)));
        assert!(!snapshot.is_whole(blob) && snapshot.is_whole(BlobId(1_255)));
    }
}
