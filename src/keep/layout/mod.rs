//! How mail lies in files: what an export writes, and what an import reads again.

mod ends;
mod flags;
mod marks;
mod names;

pub use ends::{Ends, Shape};
pub(super) use ends::{FromFile, Scan, ToFile};
pub(super) use flags::Keywords;
pub(super) use marks::{Marks, Separator};
pub use names::Format;
pub(super) use names::{INBOX, INDEX, Index, mailbox_of};

/// The file in which a Maildir keeps what its letters for keywords mean.
pub(super) const KEYWORDS: &str = "dovecot-keywords";
