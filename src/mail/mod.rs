//! The nouns of mail, and every bound: what a message, a flag, a mailbox name *is*, without protocols, tables or I/O.

mod address;
mod date;
pub mod decode;
pub mod effort;
mod envelope;
mod flags;
pub mod header;
mod ids;
pub mod limits;
mod lines;
pub mod mime;
mod name;
mod network;
pub mod octets;
#[cfg(test)]
pub(crate) mod odd;
mod outline;
pub mod search;
mod section;
mod set;
mod spelling;
mod stamp;
pub mod utf7;
#[cfg(test)]
pub(crate) mod xorshift;

pub use envelope::{Address, Envelope};
pub use flags::{FlagSet, SystemFlag, is_keyword};
pub use ids::{AccountId, BlobId, MailboxId, ModSeq, Uid, UidValidity, UniqueId};
pub use lines::LineEnds;
pub use name::{BadName, MailboxName, ancestors, normal};
pub use network::{Network, counted_as, site_of};
pub use outline::{Content, Disposition, Param, Part, Span, Tag};
pub use section::{Piece, Section, SectionText};
pub use set::{Bound, SequenceSet};
pub use spelling::other_spelling;
pub use stamp::{Day, Stamp};
