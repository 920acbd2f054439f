//! Blobs that readers still need, and blobs that nobody will.

use crate::mail::BlobId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blobs of uploads that came to nothing.
#[derive(Debug, Default)]
pub(super) struct Abandoned {
    blobs: Mutex<Vec<BlobId>>,
    // How often the store was opened again: what was staged and not durable before is lost.
    opening: AtomicU64,
}

/// Blobs that are being read over several snapshots: the sweep leaves them.
#[derive(Debug, Default)]
pub(super) struct Pins(Mutex<HashMap<BlobId, usize>>);

/// While this lives, the blob stays readable though no message may show it any more.
#[derive(Debug)]
pub struct Pin {
    blob: BlobId,
    pins: Arc<Pins>,
}

impl Abandoned {
    pub(super) fn push(&self, blob: BlobId) {
        self.lock().push(blob);
    }

    pub(super) fn all(&self) -> Vec<BlobId> {
        self.lock().clone()
    }

    /// The first `count` are taken care of. Only the writer takes any away.
    pub(super) fn forget(&self, count: usize) {
        let mut blobs = self.lock();
        let count = count.min(blobs.len());
        blobs.drain(..count);
    }

    /// The store was opened again.
    pub(super) fn reopened(&self) {
        self.opening.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn opening(&self) -> u64 {
        self.opening.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BlobId>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pins {
    pub(super) fn pin(self: &Arc<Self>, blob: BlobId) -> Pin {
        *self.lock().entry(blob).or_default() += 1;
        Pin { blob, pins: Arc::clone(self) }
    }

    pub(super) fn holds(&self, blob: BlobId) -> bool {
        self.lock().contains_key(&blob)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.pins.lock();
        if let Some(count) = pins.get_mut(&self.blob) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.blob);
            }
        }
    }
}
