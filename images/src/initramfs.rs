//! What the kernel starts from: the binary, the modules, and the folders that PID 1 mounts things on.

use crate::modules::Chosen;
use anyhow::{Context, Result};
use cpio::newc;
use std::io::Write;

/// Folders, each after the one that it lies in.
const FOLDERS: [&str; 13] =
    ["boot", "data", "dev", "etc", "etc/pillarbox", "lib", "lib/modules", "proc", "root", "run", "sys", "tmp", "usb"];
/// Above this a smaller initramfs is not worth the time.
const LEVEL: i32 = 19;

/// What goes in.
pub(crate) struct Contents<'c> {
    pub(crate) binary: &'c [u8],
    pub(crate) modules: &'c Chosen,
    /// `/etc/pillarbox/release.toml`
    pub(crate) release: String,
    /// `/etc/pillarbox/update.pub`
    pub(crate) trusted: String,
}

/// A cpio archive under construction.
struct Archive {
    octets: Vec<u8>,
    entries: u32,
}

impl Contents<'_> {
    /// The initramfs, compressed.
    pub(crate) fn pack(&self) -> Result<Vec<u8>> {
        let mut archive = Archive { octets: Vec::new(), entries: 0 };
        for folder in FOLDERS {
            archive.folder(folder)?;
        }
        // The kernel opens it for PID 1 before anything is mounted.
        archive.console()?;
        archive.file("init", 0o755, self.binary)?;
        archive.file("etc/pillarbox/release.toml", 0o644, self.release.as_bytes())?;
        if !self.trusted.is_empty() {
            archive.file("etc/pillarbox/update.pub", 0o644, self.trusted.as_bytes())?;
        }
        archive.file("lib/modules/index", 0o644, self.modules.index().as_bytes())?;
        for (name, octets) in self.modules.files() {
            archive.file(&format!("lib/modules/{name}"), 0o644, octets)?;
        }
        let plain = newc::trailer(archive.octets)?;
        zstd::encode_all(plain.as_slice(), LEVEL).context("zstd")
    }
}

impl Archive {
    /// No time, no owner but root: nothing of the machine that it is made on.
    fn entry(&mut self, name: &str, kind: newc::ModeFileType, mode: u32) -> newc::Builder {
        self.entries += 1;
        newc::Builder::new(name).ino(self.entries).mode(mode).set_mode_file_type(kind)
    }

    fn folder(&mut self, name: &str) -> Result<()> {
        let entry = self.entry(name, newc::ModeFileType::Directory, 0o755).nlink(2);
        entry.write(&mut self.octets, 0).finish()?;
        Ok(())
    }

    fn console(&mut self) -> Result<()> {
        let entry = self.entry("dev/console", newc::ModeFileType::Char, 0o600).rdev_major(5).rdev_minor(1);
        entry.write(&mut self.octets, 0).finish()?;
        Ok(())
    }

    fn file(&mut self, name: &str, mode: u32, octets: &[u8]) -> Result<()> {
        let entry = self.entry(name, newc::ModeFileType::Regular, mode);
        let mut writer = entry.write(&mut self.octets, u32::try_from(octets.len())?);
        writer.write_all(octets)?;
        writer.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_every_time_and_begins_as_an_archive() {
        let modules = Chosen::default();
        let contents =
            Contents { binary: b"binary", modules: &modules, release: String::new(), trusted: String::new() };
        let packed = contents.pack().unwrap();
        assert_eq!(packed, contents.pack().unwrap());
        let plain = zstd::decode_all(packed.as_slice()).unwrap();
        let reader = newc::Reader::new(plain.as_slice()).unwrap();
        assert_eq!((reader.entry().name(), reader.entry().mode()), ("boot", 0o040_755));
    }
}
