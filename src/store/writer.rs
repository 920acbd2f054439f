//! The one writer: takes all waiting writes into one transaction, commits it durably, **then** rings, **then** answers.

use super::apply::Batch;
use super::error::{Fault, StoreError};
use super::store::Shared;
use super::write::{Outcome, Write};
use redb::Durability;
use smol::channel::Sender;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// A write and who waits for it.
pub(super) struct Job {
    pub(super) write: Write,
    pub(super) answer: Sender<Result<Outcome, StoreError>>,
}

/// Writes in one transaction.
const JOBS: usize = 64;
/// Octets in one transaction: more than half the cache would be written twice.
const OCTETS: usize = 4 << 20;
/// So long nothing comes before the checkpoint: the next open then needs no walk of the file.
const IDLE: Duration = Duration::from_millis(1_500);
/// So long nothing comes before the sweep goes on.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// What the writer does when nothing comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Nothing is left to do.
    Clean,
    /// There was a commit since the last checkpoint.
    Dirty,
    /// There may be blobs to sweep.
    Sweep,
}

/// Runs until all senders are gone.
pub(super) fn run(shared: &Shared, jobs: &Receiver<Job>) {
    let mut rest = Rest::Sweep;
    let mut batch = Vec::with_capacity(JOBS);
    loop {
        let first = match rest {
            Rest::Clean => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Rest::Dirty => jobs.recv_timeout(IDLE),
            Rest::Sweep => jobs.recv_timeout(SWEEP_PAUSE),
        };
        match first {
            Ok(job) => {
                gather(job, jobs, &mut batch);
                if commit(shared, &mut batch) {
                    rest = Rest::Dirty;
                }
            }
            Err(RecvTimeoutError::Timeout) => rest = idle(shared, rest),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // The database's own clean close saves what a checkpoint would.
    if let Err(fault) = checkpoint(shared) {
        log::error!("the last checkpoint failed: {fault}");
    }
}

fn gather(first: Job, jobs: &Receiver<Job>, batch: &mut Vec<Job>) {
    let mut octets = first.write.weight();
    batch.push(first);
    while batch.len() < JOBS && octets < OCTETS {
        let Ok(job) = jobs.try_recv() else { break };
        octets += job.write.weight();
        batch.push(job);
    }
}

/// One transaction; true if anything was committed.
fn commit(shared: &Shared, batch: &mut Vec<Job>) -> bool {
    // Uploads in progress become durable with the message that shows them.
    let durable = batch.iter().any(|job| !matches!(job.write, Write::Stage(_)));
    let mut answers = Vec::with_capacity(batch.len());
    let mut writes = Vec::with_capacity(batch.len());
    for Job { write, answer } in batch.drain(..) {
        answers.push(answer);
        writes.push(write);
    }
    match transact(shared, durable, writes) {
        Ok((outcomes, committed)) => {
            for (answer, outcome) in answers.iter().zip(outcomes) {
                // Whoever does not wait any more does not want to know.
                let _ = answer.try_send(outcome);
            }
            committed
        }
        Err(fault) => {
            log::error!("a transaction failed: {fault}");
            for answer in &answers {
                let _ = answer.try_send(Err(StoreError::Fault(fault.clone())));
            }
            shared.recover();
            false
        }
    }
}

type Outcomes = Vec<Result<Outcome, StoreError>>;

fn transact(shared: &Shared, durable: bool, writes: Vec<Write>) -> Result<(Outcomes, bool), Fault> {
    let database = shared.database()?;
    let mut transaction = database.begin_write()?;
    if !durable {
        transaction.set_durability(Durability::None)?;
    }
    let mut outcomes = Vec::with_capacity(writes.len());
    let mut batch = Batch::begin(&transaction, shared)?;
    for write in writes {
        match batch.apply(write) {
            Err(StoreError::Fault(fault)) => return Err(fault),
            outcome => outcomes.push(outcome),
        }
    }
    let done = batch.finish()?;
    if !done.touched {
        transaction.abort()?;
        return Ok((outcomes, false));
    }
    transaction.commit()?;
    for (mailbox, change) in done.changes {
        shared.mirrors.publish(mailbox, change);
    }
    Ok((outcomes, true))
}

fn idle(shared: &Shared, rest: Rest) -> Rest {
    let done = match rest {
        Rest::Clean => return Rest::Clean,
        Rest::Dirty => checkpoint(shared).map(|()| Rest::Sweep),
        Rest::Sweep => transact(shared, true, vec![Write::Sweep]).map(|(outcomes, swept)| match outcomes.first() {
            Some(Ok(Outcome::Swept { more: true, .. })) => Rest::Sweep,
            _ if swept => Rest::Dirty,
            _ => Rest::Clean,
        }),
    };
    done.unwrap_or_else(|fault| {
        log::error!("tidying up failed: {fault}");
        shared.recover();
        Rest::Clean
    })
}

/// A commit that also saves redb's allocator state, and what sessions claimed as recent.
fn checkpoint(shared: &Shared) -> Result<(), Fault> {
    let database = shared.database()?;
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    let mut batch = Batch::begin(&transaction, shared)?;
    batch.save_recents()?;
    batch.finish()?;
    transaction.commit()?;
    Ok(())
}

/// Prepares a store that was just opened.
pub(super) fn prepare(shared: &Arc<Shared>) -> Result<(), Fault> {
    let database = shared.database()?;
    let transaction = database.begin_write()?;
    let mut batch = Batch::begin(&transaction, shared)?;
    match batch.clear_staging() {
        Ok(()) => {}
        Err(StoreError::Fault(fault)) => return Err(fault),
        Err(StoreError::Refused(_)) => return Err(Fault::Corrupt("clearing cut-off uploads was refused")),
    }
    let done = batch.finish()?;
    if done.touched {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(())
}
