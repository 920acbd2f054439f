//! An IMAP session (RFC 3501, RFC 9051): what may happen when, the client's view of its mailbox, and which reply an
//! error becomes.
//!
//! Read first: `session`, which hears what the client says and is resumed until it needs something; [`Imap`], which
//! puts the framer before it. One file per group of commands; `view` is the client's picture of the mailbox; `refusal` turns errors
//! into replies.

mod append;
mod capability;
mod command;
mod fetch;
mod finish;
mod list;
mod login;
mod mailbox;
mod measure;
mod message;
mod pattern;
mod piece;
mod quota;
mod refusal;
mod rules;
mod search;
mod select;
mod session;
mod store;
mod talk;
mod view;
mod work;

pub use talk::Imap;
