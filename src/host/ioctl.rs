//! The kernel calls that no kept crate wraps. The only place with `unsafe`; each says why it is sound.

#![expect(unsafe_code, reason = "ioctls take pointers, and rustix leaves it to the caller that they fit")]

use rustix::fd::AsFd;
use rustix::ioctl::{Getter, Opcode, Setter, Updater, ioctl, opcode};
use std::ffi::{c_int, c_long, c_longlong, c_void};
use std::io;

const BLKPG: Opcode = opcode::none(0x12, 105);
const EXT4_RESIZE_FS: Opcode = opcode::write::<u64>(b'f', 16);
const WATCHDOG_KEEPALIVE: Opcode = opcode::read::<c_int>(b'W', 5);
const WATCHDOG_SET_TIMEOUT: Opcode = opcode::read_write::<c_int>(b'W', 6);
const RESIZE_PARTITION: c_int = 3;

/// `struct blkpg_ioctl_arg` of linux/blkpg.h.
#[repr(C)]
struct PartitionCall {
    what: c_int,
    flags: c_int,
    length: c_int,
    data: *mut c_void,
}

/// `struct blkpg_partition` of linux/blkpg.h; the names are not looked at.
#[repr(C)]
struct Partition {
    start: c_longlong,
    length: c_longlong,
    number: c_int,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

/// Tells the kernel that a partition, which may be in use, is so long now. Octets.
pub(super) fn resize_partition(disk: impl AsFd, number: i32, start: u64, length: u64) -> io::Result<()> {
    let mut partition = Partition {
        start: start.cast_signed(),
        length: length.cast_signed(),
        number,
        device_name: [0; 64],
        volume_name: [0; 64],
    };
    let length = c_int::try_from(size_of::<Partition>()).unwrap_or(0);
    let call =
        PartitionCall { what: RESIZE_PARTITION, flags: 0, length, data: std::ptr::from_mut(&mut partition).cast() };
    // SAFETY: both structures are as linux/blkpg.h has them, and live until the call returns; the kernel only reads them.
    unsafe { ioctl(disk, Setter::<BLKPG, PartitionCall>::new(call)) }?;
    Ok(())
}

/// Lets a mounted ext4 file system grow to so many blocks.
pub(super) fn grow_ext4(mounted: impl AsFd, blocks: u64) -> io::Result<()> {
    // SAFETY: EXT4_IOC_RESIZE_FS reads one u64.
    unsafe { ioctl(mounted, Setter::<EXT4_RESIZE_FS, u64>::new(blocks)) }?;
    Ok(())
}

/// After so many seconds without being fed, the watchdog starts the machine again.
pub(super) fn set_watchdog_timeout(watchdog: impl AsFd, seconds: i32) -> io::Result<i32> {
    let mut seconds: c_int = seconds;
    // SAFETY: WDIOC_SETTIMEOUT reads one int, and writes it as what was taken.
    unsafe { ioctl(watchdog, Updater::<WATCHDOG_SET_TIMEOUT, c_int>::new(&mut seconds)) }?;
    Ok(seconds)
}

/// Feeds the watchdog.
pub(super) fn feed_watchdog(watchdog: impl AsFd) -> io::Result<()> {
    // SAFETY: WDIOC_KEEPALIVE is declared as one that gives an int; it touches nothing.
    unsafe { ioctl(watchdog, Getter::<WATCHDOG_KEEPALIVE, c_int>::new()) }?;
    Ok(())
}

/// From now on mounts of this process are its own. To be called before there is a second thread.
pub(super) fn own_mounts() -> io::Result<()> {
    // SAFETY: only with FILES could this take away descriptors that another thread uses.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }?;
    Ok(())
}

const _: () = assert!(size_of::<Partition>() == 152 && size_of::<c_long>() == size_of::<*mut c_void>());
