//! What is left of a damaged file, made into one that redb opens: for reading, in memory.
//!
//! After a crash redb verifies all of a file, and opens none that is damaged anywhere; nor one that is not as long as it
//! says. One mail that rotted would take all others with it. So the pages above a damaged one are made anew in memory, with
//! the sum of a page that stands in for it: redb is content, and whoever asks for what stood there is told
//! ([`super::verified`]).
//!
//! Nothing is written to the file. What cannot be told from the state of an earlier day is not opened at all.

use super::file_header::{HEADER, Remains};
use super::overlay::Overlay;
use super::pages::{Link, PAGE, sum};
use redb::StorageBackend;
use std::collections::BTreeSet;
use std::io;

/// A tree that is deeper is none.
const DEEPEST: usize = 64;
/// A file that says to be longer by more than this is believed no longer.
const LONGER: u64 = 1 << 40;

/// Changes what is shown so that redb opens it; the offsets of pages that must not be read. `None`: there is nothing to go
/// by.
pub(super) fn patch(shown: &Overlay) -> io::Result<Option<BTreeSet<u64>>> {
    let there = shown.len()?;
    let mut header = [0; HEADER];
    if there < HEADER as u64 {
        return Ok(None);
    }
    shown.read(0, &mut header)?;
    let Some(remains) = Remains::read(&header) else { return Ok(None) };
    shown.set_len(there.next_multiple_of(PAGE).max(remains.length.min(there + LONGER)))?;
    for (slot, roots) in remains.commits() {
        let mut patching = Patching { shown, there, damaged: BTreeSet::new(), needed: 2 * PAGE, is_lost: false };
        let mut sums = Vec::new();
        for (at, link) in roots {
            sums.push((at, patching.patch(&link, 0)?));
        }
        if patching.is_lost {
            continue;
        }
        let said = Some(remains.length).filter(|length| *length >= patching.needed && *length < there + LONGER);
        let length = said.unwrap_or_else(|| patching.needed.max(there - there % PAGE));
        shown.set_len(length)?;
        shown.write(0, &remains.header(slot, &sums, length))?;
        return Ok(Some(patching.damaged));
    }
    Ok(None)
}

struct Patching<'o> {
    shown: &'o Overlay,
    /// Octets of the file.
    there: u64,
    damaged: BTreeSet<u64>,
    /// How long the file has to be for all of its pages.
    needed: u64,
    /// Not even which tables there are can be read.
    is_lost: bool,
}

impl Patching<'_> {
    /// The sum that a page has once those below it have theirs.
    fn patch(&mut self, link: &Link, depth: usize) -> io::Result<u128> {
        let end = link.offset.saturating_add(link.length);
        if end > self.there.saturating_add(LONGER) || depth > DEEPEST {
            self.is_lost = true;
            return Ok(link.sum);
        }
        self.needed = self.needed.max(end);
        let mut page = vec![0; usize::try_from(link.length).unwrap_or(0)];
        if end <= self.there {
            self.shown.read(link.offset, &mut page)?;
        }
        let mut summed = link.shape.summed(&page).map(sum);
        if summed != Some(link.sum) {
            return self.replace(link);
        }
        let mut is_changed = false;
        for (at, below) in link.shape.places(&page) {
            let now = self.patch(&below, depth + 1)?;
            if now != below.sum {
                page.iter_mut().skip(at).zip(now.to_le_bytes()).for_each(|(to, from)| *to = from);
                is_changed = true;
            }
        }
        if is_changed {
            self.shown.write(link.offset, &page)?;
            summed = link.shape.summed(&page).map(sum);
        }
        Ok(summed.unwrap_or(link.sum))
    }

    fn replace(&mut self, link: &Link) -> io::Result<u128> {
        self.damaged.insert(link.offset);
        let page = link.shape.stand_in(link.length).filter(|_| !link.shape.leads_on());
        let Some(page) = page else {
            self.is_lost = true;
            return Ok(link.sum);
        };
        if link.offset.saturating_add(link.length) > self.shown.len()? {
            self.shown.set_len(link.offset + link.length)?;
        }
        self.shown.write(link.offset, &page)?;
        Ok(link.shape.summed(&page).map_or(link.sum, sum))
    }
}
