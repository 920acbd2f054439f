//! What a search asks for (RFC 9051 §6.4.4), as a tree of keys.

use crate::mail::{Day, SequenceSet, SystemFlag};

/// A search key. Strings are what the client sent, already decoded from its charset to UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Every message.
    All,
    /// A system flag is set.
    Flag(SystemFlag),
    /// A system flag is not set.
    NoFlag(SystemFlag),
    /// A keyword is set; compared without case.
    Keyword(String),
    /// A keyword is not set.
    NoKeyword(String),
    /// `\Recent` is set.
    Recent,
    /// `\Recent` is not set.
    Old,
    /// INTERNALDATE is earlier than the day.
    Before(Day),
    /// INTERNALDATE is on the day.
    On(Day),
    /// INTERNALDATE is on the day or later.
    Since(Day),
    /// The Date field is earlier than the day.
    SentBefore(Day),
    /// The Date field is on the day.
    SentOn(Day),
    /// The Date field is on the day or later.
    SentSince(Day),
    /// INTERNALDATE is at least this many seconds ago (RFC 5032).
    Older(u32),
    /// INTERNALDATE is at most this many seconds ago (RFC 5032).
    Younger(u32),
    /// The header field of this name holds the text; with an empty text, the field exists.
    Header(String, String),
    /// The text stands in a text part of the body.
    Body(String),
    /// The text stands in the header or in a text part of the body.
    Text(String),
    /// RFC822.SIZE is larger.
    Larger(u64),
    /// RFC822.SIZE is smaller.
    Smaller(u64),
    /// The UID is in the set.
    Uid(SequenceSet),
    /// The message number is in the set.
    Sequence(SequenceSet),
    /// The key does not match.
    Not(Box<Key>),
    /// One of the two matches.
    Or(Box<Key>, Box<Key>),
    /// All match.
    And(Vec<Key>),
}
