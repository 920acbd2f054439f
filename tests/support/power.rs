//! A disk that loses power, and a disk that fails.

use crate::random::Random;
use redb::StorageBackend;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What reads see.
    now: Vec<u8>,
    /// What is certain.
    durable: Vec<u8>,
    /// What happened since.
    unsynced: Vec<Change>,
    /// Changes and syncs from now until it happens.
    fuse: Option<(u64, Event)>,
    dead: bool,
    syncs: u64,
    writes: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// What happens to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The power goes; what was under way is done.
    CutAfter,
    /// The power goes; what was under way is not done.
    CutBefore,
    /// One write or sync fails, and then all is well again.
    Fail(ErrorKind),
}

/// What is left of the changes since the last sync.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    All,
    None,
    /// Any of the writes, in any order.
    Some,
    /// Any of their sectors, in any order.
    Torn,
}

impl Disk {
    pub fn new(content: Vec<u8>) -> Disk {
        Disk(Arc::new(Mutex::new(State { durable: content.clone(), now: content, ..State::default() })))
    }

    pub fn arm(&self, after: u64, event: Event) {
        self.lock().fuse = Some((after, event));
    }

    /// Whether the event has happened.
    pub fn is_burnt(&self) -> bool {
        self.lock().fuse.is_none()
    }

    /// Changes since the last sync.
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// What reads see.
    pub fn now(&self) -> Vec<u8> {
        self.lock().now.clone()
    }

    /// What may be found when the power is back.
    pub fn image(&self, random: &mut Random, loss: Loss) -> Vec<u8> {
        let state = self.lock();
        let mut image = state.durable.clone();
        let mut writes: Vec<(usize, &[u8])> = Vec::new();
        for change in &state.unsynced {
            match change {
                Change::Write(offset, octets) => match loss {
                    Loss::All => {}
                    Loss::None => put(&mut image, *offset, octets),
                    Loss::Some => writes.extend(random.once_in(2).then_some((*offset, octets.as_slice()))),
                    Loss::Torn => {
                        let sectors =
                            octets.chunks(SECTOR).enumerate().map(|(at, sector)| (offset + at * SECTOR, sector));
                        writes.extend(sectors.filter(|_| random.once_in(2)));
                    }
                },
                Change::Length(length) => {
                    let kept = match loss {
                        Loss::All => false,
                        Loss::None => true,
                        Loss::Some | Loss::Torn => random.once_in(2),
                    };
                    if kept {
                        image.resize(*length, 0);
                    }
                }
            }
        }
        while !writes.is_empty() {
            let (offset, octets) = writes.swap_remove(random.below(writes.len()));
            put(&mut image, offset, octets);
        }
        image
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Burns the fuse down by one; `Ok(false)`: what is under way does not take place, and nobody hears of it.
    fn step(&mut self) -> Result<bool, Error> {
        if self.dead {
            return Err(gone());
        }
        match &mut self.fuse {
            Some((0, event)) => {
                let event = *event;
                self.fuse = None;
                match event {
                    Event::CutAfter => self.dead = true,
                    Event::CutBefore => {
                        self.dead = true;
                        return Err(gone());
                    }
                    Event::Fail(kind) => return Err(Error::from(kind)),
                }
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        Ok(!self.dead)
    }

    fn change(&mut self, change: Change) -> Result<(), Error> {
        let answered = self.step()?;
        match &change {
            Change::Write(offset, octets) => put(&mut self.now, *offset, octets),
            Change::Length(length) => self.now.resize(*length, 0),
        }
        self.unsynced.push(change);
        self.writes += 1;
        if answered { Ok(()) } else { Err(gone()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let state = self.lock();
        if state.dead {
            return Err(gone());
        }
        let start = usize::try_from(offset).map_err(Error::other)?;
        let found = state.now.get(start..start + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.lock().change(Change::Length(usize::try_from(len).map_err(Error::other)?))
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let answered = state.step()?;
        let State { durable, now, .. } = &mut *state;
        durable.clone_from(now);
        state.unsynced.clear();
        state.syncs += 1;
        if answered { Ok(()) } else { Err(gone()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.lock().change(Change::Write(usize::try_from(offset).map_err(Error::other)?, data.to_vec()))
    }
}

fn put(image: &mut Vec<u8>, offset: usize, octets: &[u8]) {
    let end = offset + octets.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image.get_mut(offset..end).expect("it was just made long enough").copy_from_slice(octets);
}

fn gone() -> Error {
    Error::other("the power is gone")
}
