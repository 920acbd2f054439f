//! The kernel calls that no kept crate wraps. The only place with `unsafe`; each says why it is sound.

#![expect(unsafe_code, reason = "ioctls take pointers, and rustix leaves it to the caller that they fit")]

use rustix::fd::AsFd;
use rustix::ioctl::{Getter, Opcode, Setter, Updater, ioctl, opcode};
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
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

/// `struct sockaddr_ll` of `linux/if_packet.h`.
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    link: c_int,
    hardware: u16,
    kind: u8,
    length: u8,
    address: [u8; 8],
}

// SAFETY: what is handed on is as linux/if_packet.h has it, with its length, and lives until the call returns.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(std::ptr::from_ref(self).cast(), SocketAddrLen::try_from(size_of::<LinkAddress>()).unwrap_or(0))
    }
}

/// A packet socket hears and says from now on what is of one protocol of Ethernet, on one link.
pub(super) fn bind_to_link(socket: impl AsFd, link: u32, protocol: u16) -> io::Result<()> {
    const AF_PACKET: u16 = 17;
    let link = c_int::try_from(link).map_err(|_| io::ErrorKind::InvalidInput)?;
    let protocol = protocol.to_be();
    let address = LinkAddress { family: AF_PACKET, protocol, link, hardware: 0, kind: 0, length: 0, address: [0; 8] };
    rustix::net::bind(socket, &address)?;
    Ok(())
}

/// `struct rtc_time` of linux/rtc.h, in UTC.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RtcTime {
    pub(super) second: c_int,
    pub(super) minute: c_int,
    pub(super) hour: c_int,
    pub(super) day: c_int,
    /// From 0.
    pub(super) month: c_int,
    /// Since 1900.
    pub(super) year: c_int,
    pub(super) unused: [c_int; 3],
}

const RTC_SET_TIME: Opcode = opcode::write::<RtcTime>(b'p', 0x0a);

/// Sets a clock that goes on without power.
pub(super) fn set_rtc(rtc: impl AsFd, time: RtcTime) -> io::Result<()> {
    // SAFETY: RTC_SET_TIME reads one `struct rtc_time`.
    unsafe { ioctl(rtc, Setter::<RTC_SET_TIME, RtcTime>::new(time)) }?;
    Ok(())
}

/// Lets the clock go a little faster or slower until it has gained so many microseconds.
pub(super) fn slew(microseconds: i32) -> io::Result<()> {
    let delta = libc::timeval {
        tv_sec: (microseconds.div_euclid(1_000_000)).into(),
        tv_usec: (microseconds.rem_euclid(1_000_000)).into(),
    };
    // SAFETY: the first is only read, and the second says that what was left before is not wanted.
    match unsafe { libc::adjtime(&raw const delta, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives back to the kernel what the C library's heap does not need. It would give back only what lies at its end, and
/// keeps what a crowd left for as long as one small block lies above it. Takes some milliseconds, in which nobody else
/// allocates.
pub fn give_heap_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and may be called from any thread at any time (malloc_trim(3): MT-Safe).
    unsafe {
        libc::malloc_trim(0);
    }
}

const _: () = assert!(size_of::<LinkAddress>() == 20 && size_of::<RtcTime>() == 36);
const _: () = assert!(size_of::<Partition>() == 152 && size_of::<c_long>() == size_of::<*mut c_void>());
