//! How long mail that POP3 clients deleted can still be found in the Trash.

use crate::store::{Fault, Retired, SpecialUse, Store, StoreError, Uids, Write};

const DAY: i64 = 24 * 60 * 60;

/// Removes what POP3 put into any Trash more than so many days before `now` (seconds since 1970), unless somebody took it
/// out of there; returns how many messages. Reads and writes in pieces; may wait.
pub fn expire(store: &Store, days: u32, now: i64) -> Result<u64, Fault> {
    if store.is_read_only() {
        return Ok(0);
    }
    let before = now.saturating_sub(i64::from(days) * DAY);
    let mut removed = 0;
    let accounts = store.snapshot()?.accounts()?;
    for (account, _) in accounts {
        let mailboxes = store.snapshot()?.mailboxes(account)?;
        for (mailbox, record) in mailboxes {
            if record.special != Some(SpecialUse::Trash) && record.name != SpecialUse::Trash.name() {
                continue;
            }
            let mut old = Vec::new();
            for message in store.snapshot()?.messages(mailbox, 1, u32::MAX)? {
                let (uid, message) = message?;
                if message.retired == Retired::Trashed && message.saved < before {
                    old.push(uid);
                }
            }
            if old.is_empty() {
                continue;
            }
            let count = old.len() as u64;
            let uids = Uids::from_ascending(old);
            match store.write_blocking(Write::Expire { mailbox, uids, before }) {
                Ok(_) => removed += count,
                // The mailbox, or its account, was removed meanwhile.
                Err(StoreError::Refused(_)) => {}
                Err(StoreError::Fault(fault)) => return Err(fault),
            }
        }
    }
    Ok(removed)
}
