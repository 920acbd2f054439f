//! The disk: a table of two partitions, and what is in them.

use crate::board::Table;
use anyhow::{Context, Result};
use gpt::partition::Partition;
use gpt::partition_types;
use mbrman::{CHS, MBRHeader, MBRPartitionEntry};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;
use uuid::Uuid;

const SECTOR: u64 = 512;
/// Where the first partition begins: no card's erase blocks lie across it.
const START: u64 = 4 << 20;
/// What a GPT has at the end.
const TAIL: u64 = 1 << 20;
const SIGNATURE: [u8; 4] = *b"PLBX";
const DISK: Uuid = Uuid::from_u128(0x7069_6c6c_6172_426f_8178_6469_736b_3030);
const FIRST: Uuid = Uuid::from_u128(0x7069_6c6c_6172_426f_8178_626f_6f74_3031);
const SECOND: Uuid = Uuid::from_u128(0x7069_6c6c_6172_426f_8178_6461_7461_3032);

/// A whole disk.
pub(crate) struct Disk {
    pub(crate) octets: Vec<u8>,
    /// Where the data partition is.
    pub(crate) data: Range<usize>,
}

impl Disk {
    /// Puts the two partitions on a disk. `efi`: the first one is for UEFI to start from.
    pub(crate) fn join(table: Table, efi: bool, boot: &[u8], data: &[u8]) -> Result<Disk> {
        let begin = usize::try_from(START)?;
        let second = begin + boot.len();
        let end = second + data.len();
        let tail = if table == Table::Gpt { usize::try_from(TAIL)? } else { 0 };
        let mut octets = vec![0; end + tail];
        octets.get_mut(begin..second).context("room")?.copy_from_slice(boot);
        octets.get_mut(second..end).context("room")?.copy_from_slice(data);
        let parts = [(START, boot.len() as u64), (second as u64, data.len() as u64)];
        match table {
            Table::Mbr => write_mbr(&mut octets, efi, parts)?,
            Table::Gpt => write_gpt(&mut octets, parts)?,
        }
        Ok(Disk { octets, data: second..end })
    }
}

fn write_mbr(octets: &mut [u8], efi: bool, parts: [(u64, u64); 2]) -> Result<()> {
    let mut header = MBRHeader::new(SIGNATURE);
    let entry = |kind, active, (start, length): (u64, u64)| -> Result<MBRPartitionEntry> {
        Ok(MBRPartitionEntry {
            boot: if active { mbrman::BOOT_ACTIVE } else { mbrman::BOOT_INACTIVE },
            // Nobody counts cylinders any more: these say "look at the numbers of sectors".
            first_chs: CHS::new(1023, 254, 63),
            sys: kind,
            last_chs: CHS::new(1023, 254, 63),
            starting_lba: u32::try_from(start / SECTOR)?,
            sectors: u32::try_from(length / SECTOR)?,
        })
    };
    // EF: an EFI system partition. 0C: a FAT32, as the Raspberry Pi's firmware wants it. 83: Linux.
    header.partition_1 = entry(if efi { 0xef } else { 0x0c }, true, parts[0])?;
    header.partition_2 = entry(0x83, false, parts[1])?;
    header.write_into(&mut Cursor::new(octets))?;
    Ok(())
}

fn write_gpt(octets: &mut [u8], parts: [(u64, u64); 2]) -> Result<()> {
    let sectors = octets.len() as u64 / SECTOR;
    let mut device = Cursor::new(octets.to_vec());
    let protective = gpt::mbr::ProtectiveMBR::with_lb_size(u32::try_from(sectors - 1)?);
    protective.overwrite_lba0(&mut device)?;
    let config = gpt::GptConfig::new().writable(true).logical_block_size(gpt::disk::LogicalBlockSize::Lb512);
    let mut table = config.create_from_device(device, Some(DISK))?;
    let entry = |kind: partition_types::Type, guid, name: &str, (start, length): (u64, u64)| Partition {
        part_type_guid: kind,
        part_guid: guid,
        first_lba: start / SECTOR,
        last_lba: (start + length) / SECTOR - 1,
        flags: 0,
        name: name.to_owned(),
    };
    table.update_partitions(BTreeMap::from([
        (1, entry(partition_types::EFI, FIRST, "pillarbox", parts[0])),
        (2, entry(partition_types::LINUX_FS, SECOND, "pillarbox-data", parts[1])),
    ]))?;
    octets.copy_from_slice(&table.write()?.into_inner());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbr_names_both_partitions() {
        let disk = Disk::join(Table::Mbr, false, &vec![1; 1 << 20], &vec![2; 2 << 20]).unwrap();
        let read = mbrman::MBRHeader::read_from(&mut Cursor::new(&disk.octets)).unwrap();
        assert_eq!((read.partition_1.sys, read.partition_1.starting_lba, read.partition_1.sectors), (0x0c, 8192, 2048));
        assert_eq!(
            (read.partition_2.sys, read.partition_2.starting_lba, read.partition_2.sectors),
            (0x83, 10240, 4096)
        );
        assert_eq!(disk.data, 5 << 20..7 << 20);
        assert_eq!(disk.octets.get(disk.data.clone()), Some(vec![2; 2 << 20].as_slice()));
    }

    #[test]
    fn a_gpt_is_valid_and_the_same_every_time() {
        let make = || Disk::join(Table::Gpt, true, &vec![1; 1 << 20], &vec![2; 2 << 20]).unwrap().octets;
        let octets = make();
        assert!(octets == make());
        let table = gpt::GptConfig::new().open_from_device(Cursor::new(octets)).unwrap();
        let ends: Vec<_> = table.partitions().values().map(|part| (part.first_lba, part.last_lba)).collect();
        assert_eq!(ends, [(8192, 10239), (10240, 14335)]);
        assert!(table.backup_header().is_ok());
    }
}
