//! A disk that loses power, and a disk that fails: with the two files of a store on it, each of which loses, tears and
//! reorders what it was not yet asked to make certain by itself.

use crate::random::Random;
use pillarbox::store::Ground;
use redb::StorageBackend;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

/// What the files hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pub tables: Vec<u8>,
    pub journal: Vec<u8>,
}

/// One of the files, opened.
#[derive(Debug)]
pub struct Handle {
    disk: Disk,
    which: Which,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Tables,
    Journal,
}

#[derive(Debug, Default)]
struct State {
    tables: File,
    journal: File,
    /// Changes and syncs, of either file, from now until it happens.
    fuse: Option<(u64, Event)>,
    dead: bool,
    syncs: u64,
    writes: u64,
    /// What the clock says.
    now: i64,
}

#[derive(Debug, Default)]
struct File {
    /// What reads see.
    now: Vec<u8>,
    /// What is certain.
    durable: Vec<u8>,
    /// What happened since.
    unsynced: Vec<Change>,
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

/// What is left of the changes to a file since its last sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    All,
    None,
    /// Those up to some moment, and no later one.
    Later,
    /// Any of the writes, in any order.
    Some,
    /// Any of their sectors, in any order.
    Torn,
}

impl Loss {
    pub const EACH: [Loss; 5] = [Loss::All, Loss::None, Loss::Later, Loss::Some, Loss::Torn];
}

impl Disk {
    pub fn new(content: Image) -> Disk {
        let Image { tables, journal } = content;
        Disk(Arc::new(Mutex::new(State { tables: File::new(tables), journal: File::new(journal), ..State::default() })))
    }

    pub fn arm(&self, after: u64, event: Event) {
        self.lock().fuse = Some((after, event));
    }

    /// Whether the event has happened.
    pub fn is_burnt(&self) -> bool {
        self.lock().fuse.is_none()
    }

    /// Changes to the tables and to the journal since the last sync of each.
    pub fn unsynced(&self) -> (usize, usize) {
        let state = self.lock();
        (state.tables.unsynced.len(), state.journal.unsynced.len())
    }

    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// The clock says this from now on.
    pub fn set_clock(&self, now: i64) {
        self.lock().now = now;
    }

    /// What reads see.
    pub fn now(&self) -> Image {
        let state = self.lock();
        Image { tables: state.tables.now.clone(), journal: state.journal.now.clone() }
    }

    /// What may be found when the power is back, of the tables and of the journal.
    pub fn image(&self, random: &mut Random, tables: Loss, journal: Loss) -> Image {
        let state = self.lock();
        Image { tables: state.tables.image(random, tables), journal: state.journal.image(random, journal) }
    }

    /// The tables, without the journal.
    pub fn only_tables(&self) -> Handle {
        Handle { disk: self.clone(), which: Which::Tables }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ground for Disk {
    fn tables(&self) -> Result<Box<dyn StorageBackend>, Error> {
        Ok(Box::new(self.only_tables()))
    }

    fn journal(&self) -> Result<Option<Box<dyn StorageBackend>>, Error> {
        Ok(Some(Box::new(Handle { disk: self.clone(), which: Which::Journal })))
    }

    fn now(&self) -> i64 {
        self.lock().now
    }
}

impl State {
    fn file(&mut self, which: Which) -> &mut File {
        match which {
            Which::Tables => &mut self.tables,
            Which::Journal => &mut self.journal,
        }
    }

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

    fn change(&mut self, which: Which, change: Change) -> Result<(), Error> {
        let answered = self.step()?;
        let file = self.file(which);
        match &change {
            Change::Write(offset, octets) => put(&mut file.now, *offset, octets),
            Change::Length(length) => file.now.resize(*length, 0),
        }
        file.unsynced.push(change);
        self.writes += 1;
        if answered { Ok(()) } else { Err(gone()) }
    }
}

impl File {
    fn new(content: Vec<u8>) -> File {
        File { durable: content.clone(), now: content, unsynced: Vec::new() }
    }

    fn image(&self, random: &mut Random, loss: Loss) -> Vec<u8> {
        let mut image = self.durable.clone();
        let mut writes: Vec<(usize, &[u8])> = Vec::new();
        let until = if loss == Loss::Later { random.below(self.unsynced.len() + 1) } else { self.unsynced.len() };
        for change in self.unsynced.iter().take(until) {
            match change {
                Change::Write(offset, octets) => match loss {
                    Loss::All => {}
                    Loss::None | Loss::Later => put(&mut image, *offset, octets),
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
                        Loss::None | Loss::Later => true,
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
}

impl StorageBackend for Handle {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.disk.lock().file(self.which).now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let mut state = self.disk.lock();
        if state.dead {
            return Err(gone());
        }
        let start = usize::try_from(offset).map_err(Error::other)?;
        let found = state.file(self.which).now.get(start..start + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.disk.lock().change(self.which, Change::Length(usize::try_from(len).map_err(Error::other)?))
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.disk.lock();
        let answered = state.step()?;
        let File { durable, unsynced, .. } = state.file(self.which);
        for change in unsynced.drain(..) {
            match change {
                Change::Write(offset, octets) => put(durable, offset, &octets),
                Change::Length(length) => durable.resize(length, 0),
            }
        }
        state.syncs += 1;
        if answered { Ok(()) } else { Err(gone()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let change = Change::Write(usize::try_from(offset).map_err(Error::other)?, data.to_vec());
        self.disk.lock().change(self.which, change)
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
