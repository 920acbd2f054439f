//! The mail that waits to go out, as its owner sees it.

use super::accounts::now;
use super::action::{Failure, Reply};
use crate::events::Event;
use crate::store::{Fault, Progress, QueueId, Queued, Refusal, Snapshot, Store, StoreError, Write};
use serde::{Deserialize, Serialize};

/// What to do with the queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum QueueRequest {
    /// What is in it, the oldest first, from this message on.
    List {
        /// The first message's number.
        from: u64,
    },
    /// One message.
    Show {
        /// Its number.
        id: u64,
    },
    /// Tries a message now, or all of them.
    Retry {
        /// Its number; `None`: all.
        id: Option<u64>,
    },
    /// Takes a message out, and tells nobody.
    Drop {
        /// Its number.
        id: u64,
    },
}

/// A message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLine {
    /// Its number.
    pub id: u64,
    /// The reverse path; empty for what must never be answered.
    pub from: String,
    /// Octets.
    pub size: u32,
    /// When it was accepted, in seconds since 1970.
    pub made: i64,
    /// When it is tried next.
    pub next: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// Who is to get it.
    pub recipients: Vec<RecipientLine>,
}

/// A recipient of a message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientLine {
    /// The forward path.
    pub address: String,
    /// How far it is.
    pub state: RecipientState,
    /// What was said the last time; empty where nothing was said yet.
    pub said: String,
}

/// How far a recipient is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecipientState {
    /// To be tried.
    Waiting,
    /// Done.
    Delivered,
    /// Given up.
    Failed,
}

/// Messages in one answer: a list is asked for piece by piece.
pub const LISTED: usize = 200;
/// How often a change is tried that others were faster than.
const TRIES: usize = 10;

pub(super) fn perform(store: &Store, request: &QueueRequest) -> Result<Reply, Failure> {
    match *request {
        QueueRequest::List { from } => {
            let queue = store.snapshot()?.queue(QueueId(from), LISTED)?;
            Ok(Reply::Queue(queue.into_iter().map(line).collect()))
        }
        QueueRequest::Show { id } => {
            let queued = store.snapshot()?.queued(QueueId(id))?.ok_or_else(|| missing(id))?;
            Ok(Reply::Queue(vec![line((QueueId(id), queued))]))
        }
        QueueRequest::Retry { id: Some(id) } => change(store, id, |queued| Some(Queued { next: now(), ..queued }))?
            .then_some(Reply::Done)
            .ok_or_else(|| missing(id)),
        QueueRequest::Retry { id: None } => retry_all(store).map(|()| Reply::Done),
        QueueRequest::Drop { id } => {
            if !change(store, id, |_| None)? {
                return Err(missing(id));
            }
            Event::new("mail").with("event", "dropped").with("queue", id).log();
            Ok(Reply::Done)
        }
    }
}

/// Everything that waits is tried now.
pub(super) fn retry_all(store: &Store) -> Result<(), Failure> {
    let mut from = QueueId(0);
    loop {
        let some = store.snapshot()?.queue(from, LISTED)?;
        let Some((last, _)) = some.last() else { return Ok(()) };
        from = QueueId(last.0 + 1);
        let now = now();
        for (id, queued) in some {
            if queued.next != now {
                change(store, id.0, |queued| Some(Queued { next: now, ..queued }))?;
            }
        }
    }
}

/// How many messages there are in the queue; more than so many are not counted.
pub(super) fn size(snapshot: &Snapshot) -> Result<u64, Fault> {
    const MOST: usize = 100_000;
    Ok(snapshot.due(MOST)?.len() as u64)
}

/// Changes a message, or takes it out; false where there is none.
fn change(store: &Store, id: u64, change: impl Fn(Queued) -> Option<Queued>) -> Result<bool, Failure> {
    let id = QueueId(id);
    for _ in 0..TRIES {
        let Some(queued) = store.snapshot()?.queued(id)? else { return Ok(false) };
        let revision = queued.revision;
        let now_is = change(queued).map(Box::new);
        match store.write_blocking(Write::Queue { id, revision, now_is, told: None }) {
            Err(StoreError::Refused(Refusal::Changed)) => {}
            done => return Ok(done.map(|_| true)?),
        }
    }
    Err(Failure::Refused("it is being delivered just now: try again".to_owned()))
}

fn line((id, queued): (QueueId, Queued)) -> QueueLine {
    let Queued { from, size, made, next, attempts, .. } = queued;
    let recipients = queued.recipients.into_iter().map(|recipient| {
        let (state, said) = match recipient.state {
            Progress::Waiting { said } => (RecipientState::Waiting, said.unwrap_or_default()),
            Progress::Delivered { host, said } => (RecipientState::Delivered, format!("{host}: {said}")),
            Progress::Failed { said } => (RecipientState::Failed, said),
        };
        RecipientLine { address: recipient.address, state, said }
    });
    QueueLine { id: id.0, from, size, made, next, attempts, recipients: recipients.collect() }
}

fn missing(id: u64) -> Failure {
    Failure::Refused(format!("there is no message {id} in the queue"))
}
