//! What is answered, on one page (RFC 5321 §4.2, RFC 3463).

use super::session::Smtp;
use super::spool::Full;
use crate::session::Denied;
use crate::store::{Fault, Refusal, StoreError};
use crate::wire::Out;
use crate::wire::sasl::Failure;
use crate::wire::smtp::{Answer, Syntax};

pub(super) const BYE: Answer = Answer::new(221, 0, 0, "Good-bye");
pub(super) const BEGIN_TLS: Answer = Answer::new(220, 0, 0, "Begin TLS");
pub(super) const LOGGED_IN: Answer = Answer::new(235, 7, 0, "Welcome");
pub(super) const DONE: Answer = Answer::new(250, 0, 0, "Done");
pub(super) const SENDER: Answer = Answer::new(250, 1, 0, "Go on");
pub(super) const RECIPIENT: Answer = Answer::new(250, 1, 5, "Go on");
pub(super) const CHUNK: Answer = Answer::new(250, 0, 0, "Go on");
pub(super) const TAKEN: Answer = Answer::new(250, 0, 0, "Taken");
pub(super) const VRFY: Answer = Answer::new(252, 1, 5, "Nobody is told who is here: send the mail, and see");
pub(super) const HELP: Answer = Answer::new(214, 0, 0, "This is Pillarbox; RFC 5321 says how to speak to it");
pub(super) const SEND: Answer = Answer::plain(354, "Send it, and a dot on a line alone");

pub(super) const STOPPING: Answer = Answer::new(421, 3, 2, "The server is shutting down");
pub(super) const SILENT: Answer = Answer::new(421, 4, 2, "That took too long");
pub(super) const REVOKED: Answer = Answer::new(421, 7, 0, "The account was changed: log in again");
pub(super) const ENDED: Answer = Answer::new(421, 3, 2, "The owner of the server ended this session");
pub(super) const TOO_MANY_ERRORS: Answer = Answer::new(421, 7, 0, "That was wrong too often");
pub(super) const NOT_NOW: Answer = Answer::new(451, 3, 0, "The mail store is not available");
pub(super) const NOT_ALL: Answer = Answer::new(451, 3, 0, "Not for all recipients");
pub(super) const READ_ONLY: Answer = Answer::new(451, 3, 0, "Mail can only be read at the moment");
pub(super) const BEING_TAKEN: Answer = Answer::new(451, 3, 0, "The same is being taken already");
pub(super) const UNCHECKED: Answer = Answer::new(451, 7, 0, "The sender could not be checked now");
pub(super) const OVER_QUOTA: Answer = Answer::new(452, 2, 2, "The mailbox is full");
pub(super) const BUSY: Answer = Answer::new(452, 3, 1, "Too much is coming in: come again later");
pub(super) const DISK_FULL: Answer = Answer::new(452, 3, 1, "The disk is full");
pub(super) const TOO_MANY: Answer = Answer::new(452, 5, 3, "Those are too many recipients: send to the others apart");

pub(super) const UNKNOWN: Answer = Answer::new(500, 5, 2, "That is no command of this server");
pub(super) const TOO_LONG: Answer = Answer::new(500, 5, 2, "The line is too long");
pub(super) const BARE: Answer = Answer::new(500, 5, 2, "A line ends with CRLF");
pub(super) const NO_HOST: Answer = Answer::new(501, 5, 4, "A host name is missing");
pub(super) const NOT_OFFERED: Answer = Answer::new(502, 5, 1, "This is not offered here");
pub(super) const HELLO_FIRST: Answer = Answer::new(503, 5, 1, "Say hello first");
pub(super) const MAIL_FIRST: Answer = Answer::new(503, 5, 1, "MAIL comes first");
pub(super) const IN_TRANSACTION: Answer = Answer::new(503, 5, 1, "There is a sender already");
pub(super) const CHUNKS_BEGUN: Answer = Answer::new(503, 5, 1, "The message goes on with BDAT");
pub(super) const AGAIN: Answer = Answer::new(503, 5, 1, "That was done already");
pub(super) const NO_RECIPIENTS: Answer = Answer::new(554, 5, 1, "There are no recipients");
pub(super) const NO_RECIPIENTS_LMTP: Answer = Answer::new(503, 5, 1, "There are no recipients");
pub(super) const LOG_IN_FIRST: Answer = Answer::new(530, 7, 0, "Log in first");
pub(super) const TLS_FIRST: Answer = Answer::new(530, 7, 0, "Use STARTTLS first");
pub(super) const CANCELLED: Answer = Answer::new(501, 7, 0, "As you wish");
pub(super) const NO_MECHANISM: Answer = Answer::new(504, 5, 4, "This mechanism is not offered");

pub(super) const NOBODY: Answer = Answer::new(550, 1, 1, "There is nobody of this name here");
pub(super) const NO_RELAY: Answer = Answer::new(550, 7, 1, "Mail for others is not taken here");
pub(super) const NOT_YOURS: Answer = Answer::new(553, 7, 1, "This is no address of yours");
pub(super) const NOT_YOURS_WITHIN: Answer = Answer::new(550, 7, 1, "The From field names an address that is not yours");
pub(super) const TOO_LARGE: Answer = Answer::new(552, 3, 4, "The message is too large");
pub(super) const HEADER_TOO_LARGE: Answer = Answer::new(552, 3, 4, "The header of the message is too large");
pub(super) const NEEDS_UTF8: Answer = Answer::new(553, 6, 7, "The address needs SMTPUTF8");
pub(super) const LONE_LINE_ENDS: Answer =
    Answer::new(554, 6, 0, "A CR or an LF stands alone in the message: a line ends with CRLF");
pub(super) const LOOP: Answer = Answer::new(554, 4, 6, "The mail goes in circles");
pub(super) const REJECTED: Answer = Answer::new(550, 7, 1, "The sender's domain wants it refused");

/// A line that is no command.
pub(super) fn syntax(syntax: Syntax) -> Answer {
    match syntax {
        Syntax::Unknown => UNKNOWN,
        Syntax::Arguments(text) => Answer::new(501, 5, 4, text),
        Syntax::Sender(text) => Answer::new(501, 1, 7, text),
        Syntax::Recipient(text) => Answer::new(501, 1, 3, text),
        Syntax::NeedsUtf8 => NEEDS_UTF8,
        Syntax::Parameter(text) => Answer::new(555, 5, 4, text),
    }
}

/// A log-in that failed (RFC 4954 §6).
pub(super) fn denied(denied: Denied) -> Answer {
    match denied {
        Denied::Wrong => Answer::new(535, 7, 8, "The user name or the password is wrong"),
        Denied::Busy => Answer::new(454, 7, 0, "Too much is being checked: try again"),
        Denied::Fault => Answer::new(454, 7, 0, "The mail store is not available"),
    }
}

/// A log-in that did not keep to its mechanism.
pub(super) fn failed(failure: Failure) -> Answer {
    match failure {
        Failure::Malformed(text) => Answer::new(501, 5, 2, text),
        Failure::Unsupported(text) => Answer::new(504, 5, 4, text),
        Failure::Denied => denied(Denied::Wrong),
    }
}

/// A copy, or all of a message, that the store did not take.
pub(super) fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NoAccount => NOBODY,
        Refusal::OverQuota => OVER_QUOTA,
        Refusal::TooLarge => TOO_LARGE,
        Refusal::DiskFull => DISK_FULL,
        Refusal::ReadOnly => READ_ONLY,
        Refusal::Changed => BEING_TAKEN,
        Refusal::Revoked => REVOKED,
        _ => NOT_NOW,
    }
}

/// The same, where it may be the store's fault: why is in the log.
pub(super) fn store(error: &StoreError) -> Answer {
    match error {
        StoreError::Refused(refusal) => refused(*refusal),
        StoreError::Fault(fault) => broken(fault),
    }
}

/// The store failed: why is in the log.
pub(super) fn broken(fault: &Fault) -> Answer {
    log::error!("SMTP: {fault}");
    NOT_NOW
}

/// There is no room for what comes in.
pub(super) fn full(full: Full) -> Answer {
    match full {
        Full::Busy => BUSY,
        Full::Disk(error) => {
            log::error!("a message that is coming in has no place: {error}");
            DISK_FULL
        }
    }
}

impl Smtp {
    /// Answers; what is refused counts.
    pub(super) fn answer(&mut self, answer: &Answer, out: &mut Out) {
        answer.put(out);
        self.errors += u32::from(answer.code >= 500);
    }
}
