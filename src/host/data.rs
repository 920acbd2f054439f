//! The data partition: found, grown, mounted. What is wrong with it is told; it is never made anew.

use super::disk::{self, Kind, Partition};
use super::{ioctl, mounts};
use rustix::mount::MountFlags;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, chown};
use std::path::Path;

/// Where the data is.
pub(super) const FOLDER: &str = "/data";
/// The mail server's data folder.
pub(super) const MAIL: &str = "/data/mail";
/// What PID 1 remembers.
pub(super) const HOST: &str = "/data/host";
/// Who the mail server runs as.
pub(super) const SERVER: u32 = 500;

/// How the data partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// Mounted, and written to.
    Good,
    /// Mounted, but only read: why.
    ReadOnly(String),
    /// Not there, or not to be read: why.
    Absent(String),
}

impl Data {
    /// Finds the partition on the disk that we started from, and mounts it.
    pub(super) fn mount(disk: &str) -> Data {
        let all = disk::partitions();
        let holds = |partition: &&Partition| partition.content().is_some_and(|content| content.label == disk::DATA);
        let Some(partition) = all.iter().filter(|partition| partition.disk == disk).find(holds) else {
            return Data::Absent(why_absent(&all, disk));
        };
        let partition = grow(partition);
        let Some(Kind::Ext4 { faulty, .. }) = partition.content().map(|content| content.kind) else {
            return Data::Absent(format!("{} does not hold what it held", partition.name));
        };
        let device = partition.device();
        let flags = MountFlags::NOATIME | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let put = |flags, options| mounts::put(&device, Path::new(FOLDER), "ext4", flags, options);
        if faulty {
            let why = "the file system noted an error: copy the mail, then have the disk looked at".to_owned();
            return match put(flags | MountFlags::RDONLY, "") {
                Ok(()) => Data::ReadOnly(why),
                Err(error) => Data::Absent(format!("{why} ({error})")),
            };
        }
        match put(flags, "errors=remount-ro") {
            Ok(()) => {
                grow_file_system(&partition);
                match prepare() {
                    Ok(()) => Data::Good,
                    Err(error) => Data::ReadOnly(format!("it cannot be written to: {error}")),
                }
            }
            // What the journal holds may be what is damaged.
            Err(error) => {
                match put(flags | MountFlags::RDONLY, "").or_else(|_| put(flags | MountFlags::RDONLY, "noload")) {
                    Ok(()) => Data::ReadOnly(format!("it can only be read: {error}")),
                    Err(_) => Data::Absent(format!("it cannot be mounted: {error}")),
                }
            }
        }
    }

    /// What the kernel says of it now.
    pub(super) fn look_again(&mut self) {
        if matches!(self, Data::Good) && mounts::is_read_only(FOLDER) == Some(true) {
            *self = Data::ReadOnly("the disk failed while running".to_owned());
        }
    }

    /// Whether mail can be served from it at all.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Data::Absent(_))
    }
}

fn why_absent(all: &[Partition], disk: &str) -> String {
    match all.iter().rev().find(|partition| partition.disk == disk && partition.number > 1) {
        _ if disk.is_empty() => "no disk with a partition PILLARBOX was found".to_owned(),
        // Its label cannot be read: this is where it was.
        Some(last) => {
            format!("no partition {} on {disk}: is {} damaged? Nothing is formatted by itself", disk::DATA, last.name)
        }
        None => format!("no partition {} on {disk}", disk::DATA),
    }
}

/// Folders with their owners.
fn prepare() -> io::Result<()> {
    for (folder, owner) in [(MAIL, SERVER), (HOST, 0)] {
        fs::create_dir_all(folder)?;
        chown(folder, Some(owner), Some(owner))?;
    }
    Ok(())
}

/// The partition as long as its disk allows. Each step may be cut off: the next start finds the first that is missing.
fn grow(partition: &Partition) -> Partition {
    match try_to_grow(partition) {
        Ok(Some(length)) => {
            log::info!("{} grew to {} MiB", partition.name, length >> 20);
            Partition { length, ..partition.clone() }
        }
        Ok(None) => partition.clone(),
        Err(error) => {
            log::warn!("{} could not grow to the end of the disk: {error}", partition.name);
            partition.clone()
        }
    }
}

fn try_to_grow(partition: &Partition) -> io::Result<Option<u64>> {
    let length = disk::length(&partition.disk).unwrap_or(0);
    let disk = File::options().read(true).write(true).open(partition.disk_device())?;
    let mut mbr = [0; 512];
    disk.read_exact_at(&mut mbr, 0)?;
    // The table is the truth: the kernel may know an older one when the last start was cut off.
    let table = if mbr.get(450) == Some(&0xee) {
        grow_gpt(&disk, partition, length)?
    } else {
        match disk::grown_mbr(&mbr, partition.number, length) {
            Some((grown, length)) => {
                disk::write_mbr(&disk, &grown)?;
                Some(length)
            }
            None => None,
        }
    };
    if let Some(length) = table {
        ioctl::resize_partition(&disk, partition.number, partition.start, length)?;
    }
    Ok(table)
}

/// The same in a GPT, whose second header moves to the end of the disk.
fn grow_gpt(disk: &File, partition: &Partition, length: u64) -> io::Result<Option<u64>> {
    let size = gpt::disk::LogicalBlockSize::Lb512;
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(size)
        .change_partition_count(true)
        .open_from_device(disk.try_clone()?)
        .map_err(io::Error::other)?;
    let mut partitions = table.partitions().clone();
    let number = u32::try_from(partition.number).unwrap_or(0);
    // The second header and its table take 33 sectors at the end.
    let last = (length / disk::SECTOR).saturating_sub(34) / 2048 * 2048 - 1;
    let Some(entry) = partitions.get_mut(&number).filter(|entry| entry.last_lba + 2048 <= last) else {
        return Ok(None);
    };
    entry.last_lba = last;
    let sectors = last + 1 - entry.first_lba;
    table.update_partitions(partitions).map_err(io::Error::other)?;
    table.write_inplace().map_err(io::Error::other)?;
    disk.sync_all()?;
    Ok(Some(sectors * disk::SECTOR))
}

/// The mounted file system as long as its partition.
fn grow_file_system(partition: &Partition) {
    let Some(Kind::Ext4 { length, block, .. }) = partition.content().map(|content| content.kind) else { return };
    if length.saturating_add(1 << 20) > partition.length {
        return;
    }
    let grown = File::open(FOLDER).and_then(|folder| ioctl::grow_ext4(&folder, partition.length / block));
    match grown {
        Ok(()) => log::info!("the data partition's file system grew to {} MiB", partition.length >> 20),
        Err(error) => log::warn!("the data partition's file system could not grow: {error}"),
    }
}
