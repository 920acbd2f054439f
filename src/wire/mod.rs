//! Bytes <-> values: the grammars of the protocols, and nothing of what they mean.

pub mod imap;
mod out;
#[cfg(test)]
mod xorshift;

pub use out::{Mark, Out};
