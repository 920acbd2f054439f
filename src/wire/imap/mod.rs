//! `IMAP4rev1` (RFC 3501) and `IMAP4rev2` (RFC 9051): commands in, responses out.

mod command;
mod parse;
mod syntax;
pub mod utf7;

pub use command::{
    Append, Body, Command, Dialect, FetchItem, ListCommand, ListPattern, ListReturn, ListSelect, Mailbox,
    QuotaResource, ReturnOption, SearchCommand, StatusItem, StoreMode,
};
pub use syntax::{Reason, Syntax};
