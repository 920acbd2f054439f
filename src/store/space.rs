//! Room on the disk. redb cannot even delete when the disk is full, so it must never come to that: appends stop while
//! there is a reserve left, and a ballast file can be let go when something else ate the reserve.

use super::privacy;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Appends stop when less than this is free: enough for some thousand commits that delete.
const RESERVE: u64 = 32 << 20;
/// The file never gives back what was deleted inside it, so on a full disk mail that fits into those holes is taken, as
/// long as this much is free: what is known of the holes is an estimate.
const FLOOR: u64 = 16 << 20;
/// With less than this, not even opening the tables is tried again.
const BEGINNING: u64 = 1 << 20;
/// With less than this, what can be done without goes.
const SHORT: u64 = 4 * RESERVE;
/// Given back to the file system when it is full all the same.
const BALLAST: u64 = 16 << 20;
/// The ballast is never more than this share of what is free when it is put down,
const SHARE: u64 = 8;
/// and where it would be smaller than this, it would not help.
const LEAST: u64 = 4 << 20;

/// The disk that a store lies on.
#[derive(Debug)]
pub(super) struct Space {
    folder: Option<PathBuf>,
    // Octets of content that redb has taken and perhaps not yet written.
    pending: AtomicU64,
    // Octets that were deleted inside the file and not written again, roughly.
    inside: AtomicU64,
    // A savepoint keeps what is deleted: nothing of it can be written again.
    pinned: AtomicBool,
}

impl Space {
    pub(super) fn of(folder: Option<&Path>) -> Space {
        Space {
            folder: folder.map(Path::to_owned),
            pending: AtomicU64::new(0),
            inside: AtomicU64::new(0),
            pinned: AtomicBool::new(false),
        }
    }

    /// Whether that much mail may still come in.
    pub(super) fn has_room(&self, octets: u64) -> bool {
        // A disk that cannot be asked is left to say no by itself.
        let Some(free) = self.free() else { return true };
        let pending = self.pending.load(Ordering::Relaxed).saturating_add(octets);
        // Pages around it, and partly filled ones.
        let wanted = pending.saturating_add(pending / 2);
        free >= RESERVE.saturating_add(wanted)
            || (!self.pinned.load(Ordering::Relaxed)
                && free >= FLOOR.saturating_add(wanted)
                && self.inside() >= wanted.saturating_mul(2))
    }

    /// Whether room becomes short: while there is still some for what makes room.
    pub(super) fn is_short(&self) -> bool {
        self.free().is_some_and(|free| free < SHORT)
    }

    /// Whether even deleting may not work any more.
    pub(super) fn is_full(&self) -> bool {
        self.free().is_some_and(|free| free < FLOOR)
    }

    /// A transaction was committed that took and freed so many octets.
    pub(super) fn committed(&self, taken: u64, freed: u64, durable: bool) {
        // Only the writer changes these.
        let inside = self.inside().saturating_sub(taken).saturating_add(freed);
        self.inside.store(inside, Ordering::Relaxed);
        let pending = if durable { 0 } else { self.pending.load(Ordering::Relaxed).saturating_add(taken) };
        self.pending.store(pending, Ordering::Relaxed);
    }

    /// What was not yet written is lost.
    pub(super) fn reopened(&self) {
        self.pending.store(0, Ordering::Relaxed);
    }

    /// Whether what is deleted inside the file stays there.
    pub(super) fn pin(&self, pinned: bool) {
        self.pinned.store(pinned, Ordering::Relaxed);
    }

    /// Octets free inside the file, roughly.
    pub(super) fn inside(&self) -> u64 {
        self.inside.load(Ordering::Relaxed)
    }

    /// What `inside` was at the last checkpoint.
    pub(super) fn remember(&self, inside: u64) {
        self.inside.store(inside, Ordering::Relaxed);
    }

    /// Puts the ballast down, where there is plenty of room.
    pub(super) fn put_ballast(&self) -> io::Result<()> {
        let Some(path) = self.ballast() else { return Ok(()) };
        let Some(free) = self.free().filter(|_| !path.exists()) else { return Ok(()) };
        let octets = (free / SHARE).min(BALLAST);
        // One that was let go comes back only when there is plenty again.
        if octets < LEAST || free < RESERVE + BALLAST {
            return Ok(());
        }
        let laid = lay(&path, octets);
        if laid.is_err() {
            // Half a ballast would pass for one.
            let _ = fs::remove_file(&path);
        }
        laid
    }

    /// Whether there is so little that nothing can be begun: opening the tables writes some pages.
    pub(super) fn is_used_up(&self) -> bool {
        self.free().is_some_and(|free| free < BEGINNING)
    }

    /// Lets the ballast go; true if there was one.
    pub(super) fn drop_ballast(&self) -> bool {
        self.ballast().is_some_and(|path| fs::remove_file(path).is_ok())
    }

    fn ballast(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("ballast"))
    }

    /// Octets free for this process on the disk.
    pub(super) fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.folder.as_deref()?).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

/// Real blocks: a hole would free nothing.
fn lay(path: &Path, octets: u64) -> io::Result<()> {
    let mut file = privacy::create(path)?;
    if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, octets).is_ok() {
        return Ok(());
    }
    // Not every file system can reserve.
    let zeros = [0; 8 << 10];
    for _ in 0..octets / zeros.len() as u64 {
        file.write_all(&zeros)?;
    }
    Ok(())
}
