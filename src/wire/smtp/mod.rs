//! The grammar of SMTP (RFC 5321) and LMTP (RFC 2033) with their extensions.

mod enhanced;
pub mod reply;

pub use enhanced::Enhanced;
