//! Bytes <-> values: the grammars of the protocols, and nothing of what they mean.

pub mod imap;
pub mod lines;
mod out;
pub mod pop3;
pub mod sasl;
pub mod smtp;

pub use out::{Mark, Out};
