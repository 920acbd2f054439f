//! The client's side of SMTP (RFC 5321).
//!
//! Read first: `session` (a connection up to where mail can be sent), `transaction` (one mail), `said` (what became of
//! it, in words that a person and a program understand).

mod content;
mod said;
mod session;
mod transaction;

pub use content::Content;
pub use said::{Fate, Said, Trouble};
pub use session::{Patience, Security, Server, Session};
pub use transaction::{Envelope, To};
