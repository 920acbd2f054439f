//! The large changes that the writer is in the midst of, and who waits for them.

use super::error::{Refusal, StoreError};
use super::grant::Grant;
use super::guard::contained;
use super::steps::Large;
use super::store::Shared;
use super::write::Outcome;
use super::writer::{Job, guarded, transact};
use smol::channel::Sender;
use std::collections::VecDeque;

/// Large changes that are being done, a step of each in turn.
pub(super) struct LargeJobs(VecDeque<LargeJob>);

/// A large change and who waits for it.
struct LargeJob {
    large: Large,
    /// By whose right; what is undone needs none.
    grant: Option<Grant>,
    answer: Option<Sender<Result<Outcome, StoreError>>>,
    /// It has failed, for this reason, and is being undone.
    failed: Option<StoreError>,
}

impl LargeJobs {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was not done to its end when the store was closed, or nothing could be written any more.
    pub(super) fn left_over(shared: &Shared) -> LargeJobs {
        if shared.is_frozen() {
            return LargeJobs(VecDeque::new());
        }
        let left = shared.snapshot().and_then(|snapshot| contained(|| Large::unfinished(&snapshot)));
        let left = left.unwrap_or_else(|fault| {
            log::error!("copies that were not done to their end cannot be found: {fault}");
            Vec::new()
        });
        if !left.is_empty() {
            log::info!("{} copies that were not done to their end are undone", left.len());
        }
        LargeJobs(left.into_iter().map(|large| LargeJob { large, grant: None, answer: None, failed: None }).collect())
    }

    /// Takes the large changes out of a batch.
    pub(super) fn part_from(&mut self, batch: &mut Vec<Job>, shared: &Shared) {
        if !batch.iter().any(|job| job.write.may_be_large()) {
            return;
        }
        // Where this fails, so will the write.
        let Ok(snapshot) = shared.snapshot() else { return };
        for job in std::mem::take(batch) {
            match contained(|| Large::of(&job.write, &snapshot)) {
                Ok(Some(large)) => {
                    self.0.push_back(LargeJob { large, grant: job.grant, answer: Some(job.answer), failed: None });
                }
                _ => batch.push(job),
            }
        }
    }

    /// Does a step of the one whose turn it is.
    pub(super) fn step(&mut self, shared: &Shared) {
        let Some(mut job) = self.0.pop_front() else { return };
        let next = if shared.is_frozen() { Err(Refusal::ReadOnly.into()) } else { one_step(&mut job, shared) };
        let outcome = match next {
            Ok(true) => return self.0.push_back(job),
            Ok(false) => job.failed.map_or_else(|| Ok(job.large.outcome()), Err),
            Err(error) => {
                let undo = shared.snapshot().and_then(|snapshot| contained(|| job.large.failed(&snapshot)));
                match undo {
                    // Before anybody is told that it failed; where nothing can be written, once something can be again.
                    Ok(Some(large)) if !shared.is_frozen() => {
                        return self.0.push_back(LargeJob { large, grant: None, failed: Some(error), ..job });
                    }
                    Ok(_) => {}
                    Err(fault) => log::error!("what was copied in part is taken out after the next start: {fault}"),
                }
                Err(job.failed.unwrap_or(error))
            }
        };
        if let Some(answer) = job.answer {
            // Whoever does not wait any more does not want to know.
            let _ = answer.try_send(outcome);
        }
    }
}

/// Does the next step; false: there is none.
fn one_step(LargeJob { large, grant, .. }: &mut LargeJob, shared: &Shared) -> Result<bool, StoreError> {
    let next = shared.snapshot().and_then(|snapshot| contained(|| large.next(&snapshot)))?;
    let Some(write) = next else { return Ok(false) };
    let (outcomes, _) =
        guarded(shared, || transact(shared, std::iter::once((&write, grant.as_ref())))).inspect_err(|fault| {
            log::error!("a transaction failed: {fault}");
        })?;
    for outcome in outcomes {
        large.done(outcome?);
    }
    Ok(true)
}
