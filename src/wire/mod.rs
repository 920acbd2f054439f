//! Bytes <-> values: the grammars of the protocols, and nothing of what they mean.

pub mod imap;
mod out;

pub use out::{Mark, Out};
