//! How long mail that POP3 clients deleted can still be found in the Trash.

use crate::store::{Fault, Retired, SpecialUse, Store, StoreError, Uids, Write};

const DAY: i64 = 24 * 60 * 60;

/// Removes what POP3 put into any Trash more than so many days ago, unless somebody took it out of there; returns how many
/// messages. Days are those that passed while the server ran, whatever the clock says. Reads and writes in pieces; may
/// wait.
pub fn expire(store: &Store, days: u32) -> Result<u64, Fault> {
    if store.is_read_only() {
        return Ok(0);
    }
    let kept = i64::from(days) * DAY;
    let mut removed = 0;
    let accounts = store.snapshot()?.accounts()?;
    for (account, _) in accounts {
        let mailboxes = store.snapshot()?.mailboxes(account)?;
        for (mailbox, record) in mailboxes {
            if record.special != Some(SpecialUse::Trash) && record.name != SpecialUse::Trash.name() {
                continue;
            }
            let (mut old, mut before) = (Vec::new(), 0);
            for message in store.snapshot()?.messages(mailbox, 1, u32::MAX)? {
                let (uid, message) = message?;
                if message.retired == Retired::Trashed && store.is_over(message.saved, kept) {
                    old.push(uid);
                    before = message.saved.saturating_add(1).max(before);
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
