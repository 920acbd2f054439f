//! What a store lies on, tables and journal: how it is opened, how again after an error, and how when nothing can be
//! written to it. And the one clock that the store knows: what is applied is told the time by who asked here.

use super::disk::Disk;
use super::error::Fault;
use super::guard::contained;
use super::journal;
use super::locks::locked_below;
use super::overlay::Overlay;
use super::remains;
use super::store::Options;
use super::verified::{Damage, Verified};
use redb::{Database, StorageBackend};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The two files of a store and its clock, wherever they are: for tests that pull the plug, break the disk, or turn the
/// hands.
pub trait Ground: Send + Sync + 'static {
    /// The tables, each time that they are opened.
    fn tables(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// The journal, each time that it is opened; `None`: every change goes into the tables at once.
    fn journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>> {
        Ok(None)
    }

    /// Now, in seconds since 1970.
    fn now(&self) -> i64 {
        system_time()
    }

    /// Seconds by a clock that only goes on, from any beginning.
    fn up(&self) -> i64 {
        up_time()
    }
}

/// Where the tables and the journal lie.
#[derive(Debug)]
pub(super) struct Medium {
    kind: Kind,
    options: Options,
    /// Something failed since it was opened last: redb's handle then refuses what is not in its memory.
    failed: Arc<AtomicBool>,
    /// What was met that is not as it was written.
    damage: Arc<Damage>,
}

enum Kind {
    File(PathBuf),
    Ground(Box<dyn Ground>),
}

impl Medium {
    /// A file.
    pub(super) fn file(path: PathBuf, options: Options) -> Medium {
        Medium { kind: Kind::File(path), options, failed: Arc::default(), damage: Arc::default() }
    }

    /// What can be had again and again.
    pub(super) fn ground(ground: impl Ground, options: Options) -> Medium {
        let kind = Kind::Ground(Box::new(ground));
        Medium { kind, options, failed: Arc::default(), damage: Arc::default() }
    }

    /// Where it is, if in a file.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::File(path) => Some(path),
            Kind::Ground(_) => None,
        }
    }

    /// Whether something failed since it was opened last.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// What failed did no harm.
    pub(super) fn forget_failure(&self) {
        self.failed.store(false, Ordering::Relaxed);
    }

    /// Opens it for reading and writing.
    pub(super) fn open(&self) -> Result<Database, Fault> {
        // Never made: a file that went away, or lost what was in it, must not pass for an empty store.
        contained(|| {
            let storage: Box<dyn StorageBackend> = match &self.kind {
                Kind::File(path) => Box::new(Disk::new(filled(File::options().read(true).write(true).open(path)?)?)?),
                Kind::Ground(ground) => ground.tables()?,
            };
            self.database(storage, BTreeSet::new())
        })
    }

    /// Opens it for reading: nothing is written to it, but what would have to be is kept in memory.
    pub(super) fn open_frozen(&self) -> Result<Database, Fault> {
        contained(|| {
            let storage: Box<dyn StorageBackend> = match &self.kind {
                Kind::File(path) => Box::new(Disk::new(filled(File::open(path)?)?)?),
                Kind::Ground(ground) => ground.tables()?,
            };
            self.database(Box::new(Overlay::new(storage)?), BTreeSet::new())
        })
    }

    /// The same with what is left of a damaged one, which `open` and `open_frozen` refuse.
    pub(super) fn open_remains(&self) -> Result<Database, Fault> {
        contained(|| {
            let storage: Box<dyn StorageBackend> = match &self.kind {
                Kind::File(path) => Box::new(Disk::new(filled(File::open(path)?)?)?),
                Kind::Ground(ground) => ground.tables()?,
            };
            let shown = Overlay::new(storage)?;
            let damaged = remains::patch(&shown)?.ok_or(Fault::Corrupt("what the tables begin with"))?;
            self.damage.meet_record("it can only be read, as far as it is whole");
            self.database(Box::new(shown), damaged)
        })
    }

    /// Opens a storage: within `contained`.
    fn database(&self, storage: Box<dyn StorageBackend>, damaged: BTreeSet<u64>) -> Result<Database, Fault> {
        self.failed.store(false, Ordering::Relaxed);
        let watched = Watched { inner: storage, failed: Arc::clone(&self.failed) };
        let (verified, lenient) = Verified::new(Box::new(watched), self.damage(), damaged)?;
        let database = Database::builder().set_cache_size(self.options.cache).create_with_backend(verified)?;
        lenient.end();
        Ok(database)
    }

    /// What was met that is not as it was written.
    pub(super) fn damage(&self) -> Arc<Damage> {
        Arc::clone(&self.damage)
    }

    /// Whether a write could reach it: asked without changing anything but a time stamp.
    pub(super) fn can_be_written(&self) -> bool {
        match &self.kind {
            Kind::File(path) => can_be_written(path),
            Kind::Ground(_) => true,
        }
    }

    /// Opens the journal of a format, and makes it where it is missing; `None` where there is none to be had.
    pub(super) fn open_journal(&self, format: u32) -> io::Result<Option<Box<dyn StorageBackend>>> {
        match &self.kind {
            Kind::File(path) => journal::open_file(folder_of(path), format).map(Some),
            Kind::Ground(ground) => ground.journal(),
        }
    }

    /// The journal of a format, to be read only, if there is one.
    pub(super) fn find_journal(&self, format: u32) -> io::Result<Option<Box<dyn StorageBackend>>> {
        match &self.kind {
            Kind::File(path) => journal::find_file(folder_of(path), format),
            Kind::Ground(ground) => ground.journal(),
        }
    }

    /// Keeps a copy of a damaged journal of a format, for whoever can make something of it.
    pub(super) fn keep_journal(&self, format: u32) {
        if let Kind::File(path) = &self.kind
            && let Err(error) = journal::keep(folder_of(path), format)
        {
            log::warn!("the damaged journal cannot be kept: {error}");
        }
    }

    /// Seconds by a clock that only goes on.
    pub(super) fn up(&self) -> i64 {
        match &self.kind {
            Kind::Ground(ground) => ground.up(),
            Kind::File(_) => up_time(),
        }
    }

    /// Now, in seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        match &self.kind {
            Kind::Ground(ground) => ground.now(),
            Kind::File(_) => system_time(),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::File(path) => f.debug_tuple("File").field(path).finish(),
            Kind::Ground(_) => f.write_str("Ground"),
        }
    }
}

/// Seconds that this process has been up for, roughly.
fn up_time() -> i64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    i64::try_from(BEGAN.elapsed().as_secs()).unwrap_or(i64::MAX)
}

/// What the machine's clock says; 1970 where it says less.
pub(super) fn system_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Whether a file can be written. A file system that went read-only after an error may let a file be opened for writing
/// all the same, so its time stamp is set to now, as any write would.
fn can_be_written(path: &Path) -> bool {
    use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};
    let only = |nanoseconds| Timespec { tv_sec: 0, tv_nsec: nanoseconds };
    let now = Timestamps { last_access: only(UTIME_OMIT), last_modification: only(UTIME_NOW) };
    File::options().write(true).open(path).is_ok_and(|file| futimens(&file, &now).is_ok())
}

fn filled(file: File) -> Result<File, Fault> {
    if file.metadata()?.len() == 0 {
        return Err(Fault::Io("the store is damaged: its file is empty".to_owned()));
    }
    Ok(file)
}

/// A storage whose failures are noted.
#[derive(Debug)]
struct Watched {
    inner: Box<dyn StorageBackend>,
    failed: Arc<AtomicBool>,
}

impl Watched {
    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if done.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        done
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.note(self.inner.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.note(self.inner.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(self.inner.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note(self.inner.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(self.inner.write(offset, data))
    }

    locked_below!();
}
