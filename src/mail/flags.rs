//! Flags of a message: the system flags and, per mailbox, up to 120 keywords, as one set of bits.

use super::limits;
use serde::{Deserialize, Serialize};
use std::ops::{BitAnd, BitOr, Not};

/// A flag that every mailbox knows (RFC 9051 §2.3.2). `\Recent` is no stored flag: it belongs to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemFlag {
    /// `\Seen`
    Seen,
    /// `\Answered`
    Answered,
    /// `\Flagged`
    Flagged,
    /// `\Deleted`
    Deleted,
    /// `\Draft`
    Draft,
}

/// The flags set on a message. Bits 0–7 are system flags; bit 8 + n is the mailbox's keyword number n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlagSet(pub u128);

impl SystemFlag {
    /// All of them, in the order in which they are listed to clients.
    pub const ALL: [SystemFlag; 5] =
        [SystemFlag::Answered, SystemFlag::Flagged, SystemFlag::Deleted, SystemFlag::Seen, SystemFlag::Draft];

    /// As it is written in IMAP and in a Maildir's `dovecot-keywords` alike: with its backslash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SystemFlag::Seen => "\\Seen",
            SystemFlag::Answered => "\\Answered",
            SystemFlag::Flagged => "\\Flagged",
            SystemFlag::Deleted => "\\Deleted",
            SystemFlag::Draft => "\\Draft",
        }
    }

    /// The set that holds only this flag.
    #[must_use]
    pub const fn set(self) -> FlagSet {
        FlagSet(1 << self as u32)
    }

    /// The flag of this name, compared without case; the name carries its backslash.
    #[must_use]
    pub fn from_name(name: &str) -> Option<SystemFlag> {
        SystemFlag::ALL.into_iter().find(|flag| flag.name().eq_ignore_ascii_case(name))
    }
}

/// Whether a keyword can have this name: an atom (RFC 9051 §9, `flag-keyword`) of at most [`limits::KEYWORD`] octets.
#[must_use]
pub fn is_keyword(name: &str) -> bool {
    (1..=limits::KEYWORD).contains(&name.len())
        && name.bytes().all(|octet| octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet))
}

impl FlagSet {
    /// No flags at all.
    pub const NONE: FlagSet = FlagSet(0);
    /// How many keywords a mailbox can know.
    pub const KEYWORDS: usize = 120;

    /// Whether a mailbox that knows these keywords can learn those of `names` that it does not know: it has room for
    /// them, and none is too long. Names that begin with a backslash are no keywords.
    #[must_use]
    pub fn has_room(known: &[String], names: &[String]) -> bool {
        let is_known = |name: &String| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        let mut new: Vec<&String> = Vec::new();
        for name in names.iter().filter(|name| !name.starts_with('\\') && !is_known(name)) {
            if name.len() > limits::KEYWORD {
                return false;
            }
            if !new.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                new.push(name);
            }
        }
        known.len() + new.len() <= FlagSet::KEYWORDS
    }

    /// The set that holds only the mailbox's keyword number `index`; empty when there can be no such keyword.
    #[must_use]
    pub fn keyword(index: usize) -> FlagSet {
        if index < Self::KEYWORDS { FlagSet(1 << (8 + index)) } else { FlagSet::NONE }
    }

    /// Whether all flags of `other` are set here.
    #[must_use]
    pub fn has(self, other: FlagSet) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether this system flag is set.
    #[must_use]
    pub fn is(self, flag: SystemFlag) -> bool {
        self.has(flag.set())
    }

    /// The numbers of the keywords that are set, ascending.
    pub fn keywords(self) -> impl Iterator<Item = usize> {
        let mut left = self.0 >> 8;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let index = left.trailing_zeros() as usize;
            left &= left - 1;
            Some(index)
        })
    }
}

impl BitOr for FlagSet {
    type Output = FlagSet;
    fn bitor(self, other: FlagSet) -> FlagSet {
        FlagSet(self.0 | other.0)
    }
}

impl BitAnd for FlagSet {
    type Output = FlagSet;
    fn bitand(self, other: FlagSet) -> FlagSet {
        FlagSet(self.0 & other.0)
    }
}

impl Not for FlagSet {
    type Output = FlagSet;
    fn not(self) -> FlagSet {
        FlagSet(!self.0)
    }
}
