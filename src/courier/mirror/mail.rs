//! Messages on their way: in from a connection, out of the store, and how one is known again.

use super::error::Error;
use super::imap::HEADER;
use crate::mail::{BlobId, Span, header};
use crate::store::{Packer, Parcel, Pin, Reading, Refusal, Snapshot, Store, StoreError};
use ring::digest::{SHA256, digest};
use std::sync::Arc;

/// Octets of packed mail that are held in memory.
const HELD: usize = 1 << 20;
/// Octets that are sent at once.
const PIECE: usize = 64 << 10;

/// A message that is coming in.
pub struct Download {
    store: Arc<Store>,
    packer: Packer,
    too_large: bool,
}

impl Download {
    pub fn new(store: &Arc<Store>) -> Download {
        Download { store: Arc::clone(store), packer: store.packer(), too_large: false }
    }

    /// Takes the next octets. Of a message that is too large the rest is passed over, so that the connection can be used
    /// further.
    pub async fn push(&mut self, octets: &[u8]) -> Result<(), Error> {
        if self.too_large {
            return Ok(());
        }
        match self.packer.push(octets) {
            Err(StoreError::Refused(Refusal::TooLarge)) => self.too_large = true,
            pushed => pushed?,
        }
        if self.packer.held() >= HELD && !self.too_large {
            let stage = self.store.stage(&mut self.packer);
            self.store.write(stage).await?;
        }
        Ok(())
    }

    /// The whole message; `None`: it is larger than any that is taken.
    pub fn finish(self) -> Result<Option<Parcel>, Error> {
        if self.too_large { Ok(None) } else { Ok(Some(self.packer.finish()?)) }
    }
}

/// A message that goes out.
pub struct Upload {
    store: Arc<Store>,
    reading: Reading,
    size: u64,
    /// Its lines do not all end with CRLF yet.
    bare: bool,
    last: u8,
    ended: bool,
    _pin: Pin,
}

impl Upload {
    /// `line_ends`: octets that it has more where every line ends with CRLF.
    pub fn new(store: &Arc<Store>, blob: BlobId, size: u32, line_ends: u32) -> Upload {
        Upload {
            store: Arc::clone(store),
            reading: Reading { blob, rest: Span { start: 0, end: size } },
            size: u64::from(size) + u64::from(line_ends),
            bare: line_ends > 0,
            last: b'\n',
            ended: false,
            _pin: store.pin(blob),
        }
    }

    /// Octets that will be sent.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next octets into `piece`; false when there are none left.
    pub fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, Error> {
        piece.clear();
        if self.ended {
            return Ok(false);
        }
        {
            let snapshot = self.store.snapshot()?;
            let head = snapshot.head(self.reading.blob)?;
            let head = head.ok_or_else(|| Error::Connection("a message went while it was sent".to_owned()))?;
            self.ended = self.reading.read(&snapshot, &head.read()?, piece, PIECE)?;
        }
        if self.bare {
            let raw = std::mem::take(piece);
            for &octet in &raw {
                if octet == b'\n' && self.last != b'\r' {
                    piece.push(b'\r');
                }
                piece.push(octet);
                self.last = octet;
            }
            if self.ended && self.last != b'\n' {
                piece.extend_from_slice(b"\r\n");
            }
        }
        Ok(true)
    }
}

/// What a message is known by again: a part of the hash of its Message-ID; 0 where it has none.
pub fn key(message_id: Option<&[u8]>) -> u64 {
    let Some(id) = message_id.map(<[u8]>::trim_ascii).filter(|id| !id.is_empty()) else { return 0 };
    // Never the one that says that there is none.
    first_half(digest(&SHA256, id).as_ref()).max(1)
}

/// The same of a header as a server gives it.
pub fn key_of(header_block: &[u8]) -> u64 {
    key(header::first(header_block, b"message-id").map(header::unfold).as_deref())
}

/// The same of a message that is stored.
pub fn stored_key(snapshot: &Snapshot, blob: BlobId) -> Result<u64, Error> {
    let Some(head) = snapshot.head(blob)? else { return Ok(0) };
    let head = head.read()?;
    Ok(key(snapshot.envelope(blob, &head)?.message_id.as_deref()))
}

/// A hash of a header that does not depend on how its lines end, and on the empty line after it.
pub fn header_hash(header_block: &[u8]) -> [u8; 32] {
    let mut plain: Vec<u8> = header_block.iter().copied().filter(|octet| *octet != b'\r').collect();
    while plain.last() == Some(&b'\n') {
        plain.pop();
    }
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest(&SHA256, &plain).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

/// The same of a message that is stored; `None` where its header is longer than what is compared, or it is gone.
pub fn stored_header_hash(snapshot: &Snapshot, blob: BlobId) -> Result<Option<[u8; 32]>, Error> {
    let Some(stored) = snapshot.head(blob)? else { return Ok(None) };
    let head = stored.read()?;
    let end = u32::try_from(HEADER + 1).unwrap_or(u32::MAX).min(head.size);
    let mut reading = Reading { blob, rest: Span { start: 0, end } };
    let mut octets = Vec::new();
    let mut looked = 0;
    loop {
        let ended = reading.read(snapshot, &head, &mut octets, looked + PIECE)?;
        if let Some(end) = header_end(octets.get(looked..).unwrap_or_default()) {
            return Ok(Some(header_hash(octets.get(..looked + end).unwrap_or_default())));
        }
        if ended {
            let whole = octets.len() <= HEADER;
            return Ok(whole.then(|| header_hash(&octets)));
        }
        // The empty line may begin in what was looked at.
        looked = octets.len().saturating_sub(3);
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

fn first_half(hash: &[u8]) -> u64 {
    hash.first_chunk::<8>().map_or(0, |octets| u64::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_message_id_however_that_is_folded() {
        let one = key_of(b"Message-ID: <a@b>\r\n\r\n");
        assert_eq!(one, key_of(b"Subject: x\nMESSAGE-ID:\n <a@b>\n\n"));
        assert_eq!(one, key(Some(b"<a@b>")));
        assert_ne!(one, key_of(b"Message-ID: <a@c>\r\n\r\n"));
        assert_eq!((key_of(b"Subject: x\r\n\r\n"), key(Some(b" "))), (0, 0));
    }

    #[test]
    fn a_header_is_the_same_with_other_line_ends() {
        assert_eq!(header_hash(b"A: 1\r\nB: 2\r\n\r\n"), header_hash(b"A: 1\nB: 2\n"));
        assert_ne!(header_hash(b"A: 1\r\n\r\n"), header_hash(b"A: 2\r\n\r\n"));
    }
}
