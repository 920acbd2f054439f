//! The rows of a mailbox in memory, in chunks behind `Arc`s: the next state shares all chunks but those that changed.

use super::write::Uids;
use crate::mail::{FlagSet, ModSeq, Uid};
use std::sync::Arc;

/// Rows in a full chunk: what a flag change copies.
const CHUNK: usize = 256;

/// What of a message is in memory while its mailbox is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its UID.
    pub uid: Uid,
    /// The change that it was touched by last.
    pub modseq: ModSeq,
    /// Its flags.
    pub flags: FlagSet,
}

/// Rows in the order of their UIDs.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    // None is empty; each is ascending.
    chunks: Vec<Arc<Vec<Row>>>,
    /// The place after each chunk's last row.
    ends: Vec<usize>,
}

impl Rows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The row at this place, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Row> {
        self.from(index).next()
    }

    /// The last row.
    #[must_use]
    pub fn last(&self) -> Option<Row> {
        self.chunks.last().and_then(|chunk| chunk.last()).copied()
    }

    /// All rows, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Row> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().copied())
    }

    /// The rows from this place on.
    pub fn from(&self, index: usize) -> impl Iterator<Item = Row> {
        let first = self.ends.partition_point(|end| *end <= index);
        let skip = index - self.begin(first);
        self.chunks.get(first..).unwrap_or_default().iter().flat_map(|chunk| chunk.iter().copied()).skip(skip)
    }

    /// The place of the first row with this UID or a higher one; `len` where there is none.
    #[must_use]
    pub fn lower_bound(&self, uid: u32) -> usize {
        let at = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.uid.number() < uid));
        let within = self.chunks.get(at).map_or(0, |chunk| chunk.partition_point(|row| row.uid.number() < uid));
        self.begin(at) + within
    }

    /// The number of the chunk that holds this UID, or what comes after it, and the place of its first row.
    #[must_use]
    pub fn chunk_of(&self, uid: Uid) -> (usize, usize) {
        let at = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.uid < uid));
        (at, self.begin(at))
    }

    /// Shares the chunks of `other` that are the same as ours and lie between two UIDs: what both have is in memory once.
    pub fn share(&mut self, other: &Rows, first: Uid, last: Uid) {
        let (from, _) = self.chunk_of(first);
        for chunk in self.chunks.iter_mut().skip(from) {
            let Some(begin) = chunk.first().map(|row| row.uid).filter(|begin| *begin <= last) else { return };
            if let Some(same) = other.chunks.get(other.chunk_of(begin).0)
                && same == chunk
            {
                *chunk = Arc::clone(same);
            }
        }
    }

    /// The place of a chunk's first row.
    fn begin(&self, chunk: usize) -> usize {
        chunk.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }

    /// The place of the row with this UID.
    #[must_use]
    pub fn find(&self, uid: Uid) -> Option<usize> {
        let index = self.lower_bound(uid.number());
        self.get(index).filter(|row| row.uid == uid).map(|_| index)
    }

    /// The chunks, for comparing two states.
    #[must_use]
    pub fn chunks(&self) -> &[Arc<Vec<Row>>] {
        &self.chunks
    }

    /// Puts a row after all others; one that does not ascend is not taken.
    pub fn push(&mut self, row: Row) {
        if self.last().is_some_and(|last| last.uid >= row.uid) {
            return;
        }
        let end = self.len() + 1;
        match (self.chunks.last_mut(), self.ends.last_mut()) {
            (Some(chunk), Some(last)) if chunk.len() < CHUNK => {
                Arc::make_mut(chunk).push(row);
                *last = end;
            }
            _ => {
                let mut chunk = Vec::with_capacity(if self.chunks.is_empty() { 0 } else { CHUNK });
                chunk.push(row);
                self.chunks.push(Arc::new(chunk));
                self.ends.push(end);
            }
        }
    }

    /// Replaces the row of this UID, if there is one.
    pub fn replace(&mut self, row: Row) -> bool {
        let at = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.uid < row.uid));
        let Some(chunk) = self.chunks.get_mut(at) else { return false };
        let Ok(place) = chunk.binary_search_by_key(&row.uid, |row| row.uid) else { return false };
        if let Some(old) = Arc::make_mut(chunk).get_mut(place) {
            *old = row;
        }
        true
    }

    /// Removes the rows of these UIDs.
    pub fn remove(&mut self, uids: &Uids) {
        self.chunks.retain_mut(|chunk| {
            let (first, last) = (chunk.first().map(|row| row.uid), chunk.last().map(|row| row.uid));
            // Most removals are of few messages in a large mailbox: most chunks need not be walked.
            let meets = first.zip(last).is_some_and(|(first, last)| uids.meet(first, last));
            if meets && chunk.iter().any(|row| uids.holds(row.uid)) {
                let left: Vec<Row> = chunk.iter().filter(|row| !uids.holds(row.uid)).copied().collect();
                *chunk = Arc::new(left);
            }
            !chunk.is_empty()
        });
        self.count();
    }

    /// Counts the chunks' ends anew.
    fn count(&mut self) {
        let mut end = 0;
        self.ends.clear();
        self.ends.extend(self.chunks.iter().map(|chunk| {
            end += chunk.len();
            end
        }));
    }
}

impl FromIterator<Row> for Rows {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Rows {
        let mut all = Rows::default();
        let mut chunk: Vec<Row> = Vec::with_capacity(CHUNK);
        for row in rows {
            if chunk.last().or(all.last().as_ref()).is_some_and(|last| last.uid >= row.uid) {
                continue;
            }
            chunk.push(row);
            if chunk.len() == CHUNK {
                all.chunks.push(Arc::new(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK))));
            }
        }
        if !chunk.is_empty() {
            chunk.shrink_to_fit();
            all.chunks.push(Arc::new(chunk));
        }
        all.count();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(uids: impl IntoIterator<Item = u32>) -> Rows {
        uids.into_iter()
            .map(|uid| Row { uid: Uid::new(uid).unwrap(), modseq: ModSeq::FIRST, flags: FlagSet::NONE })
            .collect()
    }

    fn numbers(rows: &Rows) -> Vec<u32> {
        rows.iter().map(|row| row.uid.number()).collect()
    }

    #[test]
    fn rows_are_found_across_chunks() {
        let rows = rows((1..=1000).map(|n| n * 2));
        assert_eq!(rows.len(), 1000);
        assert_eq!(rows.find(Uid::new(1000).unwrap()), Some(499));
        assert_eq!(rows.find(Uid::new(999).unwrap()), None);
        assert_eq!(rows.lower_bound(2001), 1000);
        assert_eq!(rows.get(999).unwrap().uid.number(), 2000);
        assert_eq!(rows.from(998).count(), 2);
        assert_eq!(rows.from(5000).count(), 0);
    }

    #[test]
    fn a_change_copies_only_the_chunk_it_touches() {
        let before = rows(1..=1000);
        let mut after = before.clone();
        after.replace(Row { uid: Uid::new(300).unwrap(), modseq: ModSeq::FIRST.next(), flags: FlagSet(1) });
        let shared = before.chunks().iter().zip(after.chunks()).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, before.chunks().len() - 1);
        assert_eq!(before.get(299).unwrap().flags, FlagSet::NONE);
    }

    #[test]
    fn what_is_the_same_again_is_shared_again() {
        let now = rows(1..=1000);
        let mut other = Rows::default();
        now.iter().for_each(|row| other.push(row));
        other.share(&now, Uid::new(300).unwrap(), Uid::new(600).unwrap());
        let shared: Vec<bool> = other.chunks().iter().zip(now.chunks()).map(|(a, b)| Arc::ptr_eq(a, b)).collect();
        assert_eq!(shared, [false, true, true, false]);
        assert_eq!(numbers(&other), numbers(&now));
    }

    #[test]
    fn removal_leaves_no_empty_chunk() {
        let mut all = rows(1..=1000);
        all.remove(&Uids(vec![(1, 300), (400, 999)]));
        assert_eq!(numbers(&all), (301..400).chain([1000]).collect::<Vec<_>>());
        assert_eq!(all.len(), 100);
        all.remove(&Uids::all());
        assert!(all.is_empty() && all.chunks().is_empty());
    }
}
