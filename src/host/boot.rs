//! The disk that we started from: found by its label, and its FAT partition mounted.

use super::disk::{self, Kind, Partition};
use super::mounts;
use rustix::mount::MountFlags;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Where the FAT partition is.
pub(super) const FOLDER: &str = "/boot";
/// How long a slow card, or a disk behind a hub, may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits for the partition, for a while.
pub(super) fn wait(disk: Option<&Path>) -> Option<Partition> {
    let start = Instant::now();
    loop {
        match find(disk) {
            None if start.elapsed() < PATIENCE => thread::sleep(PAUSE),
            found => return found,
        }
    }
}

/// Finds it: on the disk that is named, if one is.
pub(super) fn find(disk: Option<&Path>) -> Option<Partition> {
    let disk = disk.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let is_boot = |partition: &Partition| {
        let named = disk.as_ref().is_none_or(|disk| partition.disk == *disk || partition.name == *disk);
        let fits = |content: disk::Content| content.kind == Kind::Fat && content.label == disk::BOOT;
        named && partition.content().is_some_and(fits)
    };
    disk::partitions().into_iter().find(is_boot)
}

/// Mounts it, to be read; who writes an update mounts it again for that.
pub(super) fn mount(partition: &Partition) -> io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mounts::put(&partition.device(), Path::new(FOLDER), "vfat", flags, "umask=0077")
}
