//! The questions that a message's row and its envelope answer.

use super::{Key, Row, World};
use crate::mail::decode::decode_words;
use crate::mail::{Address, Day, Envelope, FlagSet, SequenceSet};
use std::borrow::Cow;
use std::sync::Arc;

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
    Uid(Arc<[(u32, u32)]>),
    Sequence(Arc<[(u32, u32)]>),
}

/// How a day is compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Before,
    On,
    Since,
}

/// A field that the envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The question of a key; `None` if the row does not answer it. `saved` is the world's, shared by all who ask for it.
    pub fn of(key: &Key, world: &World<'_>, saved: &Arc<[(u32, u32)]>) -> Option<RowQuestion> {
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
            Key::Uid(SequenceSet::Saved) | Key::Sequence(SequenceSet::Saved) => RowQuestion::Uid(Arc::clone(saved)),
            Key::Uid(set) => RowQuestion::Uid(set.resolve(world.last_uid).into()),
            Key::Sequence(set) => RowQuestion::Sequence(set.resolve(world.last_sequence).into()),
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
    /// The question of a key about the day on which a message was sent; `None` if it is another one.
    pub fn of_sent(key: &Key) -> Option<(Order, Day)> {
        Some(match key {
            Key::SentBefore(day) => (Order::Before, *day),
            Key::SentOn(day) => (Order::On, *day),
            Key::SentSince(day) => (Order::Since, *day),
            _ => return None,
        })
    }

    pub fn holds(self, day: Day, asked: Day) -> bool {
        match self {
            Order::Before => day < asked,
            Order::On => day == asked,
            Order::Since => day >= asked,
        }
    }
}

impl Field {
    /// The field of this name, in any case, if the envelope has it.
    pub fn named(name: &str) -> Option<Field> {
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
    pub fn text<'e>(self, envelope: &'e Envelope<'_>) -> Option<Cow<'e, str>> {
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
