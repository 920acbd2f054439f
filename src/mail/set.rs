//! Sets of message numbers or UIDs, as clients write them.

use std::num::NonZeroU32;

/// One end of a range (RFC 9051 §9: `seq-number`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A message number or a UID.
    Number(NonZeroU32),
    /// `*`: the largest in use.
    Star,
}

/// A set, not yet resolved against a mailbox (RFC 9051 §9: `sequence-set`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SequenceSet {
    /// Ranges in the order written; a single number is a range of one. The ends of a range may be in either order.
    Ranges(Vec<(Bound, Bound)>),
    /// `$`: the result saved by the last SEARCH (RFC 9051 §6.4.4.1).
    Saved,
}

impl SequenceSet {
    /// The set as ascending, disjoint, inclusive ranges, `*` read as `star` (the largest number in use; where nothing
    /// is in use, `*` alone holds nothing). `Saved` holds nothing here: who has the saved result resolves it.
    #[must_use]
    pub fn resolve(&self, star: Option<NonZeroU32>) -> Vec<(u32, u32)> {
        let SequenceSet::Ranges(ranges) = self else { return Vec::new() };
        let number = |bound: &Bound| match bound {
            Bound::Number(number) => Some(number.get()),
            Bound::Star => star.map(NonZeroU32::get),
        };
        let mut flat: Vec<(u32, u32)> = ranges
            .iter()
            .filter_map(|(a, b)| {
                let (a, b) = (number(a)?, number(b)?);
                Some((a.min(b), a.max(b)))
            })
            .collect();
        flat.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(flat.len());
        for (low, high) in flat {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(number: u32) -> Bound {
        NonZeroU32::new(number).map_or(Bound::Star, Bound::Number)
    }

    #[test]
    fn star_range_holds_the_last_message_even_when_it_starts_past_it() {
        let set = SequenceSet::Ranges(vec![(bound(500), Bound::Star)]);
        assert_eq!(set.resolve(NonZeroU32::new(7)), vec![(7, 500)]);
    }

    #[test]
    fn ranges_merge_in_ascending_order() {
        let set = SequenceSet::Ranges(vec![
            (bound(9), bound(5)),
            (bound(1), bound(1)),
            (bound(2), bound(4)),
            (bound(20), bound(20)),
        ]);
        assert_eq!(set.resolve(None), vec![(1, 9), (20, 20)]);
    }
}
