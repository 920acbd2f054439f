//! The one guard around redb: what unwinds out of it becomes a fault.
//!
//! Damage never reaches redb, it ends the read that met it ([`super::verified`]). redb's own panics end here as well.

use super::error::Fault;
use super::verified::Damaged;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Does something with redb that only reads, or that nobody goes on with where it fails.
pub(super) fn contained<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(fault(panic)))
}

/// Does something within a transaction. What damage leaves of it can be undone, and nothing else: it is never committed. Any
/// other panic goes on.
pub(super) fn undoable<T, E: From<Fault>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(damage(panic).unwrap_or_else(|other| resume_unwind(other)).into()))
}

fn fault(panic: Box<dyn Any + Send>) -> Fault {
    damage(panic).unwrap_or_else(|_| Fault::Io("the store is damaged: reading it failed".to_owned()))
}

fn damage(panic: Box<dyn Any + Send>) -> Result<Fault, Box<dyn Any + Send>> {
    panic.downcast::<Damaged>().map(|damaged| Fault::Corrupt(damaged.0))
}

/// Rows that are read one after the other; the first that cannot be is the last. They are read some at a time: to be on
/// one's guard costs about as much as a row.
pub(super) struct Contained<I: Iterator> {
    rows: Option<I>,
    /// What was read, and not given yet.
    ready: VecDeque<I::Item>,
    /// How many are read the next time.
    next: usize,
}

/// So many rows are read at a time, once that many were asked for.
const MOST: usize = 32;

impl<T, I: Iterator<Item = Result<T, Fault>>> Contained<I> {
    pub(super) fn new(rows: I) -> Contained<I> {
        Contained { rows: Some(rows), ready: VecDeque::new(), next: 1 }
    }

    fn read(&mut self) {
        let (ready, most) = (&mut self.ready, self.next);
        let Some(rows) = &mut self.rows else { return };
        let read = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..most {
                let Some(row) = rows.next() else { return false };
                let is_read = row.is_ok();
                ready.push_back(row);
                if !is_read {
                    return false;
                }
            }
            true
        }));
        self.next = MOST.min(most * 2);
        let goes_on = read.unwrap_or_else(|panic| {
            self.ready.push_back(Err(fault(panic)));
            false
        });
        if !goes_on {
            self.rows = None;
        }
    }
}

impl<T, I: Iterator<Item = Result<T, Fault>>> Iterator for Contained<I> {
    type Item = Result<T, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            self.read();
        }
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    fn given(rows: impl Iterator<Item = Result<u32, Fault>>) -> Vec<Result<u32, String>> {
        Contained::new(rows).map(|row| row.map_err(|fault| fault.to_string())).collect()
    }

    #[test]
    fn rows_come_in_order_and_the_first_that_cannot_be_read_is_the_last() {
        let damage = || Fault::Corrupt("a row");
        for count in [0, 1, 2, 31, 32, 33, 100] {
            let right: Vec<_> = (0..count).map(Ok).collect();
            assert_eq!(given((0..count).map(Ok)), right);
            let rows = |number| if number < count { Ok(number) } else { Err(damage()) };
            let mut wrong = right.clone();
            wrong.push(Err(damage().to_string()));
            assert_eq!(given((0..200).map(rows)), wrong);
            // What unwinds out of redb, and what is a defect of its own.
            let rows = |number| if number < count { Ok(number) } else { panic_any(Damaged("a row")) };
            assert_eq!(given((0..200).map(rows)), wrong);
            let rows = |number| if number < count { Ok(number) } else { panic_any("a defect") };
            let defect = given((0..200).map(rows));
            assert_eq!((defect.len(), defect.iter().filter(|row| row.is_ok()).count()), (wrong.len(), right.len()));
        }
    }
}
