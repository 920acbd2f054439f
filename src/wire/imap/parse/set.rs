//! Sequence sets.

use super::cursor::{Cursor, Parsed};
use crate::mail::{Bound, SequenceSet, limits};
use crate::wire::imap::Reason;

/// `SP sequence-set`
pub(super) fn argument(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    cursor.space()?;
    sequence_set(cursor)
}

/// ``sequence-set = (seq-number / seq-range) ["," sequence-set]``, ``sequence-set =/ "$"``
pub(super) fn sequence_set(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    if cursor.eat(b'$') {
        return Ok(SequenceSet::Saved);
    }
    let mut ranges = Vec::new();
    loop {
        if ranges.len() == limits::SET_RANGES {
            return Err(Reason::TooMany("Too many ranges in a set"));
        }
        ranges.push(seq_range(cursor)?);
        if !cursor.eat(b',') {
            return Ok(SequenceSet::Ranges(ranges));
        }
    }
}

/// `seq-range = seq-number ":" seq-number`, or a `seq-number` alone
fn seq_range(cursor: &mut Cursor<'_>) -> Parsed<(Bound, Bound)> {
    let from = seq_number(cursor)?;
    Ok((from, if cursor.eat(b':') { seq_number(cursor)? } else { from }))
}

/// `seq-number = nz-number / "*"`
fn seq_number(cursor: &mut Cursor<'_>) -> Parsed<Bound> {
    if cursor.eat(b'*') { Ok(Bound::Star) } else { cursor.nz_number().map(Bound::Number) }
}
