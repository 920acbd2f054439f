//! The header of redb's file: the two last commits, and which of them is the present one. redb verifies little of it.
//!
//! ```text
//! header:  magic | flags u8 | .. | page size u32 | pages of a region's header u32 | a region's pages u32
//!          | full regions u32 | pages of the last one u32 | at 64 and 192: two slots, of which the flags name the present one
//! slot:    version u8 | data? u8 | system? u8 | .. | at 8: root of data | root of system | at 104: number of the commit
//!          | at 112: sum of the slot
//! ```

use super::pages::{Link, PAGE, REGION, Shape, number32, number64, root, sum};

/// How the file begins.
pub(super) const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// Octets of the header.
pub(super) const HEADER: usize = 320;

pub(super) const PRIMARY: u8 = 1;
const UNCLEAN: u8 = 2;
const TWO_PHASES: u8 = 4;

/// The header, where it can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The last commit is not known to be whole, since the file was not closed well, or since the header names the one before
    /// it: redb verifies all of both then, and takes the last that is whole.
    pub(super) is_uncertain: bool,
    /// How long the file is by what it says itself, where it was closed well.
    pub(super) length: Option<u64>,
    /// The topmost pages of the two last commits.
    pub(super) roots: Vec<Link>,
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
        let (full, last) = (number(24)?, number(28)?);
        let length = (!is_unclean).then_some(PAGE + (full * REGION + last) * PAGE);
        let (one, other) = (Slot::read(octets, 64), Slot::read(octets, 192));
        let (present, before) = if flags & PRIMARY == 0 { (one, other) } else { (other, one) };
        // A power cut leaves a commit whose pages are not all there; it stays in the header when the tables are closed well
        // before another takes its place. Or it is the flag that is damaged. redb looks at both and takes the last whole one.
        let is_passed_over =
            present.as_ref().zip(before.as_ref()).is_some_and(|(one, other)| one.number < other.number);
        let is_uncertain = is_unclean && flags & TWO_PHASES == 0 || is_passed_over;
        if !is_uncertain && present.is_none() {
            return Err("the header's last commit is damaged");
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
        let root = |flag: usize, at: usize, own: bool| {
            let there = slot.get(flag).is_some_and(|there| *there != 0);
            there.then(|| root(slot, at, Shape::of_tables(own))).flatten()
        };
        let roots = [root(1, 8, false), root(2, 40, true)];
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
            // redb's own tables are of no use to who only reads.
            let [ours, _] = roots;
            (*at, ours.into_iter().map(|(within, link)| (at + within, link)).collect())
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
        put(slot + 2, &[0]);
        // The other commit is none.
        put(if slot == 64 { 192 + 112 } else { 64 + 112 }, &[0; 16]);
        let fields = octets.get(slot..slot + 112).map_or(0, sum);
        octets.iter_mut().skip(slot + 112).zip(fields.to_le_bytes()).for_each(|(to, from)| *to = from);
        octets
    }
}
