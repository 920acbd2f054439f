//! The first partition: a FAT32 that any PC can read, made in memory.

use anyhow::{Context, Result};
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write};
use time::OffsetDateTime;

/// Sixteen-bit versions of the table end at 65524 clusters: this is small enough for 160 MiB to be a FAT32.
const CLUSTER: u32 = 2048;
const VOLUME_ID: u32 = 0x5049_4c42;

/// The partition's octets: files by their path.
pub(crate) fn make(files: &BTreeMap<String, Vec<u8>>, mib: u64, time: u64) -> Result<Vec<u8>> {
    let mut octets = vec![0; usize::try_from(mib << 20)?];
    let options = FormatVolumeOptions::new().fat_type(FatType::Fat32).bytes_per_cluster(CLUSTER);
    let options = options.volume_id(VOLUME_ID).volume_label(*b"PILLARBOX  ");
    fatfs::format_volume(Cursor::new(&mut octets), options)?;
    // The crate wants its clock to live for ever; it is made once.
    let clock: &'static Clock = Box::leak(Box::new(Clock(moment(time)?)));
    let system = FileSystem::new(Cursor::new(&mut octets), FsOptions::new().time_provider(clock))?;
    {
        let root = system.root_dir();
        let mut folders = BTreeSet::new();
        for (path, contents) in files {
            for (at, _) in path.match_indices('/') {
                let folder = path.get(..at).unwrap_or_default();
                if folders.insert(folder) {
                    root.create_dir(folder).with_context(|| folder.to_owned())?;
                }
            }
            let mut file = root.create_file(path).with_context(|| path.clone())?;
            file.write_all(contents).with_context(|| format!("{path}: does the partition have room?"))?;
            file.flush()?;
        }
    }
    system.unmount()?;
    Ok(octets)
}

/// The same time for all files.
#[derive(Debug)]
struct Clock(DateTime);

impl TimeProvider for Clock {
    fn get_current_date(&self) -> Date {
        self.0.date
    }

    fn get_current_date_time(&self) -> DateTime {
        self.0
    }
}

fn moment(time: u64) -> Result<DateTime> {
    let at = OffsetDateTime::from_unix_timestamp(i64::try_from(time)?)?;
    // A FAT knows no earlier year.
    let year = u16::try_from(at.year().max(1980))?;
    let date = Date { year, month: u8::from(at.month()).into(), day: at.day().into() };
    let time = Time { hour: at.hour().into(), min: at.minute().into(), sec: at.second().into(), millis: 0 };
    Ok(DateTime { date, time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn files_are_found_again_and_it_is_the_same_every_time() {
        let files = BTreeMap::from([
            ("a/vmlinuz".to_owned(), vec![7; 100_000]),
            ("EFI/BOOT/BOOTAA64.EFI".to_owned(), b"boot".to_vec()),
            ("pillarbox.toml".to_owned(), b"# settings\n".to_vec()),
        ]);
        let made = make(&files, 160, 1_760_000_000).unwrap();
        assert!(made == make(&files, 160, 1_760_000_000).unwrap());
        assert_eq!(made.get(0x47..0x5a), Some(b"PILLARBOX  FAT32   ".as_slice()));
        let system = FileSystem::new(Cursor::new(made), FsOptions::new()).unwrap();
        for (path, contents) in files {
            let mut found = Vec::new();
            system.root_dir().open_file(&path).unwrap().read_to_end(&mut found).unwrap();
            assert_eq!(found, contents);
        }
    }
}
