//! Why there is no update. Every text is for the owner.

use super::payload::MOST;
use std::fmt;
use std::io;

/// What an update, or the way back, came to instead.
#[derive(Debug)]
pub enum UpdateError {
    /// There is one under way.
    Busy,
    /// This system was not started from one of two slots.
    NoSlots,
    /// The running system is not confirmed yet: the other slot holds the way back.
    OnTrial,
    /// No key is trusted.
    NoKeys,
    /// Something in a list of keys is none.
    BadKey(String),
    /// The signature is by a key that is not trusted.
    UnknownKey,
    /// The signature does not fit the file.
    BadSignature,
    /// There is no signature that could be read.
    NoSignature(String),
    /// The file is larger than any update.
    TooLarge,
    /// The file is signed, but is no update.
    NoUpdate(String),
    /// It is for another board.
    OtherBoard { theirs: String, ours: String },
    /// It was built before what is running.
    Older { theirs: i64, ours: i64 },
    /// The slots have no room for it.
    NoRoom { wanted: u64, there: u64 },
    /// The other slot holds nothing to go back to.
    NothingToUndo(String),
    /// The earlier system cannot read the data as it is now, and may restore it only if told so.
    NewerData { theirs: u32, ours: u32 },
    /// It could not be fetched.
    Fetch(String),
    /// A disk failed: what was done, and the cause.
    Disk(String, io::Error),
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpdateError::Busy => f.write_str("another update is under way"),
            UpdateError::NoSlots => f.write_str("this system was not started from one of two slots: there is no other one"),
            UpdateError::OnTrial => f.write_str(
                "this system is on trial itself: the other slot holds the way back until it is confirmed, in some minutes",
            ),
            UpdateError::NoKeys => f.write_str(
                "no key is trusted here, so no update is: put one into [update] keys of pillarbox.toml, or make an image with --trust",
            ),
            UpdateError::BadKey(key) => write!(f, "{key:?} is no minisign public key"),
            UpdateError::UnknownKey => f.write_str("the update is signed with a key that is not trusted here"),
            UpdateError::BadSignature => {
                f.write_str("the signature does not fit: the file is damaged, cut off, or not what was signed")
            }
            UpdateError::NoSignature(why) => write!(f, "there is no signature beside the update: {why}"),
            UpdateError::TooLarge => write!(f, "the file is larger than {} MiB: this is no update", MOST >> 20),
            UpdateError::NoUpdate(why) => write!(f, "the file is no update: {why}"),
            UpdateError::OtherBoard { theirs, ours } => {
                write!(f, "the update is for the board {theirs}, and this is {ours}")
            }
            UpdateError::Older { theirs, ours } => {
                write!(f, "the update is older ({}) than what is running ({})", day(*theirs), day(*ours))
            }
            UpdateError::NoRoom { wanted, there } => write!(
                f,
                "the update needs {} MiB in its slot, and there is room for {} MiB",
                wanted.div_ceil(1 << 20),
                there >> 20
            ),
            UpdateError::NothingToUndo(why) => write!(f, "there is nothing to go back to: {why}"),
            UpdateError::NewerData { theirs, ours } => write!(
                f,
                "the data has format {ours}, and the earlier system reads {theirs}: going back gives up what came in since \
                 the update"
            ),
            UpdateError::Fetch(why) => write!(f, "the update could not be fetched: {why}"),
            UpdateError::Disk(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for UpdateError {}

/// Says what was being done when a disk failed.
pub(super) trait While<T> {
    fn during(self, what: impl Into<String>) -> Result<T, UpdateError>;
}

impl<T> While<T> for io::Result<T> {
    fn during(self, what: impl Into<String>) -> Result<T, UpdateError> {
        self.map_err(|error| UpdateError::Disk(what.into(), error))
    }
}

fn day(seconds: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .map_or_else(|_| seconds.to_string(), |moment| moment.date().to_string())
}
