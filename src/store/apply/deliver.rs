//! Deliveries, the queue, and small records that others keep.

use super::Batch;
use super::message::Arriving;
use crate::mail::{AccountId, MailboxId, MailboxName};
use crate::store::error::{Fault, Refusal, StoreError};
use crate::store::queue::{Delivery, LocalCopy, Mark, Onward, Place, Placed, Posting, QueueId, Queued, Space};
use crate::store::record::{decode, encode};
use crate::store::schema::{LAST_QUEUED, due_key, kept_key};
use crate::store::write::{History, Outcome};
use redb::ReadableTable;

impl Batch<'_> {
    pub(super) fn deliver(&mut self, delivery: &Delivery) -> Result<Vec<Result<Placed, Refusal>>, StoreError> {
        // Before anything is changed: what the disk has no room for is refused whole.
        self.check_room(delivery.weight() as u64)?;
        for mark in delivery.marks.iter().filter(|mark| !mark.anew) {
            let key = kept_key(Space::Accepted, &mark.key);
            if self.tables.kept.get(key.as_slice())?.is_some_and(|since| Mark::is_good(since.value(), delivery.now)) {
                return Err(Refusal::Changed.into());
            }
        }
        let mut placed = Vec::new();
        for posting in &delivery.messages {
            self.post(posting, delivery.now, &mut placed)?;
        }
        for mark in delivery.marks.iter().filter(|mark| mark.is_due(&placed)) {
            self.keep(Space::Accepted, &mark.key, Some(&delivery.now.to_be_bytes()))?;
        }
        Ok(placed)
    }

    /// Forgets the marks that are no good any more.
    pub(super) fn forget_marks(&mut self, now: i64) -> Result<Outcome, StoreError> {
        let from = kept_key(Space::Accepted, &[]);
        let to = [Space::Accepted as u8 + 1];
        let mut forgotten = 0;
        self.tables.kept.retain_in::<&[u8], _>(from.as_slice()..to.as_slice(), |_, since| {
            let stays = Mark::is_good(since, now);
            forgotten += u64::from(!stays);
            stays
        })?;
        self.touched |= forgotten > 0;
        Ok(Outcome::Expunged(forgotten))
    }

    /// One content to all its places.
    fn post(
        &mut self,
        posting: &Posting,
        now: i64,
        placed: &mut Vec<Result<Placed, Refusal>>,
    ) -> Result<(), StoreError> {
        if let Some(once) = &posting.once
            && !self.begin_once(once, now)?
        {
            placed.extend(posting.copies.iter().map(|_| Err(Refusal::Changed)));
            return Ok(());
        }
        let mut shown = 0;
        for copy in &posting.copies {
            match self.place(posting, copy, now, shown) {
                Ok(place) => {
                    shown += 1;
                    placed.push(Ok(place));
                }
                Err(StoreError::Refused(refusal)) => placed.push(Err(refusal)),
                Err(fault) => return Err(fault),
            }
        }
        for onward in &posting.onward {
            self.enqueue(posting, onward, now, shown)?;
            shown += 1;
        }
        Ok(())
    }

    /// Puts a copy into its mailbox; `shown`: in how many places the content is already.
    fn place(&mut self, posting: &Posting, copy: &LocalCopy, now: i64, shown: u32) -> Result<Placed, StoreError> {
        let (parcel, flags) = (&posting.parcel, &copy.flags);
        self.check_quota_with(copy.account, u64::from(parcel.size), 1, copy.grace)?;
        let mailbox = self.destination(copy.account, &copy.place)?;
        let uid = self.mailbox(mailbox)?.uid_next.ok_or(Refusal::UidsUsedUp)?;
        self.show(parcel, shown)?;
        let arriving = Arriving { parcel, flags, received: posting.received, now, history: History::default() };
        self.arrive(mailbox, uid, &arriving)?;
        Ok(Placed { mailbox, uid })
    }

    /// The mailbox that a copy goes to.
    fn destination(&mut self, account: AccountId, place: &Place) -> Result<MailboxId, StoreError> {
        self.account(account)?;
        let found = match place {
            Place::Inbox => None,
            Place::Special(special) => granted(self.role(account, *special))?,
            Place::Named(name) => match self.named(account, name.as_str())? {
                Some(mailbox) => Some(mailbox),
                None => granted(self.new_place(account, name))?,
            },
        };
        match found {
            Some(mailbox) => Ok(mailbox),
            None => Ok(self.named(account, "INBOX")?.ok_or(Refusal::NoMailbox)?),
        }
    }

    /// A new mailbox that mail goes to, and that clients are to see.
    fn new_place(&mut self, account: AccountId, name: &MailboxName) -> Result<MailboxId, StoreError> {
        let Outcome::Mailbox(mailbox) = self.create_mailbox(account, name, None)? else {
            return Err(Fault::Corrupt("a new mailbox without id").into());
        };
        self.subscribe(account, name.as_str(), true)?;
        Ok(mailbox)
    }

    fn enqueue(&mut self, posting: &Posting, onward: &Onward, now: i64, shown: u32) -> Result<(), StoreError> {
        self.show(&posting.parcel, shown)?;
        let id = QueueId(self.raise(LAST_QUEUED, 1)?);
        let queued = Queued::new(onward, &posting.parcel, now);
        self.put_queued(id, &queued)?;
        Ok(())
    }

    pub(super) fn requeue(
        &mut self,
        id: QueueId,
        revision: u64,
        now_is: Option<&Queued>,
        told: Option<&Delivery>,
    ) -> Result<Outcome, StoreError> {
        let found = self.tables.queue.get(id.0)?.map(|record| decode::<Queued>(record.value(), "queue")).transpose()?;
        let was = found.ok_or(Refusal::Changed)?;
        if was.revision != revision {
            return Err(Refusal::Changed.into());
        }
        let copies = told.map_or(Ok(Vec::new()), |told| self.deliver(told))?;
        self.tables.due.remove(&due_key(was.next, id))?;
        if let Some(now_is) = now_is {
            // Its content and its age are what they were.
            let (blob, size, line_ends, made) = (was.blob, was.size, was.line_ends, was.made);
            let revision = was.revision + 1;
            self.put_queued(id, &Queued { blob, size, line_ends, made, revision, ..now_is.clone() })?;
        } else {
            self.tables.queue.remove(id.0)?;
            self.release(was.blob)?;
            self.queued = true;
        }
        Ok(Outcome::Delivered(copies))
    }

    fn put_queued(&mut self, id: QueueId, queued: &Queued) -> Result<(), Fault> {
        self.tables.queue.insert(id.0, encode(queued)?.as_slice())?;
        self.tables.due.insert(&due_key(queued.next, id), ())?;
        self.queued = true;
        self.touched = true;
        Ok(())
    }

    pub(super) fn keep(&mut self, space: Space, key: &[u8], value: Option<&[u8]>) -> Result<Outcome, StoreError> {
        let key = kept_key(space, key);
        match value {
            Some(value) => self.tables.kept.insert(key.as_slice(), value)?,
            None => self.tables.kept.remove(key.as_slice())?,
        };
        self.touched = true;
        Ok(Outcome::Done)
    }
}

/// What was granted; `None` for what was refused.
fn granted<T>(done: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(StoreError::Refused(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}
