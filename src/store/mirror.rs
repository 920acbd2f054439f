//! What all sessions on a mailbox share: its rows in memory, and a bell that says that they changed.
//!
//! A [`Mirror`] is one published state. Its rows are chunks behind `Arc`s: the next state shares all chunks but those
//! that changed, a session keeps the state that its client knows for the price of a list of pointers, and comparing the
//! two skips whatever is the same chunk.

use super::disk;
use super::error::Fault;
use super::guard::contained;
use super::record::MailboxRecord;
use super::rows::{Row, Rows};
use super::snapshot::Snapshot;
use super::write::Uids;
use crate::mail::{MailboxId, ModSeq, Uid, UidValidity};
use event_listener::{Event, EventListener};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// One published state of an open mailbox.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// Its generation.
    pub uid_validity: UidValidity,
    /// The next UID; `None` when they are used up.
    pub uid_next: Option<Uid>,
    /// The modification sequence of the last change.
    pub modseq: ModSeq,
    /// Keyword names by number.
    pub keywords: Arc<[String]>,
    /// The messages.
    pub rows: Rows,
    /// The mailbox was deleted.
    pub gone: bool,
}

/// An open mailbox: where its present state is and where its bell hangs.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Slot>);

#[derive(Debug)]
struct Slot {
    state: Mutex<State>,
    bell: Event,
}

#[derive(Debug)]
enum State {
    /// Being read from a snapshot; changes committed meanwhile wait. They may be in the snapshot already, but they say
    /// what a row *is*, so doing them again does no harm.
    Loading(Vec<Change>),
    Open {
        mirror: Arc<Mirror>,
        recent_from: u32,
    },
    /// Reading it failed; the next who opens it starts afresh.
    Failed,
}

/// What a transaction did to a mailbox.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    /// New rows and changed rows, the last one of a UID counts.
    pub(super) set: Vec<Row>,
    /// UIDs that are gone.
    pub(super) removed: Vec<Uid>,
    pub(super) uid_next: Option<Uid>,
    pub(super) modseq: Option<ModSeq>,
    /// When they changed.
    pub(super) keywords: Option<Arc<[String]>>,
    pub(super) gone: bool,
}

/// All open mailboxes.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    open: Mutex<Open>,
    // Held while a mailbox is being read, so that two sessions that open it at once share one slot.
    loading: Mutex<()>,
}

#[derive(Debug, Default)]
struct Open {
    slots: HashMap<MailboxId, Arc<Slot>>,
    // Slots that nobody watches stay for the next SELECT, oldest first, up to a number of rows.
    idle: Vec<MailboxId>,
    // Where dropped slots' messages stopped being recent.
    recents: BTreeMap<MailboxId, u32>,
}

/// Rows that may stay in memory though nobody watches their mailboxes: 4 MB.
const IDLE_ROWS: usize = 128 << 10;
/// Mailboxes that may stay in memory though nobody watches them.
const IDLE_SLOTS: usize = 64;
/// Messages from which on a mailbox is read by several threads,
const SPLIT: u64 = 4_096;
/// and by how many: where the rows lie together,
const WALKERS: u32 = 2;
/// and where they do not.
const READERS: u32 = 16;

impl Mirror {
    fn apply(&mut self, change: &Change) {
        for row in &change.set {
            if !self.rows.replace(*row) {
                self.rows.push(*row);
            }
        }
        if !change.removed.is_empty() {
            let mut removed = change.removed.clone();
            removed.sort_unstable();
            self.rows.remove(&Uids::from_ascending(removed));
        }
        if let Some(modseq) = change.modseq {
            self.modseq = self.modseq.max(modseq);
            self.uid_next = change.uid_next;
        }
        if let Some(keywords) = &change.keywords {
            self.keywords = Arc::clone(keywords);
        }
        self.gone |= change.gone;
    }
}

impl Watch {
    /// The present state.
    #[must_use]
    pub fn now(&self) -> Arc<Mirror> {
        match &*self.0.lock() {
            State::Open { mirror, .. } => Arc::clone(mirror),
            // A watch is only given out when the mirror is open, and it stays open.
            State::Loading(_) | State::Failed => Arc::new(Mirror::nothing()),
        }
    }

    /// Hears the bell from now on: look at the state after listening, or a ring may be missed.
    #[must_use]
    pub fn listen(&self) -> EventListener {
        self.0.bell.listen()
    }

    /// Claims the messages below this UID as `\Recent` for one session: returns from which UID on they are its own.
    #[must_use]
    pub fn claim_recent(&self, below: u32) -> u32 {
        match &mut *self.0.lock() {
            State::Open { recent_from, .. } => {
                let from = *recent_from;
                *recent_from = from.max(below);
                from
            }
            State::Loading(_) | State::Failed => below,
        }
    }

    /// From which UID on messages are still `\Recent` for whoever asks first.
    #[must_use]
    pub fn recent_from(&self) -> u32 {
        match &*self.0.lock() {
            State::Open { recent_from, .. } => *recent_from,
            State::Loading(_) | State::Failed => u32::MAX,
        }
    }
}

impl Mirror {
    /// A mailbox that is not there.
    fn nothing() -> Mirror {
        Mirror {
            mailbox: MailboxId(0),
            uid_validity: UidValidity(std::num::NonZeroU32::MIN),
            uid_next: None,
            modseq: ModSeq::FIRST,
            keywords: Arc::from([]),
            rows: Rows::default(),
            gone: true,
        }
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mirrors {
    /// Opens a mailbox; `None` when there is none. `snapshot` is called after changes began to be gathered.
    pub(super) fn open(
        &self,
        mailbox: MailboxId,
        snapshot: impl FnOnce() -> Result<Snapshot, Fault>,
    ) -> Result<Option<Watch>, Fault> {
        if let Some(watch) = self.find(mailbox) {
            return Ok(Some(watch));
        }
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = self.find(mailbox) {
            return Ok(Some(watch));
        }
        let slot = Arc::new(Slot { state: Mutex::new(State::Loading(Vec::new())), bell: Event::new() });
        self.lock().slots.insert(mailbox, Arc::clone(&slot));
        match snapshot().and_then(|snapshot| load(mailbox, &snapshot)) {
            Ok(Some((mut mirror, recent_from))) => {
                let told = self.lock().recents.get(&mailbox).copied();
                let recent_from = told.map_or(recent_from, |told| told.max(recent_from));
                let read_at = mirror.modseq;
                let mut state = slot.lock();
                if let State::Loading(changes) = &*state {
                    // What the snapshot is ahead of must not take it back; doing it again where equal does no harm.
                    for change in changes.iter().filter(|change| change.modseq.is_none_or(|at| at >= read_at)) {
                        mirror.apply(change);
                    }
                }
                *state = State::Open { mirror: Arc::new(mirror), recent_from };
                drop(state);
                self.keep(mailbox);
                Ok(Some(Watch(slot)))
            }
            other => {
                *slot.lock() = State::Failed;
                self.lock().slots.remove(&mailbox);
                other.map(|_| None)
            }
        }
    }

    fn find(&self, mailbox: MailboxId) -> Option<Watch> {
        let open = self.lock();
        let slot = open.slots.get(&mailbox)?;
        matches!(*slot.lock(), State::Open { .. }).then(|| Watch(Arc::clone(slot)))
    }

    /// Whether a mailbox is in memory.
    pub(super) fn is_open(&self, mailbox: MailboxId) -> bool {
        self.find(mailbox).is_some()
    }

    /// Publishes what a transaction did, and rings.
    pub(super) fn publish(&self, mailbox: MailboxId, change: Change) {
        let slot = {
            let mut open = self.lock();
            if change.gone { open.slots.remove(&mailbox) } else { open.slots.get(&mailbox).cloned() }
        };
        let Some(slot) = slot else { return };
        match &mut *slot.lock() {
            State::Loading(changes) => changes.push(change),
            State::Open { mirror, .. } => Arc::make_mut(mirror).apply(&change),
            State::Failed => {}
        }
        slot.bell.notify(usize::MAX);
    }

    /// Up to which UID the messages of mailboxes that are or were open have been told to sessions.
    pub(super) fn recents(&self) -> BTreeMap<MailboxId, u32> {
        let open = self.lock();
        let mut recents = open.recents.clone();
        for (mailbox, slot) in &open.slots {
            if let State::Open { recent_from, .. } = &*slot.lock() {
                recents.insert(*mailbox, *recent_from);
            }
        }
        recents
    }

    /// These are in the store now.
    pub(super) fn forget_recents(&self, saved: &BTreeMap<MailboxId, u32>) {
        self.lock().recents.retain(|mailbox, from| saved.get(mailbox).is_none_or(|saved| saved < from));
    }

    /// Reads all open mailboxes again. Only the writer calls this, so nothing is published meanwhile.
    pub(super) fn reload(&self, snapshot: impl Fn() -> Result<Snapshot, Fault>) {
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let slots: Vec<(MailboxId, Arc<Slot>)> =
            self.lock().slots.iter().map(|(mailbox, slot)| (*mailbox, Arc::clone(slot))).collect();
        for (mailbox, slot) in slots {
            match snapshot().and_then(|snapshot| load(mailbox, &snapshot)) {
                Ok(Some((fresh, _))) => {
                    if let State::Open { mirror, .. } = &mut *slot.lock() {
                        *mirror = Arc::new(fresh);
                    }
                    slot.bell.notify(usize::MAX);
                }
                Ok(None) => self.publish(mailbox, Change { gone: true, ..Change::default() }),
                Err(fault) => log::error!("an open mailbox cannot be read again: {fault}"),
            }
        }
    }

    /// The same for one mailbox.
    pub(super) fn recent_from(&self, mailbox: MailboxId) -> Option<u32> {
        let open = self.lock();
        match open.slots.get(&mailbox).map(|slot| slot.lock()).as_deref() {
            Some(State::Open { recent_from, .. }) => Some(*recent_from),
            _ => open.recents.get(&mailbox).copied(),
        }
    }

    /// Puts this mailbox last in the line of those to be dropped, and drops what is too much and not watched.
    fn keep(&self, mailbox: MailboxId) {
        let mut open = self.lock();
        open.idle.retain(|other| *other != mailbox);
        open.idle.push(mailbox);
        let Open { slots, idle, recents } = &mut *open;
        let mut rows = 0;
        let mut kept = 0;
        // From the one used last: what comes after the bound goes, unless somebody watches it.
        let mut keep = Vec::with_capacity(idle.len());
        for mailbox in idle.iter().rev() {
            let Some(slot) = slots.get(mailbox) else { continue };
            if Arc::strong_count(slot) == 1 {
                let (len, recent) = match &*slot.lock() {
                    State::Open { mirror, recent_from } => (mirror.rows.len(), *recent_from),
                    State::Loading(_) | State::Failed => (0, 0),
                };
                rows += len;
                kept += 1;
                if rows > IDLE_ROWS || kept > IDLE_SLOTS {
                    slots.remove(mailbox);
                    recents.insert(*mailbox, recent);
                    continue;
                }
            }
            keep.push(*mailbox);
        }
        keep.reverse();
        *idle = keep;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(mailbox: MailboxId, snapshot: &Snapshot) -> Result<Option<(Mirror, u32)>, Fault> {
    let Some(record) = snapshot.mailbox(mailbox)? else { return Ok(None) };
    let rows = load_rows(mailbox, &record, snapshot)?;
    snapshot.guarded(|| fits(&record, &rows))?;
    let MailboxRecord { uid_validity, uid_next, modseq, keywords, recent_from, .. } = record;
    let mirror = Mirror { mailbox, uid_validity, uid_next, modseq, keywords: keywords.into(), rows, gone: false };
    Ok(Some((mirror, recent_from)))
}

/// A mailbox is shown as it is, or not at all: whoever mirrors it would delete what it lacks.
fn fits(record: &MailboxRecord, rows: &Rows) -> Result<(), Fault> {
    let next = record.uid_next.map_or(u64::MAX, |uid| u64::from(uid.number()));
    let last = rows.len().checked_sub(1).and_then(|last| rows.get(last));
    if rows.len() as u64 != record.messages {
        Err(Fault::Corrupt("a mailbox has not as many messages as it counts"))
    } else if last.is_some_and(|last| u64::from(last.uid.number()) >= next) {
        Err(Fault::Corrupt("a mailbox has messages that are not below its next UID"))
    } else if rows.from(0).any(|row| row.modseq > record.modseq) {
        Err(Fault::Corrupt("a mailbox has changes after its last one"))
    } else {
        Ok(())
    }
}

/// Reads the rows of a mailbox.
fn load_rows(mailbox: MailboxId, record: &MailboxRecord, snapshot: &Snapshot) -> Result<Rows, Fault> {
    let below = record.uid_next.map_or(u32::MAX, Uid::number);
    let read = |from: u32, to: u32| -> Result<Vec<Row>, Fault> {
        let mut rows = Vec::new();
        for message in snapshot.message_starts(mailbox, from, to)? {
            let (uid, message) = message?;
            rows.push(Row { uid, modseq: message.modseq, flags: message.flags });
        }
        Ok(rows)
    };
    if record.messages < SPLIT {
        return Ok(read(1, u32::MAX)?.into_iter().collect());
    }
    // Rows that lie together are walked through; those that lie here and there cost a trip each, and the more are under way
    // at once the better.
    let together = u64::from(below.saturating_sub(record.gathered_below)) < SPLIT;
    let readers = if together { WALKERS } else { READERS };
    let step = below.div_ceil(readers);
    let part = |number: u32| {
        let from = number.saturating_mul(step).saturating_add(1);
        let read = || read(from, from.saturating_add(step - 1));
        if together { read() } else { disk::scattered(read) }
    };
    let parts = std::thread::scope(|scope| {
        let others: Vec<_> = (1..readers).map(|number| scope.spawn(move || part(number))).collect();
        let first = contained(|| part(0));
        let others = others.into_iter().map(|other| {
            let broken = |_| Err(Fault::Io("the store is damaged: reading it failed".to_owned()));
            other.join().unwrap_or_else(broken)
        });
        std::iter::once(first).chain(others).collect::<Result<Vec<_>, Fault>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}
