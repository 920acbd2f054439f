//! What became of queued mail, told in the log: one line for each recipient.

use super::runner::Load;
use super::smtp::{Fate, Said};
use crate::events::Event;
use crate::mail::header::{Field, fields, first};
use crate::mail::{AccountId, UniqueId, limits};
use crate::store::{Outcome, Placed, QueueId, Queued, Refusal, Store};

/// By what the log knows a queued mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The one that it had when it came in: it stands in the `Received` field that we put above it.
    id: Option<UniqueId>,
    message_id: Option<String>,
}

impl Names {
    /// From its header; `host`: what we are called.
    pub(super) fn read(header: &[u8], host: &str) -> Names {
        let received = fields(header).find(|field| field.name.eq_ignore_ascii_case(b"Received"));
        let message_id = first(header, b"Message-ID").map(<[u8]>::trim_ascii).filter(|id| !id.is_empty());
        let message_id = message_id.map(|id| id.get(..limits::ADDRESS).unwrap_or(id));
        Names {
            id: received.and_then(|field| own_id(&field, host)),
            message_id: message_id.map(|id| String::from_utf8_lossy(id).into_owned()),
        }
    }
}

/// The id in a `Received` field that this host wrote: `… by HOST with ESMTP id 0123456789abcdef …`.
fn own_id(field: &Field<'_>, host: &str) -> Option<UniqueId> {
    let text = String::from_utf8_lossy(field.value);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let after = |word: &str| words.windows(2).find(|pair| pair.first() == Some(&word)).and_then(|pair| pair.get(1));
    after("by").filter(|by| by.eq_ignore_ascii_case(host))?;
    UniqueId::parse(after("id")?.trim_end_matches(';'))
}

/// A line about one recipient.
fn line(event: &'static str, names: &Names, queue: QueueId, queued: &Queued, to: &str) -> Event {
    let event = Event::new("mail").with("event", event).maybe("id", names.id).with("queue", queue.0);
    event.maybe("message-id", names.message_id.as_ref()).with("from", &queued.from).with("to", to)
}

/// What a server, or we ourselves, said of a recipient; `relay`: whom we asked.
pub(super) fn tried(load: &Load<'_>, to: &str, relay: Option<&str>, fate: &Fate) {
    let (event, said) = match fate {
        Fate::Taken { said, .. } => ("sent", said),
        Fate::Later(said) => ("deferred", said),
        Fate::Never(said) => ("failed", said),
    };
    let event = line(event, &load.names, load.id, load.queued, to).maybe("relay", relay.or(said.host.as_deref()));
    event.with("reply", &said.text).log();
}

/// A recipient for whom it is not tried any more.
pub(super) fn expired(names: &Names, queue: QueueId, queued: &Queued, to: &str, said: &Said) {
    line("expired", names, queue, queued, to).maybe("relay", said.host.as_deref()).with("reply", &said.text).log();
}

/// A copy that is to be placed here: for which recipient, and whose it is.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) to: String,
    pub(super) account: AccountId,
}

/// What came home: where it is now.
pub(super) fn came_home(load: &Load<'_>, copies: &[Copy], outcome: &Outcome, store: &Store) {
    let Outcome::Delivered(placed) = outcome else { return };
    // Names are only said: a store that cannot be read now takes nothing from what was done.
    let snapshot = store.snapshot().ok();
    for (copy, placed) in copies.iter().zip(placed) {
        let event = line("delivered", &load.names, load.id, load.queued, &copy.to);
        let account = snapshot.as_ref().and_then(|snapshot| snapshot.account(copy.account).ok()?);
        let event = event.maybe("account", account.map(|account| account.address));
        let Ok(Placed { mailbox, uid }) = placed else {
            let refusal: Option<&Refusal> = placed.as_ref().err();
            event.maybe("reply", refusal).log();
            continue;
        };
        let mailbox = snapshot.as_ref().and_then(|snapshot| snapshot.mailbox(*mailbox).ok()?);
        event.maybe("mailbox", mailbox.map(|mailbox| mailbox.name)).with("uid", uid).log();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_known_by_the_id_that_it_came_in_with() {
        let ours = b"Return-Path: <a@x>\r\nReceived: from c (c [192.0.2.1])\r\n\tby mail.example.org with ESMTPS\r\n\
            \tid 00000000000000ff; Mon, 1 Jan 2024 00:00:00 +0000\r\nReceived: from x by y id 0000000000000001\r\n\
            Message-ID: <1@x>\r\n\r\n";
        let names = Names::read(ours, "Mail.example.org");
        assert_eq!(names, Names { id: Some(UniqueId(255)), message_id: Some("<1@x>".to_owned()) });
        // Another host's number is not ours.
        assert_eq!(Names::read(ours, "other.example.org").id, None);
        assert_eq!(Names::read(b"Subject: x\r\n\r\n", "mail.example.org"), Names::default());
    }
}
