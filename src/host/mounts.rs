//! File systems that are not on a disk, and the calls that mount those that are.

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often, and after which pause each, a mount that is busy is tried again.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);
const QUIET: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// What every program expects to be there. What is mounted already, as by the kernel, is left alone.
pub(super) fn early() {
    let wanted = [
        ("proc", "/proc", "proc", QUIET, ""),
        ("sysfs", "/sys", "sysfs", QUIET, ""),
        ("devtmpfs", "/dev", "devtmpfs", MountFlags::NOSUID, "mode=0755"),
        ("tmpfs", "/run", "tmpfs", QUIET, "mode=0755,size=8m"),
        ("tmpfs", "/tmp", "tmpfs", QUIET, "mode=1777,size=8m"),
    ];
    for (source, target, kind, flags, options) in wanted {
        if let Err(error) = put(Path::new(source), Path::new(target), kind, flags, options)
            && error.kind() != io::ErrorKind::ResourceBusy
        {
            log::warn!("{target} could not be mounted: {error}");
        }
    }
}

/// Mounts, after making the folder.
pub(super) fn put(source: &Path, target: &Path, kind: &str, flags: MountFlags, options: &str) -> io::Result<()> {
    // On a file system that cannot be written, the folder is there or the mount says so.
    let _ = fs::create_dir_all(target);
    let options = CString::new(options)?;
    Ok(mount(source, target, kind, flags, options.as_c_str())?)
}

/// Mounts again with other flags.
pub(super) fn change(target: &Path, flags: MountFlags) -> io::Result<()> {
    Ok(mount_remount(target, flags, c"")?)
}

/// Unmounts, after all who used it have ended. What is on the disk is whole then, even where something stays busy.
pub(super) fn take_away(target: &Path) {
    // The view of a process that ended may take a moment to go.
    for _ in 0..TRIES {
        match change(target, MountFlags::RDONLY) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(PAUSE),
            Err(error) => {
                log::warn!("{} could not be made read-only: {error}", target.display());
                break;
            }
            Ok(()) => break,
        }
    }
    if unmount(target, UnmountFlags::empty()).is_err() {
        let_go(target);
    }
}

/// Takes a mount away whose disk is gone, whoever uses it.
pub(super) fn let_go(target: &Path) {
    if let Err(error) = unmount(target, UnmountFlags::DETACH) {
        log::warn!("{} could not be unmounted: {error}", target.display());
    }
}

/// Whether the kernel has this mount as one that is not written to; `None` where there is no such mount.
pub(super) fn is_read_only(target: &str) -> Option<bool> {
    read_only_in(&fs::read_to_string("/proc/self/mounts").ok()?, target)
}

fn read_only_in(mounts: &str, target: &str) -> Option<bool> {
    let line = mounts.lines().rev().find(|line| line.split(' ').nth(1) == Some(target))?;
    // Newer kernels tell an emergency apart from what was asked for.
    let stopped = |option: &str| matches!(option, "ro" | "emergency_ro" | "shutdown");
    Some(line.split(' ').nth(3)?.split(',').any(stopped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_that_the_kernel_stopped_writing_to_is_seen() {
        let mounts = "/dev/vda4 /data ext4 rw,noatime 0 0\n/dev/vda1 /boot vfat ro,relatime 0 0\n";
        assert_eq!(read_only_in(mounts, "/data"), Some(false));
        assert_eq!(read_only_in(mounts, "/boot"), Some(true));
        assert_eq!(read_only_in(mounts, "/usb"), None);
        assert_eq!(read_only_in(&mounts.replace("rw,", "ro,"), "/data"), Some(true));
        assert_eq!(read_only_in(&mounts.replace("noatime", "emergency_ro"), "/data"), Some(true));
    }
}
