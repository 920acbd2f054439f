//! File systems that are not on a disk, and the calls that mount those that are.

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;

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

/// Unmounts; what is busy stays, and is made read-only.
pub(super) fn take_away(target: &Path) {
    if unmount(target, UnmountFlags::empty()).is_ok() {
        return;
    }
    if let Err(error) = change(target, MountFlags::RDONLY) {
        log::warn!("{} could not be made read-only: {error}", target.display());
    }
    let _ = unmount(target, UnmountFlags::DETACH);
}

/// Whether the kernel has this mount as one that is not written to; `None` where there is no such mount.
pub(super) fn is_read_only(target: &str) -> Option<bool> {
    read_only_in(&fs::read_to_string("/proc/self/mounts").ok()?, target)
}

fn read_only_in(mounts: &str, target: &str) -> Option<bool> {
    let line = mounts.lines().rev().find(|line| line.split(' ').nth(1) == Some(target))?;
    Some(line.split(' ').nth(3)?.split(',').any(|option| option == "ro"))
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
    }
}
