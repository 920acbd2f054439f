//! The data partition: found, mounted, watched. What is wrong with it is told; it is never made anew.

use super::disk::{self, Kind, Partition};
use super::pid1::Store;
use super::probe::Probe;
use super::{grow, mounts};
use rustix::mount::MountFlags;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;

/// Where the data is.
pub(super) const FOLDER: &str = "/data";
/// The mail server's data folder.
pub(super) const MAIL: &str = "/data/mail";
/// What PID 1 remembers.
pub(super) const HOST: &str = "/data/host";
/// Who the mail server runs as.
pub(super) const SERVER: u32 = 500;
/// Octets that are left where the mail server cannot go on.
const FULL: u64 = 8 << 20;
/// The part that is left where it should be told: a twentieth.
const SCARCE: u64 = 20;
const FLAGS: MountFlags =
    MountFlags::NOATIME.union(MountFlags::NOSUID).union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// The data partition, and how it is.
#[derive(Debug)]
pub(super) struct Data {
    state: State,
    /// The one that is mounted.
    partition: Option<Partition>,
    probe: Option<Probe>,
}

/// How it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Mounted, and written to.
    Good,
    /// Mounted, but only read: why.
    ReadOnly(String),
    /// Mounted, but its disk does not answer any more: why.
    Lost(String),
    /// Not there, or not to be read: why.
    Absent(String),
}

impl Data {
    /// Finds the partition on the disk that we started from, and mounts it.
    pub(super) fn mount(all: &[Partition], disk: Option<&str>) -> Data {
        let (state, partition) = find(all, disk);
        let probe = partition.as_ref().map(|partition| Probe::start(partition.device()));
        Data { state, partition, probe }
    }

    /// Tells the log how it is.
    pub(super) fn log(&self) {
        let name = self.partition.as_ref().map_or("the data partition", |partition| &partition.name);
        match &self.state {
            State::Good => log::info!("{name} holds the data"),
            State::ReadOnly(why) | State::Lost(why) | State::Absent(why) => log::error!("{name}: {why}"),
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Looks how it is now; whether that is another than before.
    pub(super) fn look_again(&mut self) -> bool {
        let Some(probe) = &self.probe else { return false };
        let now = match (probe.result(), mounts::is_read_only(FOLDER), &self.state) {
            (_, _, State::Absent(_)) => return false,
            (Err(why), _, _) => State::Lost(format!("its disk does not answer any more: {why}")),
            (Ok(()), Some(true), State::Good | State::Lost(_)) => State::ReadOnly(
                "its disk failed while it was written to: copy the mail, then have the disk looked at".to_owned(),
            ),
            (Ok(()), _, State::Lost(_)) => State::Good,
            (Ok(()), _, _) => return false,
        };
        let kind = std::mem::discriminant;
        let changed = kind(&now) != kind(&self.state);
        self.state = now;
        if changed {
            self.log();
        }
        changed
    }

    /// Whether to unmount what is there, if anything, and to look for the partition again among those that are there now.
    pub(super) fn may_be_back(&self, now: &[Partition]) -> bool {
        match self.state {
            State::Absent(_) => true,
            // As long as the kernel has the disk, it is the one.
            State::Lost(_) => {
                let is_there = self.partition.as_ref().is_some_and(|partition| now.contains(partition));
                !is_there && now.iter().any(holds_data)
            }
            State::Good | State::ReadOnly(_) => false,
        }
    }

    /// Gives it back. All who use it have ended.
    pub(super) fn leave(&mut self) {
        self.probe = None;
        if self.partition.take().is_none() {
            return;
        }
        if let State::Lost(_) = self.state {
            mounts::let_go(Path::new(FOLDER));
        } else {
            grow::wait();
            mounts::take_away(Path::new(FOLDER));
        }
    }

    /// What is wrong with it, as the kernel and the mail server's store have it.
    pub(super) fn trouble(&self, store: Store) -> Option<String> {
        match &self.state {
            State::ReadOnly(why) => Some(format!("mail can only be read: {why}")),
            State::Lost(why) => Some(format!("the data partition: {why}; put the disk back, and start again")),
            State::Absent(why) => Some(format!("there is no mail: {why}")),
            State::Good if store == Store::ReadOnly => {
                Some("mail can only be read: the mail server could not write to the data partition".to_owned())
            }
            State::Good => room(store == Store::Full),
        }
    }
}

/// What the room that is left is worth saying.
fn room(full: bool) -> Option<String> {
    let space = rustix::fs::statvfs(FOLDER).ok()?;
    let (left, whole) = (space.f_bavail.saturating_mul(space.f_frsize), space.f_blocks.saturating_mul(space.f_frsize));
    scarce(left, whole, full)
}

fn scarce(left: u64, whole: u64, full: bool) -> Option<String> {
    let shown = left >> 20;
    if full || left < FULL {
        Some(format!("the data partition is full, {shown} MiB are left: no new mail can be kept"))
    } else if left < whole / SCARCE {
        Some(format!("the data partition is nearly full: {shown} MiB are left"))
    } else {
        None
    }
}

fn holds_data(partition: &Partition) -> bool {
    partition.content().is_some_and(|content| content.label == disk::DATA)
}

/// Mounts the partition where it is found.
fn find(all: &[Partition], disk: Option<&str>) -> (State, Option<Partition>) {
    let here = || all.iter().filter(|partition| disk.is_none_or(|disk| partition.disk == disk));
    if let Some(partition) = here().find(|partition| holds_data(partition)) {
        let partition = grow::partition(partition);
        return match take(&partition) {
            Ok(state) => (state, Some(partition)),
            Err(why) => (State::Absent(why), None),
        };
    }
    // It may be there, with a first superblock that is damaged. Where that is, only a copy can say.
    for partition in here() {
        if let Some(state) = take_by_spare(partition) {
            return (state, Some(partition.clone()));
        }
    }
    (State::Absent(why_absent(all, disk)), None)
}

fn put(partition: &Partition, flags: MountFlags, options: &str) -> io::Result<()> {
    mounts::put(&partition.device(), Path::new(FOLDER), "ext4", FLAGS | flags, options)
}

fn take(partition: &Partition) -> Result<State, String> {
    let Some(Kind::Ext4 { faulty, .. }) = partition.content().map(|content| content.kind) else {
        return Err(format!("{} does not hold what it held", partition.name));
    };
    let error = if faulty {
        "its file system noted an error: copy the mail, then let another computer repair it (e2fsck)".to_owned()
    } else {
        match put(partition, MountFlags::empty(), "errors=remount-ro") {
            Ok(()) => {
                grow::file_system(partition);
                return Ok(match prepare() {
                    Ok(()) => State::Good,
                    Err(error) => State::ReadOnly(format!("it cannot be written to: {error}")),
                });
            }
            Err(error) => format!("it cannot be mounted to be written to ({error}); nothing is formatted by itself"),
        }
    };
    // What the journal holds may be what is damaged.
    let read_only = put(partition, MountFlags::RDONLY, "").or_else(|_| put(partition, MountFlags::RDONLY, "noload"));
    match read_only {
        Ok(()) => Ok(State::ReadOnly(error)),
        Err(_) => take_by_spare(partition).ok_or(error),
    }
}

/// By a copy of the superblock: to be read only, and without the journal, of which the copy knows nothing.
fn take_by_spare(partition: &Partition) -> Option<State> {
    let spare = partition.spare_superblock()?;
    put(partition, MountFlags::RDONLY, &format!("noload,sb={spare}")).ok()?;
    let why = "its superblock is damaged: copy the mail, then let another computer repair it (e2fsck)";
    Some(State::ReadOnly(why.to_owned()))
}

fn why_absent(all: &[Partition], disk: Option<&str>) -> String {
    let Some(disk) = disk else { return format!("no disk with a partition {} was found", disk::DATA) };
    match all.iter().rev().find(|partition| partition.disk == disk && partition.number > 1) {
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
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        chown(folder, Some(owner), Some(owner))?;
    }
    Ok(())
}

/// Writes a file so that after a power cut it is the old or the new one.
pub(super) fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_told_when_it_becomes_scarce() {
        assert_eq!(scarce(1 << 30, 8 << 30, false), None);
        assert!(scarce(1 << 30, 64 << 30, false).unwrap().contains("nearly full: 1024 MiB"));
        assert!(scarce(5 << 20, 64 << 30, false).unwrap().contains("is full, 5 MiB"));
        assert!(scarce(40 << 20, 64 << 20, true).unwrap().contains("is full, 40 MiB"));
        assert!(scarce(0, 0, false).unwrap().contains("is full"));
    }

    #[test]
    fn a_partition_that_is_not_there_is_told_with_where_it_was() {
        let partition = |number| Partition {
            name: format!("vda{number}"),
            disk: "vda".to_owned(),
            number,
            start: 1 << 20,
            length: 1 << 30,
        };
        let all = [partition(1), partition(2)];
        assert!(why_absent(&all, Some("vda")).contains("is vda2 damaged? Nothing is formatted"));
        assert_eq!(why_absent(&all[..1], Some("vda")), "no partition pillarbox-data on vda");
        assert_eq!(why_absent(&all, None), "no disk with a partition pillarbox-data was found");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let path = std::env::temp_dir().join(format!("pillarbox-data-{}.txt", std::process::id()));
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert!(!path.with_extension("new").exists());
        fs::remove_file(path).unwrap();
    }
}
