//! The questions that a message's row and its envelope answer.

use super::needle::Needle;
use super::{Key, Row, World};
use crate::mail::decode::decode_words;
use crate::mail::{Address, Day, Envelope, FlagSet, SequenceSet};
use std::borrow::Cow;

/// What the row answers.
#[derive(Debug)]
pub(super) enum RowQuestion {
    Always,
    Flags(FlagSet),
    Recent,
    Received(Order, Day),
    /// Received at this second or earlier.
    Until(i64),
    /// Received at this second or later.
    From(i64),
    Larger(u64),
    Smaller(u64),
    Uid(Vec<(u32, u32)>),
    Sequence(Vec<(u32, u32)>),
}

/// How a day is compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Before,
    On,
    Since,
}

/// What the envelope answers.
#[derive(Debug)]
pub(super) enum EnvelopeQuestion {
    Sent(Order, Day),
    Holds(Field, Needle),
}

/// A field that the envelope holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Subject,
    From,
    To,
    Cc,
    Bcc,
    MessageId,
    InReplyTo,
}

impl RowQuestion {
    /// The question of a key; `None` if the row does not answer it.
    pub fn of(key: &Key, world: &World<'_>) -> Option<RowQuestion> {
        Some(match key {
            Key::All => RowQuestion::Always,
            Key::Flag(flag) => RowQuestion::Flags(flag.set()),
            Key::Keyword(name) => RowQuestion::Flags((world.keyword)(name)),
            Key::Recent => RowQuestion::Recent,
            Key::Before(day) => RowQuestion::Received(Order::Before, *day),
            Key::On(day) => RowQuestion::Received(Order::On, *day),
            Key::Since(day) => RowQuestion::Received(Order::Since, *day),
            Key::Older(seconds) => RowQuestion::Until(world.now.saturating_sub((*seconds).into())),
            Key::Younger(seconds) => RowQuestion::From(world.now.saturating_sub((*seconds).into())),
            Key::Larger(size) => RowQuestion::Larger(*size),
            Key::Smaller(size) => RowQuestion::Smaller(*size),
            // What is saved are UIDs, whichever way it is asked for.
            Key::Uid(SequenceSet::Saved) | Key::Sequence(SequenceSet::Saved) => RowQuestion::Uid(world.saved.to_vec()),
            Key::Uid(set) => RowQuestion::Uid(set.resolve(world.last_uid)),
            Key::Sequence(set) => RowQuestion::Sequence(set.resolve(world.last_sequence)),
            _ => return None,
        })
    }

    pub fn answer(&self, row: &Row) -> bool {
        match self {
            RowQuestion::Always => true,
            // A keyword that the mailbox does not know is set nowhere.
            RowQuestion::Flags(flags) => *flags != FlagSet::NONE && row.flags.has(*flags),
            RowQuestion::Recent => row.recent,
            RowQuestion::Received(order, day) => order.holds(row.received.day(), *day),
            RowQuestion::Until(second) => row.received.seconds <= *second,
            RowQuestion::From(second) => row.received.seconds >= *second,
            RowQuestion::Larger(size) => u64::from(row.size) > *size,
            RowQuestion::Smaller(size) => u64::from(row.size) < *size,
            RowQuestion::Uid(ranges) => holds(ranges, row.uid.number()),
            RowQuestion::Sequence(ranges) => holds(ranges, row.sequence),
        }
    }
}

impl Order {
    fn holds(self, day: Day, asked: Day) -> bool {
        match self {
            Order::Before => day < asked,
            Order::On => day == asked,
            Order::Since => day >= asked,
        }
    }
}

impl EnvelopeQuestion {
    /// The question of a key; `None` if the envelope does not answer it.
    pub fn of(key: &Key) -> Option<EnvelopeQuestion> {
        Some(match key {
            Key::SentBefore(day) => EnvelopeQuestion::Sent(Order::Before, *day),
            Key::SentOn(day) => EnvelopeQuestion::Sent(Order::On, *day),
            Key::SentSince(day) => EnvelopeQuestion::Sent(Order::Since, *day),
            // With an empty text the question is whether the field exists: that the header knows.
            Key::Header(name, text) if !text.is_empty() => {
                EnvelopeQuestion::Holds(Field::named(name)?, Needle::new(text))
            }
            _ => return None,
        })
    }

    /// A message without a readable Date counts as sent when it was received.
    pub fn answer(&self, envelope: &Envelope<'_>, received: Day, space: &mut Vec<u8>) -> bool {
        match self {
            EnvelopeQuestion::Sent(order, day) => {
                let sent = envelope.date.as_deref().and_then(Day::sent);
                order.holds(sent.unwrap_or(received), *day)
            }
            EnvelopeQuestion::Holds(field, needle) => {
                field.text(envelope).is_some_and(|text| needle.is_in(&text, space))
            }
        }
    }
}

impl Field {
    fn named(name: &str) -> Option<Field> {
        let known = [
            ("subject", Field::Subject),
            ("from", Field::From),
            ("to", Field::To),
            ("cc", Field::Cc),
            ("bcc", Field::Bcc),
            ("message-id", Field::MessageId),
            ("in-reply-to", Field::InReplyTo),
        ];
        known.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, field)| *field)
    }

    /// The field as a reader sees it.
    fn text<'e>(self, envelope: &'e Envelope<'_>) -> Option<Cow<'e, str>> {
        match self {
            Field::Subject => envelope.subject.as_deref().map(decode_words),
            Field::MessageId => envelope.message_id.as_deref().map(decode_words),
            Field::InReplyTo => envelope.in_reply_to.as_deref().map(decode_words),
            Field::From => Some(listed(&envelope.from)),
            Field::To => Some(listed(&envelope.to)),
            Field::Cc => Some(listed(&envelope.cc)),
            Field::Bcc => Some(listed(&envelope.bcc)),
        }
    }
}

/// `name <mailbox@host>, …`
fn listed<'e>(addresses: &[Address<'_>]) -> Cow<'e, str> {
    let mut out = String::new();
    for address in addresses {
        let (name, mailbox, host) = (address.name.as_deref(), address.mailbox.as_deref(), address.host.as_deref());
        if !out.is_empty() && mailbox.is_some() {
            out.push_str(", ");
        }
        if let Some(name) = name {
            out.push_str(&decode_words(name));
            out.push(' ');
        }
        match (mailbox, host) {
            (Some(mailbox), Some(host)) => {
                out.push('<');
                out.push_str(&decode_words(mailbox));
                if !host.is_empty() {
                    out.push('@');
                    out.push_str(&decode_words(host));
                }
                out.push('>');
            }
            (Some(group), None) => {
                out.push_str(&decode_words(group));
                out.push(':');
            }
            (None, _) => out.push(';'),
        }
    }
    Cow::Owned(out)
}

fn holds(ranges: &[(u32, u32)], number: u32) -> bool {
    let after = ranges.partition_point(|(low, _)| *low <= number);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, high)| number <= *high)
}
