//! The one guard around redb: what unwinds out of it becomes a fault.
//!
//! Damage never reaches redb, it ends the read that met it ([`super::verified`]). redb's own panics end here as well.

use super::error::Fault;
use super::verified::Damaged;
use std::any::Any;
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

/// Rows that are read one after the other; the first that cannot be is the last.
pub(super) struct Contained<I>(Option<I>);

impl<I> Contained<I> {
    pub(super) fn new(rows: I) -> Contained<I> {
        Contained(Some(rows))
    }
}

impl<T, I: Iterator<Item = Result<T, Fault>>> Iterator for Contained<I> {
    type Item = Result<T, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.0.as_mut()?;
        // Put where it stays: rows are large, and many.
        let mut next = None;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| next = rows.next())) {
            next = Some(Err(fault(panic)));
        }
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        next
    }
}
