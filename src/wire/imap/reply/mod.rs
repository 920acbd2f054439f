//! Responses into bytes. Every writer appends one whole response, or one named piece of a FETCH, to an
//! [`Out`](crate::wire::Out): nothing is allocated, nothing waits, nothing fails.

mod code;
mod envelope;
mod fetch;
mod mailbox;
mod search;
mod session;
mod set;
mod status;
mod string;
mod structure;
#[cfg(test)]
mod tests;

pub use code::Code;
pub use fetch::Fetch;
pub use mailbox::{
    ListAttribute, ListReply, NamespaceEntry, QuotaUsage, StatusReply, list, lsub, namespace, quota, quota_root,
};
pub use search::{Esearch, SearchReply};
pub use session::{capability, enabled, exists, expunge, flags, id, recent};
pub use set::{SetRun, set};
pub use status::{Condition, challenge, continuation, tagged, untagged};
pub use string::{astring, mailbox, nstring, string, without_nul};
