//! Searching (RFC 9051 §6.4.4): what is asked for, and whether a message has it.
//!
//! A [`Key`] is prepared once into a [`Program`], which is run against the [`Facts`] of each message. It asks for what
//! costs little first, and for nothing that cannot change the answer; it decodes a field once for all keys that ask for it;
//! and it can stop wherever a turn is over, within a message, too.

mod asked;
mod facts;
mod hunt;
mod key;
mod needle;
mod program;
mod question;
mod text;

pub use facts::{Facts, Row, World};
pub use key::Key;
pub use needle::{Folded, Needle};
pub use program::Program;
