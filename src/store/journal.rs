//! The journal: small changes are durable here first, in one run of octets, and reach the tables durably later, many at
//! once.
//!
//! A commit of redb writes a path of pages in each table it touches: 70 KB for one mail of 5 KB. The same change as a
//! record in a file costs a page or two, and the same single sync. So the writer applies a batch to the tables in a
//! transaction, puts the batch into the journal and syncs that, commits the transaction *without* durability, and only
//! then answers. Some time later one durable commit takes over all of it, says in `config` which record was its last,
//! and the journal begins again at its start.
//!
//! ```text
//! record:  length u32 | number u64 | first 16 octets of SHA-256 over number and payload | payload
//! payload: a batch of writes in postcard, those that were granted, in order
//! ```
//!
//! Numbers go up by one. What follows the last valid record in its turn is a torn record, or one of an earlier round.
//! After a crash the records after the one that the tables know are applied again, to the very state that they were
//! applied to: the same UIDs come out.

use super::error::Fault;
use super::parcel::Parcel;
use super::provider::ProviderChange;
use super::write::Write;
use ring::digest;
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Octets of the file, all written when it is made: a sync then writes no more than what was put in.
const SIZE: u64 = 4 << 20;
/// What goes into the journal at most; larger batches are as well off in the tables at once.
pub(super) const RECORD: usize = 128 << 10;
const HEADER: usize = 4 + 8 + HASH;
const HASH: usize = 16;
const PAGE: usize = 4096;

/// The open journal. Only the writer has it.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Where the next record goes.
    at: u64,
    /// The number of the last record.
    last: u64,
    /// A record could not be written: what is on the disk is unknown until the journal begins again.
    broken: bool,
}

impl Journal {
    /// Opens the journal of a format in a folder, or makes it; gives the payloads of the records after number `applied`.
    pub(super) fn open(folder: &Path, format: u32, applied: u64) -> io::Result<(Journal, Vec<Vec<u8>>)> {
        let path = folder.join(name(format));
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let octets = read(&mut file, applied)?;
        let length = file.metadata()?.len();
        if length < SIZE {
            // A hole would have to be filled, and noted, with each sync. What is there, whole pages or not, stays.
            let whole = length.next_multiple_of(PAGE as u64);
            file.write_all_at(&vec![0; usize::try_from(whole - length).unwrap_or(0)], length)?;
            for at in (whole..SIZE).step_by(PAGE) {
                file.write_all_at(&[0; PAGE], at)?;
            }
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
        }
        let (records, last) = records(&octets, applied);
        Ok((Journal { file, at: 0, last, broken: false }, records))
    }

    /// Whether a record with a payload of so many octets may go in.
    pub(super) fn takes(&self, octets: usize) -> bool {
        !self.broken && octets <= RECORD && self.at + (HEADER + octets) as u64 <= SIZE
    }

    /// The number of the last record: what a durable commit of the tables has to note.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Puts a record in; when this returns, it is durable.
    pub(super) fn put(&mut self, payload: &[u8]) -> io::Result<()> {
        // A number is never used twice, also not after a failure.
        self.last += 1;
        let length = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut record = Vec::with_capacity(HEADER + payload.len());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&self.last.to_le_bytes());
        record.extend_from_slice(&hash(self.last, payload));
        record.extend_from_slice(payload);
        let written = self.file.write_all_at(&record, self.at).and_then(|()| self.file.sync_data());
        self.broken |= written.is_err();
        written?;
        self.at += record.len() as u64;
        Ok(())
    }

    /// The tables hold all of it, durably.
    pub(super) fn begin_again(&mut self) {
        self.at = 0;
        self.broken = false;
    }
}

/// Each format has a file of its own: a newer program leaves an older one's as it was, for the way back.
fn name(format: u32) -> String {
    if format == 1 { "journal".to_owned() } else { format!("journal-{format}") }
}

/// The payloads in the journal that a program of another format left, and the number of the last record.
pub(super) fn left_by(folder: &Path, format: u32, applied: u64) -> io::Result<(Vec<Vec<u8>>, u64)> {
    match File::open(folder.join(name(format))) {
        Ok(mut file) => Ok(records(&read(&mut file, applied)?, applied)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Vec::new(), applied)),
        Err(error) => Err(error),
    }
}

/// Removes the journal of a format, if there is one.
pub(super) fn remove(folder: &Path, format: u32) -> io::Result<()> {
    match std::fs::remove_file(folder.join(name(format))) {
        Ok(()) => File::open(folder)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The octets of a journal that may hold records after number `applied`.
fn read(file: &mut File, applied: u64) -> io::Result<Vec<u8>> {
    // Page by page, here and where it is made: the kernel keeps what is read or written at once in one piece, and then
    // takes all of that piece for changed with each record.
    fadvise(&*file, 0, None, Advice::Random)?;
    let mut octets = Vec::new();
    let mut page = [0; PAGE];
    loop {
        match file.read(&mut page)? {
            0 => break,
            count => octets.extend_from_slice(page.get(..count).unwrap_or_default()),
        }
        // A durable commit takes over all of a round: where the first record is known, the others are as well.
        if !begins_with(&octets, applied + 1) {
            break;
        }
    }
    Ok(octets)
}

/// Whether a write may be durable in the journal first: what comes to the same when it is done again.
pub(super) fn suits(write: &Write) -> bool {
    match write {
        Write::Append { .. } | Write::Deliver(_) | Write::Queue { .. } | Write::Arrive(_) | Write::Warn { .. } => {
            write.parcels().all(Parcel::is_whole)
        }
        Write::Provider(change) => matches!(**change, ProviderChange::State { .. } | ProviderChange::Steps { .. }),
        Write::Store { .. }
        | Write::Copy { .. }
        | Write::Move { .. }
        | Write::Expunge { .. }
        | Write::Retire { .. }
        | Write::Keep { .. }
        | Write::ForgetMarks { .. } => true,
        _ => false,
    }
}

/// The payload of a record.
pub(super) fn encode(writes: &[&Write]) -> Result<Vec<u8>, Fault> {
    postcard::to_allocvec(writes).map_err(|_| Fault::Corrupt("a write does not encode"))
}

/// What a payload holds.
pub(super) fn decode(payload: &[u8]) -> Result<Vec<Write>, Fault> {
    postcard::from_bytes(payload).map_err(|_| Fault::Corrupt("a record of the journal"))
}

/// Whether the first record has this number.
fn begins_with(octets: &[u8], number: u64) -> bool {
    octets.get(4..12).is_some_and(|first| first == number.to_le_bytes())
}

/// The payloads of the valid records after number `applied`, and the number to go on from.
fn records(mut octets: &[u8], applied: u64) -> (Vec<Vec<u8>>, u64) {
    let mut payloads = Vec::new();
    let mut last = None;
    while let Some((number, payload, rest)) = record(octets) {
        // After the last of this round come those of the round before.
        if last.is_some_and(|last| number != last + 1) {
            break;
        }
        // A round that begins after what the tables know has lost its beginning: nothing of it can be applied.
        if last.is_none() && number > applied + 1 {
            break;
        }
        last = Some(number);
        if number > applied {
            payloads.push(payload.to_vec());
        }
        octets = rest;
    }
    (payloads, last.unwrap_or(0).max(applied))
}

fn record(octets: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<4>()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<HASH>()?;
    let number = u64::from_le_bytes(*number);
    let (payload, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    (number > 0 && hash(number, payload) == *sum).then_some((number, payload, rest))
}

fn hash(number: u64, payload: &[u8]) -> [u8; HASH] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&number.to_le_bytes());
    context.update(payload);
    let mut sum = [0; HASH];
    sum.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(numbers: &[(u64, &[u8])]) -> Vec<u8> {
        let mut octets = Vec::new();
        for (number, payload) in numbers {
            octets.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
            octets.extend_from_slice(&number.to_le_bytes());
            octets.extend_from_slice(&hash(*number, payload));
            octets.extend_from_slice(payload);
        }
        octets
    }

    #[test]
    fn records_after_the_one_that_the_tables_know_are_given() {
        let octets = file(&[(4, b"d"), (5, b"e"), (6, b"f")]);
        assert_eq!(records(&octets, 4), (vec![b"e".to_vec(), b"f".to_vec()], 6));
        assert_eq!(records(&octets, 6), (vec![], 6));
        assert_eq!(records(&octets, 9), (vec![], 9));
    }

    #[test]
    fn a_torn_record_ends_the_round_wherever_it_is_torn() {
        let whole = file(&[(1, b"first"), (2, b"second")]);
        let first = file(&[(1, b"first")]).len();
        for end in first..whole.len() {
            let mut torn = whole.clone();
            torn[end..].fill(0);
            let expected = if torn == whole { 2 } else { 1 };
            assert_eq!(records(&torn, 0).0.len(), expected, "torn at {end}");
            assert_eq!(records(&whole[..end], 0).0.len(), 1, "cut at {end}");
        }
    }

    #[test]
    fn records_of_an_earlier_round_are_not_taken_for_this_one() {
        let octets = file(&[(7, b"g"), (2, b"b"), (3, b"c")]);
        assert_eq!(records(&octets, 6), (vec![b"g".to_vec()], 7));
    }

    #[test]
    fn a_round_without_its_beginning_is_not_applied() {
        assert_eq!(records(&file(&[(9, b"i")]), 6), (vec![], 6));
    }
}
