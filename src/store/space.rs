//! Room on the disk. redb cannot even delete when the disk is full, so it must never come to that: appends stop while
//! there is a reserve left, and a ballast file can be let go when something else ate the reserve.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Appends stop when less than this is free: enough for some thousand commits that delete.
const RESERVE: u64 = 32 << 20;
/// Given back to the file system when it is full all the same.
const BALLAST: u64 = 16 << 20;
/// The ballast is only put down where it does not hurt.
const ROOMY: u64 = 8 * (RESERVE + BALLAST);
/// How long a look at the disk is good for.
const FRESH: Duration = Duration::from_millis(500);

/// The disk that a store lies on.
#[derive(Debug)]
pub(super) struct Space {
    folder: Option<PathBuf>,
    looked: Mutex<Option<(Instant, bool)>>,
}

impl Space {
    pub(super) fn of(folder: Option<&Path>) -> Space {
        Space { folder: folder.map(Path::to_owned), looked: Mutex::new(None) }
    }

    /// Whether mail may still come in.
    pub(super) fn has_room(&self) -> bool {
        let Some(folder) = &self.folder else { return true };
        let mut looked = self.looked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((at, room)) = *looked
            && at.elapsed() < FRESH
        {
            return room;
        }
        // A disk that cannot be asked is left to say no by itself.
        let room = free(folder).is_none_or(|free| free >= RESERVE);
        *looked = Some((Instant::now(), room));
        room
    }

    /// Puts the ballast down, where there is plenty of room.
    pub(super) fn put_ballast(&self) -> io::Result<()> {
        let Some(path) = self.ballast() else { return Ok(()) };
        if path.exists() || free(&path).is_none_or(|free| free < ROOMY) {
            return Ok(());
        }
        let file = File::create(&path)?;
        // Real blocks: a hole would free nothing.
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, BALLAST)?;
        Ok(())
    }

    /// Lets the ballast go; true if there was one.
    pub(super) fn drop_ballast(&self) -> bool {
        self.ballast().is_some_and(|path| fs::remove_file(path).is_ok())
    }

    fn ballast(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("ballast"))
    }
}

/// Octets free for this process on the disk that holds `path` or its folder.
fn free(path: &Path) -> Option<u64> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    rustix::fs::statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
