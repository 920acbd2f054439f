//! Messages that are sent whole: damage is told while nothing of one has left.

use crate::mail::BlobId;
use crate::store::{Fault, Head, Reading, Snapshot};
use crate::wire::Out;

/// Whether a message can be begun now; false where the output has to be sent first, and is closed for it.
///
/// What fits into the output goes there in one piece, which can be taken back where its end cannot be read. What is larger
/// is looked at before.
pub(super) fn may_begin(blob: BlobId, snapshot: &Snapshot, head: &Head<'_>, out: &mut Out) -> Result<bool, Fault> {
    let size = head.size as usize;
    if out.len() + size <= out.limit() {
        return Ok(true);
    }
    if size < out.limit() && !out.is_empty() {
        out.close();
        return Ok(false);
    }
    Reading::probe(blob, snapshot, head)?;
    Ok(true)
}
