//! The disk for backups: known by its label when it is plugged in, mounted at /usb.

use super::disk::{Kind, Partition};
use super::modules::Modules;
use super::mounts;
use rustix::mount::MountFlags;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Where it is mounted.
pub(super) const FOLDER: &str = "/usb";
/// FAT and exFAT know no owners: all files are root's.
const FAT: &str = "umask=0077";

/// The disk, whether it is there or not.
#[derive(Debug, Default)]
pub(super) struct Usb {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Absent,
    Mounted {
        partition: Partition,
        read_only: bool,
    },
    /// It is there, but: why. It has to go and come again before it is tried again.
    Useless {
        partition: Partition,
        why: String,
    },
}

impl Usb {
    /// Whether it is there, in words; `None` while it is not.
    pub(super) fn told(&self) -> Option<String> {
        match &self.state {
            State::Absent => None,
            State::Mounted { partition, read_only: false } => Some(format!("{} is at {FOLDER}", partition.name)),
            State::Mounted { partition, read_only: true } => {
                Some(format!("{} is at {FOLDER}, and can only be read", partition.name))
            }
            State::Useless { partition, why } => Some(format!("{} cannot be used: {why}", partition.name)),
        }
    }

    /// Looks whether it came or went.
    pub(super) fn look(&mut self, all: &[Partition], boot_disk: Option<&str>, modules: &Mutex<Modules>) {
        if let State::Mounted { partition, .. } | State::Useless { partition, .. } = &self.state {
            if all.contains(partition) {
                return;
            }
            log::info!("the disk for backups is gone");
            if let State::Mounted { .. } = std::mem::take(&mut self.state) {
                mounts::let_go(Path::new(FOLDER));
            }
        }
        let is_backup = |one: &&Partition| {
            Some(one.disk.as_str()) != boot_disk && one.content().is_some_and(|content| content.is_for_backups())
        };
        let Some(partition) = all.iter().find(is_backup) else { return };
        self.state = take(partition.clone(), modules);
        if let Some(told) = self.told() {
            log::info!("the disk for backups: {told}");
        }
    }

    /// Gives it back.
    pub(super) fn leave(&mut self) {
        if let State::Mounted { .. } = std::mem::take(&mut self.state) {
            mounts::take_away(Path::new(FOLDER));
        }
    }
}

fn take(partition: Partition, modules: &Mutex<Modules>) -> State {
    let (kind, options) = match partition.content().map(|content| content.kind) {
        Some(Kind::Fat) => ("vfat", FAT),
        Some(Kind::ExFat) => ("exfat", FAT),
        Some(Kind::Ext4 { .. }) => ("ext4", "errors=remount-ro"),
        None => return State::Useless { partition, why: "it cannot be read".to_owned() },
    };
    // The kernel would ask a program for the file system's module, and there is none.
    modules.lock().unwrap_or_else(PoisonError::into_inner).load_for(&format!("fs-{kind}"));
    let flags = MountFlags::NOATIME | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let put = |flags| mounts::put(&partition.device(), Path::new(FOLDER), kind, flags, options);
    match put(flags) {
        // A disk with a switch against writing is mounted, but only to be read.
        Ok(()) => State::Mounted { read_only: mounts::is_read_only(FOLDER) == Some(true), partition },
        Err(error) => match put(flags | MountFlags::RDONLY) {
            Ok(()) => State::Mounted { read_only: true, partition },
            Err(_) => State::Useless { partition, why: error.to_string() },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plugged_in_is_told() {
        let partition =
            Partition { name: "sda1".to_owned(), disk: "sda".to_owned(), number: 1, start: 1 << 20, length: 1 << 30 };
        assert_eq!(Usb::default().told(), None);
        let usb = Usb { state: State::Mounted { partition: partition.clone(), read_only: true } };
        assert_eq!(usb.told().as_deref(), Some("sda1 is at /usb, and can only be read"));
        let mut usb = Usb { state: State::Useless { partition, why: "it is worn out".to_owned() } };
        assert!(usb.told().unwrap().contains("worn out"));
        usb.look(&[], None, &Mutex::default());
        assert_eq!(usb.told(), None, "a disk that is not there any more");
    }
}
