//! DMARC: what the domain in the From field wants done with mail that neither SPF nor DKIM lets speak for it (RFC 7489).
//!
//! Which domain a domain belongs to is found as RFC 7489's successor finds it, by asking for policies up the tree, since a list of all
//! public suffixes is as large as this program and old on the day that it is built in.

mod record;
mod tree;
mod weigh;

pub use record::Policy;
pub use weigh::{Dmarc, DmarcResult};
pub(super) use weigh::{Vouched, weigh};
