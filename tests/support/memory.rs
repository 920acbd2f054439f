//! A disk in memory.

use pillarbox::store::Ground;
use redb::backends::InMemoryBackend;
use redb::{BackendError, StorageBackend};
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A disk that is still there when its store was closed, and that may fail.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    octets: Arc<InMemoryBackend>,
    unreadable: Arc<AtomicBool>,
    unwritable: Arc<AtomicBool>,
    /// Who has it open, and how many locks of theirs there are: as with a file, only one at a time.
    holder: Arc<Mutex<Option<(u64, usize)>>>,
    /// Which opening of it this is.
    opening: u64,
}

impl Memory {
    /// What can be done with it from now on.
    pub fn become_such(&self, readable: bool, writable: bool) {
        self.unreadable.store(!readable, Ordering::SeqCst);
        self.unwritable.store(!writable, Ordering::SeqCst);
    }

    fn readable(&self) -> io::Result<()> {
        if self.unreadable.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    fn writable(&self) -> io::Result<()> {
        if self.unwritable.load(Ordering::SeqCst) { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn is_held_by_another(&self) -> bool {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|(holder, _)| holder != self.opening)
    }

    /// One lock more, if nobody else has any.
    fn hold(&self) -> bool {
        let mut held = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        let (holder, locks) = held.get_or_insert((self.opening, 0));
        *locks += usize::from(*holder == self.opening);
        *holder == self.opening
    }

    /// As many locks less.
    fn let_go(&self, most: usize) {
        let mut held = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((holder, locks)) = &mut *held
            && *holder == self.opening
        {
            *locks = locks.saturating_sub(most);
            if *locks == 0 {
                *held = None;
            }
        }
    }
}

impl Ground for Memory {
    fn tables(&self) -> io::Result<Box<dyn StorageBackend>> {
        static OPENINGS: AtomicU64 = AtomicU64::new(1);
        Ok(Box::new(Memory { opening: OPENINGS.fetch_add(1, Ordering::Relaxed), ..self.clone() }))
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        self.readable()?;
        self.octets.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.readable()?;
        self.octets.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?;
        self.octets.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.writable()?;
        self.octets.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?;
        self.octets.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.let_go(usize::MAX);
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(self.hold())
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(self.hold())
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        assert!(self.hold(), "nobody waits for a store that is open elsewhere");
        Ok(())
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.lock_range(start, end)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        self.let_go(1);
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(self.is_held_by_another())
    }
}
