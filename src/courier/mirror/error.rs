//! Why a look at a provider's mailbox ended early.

use crate::store::{Fault, Refusal, StoreError};
use std::fmt;
use std::io;

/// Who is at fault, and with it when to try again.
#[derive(Clone, Debug)]
pub enum Error {
    /// The connection: it is tried again soon.
    Connection(String),
    /// The server said NO, or `-ERR`.
    Refused { code: String, text: String },
    /// It does not know us.
    Login(String),
    /// What it said is not the protocol.
    Protocol(String),
    /// It does not know what we need.
    Unable(String),
    /// Our store.
    Store(StoreError),
    /// Nobody wants it any more.
    Gone,
}

impl Error {
    pub(super) fn protocol(why: impl Into<String>) -> Error {
        Error::Protocol(why.into())
    }

    /// Whether the server has no room.
    pub(super) fn is_over_quota(&self) -> bool {
        matches!(self, Error::Refused { code, .. } if code == "OVERQUOTA")
    }

    /// Whether the account here has no room, or the disk.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Error::Store(StoreError::Refused(Refusal::OverQuota | Refusal::DiskFull)))
    }

    /// Whether the server refused this wish alone: others may be granted.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Error::Refused { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Connection(why) => write!(f, "the connection: {why}"),
            Error::Refused { text, .. } => write!(f, "the provider refused: {text}"),
            Error::Login(why) => write!(f, "the provider did not take user and password: {why}"),
            Error::Protocol(why) => write!(f, "the provider is not understood: {why}"),
            Error::Unable(why) => f.write_str(why),
            Error::Store(error) => error.fmt(f),
            Error::Gone => f.write_str("it was removed or changed meanwhile"),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Error::Connection("the provider did not answer in time".to_owned()),
            io::ErrorKind::UnexpectedEof => Error::Connection("the provider hung up".to_owned()),
            _ => Error::Connection(error.to_string()),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(Refusal::Changed | Refusal::NoAccount | Refusal::NoMailbox) => Error::Gone,
            error => Error::Store(error),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::Store(fault.into())
    }
}
