//! Where a message waits until all of it is here: what it is checked for comes before it in what is stored.

use crate::mail::{AccountId, limits};
use crate::sys::descriptors::are_used_up;
use rustix::fs::{Mode, OFlags, open};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Octets that are read from a file at once.
const READ: usize = 64 << 10;

/// What all messages that are coming in take together.
#[derive(Debug)]
pub struct Spools {
    /// Where files may be; `None`: only memory is used.
    folder: Option<PathBuf>,
    memory: AtomicUsize,
    files: Mutex<Files>,
}

/// Octets in files.
#[derive(Debug, Default)]
struct Files {
    all: u64,
    /// Of those who did not log in.
    strangers: u64,
    /// Of each who has any.
    shares: HashMap<Payer, u64>,
}

/// On whose account octets wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Payer {
    /// Whoever comes from an address, as it is counted.
    Stranger(IpAddr),
    /// Who logged in.
    Account(AccountId),
    /// A program of this machine, by a socket that only it reaches.
    Machine,
}

/// The octets of one message: the first of them in memory, the rest in a file without a name, which is gone with the
/// process whatever happens to it.
#[derive(Debug)]
pub struct Spool {
    spools: Arc<Spools>,
    payer: Payer,
    memory: Vec<u8>,
    file: Option<File>,
    in_file: u64,
}

/// Why no more octets are taken.
#[derive(Debug)]
pub(super) enum Full {
    /// Others take all the room.
    Busy,
    /// The disk failed, or is full.
    Disk(io::Error),
}

impl Spools {
    /// None so far. `folder`: where files can be made; without one, all is held in memory.
    #[must_use]
    pub fn new(folder: Option<&Path>) -> Spools {
        Spools { folder: folder.map(Path::to_owned), memory: AtomicUsize::new(0), files: Mutex::default() }
    }

    /// Whether there is so little room that who is slow holds up others.
    pub(super) fn are_short(&self) -> bool {
        self.files().all > limits::SPOOL_SHORT
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool {
    pub(super) fn new(spools: &Arc<Spools>, payer: Payer) -> Spool {
        Spool { spools: Arc::clone(spools), payer, memory: Vec::new(), file: None, in_file: 0 }
    }

    /// Takes the next octets.
    pub(super) fn push(&mut self, octets: &[u8]) -> Result<(), Full> {
        let room = if self.file.is_some() { 0 } else { self.room(octets.len()) };
        let (here, there) = octets.split_at(room);
        self.memory.extend_from_slice(here);
        if there.is_empty() { Ok(()) } else { self.push_to_file(there) }
    }

    /// Octets of the message so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.memory.len() as u64 + self.in_file
    }

    /// Whether nothing came yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octets from this place on, as many as can be had at once: none is the end.
    pub fn read<'s>(&'s self, from: u64, buffer: &'s mut Vec<u8>) -> io::Result<&'s [u8]> {
        let here = usize::try_from(from).ok().and_then(|from| self.memory.get(from..));
        if let Some(here) = here.filter(|here| !here.is_empty()) {
            return Ok(here.get(..READ).unwrap_or(here));
        }
        let Some(file) = &self.file else { return Ok(&[]) };
        let at = from.saturating_sub(self.memory.len() as u64);
        let count = usize::try_from(self.in_file.saturating_sub(at)).unwrap_or(READ).min(READ);
        buffer.resize(count, 0);
        file.read_exact_at(buffer, at)?;
        Ok(buffer)
    }

    /// The first octets, so many where there are so many.
    pub(super) fn head(&self, limit: usize) -> io::Result<Vec<u8>> {
        let (mut head, mut buffer) = (Vec::new(), Vec::new());
        while head.len() < limit {
            let piece = self.read(head.len() as u64, &mut buffer)?;
            if piece.is_empty() {
                break;
            }
            head.extend_from_slice(piece);
        }
        head.truncate(limit);
        Ok(head)
    }

    /// How many of the next octets may be held in memory.
    fn room(&mut self, wanted: usize) -> usize {
        if self.spools.folder.is_none() {
            return wanted;
        }
        let wanted = wanted.min(limits::SPOOL.saturating_sub(self.memory.len()));
        let taken = self.spools.memory.fetch_add(wanted, Ordering::Relaxed);
        let over = taken.saturating_add(wanted).saturating_sub(limits::SPOOLS).min(wanted);
        self.spools.memory.fetch_sub(over, Ordering::Relaxed);
        wanted - over
    }

    fn push_to_file(&mut self, octets: &[u8]) -> Result<(), Full> {
        let count = octets.len() as u64;
        if !self.spools.files().take(self.payer, count) {
            return Err(Full::Busy);
        }
        let written = self.file().and_then(|(file, at)| file.write_all_at(octets, at));
        match written {
            Ok(()) => {
                self.in_file += count;
                Ok(())
            }
            Err(error) => {
                self.spools.files().give_back(self.payer, count);
                Err(if are_used_up(&error) { Full::Busy } else { Full::Disk(error) })
            }
        }
    }

    /// The file, and where it ends.
    fn file(&mut self) -> io::Result<(&File, u64)> {
        let file = match self.file.take() {
            Some(file) => file,
            None => nameless(self.spools.folder.as_deref().ok_or(io::ErrorKind::NotFound)?)?,
        };
        Ok((self.file.insert(file), self.in_file))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.spools.folder.is_some() {
            self.spools.memory.fetch_sub(self.memory.len(), Ordering::Relaxed);
        }
        self.spools.files().give_back(self.payer, self.in_file);
    }
}

impl Payer {
    fn is_stranger(self) -> bool {
        matches!(self, Payer::Stranger(_))
    }
}

impl Files {
    /// `false` where there is no room for so many on this account.
    fn take(&mut self, payer: Payer, octets: u64) -> bool {
        let share = self.shares.get(&payer).copied().unwrap_or(0);
        let fits = self.all + octets <= limits::SPOOL_FILES
            && (payer == Payer::Machine || share + octets <= limits::SPOOL_SHARE)
            && (!payer.is_stranger() || self.strangers + octets <= limits::SPOOL_STRANGERS);
        if fits {
            self.all += octets;
            self.strangers += if payer.is_stranger() { octets } else { 0 };
            self.shares.insert(payer, share + octets);
        }
        fits
    }

    fn give_back(&mut self, payer: Payer, octets: u64) {
        self.all = self.all.saturating_sub(octets);
        if payer.is_stranger() {
            self.strangers = self.strangers.saturating_sub(octets);
        }
        if let Some(share) = self.shares.get_mut(&payer) {
            *share = share.saturating_sub(octets);
            if *share == 0 {
                self.shares.remove(&payer);
            }
        }
    }
}

/// A file without a name in this folder.
fn nameless(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(open(folder, flags, Mode::RUSR | Mode::WUSR)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(spool: &Spool) -> Vec<u8> {
        spool.head(usize::MAX).unwrap()
    }

    #[test]
    fn what_does_not_fit_into_memory_is_in_a_file() {
        let spools = Arc::new(Spools::new(Some(&std::env::temp_dir())));
        let octets: Vec<u8> = (0..=255).cycle().take(3 * limits::SPOOL / 2 + 7).collect();
        let mut spool = Spool::new(&spools, Payer::Machine);
        octets.chunks(10_007).for_each(|piece| spool.push(piece).unwrap());
        assert_eq!((spool.memory.len(), spool.len()), (limits::SPOOL, octets.len() as u64));
        assert_eq!(whole(&spool), octets);
        assert_eq!(spool.head(10).unwrap(), octets[..10]);
        assert_eq!(spools.memory.load(Ordering::Relaxed), limits::SPOOL);
        drop(spool);
        assert_eq!((spools.memory.load(Ordering::Relaxed), spools.files().all), (0, 0));
    }

    #[test]
    fn all_together_take_no_more_memory_than_they_may() {
        let spools = Arc::new(Spools::new(Some(&std::env::temp_dir())));
        let octets = vec![b'x'; limits::SPOOL];
        let mut all = Vec::new();
        for _ in 0..limits::SPOOLS / limits::SPOOL + 3 {
            let mut spool = Spool::new(&spools, Payer::Machine);
            spool.push(&octets).unwrap();
            all.push(spool);
        }
        assert_eq!(all.iter().map(|spool| spool.memory.len()).sum::<usize>(), limits::SPOOLS);
        assert!(all.iter().all(|spool| whole(spool) == octets));
    }

    #[test]
    fn files_are_bounded() {
        let spools = Arc::new(Spools::new(Some(&std::env::temp_dir())));
        spools.files().all = limits::SPOOL_FILES - 10;
        let mut spool = Spool::new(&spools, Payer::Machine);
        spool.push(&vec![b'x'; limits::SPOOL]).unwrap();
        spool.push(b"0123456789").unwrap();
        assert!(matches!(spool.push(b"x"), Err(Full::Busy)));
        assert_eq!(spool.len(), limits::SPOOL as u64 + 10);
        assert!(spools.are_short());
    }

    #[test]
    fn nobody_takes_more_than_a_share_and_strangers_leave_room_for_those_who_logged_in() {
        let (one, mut files) = (limits::SPOOL_SHARE, Files::default());
        let stranger = |number: u8| Payer::Stranger([192, 0, 2, number].into());
        let account = |number: u8| Payer::Account(AccountId(number.into()));
        assert!(files.take(stranger(1), one) && !files.take(stranger(1), 1));
        assert!(files.take(account(1), one) && !files.take(account(1), 1));
        files.give_back(account(1), one);
        let strangers = (2..100).filter(|number| files.take(stranger(*number), one)).count() as u64 + 1;
        assert!(strangers * one <= limits::SPOOL_STRANGERS && !files.take(stranger(200), one));
        assert!(files.take(account(2), one) || files.take(account(2), limits::MESSAGE.into()));
        (0..100).for_each(|number| files.give_back(stranger(number), one));
        files.give_back(account(2), one);
        assert_eq!((files.strangers, files.shares.len()), (0, 0));
    }
}
