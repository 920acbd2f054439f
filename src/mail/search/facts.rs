//! What a search must be told: of the mailbox and the moment once, and of each message as far as it asks.

use crate::mail::{Envelope, FlagSet, Part, Span, Stamp, Uid};
use std::num::NonZeroU32;
use std::ops::ControlFlow;

/// What is the same for all messages of a search.
#[derive(Clone, Copy)]
pub struct World<'w> {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub now: i64,
    /// The largest message number, if there is a message.
    pub last_sequence: Option<NonZeroU32>,
    /// The largest UID in use, if there is a message.
    pub last_uid: Option<NonZeroU32>,
    /// The UIDs saved by the last SEARCH (`$`), as ascending, disjoint, inclusive ranges.
    pub saved: &'w [(u32, u32)],
    /// The mailbox's keyword of this name, compared without case; no flag if it has none.
    pub keyword: &'w dyn Fn(&str) -> FlagSet,
}

/// What a message's row in the mailbox tells.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its number in the session's view.
    pub sequence: u32,
    /// Its UID.
    pub uid: Uid,
    /// Its flags.
    pub flags: FlagSet,
    /// Whether it is `\Recent` in this session.
    pub recent: bool,
    /// INTERNALDATE.
    pub received: Stamp,
    /// RFC822.SIZE.
    pub size: u32,
}

/// One message, for a search. Nothing but its row is asked for unless the answer depends on it, in the order in which it
/// stands here, and everything once in a turn; what a turn did not come through is asked for again in the next one.
pub trait Facts {
    /// Why something cannot be told.
    type Error;

    /// Its row.
    fn row(&self) -> Row;
    /// Shows its envelope.
    fn envelope(&mut self, see: &mut dyn FnMut(&Envelope<'_>)) -> Result<(), Self::Error>;
    /// Shows its header, all of it.
    fn header(&mut self, see: &mut dyn FnMut(&[u8])) -> Result<(), Self::Error>;
    /// Shows the root of its outline.
    fn outline(&mut self, see: &mut dyn FnMut(&Part<'_>)) -> Result<(), Self::Error>;
    /// Shows these octets of it in pieces of any size, until told to stop. Asked for in ascending order, without
    /// overlap, so that a message can be read in one go.
    fn octets(&mut self, span: Span, see: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Self::Error>;
}
