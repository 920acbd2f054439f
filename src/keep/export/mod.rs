//! Exporting mail: an account's mailboxes into a Maildir or into mbox files, from which an import makes them again.
//!
//! Read first: `walk` (what is read from the store, and in which pieces), `run` (what becomes of it), then the formats.

mod maildir;
mod mbox;
mod run;
mod target;
mod walk;

#[cfg(test)]
mod tests;

pub use crate::keep::layout::{Ends, Format, Shape};
pub use run::{Event, Stopped, Summary, run};
pub use walk::{Direct, Item, Origin, Part, Walk};
