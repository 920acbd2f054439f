//! All that a client, a sender, an owner or a provider could ever be shown of a store, as lines that can be compared.

use pillarbox::store::{MailboxRecord, QueueId, Snapshot, Space, Store, StoreError};
use std::fmt::Debug;

/// Which small records are kept.
const SPACES: [Space; 6] =
    [Space::Dkim, Space::Answered, Space::Warned, Space::Mirror, Space::Accepted, Space::Smarthost];

/// Every record with every date and number, in a fixed order.
pub fn everything(store: &Store) -> Result<Vec<String>, String> {
    let snapshot = store.snapshot().map_err(|fault| fault.to_string())?;
    of(&snapshot).map_err(|error| error.to_string())
}

/// Where two of them differ first.
pub fn difference(found: &[String], expected: &[String]) -> Option<String> {
    let lines = found.len().max(expected.len());
    let at = (0..lines).find(|&at| found.get(at) != expected.get(at))?;
    Some(format!("line {at}: found {:?}, expected {:?}", found.get(at), expected.get(at)))
}

fn of(snapshot: &Snapshot) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    let mut say = |what: &str, record: &dyn Debug| lines.push(format!("{what}: {record:?}"));
    for (id, account) in snapshot.accounts()? {
        say("account", &(id, &account, snapshot.usage(id)?));
        say("subscriptions", &snapshot.subscriptions(id)?);
        say("filing", &snapshot.filing(id)?);
        for (mailbox, record) in snapshot.mailboxes(id)? {
            // What no client is shown: which are recent is known for as long as the store is open, and where rows lie.
            say("mailbox", &(mailbox, MailboxRecord { recent_from: 0, gathered_below: 0, ..record }));
            for row in snapshot.messages(mailbox, 1, u32::MAX)? {
                let (uid, message) = row?;
                let head = snapshot.head(message.blob)?;
                let content = head.as_ref().map(|head| head.read().map(|head| (head.size, head.hash))).transpose()?;
                say("message", &(uid, message, content));
            }
            for (modseq, uids) in snapshot.vanished(mailbox, 0)? {
                say("vanished", &(modseq, uids));
            }
        }
    }
    for (id, queued) in snapshot.queue(QueueId(0), usize::MAX)? {
        say("queued", &(id, queued));
    }
    say("due", &snapshot.due(usize::MAX)?);
    for space in SPACES {
        for (key, value) in snapshot.all_kept(space, &[], usize::MAX)? {
            say("kept", &(space, key, value));
        }
    }
    for (alias, targets) in snapshot.aliases()? {
        say("alias", &(alias, targets.targets));
    }
    say("domains", &snapshot.domains()?);
    Ok(lines)
}
