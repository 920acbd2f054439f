//! Large changes in steps: one to whoever asked for it, many small transactions to the store.
//!
//! A change of a million messages in one transaction would need memory for each of them, in the writer, in the journal and
//! again at the start after a power cut; and whoever else wants to write would wait for all of it. So the writer does
//! [`ROWS_AT_ONCE`] messages at a time, others' writes between, and answers when the last step is durable.
//!
//! Each step is a write like any other, whole or not at all, and the journal knows nothing but steps. What is cut off is as
//! far as it came: flags are set on some messages, some messages are moved, and each is in one of both mailboxes, which is
//! what RFC 9051 §6.4.6 and RFC 6851 §3.3 allow. A copy must leave nothing behind (RFC 9051 §6.4.7): its first step is
//! refused where there is no room for all of it, each step notes what was brought so far, and what is noted without a last
//! step is taken out again, at once or after the next start.

use super::error::Fault;
use super::queue::Space;
use super::record::{OnDelete, decode};
use super::schema::{copy_key, copy_of};
use super::snapshot::Snapshot;
use super::write::{CopyId, FlagChange, Outcome, Total, Uids, Write};
use crate::mail::{AccountId, MailboxId, MailboxName, Uid};

/// Messages in one step: some megabytes of memory, some milliseconds for who waits behind it. Fewer where they are tried.
pub(super) const ROWS_AT_ONCE: u64 = if cfg!(test) { 100 } else { 10_000 };

/// A large change on its way.
#[derive(Debug)]
pub(super) struct Large {
    change: Change,
    /// Whose messages,
    mailbox: MailboxId,
    /// and which of them are still to come.
    rest: Uids,
    /// What its steps came to so far.
    outcome: Option<Outcome>,
}

#[derive(Debug)]
enum Change {
    Store(FlagChange),
    Move(MailboxId),
    Expunge,
    Retire(OnDelete),
    Expire(i64),
    /// INBOX gives its messages to a mailbox of this name, once it is made.
    Rename {
        account: AccountId,
        name: MailboxName,
        to: Option<MailboxId>,
    },
    /// `total` until the first step is done.
    Copy {
        copy: CopyId,
        total: Option<Total>,
        ended: bool,
    },
    /// Takes out again what a copy brought.
    Uncopy {
        copy: CopyId,
        ended: bool,
    },
}

impl Large {
    /// A change as a large one; `None` where it is done in one transaction.
    pub(super) fn of(write: &Write, snapshot: &Snapshot) -> Result<Option<Large>, Fault> {
        let all = Uids::all();
        let (mailbox, uids, change) = match write {
            Write::Store { mailbox, uids, change } => (*mailbox, uids, Change::Store(change.clone())),
            Write::Move { from, uids, to } => (*from, uids, Change::Move(*to)),
            Write::Expunge { mailbox, uids } => (*mailbox, uids.as_ref().unwrap_or(&all), Change::Expunge),
            Write::Retire { mailbox, uids, how } => (*mailbox, uids, Change::Retire(*how)),
            Write::Expire { mailbox, uids, before } => (*mailbox, uids, Change::Expire(*before)),
            Write::Copy { from, uids, to } => {
                let next = snapshot.mailbox(*to)?.and_then(|record| record.uid_next);
                let Some(first) = next else { return Ok(None) };
                (*from, uids, Change::Copy { copy: CopyId { to: *to, first }, total: None, ended: false })
            }
            Write::RenameMailbox { account, from, to } if from.as_str() == "INBOX" => {
                let Some(inbox) = snapshot.mailbox_named(*account, from.as_str())? else { return Ok(None) };
                (inbox, &all, Change::Rename { account: *account, name: to.clone(), to: None })
            }
            _ => return Ok(None),
        };
        let width: u64 = uids.0.iter().map(|&(low, high)| u64::from(high - low.min(high)) + 1).sum();
        if width <= ROWS_AT_ONCE {
            return Ok(None);
        }
        let Some(record) = snapshot.mailbox(mailbox)? else { return Ok(None) };
        let many = if matches!(change, Change::Expunge) { record.deleted } else { record.messages };
        // What comes meanwhile is not meant: a mailbox that is copied into itself would have no end.
        let last = record.uid_next.map_or(u32::MAX, |next| next.number().saturating_sub(1));
        let there = uids.0.iter().filter(|range| range.0 <= last);
        let rest = Uids(there.map(|&(low, high)| (low, high.min(last))).collect());
        let mut large = Large { change, mailbox, rest, outcome: None };
        if many <= ROWS_AT_ONCE || !large.clone_rest().take(snapshot)?.1 {
            return Ok(None);
        }
        if let Change::Copy { total, .. } = &mut large.change {
            // Who copies all need not be counted.
            *total = Some(if matches!(uids.0.as_slice(), [(1, high)] if *high >= last) {
                Total { messages: record.messages, bytes: record.bytes }
            } else {
                count(mailbox, uids, snapshot)?
            });
        }
        Ok(Some(large))
    }

    /// Copies that a power cut, or a failure, left without their last step.
    pub(super) fn unfinished(snapshot: &Snapshot) -> Result<Vec<Large>, Fault> {
        let noted = snapshot.all_kept(Space::Copies, &[], usize::MAX)?;
        let copies = noted.iter().filter_map(|(key, _)| copy_of(key));
        copies.filter_map(|copy| Large::undo(copy, snapshot).transpose()).collect()
    }

    /// The way back of a copy that came to nothing; `None` where it left nothing.
    fn undo(copy: CopyId, snapshot: &Snapshot) -> Result<Option<Large>, Fault> {
        let Some(noted) = snapshot.kept(Space::Copies, &copy_key(copy))? else { return Ok(None) };
        let rest = decode(&noted, "a copy")?;
        Ok(Some(Large { change: Change::Uncopy { copy, ended: false }, mailbox: copy.to, rest, outcome: None }))
    }

    /// The next step; `None`: all is done.
    pub(super) fn next(&mut self, snapshot: &Snapshot) -> Result<Option<Write>, Fault> {
        if let Change::Rename { account, name, to: None } = &self.change {
            return Ok(Some(Write::CreateMailbox { account: *account, name: name.clone(), special: None }));
        }
        if let Change::Copy { ended: true, .. } | Change::Uncopy { ended: true, .. } = &self.change {
            return Ok(None);
        }
        let mailbox = self.mailbox;
        let (uids, more) = self.take(snapshot)?;
        let step = match &mut self.change {
            // These end with a step that says so.
            Change::Copy { copy, total, ended } => {
                *ended = !more;
                return Ok(Some(Write::CopyStep {
                    copy: *copy,
                    from: mailbox,
                    uids,
                    total: total.take(),
                    last: !more,
                }));
            }
            Change::Uncopy { copy, ended } => {
                *ended = !more;
                return Ok(Some(Write::Uncopy { copy: *copy, uids, last: !more }));
            }
            _ if uids.0.is_empty() => return Ok(None),
            Change::Store(change) => Write::Store { mailbox, uids, change: change.clone() },
            Change::Move(to) | Change::Rename { to: Some(to), .. } => Write::Move { from: mailbox, uids, to: *to },
            Change::Expunge => Write::Expunge { mailbox, uids: Some(uids) },
            Change::Retire(how) => Write::Retire { mailbox, uids, how: *how },
            Change::Expire(before) => Write::Expire { mailbox, uids, before: *before },
            Change::Rename { to: None, .. } => return Ok(None),
        };
        Ok(Some(step))
    }

    /// A step was done.
    pub(super) fn done(&mut self, step: Outcome) {
        if let (Change::Rename { to, .. }, Outcome::Mailbox(made)) = (&mut self.change, &step) {
            *to = Some(*made);
            return;
        }
        match (&mut self.outcome, step) {
            (Some(Outcome::Copied { from, to, .. }), Outcome::Copied { from: more_from, to: more_to, .. }) => {
                from.append(&more_from);
                to.append(&more_to);
            }
            (Some(Outcome::Expunged(count)), Outcome::Expunged(more)) => *count += more,
            (outcome, step) => *outcome = Some(step),
        }
    }

    /// A step could not be done: what has to be done before that is answered, if anything.
    pub(super) fn failed(&self, snapshot: &Snapshot) -> Result<Option<Large>, Fault> {
        match &self.change {
            Change::Copy { copy, .. } => Large::undo(*copy, snapshot),
            _ => Ok(None),
        }
    }

    /// What all steps together came to.
    pub(super) fn outcome(self) -> Outcome {
        match self.change {
            Change::Rename { .. } | Change::Retire(_) | Change::Uncopy { .. } => Outcome::Done,
            _ => self.outcome.unwrap_or(Outcome::Done),
        }
    }

    fn clone_rest(&self) -> Large {
        Large { change: Change::Expunge, mailbox: self.mailbox, rest: self.rest.clone(), outcome: None }
    }

    /// The next messages, and whether there are more.
    fn take(&mut self, snapshot: &Snapshot) -> Result<(Uids, bool), Fault> {
        let mut taken: Vec<Uid> = Vec::new();
        for (index, &(low, high)) in self.rest.0.iter().enumerate() {
            for row in snapshot.message_starts(self.mailbox, low, high)? {
                let (uid, _) = row?;
                if taken.len() as u64 == ROWS_AT_ONCE {
                    let later = self.rest.0.get(index + 1..).unwrap_or_default();
                    self.rest = Uids(std::iter::once((uid.number(), high)).chain(later.iter().copied()).collect());
                    return Ok((Uids::from_ascending(taken), true));
                }
                taken.push(uid);
            }
        }
        self.rest = Uids::default();
        Ok((Uids::from_ascending(taken), false))
    }
}

fn count(mailbox: MailboxId, uids: &Uids, snapshot: &Snapshot) -> Result<Total, Fault> {
    let mut total = Total::default();
    for &(low, high) in &uids.0 {
        for row in snapshot.messages(mailbox, low, high)? {
            let (_, message) = row?;
            total.messages += 1;
            total.bytes += u64::from(message.size);
        }
    }
    Ok(total)
}
