//! The envelope of a message: its header fields, parsed but not decoded, as IMAP shows them (RFC 9051 §7.5.2).

use super::address::addresses;
use super::header::{Field, fields, unfold};
use super::limits;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Raw, unfolded header values; encoded words stay encoded. Read once, at delivery, and kept in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// The Date field as written.
    #[serde(borrow, with = "serde_bytes")]
    pub date: Option<Cow<'a, [u8]>>,
    /// The Subject field, unfolded.
    #[serde(borrow, with = "serde_bytes")]
    pub subject: Option<Cow<'a, [u8]>>,
    /// From.
    #[serde(borrow)]
    pub from: Vec<Address<'a>>,
    /// Sender; empty here where the field is absent or empty (who shows it falls back to From).
    #[serde(borrow)]
    pub sender: Vec<Address<'a>>,
    /// Reply-To; empty here where the field is absent or empty (who shows it falls back to From).
    #[serde(borrow)]
    pub reply_to: Vec<Address<'a>>,
    /// To.
    #[serde(borrow)]
    pub to: Vec<Address<'a>>,
    /// Cc.
    #[serde(borrow)]
    pub cc: Vec<Address<'a>>,
    /// Bcc.
    #[serde(borrow)]
    pub bcc: Vec<Address<'a>>,
    /// In-Reply-To, unfolded.
    #[serde(borrow, with = "serde_bytes")]
    pub in_reply_to: Option<Cow<'a, [u8]>>,
    /// Message-ID, unfolded and trimmed.
    #[serde(borrow, with = "serde_bytes")]
    pub message_id: Option<Cow<'a, [u8]>>,
}

/// One address, or the begin or end of a group (RFC 9051 §7.5.2: host NIL; a start has its name in `mailbox`,
/// an end has no mailbox either).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address<'a> {
    /// The display name, quotes removed, encoded words kept.
    #[serde(borrow, with = "serde_bytes")]
    pub name: Option<Cow<'a, [u8]>>,
    /// The obsolete source route (`@a,@b`).
    #[serde(borrow, with = "serde_bytes")]
    pub route: Option<Cow<'a, [u8]>>,
    /// The local part, or a group's name.
    #[serde(borrow, with = "serde_bytes")]
    pub mailbox: Option<Cow<'a, [u8]>>,
    /// The domain.
    #[serde(borrow, with = "serde_bytes")]
    pub host: Option<Cow<'a, [u8]>>,
}

impl Envelope<'static> {
    /// Reads the envelope of a message from its header.
    #[must_use]
    pub fn read(header: &[u8]) -> Envelope<'static> {
        let mut allowance = limits::OUTLINE_ADDRESSES;
        Envelope::read_within(header, &mut allowance)
    }

    /// As `read`, taking the addresses that it keeps from `allowance`.
    pub(super) fn read_within(header: &[u8], allowance: &mut usize) -> Envelope<'static> {
        let mut envelope = Envelope::default();
        for Field { name, value, .. } in fields(header) {
            // Of a field that may stand only once, the first counts; destinations add up (RFC 5322 §4.5.3).
            match name.to_ascii_lowercase().as_slice() {
                b"date" => keep(&mut envelope.date, value),
                b"subject" => keep(&mut envelope.subject, value),
                b"in-reply-to" => keep(&mut envelope.in_reply_to, value),
                b"message-id" => keep(&mut envelope.message_id, value),
                b"from" if envelope.from.is_empty() => extend(&mut envelope.from, value, allowance),
                b"sender" if envelope.sender.is_empty() => extend(&mut envelope.sender, value, allowance),
                b"reply-to" if envelope.reply_to.is_empty() => extend(&mut envelope.reply_to, value, allowance),
                b"to" => extend(&mut envelope.to, value, allowance),
                b"cc" => extend(&mut envelope.cc, value, allowance),
                b"bcc" => extend(&mut envelope.bcc, value, allowance),
                _ => {}
            }
        }
        envelope
    }
}

/// The value on one line, within its limit.
pub(super) fn line(value: &[u8]) -> Cow<'static, [u8]> {
    let value = value.trim_ascii_start();
    Cow::Owned(unfold(value.get(..limits::HEADER_VALUE).unwrap_or(value)).into_owned())
}

fn keep(slot: &mut Option<Cow<'static, [u8]>>, value: &[u8]) {
    slot.get_or_insert_with(|| line(value));
}

fn extend(list: &mut Vec<Address<'static>>, value: &[u8], allowance: &mut usize) {
    let room = limits::ADDRESSES.saturating_sub(list.len()).min(*allowance);
    let value = value.get(..limits::ADDRESS_LIST).unwrap_or(value);
    let read = addresses(&unfold(value), room);
    *allowance = allowance.saturating_sub(read.len());
    list.extend(read);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unfolded_and_an_empty_field_is_not_an_absent_one() {
        let envelope =
            Envelope::read(b"Subject: a\r\n b\r\nMessage-ID:\r\n  <x@y> \r\nIn-Reply-To:\r\nsubject: later\r\n\r\n");
        assert_eq!(envelope.subject.as_deref(), Some(&b"a b"[..]));
        assert_eq!(envelope.message_id.as_deref(), Some(&b"<x@y>"[..]));
        assert_eq!(envelope.in_reply_to.as_deref(), Some(&b""[..]));
        assert_eq!(envelope.date, None);
    }

    #[test]
    fn destinations_add_up_and_the_sender_does_not() {
        let envelope = Envelope::read(b"To: a@b\r\nTo: c@d\r\nFrom: e@f\r\nFrom: g@h\r\n");
        assert_eq!((envelope.to.len(), envelope.from.len()), (2, 1));
    }

    #[test]
    fn an_endless_list_stops_at_its_limit() {
        let header = [b"To: ".as_slice(), &b"a,".repeat(limits::HEADER_VALUE)].concat();
        assert_eq!(Envelope::read(&header).to.len(), limits::ADDRESSES);
    }
}
