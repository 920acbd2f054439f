//! Who is at fault: the wish (`Refusal`) or the store (`Fault`).

use std::fmt;

/// A wish that cannot be granted; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such account.
    NoAccount,
    /// The address is in use.
    AddressTaken,
    /// There is no such mailbox.
    NoMailbox,
    /// A mailbox of this name exists.
    MailboxExists,
    /// The name breaks a rule: empty level, too long, too deep, control characters.
    BadName,
    /// INBOX cannot be deleted.
    Inbox,
    /// Only implied by its children: there is nothing to delete.
    HasChildren,
    /// The new name lies below the old one.
    IntoItself,
    /// More mailboxes than an account may have.
    TooManyMailboxes,
    /// The account's limit of octets or messages would be exceeded.
    OverQuota,
    /// The mailbox has no UIDs left.
    UidsUsedUp,
    /// The message is larger than any that is accepted.
    TooLarge,
    /// The disk has no room but the reserve.
    DiskFull,
    /// Nothing can be written: mail can only be read.
    ReadOnly,
    /// Somebody else changed it meanwhile, or it is gone.
    Changed,
    /// There is no such alias, domain or rule.
    NotThere,
    /// There are as many of these as there may be.
    TooMany,
    /// The account is gone, or its password is another one: who logged in before acts for it no more.
    Revoked,
}

/// The store could not do what it should have been able to do. The text is for the log, never for a client.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The disk or the database library failed.
    Io(String),
    /// A record does not read as what it should be.
    Corrupt(&'static str),
    /// The writer has stopped: the process is shutting down.
    Stopped,
    /// The data is of a newer version than this program.
    TooNew(u32),
    /// Another process has the store open.
    InUse,
}

/// Either.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// The wish's fault.
    Refused(Refusal),
    /// Ours.
    Fault(Fault),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NoAccount => "there is no such account",
            Refusal::AddressTaken => "the address is in use",
            Refusal::NoMailbox => "there is no such mailbox",
            Refusal::MailboxExists => "the mailbox exists",
            Refusal::BadName => "this cannot be a mailbox name",
            Refusal::Inbox => "INBOX cannot be deleted",
            Refusal::HasChildren => "there are mailboxes below it",
            Refusal::IntoItself => "the new name lies below the old one",
            Refusal::TooManyMailboxes => "the account has too many mailboxes",
            Refusal::OverQuota => "the account's quota would be exceeded",
            Refusal::UidsUsedUp => "the mailbox has no UIDs left",
            Refusal::TooLarge => "the message is too large",
            Refusal::DiskFull => "the disk is full",
            Refusal::ReadOnly => "the mail store can only be read at the moment: nothing can be changed",
            Refusal::Changed => "it was changed meanwhile, or is gone",
            Refusal::NotThere => "there is no such thing",
            Refusal::TooMany => "there are as many as there may be",
            Refusal::Revoked => "the account was changed since the log-in",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io(cause) => write!(f, "storage failed: {cause}"),
            Fault::Corrupt(what) => write!(f, "damaged record: {what}"),
            Fault::Stopped => f.write_str("the store is shutting down"),
            Fault::TooNew(version) => write!(
                f,
                "the data has format {version}, newer than this program: start the newer one, or go back to how the data was \
                 before with `pillarbox update undo --discard-newer`"
            ),
            Fault::InUse => f.write_str("another process has the store open"),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Refused(refusal) => refusal.fmt(f),
            StoreError::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}
impl std::error::Error for Fault {}
impl std::error::Error for StoreError {}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        StoreError::Refused(refusal)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        StoreError::Fault(fault)
    }
}

impl From<redb::StorageError> for Fault {
    fn from(error: redb::StorageError) -> Self {
        match error {
            redb::StorageError::Corrupted(what) => {
                log::error!("the mail store's file is damaged: {what}");
                Fault::Corrupt("the tables as a whole")
            }
            other => Fault::Io(other.to_string()),
        }
    }
}

impl From<redb::StorageError> for StoreError {
    fn from(error: redb::StorageError) -> Self {
        StoreError::Fault(error.into())
    }
}

/// redb's errors are all ours, whatever the call.
macro_rules! fault_from {
    (Storage: $($error:ident::$kind:ident),*; $($other:ty),*) => {
        $(fault_from!($error::$kind, error, match error {
            $error::$kind::Storage(error) => error.into(),
            other => Fault::Io(other.to_string()),
        });)*
        $(fault_from!($other, error, Fault::Io(error.to_string()));)*
    };
    ($error:ty, $name:ident, $fault:expr) => {
        impl From<$error> for Fault {
            fn from($name: $error) -> Self {
                $fault
            }
        }
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                StoreError::Fault(error.into())
            }
        }
    };
}

fault_from!(
    Storage: redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::SavepointError;
    redb::SetDurabilityError,
    std::io::Error
);

impl From<redb::DatabaseError> for Fault {
    fn from(error: redb::DatabaseError) -> Self {
        match error {
            redb::DatabaseError::DatabaseAlreadyOpen => Fault::InUse,
            redb::DatabaseError::Storage(error) => error.into(),
            other => Fault::Io(other.to_string()),
        }
    }
}
