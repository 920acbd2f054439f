//! Protocol state machines: what may happen when, and what a client knows.

pub mod imap;
