//! The queue's invariants.

use super::check::{Check, Shown};
use super::error::Fault;
use super::queue::{QueueId, Queued};
use super::record::decode;
use super::schema::{DUE, LAST_QUEUED, QUEUE, due_key, due_parts};

impl Check<'_> {
    pub(super) fn queue(&mut self) -> Result<(), Fault> {
        let (queue, due) = (self.snapshot.table(QUEUE)?, self.snapshot.table(DUE)?);
        let last = self.config(LAST_QUEUED)?;
        self.each(QUEUE, |check, id, record| {
            let id = QueueId(id);
            let queued: Queued = match decode(record, "queue") {
                Ok(queued) => queued,
                Err(fault) => {
                    check.lose(format!("queue {}: {fault}", id.0));
                    return Ok(());
                }
            };
            if id.0 > last {
                check.find(format!("queue {}: its number may be given out again", id.0), None);
            }
            if due.get(&due_key(queued.next, id))?.is_none() {
                check.find(format!("queue {}: will not be tried again", id.0), None);
            }
            let Queued { blob, size, line_ends, .. } = queued;
            let shown = check.shown.entry(blob).or_insert(Shown { messages: 0, size, line_ends });
            shown.messages += 1;
            if (shown.size, shown.line_ends) != (size, line_ends) {
                check.find(format!("blob {}: the queue and its messages say different sizes", blob.0), None);
            }
            Ok(())
        })?;
        self.each(DUE, |check, key, ()| {
            let (moment, id) = due_parts(key);
            let queued = queue.get(id.0)?.map(|record| decode::<Queued>(record.value(), "queue").ok());
            if queued.is_none_or(|queued| queued.is_some_and(|queued| queued.next != moment)) {
                check.find(format!("queue {}: to be tried at {moment}, of which it does not know", id.0), None);
            }
            Ok(())
        })
    }
}
