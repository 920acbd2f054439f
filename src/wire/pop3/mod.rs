//! The grammar of POP3 (RFC 1939) and its extensions (RFC 2449, 5034, 6856): lines in, replies out.
//!
//! Read first: [`Command`]; [`reply`], which words what it is answered; [`Dots`], through which a message goes.

mod command;
mod dots;
pub mod reply;
mod top;
mod undot;

pub use command::{Command, Number, Syntax};
pub use dots::Dots;
pub use top::Top;
pub use undot::Undot;
