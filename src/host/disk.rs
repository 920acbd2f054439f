//! Disks and partitions, as the kernel tells of them and as their first octets say what they hold.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The label of the partition with the settings.
pub(super) const BOOT: &str = "PILLARBOX";
/// The label of the partition with the mail.
pub(super) const DATA: &str = "pillarbox-data";
/// The label of a disk for backups; a FAT has room for its first eleven letters.
const BACKUP: &str = "PILLARBOX-BK";
/// Octets that a sector is counted as in /sys, whatever the disk says.
pub(super) const SECTOR: u64 = 512;

/// A partition, or a disk without any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// As in /dev.
    pub(super) name: String,
    /// The disk it is on; itself for a disk without partitions.
    pub(super) disk: String,
    /// From 1; 0 for a whole disk.
    pub(super) number: i32,
    pub(super) start: u64,
    pub(super) length: u64,
}

/// What a partition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) kind: Kind,
    pub(super) label: String,
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fat,
    ExFat,
    Ext4 {
        /// Octets that the file system takes.
        length: u64,
        block: u64,
        /// The kernel noted an error when it was mounted last.
        faulty: bool,
    },
}

impl Partition {
    pub(super) fn device(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    pub(super) fn disk_device(&self) -> PathBuf {
        Path::new("/dev").join(&self.disk)
    }

    /// What it holds; `None` for what we do not know, and for what cannot be read.
    pub(super) fn content(&self) -> Option<Content> {
        content(&File::open(self.device()).ok()?)
    }

    /// Where the first copy of the data partition's superblock is, in KiB, if it is one.
    pub(super) fn spare_superblock(&self) -> Option<u64> {
        spare(&File::open(self.device()).ok()?)
    }
}

impl Content {
    /// Whether it is for backups.
    pub(super) fn is_for_backups(&self) -> bool {
        self.label.len() >= 11
            && BACKUP.get(..self.label.len()).is_some_and(|name| name.eq_ignore_ascii_case(&self.label))
    }
}

/// All partitions, those of a card before those of other disks.
pub(super) fn partitions() -> Vec<Partition> {
    let Ok(entries) = fs::read_dir("/sys/class/block") else { return Vec::new() };
    let mut found: Vec<Partition> =
        entries.flatten().filter_map(|entry| partition(&entry.file_name().to_string_lossy())).collect();
    found.sort_by_key(|partition| (order(&partition.disk), partition.disk.clone(), partition.number));
    found
}

fn partition(name: &str) -> Option<Partition> {
    let folder = fs::canonicalize(Path::new("/sys/class/block").join(name)).ok()?;
    let number = |file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    let length = number("size")?.saturating_mul(SECTOR);
    if length == 0 || name.starts_with("loop") || name.starts_with("ram") {
        return None;
    }
    let (disk, at, start) = match number("partition") {
        Some(at) => {
            let disk = folder.parent()?.file_name()?.to_string_lossy().into_owned();
            (disk, i32::try_from(at).ok()?, number("start")?.saturating_mul(SECTOR))
        }
        None => (name.to_owned(), 0, 0),
    };
    Some(Partition { name: name.to_owned(), disk, number: at, start, length })
}

/// Octets of a disk.
pub(super) fn length(disk: &str) -> Option<u64> {
    let sectors = fs::read_to_string(Path::new("/sys/class/block").join(disk).join("size")).ok()?;
    Some(sectors.trim().parse::<u64>().ok()?.saturating_mul(SECTOR))
}

/// The card that a board starts from comes before what may be plugged in beside it.
fn order(disk: &str) -> usize {
    const KINDS: [&str; 5] = ["mmcblk", "nvme", "vd", "sd", ""];
    KINDS.iter().position(|kind| disk.starts_with(kind)).unwrap_or(KINDS.len())
}

/// Octets of the start of a partition that tell what it holds.
const HEAD: usize = 2048;

fn content(device: &impl FileExt) -> Option<Content> {
    let mut head = [0; HEAD];
    device.read_exact_at(&mut head, 0).ok()?;
    ext4(&head).or_else(|| exfat(device, &head)).or_else(|| fat(&head))
}

/// An ext4 superblock lies at 1024.
fn ext4(head: &[u8]) -> Option<Content> {
    let superblock = head.get(1024..)?;
    let u16_at = |at: usize| superblock.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    let u32_at = |at: usize| superblock.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    if u16_at(0x38)? != 0xef53 {
        return None;
    }
    let block = 1024_u64.checked_shl(u32_at(0x18)?)?;
    // The upper half counts where the file system has 64-bit block numbers.
    let upper = if u32_at(0x60)? & 0x80 == 0 { 0 } else { u64::from(u32_at(0x150)?) };
    let blocks = upper << 32 | u64::from(u32_at(0x4)?);
    let kind = Kind::Ext4 { length: blocks.checked_mul(block)?, block, faulty: u16_at(0x3a)? & 2 != 0 };
    Some(Content { kind, label: text(superblock.get(0x78..0x88)?) })
}

/// The second group of blocks begins with a copy, for each size of blocks at another place.
fn spare(device: &impl FileExt) -> Option<u64> {
    [32_768 * 4096, 16_384 * 2048, 8193 * 1024].into_iter().find_map(|at| {
        let mut head = [0; HEAD];
        device.read_exact_at(head.get_mut(1024..)?, at).ok()?;
        ext4(&head).filter(|content| content.label == DATA).map(|_| at / 1024)
    })
}

fn fat(head: &[u8]) -> Option<Content> {
    let label = match (head.get(0x52..0x57)?, head.get(0x36..0x39)?) {
        (b"FAT32", _) => head.get(0x47..0x52)?,
        (_, b"FAT") => head.get(0x2b..0x36)?,
        _ => return None,
    };
    Some(Content { kind: Kind::Fat, label: text(label) })
}

/// The label of an exFAT is an entry of its root folder.
fn exfat(device: &impl FileExt, head: &[u8]) -> Option<Content> {
    if head.get(3..11)? != b"EXFAT   " {
        return None;
    }
    let u32_at = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes).map(u64::from);
    let sector = 1_u64.checked_shl((*head.get(0x6c)?).into())?;
    let cluster = sector.checked_shl((*head.get(0x6d)?).into())?;
    let root = u32_at(0x58)?.checked_mul(sector)?.checked_add(u32_at(0x60)?.checked_sub(2)?.checked_mul(cluster)?)?;
    let mut entries = [0; 1024];
    device.read_exact_at(&mut entries, root).ok()?;
    let entry = entries.chunks_exact(32).find(|entry| entry.first() == Some(&0x83));
    let label = entry.and_then(|entry| {
        let octets = entry.get(2..2 + 2 * usize::from(*entry.get(1)?).min(11))?;
        let (units, _) = octets.as_chunks::<2>();
        Some(String::from_utf16_lossy(&units.iter().map(|unit| u16::from_le_bytes(*unit)).collect::<Vec<_>>()))
    });
    Some(Content { kind: Kind::ExFat, label: label.unwrap_or_default() })
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).trim_end_matches(['\0', ' ']).to_owned()
}

/// The first sector of a disk, with the entry of its last partition made longer, and how long that is then.
///
/// `None` where there is none to be changed, or it would not grow by a mebibyte at least.
pub(super) fn grown_mbr(mbr: &[u8; 512], partition: &Partition, disk: u64) -> Option<([u8; 512], u64)> {
    const MEBIBYTE: u64 = 1 << 20;
    if mbr.get(510..) != Some(&[0x55, 0xaa]) {
        return None;
    }
    let u32_at = |at: usize| mbr.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes).map(u64::from);
    let entries = [446, 462, 478, 494];
    let at = *entries.get(usize::try_from(partition.number.checked_sub(1)?).ok()?)?;
    let (start, before) = (u32_at(at + 8)?, u32_at(at + 12)?);
    let is_last = entries.iter().all(|other| u32_at(other + 8).is_some_and(|other| other <= start));
    let end = disk.min(SECTOR << 32) / MEBIBYTE * (MEBIBYTE / SECTOR);
    let after = end.checked_sub(start)?;
    if before == 0 || start * SECTOR != partition.start || !is_last || after < before + MEBIBYTE / SECTOR {
        return None;
    }
    let mut grown = *mbr;
    grown.get_mut(at + 12..at + 16)?.copy_from_slice(&u32::try_from(after).ok()?.to_le_bytes());
    Some((grown, after * SECTOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mbr(start: u32, sectors: u32) -> [u8; 512] {
        let mut mbr = [0; 512];
        mbr[510..].copy_from_slice(&[0x55, 0xaa]);
        mbr[446 + 48 + 8..][..4].copy_from_slice(&start.to_le_bytes());
        mbr[446 + 48 + 12..][..4].copy_from_slice(&sectors.to_le_bytes());
        mbr
    }

    fn fourth(start: u64) -> Partition {
        let (name, disk) = ("sda4".to_owned(), "sda".to_owned());
        Partition { name, disk, number: 4, start: start * SECTOR, length: 131_072 * SECTOR }
    }

    #[test]
    fn the_last_partition_grows_to_the_last_whole_mebibyte() {
        let (grown, length) = grown_mbr(&mbr(524_288, 131_072), &fourth(524_288), (1 << 30) + 777).unwrap();
        assert_eq!(length, (1 << 30) - 524_288 * 512);
        assert_eq!(grown[..446 + 48 + 12], mbr(524_288, 131_072)[..446 + 48 + 12]);
        assert!(grown_mbr(&grown, &fourth(524_288), (1 << 30) + 777).is_none(), "once is enough");
    }

    #[test]
    fn what_is_not_the_last_partition_does_not_grow() {
        let (good, partition) = (mbr(524_288, 131_072), fourth(524_288));
        assert!(grown_mbr(&[0; 512], &partition, 1 << 30).is_none());
        assert!(grown_mbr(&mbr(524_288, 0), &partition, 1 << 30).is_none());
        assert!(grown_mbr(&good, &partition, 1 << 20).is_none(), "the disk is smaller than it was");
        assert!(grown_mbr(&good, &Partition { number: 5, ..partition.clone() }, 1 << 30).is_none());
        assert!(grown_mbr(&good, &fourth(2048), 1 << 30).is_none(), "the kernel knows another table");
        let mut behind = good;
        behind[446 + 8..][..4].copy_from_slice(&800_000_u32.to_le_bytes());
        assert!(grown_mbr(&behind, &partition, 1 << 30).is_none(), "another one is behind it");
    }

    #[test]
    fn a_disk_of_four_tebibytes_is_used_as_far_as_an_mbr_goes() {
        let (_, length) = grown_mbr(&mbr(2048, 131_072), &fourth(2048), 4 << 40).unwrap();
        assert_eq!(length, (SECTOR << 32) - (1 << 20));
    }

    #[test]
    fn a_disk_for_backups_is_known_by_its_label_however_short_it_had_to_be() {
        let is = |label: &str| Content { kind: Kind::Fat, label: label.to_owned() }.is_for_backups();
        assert!(is("PILLARBOX-BK") && is("PILLARBOX-B") && is("pillarbox-bk"));
        assert!(!is("PILLARBOX") && !is("PILLARBOX-BKS") && !is("") && !is("BACKUP-DISK"));
    }

    #[test]
    fn a_copy_of_the_superblock_is_found_where_the_first_is_damaged() {
        let path = std::env::temp_dir().join(format!("pillarbox-spare-{}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(256 << 20).unwrap();
        assert_eq!(spare(&file), None);
        let mut superblock = [0; 1024];
        superblock[0x38..][..2].copy_from_slice(&[0x53, 0xef]);
        superblock[0x78..][..14].copy_from_slice(DATA.as_bytes());
        file.write_all_at(&superblock, 128 << 20).unwrap();
        assert_eq!(spare(&file), Some(131_072));
        assert!(content(&file).is_none());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn file_systems_are_known_by_their_first_octets() {
        let mut head = vec![0; HEAD];
        head[0x52..0x5a].copy_from_slice(b"FAT32   ");
        head[0x47..0x52].copy_from_slice(b"PILLARBOX  ");
        assert_eq!(fat(&head).map(|content| content.label), Some(BOOT.to_owned()));
        assert!(ext4(&head).is_none());
        head[1024 + 0x38..][..2].copy_from_slice(&[0x53, 0xef]);
        head[1024 + 0x18] = 2;
        head[1024 + 4..][..4].copy_from_slice(&16_384_u32.to_le_bytes());
        head[1024 + 0x3a] = 3;
        head[1024 + 0x78..][..14].copy_from_slice(DATA.as_bytes());
        let content = ext4(&head).unwrap();
        assert_eq!(content.label, DATA);
        assert_eq!(content.kind, Kind::Ext4 { length: 64 << 20, block: 4096, faulty: true });
    }
}
