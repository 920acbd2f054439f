//! A storage that is read only, and what would have been written to it, in memory.
//!
//! redb cannot open tables that were not closed well without writing, and what is durable in the journal only has to be
//! put into them: on a disk that nothing can be written to any more, both stay here, and are made again at the next
//! start.

use redb::{BackendError, StorageBackend};
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

const PAGE: usize = 4096;
/// Octets of pages that are kept at least: a full journal of mail changes less than half of that.
const LEAST: u64 = 32 << 20;
/// And where there is more memory, this share of it: one record of the journal can change all rows of a mailbox.
const SHARE: u64 = 8;

/// The storage as it would be.
#[derive(Debug)]
pub(super) struct Overlay {
    below: Box<dyn StorageBackend>,
    state: RwLock<State>,
    /// How many pages are kept at most.
    most: usize,
}

#[derive(Debug)]
struct State {
    /// Pages that are not as they are below, by their number.
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
    length: u64,
    /// What lies below is shown up to here: what was cut off and grew again is empty.
    shown: u64,
}

impl Overlay {
    pub(super) fn new(below: Box<dyn StorageBackend>) -> io::Result<Overlay> {
        let length = below.len()?;
        let memory = rustix::system::sysinfo();
        let share = (wide(memory.totalram) * wide(memory.mem_unit) / SHARE).max(LEAST);
        let most = place(share) / PAGE;
        Ok(Overlay { below, most, state: RwLock::new(State { pages: BTreeMap::new(), length, shown: length }) })
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what lies below, and nothing where nothing is to be shown.
    fn read_below(&self, shown: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(shown.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (there, nothing) = out.split_at_mut(there);
        nothing.fill(0);
        if there.is_empty() { Ok(()) } else { self.below.read(offset, there) }
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let end = offset.saturating_add(out.len() as u64);
        if end > state.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut changed = state.pages.range(offset / PAGE as u64..end.div_ceil(PAGE as u64)).peekable();
        if changed.peek().is_none() {
            let shown = state.shown;
            // Nobody waits for this disk but who reads from it.
            drop(changed);
            drop(state);
            return self.read_below(shown, offset, out);
        }
        self.read_below(state.shown, offset, out)?;
        for (number, page) in changed {
            let start = number * PAGE as u64;
            let (from, to) = (start.max(offset), (start + PAGE as u64).min(end));
            let here = page.get(place(from - start)..place(to - start));
            let there = out.get_mut(place(from - offset)..place(to - offset));
            if let (Some(here), Some(there)) = (here, there) {
                there.copy_from_slice(here);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state_mut();
        if length < state.length {
            state.shown = state.shown.min(length);
            state.pages.split_off(&length.div_ceil(PAGE as u64));
            // The page that the end now lies in must be empty behind it if it grows again.
            if let Some(page) = state.pages.get_mut(&(length / PAGE as u64))
                && let Some(behind) = page.get_mut(place(length % PAGE as u64)..)
            {
                behind.fill(0);
            }
        }
        state.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state_mut();
        let mut offset = offset;
        let mut data = data;
        while !data.is_empty() {
            let (number, within) = (offset / PAGE as u64, place(offset % PAGE as u64));
            let (now, later) = data.split_at(data.len().min(PAGE - within));
            if !state.pages.contains_key(&number) {
                if state.pages.len() >= self.most {
                    let text =
                        "more would have to be written than fits into memory: a disk that can be written is needed";
                    return Err(io::Error::new(io::ErrorKind::OutOfMemory, text));
                }
                let mut page = Box::new([0; PAGE]);
                if now.len() < PAGE {
                    self.read_below(state.shown, number * PAGE as u64, page.as_mut_slice())?;
                }
                state.pages.insert(number, page);
            }
            if let Some(page) = state.pages.get_mut(&number)
                && let Some(there) = page.get_mut(within..within + now.len())
            {
                there.copy_from_slice(now);
            }
            offset += now.len() as u64;
            data = later;
        }
        state.length = state.length.max(offset);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    // redb locks what it opens for itself alone. Nobody writes here, so others that only read may do so, too: each lock is
    // a shared one below, which keeps out who would write.
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.query_lock_range(start, end)
    }
}

/// A number of the kernel's, whose width is the machine's.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

/// A place within what is in memory.
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::xorshift::Xorshift;
    use redb::backends::InMemoryBackend;

    fn below(octets: &[u8]) -> Box<dyn StorageBackend> {
        let below = InMemoryBackend::new();
        below.set_len(octets.len() as u64).unwrap();
        below.write(0, octets).unwrap();
        Box::new(below)
    }

    #[test]
    fn it_reads_as_a_storage_that_was_written_would() {
        for seed in 1..40 {
            let mut random = Xorshift::new(seed);
            let mut expected: Vec<u8> =
                (0..random.below(60_000)).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
            let overlay = Overlay::new(below(&expected)).unwrap();
            for _ in 0..200 {
                match random.below(8) {
                    0 => {
                        let length = random.below(80_000);
                        expected.resize(length, 0);
                        overlay.set_len(length as u64).unwrap();
                    }
                    1..4 => {
                        let (at, fill) = (random.below(expected.len() + 1), u8::try_from(random.below(256)).unwrap());
                        let data = vec![fill; random.below(12_000).min(expected.len() - at)];
                        expected[at..at + data.len()].copy_from_slice(&data);
                        overlay.write(at as u64, &data).unwrap();
                    }
                    _ => {
                        let at = random.below(expected.len() + 1);
                        let mut found = vec![0; random.below(20_000).min(expected.len() - at)];
                        overlay.read(at as u64, &mut found).unwrap();
                        assert!(found == expected[at..at + found.len()], "seed {seed}");
                    }
                }
                assert_eq!(overlay.len().unwrap(), expected.len() as u64);
            }
            let mut beyond = [0];
            assert!(overlay.read(expected.len() as u64, &mut beyond).is_err());
        }
    }

    #[test]
    fn what_lies_below_is_never_written() {
        let storage = std::sync::Arc::new(InMemoryBackend::new());
        storage.set_len(10_000).unwrap();
        let overlay = Overlay::new(Box::new(Shared(std::sync::Arc::clone(&storage)))).unwrap();
        overlay.write(4_000, &[7; 5_000]).unwrap();
        overlay.set_len(20_000).unwrap();
        overlay.sync_data().unwrap();
        let mut found = [1; 10_000];
        storage.read(0, &mut found).unwrap();
        assert!(found == [0; 10_000] && storage.len().unwrap() == 10_000);
    }

    #[test]
    fn more_than_its_pages_is_refused() {
        let overlay = Overlay { most: 100, ..Overlay::new(below(&[])).unwrap() };
        let page = [1; PAGE];
        for number in 0..100 {
            overlay.write((number * PAGE) as u64, &page).unwrap();
        }
        assert!(overlay.write((100 * PAGE) as u64, &page).is_err());
        overlay.write(0, &page).unwrap();
    }

    #[derive(Debug)]
    struct Shared(std::sync::Arc<InMemoryBackend>);

    impl StorageBackend for Shared {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            panic!("it was written")
        }

        fn sync_data(&self) -> io::Result<()> {
            panic!("it was written")
        }

        fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
            panic!("it was written")
        }
    }
}
