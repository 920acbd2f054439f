//! SMTP (RFC 5321) as other servers speak it on port 25, submission (RFC 6409) and LMTP (RFC 2033): one session for the
//! three, which differ in who may speak, to whom, and in how many answers a message gets.
//!
//! Read first: [`Smtp`], then `envelope` (MAIL, RCPT), `content` (DATA, BDAT), and `arrive`, where a message becomes a
//! write. What is never done: an answer before the commit, mail for others from who did not log in.

mod answers;
mod arrive;
mod content;
mod envelope;
mod events;
mod header;
mod login;
mod repeats;
mod session;
mod spool;
mod terms;

pub use session::Smtp;
pub use spool::{Spool, Spools};
pub use terms::{Kind, Rules, Terms};
