//! A POP3 session (RFC 1939 and its extensions): what may happen when, and a view of the INBOX that is fixed at log-in.
//!
//! Read first: [`Pop3`], which hears what the client says; `maildrop`, what it is shown. What a client does to its mail
//! is done at the end, in one change of the store, after QUIT and not otherwise.

mod capability;
mod list;
mod lock;
mod login;
mod maildrop;
mod quit;
mod retrieve;
mod session;

pub use lock::{Maildrops, Terms};
pub use session::Pop3;
