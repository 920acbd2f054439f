//! How redb's file is laid out, as far as its sums need it: every page's sum stands in the page above it, those of the
//! topmost pages stand in the header ([`super::file_header`]; redb's `docs/design.md`, file format 3).
//!
//! ```text
//! root:    page u64 | sum u128 | entries u64
//! leaf:    1 u8 | u8 | pairs u16 | [ends of keys u32] | [ends of values u32] | keys | values
//! branch:  2 u8 | u8 | keys u16 | u32 | sums u128 | pages u64 | [ends of keys u32] | keys
//! ```
//!
//! Ends are there where the width is not fixed. A sum stands for a page up to the end of its last value or key. Nothing
//! here trusts what it reads: whatever does not fit is `None`.

use std::ops::Range;
use twox_hash::XxHash3_128;

/// Octets of a page of order 0.
pub(super) const PAGE: u64 = 4096;
/// Pages of a full region: redb's own choice for pages of this size, and fixed when a file is made.
pub(super) const REGION: u64 = 1 << 20;
/// What a root stands for whose sum is not made yet: in memory only, until the commit.
const DEFERRED: u128 = 999;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;

/// What stands in the pages of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    key: Option<usize>,
    value: Option<usize>,
    role: Role,
}

/// What the rows of a tree are to the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing.
    Rows,
    /// Each names a table, and its root.
    Tables,
    /// The same for redb's own.
    Own,
    /// Each has the root of how all tables were once.
    Savepoints,
}

/// Where a page is, and what its sum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Its offset in the file.
    pub(super) offset: u64,
    /// Its octets.
    pub(super) length: u64,
    pub(super) sum: u128,
    pub(super) shape: Shape,
}

/// The sum of some octets, as redb makes it.
pub(super) fn sum(octets: &[u8]) -> u128 {
    XxHash3_128::oneshot(octets)
}

impl Shape {
    /// Of the tree whose rows name tables, ours or redb's own.
    pub(super) fn of_tables(own: bool) -> Shape {
        Shape { key: None, value: None, role: if own { Role::Own } else { Role::Tables } }
    }

    /// Of a tree of rows.
    #[cfg(test)]
    pub(super) fn of_rows(key: Option<usize>, value: Option<usize>) -> Shape {
        Shape { key, value, role: Role::Rows }
    }

    /// The part of a page that its sum stands for.
    pub(super) fn summed(self, page: &[u8]) -> Option<&[u8]> {
        let count = usize::from(number16(page, 2)?);
        let last = count.checked_sub(1)?;
        let end = match *page.first()? {
            LEAF => self.value_end(page, count, last)?,
            BRANCH => self.separator_end(page, count, last)?,
            _ => return None,
        };
        page.get(..end)
    }

    /// The pages below a page that was found to be right.
    pub(super) fn below(self, page: &[u8]) -> Vec<Link> {
        self.places(page).into_iter().map(|(_, link)| link).collect()
    }

    /// The same, and where in the page the sum of each stands.
    pub(super) fn places(self, page: &[u8]) -> Vec<(usize, Link)> {
        self.links(page).unwrap_or_default()
    }

    fn links(self, page: &[u8]) -> Option<Vec<(usize, Link)>> {
        let count = usize::from(number16(page, 2)?);
        if *page.first()? == BRANCH {
            return (0..=count).map(|child| self.child(page, count, child)).collect();
        }
        let mut links = Vec::new();
        for row in 0..count {
            let value = |role| Some((self.value(page, count, row)?, role));
            let (range, role) = match self.role {
                Role::Rows => return Some(links),
                Role::Savepoints => value(None)?,
                Role::Own if self.key(page, count, row)? == b"persistent_savepoints" => value(Some(Role::Savepoints))?,
                Role::Tables | Role::Own => value(Some(Role::Rows))?,
            };
            let record = page.get(range.clone())?;
            let found = role.map_or_else(|| savepoint(record), |role| table(record, role));
            links.extend(found.map(|(at, link)| (range.start + at, link)));
        }
        Some(links)
    }

    /// Whether redb itself reads the rows of this tree, to find its way.
    pub(super) fn leads_on(self) -> bool {
        self.role != Role::Rows
    }

    /// A page of one row, for one whose rows cannot be read.
    pub(super) fn stand_in(self, length: u64) -> Option<Vec<u8>> {
        let mut page = vec![LEAF, 0, 1, 0];
        let key = self.keys_start(1).checked_add(self.key.unwrap_or(0))?;
        let value = key.checked_add(self.value.unwrap_or(0))?;
        for end in
            [(self.key, key), (self.value, value)].iter().filter(|(width, _)| width.is_none()).map(|(_, end)| end)
        {
            page.extend_from_slice(&u32::try_from(*end).ok()?.to_le_bytes());
        }
        page.resize(usize::try_from(length).ok().filter(|length| value <= *length)?, 0);
        Some(page)
    }

    fn child(self, page: &[u8], count: usize, child: usize) -> Option<(usize, Link)> {
        let at = 8 + 16 * child;
        let (offset, length) = place(number64(page, 8 + 16 * (count + 1) + 8 * child)?);
        Some((at, Link { offset, length, sum: number128(page, at)?, shape: self }))
    }

    fn keys_start(self, count: usize) -> usize {
        let ends = usize::from(self.key.is_none()) + usize::from(self.value.is_none());
        4 + 4 * count * ends
    }

    fn key_end(self, page: &[u8], count: usize, row: usize) -> Option<usize> {
        match self.key {
            Some(width) => width.checked_mul(row + 1)?.checked_add(self.keys_start(count)),
            None => number32(page, 4 + 4 * row).and_then(|end| usize::try_from(end).ok()),
        }
    }

    fn value_end(self, page: &[u8], count: usize, row: usize) -> Option<usize> {
        if let Some(width) = self.value {
            let start = self.key_end(page, count, count.checked_sub(1)?)?;
            return width.checked_mul(row + 1)?.checked_add(start);
        }
        let ends = 4 + if self.key.is_none() { 4 * count } else { 0 };
        number32(page, ends + 4 * row).and_then(|end| usize::try_from(end).ok())
    }

    fn key(self, page: &[u8], count: usize, row: usize) -> Option<&[u8]> {
        let start = match row.checked_sub(1) {
            Some(before) => self.key_end(page, count, before)?,
            None => self.keys_start(count),
        };
        page.get(start..self.key_end(page, count, row)?)
    }

    fn value(self, page: &[u8], count: usize, row: usize) -> Option<Range<usize>> {
        let start = match row.checked_sub(1) {
            Some(before) => self.value_end(page, count, before)?,
            None => self.key_end(page, count, count.checked_sub(1)?)?,
        };
        Some(start..self.value_end(page, count, row)?)
    }

    fn separator_end(self, page: &[u8], count: usize, last: usize) -> Option<usize> {
        let start = 8 + 24 * (count + 1);
        match self.key {
            Some(width) => width.checked_mul(last + 1)?.checked_add(start),
            None => number32(page, start + 4 * last).and_then(|end| usize::try_from(end).ok()),
        }
    }
}

/// The root that a table's entry has: `kind u8 | entries u64 | root? u8 | root | width of keys? u8, u32 | of values`.
fn table(entry: &[u8], role: Role) -> Option<(usize, Link)> {
    let width = |at: usize| match entry.get(at)? {
        0 => Some(None),
        _ => Some(Some(usize::try_from(number32(entry, at + 1)?).ok()?)),
    };
    if *entry.get(9)? == 0 {
        return None;
    }
    root(entry, 10, Shape { key: width(42)?, value: width(47)?, role })
}

/// The root that a savepoint has: `version u8 | id u64 | commit u64 | root? u8 | root`.
fn savepoint(record: &[u8]) -> Option<(usize, Link)> {
    if *record.get(17)? == 0 {
        return None;
    }
    root(record, 18, Shape::of_tables(false))
}

/// The root that stands here, and where its sum does.
pub(super) fn root(octets: &[u8], at: usize, shape: Shape) -> Option<(usize, Link)> {
    let (offset, length) = place(number64(octets, at)?);
    Some((at + 8, Link { offset, length, sum: number128(octets, at + 8)?, shape }))
}

/// Where a page of this number is: `place in its region, 20 bits | region, 20 bits | .. | order, 5 bits`.
fn place(number: u64) -> (u64, u64) {
    let order = number >> 59;
    let (index, region) = (number & (0xf_ffff >> order), number >> 20 & 0xf_ffff);
    let length = PAGE << order;
    (PAGE + region * REGION * PAGE + index * length, length)
}

impl Link {
    /// Whether the sum is made yet.
    pub(super) fn is_known(&self) -> bool {
        self.sum != DEFERRED
    }
}

fn number16(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|number| u16::from_le_bytes(*number))
}

pub(super) fn number32(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|number| u32::from_le_bytes(*number))
}

pub(super) fn number64(octets: &[u8], at: usize) -> Option<u64> {
    octets.get(at..)?.first_chunk().map(|number| u64::from_le_bytes(*number))
}

fn number128(octets: &[u8], at: usize) -> Option<u128> {
    octets.get(at..)?.first_chunk().map(|number| u128::from_le_bytes(*number))
}
