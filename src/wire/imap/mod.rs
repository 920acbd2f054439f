//! `IMAP4rev1` (RFC 3501) and `IMAP4rev2` (RFC 9051): commands in, responses out.

pub mod answer;
mod command;
mod frame;
mod parse;
pub mod reply;
mod syntax;

pub use command::{
    Append, Body, Command, Dialect, FetchItem, ListCommand, ListPattern, ListReturn, ListSelect, Mailbox,
    QuotaResource, ReturnOption, SearchCommand, StatusItem, StoreMode,
};
pub use frame::{Event, Framer};
pub use syntax::{Reason, Syntax};
