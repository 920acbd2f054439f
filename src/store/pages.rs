//! How redb's file is laid out, as far as its sums need it: every page's sum stands in the page above it, those of the
//! topmost pages stand in the header (redb's `docs/design.md`, file format 3).
//!
//! ```text
//! header:  magic | flags u8 | .. | page size u32 | pages of a region's header u32 | a region's pages u32
//!          | full regions u32 | pages of the last one u32 | at 64 and 192: two slots, of which the flags name the present one
//! slot:    version u8 | data? u8 | system? u8 | .. | at 8: root of data | root of system | at 104: number of the commit
//!          | at 112: sum of the slot
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
/// Octets of the header.
pub(super) const HEADER: usize = 320;
/// Pages of a full region: redb's own choice for pages of this size, and fixed when a file is made.
const REGION: u64 = 1 << 20;
/// How the file begins.
pub(super) const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// What a root stands for whose sum is not made yet: in memory only, until the commit.
const DEFERRED: u128 = 999;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;

const PRIMARY: u8 = 1;
const UNCLEAN: u8 = 2;
const TWO_PHASES: u8 = 4;

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

/// The header, where it can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The file was not closed well, and its last commit is not known to be whole: redb verifies all of it then, and may
    /// find that the commit before it was the last.
    pub(super) is_uncertain: bool,
    /// How long the file is by what it says itself, where it was closed well.
    pub(super) length: Option<u64>,
    /// The topmost pages of the two last commits.
    pub(super) roots: Vec<Link>,
}

/// The sum of some octets, as redb makes it.
pub(super) fn sum(octets: &[u8]) -> u128 {
    XxHash3_128::oneshot(octets)
}

impl Header {
    /// Reads the header; `Err` says what is wrong with it. redb verifies little of it itself.
    pub(super) fn read(octets: &[u8]) -> Result<Header, &'static str> {
        let number = |at| number32(octets, at).map(u64::from).ok_or("the file ends within its header");
        if !octets.starts_with(MAGIC) {
            return Err("the file does not begin as it must");
        }
        let flags = *octets.get(MAGIC.len()).ok_or("the file ends within its header")?;
        if flags & !(PRIMARY | UNCLEAN | TWO_PHASES) != 0 {
            return Err("the header has a flag that is none");
        }
        if (number(12)?, number(16)?, number(20)?) != (PAGE, 0, REGION) {
            return Err("the header has other measures than a file can have");
        }
        let is_unclean = flags & UNCLEAN != 0;
        let is_uncertain = is_unclean && flags & TWO_PHASES == 0;
        let (full, last) = (number(24)?, number(28)?);
        let length = (!is_unclean).then_some(PAGE + (full * REGION + last) * PAGE);
        let (one, other) = (Slot::read(octets, 64), Slot::read(octets, 192));
        let (present, before) = if flags & PRIMARY == 0 { (one, other) } else { (other, one) };
        if !is_uncertain {
            let Some(present) = &present else { return Err("the header's last commit is damaged") };
            // Where it was closed well the last commit is the present one: with another the state of an earlier day would
            // pass for today's.
            if !is_unclean && before.as_ref().is_some_and(|before| before.number > present.number) {
                return Err("the header names an earlier commit than the last");
            }
        }
        let roots = [present, before]
            .into_iter()
            .flatten()
            .flat_map(|slot| slot.roots)
            .flatten()
            .map(|(_, link)| link)
            .collect();
        Ok(Header { is_uncertain, length, roots })
    }
}

struct Slot {
    number: u64,
    /// Each with the place of its sum in the slot.
    roots: [Option<(usize, Link)>; 2],
}

impl Slot {
    /// `None`: its sum is not that of what is there, or it has a version that is not ours to read.
    fn read(octets: &[u8], at: usize) -> Option<Slot> {
        let slot = octets.get(at..at + 128)?;
        let (fields, stored) = slot.split_at_checked(112)?;
        if sum(fields).to_le_bytes() != stored || slot.first() != Some(&3) {
            return None;
        }
        let root = |flag: usize, at: usize, role: Role| {
            let there = slot.get(flag).is_some_and(|there| *there != 0);
            there.then(|| root(slot, at, Shape { key: None, value: None, role })).flatten()
        };
        let roots = [root(1, 8, Role::Tables), root(2, 40, Role::Own)];
        Some(Slot { number: number64(slot, 104)?, roots })
    }
}

/// The header of a damaged file, as far as one can go by it.
#[derive(Clone, Debug)]
pub(super) struct Remains {
    octets: [u8; HEADER],
    /// Where the slots begin that may be gone by, the last commit first.
    slots: Vec<usize>,
    /// How long the file is by what it says itself.
    pub(super) length: u64,
}

impl Remains {
    /// `None`: the last commit cannot be told from the one before it.
    pub(super) fn read(octets: &[u8; HEADER]) -> Option<Remains> {
        let slot = |at| Slot::read(octets, at).map(|slot| (slot.number, at));
        let flags = *octets.get(MAGIC.len())?;
        let is_sound = octets.starts_with(MAGIC) && flags & !(PRIMARY | UNCLEAN | TWO_PHASES) == 0;
        let primary = if flags & PRIMARY == 0 { 64 } else { 192 };
        let is_uncertain = is_sound && flags & UNCLEAN != 0 && flags & TWO_PHASES == 0;
        let slots = match (slot(64), slot(192)) {
            (Some(one), Some(other)) => {
                let (last, before) = if one.0 > other.0 { (one.1, other.1) } else { (other.1, one.1) };
                if is_uncertain { vec![last, before] } else { vec![last] }
            }
            (Some((_, at)), None) | (None, Some((_, at))) if is_uncertain || is_sound && primary == at => vec![at],
            _ => return None,
        };
        let regions = number32(octets, 24).zip(number32(octets, 28));
        let length = regions.map_or(0, |(full, last)| PAGE + (u64::from(full) * REGION + u64::from(last)) * PAGE);
        Some(Remains { octets: *octets, slots, length })
    }

    /// The commits, the last one first: where each has its topmost pages, and where in the header their sums are.
    pub(super) fn commits(&self) -> Vec<(usize, Vec<(usize, Link)>)> {
        let commit = |at: &usize| {
            let roots = Slot::read(&self.octets, *at).map(|slot| slot.roots).unwrap_or_default();
            (*at, roots.into_iter().flatten().map(|(within, link)| (at + within, link)).collect())
        };
        self.slots.iter().map(commit).collect()
    }

    /// The header of a file of this length with that one commit, whose topmost pages have these sums.
    pub(super) fn header(&self, slot: usize, sums: &[(usize, u128)], length: u64) -> [u8; HEADER] {
        let mut octets = self.octets;
        let mut put = |at: usize, what: &[u8]| {
            octets.iter_mut().skip(at).zip(what).for_each(|(to, from)| *to = *from);
        };
        put(0, MAGIC);
        put(MAGIC.len(), &[UNCLEAN | if slot == 64 { 0 } else { PRIMARY }]);
        let pages = length.saturating_sub(PAGE) / PAGE;
        for (at, number) in [(12, PAGE), (16, 0), (20, REGION), (24, pages / REGION), (28, pages % REGION)] {
            put(at, &u32::try_from(number).unwrap_or(0).to_le_bytes());
        }
        for (at, sum) in sums {
            put(*at, &sum.to_le_bytes());
        }
        // The other commit is none.
        put(if slot == 64 { 192 + 112 } else { 64 + 112 }, &[0; 16]);
        let fields = octets.get(slot..slot + 112).map_or(0, sum);
        octets.iter_mut().skip(slot + 112).zip(fields.to_le_bytes()).for_each(|(to, from)| *to = from);
        octets
    }
}

impl Shape {
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
    root(record, 18, Shape { key: None, value: None, role: Role::Tables })
}

/// The root that stands here, and where its sum does.
fn root(octets: &[u8], at: usize, shape: Shape) -> Option<(usize, Link)> {
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

fn number32(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|number| u32::from_le_bytes(*number))
}

fn number64(octets: &[u8], at: usize) -> Option<u64> {
    octets.get(at..)?.first_chunk().map(|number| u64::from_le_bytes(*number))
}

fn number128(octets: &[u8], at: usize) -> Option<u128> {
    octets.get(at..)?.first_chunk().map(|number| u128::from_le_bytes(*number))
}
