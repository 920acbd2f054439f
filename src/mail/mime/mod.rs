//! Reading a message as its bytes stream by: the outline of a message of any size in bounded memory.
//!
//! This is our own code because no crate that we keep outlines a stream: mail-parser wants the whole message in memory
//! and decodes all of it. What is here sees lines, and of each line only the beginning.
//!
//! Read first: RFC 2046 §5.1. Where a message is broken we read what Python's `email` package reads, because it is
//! what most other programs are compared with; where that contradicts the RFC, the RFC wins:
//!
//! - A header ends at an empty line. Lines that are no fields are passed over where a field follows; where none follows
//!   the body begins with them (see `header::Lines`).
//! - A boundary of an outer multipart ends all that is inside, also in a header. Of two multiparts with the same
//!   boundary the outer one wins.
//! - A multipart without a boundary parameter, or whose boundary never comes, is a leaf: `text/plain`.
//! - What follows a boundary in its line does not undo it, but another multipart's boundary that is the whole line does.
//! - Boundaries in a row are one. One at the very end begins an empty part.
//! - Where the closing boundary is missing, it is taken to stand at the end: the last line end belongs to it.
//! - A line ends at LF, and a CR before it belongs to the line end. A lone CR ends no line.
//!
//! What goes beyond `limits` is not lost: it is part of the body around it.

mod block;
mod content;
mod delimiter;
mod params;
mod scanner;
mod tree;

use super::{Envelope, Part};

pub use params::parameter;
pub use scanner::Scanner;

/// What there is to know of a message when it has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The envelope.
    pub envelope: Envelope<'static>,
    /// The message itself, as the root of its parts.
    pub root: Part<'static>,
    /// Octets of the message; at most `u32::MAX` is told.
    pub size: u32,
}

#[cfg(test)]
mod tests;
