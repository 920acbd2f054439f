//! Protocol state machines: what may happen when, and what a client knows.
//!
//! Read first: [`Protocol`], what `net` sees of any of them.

pub mod imap;
pub mod pop3;
mod protocol;
mod sasl;
pub mod smtp;
mod whole;

pub use protocol::{Denied, Dismissal, Keys, Need, Privacy, Protocol, Suspect};
