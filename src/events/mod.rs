//! What happened, as log lines of one form, and the latest of them in memory: the room that answers "where is that mail?"
//! and "who tried to log in?".
//!
//! A line is a fixed word and `key=value` pairs, in this order:
//!
//! ```text
//! login   result=ok|failed protocol= tls= address= user= reason=
//! session protocol= tls= address= port= user= seconds= in= out= error=
//! mail    event= id= queue= protocol= address= helo= user= message-id= from= to= account= mailbox= uid= relay= rule=
//!         verdict= size= stage= reason= reply=
//! ```
//!
//! Keys that do not apply are left out. A value with a blank, a quote or anything that is no plain character stands in
//! double quotes, with `\"`, `\\` and `\u{…}` inside: what a stranger says can neither begin a new line nor look like
//! another key. `id` is the same from MAIL to the mailbox or to the other server's 250, and the one in `Received`.
//!
//! `mail event=` is one of `delivered`, `queued`, `discarded`, `repeated` and `refused` (a message that comes in, for one
//! recipient), `sent`, `deferred`, `failed`, `expired`, `dropped` (one that goes out) and `answered` (somebody is away).
//!
//! Read first: [`Event`]; then [`recent`].

mod event;
mod recent;

pub use event::Event;
pub use recent::{Told, about};
