//! The data partition at its first start: as long as its disk allows, and its file system with it.
//!
//! Each step may be cut off: the next start finds the first that is missing.

use super::disk::{self, Kind, Partition};
use super::{data, ioctl};
use crate::sys::threads;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Octets that are worth it.
const MEBIBYTE: u64 = 1 << 20;
/// How long an orderly end waits for a file system that grows.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether a file system grows.
static GROWING: Mutex<bool> = Mutex::new(false);
static GROWN: Condvar = Condvar::new();

/// The partition as long as its disk allows.
pub(super) fn partition(partition: &Partition) -> Partition {
    match try_to_grow(partition) {
        Ok(Some(length)) => {
            log::info!("{} grew to {} MiB", partition.name, length / MEBIBYTE);
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
    if partition.number == 0 {
        return Ok(None);
    }
    let length = disk::length(&partition.disk).unwrap_or(0);
    let disk = File::options().read(true).write(true).open(partition.disk_device())?;
    let Some(length) = grow_table(&disk, partition, length)? else { return Ok(None) };
    ioctl::resize_partition(&disk, partition.number, partition.start, length)?;
    Ok(Some(length))
}

/// The table is the truth: the kernel may know an older one when the last start was cut off.
fn grow_table(disk: &File, partition: &Partition, length: u64) -> io::Result<Option<u64>> {
    let mut mbr = [0; 512];
    disk.read_exact_at(&mut mbr, 0)?;
    if mbr.get(450) == Some(&0xee) {
        return grow_gpt(disk, partition, length);
    }
    let Some((grown, length)) = disk::grown_mbr(&mbr, partition, length) else { return Ok(None) };
    disk.write_all_at(&grown, 0)?;
    disk.sync_all()?;
    Ok(Some(length))
}

/// The same in a GPT, whose second header moves to the end of the disk.
fn grow_gpt(disk: &File, partition: &Partition, length: u64) -> io::Result<Option<u64>> {
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(gpt::disk::LogicalBlockSize::Lb512)
        .open_from_device(disk.try_clone()?)
        .map_err(io::Error::other)?;
    let mut partitions = table.partitions().clone();
    let Ok(number) = u32::try_from(partition.number) else { return Ok(None) };
    // The second header and its table take 33 sectors at the end.
    let sectors = (length / disk::SECTOR).saturating_sub(33) / 2048 * 2048;
    let start = partition.start / disk::SECTOR;
    if partitions.iter().any(|(other, entry)| *other != number && entry.is_used() && entry.first_lba > start) {
        return Ok(None);
    }
    let Some(entry) = partitions.get_mut(&number).filter(|entry| entry.first_lba == start) else { return Ok(None) };
    let before = entry.last_lba + 1;
    if sectors < before + MEBIBYTE / disk::SECTOR {
        return Ok(None);
    }
    entry.last_lba = sectors - 1;
    table.update_partitions(partitions).map_err(io::Error::other)?;
    table.write_inplace().map_err(io::Error::other)?;
    disk.sync_all()?;
    Ok(Some((sectors - start) * disk::SECTOR))
}

/// The mounted file system as long as its partition, while it is used already.
pub(super) fn file_system(partition: &Partition) {
    let Some(Kind::Ext4 { length, block, .. }) = partition.content().map(|content| content.kind) else { return };
    if length.saturating_add(MEBIBYTE) > partition.length {
        return;
    }
    let (blocks, shown) = (partition.length / block, partition.length / MEBIBYTE);
    *GROWING.lock().unwrap_or_else(PoisonError::into_inner) = true;
    threads::once("growth", move || {
        match File::open(data::FOLDER).and_then(|folder| ioctl::grow_ext4(&folder, blocks)) {
            Ok(()) => log::info!("the data partition's file system grew to {shown} MiB"),
            Err(error) => log::warn!("the data partition's file system could not grow: {error}"),
        }
        *GROWING.lock().unwrap_or_else(PoisonError::into_inner) = false;
        GROWN.notify_all();
    });
}

/// Waits until it has grown.
pub(super) fn wait() {
    let growing = GROWING.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = GROWN.wait_timeout_while(growing, PATIENCE, |growing| *growing);
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpt::partition_types;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    /// A disk of 64 MiB with a GPT, which was then copied to one of 256 MiB.
    fn copied(name: &str) -> (File, PathBuf, Partition) {
        let path = std::env::temp_dir().join(format!("pillarbox-grow-{name}-{}", std::process::id()));
        let disk = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        disk.set_len(64 << 20).unwrap();
        gpt::mbr::ProtectiveMBR::with_lb_size(u32::MAX).overwrite_lba0(&mut disk.try_clone().unwrap()).unwrap();
        let mut table =
            gpt::GptConfig::new().writable(true).create_from_device(disk.try_clone().unwrap(), None).unwrap();
        table.update_partitions(BTreeMap::new()).unwrap();
        table.add_partition_at("boot", 1, 2048, 16384, partition_types::EFI, 0).unwrap();
        table.add_partition_at("data", 2, 18432, 65536, partition_types::LINUX_FS, 0).unwrap();
        table.write_inplace().unwrap();
        disk.set_len(256 << 20).unwrap();
        let partition =
            Partition { name: "x2".to_owned(), disk: "x".to_owned(), number: 2, start: 18432 * 512, length: 32 << 20 };
        (disk, path, partition)
    }

    #[test]
    fn a_gpt_grows_with_the_disk_once_and_is_sound_at_both_ends() {
        let (disk, path, partition) = copied("once");
        let grown = grow_table(&disk, &partition, 256 << 20).unwrap();
        assert_eq!(grown, Some((255 << 20) - 18432 * 512));
        assert_eq!(grow_table(&disk, &partition, 256 << 20).unwrap(), None);
        let table = gpt::GptConfig::new().only_valid_headers(true).open_from_device(disk).unwrap();
        let entry = table.partitions().get(&2).unwrap();
        assert_eq!((entry.first_lba, entry.last_lba + 1), (18432, (255 << 20) / 512));
        assert_eq!(table.partitions().get(&1).unwrap().last_lba, 18431);
        assert_eq!(table.primary_header().unwrap().backup_lba, (256 << 20) / 512 - 1);
        assert!(table.backup_header().is_ok());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_partition_with_another_behind_it_stays_as_it_is() {
        let (disk, path, partition) = copied("last");
        let first = Partition { number: 1, start: 2048 * 512, ..partition };
        assert_eq!(grow_table(&disk, &first, 256 << 20).unwrap(), None);
        std::fs::remove_file(path).unwrap();
    }
}
