//! Packing a message as its octets stream in: what reaches the writer is ready to insert.

use super::blobs::Abandoned;
use super::codec;
use super::error::{Fault, Refusal, StoreError};
use super::record::{Frame, Head, decode, encode, encode_read};
use super::schema::FRAME;
use crate::mail::mime::{Outline, Scanner};
use crate::mail::{BlobId, LineEnds, UniqueId, limits};
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::sync::Arc;

/// Octets of the header that are kept with the head. A longer header goes on in the body's frames.
pub(super) const TOP: usize = 64 << 10;

/// Takes a message in pieces of any size and packs it.
///
/// Memory is one raw frame, the packed frames that were not yet staged, and the outline.
pub struct Packer {
    scanner: Scanner,
    hash: digest::Context,
    line_ends: LineEnds,
    size: u64,
    top: Vec<u8>,
    top_ended: bool,
    raw: Vec<u8>,
    parcel: Parcel,
    frames: Vec<Frame>,
    held: usize,
}

/// A packed message, or packed frames of one on their way to the store.
#[derive(Debug, Serialize, Deserialize)]
pub struct Parcel {
    pub(super) blob: BlobId,
    pub(super) unique: UniqueId,
    pub(super) size: u32,
    /// Octets that it has more where every line ends with CRLF.
    pub(super) line_ends: u32,
    /// Packed frames by their number.
    pub(super) frames: Vec<(u32, ByteBuf)>,
    /// The encoded head; empty while the message is still coming in.
    #[serde(with = "serde_bytes")]
    pub(super) head: Vec<u8>,
    /// What to do about staged frames if this is dropped.
    #[serde(skip)]
    pub(super) staged: Option<Staged>,
}

/// Frames of this blob are in the store, but no message shows them: unless disarmed, they are given up on drop.
#[derive(Debug)]
pub(super) struct Staged {
    blob: BlobId,
    abandoned: Arc<Abandoned>,
    // Which opening of the store the frames went into.
    opening: u64,
    armed: bool,
}

impl Packer {
    pub(super) fn new(blob: BlobId, unique: UniqueId) -> Packer {
        Packer {
            scanner: Scanner::new(),
            hash: digest::Context::new(&digest::SHA256),
            line_ends: LineEnds::default(),
            size: 0,
            top: Vec::new(),
            top_ended: false,
            raw: Vec::new(),
            parcel: Parcel::new(blob, unique),
            frames: Vec::new(),
            held: 0,
        }
    }

    /// Takes the next octets of the message.
    pub fn push(&mut self, mut octets: &[u8]) -> Result<(), StoreError> {
        self.size += octets.len() as u64;
        if self.size > u64::from(limits::MESSAGE) {
            return Err(Refusal::TooLarge.into());
        }
        self.scanner.feed(octets);
        self.hash.update(octets);
        self.line_ends.feed(octets);
        if !self.top_ended {
            octets = self.push_top(octets);
        }
        while !octets.is_empty() {
            let (now, later) = octets.split_at(octets.len().min(FRAME - self.raw.len()));
            self.raw.extend_from_slice(now);
            octets = later;
            if self.raw.len() == FRAME {
                self.pack_frame()?;
            }
        }
        Ok(())
    }

    /// Octets of packed frames that are held in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Octets of memory that it takes, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.held + self.raw.capacity() + self.top.capacity() + self.frames.capacity() * size_of::<Frame>()
    }

    /// The frames packed so far, to be staged, so that a large message need not be held.
    pub(super) fn stage(&mut self, abandoned: &Arc<Abandoned>) -> Parcel {
        let Parcel { blob, unique, .. } = self.parcel;
        self.held = 0;
        if self.parcel.staged.is_none() {
            let (abandoned, opening) = (Arc::clone(abandoned), abandoned.opening());
            self.parcel.staged = Some(Staged { blob, abandoned, opening, armed: true });
        }
        Parcel { frames: std::mem::take(&mut self.parcel.frames), ..Parcel::new(blob, unique) }
    }

    /// The message is complete.
    pub fn finish(mut self) -> Result<Parcel, StoreError> {
        if !self.raw.is_empty() {
            self.pack_frame()?;
        }
        let mut top_bytes = Vec::with_capacity(self.top.len() / 2);
        let top = codec::pack(&self.top, &mut top_bytes)?;
        let digest = self.hash.finish();
        let mut hash = [0; 16];
        hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        let Outline { envelope, root, .. } = self.scanner.finish();
        let (envelope, outline) = (encode_read(&envelope)?, encode_read(&root)?);
        let size = u32::try_from(self.size).map_err(|_| Refusal::TooLarge)?;
        self.parcel.size = size;
        self.parcel.line_ends = self.line_ends.missing();
        self.parcel.head = encode(&Head {
            size,
            hash,
            top,
            frames: self.frames,
            envelope: &envelope,
            outline: &outline,
            top_bytes: &top_bytes,
        })?;
        Ok(self.parcel)
    }

    /// Takes what belongs to the top and returns what is left.
    fn push_top<'o>(&mut self, octets: &'o [u8]) -> &'o [u8] {
        let room = TOP - self.top.len();
        let (now, _) = octets.split_at(octets.len().min(room));
        // The empty line may have begun in what came before.
        let overlap = self.top.len().saturating_sub(3);
        let before = self.top.len();
        self.top.extend_from_slice(now);
        let end = self.top.get(overlap..).and_then(header_end).map(|end| overlap + end);
        if let Some(end) = end.or((self.top.len() == TOP).then_some(TOP)) {
            self.top_ended = true;
            self.top.truncate(end);
        }
        let taken = self.top.len().saturating_sub(before);
        octets.get(taken..).unwrap_or_default()
    }

    fn pack_frame(&mut self) -> Result<(), Fault> {
        let mut stored = Vec::new();
        let frame = codec::pack(&self.raw, &mut stored)?;
        // What was reserved for the worst case would be held until the commit.
        stored.shrink_to_fit();
        self.raw.clear();
        self.held += stored.len();
        let number = u32::try_from(self.frames.len()).map_err(|_| Fault::Corrupt("too many frames"))?;
        self.frames.push(frame);
        self.parcel.frames.push((number, stored.into()));
        Ok(())
    }
}

/// Where the header ends, its empty line included.
fn header_end(octets: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', octets).find_map(|at| match octets.get(at + 1..) {
        Some([b'\n', ..]) => Some(at + 2),
        Some([b'\r', b'\n', ..]) => Some(at + 3),
        _ => None,
    })
}

impl Parcel {
    fn new(blob: BlobId, unique: UniqueId) -> Parcel {
        Parcel { blob, unique, size: 0, line_ends: 0, frames: Vec::new(), head: Vec::new(), staged: None }
    }

    /// Whether all of it is here, and nothing in the store yet.
    pub(super) fn is_whole(&self) -> bool {
        self.staged.is_none()
    }

    /// Octets that inserting it will write, roughly.
    pub(super) fn weight(&self) -> usize {
        self.head.len() + self.frames.iter().map(|(_, stored)| stored.len()).sum::<usize>()
    }

    /// Octets of the message.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The first half of the SHA-256 of the message, once it is complete.
    pub fn hash(&self) -> Result<[u8; 16], Fault> {
        Ok(decode::<Head<'_>>(&self.head, "head")?.hash)
    }

    /// Whether frames of it were staged before the store was opened again: they may be lost.
    pub(super) fn is_cut_off(&self) -> bool {
        self.staged.as_ref().is_some_and(|staged| staged.opening != staged.abandoned.opening())
    }

    /// A durable message shows the frames now.
    pub(super) fn settle(&mut self) {
        if let Some(staged) = &mut self.staged {
            staged.armed = false;
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.armed {
            self.abandoned.push(self.blob);
        }
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("blob", &self.parcel.blob).field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_ends_after_the_empty_line_however_the_octets_are_cut() {
        let message = b"A: 1\r\nB: 2\r\n\r\nbody\r\n";
        for cut in 0..message.len() {
            let mut packer = Packer::new(BlobId(1), UniqueId(1));
            packer.push(&message[..cut]).unwrap();
            packer.push(&message[cut..]).unwrap();
            assert_eq!(packer.top, b"A: 1\r\nB: 2\r\n\r\n", "cut at {cut}");
            assert_eq!(packer.raw, b"body\r\n", "cut at {cut}");
        }
    }

    #[test]
    fn a_header_without_end_goes_on_in_frames() {
        let mut packer = Packer::new(BlobId(1), UniqueId(1));
        packer.push(&vec![b'x'; TOP + 10]).unwrap();
        assert_eq!((packer.top.len(), packer.raw.len()), (TOP, 10));
    }
}
