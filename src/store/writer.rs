//! The one writer: takes all waiting writes into one transaction, commits it durably, **then** rings, **then** answers.

use super::apply::Batch;
use super::error::{Fault, Refusal, StoreError};
use super::grant::Grant;
use super::guard::undoable;
use super::journal::{self, Journal};
use super::large_jobs::LargeJobs;
use super::parcel::Parcel;
use super::store::Shared;
use super::way_back;
use super::way_in::Way;
use super::write::{Outcome, Write};
use crate::mail::AccountId;
use redb::Durability;
use smol::channel::Sender;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

/// A write, by whose right it is done, and who waits for it.
pub(super) struct Job {
    pub(super) write: Write,
    pub(super) grant: Option<Grant>,
    pub(super) answer: Sender<Result<Outcome, StoreError>>,
}

/// What reaches the writer.
pub(super) enum Message {
    /// A write.
    Job(Job),
    /// The database failed somebody who read.
    Look,
}

/// Writes in one transaction.
const JOBS: usize = 64;
/// Octets in one transaction: more than half the cache would be written twice.
const OCTETS: usize = 4 << 20;
/// So long nothing comes before the checkpoint: the next open then needs no walk of the file.
const IDLE: Duration = Duration::from_millis(1_500);
/// So long nothing comes before the sweep goes on.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// A server that is never idle sweeps all the same, this often,
const BUSY_SWEEP: Duration = Duration::from_secs(1);
/// and makes its checkpoints this often.
const BUSY_CHECKPOINT: Duration = Duration::from_secs(30);

/// How often the clocks are looked at when nothing comes,
const OBSERVE: Duration = Duration::from_mins(1);
/// and how often that is noted.
const NOTE: Duration = Duration::from_hours(1);

/// How often a disk that could not be written is tried again when nothing comes.
const THAW: Duration = Duration::from_secs(10);
/// Between two openings after an error passes this, and so many times as long as the last one took: a damaged file may
/// have to be walked from end to end.
const REOPEN: Duration = Duration::from_secs(1);
const REOPEN_SHARE: u32 = 10;

/// What the writer does when nothing comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Nothing is left to do.
    Clean,
    /// There was a commit since the last checkpoint.
    Dirty,
    /// There may be blobs to sweep.
    Sweep,
    /// Nothing can be written.
    Frozen,
}

/// When it was tidied up last.
struct Tidied {
    swept: Instant,
    saved: Instant,
    /// Before this moment a reader's failure is no reason to open the database again.
    reopened: Instant,
}

/// Runs until all senders are gone.
pub(super) fn run(shared: &Shared, jobs: &Receiver<Message>) {
    let mut rest = if shared.is_frozen() { Rest::Frozen } else { Rest::Sweep };
    let mut tidied = Tidied { swept: Instant::now(), saved: Instant::now(), reopened: Instant::now() };
    let mut batch = Vec::with_capacity(JOBS);
    let mut large = LargeJobs::left_over(shared);
    loop {
        let first = match rest {
            // What others want comes between two steps.
            _ if !large.is_empty() => jobs.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            }),
            Rest::Clean => jobs.recv_timeout(OBSERVE),
            Rest::Dirty => jobs.recv_timeout(IDLE),
            Rest::Sweep => jobs.recv_timeout(SWEEP_PAUSE),
            Rest::Frozen => jobs.recv_timeout(THAW),
        };
        drop(shared.observe());
        match first {
            Ok(first) => {
                let look = gather(first, jobs, &mut batch);
                if look {
                    tidied.look(shared);
                }
                if !batch.is_empty() && !shared.is_sound() {
                    recover(shared, false);
                }
                if !batch.is_empty() && writes(shared, &mut batch) {
                    large.part_from(&mut batch, shared);
                    if !batch.is_empty() && commit(shared, &mut batch) {
                        rest = Rest::Dirty;
                    }
                }
                if !shared.is_frozen() {
                    tidied.while_busy(shared);
                }
            }
            Err(RecvTimeoutError::Timeout) if large.is_empty() => rest = tidied.idle(shared, rest),
            Err(RecvTimeoutError::Timeout) => tidied.while_busy(shared),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if !large.is_empty() {
            large.step(shared);
            rest = Rest::Dirty;
        }
        rest = match (shared.is_frozen(), rest) {
            (true, _) => Rest::Frozen,
            (false, Rest::Frozen) => {
                large = LargeJobs::left_over(shared);
                Rest::Sweep
            }
            (false, rest) => rest,
        };
    }
    if shared.is_frozen() {
        return;
    }
    // The database's own clean close saves what a checkpoint would.
    if let Err(fault) = guarded(shared, || checkpoint(shared, true)) {
        log::error!("the last checkpoint failed: {fault}");
    }
}

/// Takes what waits into one batch; true if somebody's read failed.
fn gather(first: Message, jobs: &Receiver<Message>, batch: &mut Vec<Job>) -> bool {
    let mut octets = 0;
    let mut look = false;
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Job(job) => {
                octets += job.write.weight();
                batch.push(job);
            }
            Message::Look => look = true,
        }
        next = if batch.len() < JOBS && octets < OCTETS { jobs.try_recv().ok() } else { None };
    }
    look
}

/// Whether anything can be written. Where not, the batch is refused: nothing is acknowledged that is in memory only.
fn writes(shared: &Shared, batch: &mut Vec<Job>) -> bool {
    if shared.is_frozen() {
        reopening(|| shared.thaw());
    }
    if !shared.is_frozen() {
        return true;
    }
    for job in batch.drain(..) {
        let _ = job.answer.try_send(Err(Refusal::ReadOnly.into()));
    }
    false
}

/// One transaction; true if anything was committed.
fn commit(shared: &Shared, batch: &mut Vec<Job>) -> bool {
    // Staged frames that were not durable yet are gone when the store was opened again since.
    batch.retain(|job| {
        let cut_off = job.write.parcels().any(Parcel::is_cut_off);
        if cut_off {
            let fault = Fault::Io("an upload was cut off when the store was opened again".to_owned());
            let _ = job.answer.try_send(Err(fault.into()));
        }
        !cut_off
    });
    match attempt(shared, batch) {
        Ok((outcomes, committed)) => {
            answer(batch.drain(..), outcomes);
            committed
        }
        // One damaged record is no reason to refuse what others want: each for itself.
        Err(Fault::Corrupt(_)) if batch.len() > 1 => {
            let mut committed = false;
            for job in batch.drain(..) {
                match attempt(shared, std::slice::from_ref(&job)) {
                    Ok((outcomes, one)) => {
                        answer(std::iter::once(job), outcomes);
                        committed |= one;
                    }
                    Err(fault) => fail(std::iter::once(job), &fault),
                }
            }
            committed
        }
        Err(fault) => {
            fail(batch.drain(..), &fault);
            false
        }
    }
}

fn attempt(shared: &Shared, jobs: &[Job]) -> Result<(Outcomes, bool), Fault> {
    guarded(shared, || transact(shared, jobs.iter().map(|job| (&job.write, job.grant.as_ref()))))
}

fn answer(jobs: impl Iterator<Item = Job>, outcomes: Outcomes) {
    for (Job { mut write, answer, .. }, outcome) in jobs.zip(outcomes) {
        if let Ok(outcome) = &outcome {
            write.settle(outcome);
        }
        // Whoever does not wait any more does not want to know.
        let _ = answer.try_send(outcome);
    }
}

fn fail(jobs: impl Iterator<Item = Job>, fault: &Fault) {
    log::error!("a transaction failed: {fault}");
    for job in jobs {
        let _ = job.answer.try_send(Err(StoreError::Fault(fault.clone())));
    }
}

/// Does something with the database, and makes it usable again if that fails. redb panics on some damage; a writer that
/// ended of it would leave a server that can only read.
pub(super) fn guarded<T>(shared: &Shared, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(fault)) => {
            if !matches!(fault, Fault::Corrupt(_)) {
                recover(shared, false);
            }
            Err(fault)
        }
        Err(_) => {
            recover(shared, true);
            Err(Fault::Corrupt("what made the writer panic"))
        }
    }
}

/// After the writer broke off in the midst of something: what it left half done in memory is not trusted.
pub(super) fn begin_again(shared: &Shared) {
    recover(shared, true);
}

fn recover(shared: &Shared, surely: bool) {
    reopening(|| shared.recover(surely));
}

/// What is damaged enough may panic here as well; the next write tries again.
fn reopening(reopen: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(reopen)).is_err() {
        log::error!("the store could not be made usable again");
    }
}

/// What became of each write.
pub(super) type Outcomes = Vec<Result<Outcome, StoreError>>;

pub(super) fn transact<'w>(
    shared: &Shared,
    writes: impl Iterator<Item = (&'w Write, Option<&'w Grant>)>,
) -> Result<(Outcomes, bool), Fault> {
    let database = shared.database()?;
    let mut journal = shared.journal();
    // All of a batch is done at one moment, which its record bears.
    let now = shared.medium.now();
    let mut outcomes = Vec::with_capacity(writes.size_hint().0);
    let mut granted = Vec::new();
    let mut transaction = database.begin_write()?;
    let mut batch = undoable(|| Batch::begin(&transaction, shared, now))?;
    for (write, grant) in writes {
        if batch.refuses(grant) {
            outcomes.push(Err(Refusal::Revoked.into()));
            continue;
        }
        match undoable(|| batch.apply(write)) {
            Err(StoreError::Fault(fault)) => return Err(fault),
            Ok(outcome) => {
                granted.push(write);
                outcomes.push(Ok(outcome));
            }
            Err(refused) => {
                outcomes.push(Err(refused));
                if batch.is_half_done() {
                    // What is refused leaves nothing behind, here as in the journal: what was granted, once more without.
                    drop(batch);
                    transaction.abort()?;
                    transaction = database.begin_write()?;
                    batch = undoable(|| Batch::begin(&transaction, shared, now))?;
                    for granted in &granted {
                        match undoable(|| batch.apply(granted)) {
                            Err(StoreError::Fault(fault)) => return Err(fault),
                            // It comes to what it came to before: it follows from the tables and the moment alone.
                            Ok(_) | Err(StoreError::Refused(_)) => {}
                        }
                    }
                }
            }
        }
    }
    if !batch.is_touched() {
        drop(batch);
        transaction.abort()?;
        return Ok((outcomes, false));
    }
    let rows = batch.rows();
    let way = Way::of(&granted, rows, journal.as_ref(), now)?;
    let last = journal.as_ref().map_or(0, Journal::last);
    let mut fresh = shared.fresh();
    if matches!(way, Way::Tables { .. }) {
        undoable(|| batch.gather_heads(&fresh))?;
    }
    batch.note_journal(if matches!(way, Way::Journal(_)) { last + 1 } else { last })?;
    let done = undoable(|| batch.finish())?;
    let durable = match &way {
        Way::Journal(payload) => {
            transaction.set_durability(Durability::None)?;
            if let Some(journal) = journal.as_mut() {
                journal.put(payload, rows)?;
            }
            false
        }
        Way::Later => {
            transaction.set_durability(Durability::None)?;
            false
        }
        Way::Tables { checkpoint } => {
            transaction.set_quick_repair(*checkpoint);
            true
        }
    };
    transaction.commit()?;
    if durable {
        fresh.clear();
    } else {
        fresh.extend(&done.heads);
    }
    if let (true, Some(journal)) = (durable, journal.as_mut()) {
        journal.begin_again();
    }
    drop((journal, fresh));
    if granted.iter().any(|write| matches!(write, Write::KeepFormat)) {
        let_go_of_the_rest(shared);
    }
    shared.grown().extend(done.grown);
    shared.space.committed(done.taken, done.freed, durable);
    shared.abandoned.forget(done.abandoned);
    shared.grants.revoke(&done.revoked);
    let weighed: BTreeSet<AccountId> = done.changes.keys().map(|mailbox| mailbox.account()).collect();
    for (mailbox, change) in done.changes {
        shared.mirrors.publish(mailbox, change);
    }
    shared.tell_of_usage(weighed, &granted);
    if done.queued {
        shared.queue_bell.notify(usize::MAX);
    }
    if !matches!(way, Way::Later) {
        shared.change_bell.notify(usize::MAX);
    }
    Ok((outcomes, true))
}

impl Shared {
    /// Accounts that use more or less now, or may; and sessions are told what their account was told.
    fn tell_of_usage(&self, mut weighed: BTreeSet<AccountId>, granted: &[&Write]) {
        for write in granted {
            match write {
                Write::SetLimits { account, .. } => {
                    weighed.insert(*account);
                }
                Write::Warn { account, level, told: Some(_) } => {
                    self.alarms.ring(*account, *level);
                }
                _ => {}
            }
        }
        if !weighed.is_empty() {
            self.weighed.lock().unwrap_or_else(PoisonError::into_inner).extend(weighed);
            self.weigh_bell.notify(usize::MAX);
        }
    }
}

impl Tidied {
    fn idle(&mut self, shared: &Shared, rest: Rest) -> Rest {
        match rest {
            Rest::Clean => {
                // What passed is to be known after a cut.
                if self.saved.elapsed() > NOTE { self.save(shared, true) } else { Rest::Clean }
            }
            Rest::Dirty => self.save(shared, true),
            Rest::Sweep => self.sweep(shared),
            Rest::Frozen => {
                reopening(|| shared.thaw());
                Rest::Frozen
            }
        }
    }

    /// A read failed: makes the database usable again.
    fn look(&mut self, shared: &Shared) {
        let began = Instant::now();
        if began >= self.reopened && !shared.is_sound() {
            recover(shared, false);
            self.reopened = Instant::now() + REOPEN.max(began.elapsed() * REOPEN_SHARE);
        }
        shared.looked();
    }

    /// What else would wait for an idle moment that never comes.
    fn while_busy(&mut self, shared: &Shared) {
        if self.swept.elapsed() > BUSY_SWEEP {
            self.sweep(shared);
        }
        if self.saved.elapsed() > BUSY_CHECKPOINT {
            self.save(shared, false);
        }
    }

    fn save(&mut self, shared: &Shared, idle: bool) -> Rest {
        self.saved = Instant::now();
        tidy(guarded(shared, || checkpoint(shared, idle)), |()| Rest::Sweep)
    }

    fn sweep(&mut self, shared: &Shared) -> Rest {
        self.swept = Instant::now();
        let sweep = std::iter::once((&Write::Sweep, None));
        tidy(guarded(shared, || transact(shared, sweep)), |(outcomes, swept)| match outcomes.first() {
            Some(Ok(Outcome::Swept { more: true, .. })) => Rest::Sweep,
            _ if swept => Rest::Dirty,
            _ => Rest::Clean,
        })
    }
}

fn tidy<T>(done: Result<T, Fault>, next: impl FnOnce(T) -> Rest) -> Rest {
    match done {
        Ok(done) => next(done),
        Err(fault) => {
            log::error!("tidying up failed: {fault}");
            Rest::Clean
        }
    }
}

/// A commit that also saves redb's allocator state, and what sessions claimed as recent. `idle`: nobody waits, so rows are
/// put in order, too.
fn checkpoint(shared: &Shared, idle: bool) -> Result<(), Fault> {
    let database = shared.database()?;
    let mut journal = shared.journal();
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    let now = shared.medium.now();
    let mut batch = undoable(|| Batch::begin(&transaction, shared, now))?;
    let recents = shared.mirrors.recents();
    undoable(|| batch.save_recents(&recents))?;
    batch.save_room()?;
    // Room for mail comes before the way back, once the newer version is past its trial.
    let written = {
        let lived = shared.observe();
        let kept_for = way_back::kept_for(shared.space.is_short());
        let is_over = |since| lived.is_calm() && lived.age(since) >= kept_for;
        (lived.written()?, batch.way_back_since()?.is_some_and(is_over))
    };
    let (lived, is_over) = written;
    batch.save_lived(&lived)?;
    let let_go = is_over && batch.let_go_of_the_way_back()?;
    batch.note_journal(journal.as_ref().map_or(0, Journal::last))?;
    let mut fresh = shared.fresh();
    undoable(|| batch.gather_heads(&fresh))?;
    let grown = if idle { std::mem::take(&mut *shared.grown()) } else { BTreeSet::new() };
    for mailbox in grown {
        undoable(|| batch.gather_rows(mailbox))?;
    }
    undoable(|| batch.finish())?;
    transaction.commit()?;
    fresh.clear();
    drop(fresh);
    if let Some(journal) = journal.as_mut() {
        journal.begin_again();
    }
    drop(journal);
    shared.space.committed(0, 0, true);
    if let_go {
        let_go_of_the_rest(shared);
    }
    shared.mirrors.forget_recents(&recents);
    if let Err(error) = shared.space.put_ballast() {
        log::warn!("no ballast could be put down: {error}");
    }
    Ok(())
}

/// What else is kept for an earlier format, once its savepoint is gone.
fn let_go_of_the_rest(shared: &Shared) {
    log::info!("how the data was in an earlier format is not kept any longer");
    shared.space.pin(false);
    let Some(folder) = shared.folder() else { return };
    for format in 1..shared.layout.format {
        if let Err(error) = journal::remove(folder, format) {
            log::warn!("the journal of format {format}: {error}");
        }
    }
}
