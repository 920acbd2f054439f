//! Putting mail into a store and getting it out again, as sessions do.

use pillarbox::mail::{BlobId, Span};
use pillarbox::store::{Packer, Parcel, Reading, Snapshot, Store, StoreError};

/// Packs a message, staging what was packed whenever `held` octets are held.
pub fn pack(store: &Store, octets: &[u8], held: usize) -> Result<Parcel, StoreError> {
    begin(store, octets, held)?.finish()
}

/// As `pack`, but for the last word.
pub fn begin(store: &Store, octets: &[u8], held: usize) -> Result<Packer, StoreError> {
    let mut packer = store.packer();
    for piece in octets.chunks(50_000) {
        packer.push(piece)?;
        if packer.held() >= held {
            store.write_blocking(store.stage(&mut packer))?;
        }
    }
    Ok(packer)
}

/// The octets of a stored message, read in bufferfuls.
pub fn content(snapshot: &Snapshot, blob: BlobId) -> Result<Vec<u8>, String> {
    let stored = snapshot.head(blob).map_err(|fault| fault.to_string())?.ok_or("no head")?;
    let head = stored.read().map_err(|fault| fault.to_string())?;
    let mut reading = Reading { blob, rest: Span { start: 0, end: head.size } };
    let mut whole = Vec::new();
    loop {
        let enough = whole.len() + 40_000;
        if reading.read(snapshot, &head, &mut whole, enough).map_err(|fault| fault.to_string())? {
            return Ok(whole);
        }
    }
}
