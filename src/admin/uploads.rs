//! Importing through the socket: what is said about the octets that follow.

use crate::keep::{Meta, Verdict};
use serde::{Deserialize, Serialize};

/// Octets of one piece.
pub(super) const PIECE: u32 = 1 << 20;

/// A line of an import. Messages come in pieces, since their size is not known before their end is found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Frame {
    /// So many octets of the message follow this line.
    Piece(u32),
    /// The message is complete: it gets a verdict, in its turn.
    End(Meta),
    /// The message is not to be stored.
    GiveUp,
    /// The import is over.
    Done,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// What became of the oldest message without a verdict.
    Verdict(Verdict),
    /// All verdicts are given.
    Done,
}
