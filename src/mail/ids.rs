//! Numbers with a meaning, each a type of its own.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

/// A message's unique identifier in its mailbox: strictly ascending, never reused (RFC 9051 §2.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub NonZeroU32);

/// The generation of a mailbox: a new one says that all UIDs known before are void (RFC 9051 §2.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UidValidity(pub NonZeroU32);

/// A modification sequence: ascends with every change in a mailbox (RFC 7162 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModSeq(pub NonZeroU64);

/// An account on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(pub u32);

/// A mailbox: the account in the upper 32 bits, so that an account's mailboxes are one contiguous range of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MailboxId(pub u64);

/// The stored content of a message, shared by its copies; never reused, so it also names the content to clients
/// (EMAILID, RFC 8474 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId(pub u64);

/// A message's name in POP3 (UIDL, RFC 1939 §7). Drawn at random when the message comes in and kept with it wherever it
/// goes, so that it is the same in every mailbox, after a restart, and on another box that the mail was moved to. In one
/// maildrop of a million messages two are the same with a probability of 3 in 10^8; a log-in that meets such two, or two
/// copies of one message, gives one of them another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UniqueId(pub u64);

impl UniqueId {
    /// From how it is written: 16 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<UniqueId> {
        let digits = text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 16 || !digits {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(UniqueId)
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Uid {
    /// The lowest UID.
    pub const FIRST: Uid = Uid(NonZeroU32::MIN);

    /// `None` for 0, which is no UID.
    #[must_use]
    pub fn new(number: u32) -> Option<Uid> {
        NonZeroU32::new(number).map(Uid)
    }

    /// The bare number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// The UID after this one; `None` when 32 bits are used up.
    #[must_use]
    pub fn next(self) -> Option<Uid> {
        self.0.checked_add(1).map(Uid)
    }
}

impl ModSeq {
    /// The lowest modification sequence.
    pub const FIRST: ModSeq = ModSeq(NonZeroU64::MIN);

    /// The modification sequence after this one.
    #[must_use]
    pub fn next(self) -> ModSeq {
        ModSeq(self.0.saturating_add(1))
    }
}

impl MailboxId {
    /// The mailbox with this number in this account.
    #[must_use]
    pub fn new(account: AccountId, number: u32) -> MailboxId {
        MailboxId(u64::from(account.0) << 32 | u64::from(number))
    }

    /// Whose mailbox it is.
    #[must_use]
    pub fn account(self) -> AccountId {
        AccountId(u32::try_from(self.0 >> 32).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UidValidity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_id_is_read_as_it_is_written() {
        for id in [UniqueId(0), UniqueId(0xab), UniqueId(u64::MAX)] {
            assert_eq!(UniqueId::parse(&id.to_string()), Some(id));
        }
        for bad in ["", "ab", "00000000000000AB", "00000000000000abc", "+0000000000000ab"] {
            assert_eq!(UniqueId::parse(bad), None, "{bad}");
        }
    }
}
