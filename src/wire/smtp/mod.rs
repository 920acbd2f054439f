//! The grammar of SMTP (RFC 5321) and LMTP (RFC 2033) with their extensions, both sides: a server's, which hears
//! commands and gives answers, and what a client makes of another server's replies.
//!
//! Read first: [`Command`]; [`Body`], which finds the end of a message; [`Answer`]. And for the client's side: [`reply`].

mod address;
pub mod answer;
mod body;
mod command;
mod enhanced;
mod params;
pub mod reply;

pub use address::{Address, Wrong};
pub use answer::Answer;
pub use body::{Body, Lone};
pub use command::{Command, Recipient, Sender, Syntax};
pub use enhanced::Enhanced;
pub use params::Notify;
