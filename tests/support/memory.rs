//! A disk in memory.

use pillarbox::store::Ground;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A disk that is still there when its store was closed, and that may fail.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    octets: Arc<InMemoryBackend>,
    unreadable: Arc<AtomicBool>,
    unwritable: Arc<AtomicBool>,
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
}

impl Ground for Memory {
    fn tables(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.clone()))
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
}
