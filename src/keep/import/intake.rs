//! Where imported mail goes, seen from the formats.

use crate::mail::Stamp;
use crate::store::History;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An account that takes mail.
pub trait Destination {
    /// A mailbox of it, made if there is none.
    fn open(&mut self, mailbox: &str) -> Result<Box<dyn Intake + '_>, Broken>;
}

/// A mailbox that takes one message after the other, and tells later what became of each.
pub trait Intake {
    /// The next octets of the message.
    fn push(&mut self, octets: &[u8]) -> Result<(), Broken>;
    /// The message is complete; its verdict comes in its turn.
    fn end(&mut self, meta: Meta) -> Result<(), Broken>;
    /// What came in of the message is thrown away; there is no verdict on it.
    fn give_up(&mut self) -> Result<(), Broken>;
    /// The verdict on the oldest message that has none yet; waits for it if asked to.
    fn verdict(&mut self, wait: bool) -> Result<Option<Verdict>, Broken>;
}

/// What goes with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Flag names: system flags with their backslash, keywords.
    pub flags: Vec<String>,
    /// INTERNALDATE.
    pub received: Stamp,
    /// What POP3 clients know it by.
    pub history: History,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is stored.
    Taken,
    /// The mailbox has it already.
    Known,
    /// Not this one; others may be taken.
    Refused(String),
    /// There is no room for it: neither will there be for others.
    Full(String),
    /// Something is out of order: it makes no sense to go on.
    Broken(String),
}

/// The way to the store is broken; the text is for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Broken {}
