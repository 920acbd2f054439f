//! Importing mail: from mbox files, Maildirs, single messages and trees of them into an account's mailboxes.
//!
//! Read first: `plan` and `tree` (what there is to read), `left` (what is not taken over), `carrier` (what happens to each message), then the formats.

mod carrier;
mod date;
mod emlx;
mod folder;
mod header;
mod intake;
mod left;
mod lines;
mod look;
mod maildir;
mod mbox;
mod plan;
mod tree;

#[cfg(test)]
pub(super) mod tests;

pub use carrier::{Event, Place, Summary};
pub use intake::{Broken, Destination, Intake, Meta, Verdict};
pub use left::{Kind, Left, Lot};
pub use plan::{Plan, plan, run};
