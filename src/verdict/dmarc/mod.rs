//! DMARC: what the domain in the From field wants done with mail that neither SPF nor DKIM lets speak for it (RFC 7489).
//!
//! Which domain a domain belongs to, a list of public names tells; a domain that says for itself (`psd=`), as RFC 7489's
//! successor has it, is believed.

mod house;
mod record;
mod tree;
mod weigh;

pub use record::Policy;
pub use weigh::{Dmarc, DmarcResult};
pub(super) use weigh::{Vouched, weigh};
