//! Going on behind what cannot be read: the rows of a table, over gaps.
//!
//! redb reads no row behind a damaged page, since it does not get there. Where the gap ends is found by trying: with steps
//! that double, and then by halves, over keys as numbers.

use super::error::Fault;
use super::guard::contained;
use redb::{Key, ReadableTable, Value};
use std::borrow::Borrow;
use std::ops::RangeInclusive;

/// Rows that cannot be read: behind this key, and before that one. As far as keys begin with these octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) from: u128,
    /// `None`: to the end.
    pub(super) to: Option<u128>,
}

impl Gap {
    /// What is lost of this table, for a person.
    pub(super) fn of(self, table: &str) -> String {
        let from = shown(table, self.from);
        let to = self.to.map_or_else(|| "the end".to_owned(), |to| format!("before {}", shown(table, to)));
        format!("{table}: from {from} to {to} nothing can be read")
    }
}

fn shown(table: &str, place: u128) -> String {
    match table {
        "msg" => format!("UID {} of mailbox {}", place << 64 >> 96, place >> 64),
        "vanished" => format!("change {} of mailbox {}", place << 64 >> 64, place >> 64),
        "due" => format!("second {}", place >> 64),
        "account" | "filing" => (place >> 96).to_string(),
        "head" | "body" | "refs" | "doomed" | "staging" | "mailbox" | "queue" => (place >> 64).to_string(),
        _ => format!("{:?}", String::from_utf8_lossy(&octets(place))),
    }
}

/// A key as a number: its first 16 octets, in the order of the table.
pub(super) trait Placed: Key + 'static {
    /// A key that is its own.
    type Owned;
    fn place(key: &Self::SelfType<'_>) -> u128;
    /// The first key that is not before a place.
    fn at(place: u128) -> Self::Owned;
    fn borrowed(key: &Self::Owned) -> Self::SelfType<'_>;
}

/// The rows of a table from one place to another that can be read, in order, until `each` says that it is enough; and what
/// cannot be read.
pub(super) fn walk<K: Placed, V: Value + 'static>(
    table: &impl ReadableTable<K, V>,
    places: RangeInclusive<u128>,
    mut each: impl FnMut(K::SelfType<'_>, V::SelfType<'_>) -> bool,
) -> Result<Vec<Gap>, Fault>
where
    for<'a> K::SelfType<'a>: Borrow<K::SelfType<'a>>,
{
    let mut gaps = Vec::new();
    let (mut from, to) = places.into_inner();
    loop {
        let mut next = from;
        let mut read = || -> Result<(), Fault> {
            let first = K::at(from);
            for row in table.range::<K::SelfType<'_>>(K::borrowed(&first)..)? {
                let (key, value) = row?;
                let place = K::place(&key.value());
                if place > to || !each(key.value(), value.value()) {
                    break;
                }
                next = place.saturating_add(1);
            }
            Ok(())
        };
        match contained(&mut read) {
            Ok(()) => return Ok(gaps),
            Err(Fault::Corrupt(_)) => {}
            Err(fault) => return Err(fault),
        }
        let end = end_of_gap(table, next)?;
        gaps.push(Gap { from: next, to: end });
        match end {
            Some(end) if end <= to => from = end,
            _ => return Ok(gaps),
        }
    }
}

/// The first place from which on rows can be read again.
fn end_of_gap<K: Placed, V: Value + 'static>(
    table: &impl ReadableTable<K, V>,
    start: u128,
) -> Result<Option<u128>, Fault> {
    let can_read = |place: u128| {
        let look = || {
            let first = K::at(place);
            table.range::<K::SelfType<'_>>(K::borrowed(&first)..)?.next().transpose()?;
            Ok(())
        };
        match contained(look) {
            Ok(()) => Ok(true),
            Err(Fault::Corrupt(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    };
    let (mut broken, mut step) = (start, 1_u128);
    let mut whole = loop {
        let Some(place) = start.checked_add(step) else { return Ok(None) };
        if can_read(place)? {
            break place;
        }
        broken = place;
        let Some(twice) = step.checked_mul(2) else { return Ok(None) };
        step = twice;
    };
    while whole - broken > 1 {
        let middle = broken + (whole - broken) / 2;
        if can_read(middle)? {
            whole = middle;
        } else {
            broken = middle;
        }
    }
    Ok(Some(whole))
}

fn first_octets(key: &[u8]) -> u128 {
    let mut octets = [0; 16];
    octets.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    u128::from_be_bytes(octets)
}

impl Placed for u32 {
    type Owned = u32;

    fn place(key: &u32) -> u128 {
        u128::from(*key) << 96
    }

    fn at(place: u128) -> u32 {
        u32::try_from(place.div_ceil(1 << 96)).unwrap_or(u32::MAX)
    }

    fn borrowed(key: &u32) -> u32 {
        *key
    }
}

impl Placed for u64 {
    type Owned = u64;

    fn place(key: &u64) -> u128 {
        u128::from(*key) << 64
    }

    fn at(place: u128) -> u64 {
        u64::try_from(place.div_ceil(1 << 64)).unwrap_or(u64::MAX)
    }

    fn borrowed(key: &u64) -> u64 {
        *key
    }
}

impl Placed for &'static [u8; 12] {
    type Owned = [u8; 12];

    fn place(key: &&[u8; 12]) -> u128 {
        first_octets(*key)
    }

    fn at(place: u128) -> [u8; 12] {
        let [key @ .., _, _, _, _] = place.saturating_add((1 << 32) - 1).to_be_bytes();
        key
    }

    fn borrowed(key: &[u8; 12]) -> &[u8; 12] {
        key
    }
}

impl Placed for &'static [u8; 16] {
    type Owned = [u8; 16];

    fn place(key: &&[u8; 16]) -> u128 {
        u128::from_be_bytes(**key)
    }

    fn at(place: u128) -> [u8; 16] {
        place.to_be_bytes()
    }

    fn borrowed(key: &[u8; 16]) -> &[u8; 16] {
        key
    }
}

impl Placed for &'static [u8] {
    type Owned = Vec<u8>;

    fn place(key: &&[u8]) -> u128 {
        first_octets(key)
    }

    fn at(place: u128) -> Vec<u8> {
        octets(place)
    }

    fn borrowed(key: &Vec<u8>) -> &[u8] {
        key
    }
}

impl Placed for &'static str {
    type Owned = String;

    fn place(key: &&str) -> u128 {
        first_octets(key.as_bytes())
    }

    fn at(place: u128) -> String {
        let octets = octets(place);
        let whole = octets.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        whole.to_owned()
    }

    fn borrowed(key: &String) -> &str {
        key
    }
}

/// Without the zeros at its end: the shortest key of this place.
fn octets(place: u128) -> Vec<u8> {
    let mut octets = place.to_be_bytes().to_vec();
    let used = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    octets.truncate(used);
    octets
}
