//! A store in memory whose clocks are turned by hand: for tests of what is kept for days.

use super::error::Fault;
use super::medium::Ground;
use super::store::{Options, Store};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The clocks of such a store, and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Clockwork(Arc<State>);

#[derive(Debug)]
struct State {
    tables: Arc<InMemoryBackend>,
    /// What the clock says, and for how long the machine is up.
    clocks: Mutex<(i64, i64)>,
}

impl Clockwork {
    /// At a moment, in seconds since 1970.
    pub(crate) fn at(now: i64) -> Clockwork {
        Clockwork(Arc::new(State { tables: Arc::new(InMemoryBackend::new()), clocks: Mutex::new((now, 0)) }))
    }

    /// Opens the store.
    pub(crate) fn open(&self) -> Result<Store, Fault> {
        Store::open_on(self.clone(), Options::default())
    }

    /// Lets so many seconds pass, in which the store looks at its clocks every minute.
    pub(crate) fn pass(&self, store: &Store, seconds: i64) {
        for _ in (0..seconds).step_by(60) {
            {
                let mut clocks = self.clocks();
                *clocks = (clocks.0 + 60, clocks.1 + 60);
            }
            let _ = store.age(0);
        }
    }

    /// The clock leaps, and no time passes.
    pub(crate) fn leap(&self, store: &Store, seconds: i64) {
        self.clocks().0 += seconds;
        let _ = store.age(0);
    }

    fn clocks(&self) -> std::sync::MutexGuard<'_, (i64, i64)> {
        self.0.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ground for Clockwork {
    fn tables(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(Lent(Arc::clone(&self.0.tables))))
    }

    fn now(&self) -> i64 {
        self.clocks().0
    }

    fn up(&self) -> i64 {
        self.clocks().1
    }
}

#[derive(Debug)]
struct Lent(Arc<InMemoryBackend>);

impl StorageBackend for Lent {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
