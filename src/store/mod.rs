//! Values <-> redb: tables, records, snapshots, and the one writer.
//!
//! Read first: `schema` (what is where), `write` (what can be asked of the writer), `writer` (how it becomes durable),
//! `snapshot` (how it is read), `mirror` (what sessions share of an open mailbox). Nothing outside this room names
//! redb or postcard.

mod addresses;
mod ahead;
mod alarm;
mod apply;
mod behind;
mod blobs;
mod body;
mod check;
mod check_address;
mod check_content;
mod check_mailboxes;
mod check_queue;
mod closed;
mod codec;
mod compact;
mod disk;
mod error;
mod file_header;
mod filing;
mod grant;
mod guard;
mod health;
mod journal;
mod large_jobs;
mod layout;
mod lived;
mod locks;
mod medium;
mod mirror;
mod overlay;
mod pages;
mod parcel;
mod privacy;
mod provider;
mod queue;
mod read_only;
mod record;
mod recovery;
mod remains;
mod replay;
mod reread;
mod rows;
mod schema;
mod snapshot;
mod space;
mod steps;
#[expect(clippy::module_inception, reason = "the room's main noun")]
mod store;
mod sums;
mod verified;
mod way_back;
mod way_in;
mod write;
mod writer;

#[cfg(test)]
mod address_tests;
#[cfg(test)]
mod check_tests;
#[cfg(test)]
pub(crate) mod clockwork;
#[cfg(test)]
mod closed_tests;
#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod pages_tests;
#[cfg(test)]
mod provider_tests;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod read_only_tests;
#[cfg(test)]
mod settle_tests;
#[cfg(test)]
mod steps_tests;
#[cfg(test)]
mod tests;

pub use ahead::{Ahead, Depth};
pub use alarm::Alarm;
pub use blobs::Pin;
pub use body::Reading;
pub use check::{Finding, Mend, Report};
pub use closed::Closed;
pub use error::{Fault, Refusal, StoreError};
pub use filing::{Action, Alias, Condition, Detail, Domain, Field, Filing, Rule, RuleEdit, Vacation};
pub use grant::Grant;
pub use health::Health;
pub use medium::Ground;
pub use mirror::{Mirror, Watch};
pub use parcel::{Packer, Parcel};
pub use provider::{
    Arrival, Arriving, Certificate, Collected, FarFolder, FolderId, Note, Pair, Protocol, Provider, ProviderChange,
    ProviderId, ProviderState, Security, Step, Way,
};
pub use queue::{
    Delivery, Grace, LocalCopy, Mark, Notify, Once, Onward, OnwardRecipient, Place, Placed, Posting, Progress, QueueId,
    Queued, QueuedRecipient, Space,
};
pub use record::{
    Account, Credentials, Head, Limits, MailboxRecord, Message, OnDelete, Pop3, Retired, SpecialUse, Usage,
};
pub use rows::{Row, Rows};
pub use schema::FORMAT;
pub use snapshot::{Kept, Snapshot, StoredHead};
pub use store::{Options, Store};
pub use way_back::{WayBack, ask_to_restore};
pub use write::{CopyId, FlagChange, History, NewAccount, NewMessage, Outcome, Total, Uids, Write};
