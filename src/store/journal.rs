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
//! payload: `Record` in postcard: the moment of a batch, and its writes that were granted, in order
//! ```
//!
//! Numbers go up by one. What follows the last valid record in its turn is a torn record, or one of an earlier round.
//! After a crash the records after the one that the tables know are applied again, to the very state that they were
//! applied to and at the very moment that they bear: the same UIDs, generations and dates come out. Before format 3 a
//! record had its writes alone.

use super::error::Fault;
use super::parcel::Parcel;
use super::privacy;
use super::provider::ProviderChange;
use super::write::Write;
use redb::StorageBackend;
use ring::digest;
use rustix::fs::{Advice, fadvise};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Octets of the file, all written when it is made: a sync then writes no more than what was put in.
const SIZE: u64 = 4 << 20;
/// What goes into the journal at most; larger batches are as well off in the tables at once.
pub(super) const RECORD: usize = 128 << 10;
/// Rows that its records change together: a start does them again, in memory and before anybody is served.
const ROWS: u64 = 200_000;
const HEADER: usize = 4 + 8 + HASH;
const HASH: usize = 16;
const PAGE: usize = 4096;

/// The open journal. Only the writer has it.
#[derive(Debug)]
pub(super) struct Journal {
    file: Box<dyn StorageBackend>,
    /// Where the next record goes.
    at: u64,
    /// The number of the last record.
    last: u64,
    /// Rows that doing all of it again changes.
    rows: u64,
    /// A record could not be written: what is on the disk is unknown until the journal begins again.
    broken: bool,
}

impl Journal {
    /// Opens a journal, which may be empty; gives what it has after record number `applied`.
    pub(super) fn open(file: Box<dyn StorageBackend>, applied: u64) -> io::Result<(Journal, Left)> {
        let left = left_in(Some(&*file), applied)?;
        let length = file.len()?;
        if length < SIZE {
            // A hole would have to be filled, and noted, with each sync. What is there, whole pages or not, stays.
            let whole = length.next_multiple_of(PAGE as u64);
            file.write(length, &vec![0; usize::try_from(whole - length).unwrap_or(0)])?;
            for at in (whole..SIZE).step_by(PAGE) {
                file.write(at, &[0; PAGE])?;
            }
            file.sync_data()?;
        }
        Ok((Journal { file, at: 0, last: left.last, rows: 0, broken: false }, left))
    }

    /// Whether a record may go in that has a payload of so many octets and changes so many rows.
    pub(super) fn takes(&self, octets: usize, rows: u64) -> bool {
        !self.broken
            && self.rows.saturating_add(rows) <= ROWS
            && octets <= RECORD
            && self.at + (HEADER + octets) as u64 <= SIZE
    }

    /// The number of the last record: what a durable commit of the tables has to note.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Puts a record in that changes so many rows; when this returns, it is durable.
    pub(super) fn put(&mut self, payload: &[u8], rows: u64) -> io::Result<()> {
        self.rows = self.rows.saturating_add(rows);
        // A number is never used twice, also not after a failure.
        self.last += 1;
        let record = frame(self.last, payload)?;
        let written = self.file.write(self.at, &record).and_then(|()| self.file.sync_data());
        self.broken |= written.is_err();
        written?;
        self.at += record.len() as u64;
        Ok(())
    }

    /// The tables hold all of it, durably.
    pub(super) fn begin_again(&mut self) {
        self.at = 0;
        self.rows = 0;
        self.broken = false;
    }
}

/// Each format has a file of its own: a newer program leaves an older one's as it was, for the way back.
fn name(format: u32) -> String {
    if format == 1 { "journal".to_owned() } else { format!("journal-{format}") }
}

/// Opens the file of a format's journal in a folder, and makes it where it is missing.
pub(super) fn open_file(folder: &Path, format: u32) -> io::Result<Box<dyn StorageBackend>> {
    let path = folder.join(name(format));
    let is_new = !path.try_exists()?;
    let file = privacy::open(&path)?;
    if is_new {
        File::open(folder)?.sync_all()?;
    }
    Ok(Box::new(JournalFile::new(file)?))
}

/// The same to read it only; `None` where there is none.
pub(super) fn find_file(folder: &Path, format: u32) -> io::Result<Option<Box<dyn StorageBackend>>> {
    match File::open(folder.join(name(format))) {
        Ok(file) => Ok(Some(Box::new(JournalFile::new(file)?))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a journal has that the tables may not have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// The payloads of the records, in order.
    pub(super) payloads: Vec<Vec<u8>>,
    /// The number to go on from.
    pub(super) last: u64,
    /// Records are lost that were there: it is not a torn one at its end.
    pub(super) is_damaged: bool,
}

/// What a journal has after record number `applied`.
pub(super) fn left_in(file: Option<&dyn StorageBackend>, applied: u64) -> io::Result<Left> {
    let Some(file) = file else { return Ok(Left { last: applied, ..Left::default() }) };
    let mut left = records(&read(file, applied)?, applied);
    // It had its whole length before the first record.
    left.is_damaged |= applied > 0 && (1..SIZE).contains(&file.len()?);
    Ok(left)
}

/// Keeps a copy of a damaged journal, which goes on otherwise.
pub(super) fn keep(folder: &Path, format: u32) -> io::Result<()> {
    let (from, to) = (folder.join(name(format)), folder.join(format!("{}.damaged", name(format))));
    if from.try_exists()? && !to.try_exists()? {
        std::fs::copy(from, to)?;
    }
    Ok(())
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
fn read(file: &dyn StorageBackend, applied: u64) -> io::Result<Vec<u8>> {
    // Page by page, here and where it is made: the kernel keeps what is read or written at once in one piece, and then
    // takes all of that piece for changed with each record.
    let length = file.len()?;
    let mut octets = Vec::new();
    for at in (0..length).step_by(PAGE) {
        let start = octets.len();
        octets.resize(start + PAGE.min(usize::try_from(length - at).unwrap_or(PAGE)), 0);
        file.read(at, octets.get_mut(start..).unwrap_or_default())?;
        // A durable commit takes over all of a round: where the first record is known, the others are as well.
        if record(&octets).is_some_and(|(number, ..)| number <= applied) {
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
        | Write::CopyStep { .. }
        | Write::Uncopy { .. }
        | Write::ForgetMarks { .. } => true,
        _ => false,
    }
}

/// What a record holds: all that applying it again needs to know.
#[derive(Debug, Deserialize)]
pub(super) struct Record {
    /// The moment of the batch, in seconds since 1970: what is done now, is done then.
    pub(super) now: i64,
    /// What was granted, in order.
    pub(super) writes: Vec<Write>,
}

/// A [`Record`] as it is written.
#[derive(Serialize)]
struct Granted<'w> {
    now: i64,
    writes: &'w [&'w Write],
}

/// The payload of a record.
pub(super) fn encode(now: i64, writes: &[&Write]) -> Result<Vec<u8>, Fault> {
    postcard::to_allocvec(&Granted { now, writes }).map_err(|_| Fault::Corrupt("a write does not encode"))
}

/// What a payload holds.
pub(super) fn decode(payload: &[u8], _: i64) -> Result<Record, Fault> {
    postcard::from_bytes(payload).map_err(|_| Fault::Corrupt("a record of the journal"))
}

/// What a payload of before format 3 holds. It does not bear its moment: that is the one of its newest write that has one,
/// else when the tables were brought to today's format, which they remember.
pub(super) fn decode_without_moment(payload: &[u8], brought: i64) -> Result<Record, Fault> {
    let writes: Vec<Write> = postcard::from_bytes(payload).map_err(|_| Fault::Corrupt("a record of the journal"))?;
    let now = writes.iter().filter_map(Write::moment).max().unwrap_or(brought);
    Ok(Record { now, writes })
}

/// The journal as a file.
#[derive(Debug)]
struct JournalFile(File);

impl JournalFile {
    fn new(file: File) -> io::Result<JournalFile> {
        fadvise(&file, 0, None, Advice::Random)?;
        Ok(JournalFile(file))
    }
}

impl StorageBackend for JournalFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// What there is in these octets after record number `applied`.
fn records(octets: &[u8], applied: u64) -> Left {
    let (mut payloads, mut last, mut rest) = (Vec::new(), None, octets);
    while let Some((number, payload, after)) = record(rest) {
        // After the last of this round come those of the round before. And a round that begins after what the tables know
        // has lost its beginning: nothing of it can be applied.
        if last.map_or(number > applied + 1, |last| number != last + 1) {
            break;
        }
        last = Some(number);
        if number > applied {
            payloads.push(payload.to_vec());
        }
        rest = after;
    }
    let last = last.unwrap_or(0).max(applied);
    // Each is durable before the next is begun: one that is followed by another was whole once.
    let is_damaged = (0..rest.len()).any(|at| is_later(rest.get(at..).unwrap_or_default(), last));
    Left { payloads, last, is_damaged }
}

/// Whether a record begins here that came later than number `last`.
fn is_later(octets: &[u8], last: u64) -> bool {
    let number =
        octets.get(4..12).and_then(|number| number.first_chunk()).map_or(0, |number| u64::from_le_bytes(*number));
    // No round has more records; looking at the number alone is cheap.
    (last + 1..=last + SIZE).contains(&number) && record(octets).is_some()
}

/// A record as it lies in the file.
pub(super) fn frame(number: u64, payload: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut record = Vec::with_capacity(HEADER + payload.len());
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(&number.to_le_bytes());
    record.extend_from_slice(&hash(number, payload));
    record.extend_from_slice(payload);
    Ok(record)
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

    fn left(payloads: &[&[u8]], last: u64) -> Left {
        Left { payloads: payloads.iter().map(|payload| payload.to_vec()).collect(), last, is_damaged: false }
    }

    fn file(numbers: &[(u64, &[u8])]) -> Vec<u8> {
        let mut octets = Vec::new();
        for (number, payload) in numbers {
            octets.extend_from_slice(&frame(*number, payload).unwrap());
        }
        octets
    }

    #[test]
    fn records_after_the_one_that_the_tables_know_are_given() {
        let octets = file(&[(4, b"d"), (5, b"e"), (6, b"f")]);
        assert_eq!(records(&octets, 4), left(&[b"e", b"f"], 6));
        assert_eq!(records(&octets, 6), left(&[], 6));
        assert_eq!(records(&octets, 9), left(&[], 9));
    }

    #[test]
    fn a_torn_record_ends_the_round_wherever_it_is_torn() {
        let whole = file(&[(1, b"first"), (2, b"second")]);
        let first = file(&[(1, b"first")]).len();
        for end in first..whole.len() {
            let mut torn = whole.clone();
            torn[end..].fill(0);
            let expected = if torn == whole { 2 } else { 1 };
            assert_eq!(records(&torn, 0).payloads.len(), expected, "torn at {end}");
            assert_eq!(records(&whole[..end], 0).payloads.len(), 1, "cut at {end}");
            assert!(!records(&torn, 0).is_damaged && !records(&whole[..end], 0).is_damaged);
        }
    }

    #[test]
    fn records_of_an_earlier_round_are_not_taken_for_this_one() {
        let octets = file(&[(7, b"g"), (2, b"b"), (3, b"c")]);
        assert_eq!(records(&octets, 6), left(&[b"g"], 7));
    }

    #[test]
    fn a_round_without_its_beginning_is_not_applied() {
        assert_eq!(records(&file(&[(9, b"i")]), 6), Left { is_damaged: true, ..left(&[], 6) });
    }

    #[test]
    fn a_record_that_is_damaged_before_another_is_no_torn_one() {
        let octets = file(&[(4, b"d"), (5, b"e"), (6, b"f"), (3, b"c")]);
        let first = file(&[(4, b"d")]).len();
        for at in 0..2 * first {
            let mut damaged = octets.clone();
            damaged[at] ^= 0x40;
            let found = records(&damaged, 3);
            assert!(found.is_damaged, "at {at}");
            assert_eq!(found.payloads.len(), at / first, "at {at}");
        }
    }
}
