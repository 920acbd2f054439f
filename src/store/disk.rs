//! The file under redb: its own backend, but for reading ahead.
//!
//! redb reads a page at a time, which on a cold file costs a trip to the disk each. What was written together lies
//! together, if not in order: a reader whose trips stay near each other is given more with each, one that jumps is not.

use super::locks::locked_below;
use redb::StorageBackend;
use redb::backends::FileBackend;
use rustix::fs::{Advice, fadvise};
use rustix::io::{ReadWriteFlags, preadv2};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;

/// How near the last trip the next one must be to count as the same walk.
const NEAR: u64 = 128 << 10;
/// What the first trip of a walk fetches, and the most that one fetches: blocks of these sizes, aligned to them.
const FIRST: u64 = 64 << 10;
/// What a trip fetches that belongs to no walk.
const LITTLE: u64 = 16 << 10;
const MOST: u64 = 2 << 20;

thread_local! {
    /// Where this thread's last trip went, and how much it fetched.
    static LAST: Cell<(u64, u64)> = const { Cell::new((u64::MAX, 0)) };
    /// How many trips this thread made since it was asked.
    static TRIPS: Cell<u64> = const { Cell::new(0) };
    /// This thread reads here and there, whatever it looks like.
    static SCATTERED: Cell<bool> = const { Cell::new(false) };
}

/// How many trips to the disk this thread made since this was asked last.
pub(super) fn trips() -> u64 {
    TRIPS.take()
}

/// Reads that are no walk: each fetches little.
pub(super) fn scattered<T>(read: impl FnOnce() -> T) -> T {
    SCATTERED.set(true);
    let done = read();
    SCATTERED.set(false);
    done
}

/// A file with its read-ahead.
#[derive(Debug)]
pub(super) struct Disk {
    inner: FileBackend,
    file: File,
}

impl Disk {
    pub(super) fn new(file: File) -> Result<Disk, redb::DatabaseError> {
        let second = file.try_clone().map_err(redb::StorageError::Io)?;
        Ok(Disk { inner: FileBackend::new(file)?, file: second })
    }

    /// Asks the kernel for what is at this offset and around it.
    fn fetch(&self, offset: u64, length: u64) {
        let (last, before) = LAST.get();
        TRIPS.set(TRIPS.get() + 1);
        let block = match (SCATTERED.get(), offset.abs_diff(last) < NEAR) {
            (true, _) => LITTLE,
            (false, true) => (before * 4).clamp(FIRST, MOST),
            (false, false) => FIRST,
        };
        LAST.set((offset, block));
        let start = offset - offset % block;
        let end = (offset + length).next_multiple_of(block);
        // Advice that is not taken costs time, nothing else.
        let _ = fadvise(&self.file, start, NonZeroU64::new(end - start), Advice::WillNeed);
    }
}

impl StorageBackend for Disk {
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let length = out.len();
        // Only what is in memory already.
        match preadv2(&self.file, &mut [IoSliceMut::new(out)], offset, ReadWriteFlags::NOWAIT) {
            Ok(read) if read == length => return Ok(()),
            _ => self.fetch(offset, length as u64),
        }
        self.inner.read(offset, out)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    locked_below!();
}
