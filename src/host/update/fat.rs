//! The FAT partition while it is written to.
//!
//! It is what the machine starts from, and FAT has no journal. So each change is one of few kinds, each durable before the
//! next begins, and none touches what the boot loader needs at that moment: files go into the slot that is not running,
//! and what decides which slot that is are small files that are written under another name, and renamed.
//!
//! The kernel renames over a file by pointing that file's entry, 32 octets in one sector, at the new content; only then is
//! the old name removed and the old content let go. Mounted `sync` those are three writes in this order: whenever the
//! power goes, the name leads to the whole old or the whole new content.

use super::error::{UpdateError, While};
use super::payload::Sum;
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// How the partition is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As it is but for these moments.
    ReadOnly,
    /// For many octets: what is to be durable is synced one by one.
    Bulk,
    /// For the switch: every write is durable, in its order.
    Synchronous,
}

pub(super) type Remount = Box<dyn Fn(Mode) -> io::Result<()> + Send + Sync>;

/// The partition.
pub(super) struct Fat {
    root: PathBuf,
    remount: Remount,
    /// So many steps until the power goes.
    #[cfg(test)]
    pub(super) power: std::sync::Mutex<Option<usize>>,
}

impl Fat {
    pub(super) fn new(root: PathBuf, remount: Remount) -> Fat {
        Fat {
            root,
            remount,
            #[cfg(test)]
            power: std::sync::Mutex::new(None),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(super) fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.path(name))
    }

    /// Names in a folder, in order.
    pub(super) fn list(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Octets free on it.
    pub(super) fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.root)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Octets that the files of a folder take, clusters not counted.
    pub(super) fn taken(&self, folder: &str) -> u64 {
        let length = |name: &String| fs::metadata(self.path(folder).join(name)).map_or(0, |found| found.len());
        self.list(folder).iter().map(length).sum()
    }

    /// Does something with the partition open for writing, and closes it again whatever comes of it.
    pub(super) fn open<T>(&self, mode: Mode, work: impl FnOnce() -> Result<T, UpdateError>) -> Result<T, UpdateError> {
        (self.remount)(mode).during("the boot partition cannot be opened for writing")?;
        let done = work();
        let synced = File::open(&self.root).and_then(|root| Ok(rustix::fs::syncfs(&root)?));
        if let Err(error) = (self.remount)(Mode::ReadOnly) {
            log::warn!("the boot partition stays open for writing: {error}");
        }
        let done = done?;
        synced.during("the boot partition cannot be synced")?;
        Ok(done)
    }

    /// A small file, whole or as it was before.
    pub(super) fn put(&self, name: &str, text: &str) -> Result<(), UpdateError> {
        let new = format!("{name}.new");
        let put = || {
            self.step()?;
            let mut file = File::create(self.path(&new))?;
            self.step()?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            self.step()?;
            fs::rename(self.path(&new), self.path(name))?;
            self.sync_folder_of(name)
        };
        put().during(format!("{name} could not be written"))
    }

    /// A large file, straight under its name: nothing may know of it yet. What the disk then has is read again.
    pub(super) fn copy(&self, name: &str, size: u64, from: &mut Sum<&mut dyn Read>) -> Result<(), UpdateError> {
        let mut copy = || {
            self.step()?;
            let mut file = File::options().read(true).write(true).create(true).truncate(true).open(self.path(name))?;
            self.step()?;
            if io::copy(from, &mut file)? != size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.sync_all()?;
            self.sync_folder_of(name)?;
            // Else it would come from memory.
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
            let mut stored = Sum::new(File::open(self.path(name))?);
            io::copy(&mut stored, &mut io::sink())?;
            if stored.hexadecimal() != from.hexadecimal() {
                return Err(io::Error::other("the disk gives back something else"));
            }
            Ok(())
        };
        copy().during(format!("{name} could not be written"))
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), UpdateError> {
        let remove = || {
            self.step()?;
            match fs::remove_file(self.path(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
                Ok(()) => self.sync_folder_of(name),
            }
        };
        remove().during(format!("{name} could not be removed"))
    }

    pub(super) fn make_folder(&self, name: &str) -> Result<(), UpdateError> {
        let make = || {
            self.step()?;
            fs::create_dir_all(self.path(name))?;
            self.sync_folder_of(name)
        };
        make().during(format!("{name} could not be made"))
    }

    fn sync_folder_of(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the power goes in tests only")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        let mut power = self.power.lock().unwrap();
        match power.as_mut() {
            Some(0) => Err(io::Error::other("power cut")),
            Some(steps) => {
                *steps -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}
