//! The provider's mailbox: what a home really has is a mailbox at a provider. Its mail is collected by IMAP or POP3, or
//! kept the same on both sides by IMAP.
//!
//! Read first: `pass` (one look at a two-way mirror, from its folders to its deletions), `run` (when it is looked at, and
//! what becomes of failures), `imap` and `pop3` (the clients).

mod collect;
mod enter;
mod error;
mod folders;
mod imap;
mod line;
mod mail;
mod merge;
mod moves;
mod names;
mod pass;
#[cfg(test)]
mod pass_tests;
mod pop3;
#[cfg(test)]
mod pop3_tests;
mod removal;
mod run;
mod scan;
#[cfg(test)]
mod script;
mod transfer;
mod vacate;

pub use enter::attempt;
pub use run::run;
