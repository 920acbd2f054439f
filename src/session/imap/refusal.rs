//! Errors become replies here, and nowhere else.

use crate::mail::BadName;
use crate::store::{Fault, Refusal, StoreError};
use crate::wire::Out;
use crate::wire::imap::reply::{self, Code, Condition};
use crate::wire::imap::{Reason, Syntax};

/// Charsets that `[BADCHARSET]` names.
const CHARSETS: [&str; 2] = ["UTF-8", "US-ASCII"];

/// Why a command is answered NO.
#[derive(Debug)]
pub(super) enum No {
    /// The store refuses the wish.
    Refused(Refusal),
    /// The store refuses the wish because the mailbox to put something into is missing.
    TargetMissing,
    /// The store failed.
    Fault(Fault),
    /// No mailbox can have this name (RFC 9051 §5.1).
    Name(BadName),
    /// Not in a mailbox that was opened by EXAMINE.
    ReadOnly,
    /// A special use that cannot be given (RFC 6154 §3).
    Use(&'static str),
    /// There is no such quota root (RFC 9208 §4.1.1).
    UnknownRoot,
    /// Any other wish that cannot be granted.
    Cannot(&'static str),
    /// Messages were expunged by somebody else while the client used their numbers (RFC 5530).
    ExpungeIssued,
    /// A message number that the client cannot know (RFC 9051 §9, `seq-number`).
    BadNumber,
    /// BINARY of a part whose encoding is unknown (RFC 3516 §3).
    UnknownCte,
    /// More keywords than a mailbox can have, or a longer one (RFC 9051 §7.1).
    TooManyKeywords,
    /// NUL in a literal that is no literal8 (RFC 9051 §4.3.1).
    Nul,
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        No::Refused(refusal)
    }
}

impl From<BadName> for No {
    fn from(bad: BadName) -> No {
        No::Name(bad)
    }
}

impl From<Fault> for No {
    fn from(fault: Fault) -> No {
        No::Fault(fault)
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> No {
        match error {
            StoreError::Refused(refusal) => No::Refused(refusal),
            StoreError::Fault(fault) => No::Fault(fault),
        }
    }
}

impl No {
    /// The tagged reply.
    pub(super) fn reply(&self, out: &mut Out, tag: &str) {
        let (code, text) = self.answer();
        let condition = if let No::BadNumber | No::Nul = self { Condition::Bad } else { Condition::No };
        reply::tagged(out, tag, condition, code, text);
    }

    fn answer(&self) -> (Option<Code<'static>>, &'static str) {
        match self {
            No::Refused(refusal) => refused(*refusal),
            No::TargetMissing => (Some(Code::TryCreate), "No such mailbox"),
            No::Fault(fault) => {
                log::error!("a command failed: {fault}");
                match fault {
                    Fault::Stopped => (Some(Code::Unavailable), "The server is shutting down"),
                    Fault::Io(_) | Fault::InUse => (Some(Code::Unavailable), "The mail store is not available"),
                    Fault::Corrupt(_) | Fault::TooNew(_) => (Some(Code::ServerBug), "The mail store has a problem"),
                }
            }
            No::Name(bad) => (Some(Code::Cannot), name(*bad)),
            No::ReadOnly => (Some(Code::ReadOnly), "The mailbox is open for reading only"),
            No::Use(text) => (Some(Code::UseAttr), text),
            No::UnknownRoot => (Some(Code::NonExistent), "No such quota root"),
            No::Cannot(text) => (Some(Code::Cannot), text),
            No::ExpungeIssued => (Some(Code::ExpungeIssued), "Some of the messages are gone"),
            No::BadNumber => (None, "There is no message of this number"),
            No::UnknownCte => (Some(Code::UnknownCte), "The part's encoding is unknown"),
            No::TooManyKeywords => (Some(Code::Limit), "The mailbox has no room for these keywords"),
            No::Nul => (None, "NUL can only come in a literal8: ~{...}"),
        }
    }
}

fn name(bad: BadName) -> &'static str {
    match bad {
        BadName::Unfit(c) if c.is_control() => "The mailbox name holds a control character",
        BadName::Invisible(_) => "The mailbox name holds a character that cannot be seen",
        BadName::TooLong => "The mailbox name is too long",
        BadName::EmptyLevel | BadName::TooDeep | BadName::Unfit(_) => "A mailbox cannot have this name",
    }
}

fn refused(refusal: Refusal) -> (Option<Code<'static>>, &'static str) {
    match refusal {
        Refusal::NoAccount => (Some(Code::Unavailable), "The account is gone"),
        Refusal::AddressTaken => (Some(Code::AlreadyExists), "The address is in use"),
        Refusal::NoMailbox => (Some(Code::NonExistent), "No such mailbox"),
        Refusal::MailboxExists => (Some(Code::AlreadyExists), "The mailbox exists"),
        Refusal::BadName => (Some(Code::Cannot), "A mailbox cannot have this name"),
        Refusal::Inbox => (Some(Code::Cannot), "INBOX cannot be deleted"),
        Refusal::HasChildren => (Some(Code::HasChildren), "There are mailboxes below it"),
        Refusal::IntoItself => (Some(Code::Cannot), "The new name lies below the old one"),
        Refusal::TooManyMailboxes => (Some(Code::Limit), "There are too many mailboxes"),
        Refusal::OverQuota => (Some(Code::OverQuota), "The account's quota would be exceeded"),
        Refusal::UidsUsedUp => (Some(Code::Limit), "The mailbox has no UIDs left"),
        Refusal::TooLarge => (Some(Code::TooBig), "The message is too large"),
        Refusal::DiskFull => (Some(Code::Unavailable), "The disk is full: nothing can be stored until there is room"),
        Refusal::ReadOnly => (Some(Code::Unavailable), "Mail can only be read at the moment: nothing can be changed"),
        Refusal::Changed => (Some(Code::InUse), "It was changed meanwhile"),
        Refusal::NotThere => (Some(Code::NonExistent), "There is no such thing"),
        Refusal::TooMany => (Some(Code::Limit), "There are too many"),
        Refusal::Revoked => (Some(Code::Expired), "The account was changed: log in again"),
    }
}

/// A command that cannot be read.
pub(super) fn syntax(out: &mut Out, syntax: &Syntax) {
    let text = syntax.reason.text();
    let (condition, code) = match syntax.reason {
        Reason::BadCharset { .. } => (Condition::No, Some(Code::BadCharset(&CHARSETS))),
        Reason::BadMailbox(_) => (Condition::No, Some(Code::Cannot)),
        _ => (Condition::Bad, None),
    };
    match &syntax.tag {
        Some(tag) => reply::tagged(out, tag, condition, code, text),
        None => reply::untagged(out, Condition::Bad, None, text),
    }
}
